"""The page of one EAN, as ``connector why`` answers, and the page of one order."""

from collections.abc import Iterable, Iterator

from connector.console.html import Child, Html, copied, described, each, element, joined, link, table
from connector.console.lists_view import place_of
from connector.console.page import section
from connector.contracts.event_time import moment
from connector.operations.why.advice import advice
from connector.operations.why.outcomes import EventOutcome
from connector.operations.why.showing import lines
from connector.operations.why.texts import amount
from connector.operations.why.timeline import EventCall, OfferTimeline
from connector.orders.events import ObservedUnit, OrderObserved

_MOST_EVENTS = 100
_MOST_CALLS = 100


def offer_content(found: OfferTimeline) -> Iterator[Html]:
    """Yields the parts of the page of an EAN."""
    if not found.is_known:
        yield element("p", "No topic knows this EAN, as far back as they reach.")
        return
    yield element("p", element("strong", "Advice: "), advice(found), class_="advice")
    told = [line for line in lines(found) if not line.startswith("advice: ")]
    yield section("What is known", nested(told[1:]))
    yield section("Events, newest first", _events(found))
    yield section("Calls to the marketplace", _calls(found))
    command = element("p", "The same in a terminal: ", copied(f"connector why {found.ean}"), class_="quiet")
    yield command


def order_content(order: OrderObserved) -> Iterator[Html]:
    """Yields the parts of the page of an order. It has no personal data, as the topic has none."""
    yield described(
        {
            "Order": copied(order.order_id),
            "Account": order.account,
            "Storefront": order.storefront,
            "Status": order.status.value,
            "Created": moment(order.created_at_us),
            "Last changed": moment(order.changed_at_us),
            "Read": moment(order.observed_at_us),
            "Pay-out waits": "yes" if order.payout_waits else "no",
        }
    )
    heads = ("unit", "EAN", "offer id", "status", "price", "to be sent by", "changed")
    yield section("Units", table("Units of the order", heads, map(_order_unit, order.units), frozenset({4})))


def nested(told: Iterable[str]) -> Html:
    """Returns indented lines as a list, in which what is indented belongs to the line above."""
    items: list[Child] = []
    for head, inner in _grouped(list(told)):
        items.append(joined((head, nested(inner))) if inner else head)
    return element("ul", each("li", items), class_="lines")


def _grouped(told: list[str]) -> Iterator[tuple[str, list[str]]]:
    at = 0
    while at < len(told):
        end = at + 1
        while end < len(told) and told[end].startswith("  "):
            end += 1
        yield told[at].strip(), [line[2:] for line in told[at + 1 : end]]
        at = end


def _events(found: OfferTimeline) -> Html:
    heads = ("received", "event", "target", "status", "code", "values", "origin", "topic, partition and offset")
    return table("Events of this EAN", heads, map(_event, found.events[:_MOST_EVENTS]), frozenset())


def _event(outcome: EventOutcome) -> Iterator[Child]:
    row = outcome.counts
    yield moment(row.received_at_us)
    yield copied(row.event_id or "tombstone")
    yield from (row.target_id, row.status.value, row.code)
    yield ", ".join(f"{one.field} {amount(one.requested, one.currency)} {one.status.value}" for one in row.fields)
    yield row.origin.value
    yield place_of(row)


def _calls(found: OfferTimeline) -> Html:
    known = {call.call_id: call for calls in found.calls.values() for call in calls if call.row is not None}
    newest = sorted(known.values(), key=_sent_at_us, reverse=True)[:_MOST_CALLS]
    heads = ("sent", "call", "method and path", "answer", "outcome", "took")
    return table("Calls for this EAN", heads, map(_call, newest), frozenset({5}))


def _sent_at_us(call: EventCall) -> int:
    return call.row.sent_at_us if call.row is not None else 0


def _call(call: EventCall) -> Iterator[Child]:
    row = call.row
    if row is None:
        return
    yield moment(row.sent_at_us)
    yield copied(row.call_id)
    yield f"{row.method} {row.path}"
    yield str(row.http_status) if row.http_status is not None else f"none ({row.transport_error})"
    yield row.outcome
    yield f"{row.duration_us / 1000:,.0f} ms"


def _order_unit(unit: ObservedUnit) -> Iterator[Child]:
    yield copied(str(unit.order_unit_id))
    yield link(unit.ean, "offers", unit.ean) if unit.ean is not None else None
    yield copied(unit.offer_id) if unit.offer_id is not None else None
    yield unit.status_raw
    yield amount(unit.price, unit.currency)
    yield None if unit.handling_due_at_us is None else moment(unit.handling_due_at_us)
    yield moment(unit.changed_at_us)
