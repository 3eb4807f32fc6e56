"""Chooses the marketplace's carrier code for each parcel of an event, by the account's carrier table. Pure."""

from connector.contracts.codes import Code
from connector.shipments.carrier_tables import CarrierTables, Unmatched
from connector.shipments.coded_status import CodedStatus, rejected
from connector.shipments.events import UndoneShipment
from connector.shipments.ledger import UNTRACKED, carrier_of, parcels_of
from connector.shipments.policy import ShipmentPolicy


def carrier_codes(
    event: UndoneShipment, carriers: CarrierTables, policy: ShipmentPolicy, now_us: int
) -> dict[str, str] | CodedStatus | None:
    """Returns carrier codes by tracking number, or why a parcel cannot be sent.

    None: the carriers must be read first.
    """
    codes: dict[str, str] = {}
    for number in parcels_of(event):
        name = carrier_of(event, number)
        code = carriers.code(event.account, name, now_us)
        if code is Unmatched.NOT_YET:
            return None
        if code is Unmatched.UNKNOWN:
            return rejected(Code.CARRIER_UNKNOWN, carrier=name or "(none)")
        if number == UNTRACKED and not policy.may_go_untracked(code):
            allowed = ", ".join(sorted(policy.untracked_carriers)) or "none"
            return rejected(Code.TRACKING_NUMBER_REQUIRED, carrier=name, code=code, allowed=allowed)
        codes[number] = code
    return codes
