"""What one turn of a lane of the order flow comes to: values, not yet messages. Pure."""

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from connector.marketplace.orders import PageRow, Unreadable
from connector.orders.dead_letters import Quarantined
from connector.orders.events import OrderContact, OrderObserved, ReturnObserved, SalesOrderRequested
from streams.flow import Told, Want

S = TypeVar("S")

Said: TypeAlias = OrderObserved | OrderContact | ReturnObserved | SalesOrderRequested | Quarantined

RANK = 6
"""Harm of waiting, among the ranks of all flows: after handling times (5), before reconciliation (7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStep(Generic[S]):
    """``state`` None = the lane is forgotten."""

    state: S | None
    wants: tuple[Want, ...] = ()
    said: tuple[Said, ...] = ()
    tells: tuple[Told, ...] = ()
    wake_at_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRows:
    """Word to an order's lane: what a page of the list shows of its units."""

    rows: tuple[PageRow, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
