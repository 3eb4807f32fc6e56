"""Decides whether a starting process may use an instance id that a group member uses already. Pure.

Two processes with the same ``instance_id`` have the same transactional id and fence each other. So a starting process
looks at the group first, and gives way to a member that is alive.
"""

from dataclasses import dataclass
from typing import Final

_MARGIN_S: Final = 1.0  # for the time that a request takes


@dataclass(frozen=True, slots=True, kw_only=True)
class SameIdMember:
    """A member of the group that has our client id."""

    member_id: str
    host: str
    static: bool = False  # joined with our client id as its group.instance.id as well
    commits: tuple[tuple[str, int, int, str], ...] = ()  # topic, partition, offset and metadata of its partitions


@dataclass(frozen=True, slots=True, kw_only=True)
class SameIdMembers:
    """The members with our client id, as seen at one moment."""

    members: tuple[SameIdMember, ...]
    stable: bool  # False: the group is rebalancing


class Takeover:
    """Decides whether a starting process may use an instance id that a group member uses already.

    A member that commits is alive. One that does not commit may be alive too: it may be restoring, its partitions may
    be stopped, or its transactions may get no answer. So the start waits until the session timeout has removed the
    member from the group. A member that stays for two session timeouts is alive (two, because a coordinator that moves
    restarts the session).

    A static member (KIP-345) stays in the group for its session timeout even after a clean shutdown, and a process
    with the same id replaces it by joining. There, one lease without a commit is enough: otherwise every restart would
    wait for the session timeout.
    """

    def __init__(self, *, lease_s: float, session_s: float, static: bool = False) -> None:
        self._lease_s = lease_s + _MARGIN_S
        self._kept_s = 2 * session_s + _MARGIN_S
        self._static = static
        self._first: dict[str, tuple[SameIdMember, float]] = {}
        self._seen_s: float | None = None

    def observe(self, seen: SameIdMembers, now_s: float) -> str | None:
        """Returns what the start still waits for; None = the id is free. Raises InstanceIdInUse."""
        if self._seen_s is None or not seen.stable or now_s - self._seen_s > self._lease_s:
            self._first.clear()  # while the broker is away or the group rebalances, a live member cannot commit
        self._seen_s = now_s
        now_there = {member.member_id: member for member in seen.members}
        self._first = {
            member_id: self._first.get(member_id, (member, now_s)) for member_id, member in now_there.items()
        }
        waits = [self._waits(member, now_s) for member in now_there.values()]
        return next((words for words in waits if words), None)

    def _waits(self, member: SameIdMember, now_s: float) -> str:
        first, since_s = self._first[member.member_id]
        if member.commits != first.commits:
            raise InstanceIdInUse(member, "has just committed")
        silent_s = now_s - since_s
        is_replaced = self._static and member.static and bool(member.commits)
        if is_replaced and silent_s > self._lease_s:
            return ""
        if silent_s > self._kept_s:
            raise InstanceIdInUse(member, f"has been in the group for {silent_s:.0f} s")
        until = "has not committed for one lease" if is_replaced else "is removed from the group by its session timeout"
        return f"member {member.member_id} on {member.host} has the same instance_id; waiting until it {until}"


class InstanceIdInUse(Exception):
    """A live member of the group uses our client id."""

    def __init__(self, member: SameIdMember, reason: str) -> None:
        super().__init__(f"member {member.member_id} on {member.host} {reason}")
