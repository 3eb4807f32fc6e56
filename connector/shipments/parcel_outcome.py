"""Decides how an event ends on a unit that is sent and has all parcels of the event except refused ones. Pure."""

from collections.abc import Iterable

from connector.contracts.codes import Code
from connector.shipments.coded_status import CodedStatus, coded, rejected
from connector.shipments.events import OpenUnit, ParcelState, ShipmentStatus, ShippedUnit, UndoneShipment
from connector.shipments.ledger import carrier_of, find_parcel, parcels_of
from connector.shipments.policy import ShipmentPolicy


def outcome_of(
    unit: ShippedUnit, event: UndoneShipment, open_unit: OpenUnit, policy: ShipmentPolicy
) -> CodedStatus | ShipmentStatus:
    """Returns how the event ends: by its worst parcel, or as a success.

    From the worst: a parcel of unknown outcome, a refused one, an unverified one.
    """
    identifier = unit.order_unit_id
    parcels = [parcel for key in parcels_of(event) if (parcel := find_parcel(unit, key)) is not None]
    uncertain = [parcel for parcel in parcels if not parcel.certain]
    posted = ", ".join(parcel.tracking_number for parcel in uncertain if not parcel.with_send)
    if posted:
        return coded(
            ShipmentStatus.OUTCOME_UNKNOWN, Code.PARCEL_OUTCOME_UNKNOWN, tracking_number=posted, unit=identifier
        )
    if refused := open_unit.parcels_refused:
        words = open_unit.refused
        message = words.message if words is not None and words.message else "no reason given"
        return rejected(Code.PARCEL_REFUSED, unit=identifier, tracking_number=", ".join(refused), message=message)
    if uncertain:
        return coded(ShipmentStatus.CONFIRMED_TRACKING_UNVERIFIED, Code.TRACKING_UNVERIFIED, unit=identifier)
    if unit.confirmed_by == event.event_id:
        return _with_carriers(ShipmentStatus.CONFIRMED, event, parcels, policy)
    if any(parcel.added_by == event.event_id for parcel in parcels):
        return _with_carriers(ShipmentStatus.PARCEL_ADDED, event, parcels, policy)
    return ShipmentStatus.ALREADY_CONFIRMED


def _with_carriers(
    status: ShipmentStatus, event: UndoneShipment, parcels: Iterable[ParcelState], policy: ShipmentPolicy
) -> CodedStatus | ShipmentStatus:
    """Returns the success, with CARRIER_SENT_AS_OTHER if carriers were sent under the code for unknown ones."""
    unknown = {
        carrier: parcel.carrier_code
        for parcel in parcels
        if parcel.added_by == event.event_id and parcel.carrier_code is not None
        if policy.is_unknown(carrier := carrier_of(event, parcel.tracking_number), parcel.carrier_code)
    }
    if not unknown:
        return status
    return coded(
        status, Code.CARRIER_SENT_AS_OTHER, carrier=", ".join(unknown), code=", ".join(dict.fromkeys(unknown.values()))
    )
