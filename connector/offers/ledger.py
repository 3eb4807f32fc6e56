"""The ledger of a lane: what is known of the marketplace, and the fields that undone events still ask for. Pure.

Values are ints in the field's smallest unit: minor units of the currency, pieces, or working days. A ledger is
immutable; a changed copy shares its unchanged parts with the original.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from connector.contracts.event_time import NO_SEQUENCE
from connector.contracts.problem import Problem
from connector.marketplace.offers import Field
from connector.offers.event_order import UNKNOWN_OFFSET, EventOrder, Recency
from connector.offers.events import (
    Announced,
    Basis,
    BegunCommand,
    Conversion,
    FieldStatus,
    HeldField,
    ListingWish,
    Miss,
    Origin,
    Sent,
)
from streams.frozen import quick

Selectors: TypeAlias = tuple[str | None, str | None, str | None, int | None]
"""How an event selects its offer: target, condition, offer id, unit id."""


def to_major(field: Field, value: int, exponent: int) -> Decimal:
    """Returns a value in smallest units as the contracts carry it: a price in major units."""
    return Decimal(value).scaleb(-exponent) if field is Field.PRICE else Decimal(value)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What the marketplace holds in one field of a unit, as far as it is known.

    ``value`` None: the value is not known, only that an event may have been accepted; such a fact is never certain.
    ``order`` is the order of the last accepted event, and never decreases. ``event_id`` None with an order: that event
    was accepted without effect, or may have been accepted although no answer came. Then ``value`` is not the event's,
    and the event may be sent again. ``accepted_value`` is what the event was accepted with, if ``value`` is another one
    that the marketplace has shown since.
    """

    value: int | None
    basis: Basis
    order: Recency | None
    event_id: str | None
    accepted_at_us: int  # when an answer or a look-up last showed the value
    certain: bool  # False: something else may have reached the marketplace since
    accepted_value: int | None = None
    conversion: Conversion | None = None  # of the last price that was accepted from an event
    doubted_at_us: int = field(default=0, compare=False)  # since when; only a look-up sent later makes it certain again


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class KnownUnit:
    """A unit of this EAN.

    ``proved_at_us`` is the time of the last look-up that showed it. 0: the last one did not, or another is needed
    before the unit is used; it is kept for the order of the events that it accepted, and for its claims.
    """

    account: str
    storefront: str
    condition: str
    unit_id: int
    offer_id: str | None
    status: str | None
    fulfilled_by_marketplace: bool
    proved_at_us: int
    facts: Mapping[Field, Fact]
    other_eans: tuple[str, ...] = ()  # further EANs of its product
    owner: str | None = None  # the EAN that may write to it; None: not claimed
    owner_asked_us: int | None = None
    claims: tuple[str, ...] = ()  # names under which this EAN holds claims on it
    release_at_us: int | None = None  # when its claims are to be released; until they are, nothing is written
    created_at_us: int | None = None  # when it was created, while no look-up has shown it

    @property
    def names(self) -> tuple[str, ...]:
        """The names to claim: the offer id, then the unit id.

        Units of one offer id share their stock, so one EAN must own all of them.
        """
        own = f"unit/{self.unit_id}"
        return (own,) if self.offer_id is None else (f"offer/{self.offer_id}", own)

    @property
    def stays_unshown(self) -> bool:
        """Whether the unit stays in the ledger when no look-up shows it any more.

        It does if it has accepted an event, whose order must stay known, and until its claims are released.
        """
        return bool(self.claims) or any(fact.order is not None for fact in self.facts.values())

    @property
    def slot(self) -> str:
        """The slot of the unit's updates within the lane."""
        return f"{self.account}/{self.storefront}/{self.condition}/{self.offer_id or self.unit_id}"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The value that an event asks for in one field.

    ``value`` None: ``requested`` has no exact value in smallest units; such a field has ended. Of a price that was
    converted, ``requested`` and ``currency`` are what it was converted to.
    """

    field: Field
    value: int | None
    requested: Decimal
    currency: str | None = None
    conversion: Conversion | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOutcome:
    """How one field of an event ended."""

    field: Field
    status: FieldStatus
    code: str | None = None
    superseded_by: str | None = None
    before: int | None = None  # what was known before it ended
    before_basis: Basis | None = None  # how that was known
    before_at_us: int | None = None  # when an answer or a look-up last showed it
    sent: int | None = None
    accepted: int | None = None  # what the marketplace's answer showed
    units_moved: tuple[int, ...] = ()  # linked units whose stock changed too
    storefronts_moved: tuple[str, ...] = ()  # of these units, in their order
    rules: tuple[str, ...] = ()  # what changed or kept back the value, by name
    winner: str | None = None  # result_id of the event that counts by now: ``superseded_by``, or what replaced that


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One processing of an event, until its final result is written."""

    result_id: str
    event_id: str | None
    target_id: str | None
    condition: str | None
    offer_id: str | None
    unit_id: int | None
    partition: int
    offset: int
    occurred_at_us: int
    order: Recency
    received_at_us: int
    since_us: int  # reception of the oldest event that it replaced; age and retry budget count from here
    asked: tuple[Asked, ...] = ()
    ended: tuple[FieldOutcome, ...] = ()
    announced: Announced = Announced.NONE
    held: tuple[HeldField, ...] = ()  # the open fields that are held, or whose hold is over and not yet noticed
    held_by: str | None = None  # command_id in the last result HELD
    passed: tuple[str, ...] = ()  # guard rails that have counted it or that a person has released it from
    command_id: str | None = None  # of the command that had it processed
    origin: Origin = Origin.LIVE
    times_seen: int = 1
    attributes: Mapping[str, str] = field(default_factory=dict)
    traceparent: str | None = None
    refused: str | None = None  # code, if the event as a whole is refused
    problem: Problem | None = None  # of the first field that did not succeed
    sent: Sent | None = None
    resolved: KnownUnit | None = field(default=None, compare=False)  # the unit that it means, found anew at each turn
    one_by_one: bool = False  # its fields were refused together, and the refusal named none of them
    proved_again: bool = False  # its unit was gone once, and was looked up again
    asked_again: bool = False  # announced, then read again: the next result is the replay's
    lookup_call_ids: tuple[str, ...] = ()  # the last answered look-ups for the event
    listing: ListingWish | None = None

    @property
    def open(self) -> tuple[Asked, ...]:
        """The fields that have not ended."""
        if not self.ended:
            return self.asked
        if len(self.ended) == len(self.asked):
            return ()  # each field ends once
        over = {end.field for end in self.ended}
        return tuple(asked for asked in self.asked if asked.field not in over)

    @property
    def is_compared(self) -> bool:
        """Whether a command asks for its values: they are compared with what a look-up shows before they are sent."""
        return self.origin is Origin.RESEND and self.command_id is not None

    @property
    def selectors(self) -> Selectors:
        return (self.target_id, self.condition, self.offer_id, self.unit_id)

    def conversion_of(self, field: Field) -> Conversion | None:
        """Returns how the value of a field was converted; None if it was not."""
        return next((asked.conversion for asked in self.asked if asked.field is field), None)

    def held_field(self, field: Field) -> HeldField | None:
        """Returns by what a field is held; None if it is not."""
        return next((held for held in self.held if held.field == field), None)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The newest stock of a location in pieces, as events carry it, before any reserve of the seller is deducted.

    ``location`` None: a stock without a location.
    """

    selectors: Selectors
    location: str | None
    stock: int
    order: Recency


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """The newest event of a line that was read for a field.

    A line is one source ordered by sequence, or all sources ordered by time. If some source is not ordered by time,
    watermarks are kept whatever the event's outcome: an older event of the line stays late, even after an event of
    another line has won the field. Otherwise they are kept only of events that ended without being accepted, and make
    only those late that are read again (``unaccepted``). Of an event whose value a person dropped, a watermark of its
    own makes live events late as well, until a newer event is accepted.
    """

    selectors: Selectors
    location: str | None  # of a stock; None for other fields, and for a stock without a location
    field: Field
    order: Recency
    is_dropped: bool = False

    @property
    def condition(self) -> str | None:
        return self.selectors[1]

    @property
    def offer_id(self) -> str | None:
        return self.selectors[2]

    @property
    def unit_id(self) -> int | None:
        return self.selectors[3]

    def is_of(self, other: "Watermark") -> bool:
        """Whether both watermarks have the same line, field, location and selectors, and both or none were dropped."""
        mine, others = self.order, other.order
        return (self.selectors, self.location, self.field, self.is_dropped, mine.by) == (
            other.selectors, other.location, other.field, other.is_dropped, others.by,
        ) and (mine.by is EventOrder.EVENT_TIME or mine.source == others.source)  # fmt: skip


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLane:
    """A lane's value: all that is known of an EAN, and its undone events. ``OfferState`` is its stored form."""

    ean: str  # the record's key, valid or not
    managed: bool = True
    unmanaged_at_us: int | None = None
    unmanaged_offset: int | None = None
    units: tuple[KnownUnit, ...] = ()
    misses: tuple[Miss, ...] = ()
    locations: tuple[Located, ...] = ()
    locations_before: tuple[Located, ...] = ()  # of selectors with a held stock: what counts again if it is dropped
    marks: tuple[Watermark, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    commands: tuple[BegunCommand, ...] = ()  # that were begun and may not have expired
    partition: int = -1
    last_offset: int = -1
    updated_at_us: int = 0

    def released_with(self, unit: KnownUnit) -> tuple[str, ...]:
        """Returns the names to release with this unit: its claims that no other unit of the lane still needs."""
        others = {
            name
            for other in self.units
            if other.account == unit.account and other.unit_id != unit.unit_id and other.release_at_us is None
            for name in other.claims
        }
        return tuple(name for name in unit.claims if name not in others)

    def unit(self, account: str, unit_id: int) -> KnownUnit | None:
        """Returns a unit that the lane knows; None if it does not."""
        for unit in self.units:
            if unit.unit_id == unit_id and unit.account == account:
                return unit
        return None

    @property
    def has_holds(self) -> bool:
        """Whether a command or a guard rail holds a field, or held it until now."""
        return any(entry.held for entry in self.entries)

    @property
    def has_releases(self) -> bool:
        """Whether claims on some unit are to be released."""
        return any(unit.release_at_us is not None for unit in self.units)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to decide: no field is open, no miss is noted, and no claim is to be released."""
        for entry in self.entries:
            if entry.open:
                return False
        return not self.misses and not self.has_releases

    @property
    def withdrawn(self) -> Recency | None:
        """The order of the newest tombstone; None if there was none."""
        if self.unmanaged_at_us is None:
            return None
        offset = self.unmanaged_offset if self.unmanaged_offset is not None else UNKNOWN_OFFSET
        return Recency(self.unmanaged_at_us, NO_SEQUENCE, offset)
