"""Turns wants about orders, parcels and returns into requests, one item per call. Pure."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from connector.kaufland.offers.mapping import ApiRequest, Unsendable
from connector.kaufland.orders import mapping, order_answers
from connector.kaufland.push import subscriptions
from connector.kaufland.reference import ReferenceData
from connector.kaufland.requests import CallOptions, PreparedCall, refused_here
from connector.kaufland.verdict.judge import ApiResponse, Question
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import (
    AddParcel,
    OrderAnswer,
    ReadCarriers,
    ReadOrder,
    ReadOrderPage,
    ReadOrderSummary,
    ReadOrderUnit,
    ReadReturn,
    ReadReturnPage,
    ReadSubscriptions,
    SendUnit,
    SubscriptionPage,
    UnreadableRow,
)
from streams.flow import Call, Reply, Settled

_Found: TypeAlias = Callable[[bytes | None], OrderAnswer | UnreadableRow | None]


class OrderRequests:
    """Prepares calls of all kinds of ``connector.marketplace.orders``. Thread-safe."""

    def __init__(self, reference: ReferenceData) -> None:
        self._reference = reference

    def ask(self, call: Call, terms: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares a call; returns a refusal if its item cannot be sent."""
        (item,) = call.items
        kind = CallKind(call.kind)
        try:
            request, found = self._way(kind, item.body, terms)
        except Unsendable as wrong:
            return (refused_here("VALUE_OUT_OF_BOUNDS", wrong),)
        return PreparedCall(
            request=request,
            question=Question(kind=kind, attempts=(item.attempt,), quota_limit=terms.quota(call.kind)),
            items=call.items,
            storefront=None,
            read=lambda heard: _reply(found, heard),
        )

    def _way(self, kind: CallKind, body: Any, terms: CallOptions) -> tuple[ApiRequest, _Found]:
        """Returns the request, and the function that reads its response. Raises Unsendable."""
        table = self._reference.current
        match kind, body:
            case CallKind.SEND, SendUnit():
                return mapping.send(body), _nothing
            case CallKind.PARCEL, AddParcel():
                return mapping.parcel(body), _nothing
            case CallKind.ORDER_UNIT, ReadOrderUnit():
                return mapping.order_unit(body), partial(order_answers.order_unit, asked=body)
            case CallKind.ORDER, ReadOrder():
                read = partial(order_answers.order, asked=body, reference=table, contacts=terms.contacts)
                return mapping.order(body), read
            case CallKind.ORDER, ReadOrderSummary():
                return mapping.order(body), partial(order_answers.order_summary, asked=body)
            case CallKind.ORDER_PAGE, ReadOrderPage():
                return mapping.order_page(body), partial(order_answers.order_page, asked=body)
            case CallKind.CARRIERS, ReadCarriers():
                return mapping.CARRIERS, order_answers.carriers
            case _:
                return _way_of_others(kind, body)


def _way_of_others(kind: CallKind, body: Any) -> tuple[ApiRequest, _Found]:
    """Returns request and reader for returns and subscriptions. Raises ValueError if kind and body do not match."""
    match kind, body:
        case CallKind.RETURN_PAGE, ReadReturnPage():
            return mapping.return_page(body), partial(order_answers.return_page, asked=body)
        case CallKind.RETURN, ReadReturn():
            return mapping.one_return(body), partial(order_answers.one_return, asked=body)
        case CallKind.SUBSCRIPTIONS, ReadSubscriptions():
            return subscriptions.page(body.offset), partial(_subscriptions, offset=body.offset)
        case _:
            raise ValueError("the item does not belong into a call of this kind")


def _subscriptions(body: bytes | None, *, offset: int) -> SubscriptionPage | None:
    read = subscriptions.read_page(body, offset)
    return None if read is None else SubscriptionPage(rows=read[0], is_last=read[1])


def _nothing(_body: bytes | None) -> None:
    """Reads nothing: only the status of the response matters for a parcel."""


def _reply(found: _Found, heard: ApiResponse) -> Reply | UnreadableRow | None:
    """Reads a response; an UnreadableRow or None if it does not conform to the API."""
    try:
        fact = found(heard.body)
    except RecursionError:  # nested deeper than any response of the API: not a valid one
        return None
    return fact if fact is None or isinstance(fact, UnreadableRow) else Settled(answer=fact)
