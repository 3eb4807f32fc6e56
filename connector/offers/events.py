"""The typed events of the offer flow, one to one with the records under ``schemas/``. Pure.

An attribute has the name of its field; a field of type timestamp-micros is an ``int`` of microseconds since the Unix
epoch, UTC, and its attribute ends in ``_us``. Decimals are major units of a currency for the price, pieces for the
stock, working days for the handling time. What nearly every row lacks sits in optional sub-records.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from connector.contracts.problem import Problem
from streams.frozen import quick

# ---- closed sets ----------------------------------------------------------------------------------------------------


class Status(StrEnum):
    """How one processing of an event ended."""

    UNKNOWN = "UNKNOWN"  # of a newer contract than the reader's
    APPLIED = "APPLIED"
    PARTIAL = "PARTIAL"
    UNCHANGED = "UNCHANGED"
    SUPERSEDED = "SUPERSEDED"
    NOT_FOUND = "NOT_FOUND"
    AMBIGUOUS = "AMBIGUOUS"
    CONFLICT = "CONFLICT"
    REJECTED = "REJECTED"
    HELD = "HELD"
    SUPPRESSED = "SUPPRESSED"
    DRY_RUN = "DRY_RUN"
    FAILED = "FAILED"
    UNMANAGED = "UNMANAGED"


class FieldStatus(StrEnum):
    """How one field of an event ended: a ``Status``, less PARTIAL."""

    UNKNOWN = "UNKNOWN"
    APPLIED = "APPLIED"
    UNCHANGED = "UNCHANGED"
    SUPERSEDED = "SUPERSEDED"
    NOT_FOUND = "NOT_FOUND"
    AMBIGUOUS = "AMBIGUOUS"
    CONFLICT = "CONFLICT"
    REJECTED = "REJECTED"
    HELD = "HELD"
    SUPPRESSED = "SUPPRESSED"
    DRY_RUN = "DRY_RUN"
    FAILED = "FAILED"
    UNMANAGED = "UNMANAGED"


class Origin(StrEnum):
    """Why an event was processed."""

    UNKNOWN = "UNKNOWN"
    LIVE = "LIVE"
    REPLAY = "REPLAY"  # read again, at or below the lane's last offset
    RECHECK = "RECHECK"  # what became of an announced NOT_FOUND
    RELEASE = "RELEASE"  # what became of an announced HELD
    REDRIVE = "REDRIVE"


class Basis(StrEnum):
    """How we know a value."""

    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"  # the marketplace took it from us
    OBSERVED = "OBSERVED"  # read from the marketplace, no event behind it


class Announced(StrEnum):
    """What a result has announced of an event that has not ended."""

    UNKNOWN = "UNKNOWN"
    NONE = "NONE"
    NOT_FOUND = "NOT_FOUND"
    HELD = "HELD"


# ---- in -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Gross, in major units."""

    amount: Decimal
    currency: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferChanged:
    """What an offer should be from ``occurred_at_us`` on; None = not carried, which clears nothing."""

    event_id: str
    occurred_at_us: int
    source: str
    ean: str
    sequence: int | None = None
    target_id: str | None = None
    condition: str | None = None  # as it came; None = the flow's default
    offer_id: str | None = None
    unit_id: int | None = None
    price: Price | None = None
    stock: int | None = None
    location: str | None = None  # None or empty: the stock is the total
    handling_time_days: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    # of the record that carried it
    key: str
    input_topic: str
    partition: int
    offset: int
    record_time_us: int
    traceparent: str | None = None
    tracestate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWithdrawn:
    """A tombstone on the input topic: every target of the EAN that is the key becomes unmanaged."""

    key: str
    input_topic: str
    partition: int
    offset: int
    record_time_us: int
    traceparent: str | None = None
    tracestate: str | None = None


