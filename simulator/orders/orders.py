"""Orders, order units, the transitions of their status, and lists of them sorted by time. Pure.

An order unit is one piece: three pieces of one offer are three order units. The document only names the statuses; their
transitions are those that clients of the marketplace describe. Objects are changed in place, only by ``OrderBook`` and
in the thread that owns it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from simulator.call_context import CallContext, ChangeNotice
from simulator.journal import Deed, OrderRow
from simulator.offers.catalogue import Product
from simulator.orders.buyers import Buyer
from simulator.recent_first import RecentFirst


class SimulatedUnitStatus(StrEnum):
    """The documented statuses of an order unit."""

    OPEN = "open"
    NEED_TO_BE_SENT = "need_to_be_sent"
    SENT = "sent"
    RECEIVED = "received"
    SENT_AND_AUTOPAID = "sent_and_autopaid"
    RETURNED = "returned"
    RETURNED_PAID = "returned_paid"
    CANCELLED = "cancelled"


WAYS: Final[Mapping[str, tuple[SimulatedUnitStatus, ...]]] = MappingProxyType(
    {
        SimulatedUnitStatus.OPEN: (SimulatedUnitStatus.NEED_TO_BE_SENT, SimulatedUnitStatus.CANCELLED),
        SimulatedUnitStatus.NEED_TO_BE_SENT: (SimulatedUnitStatus.SENT, SimulatedUnitStatus.CANCELLED),
        SimulatedUnitStatus.SENT: (SimulatedUnitStatus.RECEIVED, SimulatedUnitStatus.SENT_AND_AUTOPAID),
        SimulatedUnitStatus.RECEIVED: (SimulatedUnitStatus.RETURNED,),
        SimulatedUnitStatus.SENT_AND_AUTOPAID: (SimulatedUnitStatus.RETURNED,),
        SimulatedUnitStatus.RETURNED: (SimulatedUnitStatus.RETURNED_PAID,),
        SimulatedUnitStatus.RETURNED_PAID: (),
        SimulatedUnitStatus.CANCELLED: (),
    }
)
"""The statuses that may follow each status of an order unit; the first is the usual one."""

SENT_ALREADY: Final = frozenset(
    {
        SimulatedUnitStatus.SENT,
        SimulatedUnitStatus.RECEIVED,
        SimulatedUnitStatus.SENT_AND_AUTOPAID,
        SimulatedUnitStatus.RETURNED,
        SimulatedUnitStatus.RETURNED_PAID,
    }
)


class Defect(StrEnum):
    """Deliberate violations of the OpenAPI document in a row of an order unit."""

    NO_ID = "no_id"  # id_order_unit is missing
    PRICE_TEXT = "price_text"  # the price is a string in major units, with a decimal comma
    NO_STATUS = "no_status"
    BAD_TIME = "bad_time"  # ts_updated_iso is not a timestamp
    NO_ZONE = "no_zone"  # delivery_time_expires_iso has no UTC offset
    PRICE_FLOAT = "price_float"  # the price is a float in major units
    VAT_TEXT = "vat_text"  # the rate is a string
    SHIPPING_NULL = "shipping_null"  # shipping_rate is null


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedParcel:
    """A parcel of an order unit, as a call reported it."""

    carrier_code: str
    tracking_numbers: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class SimulatedOrder:
    """One order at one seller. ``id`` is the id in responses, ``number`` counts all orders from 0."""

    id: str
    number: int
    seller: str
    storefront: str
    fulfillment_type: str
    buyer: Buyer
    created_us: int  # since the epoch by the simulated server's clock, as all times here
    units: list["SimulatedOrderUnit"] = field(default_factory=list)

    @property
    def updated_us(self) -> int:
        return max((unit.updated_us for unit in self.units), default=self.created_us)


@dataclass(slots=True, kw_only=True)
class SimulatedOrderUnit:
    """One piece of an order. It holds the offer's data as of the sale. Prices are in minor units."""

    id: int
    order: SimulatedOrder
    unit_id: int  # of the offer, in the catalogue
    product: Product
    id_offer: str | None
    condition: str
    note: str | None
    price: int
    shipping_rate: int
    vat_pct: int
    eco_fee: int | None = None
    discount: int = 0  # by voucher; not deducted from ``price``
    delivery_days_min: int
    delivery_days_max: int
    updated_us: int
    status: str = SimulatedUnitStatus.OPEN  # one of ``SimulatedUnitStatus``, or an undocumented one
    cancel_reason: str | None = None
    received_us: int | None = None
    parcels: list[SimulatedParcel] = field(default_factory=list)
    sends: int = 0  # calls that marked it as sent
    defect: Defect | None = None


