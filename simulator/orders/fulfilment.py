"""Carries out the endpoints about orders, parcels and returns. Pure.

Which problem type answers a ``send`` that comes too early, too late or twice is not documented. Chosen: the types whose
names fit, with the status that the document lists for "request execution forbidden", 403.

=========================================  ==================================  =====================================
order unit                                 ``PATCH .../send``                  ``POST /shipments``
=========================================  ==================================  =====================================
open, cancelled, or an unknown status      action-not-allowed                  action-not-allowed
need_to_be_sent                            204, the unit is now sent           action-not-allowed
sent, or a later status                    duplicate-action, "already sent"    204, each call adds a parcel
=========================================  ==================================  =====================================
"""

from collections.abc import Callable
from typing import Any, Final

import orjson

from simulator.call_context import CallContext
from simulator.exchange import HttpResponse
from simulator.orders.bodies import (
    order_body,
    order_row,
    order_unit_body,
    order_unit_details,
    return_body,
    return_row,
    return_unit_body,
    return_unit_row,
)
from simulator.orders.orders import (
    SENT_ALREADY,
    OrderBook,
    SimulatedOrder,
    SimulatedOrderUnit,
    SimulatedParcel,
    SimulatedUnitStatus,
)
from simulator.orders.returns import ReturnBook, SimulatedReturn, SimulatedReturnUnit
from simulator.orders.rules import FurtherParcel, LiveQuery
from simulator.problems import ProblemDetails, ProblemType, not_found
from simulator.reference import CARRIERS

NO_CONTENT: Final = HttpResponse(status=204)


