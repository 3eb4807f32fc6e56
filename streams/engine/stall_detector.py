"""Stall detection: log what makes no progress, allow one grace period, then stop the process.

Long before that, the fetch of a partition with lag and without progress is restarted, repeatedly with growing waits: it
costs one request, and repairs a client that has stopped fetching.

A client returns the records of all its partitions from one queue. A partition whose records are behind a large backlog
of other partitions in that queue is not stalled: it waits until the others have passed the ends that they had when it
last moved. Seeking it meanwhile would move it to the end of the queue again.

Lag may be explained by a schema that is being fetched, a checkpoint in progress that the sink reports on, a missing
leader that the brokers report, or a partition that was stopped. Undone work may be explained by a timer, a token, a
block or a pause; only work that none of these explains counts here. A stall with an explanation is logged, repeatedly,
but never stops the process.

Records that a producer's open transaction holds back are not lag, because they cannot be read; they are logged too.

A worker that never answers would block slots, exclusive keys and the hand-over forever: the process stops, and its
restart repeats the work.
"""

from collections.abc import Callable, Iterator
from math import inf
from typing import Final

from streams.dispatch.in_flight import InFlight
from streams.engine.assignment import WOKEN, AssignedPartition, AssignedPartitions
from streams.flow import Assignment, Now
from streams.messages import Effect, Notice, Reread, Stop
from streams.policy import Policy

OVERDUE_S: Final = 5.0  # workers keep the deadline themselves; one that is this late hangs
REFETCH_S: Final = 10.0  # without progress; the next time after twice as long, and so on
HELD_BACK_S: Final = 10.0  # a transaction open for this long is logged, and again after every stall time
TURNED_PER_CHECK: Final = 500  # lanes of a partition that get another turn in one check
FORGOTTEN_AFTER: Final = 4  # stall times, after which a lane that was given another turn may get one again


