"""The typed events of the offer flow, one class per record schema under ``schemas/``. Pure.

Attributes have the names of the schema's fields. A field of type timestamp-micros is an ``int`` of microseconds since
the Unix epoch, UTC, and its attribute ends in ``_us``. Decimal values are in major currency units for the price, in
pieces for the stock, and in working days for the handling time. Fields that most records leave empty are grouped in
optional sub-records.
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

    UNKNOWN = "UNKNOWN"  # never written; stands for a symbol that is newer than the reader's schema
    APPLIED = "APPLIED"  # every field that differed was accepted by the marketplace, the others were already so
    PARTIAL = "PARTIAL"  # the fields ended differently otherwise; some may be APPLIED
    UNCHANGED = "UNCHANGED"  # the marketplace already holds the values
    SUPERSEDED = "SUPERSEDED"  # newer events replaced all fields
    NOT_FOUND = "NOT_FOUND"  # announced, not final; a result of origin RECHECK follows
    AMBIGUOUS = "AMBIGUOUS"  # several units match
    CONFLICT = "CONFLICT"  # the event's offer_id or unit_id contradicts its EAN, condition or storefront
    REJECTED = "REJECTED"  # the same event can never succeed
    HELD = "HELD"  # announced, not final; a result of origin RELEASE follows
    SUPPRESSED = "SUPPRESSED"  # a setting, such as an allow-list, forbids sending
    DRY_RUN = "DRY_RUN"  # would have been sent
    FAILED = "FAILED"  # given up after the retry budget
    UNMANAGED = "UNMANAGED"  # ended by a tombstone
    CREATED = "CREATED"  # its unit was created with its values
    DELETED = "DELETED"  # its unit was deleted


class ListingAct(StrEnum):
    """What an event asks for beyond its values. It takes effect only where a capability is on."""

    CREATE = "CREATE"
    DELETE = "DELETE"


class FieldStatus(StrEnum):
    """How one field of an event ended: as ``Status``, without PARTIAL."""

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
    LIVE = "LIVE"  # read for the first time
    REPLAY = "REPLAY"  # read again: by a replay, or at or below the lane's last offset
    RECHECK = "RECHECK"  # what became of an announced NOT_FOUND
    RELEASE = "RELEASE"  # what became of an announced HELD
    REDRIVE = "REDRIVE"  # sent in again manually
    RESEND = "RESEND"  # an accepted value, compared with the marketplace and sent again for a person


class Basis(StrEnum):
    """How a value became known."""

    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"  # the marketplace accepted it from this connector
    OBSERVED = "OBSERVED"  # read from the marketplace; not the value of an accepted event


class Announced(StrEnum):
    """The status of an undone event that a result has announced already."""

    UNKNOWN = "UNKNOWN"
    NONE = "NONE"
    NOT_FOUND = "NOT_FOUND"
    HELD = "HELD"


# ---- in -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A gross price in major units of its currency."""

    amount: Decimal
    currency: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferChanged:
    """The wanted price, stock or handling time of an offer, as of ``occurred_at_us``.

    None: the event does not carry the field; what the marketplace holds there is left alone.
    """

    event_id: str
    occurred_at_us: int
    source: str
    ean: str
    sequence: int | None = None
    target_id: str | None = None
    condition: str | None = None  # not validated; None = the configured default
    offer_id: str | None = None
    unit_id: int | None = None
    price: Price | None = None
    stock: int | None = None
    location: str | None = None  # whose stock it is; None or empty: the stock is the total
    handling_time_days: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    listing: str | None = None  # one of ``ListingAct``; not validated

    # of the input record
    key: str
    input_topic: str
    partition: int
    offset: int
    record_time_us: int
    redriven: bool = False  # sent in again by `connector dlq redrive`
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWithdrawn:
    """A tombstone on the input topic. Its key is an EAN; every target of that EAN becomes unmanaged."""

    key: str
    input_topic: str
    partition: int
    offset: int
    record_time_us: int
    redriven: bool = False  # sent in again by `connector dlq redrive`
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """An event that a replay reads again. ``replay_id``: the command_id of the replay."""

    event: OfferChanged | OfferWithdrawn
    replay_id: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """How a price was converted to the currency of its storefront. ``amount`` and ``currency`` are the event's."""

    amount: Decimal
    currency: str
    rate: str  # how much of the storefront's currency a unit of ``currency`` is worth: a decimal number, never a float
    rate_at_us: int  # of which time the rate is
    rate_source: str
    rounding: str  # such as half_up, or half_up/5 to multiples of five minor units


