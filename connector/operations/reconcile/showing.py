"""Prints how far the sweeps are: as tables, and as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from connector.contracts.event_time import moment
from connector.operations.dlq.texts import printable
from connector.operations.durations import in_words
from connector.operations.reconcile.sweeps import (
    SweepCost,
    SweepProgress,
    SweepStanding,
    SweptPlace,
    began_at_us,
    progress,
)
from connector.reconciliation.policy import PAGE


def show(console: Console, places: Sequence[SweptPlace], now_us: int) -> None:
    """Prints a table of the sweeps, one of what they have found, and what they cost."""
    console.print(_sweeps(places, now_us))
    for place in places:
        for line in _lines(place, now_us):
            console.print(f"{_name(place)}: {line}", markup=False, highlight=False, soft_wrap=True)
    if (found := _drift(places)).row_count:
        console.print(found)
    elif any(began_at_us(place.stored) for place in places):
        console.print("These sweeps have found no drift.", highlight=False)


def document(place: SweptPlace, now_us: int) -> dict[str, Any]:
    """Returns the sweeps of a place as ``--json`` prints them. Times are UTC, durations in seconds."""
    stored = place.stored
    state = None if stored is None else stored.state
    finished = None if state is None else state.finished
    return {
        "account": place.account,
        "storefront": place.storefront,
        "phase": place.phase(now_us).value,
        "is_good": place.is_good(now_us),
        "last_complete": None
        if finished is None
        else {
            "began_at": moment(finished.sweep_at_us),
            "ended_at": moment(finished.ended_at_us),
            "units": finished.units,
            "pages": finished.pages,
            "calls": finished.pages,
            "not_written": finished.skipped,
            "drift": _drift_document(place, finished.sweep_at_us),
        },
        "running": _running_document(place),
        "next_due_at": None if state is None else moment(state.due_at_us),
        "failures_in_a_row": 0 if state is None else state.failures,
        "problem": None if state is None else state.problem,
        "cost": None if (cost := place.cost) is None else _cost_document(cost),
    }


def _running_document(place: SweptPlace) -> dict[str, Any] | None:
    stored = place.stored
    if stored is None or stored.state.running is None or (found := progress(stored)) is None:
        return None
    running = stored.state.running
    return {
        "began_at": moment(running.sweep_at_us),
        "reported_at": moment(stored.stored_us),
        "units": found.units,
        "units_expected": found.expected,
        "pages": found.calls,
        "calls": found.calls,
        "calls_per_second": found.per_second,
        "seconds_left": found.left_s,
        "drift": _drift_document(place, running.sweep_at_us),
    }


def _drift_document(place: SweptPlace, began_us: int) -> list[dict[str, Any]]:
    counts = sorted(place.drift.get(began_us, {}).items())
    return [{"cause": cause.value, "done": done.value, "values": count} for (cause, done), count in counts]


def _cost_document(cost: SweepCost) -> dict[str, Any]:
    return {
        "units": cost.units,
        "calls": cost.calls,
        "calls_per_second": cost.per_second,
        "share_while_busy": cost.share,
        "seconds_idle": cost.idle_s,
        "seconds_busy": cost.busy_s,
    }


def _sweeps(places: Sequence[SweptPlace], now_us: int) -> Table:
    table = Table(
        "account",
        "storefront",
        "now",
        "last complete sweep",
        Column("took", justify="right"),
        Column("units", justify="right"),
        Column("pages, calls", justify="right"),
        Column("not written", justify="right"),
        "next is due",
    )
    for place in places:
        state = None if place.stored is None else place.stored.state
        finished = None if state is None else state.finished
        last = ("never", "", "", "", "")
        if finished is not None:
            took = in_words((finished.ended_at_us - finished.sweep_at_us) / 1e6)
            sums = (f"{finished.units:,}", f"{finished.pages:,}", f"{finished.skipped:,}")
            last = (_second(finished.sweep_at_us), took, *sums)
        due = "" if state is None else _due(state.due_at_us, now_us)
        table.add_row(escape(place.account), place.storefront, _PHASES[place.phase(now_us)], *last, due)
    return table


_PHASES = {
    SweepStanding.NEVER: "not begun",
    SweepStanding.RUNNING: "runs",
    SweepStanding.FAILING: "a page fails",
    SweepStanding.STANDS_STILL: "stands still",
    SweepStanding.OVERDUE: "overdue",
    SweepStanding.WAITING: "waits",
}


def _due(due_us: int, now_us: int) -> str:
    away = in_words(abs(due_us - now_us) / 1e6)
    return f"in {away}" if due_us > now_us else f"since {away}"


def _lines(place: SweptPlace, now_us: int) -> Iterator[str]:
    """Yields what a table has no room for: progress, faults with what to do, and the arithmetic."""
    stored = place.stored
    match place.phase(now_us):
        case SweepStanding.NEVER:
            yield "no sweep has begun. Remedy: connector run with [reconcile] enabled = true"
        case SweepStanding.OVERDUE:
            yield "no process has begun the sweep that is due. /readyz of the processes says why"
        case SweepStanding.STANDS_STILL if stored is not None:
            since = _second(stored.stored_us)
            yield f"nothing has come of the sweep since {since}. /readyz of the processes says why"
        case _:
            pass
    if stored is not None and stored.state.problem is not None:
        times = "once" if stored.state.failures == 1 else f"{stored.state.failures} times in a row"
        yield f"a page has failed {times}, and is read again: {printable(stored.state.problem)}"
    if stored is not None and stored.state.running is not None and (found := progress(stored)) is not None:
        yield _progress(found, stored.state.running.sweep_at_us)
    if (cost := place.cost) is not None:
        yield _cost(cost)


def _progress(found: SweepProgress, began_us: int) -> str:
    of = "" if found.expected is None else f" of {found.expected:,}"
    said = f"the sweep of {_second(began_us)} has seen {found.units:,}{of} units in {found.calls:,} calls"
    if found.per_second is None:
        return said
    left = "" if found.left_s is None else f"; at this rate, {in_words(found.left_s)} are left"
    return f"{said}, {found.per_second:.3g} calls/s{left}"


def _cost(cost: SweepCost) -> str:
    """Returns the arithmetic: the second list, of what the marketplace fulfils, takes one call more."""
    return (
        f"{cost.units:,} units / {PAGE} + 1 = {cost.calls:,} calls: {in_words(cost.idle_s)} at {cost.per_second:g}/s "
        f"while nothing else waits, {in_words(cost.busy_s)} at {cost.share:.0%} of it while events use the rest"
    )


def _drift(places: Sequence[SweptPlace]) -> Table:
    values = Column("values", justify="right")
    table = Table("account", "storefront", "sweep", "values that differ: cause", "what was done", values)
    for place in places:
        for began_us in began_at_us(place.stored):
            for (cause, done), count in sorted(place.drift.get(began_us, {}).items()):
                table.add_row(
                    escape(place.account), place.storefront, _second(began_us), cause.value, done.value, f"{count:,}"
                )
    return table


def _second(at_us: int) -> str:
    return moment(at_us - at_us % 1_000_000)


def _name(place: SweptPlace) -> str:
    return f"{place.account}/{place.storefront}"
