"""Returns of order units: one return for each unit that comes back, and live lists of them. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from simulator.call_context import Notice, Occasion
from simulator.chance import pick
from simulator.orders.orders import Order, OrderUnit
from simulator.recent_first import Ranking

_FIRST_RETURN_ID: Final = 675_000_000
_FIRST_RETURN_UNIT_ID: Final = 685_000_000
REASONS: Final = ("bad_quality", "defect", "delivered_damaged", "dislike", "no_reason", "too_late", "wrong_size")


class ReturnStatus(StrEnum):
    RETURN_REQUESTED = "return_requested"
    LABEL_GENERATED = "label_generated"
    PACKAGE_SENT = "package_sent"
    PACKAGE_RECEIVED = "package_received"
    LABEL_DELETED = "label_deleted"


class ReturnUnitStatus(StrEnum):
    NEED_TO_BE_RETURNED = "need_to_be_returned"
    RETURN_ARRIVED = "return_arrived"
    RETURN_ACCEPTED = "return_accepted"
    RETURN_REJECTED = "return_rejected"
    RETURN_CLOSED = "return_closed"
    RETURN_IN_REPAIR = "return_in_repair"
    RETURN_IN_CLARIFICATION = "return_in_clarification"


NEXT: Final[Mapping[ReturnStatus, ReturnStatus]] = MappingProxyType(
    {
        ReturnStatus.RETURN_REQUESTED: ReturnStatus.LABEL_GENERATED,
        ReturnStatus.LABEL_GENERATED: ReturnStatus.PACKAGE_SENT,
        ReturnStatus.PACKAGE_SENT: ReturnStatus.PACKAGE_RECEIVED,
    }
)
"""The ordinary way of a return."""


@dataclass(slots=True, kw_only=True)
class Return:
    id: int
    order: Order
    created_us: int
    updated_us: int
    status: ReturnStatus = ReturnStatus.RETURN_REQUESTED
    tracking_provider: str | None = None
    tracking_code: str | None = None
    units: list["ReturnUnit"] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ReturnUnit:
    id: int
    of: Return
    order_unit: OrderUnit
    reason: str
    note: str | None = None
    status: ReturnUnitStatus = ReturnUnitStatus.NEED_TO_BE_RETURNED


class ReturnBook:
    """Every return, found by id, and lists that move. Owned by one thread."""

    def __init__(self) -> None:
        self._returns: dict[int, Return] = {}
        self._units: dict[int, ReturnUnit] = {}
        self._by_created: dict[str, Ranking[Return]] = {}
        self._by_updated: dict[str, Ranking[Return]] = {}
        self._units_by_created: dict[str, Ranking[ReturnUnit]] = {}

    def __iter__(self) -> Iterator[Return]:
        return iter(self._returns.values())

    def one(self, id_return: int) -> Return | None:
        return self._returns.get(id_return)

    def own(self, seller: str, id_return: int) -> Return | None:
        found = self._returns.get(id_return)
        return found if found is not None and found.order.seller == seller else None

    def own_unit(self, seller: str, id_return_unit: int) -> ReturnUnit | None:
        found = self._units.get(id_return_unit)
        return found if found is not None and found.of.order.seller == seller else None

    def by_created(self, seller: str) -> Ranking[Return]:
        return self._by_created.setdefault(seller, Ranking())

    def by_updated(self, seller: str) -> Ranking[Return]:
        return self._by_updated.setdefault(seller, Ranking())

    def units_by_created(self, seller: str) -> Ranking[ReturnUnit]:
        return self._units_by_created.setdefault(seller, Ranking())

    def open(self, order_unit: OrderUnit, occasion: Occasion) -> Return:
        """The buyer asks for a return of this order unit."""
        number, order, now_us = len(self._returns), order_unit.order, occasion.now.wall_us
        one = Return(id=_FIRST_RETURN_ID + number, order=order, created_us=now_us, updated_us=now_us)
        unit = ReturnUnit(
            id=_FIRST_RETURN_UNIT_ID + number,
            of=one,
            order_unit=order_unit,
            reason=pick(REASONS, 0, "reason", order_unit.id),
            note=order.buyer.note(),
        )
        one.units.append(unit)
        self._returns[one.id], self._units[unit.id] = one, unit
        self.by_created(order.seller).put(one.id, now_us, one)
        self.by_updated(order.seller).put(one.id, now_us, one)
        self.units_by_created(order.seller).put(unit.id, now_us, unit)
        _tell(one, "return_new", occasion)
        return one

    def move(self, one: Return, status: ReturnStatus, occasion: Occasion) -> None:
        """The return has another status from now on. A label brings a parcel number."""
        one.status = status
        one.updated_us = occasion.now.wall_us
        if status is ReturnStatus.LABEL_GENERATED:
            one.tracking_provider, one.tracking_code = "DHL", f"RT{one.id}"
        if status is ReturnStatus.PACKAGE_RECEIVED:
            for unit in one.units:
                unit.status = ReturnUnitStatus.RETURN_ARRIVED
        self.by_updated(one.order.seller).put(one.id, one.updated_us, one)
        _tell(one, "return_status_changed", occasion)


def _tell(one: Return, event_name: str, occasion: Occasion) -> None:
    order = one.order
    occasion.notices.append(
        Notice(event_name=event_name, seller=order.seller, storefront=order.storefront, resource=f"/returns/{one.id}/")
    )
