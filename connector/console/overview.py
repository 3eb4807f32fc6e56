"""The first page: whether the process is live, what needs a person, and the last hours."""

from collections.abc import Iterator, Mapping, Sequence

from connector.console import minute_trends
from connector.console.charts import chart, number
from connector.console.facts import ProcessFacts
from connector.console.html import Html, copied, described, element, listed, table
from connector.console.page import folded, lines, section
from connector.console.trends import (
    Sample,
    calls_per_s,
    failing_per_min,
    limits,
    oldest_undone,
    present_calls_per_s,
    results_per_min,
)
from connector.contracts.event_time import moment
from connector.offers.figures import summed
from connector.operations.durations import in_words
from connector.orders.poll_lane import PollReport
from connector.projection.minutes import Minute
from streams.engine.snapshot import PartitionSnapshot, SideInputSnapshot, Snapshot

_RATE_S = 60.0
"""Over which the present rate is computed."""


def first_line(
    facts: ProcessFacts, samples: Sequence[Sample], minutes: Sequence[Minute] | None, slow_downs: int, now_us: int
) -> Html:
    """Returns whether the process is live, with the reason, and the numbers that say how it is doing.

    ``minutes``: over all processes, where the projection has them; ``slow_downs`` is then over all as well.
    """
    reasons = facts.readiness.reasons
    said = f"Not live: {reasons[0]}" if reasons else _live(facts)
    verdict = element("p", element("strong", said), class_="verdict bad" if reasons else "verdict", role="status")
    rate = present_calls_per_s(samples, _RATE_S)
    polls = facts.polls.values()
    told = described(
        {
            "Rate used of limit": f"{number(rate)} of {number(_limit(facts))} calls per s{_in_all(minutes, now_us)}",
            "Oldest undone": _oldest(facts),
            "429 today": f"{slow_downs:,}{', in this process' if minutes is None else ''}",
            "Last poll of orders": "; ".join(_poll(poll, now_us) for poll in polls) or "this process does not poll",
        }
    )
    return element("div", verdict, told, lines(reasons[1:]) if len(reasons) > 1 else None)


def attention(facts: ProcessFacts) -> Html | None:
    """Returns the warnings; None if there are none."""
    if not facts.readiness.warnings:
        return None
    return section("Needs attention", listed(facts.readiness.warnings, class_="lines warn"))


def trend_section(samples: Sequence[Sample], minutes: Sequence[Minute] | None, now_us: int) -> Html:
    """Returns the charts of the last hours: over all processes where the projection has them, else of this process."""
    undone = chart("Age of the oldest undone event of this process", oldest_undone(samples))
    calls = chart("Calls per second", calls_per_s(samples), second=limits(samples), second_class="limit")
    if minutes is None:
        results = chart("Results per minute", results_per_min(samples), second=failing_per_min(samples))
        return _charts("Of this process, since it began, over the last 6 hours at most.", calls, undone, results)
    ended = minute_trends.whole(minutes, now_us)
    return _charts(
        "Of all processes, counted from the topics minute by minute, over the last 6 hours. The age of the oldest "
        "undone event is of this process, since it began.",
        chart("Calls per second", minute_trends.calls_per_s(ended), second=minute_trends.slow_downs_per_s(ended)),
        chart("Longest time from an event to its accepted value", minute_trends.slowest(ended)),
        chart("Results per minute", minute_trends.results_per_min(ended), second=minute_trends.failing_per_min(ended)),
        undone,
    )


def _charts(note: str, *charts: Html) -> Html:
    return section("Last hours", element("div", *charts, class_="charts"), element("p", note, class_="quiet"))


def _in_all(minutes: Sequence[Minute] | None, now_us: int) -> str:
    """Returns the rate of all processes in the last minute that has ended."""
    ended = minute_trends.whole(minutes, now_us)[-1:] if minutes is not None else ()
    rates = minute_trends.calls_per_s(ended)
    return "" if rates.last is None else f" in this process, {number(rates.last)} in all"


def poll_section(facts: ProcessFacts, now_us: int) -> Html | None:
    """Returns how the polls of each account ended; None where this process does not poll."""
    if not facts.polls:
        return None
    return section("Polls of orders", listed(_poll_line(poll, now_us) for poll in facts.polls.values()))


