"""The used share of the permitted rate, the number of calls, and freshness, all measured at the marketplace.

Freshness of an event: the time from its intended time until the marketplace accepted its value or a newer one of the
same unit. An event that is still waiting at the end counts with its waiting time so far.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from benchmarks.load import LoadEvent
from benchmarks.report import Goal, ReportSection, Row, at_least, at_most
from benchmarks.stand import API_LIMIT, Stand, all_owned, until
from devstack.audit import percentile
from simulator.journal import Journal
from streams.policy import Pace

RATE = 100.0
RESERVE = Pace().reserve
USED_GOAL = 0.97
RATES = (300, 3_000)
WATCH_ON_S = 3.0
NAIVE, CONNECTOR = "naive", "connector"

Running: TypeAlias = Callable[[], AbstractContextManager[object]]


# ---- used share -----------------------------------------------------------------------------------------------------


def used_share(stand: Stand, seconds: float, latencies_s: Sequence[float]) -> ReportSection:
    """Measures the call rate with a backlog in single mode, which bulk calls can't shorten, by latency."""
    permitted = RATE * (1 - RESERVE)
    backlog = int(permitted * (seconds + 3))
    rows: list[Row] = []
    goals: list[Goal] = []
    for wait_s in latencies_s:
        for name, running in _both(stand):
            with stand.answers_after(wait_s), running():
                journal = _backlogged(stand, backlog, seconds)
                if name != NAIVE:
                    stand.deployment.quiet(for_s=1.0)
            used, refused = _used(journal, permitted, seconds), journal.by_status.get(429, 0)
            worst = journal.worst_second("main")
            rows.append((f"{name}, answers after {wait_s * 1000:.0f} ms", f"{used:.1%}", f"{worst}", f"{refused}"))
            if name == CONNECTOR:
                goals.append(at_least(f"used share, answers after {wait_s * 1000:.0f} ms", used, USED_GOAL))
                goals.append(at_most("calls answered with 429", refused, 0))
    return ReportSection(
        title="Used share of the offers' configured rate, with backlog",
        head=("who", "used", "most calls in 1 s", "429"),
        rows=rows,
        notes=[
            f"{RATE:.0f} calls/s configured, {RESERVE:.0%} of it reserved for commands: {permitted:.0f}/s are the "
            f"offers'; the API permits {API_LIMIT} in any second",
            f"mode single, {backlog:,} different offers at once; counted by arrival over {seconds:.0f} s",
        ],
        goals=goals,
    )


def _backlogged(stand: Stand, backlog: int, seconds: float) -> Journal:
    """Sends a backlog and returns what arrives in ``seconds``, beginning one second after its first call."""
    begin_s = time.monotonic()
    stand.send(stand.events.each_once(backlog))
    first_s = stand.first_call_s(begin_s)
    time.sleep(max(0.0, first_s + 1 + seconds - time.monotonic()))
    return stand.journal(first_s + 1)


def _used(journal: Journal, permitted: float, seconds: float) -> float:
    end_us = journal.calls[0].mono_us + seconds * 1e6
    return sum(call.mono_us < end_us for call in journal.calls) / (permitted * seconds)


# ---- calls and freshness --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PacedOutcome:
    """The outcome of paced events at the end of the measurement."""

    events: int
    calls: int
    waiting: int  # events whose unit has neither their value nor a newer one
    fresh_s: Sequence[float]  # sorted
    refused: int


def freshness(stand: Stand, seconds: float, lingers: Sequence[str]) -> ReportSection:
    """Measures calls and freshness at fixed rates, with the connector's linger settings and the naive consumer."""
    rows: list[Row] = []
    goals: list[Goal] = []
    for rate in RATES:
        for name, running in _with_lingers(stand, lingers):
            with running():
                outcome = paced(stand, rate, seconds)
                if name != NAIVE:
                    stand.deployment.quiet(for_s=1.0)
            rows.append(_row(f"{name}, {rate:,}/s", outcome))
            if name != NAIVE:
                goals.append(at_most(f"429 at {rate:,}/s, {name}", outcome.refused, 0))
                goals.append(at_most(f"events at {rate:,}/s without their value, {name}", outcome.waiting, 0))
    return ReportSection(
        title=f"Calls and freshness, {seconds:.0f} s of even load",
        head=("who", "calls per 1,000 events", "p50", "p99", "still waiting", "429"),
        rows=rows,
        notes=[
            f"prices of single offers, Zipf 1.0; the watch ends {WATCH_ON_S:.0f} s after the last event",
            "a straight loop has no bound here: what comes in faster than its calls leave waits longer and longer, so "
            "its figures grow with the time watched",
        ],
        goals=goals,
    )


def _row(what: str, outcome: PacedOutcome) -> Row:
    per_thousand = 1000 * outcome.calls / max(1, outcome.events - outcome.waiting)
    return (
        what,
        f"{per_thousand:,.1f}",
        f"{percentile(outcome.fresh_s, 0.5):.2f} s",
        f"{percentile(outcome.fresh_s, 0.99):.2f} s",
        f"{outcome.waiting / outcome.events:.0%}",
        f"{outcome.refused}",
    )


def paced(stand: Stand, rate: float, seconds: float) -> PacedOutcome:
    """Sends events at a constant rate and returns their outcome, ``WATCH_ON_S`` after the last."""
    events = stand.events.paced(rate, seconds)
    begin_s = time.monotonic()
    stand.send(events)
    time.sleep(WATCH_ON_S)
    end_s = time.monotonic()
    journal = stand.journal(begin_s)
    fresh_s, waiting = _fresh(events, journal, end_s)
    return PacedOutcome(
        events=len(events),
        calls=len(journal.calls),
        waiting=waiting,
        fresh_s=sorted(fresh_s),
        refused=journal.by_status.get(429, 0),
    )


def _fresh(events: Sequence[LoadEvent], journal: Journal, end_s: float) -> tuple[list[float], int]:
    """Returns the freshness of every event, and how many were still waiting at ``end_s``."""
    taken: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)  # by unit: increasing prices with their times
    for write in journal.writes:
        if write.field == "listing_price":
            taken[write.unit_id].append((write.new, write.mono_us / 1e6))
    fresh_s, waiting = [], 0
    for event in events:
        prices = taken[event.offer.unit_id]
        place = bisect_left(prices, (event.price_cents, 0.0))
        waiting += place == len(prices)
        fresh_s.append((prices[place][1] if place < len(prices) else end_s) - event.intended_s)
    return fresh_s, waiting


# ---- consumers under test -------------------------------------------------------------------------------------------


def _both(stand: Stand) -> Iterator[tuple[str, Running]]:
    yield NAIVE, lambda: _naive(stand)
    yield CONNECTOR, lambda: stand.connectors(requests_per_second=RATE, single=True)


def _with_lingers(stand: Stand, lingers: Sequence[str]) -> Iterator[tuple[str, Running]]:
    yield NAIVE, lambda: _naive(stand)
    for linger in lingers:
        running = partial(stand.connectors, requests_per_second=RATE, rate={"linger": linger})
        yield f"{CONNECTOR}, linger {linger}", running


@contextmanager
def _naive(stand: Stand) -> Iterator[None]:
    """Runs the naive consumer in a group of its own, from the end of the input on."""
    stand.deployment.account = {"requests_per_second": RATE}
    group = f"naive-{time.monotonic_ns()}"
    config = str(stand.deployment.config("naive"))
    process = stand.process("naive", ["benchmarks.naive", "--config", config, "--group", group])
    try:
        until("the naive consumer's partitions", lambda: all_owned([process]), 60)
        yield
    finally:
        process.stop()
