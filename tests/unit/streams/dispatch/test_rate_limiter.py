"""The rate limiter: spacing and share, halving on 429, closing and probing, outages, strict accounts."""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise
from math import floor, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.dispatch.rate_limiter import (
    CLOSE_AT_MOST_S,
    FEW_PROBE_WAIT_AT_MOST_S,
    MARGIN,
    PROBE_WAIT_AT_MOST_S,
    RateLimiter,
)
from streams.policy import Pace

START_S = 1_000.0


def opened(*, share: float = 1.0, **pace: float) -> RateLimiter:
    """Returns a limiter whose first slot has accrued at ``START_S``."""
    limiter = RateLimiter(Pace(**pace))  # type: ignore[arg-type]
    limiter.set_share(share, START_S - 100)
    return limiter


def well(limiter: RateLimiter, call_id: str, now_s: float) -> None:
    limiter.answered(call_id, now_s, slow_down=False, failed=False, close_s=None, because="")


def badly(limiter: RateLimiter, call_id: str, now_s: float, *, close_s: float | None = None) -> None:
    limiter.answered(call_id, now_s, slow_down=False, failed=True, close_s=close_s, because="503")


def throttled(limiter: RateLimiter, call_id: str, now_s: float, *, close_s: float | None = None) -> None:
    limiter.answered(call_id, now_s, slow_down=True, failed=False, close_s=close_s, because="429")


def busy(limiter: RateLimiter, from_s: float, to_s: float, *, late_s: float = 0.0) -> list[float]:
    """Returns when calls leave with a permanent backlog, in a loop that wakes this late; all succeed at once."""
    moments: list[float] = []
    now_s = from_s
    while (ready_s := limiter.ready_at(now_s)) < to_s:
        now_s = ready_s if ready_s <= now_s else ready_s + late_s
        limiter.take(now_s, f"busy-{now_s}-{len(moments)}")
        well(limiter, f"busy-{now_s}-{len(moments)}", now_s)
        moments.append(now_s)
    return moments


def fullest_second(moments: list[float]) -> int:
    return max((at - bisect_left(moments, moment - 1 + 1e-6) + 1 for at, moment in enumerate(moments)), default=0)


def closed_by_retry_after(close_s: float, now_s: float = START_S) -> RateLimiter:
    limiter = opened()
    limiter.take(now_s, "refused")
    throttled(limiter, "refused", now_s, close_s=close_s)
    return limiter


# ---- spacing and share -----------------------------------------------------------------------------------------------


def test_with_a_backlog_calls_are_evenly_spaced_at_the_ceiling() -> None:
    moments = busy(opened(per_second=100), START_S, START_S + 10)

    gaps = [later - earlier for earlier, later in pairwise(moments[2:])]
    assert max(gaps) == pytest.approx(0.01, abs=1e-6)
    assert min(gaps) == pytest.approx(0.01, abs=1e-6)


def test_missed_slots_are_never_caught_up() -> None:
    limiter = opened(per_second=100)
    busy(limiter, START_S, START_S + 1)

    after_an_idle_hour = busy(limiter, START_S + 3600, START_S + 3601)

    assert len(after_an_idle_hour) <= 100 + MARGIN


@pytest.mark.parametrize("late_s", [0.001, 0.004, 0.009])
def test_a_loop_that_wakes_a_little_late_loses_no_share(late_s: float) -> None:
    moments = busy(opened(per_second=100), START_S, START_S + 20, late_s=late_s)

    assert len(moments) >= 0.97 * 100 * 20
    assert fullest_second(moments) <= 100 + MARGIN


def test_a_loop_that_wakes_more_than_a_slot_late_loses_what_it_missed() -> None:
    moments = busy(opened(per_second=10), START_S, START_S + 60, late_s=0.050)

    assert len(moments) <= 0.8 * 10 * 60


def test_above_200_calls_a_second_five_milliseconds_may_be_missed() -> None:
    moments = busy(opened(per_second=2_000), START_S, START_S + 2, late_s=0.004)

    assert len(moments) >= 0.97 * 2_000 * 2


def test_nothing_leaves_without_a_share() -> None:
    limiter = RateLimiter(Pace())

    assert limiter.ready_at(START_S) == inf
    assert limiter.state(START_S) == "no share"


def test_a_new_share_starts_with_a_full_slot_to_wait() -> None:
    limiter = RateLimiter(Pace(per_second=100))
    limiter.set_share(0.1, START_S)

    assert limiter.ready_at(START_S) == pytest.approx(START_S + 0.1)


