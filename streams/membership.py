"""What a consumer knows of its place in the group, from its own statistics. Pure.

librdkafka keeps a connection of its own to the group's coordinator and shows it among the brokers under the name
``GroupCoordinator``, with the age of the last byte that was received there (STATISTICS.md of librdkafka). Measured with
2.16 on Apache Kafka 4.3: while the member is settled, that age stays below the heartbeat interval; after the broker was
killed the connection is no longer ``UP``; while the broker is frozen the connection stays ``UP`` and the age grows. A
member keeps its id through a rebalance, and loses it when its session is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

COORDINATOR: Final = "GroupCoordinator"
_SETTLED: Final = "steady"
_CONNECTED: Final = "UP"
_WITH_ADDRESS: Final = ("configured", "learned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A member's view of its group. Times are on the monotonic clock."""

    joined_as: str = ""  # the member id under which it was settled last; empty = not in the group
    settled: bool = False  # False: it joins, or the group rebalances
    connected: bool = False  # to the group's coordinator
    heard_at_s: float | None = None  # when the coordinator last said anything; None = never
    assigned: int = 0  # partitions that the group has given it, restored or not

    @property
    def joined(self) -> bool:
        return bool(self.joined_as)


def is_severed(statistics: Mapping[str, Any]) -> bool:
    """Whether the client knows no broker that has an address: then it is cut off for good.

    A broker that its controller takes for dead, as it does for a moment after a freeze, describes a cluster without
    brokers. The client gives up those it knew, the configured ones among them, and looks for no others (librdkafka
    2.16.0 with ``metadata.recovery.strategy=none``; seen in one of ten freezes of a single broker).
    """
    brokers = statistics.get("brokers")
    return brokers is not None and not any(broker.get("source") in _WITH_ADDRESS for broker in brokers.values())


def is_connected(statistics: Mapping[str, Any]) -> bool:
    """Whether the client has a connection to any broker."""
    return any(broker.get("state") == _CONNECTED for broker in statistics.get("brokers", {}).values())


class Isolation:
    """For how long a client has had no connection to any broker.

    A client forgets the brokers that a metadata answer leaves out, those of its configuration too. In a cluster that
    is rolled it may end up knowing one broker alone, and try that one for ever after it went down (librdkafka 2.16.0).
    Once a session has passed the group has expelled the member anyway, and a new client loses nothing.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._since_s: float | None = None

    def is_over(self, statistics: Mapping[str, Any], now_s: float) -> bool:
        """Whether the client should be replaced; the patience begins anew then."""
        if is_connected(statistics):
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif now_s - self._since_s >= self._patience_s:
            self._since_s = None
            return True
        return False


def observed(before: Membership, statistics: Mapping[str, Any], member_id: str | None, now_s: float) -> Membership:
    """The membership that these statistics show, ``member_id`` being the one that the client has now."""
    settled = statistics.get("cgrp", {}).get("join_state") == _SETTLED
    coordinator = statistics.get("brokers", {}).get(COORDINATOR, {})
    idle_us = coordinator.get("rxidle", -1)
    known = member_id or ""
    return Membership(
        # an id alone is not enough: a broker hands one out before the member is let in
        joined_as=known if settled or known == before.joined_as else "",
        settled=settled and bool(known),
        connected=coordinator.get("state") == _CONNECTED,
        heard_at_s=now_s - idle_us / 1e6 if idle_us >= 0 else before.heard_at_s,
        assigned=before.assigned,
    )
