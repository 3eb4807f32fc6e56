"""Adds an event to the ledger, as a new entry or as a repetition of an undone one; applies tombstones. Pure."""

from connector.contracts.codes import Code
from connector.contracts.event_time import NO_SEQUENCE, effective_us
from connector.contracts.microseconds import us
from connector.contracts.result_ids import result_id
from connector.marketplace.offers import Field
from connector.offers.converted_events import unsure
from connector.offers.event_order import Recency, order_of
from connector.offers.events import Announced, FieldStatus, ListingWish, OfferChanged, OfferWithdrawn, Origin
from connector.offers.guards import date_fault, examine, key_fault
from connector.offers.late import out_of_order_after_tombstone
from connector.offers.ledger import FieldOutcome, KnownUnit, LedgerEntry, OfferLane
from connector.offers.locations import count
from connector.offers.offer_draft import OfferDraft
from connector.offers.policy import OfferTerms
from connector.offers.refusal import Refusal, refuse
from connector.offers.watermarks import mark
from streams.frozen import replace


def merge_event(
    lane: OfferLane,
    event: OfferChanged,
    terms: OfferTerms,
    now_us: int,
    replay_id: str | None = None,
    taken_over_us: int | None = None,
) -> OfferLane:
    """Returns the lane with an entry for the event.

    An event that is read again while its entry is undone gets no second entry: one processing, one result. If the
    entry was announced as not found or held, that processing has had its result, and reading the event again starts
    another. ``replay_id``: the command_id of the replay that reads it; None if it is read as input.
    ``taken_over_us``: when this process got the partition; None: no other process has read the event.
    """
    identifier = result_id(terms.cluster_id, terms.topic, event.partition, event.offset)
    if event.offset <= lane.last_offset:
        for standing in lane.entries:
            if standing.result_id == identifier and standing.event_id == event.event_id:
                return _read_again(lane, standing, terms, now_us, replay_id)
    origin = _origin(lane, event, replay_id)
    found = examine(event, terms, now_us, lane if origin is Origin.REPLAY else None)
    entry = LedgerEntry(
        result_id=identifier,
        event_id=event.event_id,
        target_id=found.target_id,
        condition=found.condition,
        offer_id=event.offer_id,
        unit_id=event.unit_id,
        partition=event.partition,
        offset=event.offset,
        occurred_at_us=event.occurred_at_us,
        order=_order(event, terms),
        received_at_us=now_us,
        since_us=now_us,
        asked=found.asked,
        ended=found.ended,
        command_id=replay_id,
        origin=origin,
        attributes=event.attributes,
        traceparent=event.traceparent,
        listing=_listing(event, origin),
        refused=found.refusal.code if found.refusal is not None else None,
        problem=found.problem,
    )
    managed = lane.managed
    if found.refusal is None:
        if lane.withdrawn is not None and entry.order < lane.withdrawn:
            entry = _withdrawn(entry, lane.ean, lane.withdrawn)
        else:
            managed = True
            if entry.conversion_of(Field.PRICE) is not None and _may_have_been_read(event, terms, taken_over_us):
                lane = _unsure(lane, entry, terms, now_us)
            location = event.location or None
            marked = mark(lane, entry, location, terms)
            lane, entry = count(marked, entry, location, terms)
    for standing in lane.entries:
        if standing.announced is Announced.NOT_FOUND and standing.selectors == entry.selectors:
            entry = replace(entry, times_seen=standing.times_seen + 1)
    return replace(
        lane,
        managed=managed,
        entries=(*lane.entries, entry),
        partition=event.partition,
        last_offset=max(lane.last_offset, event.offset),
    )


