"""Prepares calls of the engine for sending: hands each to the package that knows its kind."""

from typing import assert_never

from connector.kaufland.call_options import CallOptions
from connector.kaufland.offers.calls import OfferCalls
from connector.kaufland.orders.calls import OrderCalls
from connector.kaufland.prepared_call import PrepareCall, PreparedCall
from connector.kaufland.push import calls as push_calls
from connector.kaufland.reference import KauflandReference
from connector.kaufland.returns import calls as return_calls
from connector.marketplace.call_kinds import CallKind
from streams.flow import Call, Reply
from streams.ports import Clock


class CallPreparation:
    """Prepares calls of all kinds. Thread-safe; one for all threads, since a look-up may take several calls."""

    def __init__(self, reference: KauflandReference, clock: Clock) -> None:
        self._offers = OfferCalls(reference, clock)
        self._orders = OrderCalls(reference)

    def prepare(self, call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares a call; returns the replies instead if nothing may be sent.

        Raises ValueError for an unknown kind, and for items that do not belong into one call of this kind.
        """
        return self._preparer(CallKind.of(call.kind))(call, options)

    def _preparer(self, kind: CallKind) -> PrepareCall:
        match kind:
            case CallKind.LOOK_UP:
                return self._offers.look_up
            case CallKind.UNIT_PAGE:
                return self._offers.unit_page
            case CallKind.PRODUCT:
                return self._offers.product
            case CallKind.UPDATE:
                return self._offers.update
            case CallKind.CREATE:
                return self._offers.create
            case CallKind.DELETE:
                return self._offers.delete
            case (
                CallKind.SEND
                | CallKind.PARCEL
                | CallKind.ORDER_UNIT
                | CallKind.ORDER
                | CallKind.ORDER_PAGE
                | CallKind.CARRIERS
            ):
                return self._orders.prepare
            case CallKind.RETURN_PAGE | CallKind.RETURN:
                return return_calls.prepare
            case CallKind.SUBSCRIPTIONS:
                return push_calls.prepare
            case unreachable:
                assert_never(unreachable)
