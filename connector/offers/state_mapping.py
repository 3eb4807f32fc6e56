"""Maps the ledger to its stored form, ``OfferState``, and back. Pure.

The state keeps everything undone, so input records below the committed offset are never needed again.
``docs/decisions/ledger-and-its-state.md`` says why the two have separate types.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import repeat
from typing import Final

from connector.contracts.event_time import NO_SEQUENCE
from connector.marketplace.offers import Field
from connector.offers.event_order import Recency, order_of
from connector.offers.events import (
    Ended,
    FieldState,
    LocationStock,
    OfferState,
    OrderMark,
    Undone,
    UndoneField,
    UnitState,
)
from connector.offers.identity import READ_BACK
from connector.offers.ledger import (
    Asked,
    Fact,
    FieldOutcome,
    KnownUnit,
    LedgerEntry,
    Located,
    OfferLane,
    Watermark,
    to_major,
)
from connector.offers.policy import OfferTerms
from streams.frozen import replace

_FIELDS: Final[Mapping[str, Field]] = {field.value: field for field in Field}


def is_blank(lane: OfferLane) -> bool:
    """Whether the lane equals one that was never stored.

    False for a lane whose events were all rejected: its last offset tells that they are replays if they are read again.
    """
    return lane.last_offset < 0 and not lane.units and not lane.misses and not lane.entries


def is_undone(lane: OfferLane) -> bool:
    """Whether a new owner of the partition must wake the lane.

    It must for an undone event, for a value to be read back after a lost answer, and for a claim to be released.
    """
    if lane.entries or lane.has_releases:
        return True
    return bool(lane.misses) and any(miss.code == READ_BACK for miss in lane.misses)


def stamped(before: OfferLane, after: OfferLane, now_us: int) -> OfferLane:
    """Returns the lane with the time of its change, or the object ``before`` if the turn changed nothing."""
    same = (
        after.units is before.units
        and after.locations is before.locations
        and after.locations_before is before.locations_before
        and after.marks is before.marks
        and after.misses is before.misses
        and (after.entries is before.entries or after.entries == before.entries)
        and after.commands is before.commands
        and after.last_offset == before.last_offset
        and after.managed == before.managed
        and after.unmanaged_at_us == before.unmanaged_at_us
    )
    return before if same else replace(after, updated_at_us=now_us)


def to_state(lane: OfferLane, terms: OfferTerms) -> OfferState:
    """Returns the stored form of a lane."""
    return OfferState(
        ean=lane.ean,
        managed=lane.managed,
        unmanaged_at_us=lane.unmanaged_at_us,
        unmanaged_offset=lane.unmanaged_offset,
        units=tuple(map(_unit_state, lane.units, repeat(terms))),
        misses=lane.misses,
        locations=tuple(map(_location_stock, lane.locations)),
        locations_before=tuple(map(_location_stock, lane.locations_before)),
        marks=tuple(map(_order_mark, lane.marks)),
        undone=tuple(map(_undone, lane.entries, repeat(terms))),
        commands=lane.commands,
        input_partition=lane.partition,
        last_offset=lane.last_offset,
        updated_at_us=lane.updated_at_us,
    )


def from_state(key: str, state: OfferState, terms: OfferTerms) -> OfferLane:
    """Returns the lane that was stored under ``key``; fields that this version does not know are left out."""
    return OfferLane(
        ean=key,
        managed=state.managed,
        unmanaged_at_us=state.unmanaged_at_us,
        unmanaged_offset=state.unmanaged_offset,
        units=tuple(map(_known_unit, state.units, repeat(terms))),
        misses=state.misses,
        locations=tuple(map(_located, state.locations, repeat(terms))),
        locations_before=tuple(map(_located, state.locations_before, repeat(terms))),
        marks=tuple(map(_mark, filter(_is_known, state.marks), repeat(terms))),
        entries=tuple(map(_entry, state.undone, repeat(state.input_partition), repeat(terms))),
        commands=state.commands,
        partition=state.input_partition,
        last_offset=state.last_offset,
        updated_at_us=state.updated_at_us,
    )


# ---- units ----------------------------------------------------------------------------------------------------------


def _unit_state(unit: KnownUnit, terms: OfferTerms) -> UnitState:
    currency, exponent = terms.currency(unit.storefront), terms.exponent(unit.storefront)
    return UnitState(
        account=unit.account,
        storefront=unit.storefront,
        condition=unit.condition,
        unit_id=unit.unit_id,
        offer_id=unit.offer_id,
        unit_status=unit.status,
        fulfilled_by_marketplace=unit.fulfilled_by_marketplace,
        proved_at_us=unit.proved_at_us,
        fields=_field_states(unit, currency, exponent),
        other_eans=unit.other_eans,
        owner=unit.owner,
        owner_asked_at_us=unit.owner_asked_us,
        claims=unit.claims,
        release_at_us=unit.release_at_us,
        created_at_us=unit.created_at_us,
    )


_WITHOUT_EFFECT = ""
"""Stored as the event_id of an event that was accepted without effect."""


def _field_states(unit: KnownUnit, currency: str | None, exponent: int) -> tuple[FieldState, ...]:
    """Returns the unit's fields. One event often sets them all, so its id and source are stored with the first only."""
    states: list[FieldState] = []
    named: dict[int, str | None] = {}
    sources: dict[int, str] = {}
    for name, fact in unit.facts.items():
        is_price = name is Field.PRICE
        places = exponent if is_price else 0
        time_us = sequence = source = event_id = offset = None
        if (order := fact.order) is not None:
            time_us, sequence, offset = order.time_us, _sequence(order), order.offset
            if fact.event_id is None:
                event_id = _WITHOUT_EFFECT
            elif named.get(order.offset) != fact.event_id:
                event_id = named[order.offset] = fact.event_id
            if sources.get(order.offset, "") != order.source:
                source = sources[order.offset] = order.source
        state = FieldState(
            field=name.value,
            value=Decimal(fact.value or 0).scaleb(-places),
            value_known=fact.value is not None,
            accepted_value=None if fact.accepted_value is None else Decimal(fact.accepted_value).scaleb(-places),
            currency=currency if is_price else None,
            basis=fact.basis,
            event_time_us=time_us,
            sequence=sequence,
            source=source,
            event_id=event_id,
            input_offset=offset,
            accepted_at_us=fact.accepted_at_us,
            certain=fact.certain,
            conversion=fact.conversion,
        )
        states.append(state)
    return tuple(states)