# ---- offer-results --------------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class FieldResult:
    """How one field of the event ended. ``before`` is what we knew to be accepted, ``sent`` what left."""

    field: str
    status: FieldStatus
    requested: Decimal | None = None
    before: Decimal | None = None
    sent: Decimal | None = None
    currency: str | None = None
    code: str | None = None
    superseded_by: str | None = None  # the successor's result_id


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent to the marketplace, of a result with at least one call."""

    account: str
    storefront: str
    offer_id: str | None = None
    call_ids: tuple[str, ...] = ()
    attempts: int
    sent_at_us: int
    answered_at_us: int | None = None
    unit_status: str | None = None  # the marketplace's own word: ONHOLD and INCOMPLETE are accepted, not on sale
    storefronts_moved: tuple[str, ...] = ()  # where linked stock moved as well


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferResult:
    """What became of one processing of one input record. ``instance_id`` and ``config_digest`` travel as headers."""

    result_id: str
    event_id: str | None = None  # None: a tombstone, or a record whose event had none
    origin: Origin
    status: Status
    code: str | None = None
    ean: str
    target_id: str | None = None
    condition: str | None = None
    unit_id: int | None = None
    fields: tuple[FieldResult, ...] = ()
    input_topic: str
    input_partition: int
    input_offset: int
    occurred_at_us: int | None = None
    received_at_us: int
    decided_at_us: int
    sent: Sent | None = None
    problem: Problem | None = None
    lookup_call_ids: tuple[str, ...] = ()


# ---- offers-not-found -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of several own units that could have been meant."""

    unit_id: int
    storefront: str
    condition: str
    offer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A value that waits for the offer to be found."""

    field: str
    value: Decimal
    currency: str | None = None
    event_time_us: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferNotFound:
    """An offer that is wanted and cannot be identified, as people work it off. An output only, never read back."""

    result_id: str
    event_id: str
    code: str
    message: str
    advice: str
    target_id: str
    account: str
    storefront: str
    ean: str
    condition: str
    offer_id: str | None = None
    hint: str | None = None
    candidates: tuple[Candidate, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    pending: tuple[Pending, ...] = ()
    first_seen_at_us: int
    last_seen_at_us: int
    times_seen: int
    next_check_at_us: int | None = None

    @property
    def key(self) -> str:
        return not_found_key(self.target_id, self.condition, self.offer_id, self.ean)


def not_found_key(target_id: str, condition: str, offer_id: str | None, ean: str) -> str:
    """The key of a not-found row, and of the tombstone that resolves it."""
    return f"{target_id}|{condition}|{offer_id or ''}|{ean}"


# ---- offer-state ----------------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class FieldState:
    """What the marketplace is known to hold for one field of a unit, and with which order it was accepted."""

    field: str
    value: Decimal
    currency: str | None = None
    basis: Basis
    event_time_us: int | None = None
    sequence: int | None = None
    source: str | None = None
    event_id: str | None = None
    input_offset: int | None = None
    accepted_at_us: int | None = None
    certain: bool
    value_known: bool = True


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """A unit whose identity is proved."""

    account: str
    storefront: str
    condition: str
    unit_id: int
    offer_id: str | None = None
    unit_status: str | None = None
    fulfilled_by_marketplace: bool = False  # it counts the stock itself
    proved_at_us: int
    fields: tuple[FieldState, ...] = ()
    other_eans: tuple[str, ...] = ()
    owner: str | None = None
    owner_asked_at_us: int | None = None
    claims: tuple[str, ...] = ()
    release_at_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A look-up that found no unit, or no clear match; valid until ``next_check_at_us``."""

    account: str
    storefront: str
    condition: str
    code: str
    since_us: int
    next_check_at_us: int
    looked_at_us: int | None = None  # when the last look-up that was answered left
    times_seen: int = 0  # events that have met it, of an ambiguous offer
    call_ids: tuple[str, ...] = ()  # of the last look-up


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class LocationStock:
    """The newest stock of one location, as events that name the offer alike have said it; in pieces."""

    target_id: str
    condition: str
    offer_id: str | None = None
    unit_id: int | None = None
    location: str | None = None  # None = of no location: it replaced all older ones
    stock: int
    occurred_at_us: int
    sequence: int | None = None
    input_offset: int
    source: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneField:
    """A value that an undone event carries."""

    field: str
    value: Decimal
    currency: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A field of an undone event that has already ended."""

    field: str
    status: FieldStatus
    code: str | None = None
    superseded_by: str | None = None
    before: Decimal | None = None
    sent: Decimal | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """An event that still wins a field: what its result will need."""

    result_id: str
    event_id: str | None = None
    target_id: str
    condition: str
    offer_id: str | None = None
    unit_id: int | None = None
    input_offset: int
    occurred_at_us: int
    sequence: int | None = None
    effective_at_us: int | None = None
    source: str | None = None
    received_at_us: int
    since_us: int  # of the oldest event whose place it took: ageing and the retry budget
    origin: Origin = Origin.LIVE
    fields: tuple[UndoneField, ...] = ()  # all that it carries, ended or not
    ended: tuple[Ended, ...] = ()
    announced: Announced = Announced.NONE
    times_seen: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    one_by_one: bool = False  # its fields were refused together, and none was named
    proved_again: bool = False  # its unit was gone once
    asked_again: bool = False  # announced, then read again, and not looked up since
    lookup_call_ids: tuple[str, ...] = ()
    sent: Sent | None = None
    problem: Problem | None = None
    reason: str | None = None
    traceparent: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMark:
    """The newest event of a source that was read for a field, as events that name the offer alike have said it."""

    target_id: str
    condition: str
    offer_id: str | None = None
    unit_id: int | None = None
    location: str | None = None
    field: str
    event_time_us: int
    sequence: int | None = None
    input_offset: int
    source: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferState:
    """All that is known of an EAN, and its undone events. Records below the committed offset are not needed again."""

    ean: str
    managed: bool
    unmanaged_at_us: int | None = None
    unmanaged_offset: int | None = None
    units: tuple[UnitState, ...] = ()
    misses: tuple[Miss, ...] = ()
    locations: tuple[LocationStock, ...] = ()
    marks: tuple[OrderMark, ...] = ()
    undone: tuple[Undone, ...] = ()
    input_partition: int  # of last_offset and of every undone event; the state topic has the same number
    last_offset: int
    updated_at_us: int