# ---- offer-results --------------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class FieldResult:
    """How one field of an event ended.

    ``before`` is the value that the marketplace was known to hold, ``sent`` the value that was sent, ``accepted`` the
    one that its answer showed; None: there was none. ``units_moved`` and ``storefronts_moved`` are of linked units,
    whose stock the update changed too. ``rules`` has the settings, guard rails and commands that changed or kept back
    the value. Of a price that was converted, all values are in the storefront's currency.
    """

    field: str
    status: FieldStatus
    requested: Decimal | None = None
    before: Decimal | None = None
    sent: Decimal | None = None
    currency: str | None = None
    code: str | None = None
    superseded_by: str | None = None  # result_id of the event that replaced it
    before_basis: Basis | None = None
    before_at_us: int | None = None  # when an answer or a look-up last showed ``before``
    accepted: Decimal | None = None
    units_moved: tuple[int, ...] = ()
    storefronts_moved: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    winner: str | None = None  # result_id of the event that counted when the result was written
    conversion: Conversion | None = None  # None: the price came in the storefront's currency


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The updates that were sent for an event, of a result with at least one."""

    account: str
    storefront: str
    offer_id: str | None = None
    call_ids: tuple[str, ...] = ()
    attempts: int  # calls, retries included
    sent_at_us: int  # of the last call
    answered_at_us: int | None = None  # of the last call; None: without an answer
    unit_status: str | None = None  # as the marketplace returned it; ONHOLD and INCOMPLETE are accepted, not on sale
    storefronts_moved: tuple[str, ...] = ()  # other storefronts whose linked stock changed as well


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferResult:
    """How one processing of one input record ended.

    ``instance_id`` and ``config_digest`` are headers of the record, not fields.
    """

    result_id: str
    event_id: str | None = None  # None: a tombstone
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
    held_by: str | None = None  # command_id of the hold or pause; None unless the status is HELD
    command_id: str | None = None  # of the command that had the event processed, such as a resend
    command_results: int | None = None  # how many results that command has for the EAN
    account: str | None = None  # of the target; None: it is not configured
    storefront: str | None = None
    offer_id: str | None = None
    source: str | None = None
    sequence: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    replay_id: str | None = None  # command_id of the replay that read the event again


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFieldResult:
    """How one field of an event ended, as a flat row: see ``OfferResult`` and ``FieldResult``.

    ``field_status`` and ``field_code`` are the field's, ``status``, ``code`` and ``message`` the event's. Lists are
    texts with commas, ``attributes`` is a JSON object.
    """

    result_id: str
    event_id: str | None = None
    origin: Origin
    field: str
    field_status: FieldStatus
    field_code: str | None = None
    status: Status
    code: str | None = None
    target_id: str | None = None
    account: str | None = None
    storefront: str | None = None
    condition: str | None = None
    ean: str
    offer_id: str | None = None
    unit_id: int | None = None
    requested: Decimal | None = None
    before: Decimal | None = None
    before_basis: Basis | None = None
    before_at_us: int | None = None
    sent: Decimal | None = None
    accepted: Decimal | None = None
    currency: str | None = None
    superseded_by: str | None = None
    winner: str | None = None
    units_moved: str | None = None
    storefronts_moved: str | None = None
    rules: str | None = None
    held_by: str | None = None
    command_id: str | None = None
    replay_id: str | None = None
    source: str | None = None
    sequence: int | None = None
    attributes: str | None = None
    input_topic: str
    input_partition: int
    input_offset: int
    occurred_at_us: int | None = None
    received_at_us: int
    decided_at_us: int
    call_id: str | None = None
    attempts: int | None = None
    sent_at_us: int | None = None
    answered_at_us: int | None = None
    unit_status: str | None = None
    message: str | None = None
    original_amount: Decimal | None = None
    original_currency: str | None = None
    rate: str | None = None
    rate_at_us: int | None = None
    rate_source: str | None = None
    rounding: str | None = None


# ---- offers-not-found -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A unit of the seller that the event may have meant."""

    unit_id: int
    storefront: str
    condition: str
    offer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A value of an event that waits until its offer is found."""

    field: str
    value: Decimal
    currency: str | None = None
    event_time_us: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferNotFound:
    """An offer that an event means and that cannot be identified, for manual work. Written only, never read back."""

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
    unit_id: int | None = None  # as the event names it

    @property
    def key(self) -> str:
        """The key of the record."""
        return not_found_key(self.target_id, self.condition, self.offer_id, self.ean)


def not_found_key(target_id: str, condition: str, offer_id: str | None, ean: str) -> str:
    """Returns the key of a not-found record, and of the tombstone that deletes it."""
    return f"{target_id}|{condition}|{offer_id or ''}|{ean}"


# ---- offer-state ----------------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class FieldState:
    """What the marketplace is known to hold in one field of a unit, and the order of the last accepted event.

    ``event_time_us``, ``sequence``, ``source`` and ``input_offset`` are that order; None: no event was accepted.
    """

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
    value_known: bool = True  # False: ``value`` is a placeholder
    accepted_value: Decimal | None = None  # what the event was accepted with, if another value was shown since
    conversion: Conversion | None = None  # of the last accepted price


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """A unit of the EAN, as look-ups have shown it."""

    account: str
    storefront: str
    condition: str
    unit_id: int
    offer_id: str | None = None
    unit_status: str | None = None
    fulfilled_by_marketplace: bool = False  # the marketplace counts the stock itself
    proved_at_us: int  # 0: no look-up shows it any more
    fields: tuple[FieldState, ...] = ()
    other_eans: tuple[str, ...] = ()  # further EANs of its product
    owner: str | None = None  # the EAN that may write to it; None: not claimed
    owner_asked_at_us: int | None = None
    claims: tuple[str, ...] = ()  # names under which this EAN holds claims on it
    release_at_us: int | None = None  # when these claims are to be released
    created_at_us: int | None = None  # when it was created, while no look-up has shown it


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A look-up that found no unit, or no unambiguous one; valid until ``next_check_at_us``."""

    account: str
    storefront: str
    condition: str
    code: str
    since_us: int
    next_check_at_us: int
    looked_at_us: int | None = None  # when the last answered look-up was sent
    times_seen: int = 0  # for an ambiguous offer: the events that ended because of it
    call_ids: tuple[str, ...] = ()  # of the last look-up


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class LocationStock:
    """The newest stock of one location in pieces, by events with equal selectors (the first four fields)."""

    target_id: str
    condition: str
    offer_id: str | None = None
    unit_id: int | None = None
    location: str | None = None  # None: a stock without a location, which replaced all older ones
    stock: int
    occurred_at_us: int
    sequence: int | None = None
    input_offset: int
    source: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneField:
    """One field of an undone event, with the value that it carries, or that its price was converted to."""

    field: str
    value: Decimal
    currency: str | None = None
    conversion: Conversion | None = None


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
    before_basis: Basis | None = None
    before_at_us: int | None = None
    accepted: Decimal | None = None
    units_moved: tuple[int, ...] = ()
    storefronts_moved: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    winner: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class HeldField:
    """A field of an undone event that is held."""

    field: str
    held_by: str  # command_id of the hold or pause, or name of a guard rail
    never_sent: bool = False  # no call of this process has carried the value
    guard: str | None = None  # the guard rail that waits for a decision on it, also while a command holds it
    guarded_at_us: int | None = None  # since when a guard rail does


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingWish:
    """That an undone event asks for its unit to be created or deleted (one of ``ListingAct``)."""

    wish: str
    was_sent: bool  # whether a call for it has left that was executed, or may have been


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """An event without its final result, with all that the result needs."""

    result_id: str
    event_id: str | None = None
    target_id: str
    condition: str
    offer_id: str | None = None
    unit_id: int | None = None
    input_offset: int
    occurred_at_us: int
    sequence: int | None = None
    effective_at_us: int | None = None  # None: equal to occurred_at_us
    source: str | None = None
    received_at_us: int
    since_us: int  # reception of the oldest event that it replaced; age and retry budget count from here
    origin: Origin = Origin.LIVE
    fields: tuple[UndoneField, ...] = ()  # all fields of the event, ended or not
    ended: tuple[Ended, ...] = ()
    announced: Announced = Announced.NONE
    held: tuple[HeldField, ...] = ()
    held_by: str | None = None  # of the last result HELD
    passed: tuple[str, ...] = ()  # guard rails that do not judge it again
    command_id: str | None = None  # of the command that had it processed
    times_seen: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    one_by_one: bool = False  # its fields were refused together, and the refusal named none of them
    proved_again: bool = False  # its unit was gone once, and was looked up again
    asked_again: bool = False  # announced, then read again, and not looked up since
    lookup_call_ids: tuple[str, ...] = ()
    sent: Sent | None = None
    problem: Problem | None = None
    reason: str | None = None
    traceparent: str | None = None
    listing: ListingWish | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMark:
    """The newest event of a source that was read for a field, among events with equal selectors.

    The selectors are the first four fields.
    """

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
    is_dropped: bool = False  # a person dropped its value before it was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunCommand:
    """A command that the EAN has begun to carry out, remembered until it expires: it is carried out once."""

    command_id: str
    results: int  # how many results it has for the EAN
    expires_at_us: int


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferState:
    """All that is known of an EAN, and its undone events.

    It makes input records below the committed offset unnecessary: nothing of them is read again.
    """

    ean: str
    managed: bool  # False once the EAN was withdrawn by a tombstone, until a newer event comes
    unmanaged_at_us: int | None = None  # record time of the newest tombstone
    unmanaged_offset: int | None = None  # its offset; None if an earlier version stored it without
    units: tuple[UnitState, ...] = ()
    misses: tuple[Miss, ...] = ()
    locations: tuple[LocationStock, ...] = ()
    locations_before: tuple[LocationStock, ...] = ()  # of offers with a held stock: what counts again if it is dropped
    marks: tuple[OrderMark, ...] = ()
    undone: tuple[Undone, ...] = ()
    commands: tuple[BegunCommand, ...] = ()
    input_partition: int  # of last_offset and of every undone event; the state topic has the same number
    last_offset: int  # the highest offset of the lane's events
    updated_at_us: int


