"""Prepares calls about orders, parcels and carriers: the request, and how its response is judged. Pure."""

from dataclasses import replace
from functools import partial
from typing import Any

from connector.kaufland.call_options import CallOptions
from connector.kaufland.orders import answers, requests, verdicts
from connector.kaufland.prepared_call import PreparedCall, RequestAndJudge, prepare_item, settling
from connector.kaufland.reference import KauflandReference
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import (
    AddParcel,
    ReadCarriers,
    ReadOrder,
    ReadOrderPage,
    ReadOrderSummary,
    ReadOrderUnit,
    SendUnit,
)
from streams.flow import Call, Reply


class OrderCalls:
    """Prepares the calls about orders, parcels and carriers."""

    def __init__(self, reference: KauflandReference) -> None:
        self._reference = reference

    def prepare(self, call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares a call; returns a refusal if its item cannot be sent."""
        prepared = prepare_item(call, options, partial(self._pair, contacts=options.contacts))
        body = call.items[0].body
        if not isinstance(prepared, PreparedCall) or not isinstance(body, SendUnit | AddParcel):
            return prepared
        return replace(prepared, traces=body.traces)

    def _pair(self, kind: CallKind, body: Any, *, contacts: bool) -> RequestAndJudge | None:
        """Returns the request and the judge of its response; None if kind and body do not match."""
        match kind, body:
            case CallKind.SEND, SendUnit():
                return requests.send(body), verdicts.of_parcel
            case CallKind.PARCEL, AddParcel():
                return requests.parcel(body), verdicts.of_parcel
            case CallKind.ORDER_UNIT, ReadOrderUnit():
                return requests.order_unit(body), settling(partial(answers.order_unit, asked=body))
            case CallKind.ORDER, ReadOrder():
                read = partial(answers.order, asked=body, reference=self._reference, contacts=contacts)
                return requests.order(body), settling(read)
            case CallKind.ORDER, ReadOrderSummary():
                return requests.order(body), settling(partial(answers.order_summary, asked=body))
            case CallKind.ORDER_PAGE, ReadOrderPage():
                return requests.order_page(body), settling(partial(answers.order_page, asked=body))
            case CallKind.CARRIERS, ReadCarriers():
                return requests.CARRIERS, settling(answers.carriers)
            case _:
                return None
