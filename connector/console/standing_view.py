"""The parts of the first page that come from the projection: four numbers, what to fix first, orders, drift."""

from collections.abc import Iterator, Sequence

from connector.console.html import Html, element, joined, link, listed, table
from connector.console.page import section
from connector.contracts.event_time import moment
from connector.controls.commands import ControlCommand, ControlKind, ControlState
from connector.offers.events import OfferDrifted
from connector.operations.controls.showing import covered
from connector.operations.durations import in_words
from connector.operations.standing import PATTERN_NAMES, Standing, StandingPattern
from connector.operations.why.advice import CAUSES
from connector.operations.why.texts import amount
from connector.replays.progress import ReplayProgress, ReplayState


def numbers(found: Standing, *, swept: bool) -> Html:
    """Returns the four numbers, each a link to the offers that it counts. ``swept``: sweeps say what is live."""
    live = f"{found.live:,}" if swept else "not known"
    off_sale = f"{found.accepted_not_live:,}" if swept else "not known"
    shown = (
        _number(live, "live", "units", state="live"),
        _number(off_sale, "accepted, but not on sale", "units", state="off-sale"),
        _number(f"{found.not_found:,}", "not found", "not-found"),
        _number(f"{found.held:,}", "events held", "held"),
    )
    note = "" if swept else " What is live is known with [reconcile] enabled = true only."
    counted = element("p", f"Counted from the topics at {moment(found.at_us)}.{note}", class_="quiet")
    return section("Offers", element("ul", joined(element("li", one) for one in shown), class_="numbers"), counted)


def fix_first(found: Standing, now_us: int) -> Html | None:
    """Returns the patterns of offers that are not found; None if every offer is found."""
    if not found.patterns:
        return None
    heads = (*PATTERN_NAMES, "offers", "pieces", "worth", "oldest", "likely reason, and what to do", "such as")
    shown = table("Offers that are not found, the most first", heads, _rows(found, now_us), frozenset({3, 4, 5}))
    more = f"and {found.more_patterns:,} more patterns: connector not-found" if found.more_patterns else None
    return section("Fix first", shown, element("p", more) if more else None)


def orders_line(found: Standing, now_us: int) -> Html:
    """Returns how many orders are open, and the age of the oldest."""
    oldest = (
        "" if found.oldest_open_us is None else f", the oldest for {in_words((now_us - found.oldest_open_us) / 1e6)}"
    )
    count = f"{found.open_orders:,} order{'' if found.open_orders == 1 else 's'} with units still to be sent{oldest}"
    return section("Orders", element("p", link(count, "orders")))


def replay_section(commands: Sequence[ControlCommand], progress: Sequence[ReplayProgress], now_us: int) -> Html | None:
    """Returns the replays in force with their progress; None if there are none."""
    running = [
        one for one in commands if one.kind is ControlKind.REPLAY and one.state_at(now_us) is ControlState.IN_FORCE
    ]
    told = [line for one in running if (line := _replay(one, progress)) is not None]
    return section("Replays running", listed(told, class_="lines")) if told else None


def drift_section(drifts: Sequence[OfferDrifted]) -> Html | None:
    """Returns the values that drifted last; None if none did."""
    if not drifts:
        return None
    heads = ("detected", "EAN", "unit", "field", "accepted", "shown", "cause")
    rows = (
        (
            moment(one.detected_at_us),
            link(one.ean, "offers", one.ean),
            str(one.unit_id),
            one.field,
            amount(one.accepted_value, one.currency),
            amount(one.observed_value, one.currency),
            f"{one.cause.value}: {CAUSES[one.cause]}",
        )
        for one in drifts
    )
    return section("Drift", table("Values that drifted last", heads, rows, frozenset({4, 5})))


def command_lines(commands: Sequence[ControlCommand], now_us: int) -> Iterator[str]:
    """Yields each hold, pause and stop in force as a sentence."""
    for one in holding(commands, now_us):
        until = "until it is released" if one.expires_at_us is None else f"until {moment(one.expires_at_us)}"
        reason = f": {one.reason}" if one.reason else ""
        verb = "stops" if one.kind is ControlKind.STOP_WRITES else "holds"
        since = f"by {one.issued_by} since {moment(one.issued_at_us)}"
        yield f"{one.command_id} {verb} {covered(one)}, {since}, {until}{reason}"


def holding(commands: Sequence[ControlCommand], now_us: int) -> list[ControlCommand]:
    """Returns the holds, pauses and stops in force."""
    kinds = (ControlKind.HOLD, ControlKind.PAUSE, ControlKind.STOP_WRITES)
    return [one for one in commands if one.kind in kinds and one.state_at(now_us) is ControlState.IN_FORCE]


def _number(value: str, name: str, *path: str, **parameters: str) -> Html:
    return link(joined((element("b", value), name)), *path, **parameters)


def _rows(found: Standing, now_us: int) -> Iterator[tuple[Html | str, ...]]:
    for one in found.patterns:
        yield (
            *(_value(name, value) for name, value in zip(PATTERN_NAMES, one.values, strict=True)),
            f"{one.offers:,}",
            one.pieces,
            _worth(one),
            in_words((now_us - one.oldest_us) / 1e6),
            f"{one.reason}: {one.remedy}",
            link(one.example, "offers", one.example),
        )


def _value(name: str, value: str) -> Html | str:
    return link(value, "not-found", **{name: value}) if name in ("target", "code") else value


def _worth(one: StandingPattern) -> str:
    return ", ".join(f"{worth} {currency}" for currency, worth in one.worth.items()) or "not known"


def _replay(command: ControlCommand, progress: Sequence[ReplayProgress]) -> str | None:
    if command.replay is None:
        return None
    mine = [one for one in progress if one.replay_id == command.command_id]
    if len(mine) >= len(command.replay.ranges) and all(one.state is ReplayState.DONE for one in mine):
        return None
    wanted = sum(one.end - one.start for one in command.replay.ranges)
    done = sum(one.position - one.start for one in mine)
    paused = ", paused" if command.replay.is_paused else ""
    return (
        f"{command.command_id}{paused}: {done:,} of {wanted:,} offsets in {len(mine)} partitions read, "
        f"{sum(one.delivered for one in mine):,} events processed; by {command.issued_by}: {command.reason}"
    )