class Fulfilment:
    """The orders and returns of all sellers, each visible only to its own seller. Not thread-safe."""

    def __init__(
        self, book: OrderBook, returns: ReturnBook, *, after_send: Callable[[SimulatedOrderUnit, CallContext], None]
    ) -> None:
        """``after_send`` is called with each unit that a call has marked as sent."""
        self.book = book
        self.returns = returns
        self._after_send = after_send

    # ---- reads ------------------------------------------------------------------------------------------------------

    def carriers(self) -> HttpResponse:
        """``GET /carriers``."""
        return _data({"carriers": [{"name": name, "isHauler": is_hauler} for name, is_hauler in CARRIERS.items()]})

    def order_units(self, seller: str, query: LiveQuery) -> HttpResponse:
        """``GET /order-units``: newest first at the time of the call, so changed rows may move between pages."""
        ranking = self.book.units_by_updated(seller) if query.by_updated else self.book.units_by_created(seller)
        units, total = ranking.page(
            offset=query.offset,
            limit=query.limit,
            from_us=query.updated_from_us if query.by_updated else query.created_from_us,
            keep=self._order_unit_filter(seller, query),
        )
        return _page([order_unit_body(unit) for unit in units], query, total)

    def _order_unit_filter(self, seller: str, query: LiveQuery) -> Callable[[SimulatedOrderUnit], bool] | None:
        """Returns the filter for all conditions other than the list's own time, or None if there are none."""
        other_moment = query.created_from_us if query.by_updated else query.updated_from_us
        asked = (other_moment, query.storefront, query.statuses, query.id_offer)
        if not any(value is not None for value in asked) and self.book.has_only(seller, query.fulfillment_types):
            return None
        return lambda unit: (
            _order_matches(unit.order, query)
            and unit.updated_us >= (query.updated_from_us or 0)
            and (query.statuses is None or unit.status in query.statuses)
            and query.id_offer in (None, unit.id_offer)
        )

    def order_unit(self, seller: str, id_order_unit: int, embedded: frozenset[str]) -> HttpResponse:
        """``GET /order-units/{id_order_unit}``."""
        unit = self.book.own_unit(seller, id_order_unit)
        return not_found("Order unit").answer() if unit is None else _data(order_unit_details(unit, embedded))

    def orders(self, seller: str, query: LiveQuery) -> HttpResponse:
        """``GET /orders``. The order of rows is not documented; chosen: newest first."""
        orders, total = self.book.orders_by_created(seller).page(
            offset=query.offset,
            limit=query.limit,
            from_us=query.created_from_us,
            keep=lambda order: (
                _order_matches(order, query)
                and (query.updated_from_us is None or order.updated_us >= query.updated_from_us)
            ),
        )
        return _page([order_row(order) for order in orders], query, total)

    def order(self, seller: str, id_order: str, embedded: frozenset[str]) -> HttpResponse:
        """``GET /orders/{id_order}``."""
        order = self.book.own_order(seller, id_order)
        return not_found("Order").answer() if order is None else _data(order_body(order, embedded))

    def return_list(self, seller: str, query: LiveQuery) -> HttpResponse:
        """``GET /returns``, newest first."""
        ranking = self.returns.by_updated(seller) if query.by_updated else self.returns.by_created(seller)

        def keep(one: SimulatedReturn) -> bool:
            return (
                _order_fits(one.order, query)
                and one.created_us >= (query.created_from_us or 0)
                and one.updated_us >= (query.updated_from_us or 0)
                and (query.statuses is None or one.status in query.statuses)
                and query.tracking_code in (None, one.tracking_code)
            )

        shown, total = ranking.page(offset=query.offset, limit=query.limit, keep=keep)
        return _page([return_row(one) for one in shown], query, total)

    def one_return(self, seller: str, id_return: int, embedded: frozenset[str]) -> HttpResponse:
        """``GET /returns/{id_return}``."""
        one = self.returns.own(seller, id_return)
        return not_found("Return").answer() if one is None else _data(return_body(one, embedded))

    def return_units(self, seller: str, query: LiveQuery) -> HttpResponse:
        """``GET /return-units``, newest first."""

        def keep(unit: SimulatedReturnUnit) -> bool:
            return _order_fits(unit.of.order, query) and (query.statuses is None or unit.status in query.statuses)

        shown, total = self.returns.units_by_created(seller).page(
            offset=query.offset, limit=query.limit, from_us=query.created_from_us, keep=keep
        )
        return _page([return_unit_row(unit) for unit in shown], query, total)

    def return_unit(self, seller: str, id_return_unit: int, embedded: frozenset[str]) -> HttpResponse:
        """``GET /return-units/{id_return_unit}``."""
        unit = self.returns.own_unit(seller, id_return_unit)
        return not_found("Return unit").answer() if unit is None else _data(return_unit_body(unit, embedded))

    # ---- parcels ----------------------------------------------------------------------------------------------------

    def send(
        self, seller: str, id_order_unit: int, parcel: SimulatedParcel, body: str, context: CallContext
    ) -> HttpResponse:
        """``PATCH /order-units/{id_order_unit}/send``, for a unit of any storefront."""
        unit = self.book.own_unit(seller, id_order_unit)
        if unit is None:
            return not_found("Order unit").answer()
        if refusal := _send_refusal(unit) or context.unit_faults.refusal(id_order_unit, _fields(parcel)):
            return refusal.answer()
        self.book.send(unit, parcel, body, context)
        self._after_send(unit, context)
        return NO_CONTENT

    def add_parcel(self, seller: str, further: FurtherParcel, body: str, context: CallContext) -> HttpResponse:
        """``POST /shipments``: each call adds a parcel, even if it equals an earlier one."""
        unit = self.book.own_unit(seller, further.id_order_unit)
        if unit is None:
            return not_found("Order unit").answer()
        if unit.status not in SENT_ALREADY:
            return _not_allowed("Order unit is not sent yet").answer()
        if refusal := context.unit_faults.refusal(unit.id, _fields(further.parcel)):
            return refusal.answer()
        self.book.add_parcel(unit, further.parcel, body, context)
        return NO_CONTENT


def _order_matches(order: SimulatedOrder, query: LiveQuery) -> bool:
    return _order_fits(order, query) and order.created_us >= (query.created_from_us or 0)


def _order_fits(order: SimulatedOrder, query: LiveQuery) -> bool:
    return order.fulfillment_type in query.fulfillment_types and query.storefront in (None, order.storefront)


def _send_refusal(unit: SimulatedOrderUnit) -> ProblemDetails | None:
    if unit.status == SimulatedUnitStatus.NEED_TO_BE_SENT:
        return None
    if unit.status in SENT_ALREADY:
        return ProblemDetails(status=403, type=ProblemType.DUPLICATE_ACTION, message="Order unit is already sent")
    return _not_allowed(f"Order unit can't be sent, its status is {unit.status}")


def _not_allowed(message: str) -> ProblemDetails:
    return ProblemDetails(status=403, type=ProblemType.ACTION_NOT_ALLOWED, message=message)


def _fields(parcel: SimulatedParcel) -> dict[str, object]:
    return {"carrier_code": parcel.carrier_code, "tracking_numbers": ",".join(parcel.tracking_numbers)}


def _data(data: object) -> HttpResponse:
    return HttpResponse(status=200, body=orjson.dumps({"data": data}))


def _page(rows: list[dict[str, Any]], query: LiveQuery, total: int) -> HttpResponse:
    pagination = {"offset": query.offset, "limit": query.limit, "total": total}
    return HttpResponse(status=200, body=orjson.dumps({"data": rows, "pagination": pagination}))
