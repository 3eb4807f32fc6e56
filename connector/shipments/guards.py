"""What a shipment event must be before anything of it may be sent: each rule with its code. Pure."""

from collections import Counter
from dataclasses import dataclass

from connector.contracts.codes import Code, explain
from connector.contracts.event_time import time_fault
from connector.contracts.problem import Problem
from connector.shipments.events import Parcel, ShipmentDispatched, ShipmentStatus, ShippedItem
from connector.shipments.policy import ShipmentPolicy, us

_SEPARATORS = frozenset(",;|")
"""What people part several numbers by. No carrier's number holds one; spaces and slashes may be in a number."""


@dataclass(frozen=True, slots=True)
class CodedStatus:
    """Why nothing is sent."""

    status: ShipmentStatus
    code: Code
    problem: Problem


def coded(status: ShipmentStatus, code: Code, /, **values: object) -> CodedStatus:
    return CodedStatus(status, code, explain(code, **values))


def rejected(code: Code, /, **values: object) -> CodedStatus:
    return coded(ShipmentStatus.REJECTED, code, **values)


def account_of(event: ShipmentDispatched, policy: ShipmentPolicy) -> str:
    """The account that an event is for; empty where nothing says."""
    return event.account or policy.only_account or ""


def check(event: ShipmentDispatched, policy: ShipmentPolicy, now_us: int) -> CodedStatus | None:
    if not event.order_id:
        return rejected(Code.ORDER_ID_MISSING)
    if event.key != event.order_id:
        return rejected(Code.KEY_CONTRADICTS_ORDER, key=event.key, order_id=event.order_id)
    limit_us = us(policy.future_limit_s)
    if doubt := time_fault(event.occurred_at_us, event.record_time_us, limit_us=limit_us, now_us=now_us):
        return CodedStatus(ShipmentStatus.REJECTED, *doubt)
    return check_account(account_of(event, policy), policy) or _content_fault(event)


def check_account(account: str, policy: ShipmentPolicy) -> CodedStatus | None:
    """Asked at each turn: the configuration may have changed while an event waited."""
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
    """An item in a person's words: ``2 of offer AB-120``."""
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