def process_counts(facts: ProcessFacts) -> Html:
    """Returns what the process has counted since it began."""
    counted = {
        "Results": _counts(summed(facts.figures.results, 1)),
        "Held values, by code": _counts(summed(facts.figures.held, 1)),
        "Values that have drifted, by cause": _counts(facts.figures.drifts),
    }
    return section("Since this process began", described(counted))


def replay_lines(snapshot: Snapshot | None) -> Iterator[str]:
    """Yields how far each replay has come in the partitions of this process."""
    for partition in snapshot.partitions if snapshot is not None else ():
        for one in partition.side_inputs:
            yield _side_input(one)


def replays_here(facts: ProcessFacts) -> Html | None:
    """Returns the replays that this process reads now; None if there are none."""
    told = list(replay_lines(facts.snapshot))
    return section("Replays running here", lines(told)) if told else None


def partitions(facts: ProcessFacts) -> Html:
    """Returns the partitions and the process, folded away."""
    rows = [] if facts.snapshot is None else [_partition(one) for one in facts.snapshot.partitions]
    heads = ("partition", "phase", "next offset", "durable", "lag", "undone", "in flight", "moved", "why it waits")
    shown = table("Partitions of this process", heads, rows, frozenset({2, 3, 4, 5, 6}))
    about = described({name.replace("_", " "): _about(value) for name, value in facts.about.items()})
    return element("section", folded(f"Partitions ({len(rows)}) and process", shown, about), aria_label="Partitions")


def _live(facts: ProcessFacts) -> str:
    if facts.about.get("dry_run"):
        return "Live as a dry run: it decides, and sends nothing"
    if facts.snapshot is not None and not facts.snapshot.partitions:
        return "Live, on standby: other processes have all partitions"
    closed = [] if facts.snapshot is None else [n for n, one in facts.snapshot.accounts.items() if not one.is_open]
    return f"Live, but account {', '.join(closed)} is paused" if closed else "Live"


def _limit(facts: ProcessFacts) -> float:
    return sum(one.rate for one in facts.snapshot.accounts.values()) if facts.snapshot is not None else 0.0


def _oldest(facts: ProcessFacts) -> str:
    ages = [] if facts.snapshot is None else [one.oldest_age_s for one in facts.snapshot.accounts.values()]
    oldest_s = max(ages, default=0.0)
    return f"{in_words(oldest_s)} old" if oldest_s else "nothing waits for a call"


def _poll(poll: PollReport, now_us: int) -> str:
    ended = "never" if poll.polled_at_us is None else f"{in_words((now_us - poll.polled_at_us) / 1e6)} ago"
    return f"{poll.account}: {ended}{', now failing' if poll.failures else ''}"


def _poll_line(poll: PollReport, now_us: int) -> Html:
    if poll.failures:
        since = "" if poll.failed_at_us is None else f", last at {moment(poll.failed_at_us)}"
        text = f"error, {poll.failures} in a row{since}: {poll.problem or 'no reason told'}"
        return element("span", f"{poll.account}: ", element("b", text), class_="bad")
    if poll.polled_at_us is None:
        return element("span", f"{poll.account}: no poll yet")
    last = f"success, {moment(poll.polled_at_us)} ({in_words((now_us - poll.polled_at_us) / 1e6)} ago)"
    return element("span", f"{poll.account}: ", element("span", last, class_="good"))


def _side_input(one: SideInputSnapshot) -> str:
    done = f"next offset {one.position:,}" + ("" if one.end is None else f" of {one.end:,}")
    state = "paused" if one.is_paused else one.problem or one.held_up or one.waiting_for or "running"
    return f"{one.name}: {one.topic}/{one.partition}: {done}, {one.delivered:,} events delivered: {state}"


def _partition(one: PartitionSnapshot) -> tuple[Html | str, ...]:
    why = one.broken or "; ".join(one.gate) or one.waiting_for
    return (
        copied(f"{one.topic}/{one.partition}"),
        one.phase,
        copied(str(one.position)),
        copied(str(one.durable)),
        f"{one.lag:,}",
        f"{one.undone:,}",
        f"{one.in_flight:,}",
        f"{in_words(one.moved_age_s)} ago",
        why,
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()) if count) or "none"


def _about(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
