"""The control endpoints about orders and returns: inspect and change them from tests or by hand.

========================================  ============================================================================
``GET orders``                            every order with its units, parcels and number of sends, as JSON lines
``GET order-units``                       every order unit, as JSON lines
``GET returns``                           every return, as JSON lines
``POST orders``                           ``{"count", "seller", "pieces", "unit_ids"}``, all optional: create orders;
                                          returns ``{"orders": [{"id_order", "id_order_units"}]}``
``POST orders/{id}/cancel|advance``       cancel or advance each unit that allows it; 409 if none does
``POST order-units/{id}/cancel|advance``  409 if its status does not allow it
``POST order-units/{id}/return``          the buyer requests a return; 409 if the unit is not sent
``POST order-units/{id}``                 ``{"status", "defect"}``, both optional: sets any status, unknown ones too;
                                          defect null removes the defect
``POST returns/{id}/advance``             to the next status; 409 if there is none
========================================  ============================================================================
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import orjson
from pydantic import BaseModel, ConfigDict, Field

from simulator.call_context import CallContext
from simulator.exchange import LINES, HttpResponse
from simulator.orders.orders import SENT_ALREADY, Defect, SimulatedOrder, SimulatedOrderUnit
from simulator.orders.returns import SimulatedReturn
from simulator.orders.trade import Trade
from simulator.problems import ProblemDetails, ProblemType, not_found
from simulator.reference import MAX_ORDER_UNITS

Lines: TypeAlias = list[dict[str, Any]]


class NewOrders(BaseModel):
    """Orders to create. ``unit_ids`` are offers of the catalogue, one for each piece; without them, ``pieces`` offers
    are drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    count: int = Field(default=1, ge=1, le=100_000)
    seller: str | None = None
    pieces: int | None = Field(default=None, ge=1, le=MAX_ORDER_UNITS)
    unit_ids: list[int] = Field(default=[], max_length=MAX_ORDER_UNITS)


