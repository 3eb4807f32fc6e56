"""Builds the results of order units that have ended. Pure."""

from collections.abc import Iterable, Iterator

from connector.shipments.carrier_tables import CarrierTables
from connector.shipments.events import ShipmentResult, ShippedUnit
from connector.shipments.ledger import ShipmentLane, find_parcel, is_open, numbers_of, unit_result_id
from connector.shipments.plan import UnitOutcome
from connector.shipments.policy import ShipmentTerms


def build(
    lane: ShipmentLane, end: UnitOutcome, terms: ShipmentTerms, carriers: CarrierTables, now_us: int
) -> ShipmentResult:
    """Returns the result of one order unit. ``lane`` is the lane after the turn, which tells the units still open."""
    event, calls = end.event, end.open_unit
    unit = next((one for one in lane.units if one.order_unit_id == end.order_unit_id), None)
    return ShipmentResult(
        result_id=unit_result_id(event, end.order_unit_id, lane.input_partition, terms),
        event_id=event.event_id,
        status=end.status,
        code=end.code,
        message=end.problem.message if end.problem is not None else None,
        advice=end.problem.advice if end.problem is not None else None,
        account=event.account or None,
        storefront=_storefront(lane, unit),
        order_id=lane.order_id,
        order_unit_id=end.order_unit_id,
        carrier_requested=_each_once(parcel.carrier for parcel in event.parcels),
        carrier_code=_each_once(_codes(end, unit, carriers)),
        tracking_numbers=numbers_of(event),
        units_open=tuple(sorted(one.order_unit_id for one in lane.units if is_open(one))),
        call_ids=calls.call_ids if calls is not None else (),
        attempts=calls.attempts if calls is not None else 0,
        answered_at_us=calls.answered_at_us if calls is not None else None,
        marketplace=end.words,
        input_topic=terms.topic,
        input_partition=lane.input_partition,
        input_offset=event.input_offset,
        occurred_at_us=event.occurred_at_us,
        received_at_us=event.received_at_us,
        decided_at_us=now_us,
    )


def _storefront(lane: ShipmentLane, unit: ShippedUnit | None) -> str | None:
    """Returns the storefront of the unit, or of any unit of the order: an order has one storefront."""
    if unit is not None:
        return unit.storefront
    return next((one.storefront for one in lane.units), None)


def _codes(end: UnitOutcome, unit: ShippedUnit | None, carriers: CarrierTables) -> Iterator[str]:
    """Yields the carrier code that each parcel was sent with or, if that is not known, would be sent with."""
    for parcel in end.event.parcels:
        known = find_parcel(unit, parcel.tracking_number or "") if unit is not None else None
        code = known.carrier_code if known is not None else None
        code = code or carriers.shown(end.event.account, parcel.carrier)
        if code is not None:
            yield code


def _each_once(names: Iterable[str]) -> str | None:
    """Joins the names, each once, by ", "; None if there are none."""
    return ", ".join(dict.fromkeys(filter(None, names))) or None
