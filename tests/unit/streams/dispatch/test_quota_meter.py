"""How the processes of a group count the calls of a quota, over hand-overs, crashes and windows."""

from dataclasses import dataclass, field
from itertools import count
from math import floor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.dispatch.quota_meter import CRASH_LEASES, REVIEW_S, QuotaMeter
from streams.flow import Assignment, Now
from streams.quota import NOTHING, CallQuota, QuotaWindow, SpentCalls
from tests.harness.effort import examples

WINDOW_US = 1_000_000_000
CALLS = 100
FEW = 24
LEASE_S = 1.0
PER_SECOND = 4.0


def quota(calls: int = CALLS) -> CallQuota:
    return CallQuota(
        calls=calls,
        window_of=lambda wall_us: QuotaWindow(
            number=wall_us // WINDOW_US,
            start_us=wall_us // WINDOW_US * WINDOW_US,
            end_us=(wall_us // WINDOW_US + 1) * WINDOW_US,
        ),
        tier_of=lambda want: want.priority,
        counts=lambda kind: kind != "claim",
        reserves=(0.0, 0.2),
        names=("zero", "others"),
    )


def meter(calls: int = CALLS) -> QuotaMeter:
    return QuotaMeter(quota(calls), 1.0, PER_SECOND, LEASE_S)


def at(partition: int, epoch: int = 1) -> Assignment:
    return Assignment(topic="t", partition=partition, epoch=epoch)


def now(seconds: float = 0.0) -> Now:
    return Now(mono_s=1_000.0 + seconds, wall_us=round(seconds * 1e6))


def owning(partitions: int, of: int = 4, *, found: SpentCalls | None = None) -> QuotaMeter:
    owner = meter()
    those = frozenset(at(number) for number in range(partitions))
    for one in those:
        owner.assigned(one, 1 / of, found, was_drained=True)
    owner.sending(those, those, now())
    owner.refresh(now())
    return owner


def made(owner: QuotaMeter, time: Now) -> int:
    """Makes calls of tier 0 until none may leave, and returns how many."""
    for calls in count():
        owner.refresh(time)
        if owner.limit == NOTHING:
            return calls
        owner.take("set", time)
    raise AssertionError


def test_a_process_may_make_the_calls_of_its_partitions() -> None:
    assert made(owning(4), now()) == CALLS
    assert made(owning(1), now()) == CALLS // 4


def test_what_the_previous_owner_counted_is_not_available_any_more() -> None:
    assert made(owning(1, found=SpentCalls(window=0, calls=20.0)), now()) == 5


def test_what_was_counted_in_an_earlier_window_does_not_count() -> None:
    owner = meter()
    owner.assigned(at(0), 1.0, SpentCalls(window=0, calls=CALLS), was_drained=True)
    owner.sending(frozenset({at(0)}), frozenset({at(0)}), now(1_500))

    assert made(owner, now(1_500)) == CALLS


def test_a_new_window_begins_with_nothing_counted() -> None:
    owner = owning(4)
    made(owner, now())

    assert made(owner, now(1_000)) == CALLS


def test_a_clock_that_is_set_back_does_not_return_to_an_earlier_window() -> None:
    owner = owning(4)
    made(owner, now(1_000))

    assert made(owner, now(999)) == 0


def test_a_clock_that_was_far_ahead_neither_renews_the_quota_nor_delays_the_next_window() -> None:
    owner = owning(4)
    owner.refresh(now(5_000))
    made(owner, now(5_000))
    corrected = Now(mono_s=now(5_000).mono_s + REVIEW_S, wall_us=now(60).wall_us)
    assert made(owner, corrected) == 0

    tomorrow = Now(mono_s=corrected.mono_s + 1_000, wall_us=now(1_060).wall_us)
    assert made(owner, tomorrow) == CALLS


def test_a_call_of_an_earlier_window_that_was_never_sent_gives_the_new_one_no_further_call() -> None:
    owner = owning(4)
    owner.take("set", now())
    owner.refresh(now(1_000))
    owner.not_sent("set", now().mono_s)

    assert made(owner, now(1_000)) == CALLS


def test_a_predecessor_that_crashed_counts_as_many_calls_as_its_rate_allowed_since_its_last_mark() -> None:
    owner = meter()
    owner.assigned(at(0), 0.5, SpentCalls(window=0, calls=10.0), was_drained=False)
    owner.sending(frozenset({at(0)}), frozenset({at(0)}), now())

    assert made(owner, now()) == CALLS / 2 - 10 - CRASH_LEASES * LEASE_S * PER_SECOND / 2


def test_a_mark_says_what_was_found_until_the_partition_sends() -> None:
    found = SpentCalls(window=0, calls=10.0)
    owner = meter()
    owner.assigned(at(0), 0.5, found, was_drained=False)

    assert owner.spent(at(0)) == found  # so that a second crash counts the first one's calls once


def test_calls_are_counted_against_all_partitions_evenly() -> None:
    owner = meter()
    owner.assigned(at(0), 0.5, SpentCalls(window=0, calls=30.0), was_drained=True)
    owner.assigned(at(1), 0.5, None, was_drained=True)
    owner.sending(frozenset({at(0), at(1)}), frozenset({at(0), at(1)}), now())
    for _ in range(40):
        owner.take("set", now())
    owner.settle()

    assert [owner.spent(at(number)) for number in (0, 1)] == [SpentCalls(window=0, calls=35.0)] * 2


def test_a_partition_that_is_handed_over_takes_its_calls_along() -> None:
    owner = owning(2, of=2)
    for _ in range(60):
        owner.take("set", now())
    owner.sending(frozenset({at(1)}), frozenset({at(0), at(1)}), now())

    assert owner.spent(at(0)) == SpentCalls(window=0, calls=30.0)
    assert made(owner, now()) == 20


def test_a_call_that_was_never_sent_does_not_count() -> None:
    owner = owning(4)
    owner.take("set", now())
    owner.not_sent("set", now().mono_s)

    assert made(owner, now()) == CALLS


def test_calls_of_kinds_that_do_not_count_are_free() -> None:
    owner = owning(4)
    for _ in range(CALLS):
        owner.take("claim", now())

    assert made(owner, now()) == CALLS


def test_a_tier_comes_back_after_a_while_because_its_reserve_shrinks() -> None:
    owner = owning(4)
    for _ in range(90):
        owner.take("set", now())
    assert owner.limit == 0

    owner.refresh(now(600.0))  # four tenths are left, so the reserve is 8 calls
    assert owner.limit == 1


def test_nothing_is_due_by_time_alone_while_nothing_waits() -> None:
    owner = owning(4)
    assert owner.next_s(now()) == float("inf")

    for _ in range(90):
        owner.take("set", now())
    assert owner.next_s(now()) == now().mono_s + REVIEW_S
    assert owner.next_s(now(999.0)) == now(999.0).mono_s


def test_a_quota_of_which_little_is_left_is_logged_once_in_a_window() -> None:
    owner = owning(4)
    for second in range(100):
        if owner.limit != NOTHING:
            owner.take("set", now(float(second)))
            owner.refresh(now(float(second)))

    logged = owner.notices("main")
    assert [one.event for one in logged] == ["quota_low", "quota_scarce", "quota_scarce"]
    assert logged[0].fields == {
        "account": "main",
        "used": 80,
        "part": 100,
        "used_up_at": "1970-01-01T00:01:38Z",
    }
    assert logged[1].fields["waiting"] == "others"
    assert logged[2].fields["waiting"] == "zero, others"

    owner.refresh(now(1_000.0))
    assert [one.event for one in owner.notices("main")] == ["quota_renewed"]


def test_the_forecast_says_when_the_quota_is_used_up_at_the_present_rate() -> None:
    owner = owning(4)
    for second in range(0, 120, 4):
        owner.take("set", now(float(second)))

    reading = owner.reading(now(120.0))
    assert reading is not None
    assert (reading.part, reading.used, reading.is_low, reading.waiting) == (100.0, 30.0, False, ())
    assert reading.used_up_at_us == pytest.approx(400e6, rel=0.05)
    assert reading.renewed_at == "1970-01-01T00:16:40Z"


def test_there_is_no_reading_while_no_partition_sends() -> None:
    assert meter().reading(now()) is None


# ---- several processes ----------------------------------------------------------------------------------------------


@dataclass
class Process:
    """A process with its meter. ``unmarked``: when it made calls that no durable mark has."""

    meter: QuotaMeter
    owns: dict[int, Assignment] = field(default_factory=dict)
    unmarked: list[float] = field(default_factory=list)


class Group(RuleBasedStateMachine):
    """Two processes share four partitions; marks, hand-overs, crashes and time come in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.epochs = count(1)
        self.marks: dict[int, tuple[SpentCalls | None, bool]] = dict.fromkeys(range(4), (None, True))
        self.processes = [Process(meter(FEW)), Process(meter(FEW))]
        self.calls: dict[int, int] = {}
        for partition in range(4):
            self._give(partition, self.processes[partition % 2])

    def _give(self, partition: int, process: Process) -> None:
        spent, was_drained = self.marks[partition]
        process.owns[partition] = one = at(partition, next(self.epochs))
        process.meter.assigned(one, 1 / 4, spent, was_drained=was_drained)
        self._sending(process)
        self._mark(process)

    def _sending(self, process: Process) -> None:
        those = frozenset(process.owns.values())
        process.meter.sending(those, those, now(self.seconds))

    def _mark(self, process: Process) -> None:
        process.meter.settle()
        for partition, one in process.owns.items():
            self.marks[partition] = process.meter.spent(one), False
        process.unmarked.clear()

    @rule(number=st.integers(0, 1), calls=st.integers(1, 20))
    def call(self, number: int, calls: int) -> None:
        """Makes calls at the process's rate at most; it has a lease since its last mark."""
        process = self.processes[number]
        for _ in range(calls):
            process.meter.refresh(now(self.seconds))
            rate = PER_SECOND * len(process.owns) / 4
            if process.meter.limit == NOTHING or len(process.unmarked) + 1 > floor(rate * LEASE_S * CRASH_LEASES):
                return
            process.meter.take("set", now(self.seconds))
            process.unmarked.append(self.seconds)
            window = int(self.seconds * 1e6) // WINDOW_US
            self.calls[window] = self.calls.get(window, 0) + 1

    @rule(number=st.integers(0, 1))
    def checkpoint(self, number: int) -> None:
        self._mark(self.processes[number])

    @rule(partition=st.integers(0, 3))
    def hand_over(self, partition: int) -> None:
        old, new = self.processes if partition in self.processes[0].owns else self.processes[::-1]
        one = old.owns.pop(partition)
        those = frozenset(old.owns.values())
        old.meter.sending(those, those | {one}, now(self.seconds))
        self.marks[partition] = old.meter.spent(one), True
        self._mark(old)
        self._give(partition, new)

    @rule(number=st.integers(0, 1))
    def crash(self, number: int) -> None:
        """The other process takes over; the crashed one begins anew without partitions."""
        crashed, other = self.processes[number], self.processes[1 - number]
        partitions = list(crashed.owns)
        self.processes[number] = Process(meter(FEW))
        for partition in partitions:
            self._give(partition, other)

    @rule(seconds=st.sampled_from([1.0, 60.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.seconds += seconds
        for process in self.processes:
            process.unmarked.clear()  # the lease is over; it goes on after a mark
            self._sending(process)
            self._mark(process)

    @invariant()
    def no_window_has_more_calls_than_the_quota(self) -> None:
        assert all(calls <= FEW for calls in self.calls.values()), self.calls


TestGroup = Group.TestCase
TestGroup.settings = settings(max_examples=examples(100), stateful_step_count=60, deadline=None)