class OrderBook:
    """All orders, indexed by id, and each seller's lists sorted by time. Not thread-safe."""

    def __init__(self) -> None:
        self._orders: dict[str, SimulatedOrder] = {}
        self._units: dict[int, SimulatedOrderUnit] = {}
        self._by_created: dict[str, RecentFirst[SimulatedOrderUnit]] = {}
        self._by_updated: dict[str, RecentFirst[SimulatedOrderUnit]] = {}
        self._orders_by_created: dict[str, RecentFirst[SimulatedOrder]] = {}
        self._fulfillment_types: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[SimulatedOrder]:
        return iter(self._orders.values())

    # ---- look-ups ---------------------------------------------------------------------------------------------------

    def order(self, id_order: str) -> SimulatedOrder | None:
        return self._orders.get(id_order)

    def unit(self, id_order_unit: int) -> SimulatedOrderUnit | None:
        return self._units.get(id_order_unit)

    def own_order(self, seller: str, id_order: str) -> SimulatedOrder | None:
        order = self._orders.get(id_order)
        return order if order is not None and order.seller == seller else None

    def own_unit(self, seller: str, id_order_unit: int) -> SimulatedOrderUnit | None:
        unit = self._units.get(id_order_unit)
        return unit if unit is not None and unit.order.seller == seller else None

    def units_by_created(self, seller: str) -> RecentFirst[SimulatedOrderUnit]:
        return self._by_created.setdefault(seller, RecentFirst())

    def units_by_updated(self, seller: str) -> RecentFirst[SimulatedOrderUnit]:
        return self._by_updated.setdefault(seller, RecentFirst())

    def orders_by_created(self, seller: str) -> RecentFirst[SimulatedOrder]:
        return self._orders_by_created.setdefault(seller, RecentFirst())

    def has_only(self, seller: str, fulfillment_types: frozenset[str]) -> bool:
        """Whether all orders of the seller have one of these fulfillment types, so that this filter keeps all."""
        return all(name in fulfillment_types for owner, name in self._fulfillment_types if owner == seller)

    # ---- changes ----------------------------------------------------------------------------------------------------

    def add(self, order: SimulatedOrder, context: CallContext) -> None:
        """Adds a new order with all its units."""
        self._orders[order.id] = order
        self._fulfillment_types[order.seller, order.fulfillment_type] += 1
        self.orders_by_created(order.seller).put(order.number, order.created_us, order)
        _tell(order, "order_new", f"/orders/{order.id}/", context)
        for unit in order.units:
            self._units[unit.id] = unit
            self.units_by_created(order.seller).put(unit.id, order.created_us, unit)
            self.units_by_updated(order.seller).put(unit.id, unit.updated_us, unit)
            context.order_rows.append(_row(unit, Deed.CREATED, context, old=None))
            _tell(order, "order_unit_new", f"/order-units/{unit.id}/", context)

    def move(self, unit: SimulatedOrderUnit, status: str, context: CallContext, *, reason: str | None = None) -> None:
        """Sets a unit's status, without checking the transition."""
        self._enter(unit, status, context, Deed.STATUS, reason=reason)

    def send(self, unit: SimulatedOrderUnit, parcel: SimulatedParcel, body: str, context: CallContext) -> None:
        """Marks a unit as sent by a call. The caller checks that its status allows it."""
        unit.parcels.append(parcel)
        unit.sends += 1
        self._enter(unit, SimulatedUnitStatus.SENT, context, Deed.SEND, parcel=parcel, body=body)

    def add_parcel(self, unit: SimulatedOrderUnit, parcel: SimulatedParcel, body: str, context: CallContext) -> None:
        """Adds a parcel to a unit that is already sent. Neither its status nor the time of its last update changes."""
        unit.parcels.append(parcel)
        context.order_rows.append(_row(unit, Deed.PARCEL, context, old=unit.status, parcel=parcel, body=body))

    def _enter(
        self,
        unit: SimulatedOrderUnit,
        status: str,
        context: CallContext,
        deed: Deed,
        *,
        reason: str | None = None,
        parcel: SimulatedParcel | None = None,
        body: str | None = None,
    ) -> None:
        old, unit.status = unit.status, status
        unit.updated_us = context.now.wall_us
        unit.cancel_reason = reason if status == SimulatedUnitStatus.CANCELLED else unit.cancel_reason
        if status == SimulatedUnitStatus.RECEIVED:
            unit.received_us = context.now.wall_us
        self.units_by_updated(unit.order.seller).put(unit.id, unit.updated_us, unit)
        context.order_rows.append(_row(unit, deed, context, old=old, parcel=parcel, body=body))
        _tell(unit.order, "order_unit_status_changed", f"/order-units/{unit.id}/", context)


def _row(
    unit: SimulatedOrderUnit,
    deed: Deed,
    context: CallContext,
    *,
    old: str | None,
    parcel: SimulatedParcel | None = None,
    body: str | None = None,
) -> OrderRow:
    return OrderRow(
        call_id=context.call_id,
        seller=unit.order.seller,
        storefront=unit.order.storefront,
        id_order=unit.order.id,
        id_order_unit=unit.id,
        deed=deed,
        old=old,
        new=unit.status,
        carrier_code=None if parcel is None else parcel.carrier_code,
        tracking_numbers=() if parcel is None else parcel.tracking_numbers,
        body=body,
        mono_us=context.now.mono_us,
        wall_us=context.now.wall_us,
    )


def _tell(order: SimulatedOrder, event_name: str, resource: str, context: CallContext) -> None:
    context.notices.append(
        ChangeNotice(event_name=event_name, seller=order.seller, storefront=order.storefront, resource=resource)
    )
