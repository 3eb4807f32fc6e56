"""The result of one turn of an account's, an order's, a return's or a sweep's lane, before it is encoded. Pure."""

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from connector.marketplace.orders import PageRow, UnreadableRow
from connector.orders.dead_letters import Quarantined
from connector.orders.events import OrderContact, OrderObserved, ReturnObserved, SalesOrderRequested
from connector.reconciliation.events import UnitObserved
from streams.flow import Told, Want

S = TypeVar("S")

LaneOutput: TypeAlias = OrderObserved | OrderContact | ReturnObserved | SalesOrderRequested | UnitObserved | Quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStep(Generic[S]):
    """The lane's state after a turn, with what it writes (``outputs``), wants, and tells other lanes.

    ``state`` None: the lane is deleted.
    """

    state: S | None
    wants: tuple[Want, ...] = ()
    outputs: tuple[LaneOutput, ...] = ()
    tells: tuple[Told, ...] = ()
    wake_at_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRows:
    """A message to an order's lane: its rows on a page of the list of order units."""

    rows: tuple[PageRow, ...] = ()
    unreadable: tuple[UnreadableRow, ...] = ()
