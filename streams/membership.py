"""What a consumer knows of its place in the group, from its own statistics. Pure.

librdkafka keeps a connection of its own to the group's coordinator and shows it among the brokers under the name
``GroupCoordinator``, with the age of the last byte that was received there (STATISTICS.md of librdkafka). Measured with
2.16 on Apache Kafka 4.3: while the member is settled, that age stays below the heartbeat interval; after the broker was
killed the connection is no longer ``UP``; while the broker is frozen the connection stays ``UP`` and the age grows. A
member keeps its id through a rebalance, and loses it when its session is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any, Final

COORDINATOR: Final = "GroupCoordinator"
SESSIONS_UNHEARD: Final = 3  # without a word of the coordinator, and not in the group
FIRST_WAIT_S: Final = 5.0  # between two replacements; then twice as long, and so on
MOST_WAIT_S: Final = 60.0
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


class ReplacementReason(Enum):
    """Why a consumer is replaced, in words for a person."""

    SEVERED = "the client knew no broker any more and would not have looked for one: a new one joins the group"
    ISOLATED = (
        "the client has had no connection to a broker for a session and may know none that is up: a new one, which "
        "begins with kafka.bootstrap_servers, joins the group"
    )
    UNCOORDINATED = (
        "the client is not in the group and has long heard nothing of the group's coordinator, though a broker is up: "
        "a new one, which begins with kafka.bootstrap_servers, joins the group"
    )


class Replacement:
    """When a consumer is to be replaced, and no more often than can help.

    A broker that is up but cut off from the others may be all that a client hears of: it names no coordinator, or one
    that is none. A coordinator that is connected may be silent for as long as it waits for other members to join, so it
    gets the time that those have.
    """

    def __init__(self, session_s: float, poll_interval_s: float) -> None:
        self._isolation = Isolation(session_s)
        self._unheard_s = SESSIONS_UNHEARD * session_s
        self._joining_s = max(self._unheard_s, poll_interval_s + session_s)
        self._watched_since_s: float | None = None  # this client, or since it was settled last
        self._not_before_s = -inf
        self._wait_s = FIRST_WAIT_S

    def cause(self, statistics: Mapping[str, Any], seen: Membership, now_s: float) -> ReplacementReason | None:
        """Asked with all statistics of the client of now. A cause is given once; a new client is watched then."""
        if seen.settled:
            self._watched_since_s, self._wait_s = now_s, FIRST_WAIT_S
        cause = self._found(statistics, seen, now_s)
        if cause is None or now_s < self._not_before_s:
            return None
        self._not_before_s = now_s + self._wait_s
        self._wait_s = min(MOST_WAIT_S, 2 * self._wait_s)
        self._watched_since_s = None
        return cause

    def _found(self, statistics: Mapping[str, Any], seen: Membership, now_s: float) -> ReplacementReason | None:
        if self._isolation.is_over(statistics, now_s):
            return ReplacementReason.ISOLATED
        if is_severed(statistics):
            return ReplacementReason.SEVERED
        return ReplacementReason.UNCOORDINATED if self._is_unheard(seen, now_s) else None

    def _is_unheard(self, seen: Membership, now_s: float) -> bool:
        if self._watched_since_s is None:
            self._watched_since_s = now_s
        heard_s = -inf if seen.heard_at_s is None else seen.heard_at_s
        silent_s = now_s - max(self._watched_since_s, heard_s)
        return not seen.settled and silent_s >= (self._joining_s if seen.connected else self._unheard_s)


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
