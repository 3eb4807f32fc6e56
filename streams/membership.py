"""A consumer's membership in its group, derived from the client's statistics; when to replace the client. Pure.

librdkafka keeps a separate connection to the group's coordinator and lists it among the brokers under the name
``GroupCoordinator``, with the time since the last byte was received there (STATISTICS.md of librdkafka). Measured with
2.16 on Apache Kafka 4.3: while the member is settled, that time stays below the heartbeat interval; after the broker
was killed, the connection is no longer ``UP``; while the broker is frozen, the connection stays ``UP`` and the time
grows. A member keeps its id through a rebalance, and loses it when its session expires.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any, Final

COORDINATOR: Final = "GroupCoordinator"
SESSIONS_WITHOUT_CONTACT: Final = 3  # session timeouts without data from the coordinator while not in the group
FIRST_WAIT_S: Final = 5.0  # between two replacements; then twice as long, and so on
MOST_WAIT_S: Final = 60.0
_SETTLED: Final = "steady"
_CONNECTED: Final = "UP"
_WITH_ADDRESS: Final = ("configured", "learned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A member's view of its group. Times are on the monotonic clock."""

    joined_as: str = ""  # the member id under which it was last settled; empty = not in the group
    settled: bool = False  # False: it is joining, or the group rebalances
    connected: bool = False  # to the group's coordinator
    heard_at_s: float | None = None  # when data was last received from the coordinator; None = never
    assigned: int = 0  # partitions that the group has given it, restored or not

    @property
    def joined(self) -> bool:
        """Whether it is in the group."""
        return bool(self.joined_as)


def is_severed(statistics: Mapping[str, Any]) -> bool:
    """Whether the client knows no broker with an address: then it never reconnects.

    A broker that its controller considers dead, as it does for a moment after a freeze, describes a cluster without
    brokers. The client then discards all brokers it knew, the configured ones included, and looks for no others
    (librdkafka 2.16.0 with ``metadata.recovery.strategy=none``; seen in one of ten freezes of a single broker).
    """
    brokers = statistics.get("brokers")
    return brokers is not None and not any(broker.get("source") in _WITH_ADDRESS for broker in brokers.values())


def is_connected(statistics: Mapping[str, Any]) -> bool:
    """Whether the client has a connection to any broker."""
    return any(broker.get("state") == _CONNECTED for broker in statistics.get("brokers", {}).values())


class Isolation:
    """Detects a client that has had no connection to any broker for a given time.

    A client forgets the brokers that a metadata response leaves out, those of its configuration included. During a
    rolling restart of the cluster it may end up with a single known broker, and try only that one forever after it went
    down (librdkafka 2.16.0). Once the session timeout has passed, the group has removed the member anyway, and a new
    client loses nothing.
    """

    def __init__(self, session_s: float) -> None:
        self._session_s = session_s
        self._since_s: float | None = None

    def is_over(self, statistics: Mapping[str, Any], now_s: float) -> bool:
        """Whether the client should be replaced; the time starts again then."""
        if is_connected(statistics):
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif now_s - self._since_s >= self._session_s:
            self._since_s = None
            return True
        return False


class ReplacementReason(Enum):
    """Why a consumer is replaced; the values are shown to people."""

    SEVERED = "the client knew no broker any more and did not look for one; a new client joins the group"
    ISOLATED = (
        "the client has had no connection to a broker for a session and may know none that is up: a new one, which "
        "begins with kafka.bootstrap_servers, joins the group"
    )
    UNCOORDINATED = (
        "the client is not in the group and has received nothing from the group's coordinator for long, although a "
        "broker is up: a new one, which begins with kafka.bootstrap_servers, joins the group"
    )


class Replacement:
    """Decides when a consumer is to be replaced, with growing waits between two replacements.

    A client may be connected only to a broker that is up but cut off from the others; such a broker names no
    coordinator, or a wrong one. A connected coordinator may send nothing while it waits for other members to join, so
    it gets as much time as they have (the poll interval).
    """

    def __init__(self, session_s: float, poll_interval_s: float) -> None:
        self._isolation = Isolation(session_s)
        self._no_contact_s = SESSIONS_WITHOUT_CONTACT * session_s
        self._joining_s = max(self._no_contact_s, poll_interval_s + session_s)
        self._watched_since_s: float | None = None  # the start of this client, or when it was last settled
        self._not_before_s = -inf
        self._wait_s = FIRST_WAIT_S

    def cause(self, statistics: Mapping[str, Any], seen: Membership, now_s: float) -> ReplacementReason | None:
        """Returns why to replace the client now; None = keep it.

        To be called with all statistics of the current client. After a reason was returned, the next call is expected
        to be about a new client.
        """
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
        return ReplacementReason.UNCOORDINATED if self._has_lost_contact(seen, now_s) else None

    def _has_lost_contact(self, seen: Membership, now_s: float) -> bool:
        """Whether the member is not settled and has received nothing from the coordinator for too long."""
        if self._watched_since_s is None:
            self._watched_since_s = now_s
        contact_s = -inf if seen.heard_at_s is None else seen.heard_at_s
        silent_s = now_s - max(self._watched_since_s, contact_s)
        return not seen.settled and silent_s >= (self._joining_s if seen.connected else self._no_contact_s)


def observed(before: Membership, statistics: Mapping[str, Any], member_id: str | None, now_s: float) -> Membership:
    """Returns the membership that these statistics show. ``member_id``: the client's current one."""
    settled = statistics.get("cgrp", {}).get("join_state") == _SETTLED
    coordinator = statistics.get("brokers", {}).get(COORDINATOR, {})
    idle_us = coordinator.get("rxidle", -1)
    known = member_id or ""
    return Membership(
        # an id alone is not enough: a broker assigns one before the member has joined
        joined_as=known if settled or known == before.joined_as else "",
        settled=settled and bool(known),
        connected=coordinator.get("state") == _CONNECTED,
        heard_at_s=now_s - idle_us / 1e6 if idle_us >= 0 else before.heard_at_s,
        assigned=before.assigned,
    )
