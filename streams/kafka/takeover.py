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
    static: bool = False  # joined with our client id as its group.instance.id as well
    commits: tuple[tuple[str, int, int, str], ...] = ()  # topic, partition, offset, metadata of what it owns


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The members with our client id at one moment."""

    namesakes: tuple[Namesake, ...]
    stable: bool  # False: the group rebalances


class Takeover:
    """Decides whether a starting process may take the place of a member that has its client id.

    A member whose commits move is alive. One whose commits stand still may be alive too: it restores, its partitions
    are refused, or its transactions get no answer. So it must have been put out of the group, which its session sees
    to; one that is kept for two of them is alive (a coordinator that moves starts a session anew).

    A static member (KIP-345) stays in the group for its session after a clean end too, and ours takes its place by
    joining. There a lease without a commit is enough: a successor would wait for the session after each restart.
    """

    def __init__(self, *, lease_s: float, session_s: float, static: bool = False) -> None:
        self._lease_s = lease_s + _ROOM_S
        self._kept_s = 2 * session_s + _ROOM_S
        self._static = static
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
            raise InstanceIdInUse(member, "has just committed")
        silent_s = now_s - since_s
        is_replaced = self._static and member.static and bool(member.commits)
        if is_replaced and silent_s > self._lease_s:
            return ""
        if silent_s > self._kept_s:
            raise InstanceIdInUse(member, f"has been kept by the group for {silent_s:.0f} s")
        until = "commits nothing for a lease" if is_replaced else "is put out of the group, with its session"
        return f"member {member.member_id} on {member.host} has the same instance_id; waiting until it {until}"


class InstanceIdInUse(Exception):
    """A living member has our client id."""

    def __init__(self, member: Namesake, evidence: str) -> None:
        super().__init__(f"member {member.member_id} on {member.host} {evidence}")
