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
from connector.shipments.decide import Desk, Row
from connector.shipments.events import (
    MarketplaceWords,
    ParcelState,
    ShipmentStatus,
    ShippedUnit,
)
from connector.shipments.guards import Fault, fault, rejected
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


def learn(desk: Desk, answered: Answered) -> None:
    match answered.want.body:
        case UnitSend() as send:
            _note_call(desk, send.order_unit_id, send.input_offset, answered)
            _of_send(desk, send, answered)
        case ParcelPost() as post:
            _note_call(desk, post.order_unit_id, post.input_offset, answered)
            _of_post(desk, post, answered)
        case ReadOrderSummary():
            _of_order(desk, answered)
        case ReadOrderUnit() as look:
            _of_unit(desk, look.order_unit_id, answered)
        case ReadCarriers():
            _of_carriers(desk, answered)
        case other:
            raise TypeError(f"a shipment lane never wants {other!r}")


def restored(desk: Desk, announced: Iterable[str]) -> None:
    """A new owner: what the one before announced and did not hear of may have been carried out."""
    slots = frozenset(announced)
    for row in desk.rows:
        for order_unit_id in desk.units:  # also of one for which units are being chosen anew
            if send_slot(order_unit_id, row.event.input_offset) in slots:
                _may_have_been_sent(desk, row, order_unit_id)
            for number in numbers_of(row.event):
                if parcel_slot(order_unit_id, number) in slots:
                    _note_parcel(desk, desk.units[order_unit_id], number, None, row.event.event_id, certain=False)


def _may_have_been_sent(desk: Desk, row: Row, identifier: int) -> None:
    unit = desk.units[identifier]
    if unit.confirmed_by is None:
        desk.units[identifier] = replace(unit, tried_by=row.event.event_id)
        if identifier not in row.open:
            desk.remember_tried(row.event, identifier)
    for other in desk.rows_of(identifier):
        other.open[identifier] = replace(other.open[identifier], read_first=True)


# ---- sends ----------------------------------------------------------------------------------------------------------


def _of_send(desk: Desk, send: UnitSend, answered: Answered) -> None:
    unit = desk.units.get(send.order_unit_id)
    if unit is None:
        return  # it is gone meanwhile, and so are its events
    match answered.reply:
        case Settled(answer=Taken()):
            desk.units[unit.order_unit_id] = _confirmed(unit, send, answered, desk.now_us)
        case Settled(answer=Refused() as refused):
            _mark(desk, unit, send.input_offset, refused=words_of(refused))
        case Settled(answer=Gone()):
            _unit_gone(desk, unit.order_unit_id)
        case Lost():
            desk.units[unit.order_unit_id] = _tried(unit, send, desk.now_us)
            _mark(desk, unit, send.input_offset)
        case GaveUp(reason=reason):  # and none of the attempts was carried out, or it would be lost
            _end(desk, _rows(desk, unit.order_unit_id, send.input_offset), unit.order_unit_id, _gave_up(reason))
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


def _mark(desk: Desk, unit: ShippedUnit, input_offset: int, *, refused: MarketplaceWords | None = None) -> None:
    """Nothing goes on for the event before the unit's status was read."""
    for row in _rows(desk, unit.order_unit_id, input_offset):
        open_unit = row.open[unit.order_unit_id]
        row.open[unit.order_unit_id] = replace(open_unit, read_first=True, refused=refused)


# ---- parcels --------------------------------------------------------------------------------------------------------


