"""Rows of the output topics from few values: results of events, states, calls."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from connector.contracts.call_log_row import CallItem, MarketplaceCalled
from connector.contracts.problem import Problem
from connector.offers.events import (
    Basis,
    DriftAction,
    DriftCause,
    FieldResult,
    FieldState,
    FieldStatus,
    OfferDrifted,
    OfferResult,
    OfferState,
    Origin,
    Sent,
    Status,
    UnitState,
)
from connector.reconciliation.events import UnitObserved

EAN = "4006381333931"
UNIT = 1_000_004
MINUTE_US = 60_000_000
BASE_US = 1_769_839_200_000_000  # 2026-01-31T06:00:00Z


def field_result(field: str, status: str, requested: str, **more: Any) -> FieldResult:
    """``more``: further attributes; numbers as texts."""
    values: dict[str, Any] = {
        name: Decimal(value) if name in ("before", "sent") else value for name, value in more.items()
    }
    return FieldResult(
        field=field,
        status=FieldStatus(status),
        requested=Decimal(requested),
        currency="EUR" if field == "price" else None,
        **values,
    )


def sent(at_us: int, *call_ids: str, answered_us: int | None = None, **more: Any) -> Sent:
    """Returns what a result tells of its calls, answered 40 ms after the last one left."""
    return Sent(
        **{
            "account": "demo",
            "storefront": "de",
            "offer_id": "SKU-1",
            "call_ids": call_ids,
            "attempts": len(call_ids),
            "sent_at_us": at_us,
            "answered_at_us": at_us + 40_000 if answered_us is None else answered_us,
            "unit_status": "AVAILABLE",
            **more,
        }
    )


def result(offset: int, status: str, *fields: FieldResult, **more: Any) -> OfferResult:
    """Returns the result of the event at an offset of partition 3, received ``offset`` minutes after BASE_US."""
    received_us = BASE_US + offset * MINUTE_US
    given = {
        "result_id": result_id(offset),
        "event_id": str(offset),
        "origin": Origin.LIVE,
        "ean": EAN,
        "target_id": "shop-de",
        "condition": "NEW",
        "unit_id": UNIT,
        "input_topic": "kaufland.offer-changes.v1",
        "input_partition": 3,
        "input_offset": offset,
        "occurred_at_us": received_us - 1_000_000,
        "received_at_us": received_us,
        "decided_at_us": received_us + 1_000_000,
        **more,
    }
    return OfferResult(status=Status(status), fields=fields, **given)


def result_id(offset: int) -> str:
    return f"00000000-0000-5000-8000-{offset:012d}"


def state(fields: Iterable[FieldState], **more: Any) -> OfferState:
    """Returns the state with one unit that has these facts."""
    unit = UnitState(
        account="demo",
        storefront="de",
        condition="NEW",
        unit_id=UNIT,
        offer_id="SKU-1",
        unit_status="AVAILABLE",
        proved_at_us=BASE_US,
        fields=tuple(fields),
    )
    given: Mapping[str, Any] = {
        "ean": EAN,
        "managed": True,
        "units": (unit,),
        "input_partition": 3,
        "last_offset": 100,
        "updated_at_us": BASE_US + 100 * MINUTE_US,
        **more,
    }
    return OfferState(**given)


def fact(field: str, value: str, *, offset: int | None, at_us: int, **more: Any) -> FieldState:
    """Returns what is known of a field; ``offset``: of the event that it was accepted for."""
    given = {
        "basis": Basis.OBSERVED if offset is None else Basis.ACCEPTED,
        "event_id": None if offset is None else str(offset),
        "input_offset": offset,
        "accepted_at_us": at_us,
        "certain": True,
        "currency": "EUR" if field == "price" else None,
        **more,
    }
    return FieldState(field=field, value=Decimal(value), **given)


def call(call_id: str, at_us: int, **more: Any) -> MarketplaceCalled:
    """Returns the row of an update of the unit that was accepted after 40 ms."""
    given = {
        "account": "demo",
        "storefront": "de",
        "kind": "update:de",
        "method": "PATCH",
        "path": f"/v2/units/{UNIT}?storefront=de",
        "attempt": 1,
        "sent_at_us": at_us,
        "answered_at_us": at_us + 40_000,
        "duration_us": 40_000,
        "http_status": 200,
        "outcome": "ok",
        "tokens_left": 99,
        "request_sha256": "0" * 64,
        "items": (CallItem(unit_id=UNIT, status_code=200),),
        "instance_id": "connector-0",
        **more,
    }
    return MarketplaceCalled(call_id=call_id, **given)


def swept(minute: float = 90, **more: Any) -> UnitObserved:
    """Returns what a sweep that began so many minutes after BASE_US saw of the unit."""
    at_us = BASE_US + int(minute * MINUTE_US)
    given = {
        "ean": EAN,
        "account": "demo",
        "storefront": "de",
        "unit_id": UNIT,
        "condition": "NEW",
        "offer_id": "SKU-1",
        "status": "AVAILABLE",
        "is_live": True,
        "price": Decimal("15.00"),
        "currency": "EUR",
        "stock": 5,
        "handling_time_days": 2,
        "requested_at_us": at_us + 1_000_000,
        "observed_at_us": at_us + 1_040_000,
        "sweep_at_us": at_us,
        **more,
    }
    return UnitObserved(**given)


def drifted(seen: UnitObserved, accepted: str, **more: Any) -> OfferDrifted:
    """Returns the drift of the price that a sweep saw from one accepted at minute 22."""
    given = {
        "drift_id": f"00000000-0000-5000-9000-{seen.sweep_at_us:020d}",
        "ean": seen.ean,
        "account": seen.account,
        "storefront": seen.storefront,
        "unit_id": seen.unit_id,
        "condition": seen.condition,
        "offer_id": seen.offer_id,
        "field": "price",
        "currency": "EUR",
        "accepted_value": Decimal(accepted),
        "accepted_event_at_us": BASE_US + 22 * MINUTE_US,
        "accepted_event_id": "22",
        "accepted_at_us": BASE_US + 22 * MINUTE_US,
        "observed_value": seen.price,
        "requested_at_us": seen.requested_at_us,
        "observed_at_us": seen.observed_at_us,
        "sweep_at_us": seen.sweep_at_us,
        "cause": DriftCause.EDITED_OUTSIDE,
        "action": DriftAction.REPORTED,
        "detected_at_us": seen.observed_at_us + 200_000,
        **more,
    }
    return OfferDrifted(**given)


def problem(message: str, advice: str) -> Problem:
    return Problem(message=message, advice=advice)
