"""The context of one change: which call caused it, when, which faults apply, and what it changed. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from simulator.exchange import HttpResponse, Moment
from simulator.journal import OrderRow, RawWrite
from simulator.offers.rules import Change
from simulator.problems import ProblemDetails


class UnitFaults(Protocol):
    """Faults of single units: they may refuse or alter a valid item."""

    def refusal(self, unit_id: int, change: Change) -> ProblemDetails | None:
        """Returns why a valid item is refused, or None if it is accepted."""
        ...

    def altered(self, unit_id: int, change: Change) -> Change:
        """Returns the values that are stored instead of those sent."""
        ...


class NoUnitFaults:
    """No faults."""

    def refusal(self, unit_id: int, change: Change) -> None:  # noqa: ARG002 - the port's parameters
        return None

    def altered(self, unit_id: int, change: Change) -> Change:  # noqa: ARG002 - the port's parameters
        return change


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeNotice:
    """A change of a seller's resource, as subscribers are notified of it."""

    event_name: str
    seller: str
    storefront: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """The context of one change. ``now`` is the simulated server's time. Endpoints append what they changed;
    ``SellerApi.note`` records it.
    """

    now: Moment
    call_id: int | None = None  # None = a change by the marketplace itself, not by a call
    unit_faults: UnitFaults = field(default_factory=NoUnitFaults)
    writes: list[RawWrite] = field(default_factory=list)
    order_rows: list[OrderRow] = field(default_factory=list)
    notices: list[ChangeNotice] = field(default_factory=list)

    @property
    def has_changed_something(self) -> bool:
        return bool(self.writes or self.order_rows)

    def at(self, now: Moment) -> "CallContext":
        """Returns a context at another time that shares this one's lists of changes."""
        return CallContext(
            now=now,
            call_id=self.call_id,
            unit_faults=self.unit_faults,
            writes=self.writes,
            order_rows=self.order_rows,
            notices=self.notices,
        )


@dataclass(slots=True, kw_only=True)
class Callback:
    """A callback URL to verify before a task is carried out; the verifier sets ``is_verified``."""

    url: str
    challenge: str
    is_verified: bool = False


Act: TypeAlias = Callable[[CallContext], HttpResponse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A parsed and valid request: the action, and the units (or order units) and fields it concerns."""

    act: Act
    unit_ids: tuple[int, ...] = ()
    fields: tuple[str, ...] = ()
    callback: Callback | None = None