def test_a_shrinking_share_delays_the_next_slot() -> None:
    limiter = opened(per_second=100)
    busy(limiter, START_S, START_S + 0.995)
    before_s = limiter.ready_at(START_S + 0.995)

    limiter.set_share(0.1, START_S + 0.995)

    assert before_s == pytest.approx(START_S + 1)
    assert limiter.ready_at(START_S + 0.995) == pytest.approx(START_S + 0.995 + 0.05)  # half a slot, ten times as long


def test_moving_a_share_between_processes_gains_no_calls() -> None:
    limiters = [opened(per_second=100, share=share) for share in (1.0, 0.0)]
    moments: list[float] = []

    for step in range(1_000):  # every 5 ms it goes to the other one, faster than a slot accrues
        now_s = START_S + step * 0.005
        for owner, limiter in enumerate(limiters):
            limiter.set_share(float(step % 2 == owner), now_s)
            moments += busy(limiter, now_s, now_s + 0.004)

    assert len(moments) <= 100 * 5 + len(limiters) * MARGIN


def test_restarting_a_process_repeatedly_gains_no_calls() -> None:
    moments: list[float] = []

    for step in range(500):
        limiter = RateLimiter(Pace(per_second=100))
        limiter.set_share(1.0, START_S + step * 0.008)
        moments += busy(limiter, START_S + step * 0.008, START_S + (step + 1) * 0.008)

    assert moments == []


@pytest.mark.parametrize("share", [-0.1, 1.1, nan])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        RateLimiter(Pace()).set_share(share, START_S)


def test_a_call_before_its_slot_is_refused() -> None:
    limiter = RateLimiter(Pace(per_second=1))
    limiter.set_share(1.0, START_S)

    with pytest.raises(ValueError, match="may not leave before"):
        limiter.take(START_S + 0.5, "early")


def test_an_answer_to_no_call_is_refused() -> None:
    with pytest.raises(ValueError, match="not under way"):
        well(opened(), "unheard of", START_S)


def test_tokens_left_counts_the_last_second() -> None:
    limiter = opened(per_second=10)
    assert limiter.tokens_left(START_S) == 10

    taken = len(busy(limiter, START_S, START_S + 0.35))

    assert taken > 0
    assert limiter.tokens_left(START_S + 0.35) == 10 - taken
    assert limiter.tokens_left(START_S + 5) == 10


# ---- AIMD ------------------------------------------------------------------------------------------------------------


def test_429_halves_the_pace_once_in_a_second() -> None:
    limiter = opened(per_second=100)
    calls = busy_without_answers(limiter, START_S, 8)

    for call_id in calls[:4]:
        throttled(limiter, call_id, START_S + 0.1)
    assert limiter.rate(START_S + 0.1) == pytest.approx(50)

    throttled(limiter, calls[4], START_S + 0.9)
    assert limiter.rate(START_S + 0.9) > 50

    throttled(limiter, calls[5], START_S + 1.1)
    assert limiter.rate(START_S + 1.1) == pytest.approx((50 + 100 / 15) / 2)


def busy_without_answers(limiter: RateLimiter, from_s: float, calls: int) -> list[str]:
    now_s = from_s
    names = [f"call-{from_s}-{number}" for number in range(calls)]
    for name in names:
        now_s = limiter.ready_at(now_s)
        limiter.take(now_s, name)
    return names


def test_the_rate_recovers_to_the_ceiling_in_fifteen_seconds() -> None:
    limiter = opened(per_second=100)
    now_s = START_S
    for _ in range(20):
        now_s = limiter.ready_at(now_s + 1)
        limiter.take(now_s, f"at-{now_s}")
        throttled(limiter, f"at-{now_s}", now_s)
    lowest = limiter.rate(now_s)

    assert lowest < 10
    assert limiter.rate(now_s + 7.5) == pytest.approx(lowest + 50)
    assert limiter.rate(now_s + 13.5) >= 90
    assert limiter.rate(now_s + 15) == 100
    assert limiter.rate(now_s + 3600) == 100


def test_slots_during_recovery_follow_the_current_rate() -> None:
    limiter = opened(per_second=100)
    limiter.take(START_S, "throttled")
    throttled(limiter, "throttled", START_S)

    moments = busy(limiter, START_S, START_S + 7.5)

    assert len(moments) == pytest.approx(7.5 * 75, abs=MARGIN)  # from 50 to 100, evenly