# ---- drift ----------------------------------------------------------------------------------------------------------


class DriftCause(StrEnum):
    """Why the marketplace shows another value than the accepted one, as far as it can be told."""

    UNKNOWN = "UNKNOWN"
    LOST_WRITE = "LOST_WRITE"  # the unit was not edited since before the value was accepted
    EDITED_OUTSIDE = "EDITED_OUTSIDE"  # the unit was edited after every value that this connector wrote to it
    SOLD = "SOLD"  # known orders explain that the stock has fallen
    LINKED_UNIT = "LINKED_UNIT"  # the stock is that of another unit with the same offer id


class DriftAction(StrEnum):
    """What was done about a drift."""

    UNKNOWN = "UNKNOWN"
    REPORTED = "REPORTED"
    REPAIRED = "REPAIRED"  # the accepted value is wanted again


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDrifted:
    """The marketplace shows another value than the one that it accepted last; one record for each change seen."""

    drift_id: str
    ean: str
    account: str
    storefront: str
    unit_id: int
    condition: str
    offer_id: str | None = None
    field: str
    currency: str | None = None
    accepted_value: Decimal
    accepted_event_at_us: int
    accepted_event_id: str | None = None
    accepted_at_us: int
    observed_value: Decimal
    requested_at_us: int
    observed_at_us: int
    changed_at_us: int | None = None  # by the marketplace's clock
    sweep_at_us: int
    cause: DriftCause
    action: DriftAction
    result_id: str | None = None  # of the repair
    detected_at_us: int
    target_id: str | None = None
