"""Settings of the Kafka clients: immutable, validated on construction. Opens no connection."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from streams.kafka.properties import CONSUMER_ONLY, PRODUCER_ONLY

Properties: TypeAlias = Mapping[str, Any]
"""librdkafka properties set by the operator (TLS, SASL and so on); they override ours."""

Start: TypeAlias = Literal["earliest", "latest"] | datetime
"""Where a group without committed offsets starts. No default: either would be wrong for some users."""

CLIENT_LOG: Final = logging.getLogger("librdkafka")

_NONE: Final[Properties] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """How the clients of this process connect. Each gets those ``properties`` that its kind understands.

    ``from_files``: properties that are read for each client, because their files may have changed.
    """

    bootstrap_servers: str
    client_id: str
    properties: Properties = field(default_factory=lambda: _NONE)
    from_files: Mapping[str, Callable[[], str]] = field(default_factory=lambda: _NONE, repr=False)

    def consumer(self, **ours: Any) -> dict[str, Any]:
        """Returns a consumer's configuration. ``ours``: underscores for dots; ``properties`` override it."""
        return self._client(PRODUCER_ONLY, ours)

    def producer(self, **ours: Any) -> dict[str, Any]:
        """See ``consumer``."""
        return self._client(CONSUMER_ONLY, ours)

    def admin(self) -> dict[str, Any]:
        """See ``consumer``."""
        return self._client(CONSUMER_ONLY | PRODUCER_ONLY, {})

    def _client(self, foreign: frozenset[str], ours: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.bootstrap_servers,
            # send the client's own log to ours; by default it goes to standard error
            "logger": CLIENT_LOG,
            "client.id": self.client_id,
            # reconnect to a returning broker within a second; by default the back-off grows to ten
            "reconnect.backoff.max.ms": 1_000,
            # With the default, "rebootstrap", a client that has lost all brokers discards them. After a broker had been
            # killed and restarted, send_offsets_to_transaction never returned and a consumer read nothing more: both
            # still waited for a discarded broker (measured with librdkafka 2.16.0).
            "metadata.recovery.strategy": "none",
            **{name.replace("_", "."): setting for name, setting in ours.items()},
            **{name: setting for name, setting in self.properties.items() if name not in foreign},
            **{name: read() for name, read in self.from_files.items() if name not in foreign},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """What the source reads, and as which member of which consumer group."""

    connection: KafkaConnection
    group: str
    topics: Mapping[str, str]  # input topic -> state topic of its lanes
    start: Start
    session_s: float = 15.0
    revoke_budget_s: float = 10.0  # how long a revocation may be delayed by a drain
    poll_interval_s: float = (
        60.0  # max.poll.interval.ms: a member that polls later is removed; a rebalance waits this long
    )
    static_member: str | None = None  # group.instance.id, if configured
    topic_ids: bool = True  # False: the broker does not support DescribeTopics (the embedded broker)
    version: str = ""  # of the program, for who looks at the committed offsets

    @property
    def heartbeat_s(self) -> float:
        """heartbeat.interval.ms: how often a member reports to the group coordinator.

        The answer tells it of a rebalance, so a partition that moves waits for up to one interval when its owner
        leaves, and for up to two when a member joins (docs/decisions/frequent-heartbeats.md).
        """
        return min(0.5, self.session_s / 8)

    def __post_init__(self) -> None:
        if not self.topics:
            raise ValueError("a source needs at least one topic")
        if self.revoke_budget_s >= self.poll_interval_s:
            raise ValueError(
                f"revoke_budget_s must be less than poll_interval_s: {self.revoke_budget_s} >= {self.poll_interval_s}"
            )
        if self.poll_interval_s < self.session_s:
            raise ValueError(f"poll_interval_s must be at least session_s: {self.poll_interval_s} < {self.session_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """How a sink produces.

    ``replaceable``: topics whose records may be replaced by digest and position. ``states``: state topics of lanes.
    """

    connection: KafkaConnection
    instance_id: str  # the transactional id: a stable name of this instance in the deployment
    group: str
    replaceable: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    transaction_timeout_s: float = 10.0
    call_timeout_s: float = 2.0  # for one call to the broker; a retriable call is repeated
    open_timeout_s: float = 60.0
    version: str = ""  # of the program, for who looks at the committed offsets
    lease_s: float = 4.0  # at_least_once: a checkpoint not acknowledged within this time is produced again

    def __post_init__(self) -> None:
        if not 0 < self.transaction_timeout_s <= _LONGEST_TRANSACTION_S:
            raise ValueError(
                f"transaction_timeout_s must be in (0, {_LONGEST_TRANSACTION_S:g}], got {self.transaction_timeout_s}: "
                "a successor waits up to this long for a frozen predecessor"
            )


_LONGEST_TRANSACTION_S: Final = 10.0