def test_repeated_429_do_not_lower_the_rate_below_the_floor() -> None:
    limiter = opened(per_second=8, floor_per_second=4)
    for step in range(40):
        now_s = limiter.ready_at(START_S + step)
        limiter.take(now_s, f"at-{step}")
        throttled(limiter, f"at-{step}", now_s)

        assert limiter.rate(now_s) >= 4


def test_a_floor_above_the_ceiling_does_not_lift_it() -> None:
    limiter = opened(per_second=0.5, floor_per_second=1)
    limiter.take(START_S, "throttled")
    throttled(limiter, "throttled", START_S)

    assert limiter.rate(START_S) == pytest.approx(0.5)


# ---- closed, probing -------------------------------------------------------------------------------------------------


def test_retry_after_closes_for_that_long() -> None:
    limiter = closed_by_retry_after(12.0)

    assert not limiter.is_open(START_S)
    assert limiter.ready_at(START_S) == START_S + 12
    assert limiter.rate(START_S) == 0
    assert limiter.state(START_S + 2) == "closed for 10.0 s: 429"


@pytest.mark.parametrize(
    ("header_s", "closed_s"),
    [(-5.0, 0.0), (0.0, 0.0), (nan, 0.0), (299.0, 299.0), (86_400.0, CLOSE_AT_MOST_S), (inf, CLOSE_AT_MOST_S)],
)
def test_absurd_retry_after_is_clamped(header_s: float, closed_s: float) -> None:
    limiter = opened(per_second=1_000)
    limiter.take(START_S, "refused")
    badly(limiter, "refused", START_S, close_s=header_s)

    assert limiter.ready_at(START_S + 0.1) == max(START_S + closed_s, START_S + 0.1)
    assert limiter.is_open(START_S + 0.1) == (closed_s == 0)


def test_a_shorter_close_does_not_shorten_a_longer_one() -> None:
    limiter = opened(per_second=1_000)
    first, second = busy_without_answers(limiter, START_S, 2)
    badly(limiter, first, START_S + 1, close_s=60)
    badly(limiter, second, START_S + 2, close_s=1)

    assert limiter.ready_at(START_S + 2) == START_S + 61


def test_after_the_wait_one_call_probes_alone() -> None:
    limiter = closed_by_retry_after(2.0)

    limiter.take(START_S + 2, "probe")

    assert limiter.probing
    assert limiter.open_rate(START_S + 2) > 0, "what the call log tells as the limit of a probe"
    assert not limiter.is_open(START_S + 2)
    assert limiter.ready_at(START_S + 60) == inf
    assert limiter.state(START_S + 3) == "probing: 429"


def test_a_probe_that_succeeds_opens() -> None:
    limiter = closed_by_retry_after(2.0)
    limiter.take(START_S + 2, "probe")

    well(limiter, "probe", START_S + 2.2)

    assert limiter.is_open(START_S + 2.2)
    assert not limiter.probing
    assert limiter.ready_at(START_S + 2.3) == START_S + 2.3


def test_probes_that_fail_close_for_twice_as_long_up_to_half_a_minute() -> None:
    limiter = closed_by_retry_after(0.5)
    waits = []
    now_s = START_S
    for number in range(8):
        now_s = limiter.ready_at(now_s)
        limiter.take(now_s, f"probe-{number}")
        badly(limiter, f"probe-{number}", now_s)
        waits.append(limiter.ready_at(now_s) - now_s)

    assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30])


def test_the_doubled_wait_is_forgotten_once_open() -> None:
    limiter = closed_by_retry_after(0.5)
    now_s = START_S
    for number in range(4):
        now_s = limiter.ready_at(now_s)
        limiter.take(now_s, f"probe-{number}")
        badly(limiter, f"probe-{number}", now_s)
    now_s = limiter.ready_at(now_s)
    limiter.take(now_s, "good")
    well(limiter, "good", now_s)

    limiter.take(now_s + 1, "refused")
    throttled(limiter, "refused", now_s + 1, close_s=0.5)
    limiter.take(now_s + 2, "probe")
    badly(limiter, "probe", now_s + 2)

    assert limiter.ready_at(now_s + 2) == pytest.approx(now_s + 3)


def test_retry_after_on_a_probe_outlasts_the_doubled_wait() -> None:
    limiter = closed_by_retry_after(1.0)
    limiter.take(START_S + 1, "probe")

    throttled(limiter, "probe", START_S + 1, close_s=90)

    assert limiter.ready_at(START_S + 1) == START_S + 91


