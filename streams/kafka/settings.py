"""What the Kafka edge must be told: frozen, and checked when built. Nothing here opens anything."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from streams.kafka.properties import CONSUMER_ONLY, PRODUCER_ONLY

Properties: TypeAlias = Mapping[str, Any]
"""librdkafka's own settings, for TLS, SASL and the like; they win over ours."""

Start: TypeAlias = Literal["earliest", "latest"] | datetime
"""Where a group reads from that never committed. There is no default: both answers are wrong for somebody."""

CLIENT_LOG: Final = logging.getLogger("librdkafka")

_NONE: Final[Properties] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """How every client of this process reaches the broker: each is told of ``properties`` what its kind understands."""

    bootstrap_servers: str
    client_id: str
    properties: Properties = field(default_factory=lambda: _NONE)

    def consumer(self, **ours: Any) -> dict[str, Any]:
        """The configuration of one consumer; ``ours`` with underscores for dots, beaten by ``properties``."""
        return self._client(PRODUCER_ONLY, ours)

    def producer(self, **ours: Any) -> dict[str, Any]:
        """As ``consumer``."""
        return self._client(CONSUMER_ONLY, ours)

    def admin(self) -> dict[str, Any]:
        """As ``consumer``."""
        return self._client(CONSUMER_ONLY | PRODUCER_ONLY, {})

    def _client(self, foreign: frozenset[str], ours: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.bootstrap_servers,
            # what the client says of itself goes the way of all logs; by itself it writes to standard error
            "logger": CLIENT_LOG,
            "client.id": self.client_id,
            # a broker that was away is found again within a second; the default lets the wait grow to ten
            "reconnect.backoff.max.ms": 1_000,
            # With the default, "rebootstrap", a client that lost all its brokers forgets them. After a broker was
            # killed and back, send_offsets_to_transaction never returned, and a consumer read nothing more: both still
            # hung on a broker that was being forgotten (librdkafka 2.16.0, measured).
            "metadata.recovery.strategy": "none",
            **{name.replace("_", "."): setting for name, setting in ours.items()},
            **{name: setting for name, setting in self.properties.items() if name not in foreign},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """What the source reads, and as which member of which group."""

    connection: KafkaConnection
    group: str
    topics: Mapping[str, str]  # input topic -> the state topic of its lanes
    start: Start
    session_s: float = 15.0
    revoke_budget_s: float = 10.0  # how long a revoke may be held up for a drain
    poll_interval_s: float = 60.0  # a member that polls later than this is out; the group waits that long for one
    static_member: str | None = None  # group.instance.id, only when asked
    topic_ids: bool = True  # False: the broker describes no topics (the embedded one's plain option)

    @property
    def heartbeat_s(self) -> float:
        """How often a settled member and the group's coordinator hear of each other."""
        return min(3.0, self.session_s / 5)

    def __post_init__(self) -> None:
        if not self.topics:
            raise ValueError("a source without topics reads nothing")
        if self.revoke_budget_s >= self.poll_interval_s:
            raise ValueError(
                f"revoke_budget_s must be under poll_interval_s: {self.revoke_budget_s} >= {self.poll_interval_s}"
            )
        if self.poll_interval_s < self.session_s:
            raise ValueError(f"poll_interval_s must reach session_s: {self.poll_interval_s} < {self.session_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """How a sink produces.

    ``replaceable``: topics whose records may be replaced by digest and position. ``states``: topics of lanes.
    """

    connection: KafkaConnection
    instance_id: str  # the transactional id: a stable name of this slot in the deployment
    group: str
    replaceable: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    transaction_timeout_s: float = 10.0
    call_timeout_s: float = 2.0  # of one call to the broker; a retriable one is made again
    open_timeout_s: float = 60.0
    lease_s: float = 4.0  # at_least_once: what is not acknowledged within it is produced again

    def __post_init__(self) -> None:
        if not 0 < self.transaction_timeout_s <= _LONGEST_TRANSACTION_S:
            raise ValueError(
                f"transaction_timeout_s must be in (0, {_LONGEST_TRANSACTION_S:g}], got {self.transaction_timeout_s}: "
                "a successor waits that long for a frozen predecessor"
            )


_LONGEST_TRANSACTION_S: Final = 10.0
