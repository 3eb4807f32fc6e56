"""Under which call and when something is done, what goes wrong with it, and what it leaves behind. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from simulator.exchange import HttpResponse, Moment
from simulator.journal import OrderRow, RawWrite
from simulator.offers.rules import Change
from simulator.problems import ProblemDetails


class UnitFaults(Protocol):
    """What may stand between an item that obeys the rules and its being accepted: faults of single units."""

    def refusal(self, unit_id: int, change: Change) -> ProblemDetails | None:
        """Why this item is refused although it is right."""
        ...

    def altered(self, unit_id: int, change: Change) -> Change:
        """What is stored instead of what was sent."""
        ...


class NoUnitFaults:
    """Nothing goes wrong."""

    def refusal(self, unit_id: int, change: Change) -> None:  # noqa: ARG002 - the port's parameters
        return None

    def altered(self, unit_id: int, change: Change) -> Change:  # noqa: ARG002 - the port's parameters
        return change


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeNotice:
    """Something of a seller's has changed, as subscribers are told."""

    event_name: str
    seller: str
    storefront: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """``now`` is by the server's clock. What is done adds what it changed; ``Api.note`` writes that down."""

    now: Moment
    call_id: int | None = None  # None = the marketplace does it by itself
    unit_faults: UnitFaults = field(default_factory=NoUnitFaults)
    writes: list[RawWrite] = field(default_factory=list)
    order_rows: list[OrderRow] = field(default_factory=list)
    notices: list[ChangeNotice] = field(default_factory=list)

    @property
    def has_changed_something(self) -> bool:
        return bool(self.writes or self.order_rows)

    def at(self, now: Moment) -> "CallContext":
        """The same at another moment; what is changed is added here."""
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
    """An address that must prove itself before a task is done. Who carries it out sets ``is_verified``."""

    url: str
    challenge: str
    is_verified: bool = False


Act: TypeAlias = Callable[[CallContext], HttpResponse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A request understood: what to do, and to which units (or order units) and fields."""

    act: Act
    unit_ids: tuple[int, ...] = ()
    fields: tuple[str, ...] = ()
    callback: Callback | None = None