def _sequence(order: Recency) -> int | None:
    return None if order.sequence == NO_SEQUENCE else order.sequence


def _known_unit(unit: UnitState, terms: OfferTerms) -> KnownUnit:
    exponent = terms.exponent(unit.storefront)
    return KnownUnit(
        account=unit.account,
        storefront=unit.storefront,
        condition=unit.condition,
        unit_id=unit.unit_id,
        offer_id=unit.offer_id,
        status=unit.unit_status,
        fulfilled_by_marketplace=unit.fulfilled_by_marketplace,
        proved_at_us=unit.proved_at_us,
        facts=_facts(unit, exponent, terms),
        other_eans=unit.other_eans,
        owner=unit.owner,
        owner_asked_us=unit.owner_asked_at_us,
        claims=unit.claims,
        release_at_us=unit.release_at_us,
        created_at_us=unit.created_at_us,
    )


def _facts(unit: UnitState, exponent: int, terms: OfferTerms) -> dict[Field, Fact]:
    """Returns the facts that ``_field_states`` stored.

    An id or source that was left out is that of the first field with the same offset.
    """
    facts: dict[Field, Fact] = {}
    named: dict[int, str | None] = {}
    sources: dict[int, str] = {}
    for state in unit.fields:
        if (name := _FIELDS.get(state.field)) is None:
            continue
        order, event_id = None, None
        if state.event_time_us is not None and (offset := state.input_offset) is not None:
            if state.source is not None:
                sources[offset] = state.source
            order = _order(state.event_time_us, state.sequence, offset, sources.get(offset), terms)
            if state.event_id is None:
                event_id = named.get(offset)
            elif state.event_id != _WITHOUT_EFFECT:
                event_id = named[offset] = state.event_id
        places = exponent if name is Field.PRICE else 0
        facts[name] = Fact(
            value=int(state.value.scaleb(places)) if state.value_known else None,
            basis=state.basis,
            order=order,
            event_id=event_id,
            accepted_at_us=state.accepted_at_us or 0,
            certain=state.certain,
            conversion=state.conversion,
            accepted_value=None if state.accepted_value is None else int(state.accepted_value.scaleb(places)),
        )
    return facts