def withdraw(
    lane: OfferLane, event: OfferWithdrawn, terms: OfferTerms, now_us: int, replay_id: str | None = None
) -> OfferLane:
    """Returns the lane after a tombstone: all older undone fields have ended.

    Nothing is sent until a newer event arrives. Claims are released, unless an event that is newer than the tombstone
    is undone or was accepted already. An invalid tombstone adds a rejected entry and changes nothing else; so does one
    that is read again and has taken effect. ``replay_id`` is as for ``merge_event``.
    """
    at_us = event.record_time_us
    order = Recency(at_us, NO_SEQUENCE, event.offset)
    fault = key_fault(event.key, event.key) or date_fault(at_us, at_us, terms, now_us)
    tombstone = LedgerEntry(
        result_id=result_id(terms.cluster_id, terms.topic, event.partition, event.offset),
        event_id=None,
        target_id=None,
        condition=None,
        offer_id=None,
        unit_id=None,
        partition=event.partition,
        offset=event.offset,
        occurred_at_us=at_us,
        order=order,
        received_at_us=now_us,
        since_us=now_us,
        command_id=replay_id,
        origin=_origin(lane, event, replay_id),
        traceparent=event.traceparent,
        refused=fault.code if fault is not None else None,
        problem=fault.problem if fault is not None else None,
    )
    had_effect = event.offset <= lane.last_offset and lane.withdrawn is not None and lane.withdrawn >= order
    lane = replace(lane, partition=event.partition, last_offset=max(lane.last_offset, event.offset))
    if fault is not None or had_effect:
        return replace(lane, entries=(*lane.entries, tombstone))
    draft = OfferDraft(lane, terms, now_us)
    for row in draft.rows:
        if row.open and row.entry.order < order:
            draft.withdraw(row)
    newer = any(row.open and row.entry.order > order for row in draft.rows) or any(
        fact.order is not None and fact.order > order for unit in lane.units for fact in unit.facts.values()
    )
    lane = draft.lane()
    if not newer:
        lane = replace(lane, units=tuple(_let_go(unit, now_us) for unit in lane.units))
    last = order if lane.withdrawn is None or order > lane.withdrawn else lane.withdrawn
    return replace(
        lane,
        managed=newer,
        unmanaged_at_us=last.time_us,
        unmanaged_offset=last.offset if last.offset >= 0 else None,
        entries=(*lane.entries, tombstone),
    )


def _origin(lane: OfferLane, event: OfferChanged | OfferWithdrawn, replay_id: str | None) -> Origin:
    """Returns why the event is processed, from whether it was read before and whether it was redriven."""
    if replay_id is not None or event.offset <= lane.last_offset:
        return Origin.REPLAY
    return Origin.REDRIVE if event.redriven else Origin.LIVE


def _may_have_been_read(event: OfferChanged, terms: OfferTerms, taken_over_us: int | None) -> bool:
    """Whether another process may have read the event before, as far as clocks agree."""
    return taken_over_us is not None and event.record_time_us <= taken_over_us + us(terms.policy.future_limit_s)


def _unsure(lane: OfferLane, entry: LedgerEntry, terms: OfferTerms, now_us: int) -> OfferLane:
    target = terms.routing.find(entry.target_id)
    return lane if target is None else unsure(lane, target, now_us)


def _listing(event: OfferChanged, origin: Origin) -> ListingWish | None:
    """Returns what the event asks for; nothing if it is read again, so that a replay creates and deletes nothing."""
    if event.listing is None or origin is Origin.REPLAY:
        return None
    return ListingWish(wish=event.listing, was_sent=False)


def _let_go(unit: KnownUnit, now_us: int) -> KnownUnit:
    """Schedules the release of the unit's claims, so that another EAN may own it once calls in flight have ended."""
    if not unit.claims or unit.release_at_us is not None:
        return unit
    return replace(unit, release_at_us=now_us)


def _order(event: OfferChanged, terms: OfferTerms) -> Recency:
    """Returns the event's order by effective time, sequence and offset, as configured for its source."""
    time_us = effective_us(event.occurred_at_us, event.record_time_us)
    return order_of(time_us, event.sequence, event.offset, event.source, terms.policy.ordered_by(event.source))


def _read_again(
    lane: OfferLane, entry: LedgerEntry, terms: OfferTerms, now_us: int, replay_id: str | None
) -> OfferLane:
    """Has the replay of an announced entry end with a result of its own.

    If it was not found, its look-up is due now, and the outcome is that result. If it is held, the result says so
    again. Any other entry stays as it is.
    """
    target = terms.routing.find(entry.target_id)
    is_held = entry.announced is Announced.HELD and bool(entry.held)
    if target is None or not (is_held or entry.announced is Announced.NOT_FOUND):
        return lane
    misses = lane.misses
    if not is_held:
        misses = tuple(
            replace(m, next_check_at_us=min(m.next_check_at_us, now_us))
            if (m.account, m.storefront, m.condition) == (target.account, target.storefront, entry.condition)
            else m
            for m in lane.misses
        )
    again = replace(
        entry,
        origin=Origin.REPLAY,
        command_id=replay_id,
        received_at_us=now_us,
        times_seen=entry.times_seen + 1,
        asked_again=True,
    )
    entries = tuple(again if one is entry else one for one in lane.entries)
    return replace(lane, misses=misses, entries=entries)


def _withdrawn(entry: LedgerEntry, ean: str, by: Recency) -> LedgerEntry:
    """Ends the open fields of an entry that is older than a tombstone read before it."""
    late = out_of_order_after_tombstone(entry.order, by)
    fault = Refusal(Code.OUT_OF_ORDER, late) if late is not None else refuse(Code.TOMBSTONE, ean=ean)
    ends = tuple(FieldOutcome(field=a.field, status=FieldStatus.UNMANAGED, code=fault.code) for a in entry.open)
    return replace(entry, ended=(*entry.ended, *ends), problem=entry.problem or fault.problem)
