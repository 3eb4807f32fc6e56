"""Wants, calls, clocks and response bodies for the tests of the Kaufland adapter."""

import time
from typing import Any

from connector.marketplace.offers import Field, LookUp, Update
from streams.clock import uptime_s
from streams.flow import Call, Item, Now

EAN = "4006381333931"


class RealClock:
    """The machine's clock."""

    def now(self) -> Now:
        return Now(mono_s=uptime_s(), wall_us=time.time_ns() // 1000)


class WrongClock:
    """The clock of a machine whose wall clock is off by ``off_s`` seconds."""

    def __init__(self, off_s: float) -> None:
        self.off_s = off_s

    def now(self) -> Now:
        return Now(mono_s=uptime_s(), wall_us=time.time_ns() // 1000 + round(self.off_s * 1e6))


def unit(unit_id: int, **changed: Any) -> dict[str, Any]:
    """Returns a unit as the API returns it."""
    return {
        "id_unit": unit_id,
        "status": "AVAILABLE",
        "currency": "EUR",
        "condition": "NEW",
        "note": None,
        "listing_price": 1999,
        "minimum_price": 100,
        "price": 1999,
        "id_offer": f"sku-{unit_id}",
        "id_product": 1,
        "id_shipping_group": None,
        "id_warehouse": None,
        "amount": 7,
        "date_inserted_iso": "2026-01-01T00:00:00Z",
        "date_lastchange_iso": "2026-01-01T00:00:00Z",
        "handling_time": 2,
        "shipping_rate": 0,
        "storefront": "DE",
        "transport_time_min": 1,
        "transport_time_max": 2,
        "fulfillment_type": "fulfilled_by_merchant",
        "vat_indicator": "standard_rate",
        "manufacturer_guarantee_years": None,
        "is_live": True,
        **changed,
    }


def page(*units: dict[str, Any], total: int | None = None, offset: int = 0) -> dict[str, Any]:
    """Returns the body of a page of units; ``total``: of the whole list, by default the length of this page."""
    count = len(units) if total is None else total
    return {"data": list(units), "pagination": {"offset": offset, "limit": 100, "total": count}}


def update(unit_id: int, **values: int) -> Update:
    """Returns an update of a unit's fields: ``update(1, price=100, stock=0)``; without values, of the stock."""
    fields = {Field(name): value for name, value in (values or {"stock": 3}).items()}
    return Update(storefront="de", unit_id=unit_id, values=fields, event_ids=(f"e{unit_id}",), event_count=1)


def look_up(*conditions: str) -> LookUp:
    """Returns a look-up of ``EAN`` for these conditions."""
    return LookUp(storefront="de", ean=EAN, conditions=frozenset(conditions))


SOON_S = 60.0
"""A limit in seconds for a call that must end soon: ample on a busy machine, and much less than if the call hung."""


def call(*bodies: LookUp | Update, account: str = "main", deadline_s: float = 60.0, attempt: int = 1) -> Call:
    """Returns a call with these bodies, whose lease and deadline end in ``deadline_s``."""
    now_s = uptime_s()
    kind = "lookup" if isinstance(bodies[0], LookUp) else "update"
    return Call(
        id="call-1",
        account=account,
        kind=f"{kind}:de",
        items=tuple(Item(body=body, attempt=attempt) for body in bodies),
        send_by_s=now_s + deadline_s,
        give_up_at_s=now_s + deadline_s,
        tokens_left=3,
    )
