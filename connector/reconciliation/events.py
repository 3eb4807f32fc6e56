"""The records of sweeps: what a sweep saw of a unit, and how far it has come. Pure.

Attributes have the names of the schemas' fields. Those that end in ``_us`` are fields of type timestamp-micros:
microseconds since the Unix epoch, UTC.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from streams.frozen import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class UnitObserved:
    """A unit as a sweep showed it; one for each EAN of its product. Key: EAN, account and unit id."""

    ean: str
    account: str
    storefront: str
    unit_id: int
    condition: str
    offer_id: str | None = None
    other_eans: tuple[str, ...] = ()
    status: str | None = None  # as the marketplace spells it
    is_live: bool | None = None
    fulfilled_by_marketplace: bool = False
    price: Decimal | None = None  # in major units
    currency: str | None = None
    stock: int | None = None
    handling_time_days: int | None = None
    changed_at_us: int | None = None  # last edited, by the marketplace's clock
    ordered_at: tuple[int, ...] = ()  # one for each piece, by the marketplace's clock
    orders_read_at_us: int | None = None  # later orders may be missing in ordered_at; None: not polled
    orders_known_from_us: int | None = None  # earlier orders may be missing in ordered_at; None: all may
    requested_at_us: int  # when the call that showed it was sent
    observed_at_us: int
    sweep_at_us: int  # when the sweep began
    target_id: str | None = None  # None: no target means the place


class SweepPhase(StrEnum):
    """Where in a sweep its owners are told of it."""

    BEGAN = "began"  # its first page was read
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepMark:
    """Tells the owners of all EANs that a sweep began or ended: a record without a value in each partition.

    All rows of the sweep lie between both marks of a partition.
    """

    account: str
    storefront: str
    sweep_at_us: int  # when it began
    phase: SweepPhase
    units: int  # that the merchant fulfils, by the list's own total
    page_us: int = 0  # how long the first page took, from sent to answered
    problem: str = ""  # why it may have missed a unit; empty = it has seen all


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSweep:
    """A sweep that has begun and not ended."""

    sweep_at_us: int
    by_marketplace: bool = False  # whether it reads the units that the marketplace fulfils, which come second
    offset: int = 0  # of the next page in that list
    pages: int = 0  # read so far
    units: int = 0  # seen so far
    skipped: int = 0  # of these, not written: unreadable, or without EAN
    again_at_us: int | None = None  # when to read the next page; None: now
    total: int | None = None  # units in the lists that it has come to, as the marketplace counts them
    command_offset: int = -1  # last_offset when it began


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedSweep:
    """A sweep that has reached its end."""

    sweep_at_us: int
    ended_at_us: int
    pages: int
    units: int
    skipped: int
    command_offset: int = -1  # last_offset when it began


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepState:
    """The lane of a sweep. Key: account, "/units/", storefront."""

    storefront: str
    running: RunningSweep | None = None
    sweeps: int = 0  # begun so far
    due_at_us: int = 0
    finished: FinishedSweep | None = None  # the last one
    failed_at_us: int | None = None
    failures: int = 0  # pages that have failed in a row
    problem: str | None = None
    last_offset: int = -1  # of the last command that was applied


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepAsked:
    """A command to sweep now. ``offset``: of its record."""

    offset: int
