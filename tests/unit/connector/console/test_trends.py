"""Samples of the last hours, and the lines of the charts."""

from dataclasses import replace

from connector.console.charts import chart
from connector.console.facts import ProcessFacts, Readiness
from connector.console.trends import (
    POINTS,
    Trends,
    calls_per_s,
    failing_per_min,
    oldest_undone,
    present_calls_per_s,
    results_per_min,
)
from connector.offers.figures import OfferFigures
from tests.unit.connector.console.test_vitals import ACCOUNT, WELL

DAY_US = 86_400_000_000
NOON_US = 20_000 * DAY_US + DAY_US // 2


def facts(
    calls: float = 0.0, slow: float = 0.0, applied: int = 0, missing: int = 0, oldest_s: float = 0.0
) -> ProcessFacts:
    return ProcessFacts(
        about={},
        beat_age_s=0.1,
        readiness=Readiness(),
        snapshot=replace(WELL, accounts={"main": replace(ACCOUNT, oldest_age_s=oldest_s)}),
        figures=OfferFigures(
            results={("shop-de", "APPLIED", ""): applied, ("shop-de", "PARTIAL", "PRICE_TOO_HIGH"): missing},
            not_applied=missing,
        ),
        calls={"main": calls},
        slow_downs={"main": slow},
    )


def test_rates_are_what_was_counted_between_two_samples() -> None:
    trends = Trends()
    trends.add(facts(), NOON_US)
    trends.add(facts(calls=50, applied=8, missing=2), NOON_US + 10_000_000)

    samples = trends.snapshot()

    assert calls_per_s(samples).points == ((NOON_US + 10_000_000, 5.0),)
    assert results_per_min(samples).last == 60.0
    assert failing_per_min(samples).last == 12.0


def test_the_present_rate_is_that_of_the_last_minute() -> None:
    trends = Trends()
    assert present_calls_per_s(trends.snapshot(), 60.0) == 0.0
    for number, calls in enumerate((0, 1_000, 1_060, 1_060, 1_060, 1_060, 1_060, 1_060)):
        trends.add(facts(calls=calls), NOON_US + number * 10_000_000)

    assert present_calls_per_s(trends.snapshot(), 60.0) == 1.0


def test_a_short_peak_stays_visible_among_many_samples() -> None:
    trends = Trends()
    for number in range(2_000):
        trends.add(facts(oldest_s=900.0 if number == 777 else 1.0), NOON_US + number * 10_000_000)

    line = oldest_undone(trends.snapshot())

    assert len(line.points) <= POINTS
    assert line.highest == 900.0
    assert line.points[-1] == (NOON_US + 1_999 * 10_000_000, 1.0)


def test_the_oldest_samples_are_forgotten_after_six_hours() -> None:
    trends = Trends()
    for number in range(2_200):
        trends.add(facts(), NOON_US + number * 10_000_000)

    assert len(trends.snapshot()) == 2_160


def test_429_today_begins_anew_at_midnight_utc() -> None:
    trends, midnight_us = Trends(), 20_001 * DAY_US
    trends.add(facts(slow=3), midnight_us - 20_000_000)
    assert trends.slow_downs_today(facts(slow=4), midnight_us - 1) == 4

    trends.add(facts(slow=4), midnight_us - 10_000_000)
    assert trends.slow_downs_today(facts(slow=5), midnight_us + 1) == 1
    trends.add(facts(slow=6), midnight_us)

    assert trends.slow_downs_today(facts(slow=7), midnight_us + 5) == 3


def test_a_chart_says_its_last_and_highest_value_in_words() -> None:
    trends = Trends()
    for number in range(5):
        trends.add(facts(oldest_s=number), NOON_US + number * 10_000_000)

    markup = chart("Age of the oldest undone event", oldest_undone(trends.snapshot())).markup

    assert "oldest undone: 4 s, at most 4. " in markup
    assert '<polyline points="3.0,57.0 61.5,43.5 120.0,30.0 178.5,16.5 237.0,3.0" class="line">' in markup


def test_a_chart_without_samples_says_so() -> None:
    assert "calls: nothing yet. " in chart("Calls per second", calls_per_s(())).markup