def test_a_probe_that_was_never_sent_does_not_open_the_account() -> None:
    limiter = closed_by_retry_after(1.0)
    limiter.take(START_S + 1, "probe")

    limiter.answered("probe", START_S + 2, slow_down=False, failed=False, close_s=None, because="", left=False)

    assert not limiter.is_open(START_S + 2)
    assert not limiter.probing
    assert limiter.ready_at(START_S + 2) == START_S + 2


def test_a_probe_that_found_no_connection_has_failed() -> None:
    limiter = closed_by_retry_after(1.0)
    limiter.take(START_S + 1, "probe")

    limiter.answered("probe", START_S + 2, slow_down=False, failed=True, close_s=None, because="refused", left=False)

    assert limiter.ready_at(START_S + 2) == START_S + 3


def test_successful_answers_of_earlier_calls_do_not_open_the_account() -> None:
    limiter = opened()
    refused, slow = busy_without_answers(limiter, START_S, 2)
    throttled(limiter, refused, START_S + 1, close_s=30)

    well(limiter, slow, START_S + 2)

    assert not limiter.is_open(START_S + 2)
    assert limiter.ready_at(START_S + 2) == START_S + 31


def test_failed_answers_of_calls_before_the_probe_do_not_close_the_account_again() -> None:
    limiter = opened()
    refused, *slow = busy_without_answers(limiter, START_S, 20)
    throttled(limiter, refused, START_S + 1, close_s=1)
    limiter.take(START_S + 2, "probe")
    well(limiter, "probe", START_S + 3)

    for call_id in slow:
        badly(limiter, call_id, START_S + 3, close_s=60)

    assert limiter.is_open(START_S + 3)


def test_the_rate_does_not_recover_while_closed() -> None:
    limiter = closed_by_retry_after(60.0)
    limiter.take(START_S + 60, "probe")

    well(limiter, "probe", START_S + 60)

    assert limiter.rate(START_S + 60) == pytest.approx(50)


# ---- outage ----------------------------------------------------------------------------------------------------------


def outage(limiter: RateLimiter, failures: str) -> None:
    """Makes calls in a row: x fails, . succeeds."""
    for number, mark in enumerate(failures):
        now_s = limiter.ready_at(START_S + number * 0.1)
        limiter.take(now_s, f"call-{number}")
        (badly if mark == "x" else well)(limiter, f"call-{number}", now_s)


@pytest.mark.parametrize("answers", ["....xxxx", "xxxxxxxx", ".x.x.x.x", "." * 500 + "x" * 10, "xxx", "..xxx"])
def test_half_of_the_recent_calls_failing_is_an_outage(answers: str) -> None:
    limiter = opened()

    outage(limiter, answers)

    assert not limiter.is_open(START_S + 60)


@pytest.mark.parametrize("answers", ["xx", "xx.xx", ".....xxx", "..x" * 30, "." * 20 + "x" * 9])
def test_fewer_failures_are_no_outage(answers: str) -> None:
    limiter = opened()

    outage(limiter, answers)

    assert limiter.is_open(START_S + 60)


def seldom(limiter: RateLimiter, failures: str, *, every_s: float) -> None:
    """As ``outage``, with one call every ``every_s``."""
    for number, mark in enumerate(failures):
        now_s = START_S + every_s * number
        limiter.take(now_s, f"call-{number}")
        (badly if mark == "x" else well)(limiter, f"call-{number}", now_s)


def test_old_failures_are_no_outage_after_a_success() -> None:
    limiter = opened()

    seldom(limiter, "xx." * 20, every_s=2.0)

    assert limiter.is_open(START_S + 120)


@pytest.mark.parametrize("every_s", [2.0, 600.0])
def test_where_calls_are_few_three_failed_ones_in_a_row_are_an_outage(every_s: float) -> None:
    limiter = opened()

    seldom(limiter, "...xxx", every_s=every_s)

    assert not limiter.is_open(START_S + 6 * every_s)


def longest_wait_of_probes(limiter: RateLimiter) -> float:
    now_s, longest_s = START_S + 5, 0.0
    for number in range(12):
        ready_s = limiter.ready_at(now_s)
        longest_s, now_s = max(longest_s, ready_s - now_s), ready_s
        limiter.take(now_s, f"probe-{number}")
        badly(limiter, f"probe-{number}", now_s)
    return longest_s


