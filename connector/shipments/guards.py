"""Validates shipment events before anything is sent; each rule has a code. Pure."""

from collections import Counter

from connector.contracts.codes import Code
from connector.contracts.event_time import time_fault
from connector.contracts.microseconds import us
from connector.shipments.coded_status import CodedStatus, coded, rejected
from connector.shipments.events import Parcel, ShipmentDispatched, ShipmentStatus, ShippedItem
from connector.shipments.policy import ShipmentPolicy

_SEPARATORS = frozenset(",;|")
"""Characters that separate several numbers in one field. No carrier uses them; numbers may hold spaces and slashes."""


def account_of(event: ShipmentDispatched, policy: ShipmentPolicy) -> str:
    """Returns the event's account, or the only configured one if it names none; empty if there are several."""
    return event.account or policy.only_account or ""


def check(event: ShipmentDispatched, policy: ShipmentPolicy, now_us: int) -> CodedStatus | None:
    """Returns why an event must not be sent; None if it may."""
    if not event.order_id:
        return rejected(Code.ORDER_ID_MISSING)
    if event.key != event.order_id:
        return rejected(Code.KEY_CONTRADICTS_ORDER, key=event.key, order_id=event.order_id)
    limit_us = us(policy.future_limit_s)
    if doubt := time_fault(event.occurred_at_us, event.record_time_us, limit_us=limit_us, now_us=now_us):
        return CodedStatus(ShipmentStatus.REJECTED, *doubt)
    return check_account(account_of(event, policy), policy) or _content_fault(event)


def check_account(account: str, policy: ShipmentPolicy) -> CodedStatus | None:
    """Returns why nothing may be sent for an account; None if it may.

    Checked at each turn, because the settings may have changed while an event waited.
    """
    known = ", ".join(sorted(policy.accounts))
    if not account:
        return rejected(Code.ACCOUNT_MISSING, known=known)
    if account not in policy.accounts:
        return rejected(Code.ACCOUNT_UNKNOWN, account=account, known=known)
    if account in policy.disabled:
        return coded(ShipmentStatus.SUPPRESSED, Code.SHIPMENTS_DISABLED, account=account)
    return None


def _content_fault(event: ShipmentDispatched) -> CodedStatus | None:
    if event.order_unit_ids and event.items:
        return rejected(Code.ITEMS_BESIDE_UNITS)
    repeated = sorted(identifier for identifier, times in Counter(event.order_unit_ids).items() if times > 1)
    if repeated:
        return rejected(Code.ORDER_UNITS_REPEATED, units=", ".join(map(str, repeated)))
    if (found := next(filter(None, map(_item_fault, event.items)), None)) is not None:
        return found
    if not event.parcels:
        return rejected(Code.PARCELS_MISSING)
    if len(event.parcels) > 1 and any(parcel.no_tracking for parcel in event.parcels):
        return rejected(Code.UNTRACKED_PARCEL_NOT_ALONE)
    return next(filter(None, map(_parcel_fault, event.parcels)), None)


def _item_fault(item: ShippedItem) -> CodedStatus | None:
    if not item.offer_id and not item.ean:
        return rejected(Code.ITEM_INVALID, item=item_text(item), reason="it names neither offer_id nor ean")
    if item.quantity < 1:
        return rejected(Code.ITEM_INVALID, item=item_text(item), reason="the quantity is below 1")
    return None


def item_text(item: ShippedItem) -> str:
    """Returns an item for messages, such as ``2 of offer AB-120``."""
    which = (f"offer {item.offer_id}" if item.offer_id else "", f"EAN {item.ean}" if item.ean else "")
    return f"{item.quantity} of {', '.join(filter(None, which)) or 'nothing'}"


def _parcel_fault(parcel: Parcel) -> CodedStatus | None:
    number = (parcel.tracking_number or "").strip()
    if parcel.no_tracking:
        return rejected(Code.TRACKING_NUMBER_CONTRADICTED, tracking_number=repr(number)) if number else None
    if not number:
        return rejected(Code.TRACKING_NUMBER_MISSING, carrier=parcel.carrier)
    if not _SEPARATORS.isdisjoint(number) or not number.isprintable():
        return rejected(Code.TRACKING_NUMBER_INVALID, tracking_number=repr(number))
    return None
