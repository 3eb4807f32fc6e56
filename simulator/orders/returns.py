"""Returns: one for each order unit that is sent back, and lists of them sorted by time. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from simulator.call_context import CallContext, ChangeNotice
from simulator.chance import pick
from simulator.orders.orders import SimulatedOrder, SimulatedOrderUnit
from simulator.recent_first import RecentFirst

_FIRST_RETURN_ID: Final = 675_000_000
_FIRST_RETURN_UNIT_ID: Final = 685_000_000
REASONS: Final = ("bad_quality", "defect", "delivered_damaged", "dislike", "no_reason", "too_late", "wrong_size")


class ReturnStatus(StrEnum):
    """The simulated statuses of a return."""

    RETURN_REQUESTED = "return_requested"
    LABEL_GENERATED = "label_generated"
    PACKAGE_SENT = "package_sent"
    PACKAGE_RECEIVED = "package_received"
    LABEL_DELETED = "label_deleted"


class ReturnUnitStatus(StrEnum):
    """The simulated statuses of a return unit."""

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
"""The status that follows each status of a return."""


@dataclass(slots=True, kw_only=True)
class SimulatedReturn:
    """A return. Times are in microseconds since the epoch by the simulated server's clock."""

    id: int
    order: SimulatedOrder
    created_us: int
    updated_us: int
    status: ReturnStatus = ReturnStatus.RETURN_REQUESTED
    tracking_provider: str | None = None
    tracking_code: str | None = None
    units: list["SimulatedReturnUnit"] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class SimulatedReturnUnit:
    """One order unit of a return."""

    id: int
    of: SimulatedReturn
    order_unit: SimulatedOrderUnit
    reason: str
    note: str | None = None
    status: ReturnUnitStatus = ReturnUnitStatus.NEED_TO_BE_RETURNED


class ReturnBook:
    """All returns, indexed by id, and each seller's lists sorted by time. Not thread-safe."""

    def __init__(self) -> None:
        self._returns: dict[int, SimulatedReturn] = {}
        self._units: dict[int, SimulatedReturnUnit] = {}
        self._by_created: dict[str, RecentFirst[SimulatedReturn]] = {}
        self._by_updated: dict[str, RecentFirst[SimulatedReturn]] = {}
        self._units_by_created: dict[str, RecentFirst[SimulatedReturnUnit]] = {}

    def __iter__(self) -> Iterator[SimulatedReturn]:
        return iter(self._returns.values())

    def one(self, id_return: int) -> SimulatedReturn | None:
        return self._returns.get(id_return)

    def own(self, seller: str, id_return: int) -> SimulatedReturn | None:
        found = self._returns.get(id_return)
        return found if found is not None and found.order.seller == seller else None

    def own_unit(self, seller: str, id_return_unit: int) -> SimulatedReturnUnit | None:
        found = self._units.get(id_return_unit)
        return found if found is not None and found.of.order.seller == seller else None

    def by_created(self, seller: str) -> RecentFirst[SimulatedReturn]:
        return self._by_created.setdefault(seller, RecentFirst())

    def by_updated(self, seller: str) -> RecentFirst[SimulatedReturn]:
        return self._by_updated.setdefault(seller, RecentFirst())

    def units_by_created(self, seller: str) -> RecentFirst[SimulatedReturnUnit]:
        return self._units_by_created.setdefault(seller, RecentFirst())

    def open(self, order_unit: SimulatedOrderUnit, context: CallContext) -> SimulatedReturn:
        """Opens a return of this order unit, requested by the buyer."""
        number, order, now_us = len(self._returns), order_unit.order, context.now.wall_us
        one = SimulatedReturn(id=_FIRST_RETURN_ID + number, order=order, created_us=now_us, updated_us=now_us)
        unit = SimulatedReturnUnit(
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
        _tell(one, "return_new", context)
        return one

    def move(self, one: SimulatedReturn, status: ReturnStatus, context: CallContext) -> None:
        """Sets the status of a return. ``LABEL_GENERATED`` also assigns its tracking code."""
        one.status = status
        one.updated_us = context.now.wall_us
        if status is ReturnStatus.LABEL_GENERATED:
            one.tracking_provider, one.tracking_code = "DHL", f"RT{one.id}"
        if status is ReturnStatus.PACKAGE_RECEIVED:
            for unit in one.units:
                unit.status = ReturnUnitStatus.RETURN_ARRIVED
        self.by_updated(one.order.seller).put(one.id, one.updated_us, one)
        _tell(one, "return_status_changed", context)


def _tell(one: SimulatedReturn, event_name: str, context: CallContext) -> None:
    order = one.order
    context.notices.append(
        ChangeNotice(
            event_name=event_name, seller=order.seller, storefront=order.storefront, resource=f"/returns/{one.id}/"
        )
    )
