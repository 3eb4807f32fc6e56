"""What an answer teaches: facts about order units, and what was refused. It ends only what can go no further. Pure."""

from collections.abc import Iterable
from typing import assert_never

from connector.contracts.codes import Code
from connector.contracts.problem import ProblemError
from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import (
    SENT,
    CarriersFound,
    OrderSummaryFound,
    ReadCarriers,
    ReadOrderSummary,
    ReadOrderUnit,
    Taken,
    UnitFound,
    UnitStatus,
)
from connector.shipments.decide import ShipmentDraft, ShipmentEntry
from connector.shipments.events import (
    MarketplaceWords,
    ParcelState,
    ShipmentStatus,
    ShippedUnit,
)
from connector.shipments.guards import CodedStatus, coded, rejected
from connector.shipments.ledger import (
    UNTRACKED,
    find_parcel,
    is_open,
    numbers_of,
    opened,
    parcel_slot,
    read_now,
    send_slot,
    with_parcels,
)
from connector.shipments.matching import give_way, match
from connector.shipments.wants import ParcelPost, UnitSend
from streams.flow import Answered, GaveUp, Lost, Settled
from streams.frozen import replace


def learn(draft: ShipmentDraft, answered: Answered) -> None:
    match answered.want.body:
        case UnitSend() as send:
            _note_call(draft, send.order_unit_id, send.input_offset, answered)
            _of_send(draft, send, answered)
        case ParcelPost() as post:
            _note_call(draft, post.order_unit_id, post.input_offset, answered)
            _of_post(draft, post, answered)
        case ReadOrderSummary():
            _of_order(draft, answered)
        case ReadOrderUnit() as look:
            _of_unit(draft, look.order_unit_id, answered)
        case ReadCarriers():
            _of_carriers(draft, answered)
        case other:
            raise TypeError(f"a shipment lane never wants {other!r}")


def restored(draft: ShipmentDraft, announced: Iterable[str]) -> None:
    """A new owner: what the one before announced and did not hear of may have been carried out."""
    slots = frozenset(announced)
    for entry in draft.entries:
        for order_unit_id in draft.units:  # also of one for which units are being chosen anew
            if send_slot(order_unit_id, entry.event.input_offset) in slots:
                _may_have_been_sent(draft, entry, order_unit_id)
            for number in numbers_of(entry.event):
                if parcel_slot(order_unit_id, number) in slots:
                    _note_parcel(draft, draft.units[order_unit_id], number, None, entry.event.event_id, certain=False)


def _may_have_been_sent(draft: ShipmentDraft, entry: ShipmentEntry, identifier: int) -> None:
    unit = draft.units[identifier]
    if unit.confirmed_by is None:
        draft.units[identifier] = replace(unit, tried_by=entry.event.event_id)
        if identifier not in entry.open:
            draft.remember_tried(entry.event, identifier)
    for other in draft.entries_of(identifier):
        other.open[identifier] = replace(other.open[identifier], read_first=True)


# ---- sends ----------------------------------------------------------------------------------------------------------


