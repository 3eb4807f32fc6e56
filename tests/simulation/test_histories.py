"""Runs thousands of seeded histories of the real engine and checks all invariants of each.

``SIM_SEED`` sets the first seed; ``python -m tests.simulation SEED`` runs one seed again and prints its trace.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from streams.quota import CallQuota, QuotaWindow
from tests.simulation.history import HistoryPlan, SeededHistory
from tests.simulation.mutants import busy

BASE = int(os.environ.get("SIM_SEED", "0"))
CHUNK = 50
CHUNKS = 40
UNIT_CHUNKS = 4
"""This many chunks are unit tests; the others are marked slow."""

HAPPENED: Counter[str] = Counter()

MUST_HAPPEN = (
    "crash",
    "crash with calls under way",
    "crash after the commit left",
    "freeze",
    "freeze beyond the session",
    "cut off",
    "lost assignment",
    "stop",
    "hand-over",
    "announced",
    "rebalance",
    "clock step",
    "lease had passed",
    "lost answer",
    "lost and not executed",
    "executed late",
    "answer after the deadline",
    "429",
    "500",
    "500 and executed",
    "connection refused",
    "busy item",
    "poisoned call",
    "commit: retriable",
    "commit: abortable",
    "commit: end lost",
    "commit: acknowledgement lost",
    "commit refused to a stale member",
    "checkpoint repeated",
    "transaction timed out",
    "restore waits for a transaction",
    "hung upstream transaction",
    "registry down",
    "hit after: call made",
    "hit after: call sent",
    "hit after: answer heard",
    "hit after: checkpoint made",
    "hit after: offsets sent",
    "hit after: landed",
    "hit after: written heard",
    "result APPLIED",
    "result UNCHANGED",
    "result SUPERSEDED",
    "result REFUSED",
    "result FAILED",
    "result REMINDED",
    "result RUNG",
    "result UNKNOWN",
    "aimed kill",
)


def as_drawn(plan: HistoryPlan) -> HistoryPlan:
    return plan


def judged(seeds: range, change: Callable[[HistoryPlan], HistoryPlan] = as_drawn) -> Counter[str]:
    """Returns what happened in the histories of these seeds; fails with the trace of one that violates an invariant."""
    happened: Counter[str] = Counter()
    for seed in seeds:
        outcome = SeededHistory(seed, change=change).run()
        if outcome.violations:
            pytest.fail(SeededHistory(seed, change=change, trace=True).run().report())
        happened.update(outcome.seen)
    return happened


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(BASE + CHUNK * number, marks=[pytest.mark.slow] if number >= UNIT_CHUNKS else [])
        for number in range(CHUNKS)
    ],
)
def test_every_history_keeps_all_invariants(first: int) -> None:
    HAPPENED.update(judged(range(first, first + CHUNK)))


def three_that_hang(plan: HistoryPlan) -> HistoryPlan:
    """Three processes whose sinks hang from time to time, on one machine that is suspended."""
    return replace(plan, members=3, partitions=3, hangs=4, suspensions=1, lasts_s=7.0)


def test_three_processes_keep_every_invariant_though_sinks_hang_and_their_machine_is_suspended() -> None:
    happened = judged(range(BASE, BASE + 80), three_that_hang)

    expected = (
        "sink hangs",
        "sink replaced, it had landed",
        "sink replaced, nothing had landed",
        "sink hangs again: stops",
        "suspension",
        "lease had passed",
        "429",
        "registry down",
        "hand-over",
    )
    assert [what for what in expected if not happened[what]] == []


def recreated(plan: HistoryPlan) -> HistoryPlan:
    return replace(plan, recreated=True, late=0.0)


def two_versions(plan: HistoryPlan) -> HistoryPlan:
    return replace(plan, versions=True, members=2, partitions=2)


def test_an_input_topic_that_is_created_again_is_refused_and_after_the_remedy_nothing_is_lost() -> None:
    happened = judged(range(BASE, BASE + 25), recreated)

    assert happened["input created again"] == 25
    assert happened["partition refused"] >= 25


def test_an_older_version_beside_a_newer_one_drops_nothing_that_it_does_not_know() -> None:
    happened = judged(range(BASE, BASE + 25), two_versions)

    assert happened["kept by a newer version"]
    assert happened["hand-over"]


def commanded(plan: HistoryPlan) -> HistoryPlan:
    """A control topic halts all sets from time to time."""
    return replace(plan, halts=3)


def test_nothing_leaves_against_a_command_and_nothing_is_lost_by_one() -> None:
    happened = judged(range(BASE, BASE + 60), commanded)

    expected = ("halted", "halt ended", "crash", "hand-over", "lost assignment", "announced", "result APPLIED")
    assert [what for what in expected if not happened[what]] == []


def beside(plan: HistoryPlan) -> HistoryPlan:
    """A topic is read beside each partition: followed, and a range of it. In half of the histories, calls follow."""
    return replace(plan, side_rows=40, side_wishes=plan.values == 2, faults=plan.faults + 1)


def test_each_record_of_a_side_input_is_told_once_and_live_input_is_never_kept_waiting() -> None:
    happened = judged(range(BASE, BASE + 100), beside)

    expected = (
        "side input answered",
        "side topic created again",
        "side records deleted",
        "side topic cannot be read",
        "crash",
        "hand-over",
        "lost assignment",
        "freeze beyond the session",
    )
    assert [what for what in expected if not happened[what]] == []


def test_calls_that_leave_late_wait_for_their_turn_under_the_limit() -> None:
    happened = judged(range(BASE, BASE + 40), busy)

    assert happened["waited for its turn"] >= 3


def plain(plan: HistoryPlan) -> HistoryPlan:
    """As on a broker without transactions."""
    return replace(plan, transactions=False)


@pytest.mark.slow
def test_without_transactions_rows_repeat_and_every_other_invariant_is_kept() -> None:
    happened = judged(range(BASE, BASE + 400), plain)

    expected = ("answered again", "some records are there", "crash", "hand-over", "result RUNG", "result UNKNOWN")
    assert [what for what in expected if not happened[what]] == []


@pytest.mark.slow
def test_the_histories_cover_every_kind_of_event() -> None:
    for seed in range(BASE, BASE + CHUNK * CHUNKS):  # the histories above may have run in another test process
        if all(HAPPENED[what] for what in MUST_HAPPEN):
            break
        HAPPENED.update(SeededHistory(seed).run().seen)

    assert [what for what in MUST_HAPPEN if not HAPPENED[what]] == []


def test_a_seed_reproduces_its_history() -> None:
    first, second = (SeededHistory(7, trace=True).run() for _ in range(2))

    assert first.trace == second.trace
    assert len(first.trace) > 50


WINDOW_US = 15_000_000


def window_of(wall_us: int) -> QuotaWindow:
    """Returns the window of fifteen seconds of a moment."""
    number = wall_us // WINDOW_US
    return QuotaWindow(number=number, start_us=number * WINDOW_US, end_us=(number + 1) * WINDOW_US)


def with_quota(plan: HistoryPlan) -> HistoryPlan:
    """Little may be sent in each window; chimes, which are sent once, give way before set-points."""
    quota = CallQuota(
        calls=16,
        window_of=window_of,
        tier_of=lambda want: 2 if want.kind == "chime" else 1,
        counts=lambda _kind: True,
        reserves=(0.0, 0.1, 0.3),
        names=("urgent", "set-points", "chimes"),
    )
    pace = replace(plan.pace, per_second=6.0, quota=quota)
    return replace(
        plan, pace=pace, members=3, partitions=3, items=1, events=60, lasts_s=7.0, faults=6, steady_clocks=True
    )


def test_no_window_has_more_calls_than_its_quota_and_nothing_is_lost_whatever_happens() -> None:
    happened = judged(range(BASE, BASE + 60), with_quota)

    expected = ("quota used up", "crash", "crash with calls under way", "hand-over", "rebalance", "freeze", "announced")
    assert [what for what in expected if not happened[what]] == []