class OrderUnitChange(BaseModel):
    """Changes of an order unit; omitted fields stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    status: str | None = Field(default=None, min_length=1)
    defect: Defect | None = None


class OrderControl:
    """Answers control requests about orders. Must be called in the thread that owns the orders.

    ``note`` is called with the context of each change, once it is complete.
    """

    def __init__(self, trade: Trade, context: Callable[[], CallContext], note: Callable[[CallContext], None]) -> None:
        self._trade = trade
        self._context = context
        self._note = note

    def answer(self, method: str, parts: list[str], body: bytes) -> HttpResponse:
        """Returns the response. ``parts``: parts of the path. Raises pydantic.ValidationError for an invalid body."""
        match (method, *parts):
            case ("GET", "orders"):
                return _lines(self.orders())
            case ("GET", "order-units"):
                return _lines(unit for order in self.orders() for unit in order["order_units"])
            case ("GET", "returns"):
                return _lines(_return_line(one) for one in self._trade.returns)
            case ("POST", "orders"):
                return self._make(NewOrders.model_validate_json(body or b"{}"))
            case ("POST", "orders", id_order, "cancel" | "advance" as step):
                order = self._trade.book.order(id_order)
                return not_found("Order").answer() if order is None else self._take(order.units, step)
            case ("POST", "order-units", key, *rest) if (unit := self._unit(key)) is not None:
                return self._change_unit(unit, rest, body)
            case ("POST", "returns", key, "advance") if (one := self._return(key)) is not None:
                return self._done(lambda context: self._trade.advance_return(one, context))
            case _:
                return not_found("Control").answer()

    def orders(self) -> Lines:
        """Returns the actual state of every order, as opposed to the API's view of it.

        Buyers are left out: they can be derived from the order's number.
        """
        return [_order_line(order) for order in self._trade.book]

    def make(self, new: NewOrders) -> list[SimulatedOrder]:
        """Creates orders, fewer than requested when nothing is left for sale.

        Raises ValueError for offers that can't be in one order.
        """
        context = self._context()
        made = [
            self._trade.make(context, seller=new.seller, pieces=new.pieces, unit_ids=new.unit_ids)
            for _ in range(new.count)
        ]
        self._note(context)
        return [order for order in made if order is not None]

    def _make(self, new: NewOrders) -> HttpResponse:
        try:
            made = self.make(new)
        except ValueError as error:
            return ProblemDetails(status=400, type=ProblemType.BAD_REQUEST, message=str(error)).answer()
        orders = [{"id_order": order.id, "id_order_units": [unit.id for unit in order.units]} for order in made]
        return HttpResponse(status=200, body=orjson.dumps({"orders": orders}))

    def _change_unit(self, unit: SimulatedOrderUnit, rest: list[str], body: bytes) -> HttpResponse:
        match rest:
            case ["cancel" | "advance" as step]:
                return self._take([unit], step)
            case ["return"]:
                return self._done(lambda context: self._open_return(unit, context))
            case []:
                change = OrderUnitChange.model_validate_json(body)
                return self._done(lambda context: self._set(unit, change, context))
            case _:
                return not_found("Control").answer()

    def _take(self, units: list[SimulatedOrderUnit], step: str) -> HttpResponse:
        act = self._trade.cancel if step == "cancel" else self._trade.advance

        def take(context: CallContext) -> bool:
            taken = [act(unit, context) for unit in units]
            return any(taken)

        return self._done(take)

    def _open_return(self, unit: SimulatedOrderUnit, context: CallContext) -> bool:
        if unit.status not in SENT_ALREADY:
            return False
        self._trade.returns.open(unit, context)
        return True

    def _set(self, unit: SimulatedOrderUnit, change: OrderUnitChange, context: CallContext) -> bool:
        if "defect" in change.model_fields_set:
            unit.defect = change.defect
        if change.status is not None:
            self._trade.book.move(unit, change.status, context)
        return True

    def _done(self, act: Callable[[CallContext], bool]) -> HttpResponse:
        context = self._context()
        done = act(context)
        self._note(context)
        if done:
            return HttpResponse(status=204)
        return ProblemDetails(status=409, type=ProblemType.ACTION_NOT_ALLOWED, message="Not in this status").answer()

    def _unit(self, key: str) -> SimulatedOrderUnit | None:
        return self._trade.book.unit(int(key)) if key.isascii() and key.isdigit() else None

    def _return(self, key: str) -> SimulatedReturn | None:
        return self._trade.returns.one(int(key)) if key.isascii() and key.isdigit() else None


def _order_line(order: SimulatedOrder) -> dict[str, Any]:
    return {
        "id_order": order.id,
        "number": order.number,
        "seller": order.seller,
        "storefront": order.storefront,
        "fulfillment_type": order.fulfillment_type,
        "created_us": order.created_us,
        "updated_us": order.updated_us,
        "order_units": [_unit_line(unit) for unit in order.units],
    }


def _unit_line(unit: SimulatedOrderUnit) -> dict[str, Any]:
    return {
        "id_order_unit": unit.id,
        "id_order": unit.order.id,
        "seller": unit.order.seller,
        "storefront": unit.order.storefront,
        "id_unit": unit.unit_id,
        "id_offer": unit.id_offer,
        "eans": unit.product.eans,
        "condition": unit.condition,
        "price": unit.price,
        "shipping_rate": unit.shipping_rate,
        "vat_pct": unit.vat_pct,
        "status": unit.status,
        "cancel_reason": unit.cancel_reason,
        "created_us": unit.order.created_us,
        "updated_us": unit.updated_us,
        "received_us": unit.received_us,
        "parcels": [
            {"carrier_code": parcel.carrier_code, "tracking_numbers": parcel.tracking_numbers}
            for parcel in unit.parcels
        ],
        "sends": unit.sends,
        "defect": unit.defect,
    }


def _return_line(one: SimulatedReturn) -> dict[str, Any]:
    return {
        "id_return": one.id,
        "id_order": one.order.id,
        "seller": one.order.seller,
        "status": one.status,
        "created_us": one.created_us,
        "updated_us": one.updated_us,
        "id_order_units": [unit.order_unit.id for unit in one.units],
    }


def _lines(rows: Iterable[dict[str, Any]]) -> HttpResponse:
    return HttpResponse(status=200, body=b"".join(orjson.dumps(row) + b"\n" for row in rows), content_type=LINES)