def _of_send(draft: ShipmentDraft, send: UnitSend, answered: Answered) -> None:
    unit = draft.units.get(send.order_unit_id)
    if unit is None:
        return  # it is gone meanwhile, and so are its events
    match answered.reply:
        case Settled(answer=Taken()):
            draft.units[unit.order_unit_id] = _confirmed(unit, send, answered, draft.now_us)
        case Settled(answer=Refused() as refused):
            _mark(draft, unit, send.input_offset, refused=words_of(refused))
        case Settled(answer=Gone()):
            _unit_gone(draft, unit.order_unit_id)
        case Lost():
            draft.units[unit.order_unit_id] = _tried(unit, send, draft.now_us)
            _mark(draft, unit, send.input_offset)
        case GaveUp(reason=reason):  # and none of the attempts was carried out, or it would be lost
            _end(draft, _rows(draft, unit.order_unit_id, send.input_offset), unit.order_unit_id, _gave_up(reason))
        case Settled(answer=other):
            raise TypeError(f"a send is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _confirmed(unit: ShippedUnit, send: UnitSend, answered: Answered, now_us: int) -> ShippedUnit:
    """What left with a send before that was never heard of was not carried out: this one could not have been."""
    heard = tuple(parcel for parcel in unit.parcels if parcel.certain or not parcel.with_send)
    unit = replace(
        unit,
        status=UnitStatus.SENT,
        status_raw=None,
        checked_at_us=now_us,
        confirmed_by=send.event_id,
        tried_by=None,
        sent_at_us=answered.sent_us,
        parcels=heard,
    )
    return with_parcels(unit, *_sent_with(send, now_us, certain=True))


def _tried(unit: ShippedUnit, send: UnitSend, now_us: int) -> ShippedUnit:
    """The send may have been carried out."""
    if unit.confirmed_by is not None:
        return unit
    return with_parcels(replace(unit, tried_by=send.event_id), *_sent_with(send, now_us, certain=False))


def _sent_with(send: UnitSend, now_us: int, *, certain: bool) -> tuple[ParcelState, ...]:
    return tuple(
        ParcelState(
            tracking_number=number,
            carrier_code=send.carrier_code,
            added_by=send.event_id,
            added_at_us=now_us,
            with_send=True,
            certain=certain,
        )
        for number in send.tracking_numbers or (UNTRACKED,)
    )


def _mark(
    draft: ShipmentDraft, unit: ShippedUnit, input_offset: int, *, refused: MarketplaceWords | None = None
) -> None:
    """Nothing goes on for the event before the unit's status was read."""
    for entry in _rows(draft, unit.order_unit_id, input_offset):
        open_unit = entry.open[unit.order_unit_id]
        entry.open[unit.order_unit_id] = replace(open_unit, read_first=True, refused=refused)


# ---- parcels --------------------------------------------------------------------------------------------------------


def _of_post(draft: ShipmentDraft, post: ParcelPost, answered: Answered) -> None:
    unit, number = draft.units.get(post.order_unit_id), post.tracking_number
    if unit is None:
        return
    entries = [entry for entry in draft.entries_of(post.order_unit_id) if number in numbers_of(entry.event)]
    match answered.reply:
        case Settled(answer=Taken()):
            _note_parcel(draft, unit, number, post.carrier_code, post.event_id, certain=True)
        case Settled(answer=Refused() as refused):
            _parcel_refused(entries, post, words_of(refused))
        case Settled(answer=Gone()):
            _end(draft, entries, post.order_unit_id, _no_unit(draft, post.order_unit_id))
        case Lost():
            _note_parcel(draft, unit, number, post.carrier_code, post.event_id, certain=False)
        case GaveUp(reason=reason):
            _end(draft, entries, post.order_unit_id, _gave_up(reason))
        case Settled(answer=other):
            raise TypeError(f"a parcel is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _parcel_refused(entries: Iterable[ShipmentEntry], post: ParcelPost, words: MarketplaceWords) -> None:
    for entry in entries:
        open_unit = entry.open[post.order_unit_id]
        refused = (*open_unit.parcels_refused, post.tracking_number)
        entry.open[post.order_unit_id] = replace(open_unit, parcels_refused=refused, refused=words)


def _note_parcel(
    draft: ShipmentDraft, unit: ShippedUnit, number: str, carrier_code: str | None, event_id: str, *, certain: bool
) -> None:
    if find_parcel(unit, number) is None:
        noted = ParcelState(
            tracking_number=number,
            carrier_code=carrier_code,
            added_by=event_id,
            added_at_us=draft.now_us,
            with_send=False,
            certain=certain,
        )
        draft.units[unit.order_unit_id] = with_parcels(unit, noted)


# ---- reads ----------------------------------------------------------------------------------------------------------


def _of_order(draft: ShipmentDraft, answered: Answered) -> None:
    account, order_id = answered.want.account, draft.lane.order_id
    unread = [entry for entry in draft.entries if entry.is_unread and entry.event.account == account]
    match answered.reply:
        case Settled(answer=OrderSummaryFound() as found):
            _found(draft, found, account, unread)
        case Settled(answer=Gone() as gone):
            missing = coded(ShipmentStatus.NOT_FOUND, Code.ORDER_NOT_FOUND, order_id=order_id, account=account)
            for entry in unread:
                draft.end_all(entry, missing, _words_of_gone(gone))
        case Settled(answer=Refused() as refused):
            for entry in unread:
                draft.end_all(entry, _not_shown(f"order {order_id}", refused), words_of(refused))
        case GaveUp(reason=reason):
            for entry in unread:
                draft.end_all(entry, _gave_up(reason))
        case Lost():
            pass
        case Settled(answer=other):
            raise TypeError(f"a reading of an order is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _found(draft: ShipmentDraft, found: OrderSummaryFound, account: str, unread: Iterable[ShipmentEntry]) -> None:
    draft.account = account
    for shown in found.units:
        identifier = shown.order_unit_id
        draft.units[identifier] = read_now(draft.units.get(identifier), shown, draft.now_us)
    of_order = [shown.order_unit_id for shown in found.units]
    broken = None
    if found.unreadable is not None:
        broken = coded(
            ShipmentStatus.FAILED,
            Code.ORDER_UNITS_UNREADABLE,
            order_id=draft.lane.order_id,
            fault=f"{found.unreadable.fault} (sha256 {found.unreadable.sha256})",
        )
    for entry in sorted(
        unread, key=lambda one: not one.event.order_unit_ids
    ):  # who names a unit comes before who chooses
        if entry.event.order_unit_ids:
            _name(draft, entry, of_order, broken)
        elif broken is not None:
            draft.end_all(entry, broken)
        elif entry.event.items:
            match(draft, entry, found)
        else:
            _choose(draft, entry, of_order)


def _name(draft: ShipmentDraft, entry: ShipmentEntry, of_order: list[int], broken: CodedStatus | None) -> None:
    """The units that the event names. One that the order does not have may be another's: it is never sent."""
    entry.open = {unit.order_unit_id: unit for unit in opened(entry.event.order_unit_ids)}
    for identifier in entry.event.order_unit_ids:
        if identifier not in of_order:
            draft.end(entry, identifier, broken or _no_unit(draft, identifier))
    give_way(draft, entry)


def _choose(draft: ShipmentDraft, entry: ShipmentEntry, of_order: list[int]) -> None:
    """Every unit still to be sent, less what another event has taken on itself; none left: all that were sent."""
    still = [identifier for identifier in of_order if is_open(draft.units[identifier])]
    if draft.terms.policy.require_units and still and len(of_order) > 1:  # the last open unit may be another parcel's
        draft.end_all(entry, rejected(Code.ORDER_UNITS_NOT_NAMED, units=", ".join(map(str, of_order))))
        return
    free = [identifier for identifier in still if not draft.entries_of(identifier)]
    sent = [identifier for identifier in of_order if draft.units[identifier].status in SENT]
    meant = free or still or sent or of_order
    if not meant:
        missing = coded(
            ShipmentStatus.NOT_FOUND, Code.ORDER_NOT_FOUND, order_id=draft.lane.order_id, account=entry.event.account
        )
        draft.end_all(entry, missing)
        return
    entry.event = replace(entry.event, order_unit_ids=tuple(meant), nothing_left=not still)
    entry.open = {unit.order_unit_id: unit for unit in opened(meant)}


def _of_unit(draft: ShipmentDraft, identifier: int, answered: Answered) -> None:
    unit = draft.units.get(identifier)
    if unit is None:
        return
    match answered.reply:
        case Settled(answer=UnitFound(unit=shown)):
            draft.units[identifier] = read_now(unit, shown, draft.now_us)
            for entry in draft.entries_of(identifier):
                _was_read(entry, identifier, draft.units[identifier])
        case Settled(answer=Gone()):
            _unit_gone(draft, identifier)
        case Settled(answer=Refused() as refused):
            _not_read(draft, unit, _not_shown(f"order unit {identifier}", refused), words_of(refused))
        case GaveUp(reason=reason):
            _not_read(draft, unit, _gave_up(reason))
        case Lost():
            pass
        case Settled(answer=other):
            raise TypeError(f"a reading of a unit is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _was_read(entry: ShipmentEntry, identifier: int, unit: ShippedUnit) -> None:
    """A refusal of what was not ready says nothing about what is."""
    open_unit = replace(entry.open[identifier], read_first=False)
    if is_open(unit) and unit.status is not UnitStatus.NEED_TO_BE_SENT:
        open_unit = replace(open_unit, refused=None)
    entry.open[identifier] = open_unit


def _not_read(draft: ShipmentDraft, unit: ShippedUnit, why: CodedStatus, words: MarketplaceWords | None = None) -> None:
    """What cannot go on without its status ends; what only waits is asked for again later."""
    draft.units[unit.order_unit_id] = replace(unit, checked_at_us=draft.now_us)
    for entry in draft.entries_of(unit.order_unit_id):
        if entry.open[unit.order_unit_id].read_first:
            draft.end(entry, unit.order_unit_id, why, words)


def _of_carriers(draft: ShipmentDraft, answered: Answered) -> None:
    account, carriers = answered.want.account, draft.terms.carriers
    match answered.reply:
        case Settled(answer=CarriersFound(codes=codes)):
            carriers.learn(account, codes, draft.now_us)
        case Settled(answer=Refused() | Gone() as refused):
            if not carriers.not_learned(account, draft.now_us):
                draft.no_carriers = coded(
                    ShipmentStatus.FAILED,
                    Code.CARRIERS_REFUSED,
                    message=refused.message or f"HTTP {refused.http_status}",
                )
        case GaveUp(reason=reason):
            if not carriers.not_learned(account, draft.now_us):
                draft.no_carriers = _gave_up(reason)
        case Lost():
            pass
        case Settled(answer=other):
            raise TypeError(f"a reading of carriers is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


# ---- the small moves ------------------------------------------------------------------------------------------------


def _rows(draft: ShipmentDraft, identifier: int, input_offset: int) -> list[ShipmentEntry]:
    """The event that a call was made for, while its unit is open."""
    return [entry for entry in draft.entries_of(identifier) if entry.event.input_offset == input_offset]


def _end(draft: ShipmentDraft, entries: Iterable[ShipmentEntry], identifier: int, what: CodedStatus) -> None:
    for entry in entries:
        draft.end(entry, identifier, what)


def _note_call(draft: ShipmentDraft, identifier: int, input_offset: int, answered: Answered) -> None:
    for entry in _rows(draft, identifier, input_offset):
        open_unit = entry.open[identifier]
        entry.open[identifier] = replace(
            open_unit,
            call_ids=(*open_unit.call_ids, answered.call_id),
            attempts=open_unit.attempts + answered.attempts,
        )


def _unit_gone(draft: ShipmentDraft, identifier: int) -> None:
    _end(draft, draft.entries_of(identifier), identifier, _no_unit(draft, identifier))
    if draft.units[identifier].confirmed_by is None:
        del draft.units[identifier]


def _no_unit(draft: ShipmentDraft, identifier: int) -> CodedStatus:
    return coded(ShipmentStatus.NOT_FOUND, Code.ORDER_UNIT_NOT_FOUND, unit=identifier, order_id=draft.lane.order_id)


def _gave_up(reason: str) -> CodedStatus:
    return coded(ShipmentStatus.FAILED, Code.GAVE_UP, reason=reason)


def _not_shown(what: str, refused: Refused) -> CodedStatus:
    return coded(ShipmentStatus.FAILED, Code.ORDER_READ_REFUSED, what=what, message=refused.message)


def words_of(refused: Refused) -> MarketplaceWords:
    return MarketplaceWords(
        http_status=refused.http_status,
        type=refused.type,
        message=refused.message,
        errors=tuple(ProblemError(field=error.name, message=error.message) for error in refused.errors),
    )


def _words_of_gone(gone: Gone) -> MarketplaceWords:
    return MarketplaceWords(http_status=gone.http_status, message=gone.message or None)
