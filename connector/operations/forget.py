"""Implements ``connector state forget``: deletes the state of one key that cannot be read or must not be kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, Final

from rich.console import Console

from connector.connections import produce
from connector.offers.events import OfferState
from connector.orders.events import SchedulerState
from connector.settings.model import Settings
from connector.shipments.events import ShipmentState
from streams.errors import SettingsError, Stopped
from streams.flow import BadRecord, NotYet
from streams.lanes.record_headers import key_bytes

_FORGOTTEN_PARCELS = (
    "an event of units that were sent ends as ALREADY_CONFIRMED and adds no parcel, and one by items may be REJECTED "
    "(ITEMS_PARTLY_SENT): look in the seller portal. With require_units = false, an event that names nothing confirms "
    "every unit that is still open"
)


_CLAIM_STAYS: Final = (
    "It is in the topic of unit owners, so other EANs of the offer still end as ALIAS_EAN. To release the claim, send "
    "an event of this EAN, and a tombstone once it has found the offer"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRecord:
    """The record of a key in a state topic. ``state``: the decoded state, or why it cannot be decoded."""

    topic: str
    partition: int
    offset: int
    key: str
    state: Any


def found(kept_lanes: Callable[[str], Sequence[StateRecord]], key: str) -> Sequence[StateRecord]:
    """Returns the records of a key, which may be given as a message prints it: with ``\\`` escapes.

    A JSON log line escapes the backslashes again, so doubly escaped keys are tried, too.
    """
    in_message = unescaped(key)
    meant = dict.fromkeys((key, in_message, unescaped(in_message)))
    return next(filter(None, map(kept_lanes, meant)), ())


def unescaped(printed: str) -> str:
    """Returns the key that a message prints this way between quotes, or ``printed`` if that is not a key."""
    try:
        key = printed.encode("ascii").decode("unicode_escape")
        key_bytes(key)
    except UnicodeError:
        return printed
    return key


def chosen(found: Sequence[StateRecord], key: str, topic: str | None) -> StateRecord:
    """Returns the record to delete. Raises Stopped if there is none, SettingsError if there are several."""
    meant = [kept for kept in found if topic in (None, kept.topic)]
    if not meant:
        where = "the state topics have" if topic is None else f"{topic} has"
        raise Stopped(f"{key!a} has no state: {where} no record of it, or only a tombstone")
    if len(meant) > 1:
        places = ", ".join(f"{kept.topic}/{kept.partition}" for kept in meant)
        raise SettingsError(f"{key!a} has a state in {places}. Select one with --topic")
    return meant[0]


def write_tombstone(configured: Settings, record: StateRecord) -> None:
    """Deletes the record by a tombstone in its own partition. Raises SinkFailed, NotPermitted."""
    produce(configured, record.topic, key_bytes(record.key), None, partition=record.partition)


def must_be_stopped(members: int, group: str, *, started_meanwhile: bool = False) -> None:
    """Raises Stopped if the group has members: the owner has the state in memory and would write it again."""
    if not members:
        return
    if started_meanwhile:
        raise Stopped(
            f"the state was deleted, but a process of group {group} was started meanwhile and may have restored it "
            "before. Remedy: stop the process, and run the command again"
        )
    raise Stopped(
        f"group {group} has {members} members; the owner of the state would write it again. Remedy: stop every process "
        "of the group, wait for its session timeout, and run the command again"
    )


def show(console: Console, kept: StateRecord) -> None:
    """Prints where the state is, what is lost with it, and what stays."""
    console.print(f"{kept.key!a} in {kept.topic}/{kept.partition} at offset {kept.offset}", highlight=False)
    console.print("Lost with it:", highlight=False)
    for line in losses(kept.state):
        console.print(f"  - {line}", markup=False, highlight=False, soft_wrap=True)
    for line in stays(kept.state):
        console.print(f"Stays: {line}", markup=False, highlight=False, soft_wrap=True)


def document(kept: StateRecord) -> dict[str, Any]:
    """Returns what ``state forget --json`` prints."""
    return {
        "key": kept.key,
        "topic": kept.topic,
        "partition": kept.partition,
        "offset": kept.offset,
        "lost": list(losses(kept.state)),
        "stays": list(stays(kept.state)),
    }


@singledispatch
def losses(state: object) -> Iterator[str]:
    """Yields what is lost with a state, one sentence per line."""
    why = state.text if isinstance(state, BadRecord | NotYet) else f"it is a {type(state).__name__}"
    yield f"everything in the state; its contents are unknown, because the record cannot be read ({why})"
    yield "pending events: they are neither sent nor get a result; find them in the input topic and send them again"
    yield "the order of accepted values: an older event that is read again would overwrite a newer value"
    yield f"for a shipment: which parcels were, or may have been, sent; {_FORGOTTEN_PARCELS}"


@losses.register
def _(state: OfferState) -> Iterator[str]:
    undone = [event.event_id or f"the event at offset {event.input_offset}" for event in state.undone]
    yield _undone(undone)
    accepted = sum(field.event_time_us is not None for unit in state.units for field in unit.fields)
    yield f"the order of {accepted} accepted values: an older event that is read again would overwrite them"
    if state.locations:
        places = ", ".join(sorted({str(stock.location) for stock in state.locations}))
        yield f"the stock of {len(state.locations)} locations ({places}): each counts again after its next event"
    yield f"the identity of {len(state.units)} units: they are looked up again"


@losses.register
def _(state: ShipmentState) -> Iterator[str]:
    yield _undone([event.event_id for event in state.undone])
    yield f"what was confirmed and which parcels were sent of {len(state.units)} order units: {_FORGOTTEN_PARCELS}"


@losses.register
def _(state: SchedulerState) -> Iterator[str]:
    if state.poll is not None:
        yield "how far orders and returns were read: the next poll reads [orders] lookback_days back"
    if state.order is not None:
        changed = "it has unwritten changes; " if state.order.undone_since_us is not None else ""
        yield f"what is known of order {state.order.order_id}: {changed}it is read again when a list shows it"
    if state.returned is not None:
        yield "what is known of a return: it is written again when a list shows it"
    if state.sweep is not None:
        yield f"how far the units on {state.sweep.storefront} were swept: the next sweep begins at once"


@singledispatch
def stays(state: object) -> Iterator[str]:
    """Yields what remains in other topics, one sentence per line."""
    if isinstance(state, BadRecord | NotYet):
        yield f"of an offer: its claim where a product carries several EANs, if it has one. {_CLAIM_STAYS}"


@stays.register
def _(state: OfferState) -> Iterator[str]:
    claimed = [unit.offer_id or f"unit {unit.unit_id}" for unit in state.units if unit.owner == state.ean]
    if claimed:
        yield f"its claim on {', '.join(dict.fromkeys(claimed))}. {_CLAIM_STAYS}"


def _undone(names: Sequence[str]) -> str:
    if not names:
        return "no event: none is pending"
    return f"{len(names)} pending events, which are neither sent nor get a result: {', '.join(names)}"
