"""Whether a starting process may take the place of a member that has its client id. Pure.

Two processes with one ``instance_id`` have one transactional id, and each fences the other. So the one that starts
looks first, and leaves the place to the one that runs.
"""

from dataclasses import dataclass
from typing import Final

_ROOM_S: Final = 1.0  # for a request that takes its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Namesake:
    """A member of the group that has our client id."""

    member_id: str
    host: str
    commits: tuple[tuple[str, int, int, str], ...] = ()  # topic, partition, offset, metadata of what it owns


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The members with our client id at one moment."""

    namesakes: tuple[Namesake, ...]
    stable: bool  # False: the group rebalances


class Takeover:
    """Decides whether a starting process may take the place of a member that has its client id.

    A member that works commits at least every third of its lease, also without any events. So one whose commits move
    is alive, and keeps its place; one whose commits have stood still for a lease may send nothing any more, whatever
    became of it. A member that owns nothing commits nothing: it is alive when the group has kept it for longer than
    the session, in which a dead one is put out.
    """

    def __init__(self, *, lease_s: float, session_s: float) -> None:
        self._lease_s = lease_s + _ROOM_S
        self._session_s = session_s + _ROOM_S
        self._first: dict[str, tuple[Namesake, float]] = {}
        self._seen_s: float | None = None

    def saw(self, sighting: Sighting, now_s: float) -> str | None:
        """What is still waited for, in words; None = the place is free. Raises Taken."""
        if self._seen_s is None or not sighting.stable or now_s - self._seen_s > self._lease_s:
            self._first.clear()  # a broker that was away, or a rebalance, excuses a member that was silent or slow
        self._seen_s = now_s
        now_there = {member.member_id: member for member in sighting.namesakes}
        self._first = {
            member_id: self._first.get(member_id, (member, now_s)) for member_id, member in now_there.items()
        }
        waits = [self._waits(member, now_s) for member in now_there.values()]
        return next((words for words in waits if words), None)

    def _waits(self, member: Namesake, now_s: float) -> str:
        first, since_s = self._first[member.member_id]
        if member.commits != first.commits:
            raise Taken(member, "has just committed")
        silent_s = now_s - since_s
        if member.commits and silent_s > self._lease_s:
            return ""
        if silent_s > self._session_s:
            raise Taken(member, f"has been kept by the group for {silent_s:.0f} s")
        until = "commits nothing for a lease" if member.commits else "is put out of the group with its session"
        return f"member {member.member_id} on {member.host} has the same instance_id; waiting until it {until}"


class Taken(Exception):
    """A living member has our client id."""

    def __init__(self, member: Namesake, evidence: str) -> None:
        super().__init__(f"member {member.member_id} on {member.host} {evidence}")