def _order(time_us: int, sequence: int | None, offset: int, source: str | None, terms: OfferTerms) -> Recency:
    """Returns the order by the present policy: a changed setting applies to stored events, too."""
    return order_of(time_us, sequence, offset, source or "", terms.policy.ordered_by(source or ""))


# ---- stocks of locations --------------------------------------------------------------------------------------------


def _location_stock(row: Located) -> LocationStock:
    target_id, condition, offer_id, unit_id = row.selectors
    return LocationStock(
        target_id=target_id or "",
        condition=condition or "",
        offer_id=offer_id,
        unit_id=unit_id,
        location=row.location,
        stock=row.stock,
        occurred_at_us=row.order.time_us,
        sequence=_sequence(row.order),
        input_offset=row.order.offset,
        source=row.order.source,
    )


def _located(stock: LocationStock, terms: OfferTerms) -> Located:
    return Located(
        selectors=(stock.target_id, stock.condition, stock.offer_id, stock.unit_id),
        location=stock.location,
        stock=stock.stock,
        order=_order(stock.occurred_at_us, stock.sequence, stock.input_offset, stock.source, terms),
    )


def _order_mark(mark: Watermark) -> OrderMark:
    target_id, condition, offer_id, unit_id = mark.selectors
    return OrderMark(
        target_id=target_id or "",
        condition=condition or "",
        offer_id=offer_id,
        unit_id=unit_id,
        location=mark.location,
        field=mark.field.value,
        event_time_us=mark.order.time_us,
        sequence=_sequence(mark.order),
        input_offset=mark.order.offset,
        source=mark.order.source,
        is_dropped=mark.is_dropped,
    )


def _is_known(mark: OrderMark) -> bool:
    return mark.field in _FIELDS


def _mark(mark: OrderMark, terms: OfferTerms) -> Watermark:
    return Watermark(
        selectors=(mark.target_id, mark.condition, mark.offer_id, mark.unit_id),
        location=mark.location,
        field=_FIELDS[mark.field],
        order=_order(mark.event_time_us, mark.sequence, mark.input_offset, mark.source, terms),
        is_dropped=mark.is_dropped,
    )


# ---- undone events --------------------------------------------------------------------------------------------------


def _undone(entry: LedgerEntry, terms: OfferTerms) -> Undone:
    exponent = terms.target_exponent(entry.target_id)
    return Undone(
        result_id=entry.result_id,
        event_id=entry.event_id,
        target_id=entry.target_id or "",
        condition=entry.condition or "",
        offer_id=entry.offer_id,
        unit_id=entry.unit_id,
        input_offset=entry.offset,
        occurred_at_us=entry.occurred_at_us,
        sequence=_sequence(entry.order),
        effective_at_us=entry.order.time_us if entry.order.time_us != entry.occurred_at_us else None,
        source=entry.order.source,
        received_at_us=entry.received_at_us,
        since_us=entry.since_us,
        origin=entry.origin,
        fields=tuple(
            UndoneField(
                field=asked.field.value,
                value=asked.requested,
                currency=asked.currency,
                conversion=asked.conversion,
            )
            for asked in entry.asked
        ),
        ended=tuple(_ended(end, exponent) for end in entry.ended),
        announced=entry.announced,
        held=entry.held,
        held_by=entry.held_by,
        passed=entry.passed,
        command_id=entry.command_id,
        times_seen=entry.times_seen,
        attributes=entry.attributes,
        one_by_one=entry.one_by_one,
        proved_again=entry.proved_again,
        asked_again=entry.asked_again,
        lookup_call_ids=entry.lookup_call_ids,
        sent=entry.sent,
        problem=entry.problem,
        traceparent=entry.traceparent,
        listing=entry.listing,
    )


