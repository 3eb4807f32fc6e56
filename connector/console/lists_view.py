"""The lists behind the numbers: units, offers that are not found, held events, open orders."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from connector.console.html import Child, Html, address, copied, element, joined, link, table
from connector.contracts.event_time import moment
from connector.offers.events import OfferNotFound, OfferResult
from connector.operations.durations import in_words
from connector.operations.not_found.reasons import REMEDIES, TEXTS, likely_reason
from connector.operations.why.texts import amount
from connector.orders.events import OrderObserved
from connector.projection.listings import ListedPart
from connector.reconciliation.events import UnitObserved

T = TypeVar("T")


def filters(path: str, choices: Mapping[str, tuple[str, Sequence[tuple[str, str]]]], chosen: Mapping[str, str]) -> Html:
    """Returns a form whose choices become part of the address. ``choices``: name -> label, values and their texts."""
    fields = (
        element(
            "div",
            element("label", label, for_=name),
            element(
                "select",
                joined(
                    element("option", text, value=value, selected=chosen.get(name, "") == value)
                    for value, text in options
                ),
                id=name,
                name=name,
            ),
        )
        for name, (label, options) in choices.items()
    )
    return element("form", *fields, element("button", "Show", type="submit"), action=f"/{path}", method="get")


def further(part: ListedPart[T], path: str, chosen: Mapping[str, str]) -> Html:
    """Returns the link to the next part of a list, and what could not be read."""
    unreadable = (element("p", f"Not readable: {problem}", class_="warn") for problem in part.unreadable)
    if part.after is None:
        return joined((*unreadable, element("p", "This is the end of the list.", class_="quiet")))
    parameters = {**{name: value for name, value in chosen.items() if value}, "after": part.after}
    return joined((*unreadable, element("p", element("a", "Next", href=address(path, **parameters), rel="next"))))


def unit_table(units: Iterable[UnitObserved]) -> Html:
    """Returns units as the last sweep saw them."""
    heads = ("EAN", "account", "storefront", "unit", "offer id", "condition", "status", "price", "stock", "seen")
    return table("Units as the last sweep saw them", heads, map(_unit, units), frozenset({7, 8}))


def not_found_table(rows: Iterable[OfferNotFound], now_us: int) -> Html:
    """Returns offers that are not found, with the likely reason and what to do."""
    heads = (
        "EAN",
        "target",
        "condition",
        "offer id",
        "code",
        "likely reason, and what to do",
        "events",
        "since",
        "key",
    )
    return table("Offers that are not found", heads, (_missing(one, now_us) for one in rows), frozenset({6}))


def held_table(rows: Iterable[OfferResult]) -> Html:
    """Returns held events, with what holds them."""
    heads = ("EAN", "target", "event", "values", "held by", "since", "topic, partition and offset")
    return table("Events that are held", heads, map(_held, rows), frozenset())


def order_table(orders: Iterable[OrderObserved], now_us: int) -> Html:
    """Returns orders with units that are still to be sent, with their age."""
    heads = ("order", "account", "storefront", "status", "units still to be sent", "of", "open for", "pay-out waits")
    return table("Open orders, the oldest first", heads, (_order(one, now_us) for one in orders), frozenset({5}))


def place_of(row: OfferResult) -> Html:
    """Returns where the record of an event is, to copy."""
    return copied(f"{row.input_topic}/{row.input_partition}/{row.input_offset}")


def _unit(one: UnitObserved) -> Iterator[Child]:
    yield link(one.ean, "offers", one.ean)
    yield from (one.account, one.storefront, copied(str(one.unit_id)))
    yield copied(one.offer_id) if one.offer_id is not None else None
    yield from (one.condition, one.status, None if one.price is None else amount(one.price, one.currency), one.stock)
    yield moment(one.observed_at_us)


def _missing(one: OfferNotFound, now_us: int) -> Iterator[Child]:
    reason = likely_reason(one)
    yield link(one.ean, "offers", one.ean)
    yield from (one.target_id, one.condition)
    yield copied(one.offer_id) if one.offer_id is not None else None
    yield one.code
    yield f"{TEXTS[reason]}: {REMEDIES[reason]}"
    yield f"{one.times_seen:,}"
    yield in_words((now_us - one.first_seen_at_us) / 1e6)
    yield copied(one.key)


def _held(one: OfferResult) -> Iterator[Child]:
    yield link(one.ean, "offers", one.ean)
    yield one.target_id
    yield copied(one.event_id or one.result_id)
    yield ", ".join(f"{field.field} {amount(field.requested, field.currency)}" for field in one.fields)
    yield one.held_by or one.code
    yield moment(one.decided_at_us)
    yield place_of(one)


def _order(one: OrderObserved, now_us: int) -> Iterator[Child]:
    yield link(one.order_id, "orders", one.order_id)
    yield from (one.account, one.storefront, one.status.value)
    yield copied(", ".join(map(str, one.units_open)))
    yield str(len(one.units))
    yield in_words((now_us - (one.open_since_us or one.changed_at_us)) / 1e6)
    yield "yes" if one.payout_waits else "no"