def test_an_outage_detected_by_few_calls_is_probed_more_often() -> None:
    few, many = opened(), opened()
    outage(few, "xxx")
    outage(many, "." * 8 + "x" * 8)

    assert longest_wait_of_probes(few) == FEW_PROBE_WAIT_AT_MOST_S
    assert longest_wait_of_probes(many) == PROBE_WAIT_AT_MOST_S


def test_an_outage_is_probed_at_most_once_a_second() -> None:
    limiter = opened()
    outage(limiter, "x" * 8)
    moments = []
    now_s = START_S + 1
    for number in range(20):
        now_s = limiter.ready_at(now_s)
        limiter.take(now_s, f"probe-{number}")
        moments.append(now_s)
        badly(limiter, f"probe-{number}", now_s)

    assert all(later - earlier >= 1 for earlier, later in pairwise(moments))


def test_the_end_of_an_outage_causes_no_burst() -> None:
    limiter = opened(per_second=100)
    outage(limiter, "x" * 8)
    now_s = limiter.ready_at(START_S + 600)
    limiter.take(now_s, "probe")
    well(limiter, "probe", now_s)

    assert fullest_second([now_s, *busy(limiter, now_s, now_s + 5)]) <= 100 + MARGIN


def test_answers_from_before_the_account_closed_do_not_close_it_again() -> None:
    limiter = opened()
    outage(limiter, "x" * 8)
    now_s = limiter.ready_at(START_S + 1)
    limiter.take(now_s, "probe")
    well(limiter, "probe", now_s)

    busy(limiter, now_s, now_s + 0.1)

    assert limiter.is_open(now_s + 0.1)


def test_calls_that_were_never_sent_do_not_count_as_an_outage() -> None:
    limiter = opened()
    for number in range(9):
        now_s = START_S + number * 0.1
        limiter.take(now_s, f"call-{number}")
        left = number % 4 == 0
        limiter.answered(f"call-{number}", now_s, slow_down=False, failed=left, close_s=None, because="503", left=left)

    assert not limiter.is_open(START_S + 4)


# ---- strict ----------------------------------------------------------------------------------------------------------


def test_strict_holds_a_slot_until_a_second_after_its_answer() -> None:
    limiter = opened(per_second=2, strict=True)
    first, second = busy_without_answers(limiter, START_S, 2)
    assert limiter.ready_at(START_S + 5) == inf
    assert limiter.state(START_S + 5) == "strict: all 2 slots held"

    well(limiter, second, START_S + 5)
    assert limiter.ready_at(START_S + 5) == START_S + 6

    well(limiter, first, START_S + 5.5)
    limiter.take(START_S + 6, "third")
    assert limiter.ready_at(START_S + 6) == START_S + 6.5


def test_strict_frees_the_slot_of_a_call_that_never_left() -> None:
    limiter = opened(per_second=1, strict=True)
    limiter.take(START_S, "unsent")

    limiter.answered("unsent", START_S + 2, slow_down=False, failed=False, close_s=None, because="", left=False)

    assert limiter.ready_at(START_S + 2) == START_S + 2


def test_strict_says_when_a_share_is_too_small() -> None:
    limiter = opened(per_second=10, share=0.05, strict=True)

    assert limiter.ready_at(START_S) == inf
    assert limiter.state(START_S) == "share of 0.50/s is under one call a second, too small for strict"


def test_strict_with_a_share_that_shrinks_waits_for_the_slots_over_it() -> None:
    limiter = opened(per_second=4, strict=True)
    calls = busy_without_answers(limiter, START_S, 4)
    limiter.set_share(0.25, START_S + 1)
    for number, call_id in enumerate(calls):
        well(limiter, call_id, START_S + 2 + number)

    assert limiter.ready_at(START_S + 5) == START_S + 6


# ---- the state in words ----------------------------------------------------------------------------------------------


def test_the_state_of_an_open_limiter_shows_its_rate() -> None:
    limiter = opened(per_second=100)
    assert limiter.state(START_S) == "open at 100.0/s"

    limiter.take(START_S, "throttled")
    throttled(limiter, "throttled", START_S)
    assert limiter.state(START_S) == "open at 50.0/s of 100.0/s, climbing"


def test_the_state_shows_that_a_wait_is_over() -> None:
    assert closed_by_retry_after(2.0).state(START_S + 3) == "to be probed: 429"


# ---- any sequence of operations, checked by a sliding window ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    wait_s: float
    calls: int  # wanted at once
    share: float | None
    latency_s: float
    answer: str