def _ended(end: FieldOutcome, exponent: int) -> Ended:
    return Ended(
        field=end.field.value,
        status=end.status,
        code=end.code,
        superseded_by=end.superseded_by,
        before=None if end.before is None else to_major(end.field, end.before, exponent),
        before_basis=end.before_basis,
        before_at_us=end.before_at_us,
        sent=None if end.sent is None else to_major(end.field, end.sent, exponent),
        accepted=None if end.accepted is None else to_major(end.field, end.accepted, exponent),
        units_moved=end.units_moved,
        storefronts_moved=end.storefronts_moved,
        rules=end.rules,
        winner=end.winner,
    )


def _entry(undone: Undone, partition: int, terms: OfferTerms) -> LedgerEntry:
    exponent = terms.target_exponent(undone.target_id)
    return LedgerEntry(
        result_id=undone.result_id,
        event_id=undone.event_id,
        target_id=undone.target_id,
        condition=undone.condition,
        offer_id=undone.offer_id,
        unit_id=undone.unit_id,
        partition=partition,
        offset=undone.input_offset,
        occurred_at_us=undone.occurred_at_us,
        order=_order(
            undone.occurred_at_us if undone.effective_at_us is None else undone.effective_at_us,
            undone.sequence,
            undone.input_offset,
            undone.source,
            terms,
        ),
        received_at_us=undone.received_at_us,
        since_us=undone.since_us,
        origin=undone.origin,
        asked=tuple(_asked(field, exponent) for field in undone.fields if field.field in _FIELDS),
        ended=tuple(_end(ended, exponent) for ended in undone.ended if ended.field in _FIELDS),
        announced=undone.announced,
        held=undone.held,
        held_by=undone.held_by,
        passed=undone.passed,
        command_id=undone.command_id,
        times_seen=undone.times_seen,
        attributes=undone.attributes,
        one_by_one=undone.one_by_one,
        proved_again=undone.proved_again,
        asked_again=undone.asked_again,
        lookup_call_ids=undone.lookup_call_ids,
        sent=undone.sent,
        problem=undone.problem,
        traceparent=undone.traceparent,
        listing=undone.listing,
    )


def _asked(field: UndoneField, exponent: int) -> Asked:
    name = _FIELDS[field.field]
    scaled = field.value.scaleb(exponent) if name is Field.PRICE else field.value
    value = int(scaled)
    return Asked(
        field=name,
        value=value if value == scaled else None,
        requested=field.value,
        currency=field.currency,
        conversion=field.conversion,
    )


def _end(ended: Ended, exponent: int) -> FieldOutcome:
    name = _FIELDS[ended.field]
    return FieldOutcome(
        field=name,
        status=ended.status,
        code=ended.code,
        superseded_by=ended.superseded_by,
        before=None if ended.before is None else _minor(name, ended.before, exponent),
        before_basis=ended.before_basis,
        before_at_us=ended.before_at_us,
        sent=None if ended.sent is None else _minor(name, ended.sent, exponent),
        accepted=None if ended.accepted is None else _minor(name, ended.accepted, exponent),
        units_moved=ended.units_moved,
        storefronts_moved=ended.storefronts_moved,
        rules=ended.rules,
        winner=ended.winner,
    )


def _minor(field: Field, value: Decimal, exponent: int) -> int:
    return int(value.scaleb(exponent)) if field is Field.PRICE else int(value)
