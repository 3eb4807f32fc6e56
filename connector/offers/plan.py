"""The plan of a turn: the calls that a lane needs now, and when to wake the lane. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from connector.marketplace.offers import Condition, Field
from connector.offers.entry_draft import EntryDraft
from connector.offers.event_order import Recency
from connector.offers.events import Announced, Miss, Origin
from connector.offers.identity import Missing, Unclear
from connector.offers.ledger import Fact, FieldOutcome, KnownUnit, LedgerEntry, OfferLane
from connector.offers.policy import NewUnitRule
from connector.offers.refusal import Refusal
from streams.flow import BACKGROUND
from streams.frozen import quick

LISTING_RANK = 6
"""Rank of creations and deletions: stock, prices and handling times come first."""
RECHECK_RANK = 7
"""Rank of releases, and of look-ups that read back values."""
REPLAY_RANK = 8
"""Rank of the updates of events that are read again as input, unless they set stock to zero."""
BACKGROUND_REPLAY_RANK = BACKGROUND + 3
"""Rank of the updates and look-ups of events that a replay reads, unless they set stock to zero."""


@quick
@dataclass(frozen=True, slots=True)
class PlannedUpdate:
    """A value that may be sent now to a proven unit."""

    entry: LedgerEntry
    since_us: int
    field: Field
    value: int
    order: Recency
    unit: KnownUnit
    rank: int
    is_carried: bool = True  # whether the answer ends the entry's field; not if another event's value is sent along


@dataclass(frozen=True, slots=True)
class PlannedCreation:
    """A unit that is to be created now. ``unit`` has no id yet; ``sends``: its values; ``rule``: what else it gets."""

    unit: KnownUnit
    condition: Condition
    rule: NewUnitRule
    sends: tuple[PlannedUpdate, ...]


@dataclass(frozen=True, slots=True)
class PlannedLookUp:
    """A storefront to be looked up now, with the best rank and the age of what waits for it."""

    account: str
    storefront: str
    rank: int
    since_us: int
    conditions: frozenset[str] = frozenset()  # of the units that are looked for


@dataclass(frozen=True, slots=True)
class PlannedClaim:
    """A unit whose claim is to be made or released now, with the best rank and the age of what waits for it."""

    unit: KnownUnit
    rank: int
    since_us: int


@dataclass(frozen=True, slots=True)
class PlannedHold:
    """The open fields of an entry, which are all held, its unit, and what holds it, by name and in words."""

    outcomes: tuple[FieldOutcome, ...]
    unit: KnownUnit
    held_by: str  # command id, or name of a guard rail
    fault: Refusal


@quick
@dataclass(frozen=True, slots=True)
class OfferPlan:
    """What a lane still needs after everything that can end has ended."""

    sends: tuple[PlannedUpdate, ...] = ()
    creations: tuple[PlannedCreation, ...] = ()
    deletions: tuple[PlannedUpdate, ...] = ()  # of units whose stock is zero
    look_ups: tuple[PlannedLookUp, ...] = ()
    claims: tuple[PlannedClaim, ...] = ()
    releases: tuple[PlannedClaim, ...] = ()
    missing: tuple[tuple[str, Missing], ...] = ()  # by result_id: entries to be announced as not found
    unclear: tuple[tuple[str, Unclear], ...] = ()  # by result_id: entries that ended as AMBIGUOUS or CONFLICT
    held: tuple[tuple[str, PlannedHold], ...] = ()  # by result_id: entries to be announced as held
    wake_at_us: int | None = None


NOTHING = OfferPlan()


class PlanDraft:
    """Collects the plan while a turn decides.

    A call that is planned for several reasons is planned once, with the best rank and the greatest age.
    """

    def __init__(self, lane: OfferLane) -> None:
        self._lane = lane
        self._updates: list[PlannedUpdate] = []
        self._creations: list[PlannedCreation] = []
        self._deletions: list[PlannedUpdate] = []
        self._look_ups: dict[tuple[str, str], PlannedLookUp] = {}  # by account and storefront
        self._claims: dict[tuple[str, int], PlannedClaim] = {}  # by account and unit
        self._releases: dict[tuple[str, int], PlannedClaim] = {}
        self._unclear: list[tuple[str, Unclear]] = []
        self._wake_at_us: int | None = None

    def update(self, planned: PlannedUpdate) -> None:
        self._updates.append(planned)

    def create(self, planned: PlannedCreation) -> None:
        self._creations.append(planned)

    def delete(self, planned: PlannedUpdate) -> None:
        self._deletions.append(planned)

    def look_up(self, account: str, storefront: str, rank: int, since_us: int, condition: str | None = None) -> None:
        conditions = frozenset({condition} if condition else ()) | self._of_marketplace(account, storefront)
        other = self._look_ups.get((account, storefront))
        if other is not None:
            rank, since_us = min(rank, other.rank), min(since_us, other.since_us)
            conditions |= other.conditions
        self._look_ups[account, storefront] = PlannedLookUp(account, storefront, rank, since_us, conditions)

    def claim(self, unit: KnownUnit, rank: int, since_us: int) -> None:
        key = (unit.account, unit.unit_id)
        if (other := self._claims.get(key)) is not None:
            rank, since_us = min(rank, other.rank), min(since_us, other.since_us)
        self._claims[key] = PlannedClaim(unit, rank, since_us)

    def release(self, unit: KnownUnit, since_us: int) -> None:
        self._releases[unit.account, unit.unit_id] = PlannedClaim(unit, RECHECK_RANK, since_us)

    def unclear(self, result_id: str, unclear: Unclear) -> None:
        self._unclear.append((result_id, unclear))

    def wake(self, at_us: int) -> None:
        """Has the lane woken at this time at the latest."""
        self._wake_at_us = at_us if self._wake_at_us is None else min(at_us, self._wake_at_us)

    def plan(self, missing: Sequence[tuple[str, Missing]], held: tuple[tuple[str, PlannedHold], ...] = ()) -> OfferPlan:
        return OfferPlan(
            sends=tuple(self._updates),
            creations=tuple(self._creations),
            deletions=tuple(self._deletions),
            look_ups=tuple(self._look_ups.values()),
            claims=tuple(self._claims.values()),
            releases=tuple(self._releases.values()),
            missing=tuple(missing),
            unclear=tuple(self._unclear),
            held=held,
            wake_at_us=self._wake_at_us,
        )

    def _of_marketplace(self, account: str, storefront: str) -> frozenset[str]:
        """Returns the conditions of units that the marketplace fulfils: a look-up must not leave them out."""
        return frozenset(
            unit.condition
            for unit in self._lane.units
            if unit.fulfilled_by_marketplace and unit.account == account and unit.storefront == storefront
        )


# ---- ranks: 0 is the most urgent ------------------------------------------------------------------------------------


def rank_of(field: Field, value: int | None, known: Fact | None, entry: LedgerEntry) -> int:
    """Returns the priority of an update.

    The order is: stock to zero, stock down, price, stock up, handling time. Events that are read again come last,
    unless they set stock to zero; those of a replay are background work. Stock whose present value is not known for
    certain counts as going down.
    """
    if field is Field.STOCK and value == 0:
        return 0
    if entry.origin is Origin.REPLAY:
        return REPLAY_RANK if entry.command_id is None else BACKGROUND_REPLAY_RANK
    match field:
        case Field.STOCK:
            held = known.value if known is not None and known.certain else None
            up = held is not None and value is not None and value > held
            return 4 if up else 1
        case Field.PRICE:
            return 3
        case Field.HANDLING_TIME:
            return 5


def rank_missed(row: EntryDraft, miss: Miss, *, none_left: bool) -> tuple[int, int]:
    """Returns rank and age of another look-up of an offer that was not found.

    Its rank is among the background priorities, where a stock of zero comes first. The age of a scheduled look-up
    counts from its due time, because its event may be many hours old.
    """
    if row.entry.announced is Announced.NOT_FOUND:
        return BACKGROUND + 2, miss.next_check_at_us
    return BACKGROUND if none_left else BACKGROUND + 1, row.since_us