def _of_post(desk: Desk, post: ParcelPost, answered: Answered) -> None:
    unit, number = desk.units.get(post.order_unit_id), post.tracking_number
    if unit is None:
        return
    rows = [row for row in desk.rows_of(post.order_unit_id) if number in numbers_of(row.event)]
    match answered.reply:
        case Settled(answer=Taken()):
            _note_parcel(desk, unit, number, post.carrier_code, post.event_id, certain=True)
        case Settled(answer=Refused() as refused):
            _parcel_refused(rows, post, words_of(refused))
        case Settled(answer=Gone()):
            _end(desk, rows, post.order_unit_id, _no_unit(desk, post.order_unit_id))
        case Lost():
            _note_parcel(desk, unit, number, post.carrier_code, post.event_id, certain=False)
        case GaveUp(reason=reason):
            _end(desk, rows, post.order_unit_id, _gave_up(reason))
        case Settled(answer=other):
            raise TypeError(f"a parcel is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _parcel_refused(rows: Iterable[Row], post: ParcelPost, words: MarketplaceWords) -> None:
    for row in rows:
        open_unit = row.open[post.order_unit_id]
        refused = (*open_unit.parcels_refused, post.tracking_number)
        row.open[post.order_unit_id] = replace(open_unit, parcels_refused=refused, refused=words)


def _note_parcel(
    desk: Desk, unit: ShippedUnit, number: str, carrier_code: str | None, event_id: str, *, certain: bool
) -> None:
    if find_parcel(unit, number) is None:
        noted = ParcelState(
            tracking_number=number,
            carrier_code=carrier_code,
            added_by=event_id,
            added_at_us=desk.now_us,
            with_send=False,
            certain=certain,
        )
        desk.units[unit.order_unit_id] = with_parcels(unit, noted)


# ---- reads ----------------------------------------------------------------------------------------------------------


def _of_order(desk: Desk, answered: Answered) -> None:
    account, order_id = answered.want.account, desk.lane.order_id
    unread = [row for row in desk.rows if row.is_unread and row.event.account == account]
    match answered.reply:
        case Settled(answer=OrderSummaryFound() as found):
            _found(desk, found, account, unread)
        case Settled(answer=Gone() as gone):
            missing = fault(ShipmentStatus.NOT_FOUND, Code.ORDER_NOT_FOUND, order_id=order_id, account=account)
            for row in unread:
                desk.end_all(row, missing, _words_of_gone(gone))
        case Settled(answer=Refused() as refused):
            for row in unread:
                desk.end_all(row, _not_shown(f"order {order_id}", refused), words_of(refused))
        case GaveUp(reason=reason):
            for row in unread:
                desk.end_all(row, _gave_up(reason))
        case Lost():
            pass
        case Settled(answer=other):
            raise TypeError(f"a reading of an order is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _found(desk: Desk, found: OrderSummaryFound, account: str, unread: Iterable[Row]) -> None:
    desk.account = account
    for shown in found.units:
        identifier = shown.order_unit_id
        desk.units[identifier] = read_now(desk.units.get(identifier), shown, desk.now_us)
    of_order = [shown.order_unit_id for shown in found.units]
    broken = None
    if found.unreadable is not None:
        broken = fault(
            ShipmentStatus.FAILED,
            Code.ORDER_UNITS_UNREADABLE,
            order_id=desk.lane.order_id,
            fault=f"{found.unreadable.fault} (sha256 {found.unreadable.sha256})",
        )
    for row in sorted(
        unread, key=lambda one: not one.event.order_unit_ids
    ):  # who names a unit comes before who chooses
        if row.event.order_unit_ids:
            _name(desk, row, of_order, broken)
        elif broken is not None:
            desk.end_all(row, broken)
        elif row.event.items:
            match(desk, row, found)
        else:
            _choose(desk, row, of_order)


def _name(desk: Desk, row: Row, of_order: list[int], broken: Fault | None) -> None:
    """The units that the event names. One that the order does not have may be another's: it is never sent."""
    row.open = {unit.order_unit_id: unit for unit in opened(row.event.order_unit_ids)}
    for identifier in row.event.order_unit_ids:
        if identifier not in of_order:
            desk.end(row, identifier, broken or _no_unit(desk, identifier))
    give_way(desk, row)


def _choose(desk: Desk, row: Row, of_order: list[int]) -> None:
    """Every unit still to be sent, less what another event has taken on itself; none left: all that were sent."""
    still = [identifier for identifier in of_order if is_open(desk.units[identifier])]
    if desk.terms.policy.require_units and still and len(of_order) > 1:  # the last open unit may be another parcel's
        desk.end_all(row, rejected(Code.ORDER_UNITS_NOT_NAMED, units=", ".join(map(str, of_order))))
        return
    free = [identifier for identifier in still if not desk.rows_of(identifier)]
    sent = [identifier for identifier in of_order if desk.units[identifier].status in SENT]
    meant = free or still or sent or of_order
    if not meant:
        missing = fault(
            ShipmentStatus.NOT_FOUND, Code.ORDER_NOT_FOUND, order_id=desk.lane.order_id, account=row.event.account
        )
        desk.end_all(row, missing)
        return
    row.event = replace(row.event, order_unit_ids=tuple(meant), nothing_left=not still)
    row.open = {unit.order_unit_id: unit for unit in opened(meant)}


def _of_unit(desk: Desk, identifier: int, answered: Answered) -> None:
    unit = desk.units.get(identifier)
    if unit is None:
        return
    match answered.reply:
        case Settled(answer=UnitFound(unit=shown)):
            desk.units[identifier] = read_now(unit, shown, desk.now_us)
            for row in desk.rows_of(identifier):
                _was_read(row, identifier, desk.units[identifier])
        case Settled(answer=Gone()):
            _unit_gone(desk, identifier)
        case Settled(answer=Refused() as refused):
            _not_read(desk, unit, _not_shown(f"order unit {identifier}", refused), words_of(refused))
        case GaveUp(reason=reason):
            _not_read(desk, unit, _gave_up(reason))
        case Lost():
            pass
        case Settled(answer=other):
            raise TypeError(f"a reading of a unit is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _was_read(row: Row, identifier: int, unit: ShippedUnit) -> None:
    """A refusal of what was not ready says nothing about what is."""
    open_unit = replace(row.open[identifier], read_first=False)
    if is_open(unit) and unit.status is not UnitStatus.NEED_TO_BE_SENT:
        open_unit = replace(open_unit, refused=None)
    row.open[identifier] = open_unit


def _not_read(desk: Desk, unit: ShippedUnit, why: Fault, words: MarketplaceWords | None = None) -> None:
    """What cannot go on without its status ends; what only waits is asked for again later."""
    desk.units[unit.order_unit_id] = replace(unit, checked_at_us=desk.now_us)
    for row in desk.rows_of(unit.order_unit_id):
        if row.open[unit.order_unit_id].read_first:
            desk.end(row, unit.order_unit_id, why, words)


def _of_carriers(desk: Desk, answered: Answered) -> None:
    account, carriers = answered.want.account, desk.terms.carriers
    match answered.reply:
        case Settled(answer=CarriersFound(codes=codes)):
            carriers.learn(account, codes, desk.now_us)
        case Settled(answer=Refused() | Gone() as refused):
            if not carriers.not_learned(account, desk.now_us):
                desk.no_carriers = fault(
                    ShipmentStatus.FAILED,
                    Code.CARRIERS_REFUSED,
                    message=refused.message or f"HTTP {refused.http_status}",
                )
        case GaveUp(reason=reason):
            if not carriers.not_learned(account, desk.now_us):
                desk.no_carriers = _gave_up(reason)
        case Lost():
            pass
        case Settled(answer=other):
            raise TypeError(f"a reading of carriers is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


# ---- the small moves ------------------------------------------------------------------------------------------------


def _rows(desk: Desk, identifier: int, input_offset: int) -> list[Row]:
    """The event that a call was made for, while its unit is open."""
    return [row for row in desk.rows_of(identifier) if row.event.input_offset == input_offset]


def _end(desk: Desk, rows: Iterable[Row], identifier: int, what: Fault) -> None:
    for row in rows:
        desk.end(row, identifier, what)


def _note_call(desk: Desk, identifier: int, input_offset: int, answered: Answered) -> None:
    for row in _rows(desk, identifier, input_offset):
        open_unit = row.open[identifier]
        row.open[identifier] = replace(
            open_unit,
            call_ids=(*open_unit.call_ids, answered.call_id),
            attempts=open_unit.attempts + answered.attempts,
        )


def _unit_gone(desk: Desk, identifier: int) -> None:
    _end(desk, desk.rows_of(identifier), identifier, _no_unit(desk, identifier))
    if desk.units[identifier].confirmed_by is None:
        del desk.units[identifier]


def _no_unit(desk: Desk, identifier: int) -> Fault:
    return fault(ShipmentStatus.NOT_FOUND, Code.ORDER_UNIT_NOT_FOUND, unit=identifier, order_id=desk.lane.order_id)


def _gave_up(reason: str) -> Fault:
    return fault(ShipmentStatus.FAILED, Code.GAVE_UP, reason=reason)


def _not_shown(what: str, refused: Refused) -> Fault:
    return fault(ShipmentStatus.FAILED, Code.ORDER_READ_REFUSED, what=what, message=refused.message)


def words_of(refused: Refused) -> MarketplaceWords:
    return MarketplaceWords(
        http_status=refused.http_status,
        type=refused.type,
        message=refused.message,
        errors=tuple(ProblemError(field=error.name, message=error.message) for error in refused.errors),
    )


def _words_of_gone(gone: Gone) -> MarketplaceWords:
    return MarketplaceWords(http_status=gone.http_status, message=gone.message or None)