STEPS = st.lists(
    st.builds(
        Step,
        wait_s=st.sampled_from([0.0, 0.001, 0.007, 0.02, 0.3, 1.0, 1.5]) | st.floats(0, 3),
        calls=st.integers(0, 12),
        share=st.none() | st.sampled_from([0.0, 0.05, 0.33, 0.5, 1.0]) | st.floats(0.001, 1),
        latency_s=st.sampled_from([0.0, 0.05, 0.9, 1.0, 2.5]),
        answer=st.sampled_from(["well", "well", "well", "429", "failed", "close", "unsent"]),
    ),
    max_size=60,
)


@dataclass(slots=True)
class Drive:
    """Applies steps to a limiter and keeps the shares over time."""

    limiter: RateLimiter
    per_second: float
    now_s: float = START_S
    share: float = 0.0
    shares: list[tuple[float, float]] = field(default_factory=lambda: [(-inf, 0.0)])

    def share_within(self, from_s: float, to_s: float) -> float:
        """Returns the integral of the share over an interval, in seconds."""
        ends = [*(at_s for at_s, _ in self.shares[1:]), inf]
        return sum(
            share * max(0.0, min(end_s, to_s) - max(start_s, from_s))
            for (start_s, share), end_s in zip(self.shares, ends, strict=True)
            if share > 0
        )

    def play(self, steps: list[Step]) -> list[tuple[float, float, bool]]:
        """Returns the calls: when each left, ceiling x share then, and whether it reached the marketplace."""
        left: list[tuple[float, float, bool]] = []
        due: list[tuple[float, str, str]] = []
        for step in steps:
            self._answer(due, self.now_s + step.wait_s)
            if step.share is not None:
                self.limiter.set_share(step.share, self.now_s)
                self.share = step.share
                self.shares.append((self.now_s, step.share))
            for _ in range(step.calls):
                if (ready_s := self.limiter.ready_at(self.now_s)) > self.now_s + 0.5:
                    break
                self._answer(due, ready_s)
                if self.limiter.ready_at(self.now_s) > self.now_s:
                    break
                call_id = f"call-{len(left)}"
                self.limiter.take(self.now_s, call_id)
                due.append((self.now_s + step.latency_s, call_id, step.answer))
                left.append((self.now_s, self.per_second * self.share, step.answer != "unsent"))
        return left

    def _answer(self, due: list[tuple[float, str, str]], until_s: float) -> None:
        for at_s, call_id, answer in sorted(due):
            if at_s > until_s:
                break
            due.remove((at_s, call_id, answer))
            self.now_s = max(self.now_s, at_s)
            self.limiter.answered(
                call_id,
                self.now_s,
                slow_down=answer == "429",
                failed=answer == "failed",
                close_s=0.3 if answer == "close" else None,
                because=answer,
                left=answer != "unsent",
            )
        self.now_s = max(self.now_s, until_s)


@given(per_second=st.sampled_from([1.0, 7.5, 50.0, 100.0, 200.0]), steps=STEPS)
def test_no_second_holds_more_than_its_share_of_the_ceiling_and_the_margin(
    per_second: float, steps: list[Step]
) -> None:
    drive = Drive(RateLimiter(Pace(per_second=per_second)), per_second)
    left = drive.play(steps)

    for at, (moment_s, _, _) in enumerate(left):
        window = [call for call in left[: at + 1] if call[0] > moment_s - 1]
        assert len(window) <= per_second * drive.share_within(moment_s - 1, moment_s) + MARGIN + 1e-6


@given(per_second=st.sampled_from([1.0, 3.0, 7.5, 20.0]), steps=STEPS)
def test_strict_never_holds_more_calls_in_a_second_than_its_slots(per_second: float, steps: list[Step]) -> None:
    left = Drive(RateLimiter(Pace(per_second=per_second, strict=True)), per_second).play(steps)

    for at, (moment_s, ceiling, _) in enumerate(left):
        arrived = [call for call in left[:at] if call[0] > moment_s - 1 and call[2]]
        assert len(arrived) + 1 <= floor(ceiling + 1e-9)


@given(steps=STEPS)
def test_the_limiter_is_ready_at_the_time_it_names(steps: list[Step]) -> None:
    drive = Drive(RateLimiter(Pace(per_second=13.0)), 13.0)
    drive.play(steps)

    ready_s = drive.limiter.ready_at(drive.now_s)

    if ready_s < inf:
        assert drive.limiter.ready_at(ready_s) == ready_s
        drive.limiter.take(ready_s, "woken")