class StallDetector:
    """Looks at all partitions and calls in flight a few times in every stall time (``Policy.stall_s``)."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._overdue: tuple[str, float] | None = None  # a call, and when it was first found without an answer
        self._next_s = 0.0
        self._logged: dict[Assignment, float] = {}  # when a partition's stall was logged
        self._refetch_after_s: dict[
            Assignment, float
        ] = {}  # without progress for this long (s), its fetch is restarted (again)
        self._ends: dict[Assignment, tuple[float, dict[Assignment, int]]] = {}  # when it last moved; others' ends then
        self._held: dict[Assignment, float] = {}  # when its records held back were last logged
        self._woken: dict[tuple[Assignment, str], float] = {}  # lanes that were given another turn, and when

    def next_s(self) -> float:
        """Returns when the next check is due."""
        return self._next_s

    def check(
        self, partitions: AssignedPartitions, in_flight: InFlight, now: Now, explain_checkpoint: Callable[[float], str]
    ) -> Iterator[Effect]:
        """Yields notices, partitions to fetch again, and a ``Stop``. Does nothing before ``next_s``.

        ``explain_checkpoint`` returns, for the time given, how the checkpoint in progress explains a stall; empty = it
        does not.
        """
        if now.mono_s < self._next_s:
            return
        self._next_s = now.mono_s + min(self._policy.stall_s / 4, OVERDUE_S)
        for by_part in (self._logged, self._refetch_after_s, self._held, self._ends):
            for at in [at for at in by_part if at not in partitions]:
                del by_part[at]
        long_ago_s = now.mono_s - FORGOTTEN_AFTER * self._policy.stall_s
        for woken in [woken for woken, at_s in self._woken.items() if woken[0] not in partitions or at_s < long_ago_s]:
            del self._woken[woken]
        yield from self._calls(in_flight, now.mono_s)
        for assigned in partitions.values():
            yield from self._held_back(assigned, now.mono_s)
            if not self._is_queued_behind_others(assigned, partitions, now.mono_s):
                yield from self._refetch(assigned, now.mono_s)
                yield from self._lag(assigned, now.mono_s, explain_checkpoint)
            yield from self._undone(assigned, now)

    def _calls(self, in_flight: InFlight, now_s: float) -> Iterator[Effect]:
        """Finds the oldest call overdue. It must be found twice: after a freeze of the process a call may look overdue
        although its answer is there."""
        call = next((each.call for each in in_flight), None)
        if call is None or now_s < call.give_up_at_s + self._policy.grace_s + OVERDUE_S:
            self._overdue = None
        elif self._overdue is None or self._overdue[0] != call.id:
            self._overdue = call.id, now_s
            fields: dict[str, str | int | float] = {
                "call": call.id,
                "account": call.account,
                "kind": call.kind,
                "overdue_s": round(now_s - call.give_up_at_s, 1),
            }
            yield Notice(event="call_overdue", level="error", fields=fields)
        elif now_s - self._overdue[1] >= OVERDUE_S:
            yield Stop(reason=f"call {call.id} ({call.kind}) has no answer: its worker hangs")

    def _held_back(self, assigned: AssignedPartition, now_s: float) -> Iterator[Effect]:
        """Logs an open transaction that holds records back. Never stops the process: the producer needs attention, not
        this process, and nothing else reports it."""
        partition, age_s = assigned.partition, assigned.partition.held_age_s(now_s)
        if age_s < HELD_BACK_S:
            self._held.pop(assigned.at, None)
        elif now_s - self._held.get(assigned.at, -inf) >= self._policy.stall_s:
            self._held[assigned.at] = now_s
            fields: dict[str, str | int | float] = {
                "topic": assigned.at.topic,
                "partition": assigned.at.partition,
                "offsets": partition.held_back,
                "for_s": round(age_s, 1),
            }
            yield Notice(event="records_held_back", level="warning", fields=fields)

    def _is_queued_behind_others(
        self, assigned: AssignedPartition, partitions: AssignedPartitions, now_s: float
    ) -> bool:
        """Whether another partition moves that has not yet reached the end it had when this one was found without
        progress."""
        moved_at_s = assigned.partition.moved_at_s
        if not assigned.partition.lag or now_s - moved_at_s < REFETCH_S:
            return False
        if assigned.at not in self._ends or self._ends[assigned.at][0] != moved_at_s:
            others = (other for other in partitions.values() if other.at != assigned.at and other.partition.lag)
            self._ends[assigned.at] = moved_at_s, {other.at: other.partition.end for other in others}
        ends = self._ends[assigned.at][1]
        return any(
            other.partition.position < ends.get(other.at, 0) and now_s - other.partition.moved_at_s < REFETCH_S
            for other in partitions.values()
        )

    def _refetch(self, assigned: AssignedPartition, now_s: float) -> Iterator[Effect]:
        """Restarts the fetch of a partition. Skips and repeats nothing: the source continues at the next offset that it
        has not returned."""
        partition, still_s = assigned.partition, now_s - assigned.partition.moved_at_s
        if not partition.lag or not partition.resumed or still_s < REFETCH_S:
            self._refetch_after_s.pop(assigned.at, None)
        elif still_s >= (after_s := self._refetch_after_s.get(assigned.at, REFETCH_S)):
            self._refetch_after_s[assigned.at] = 2 * after_s
            yield _notice(
                assigned, f"lag {partition.lag}, no progress for {still_s:.0f} s: fetching it again", "warning"
            )
            yield Reread(parts=frozenset({assigned.at}))

    def _lag(
        self, assigned: AssignedPartition, now_s: float, explain_checkpoint: Callable[[float], str]
    ) -> Iterator[Effect]:
        """Logs lag without progress; a stall time later, logs it again if it is explained, else stops the process."""
        partition = assigned.partition
        still_s = now_s - partition.moved_at_s
        if not partition.lag or not partition.reads or still_s < self._policy.stall_s:
            self._logged.pop(assigned.at, None)
            return
        explained = _explanation(assigned) or explain_checkpoint(now_s)
        logged_s = self._logged.setdefault(assigned.at, now_s)
        if logged_s == now_s:
            yield _notice(
                assigned, f"lag {partition.lag}, no progress for {still_s:.0f} s: {explained or 'unexplained'}"
            )
        elif now_s - logged_s >= self._policy.stall_s:
            del self._logged[assigned.at]  # so that it is logged again
            if not explained:
                yield Stop(reason=f"{_name(assigned.at)} has lag {partition.lag} and makes no progress")

    def _undone(self, assigned: AssignedPartition, now: Now) -> Iterator[Effect]:
        """Gives an undone lane that nothing will wake one more turn; if that does not help, stops the process."""
        lanes = assigned.lanes
        for _ in range(min(len(lanes.unexplained), TURNED_PER_CHECK)):
            if not assigned.partition.sends or not lanes.unexplained or lanes.fault:
                return
            key, since_s = next(iter(lanes.unexplained.items()))
            if now.mono_s - since_s < self._policy.stall_s:
                return
            if (assigned.at, key) in self._woken:
                yield Stop(
                    reason=f"{_name(assigned.at)}: lane {key} is undone, and no timer, token or pause explains it"
                )
                return
            self._woken[assigned.at, key] = now.mono_s
            yield _notice(
                assigned,
                f"lane {key} has pending work and no timer, token or pause explains it: giving it one more turn",
            )
            lanes.turn(key, WOKEN, now)


def _explanation(assigned: AssignedPartition) -> str:
    """Returns what the partition itself explains its lag with; empty = nothing."""
    partition = assigned.partition
    if partition.needs is not None:
        return f"records wait for {partition.needs.need}: {partition.needs.text}"
    if partition.leaderless:
        return f"it has no leader, and cannot be read until it has one: {partition.leaderless}"
    return ""


def _notice(assigned: AssignedPartition, words: str, level: str = "error") -> Notice:
    at = assigned.at
    fields: dict[str, str | int | float] = {
        "topic": at.topic,
        "partition": at.partition,
        "phase": assigned.partition.phase,
        "reason": words,
    }
    return Notice(event="partition_stalled", level=level, fields=fields)


def _name(at: Assignment) -> str:
    return f"{at.topic} partition {at.partition}"
