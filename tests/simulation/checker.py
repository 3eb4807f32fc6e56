"""The invariants of the stream: takes observations, returns violations. Pure.

It takes plain values, so that a run against a real broker can be checked by the same rules.

- N: nothing is lost, nothing is answered twice
- O: order; values of a slot never go back, and no two calls in flight touch the same slot
- R: rate; no window of one second holds more calls than the limit
- E: end state; every slot holds the value of its newest event, and no result says otherwise
- B: bounds on lanes and outputs in memory (reported by ``simulated_process.py``)
- P: progress; everything ends within its budget (reported by ``simulated_process.py`` and ``history.py``)
- S: each record of a side input is told once, and its position is committed with that (see also ``side_topics.py``)
- L: no record of a side input is read while live input waits for its turn (reported by ``simulated_process.py``)
- K: no call is made against a command that its process has read (reported by ``simulated_process.py``)
- U: no outcome is UNKNOWN without need (reported by ``simulated_process.py`` and ``history.py``)
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Order = tuple[int, ...]
"""Later events compare greater."""

ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """``invariant`` is a letter of the list above; ``text`` is the counterexample."""

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedValue:
    """A value that the API has accepted."""

    at_s: float
    slot: Hashable
    order: Order
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInterval:
    """A call, from when it left until it can have no more effect.

    ``until_s``: when a definite answer arrived, or, without one, deadline + grace.
    """

    call_id: str
    process: str
    from_s: float
    until_s: float
    slots: tuple[Hashable, ...]
    exclusive: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What a read-committed consumer sees of a partition after a checkpoint."""

    position: int
    answered: Mapping[int, int]  # offset -> results and dead letters so far
    undone: frozenset[int]  # offsets that are pending in the durable records of lanes


def nothing_lost(partition: Hashable, inputs: Iterable[int], landed: Landed) -> Iterator[Violation]:
    """Every input below the durable position has a result or is pending, and none has two results."""
    for offset in inputs:
        times = landed.answered.get(offset, 0)
        if times > 1:
            yield Violation(invariant="N", text=f"{partition}@{offset} is answered {times} times")
        if offset < landed.position and times == 0 and offset not in landed.undone:
            text = f"{partition}@{offset} is below position {landed.position}, neither answered nor undone"
            yield Violation(invariant="N", text=text)


def all_answered(
    partition: Hashable, inputs: Iterable[int], answered: Mapping[int, int], *, repeats: bool = False
) -> Iterator[Violation]:
    """At rest, every input has one result, or more if results may be duplicated."""
    for offset in inputs:
        times = answered.get(offset, 0)
        if times < 1 or (times > 1 and not repeats):
            yield Violation(invariant="N", text=f"at rest {partition}@{offset} is answered {times} times")


def never_back(accepted: Iterable[AcceptedValue]) -> Iterator[Violation]:
    """The accepted values of a slot never go back in the order of the events."""
    last: dict[Hashable, AcceptedValue] = {}
    for one in sorted(accepted, key=lambda each: each.at_s):
        before = last.get(one.slot)
        if before is not None and one.order < before.order:
            text = (
                f"{one.slot} took {one.value} of {one.order} at {one.at_s:.3f} s"
                f" after {before.value} of {before.order} at {before.at_s:.3f} s"
            )
            yield Violation(invariant="O", text=text)
        last[one.slot] = one


def never_two_at_once(calls: Iterable[CallInterval]) -> Iterator[Violation]:
    """No two calls in flight touch the same slot or exclusive key; no call touches one twice."""
    last: dict[tuple[str, Hashable], CallInterval] = {}
    for call in sorted(calls, key=lambda each: each.from_s):
        held: list[tuple[str, Hashable]] = [("slot", slot) for slot in call.slots]
        held += [("exclusive key", key) for key in call.exclusive]
        if len(held) != len(set(held)):
            yield Violation(invariant="O", text=f"{call.call_id} holds something twice: {held}")
        for key in held:
            before = last.get(key)
            if before is not None and call.from_s < before.until_s - ROUNDING_S:
                text = (
                    f"{key[0]} {key[1]}: {call.call_id} of {call.process} left at {call.from_s:.3f} s while"
                    f" {before.call_id} of {before.process} ({before.from_s:.3f} s) was under way"
                    f" until {before.until_s:.3f} s"
                )
                yield Violation(invariant="O", text=text)
            if before is None or call.until_s > before.until_s:
                last[key] = call


def within_limit(what: str, moments_s: Sequence[float], limit: float, window_s: float = 1.0) -> Iterator[Violation]:
    """No half-open window of ``window_s`` contains more than ``limit`` moments."""
    ordered = sorted(moments_s)
    for index, moment_s in enumerate(ordered):
        held = index + 1 - bisect_right(ordered, moment_s - window_s + ROUNDING_S)
        if held > limit:
            text = f"{what}: {held} calls in the second that ends at {moment_s:.3f} s, limit {limit}"
            yield Violation(invariant="R", text=text)
            return


def newest_everywhere(
    newest: Mapping[Hashable, object], actual: Mapping[Hashable, object], excused: frozenset[Hashable]
) -> Iterator[Violation]:
    """At rest, every slot holds its newest value; ``excused``: slots whose newest event was refused or failed."""
    for slot, value in newest.items():
        if slot not in excused and actual.get(slot) != value:
            yield Violation(invariant="E", text=f"{slot} holds {actual.get(slot)}, its newest event says {value}")
    for slot in actual:
        if slot not in newest:
            yield Violation(invariant="E", text=f"{slot} was set to {actual[slot]}, no event names it")


def newest_is_never_superseded(newest: Mapping[Hashable, str], status: Mapping[str, str]) -> Iterator[Violation]:
    """No result says that the newest event of a slot was superseded. ``newest``: its id; ``status``: by id."""
    for slot, event_id in newest.items():
        if status.get(event_id) == "SUPERSEDED":
            yield Violation(invariant="E", text=f"{event_id}, the newest event of {slot}, ended SUPERSEDED")


def told_once(what: str, times: Mapping[int, int], first: int, position: int) -> Iterator[Violation]:
    """Of a side input, what is durable was told once for each record from ``first`` to the position, and no other.

    ``times``: how often each offset was told.
    """
    for offset, told in times.items():
        if told > 1:
            yield Violation(invariant="S", text=f"{what}: offset {offset} is told {told} times")
        if offset >= position:
            yield Violation(invariant="S", text=f"{what}: offset {offset} is told, and the position is {position}")
    for offset in range(first, position):
        if offset not in times:
            yield Violation(invariant="S", text=f"{what}: offset {offset} is not told, and the position is {position}")


def executed_once(executions: Iterable[tuple[Hashable, float]]) -> Iterator[Violation]:
    """Whatever may happen only once happened only once."""
    moments: dict[Hashable, list[float]] = defaultdict(list)
    for key, at_s in executions:
        moments[key].append(at_s)
    for key, times in moments.items():
        if len(times) > 1:
            yield Violation(invariant="O", text=f"{key}, which may happen only once, happened at {times}")
