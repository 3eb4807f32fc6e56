"""The digest of a state topic: it depends on what the events resulted in, but not on how or when."""

from dataclasses import replace
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from connector.offers.events import (
    Announced,
    Basis,
    Ended,
    FieldState,
    FieldStatus,
    LocationStock,
    Miss,
    OfferState,
    Undone,
    UndoneField,
    UnitState,
)
from connector.operations.digest import StateDigest, by_event_time, show

STOCK = FieldState(
    field="stock",
    value=Decimal("5.0000"),
    basis=Basis.ACCEPTED,
    event_time_us=1_000,
    sequence=7,
    event_id="e1",
    input_offset=12,
    accepted_at_us=2_000,
    certain=True,
)
PRICE = replace(STOCK, field="price", value=Decimal("19.99"), currency="EUR", event_id=None)
SEEN = FieldState(field="handling_time", value=Decimal(2), basis=Basis.OBSERVED, accepted_at_us=2_000, certain=True)
UNIT = UnitState(
    account="main",
    storefront="de",
    condition="NEW",
    unit_id=1,
    offer_id="a",
    unit_status="AVAILABLE",
    proved_at_us=1_500,
    fields=(STOCK, PRICE, SEEN),
)
LINKED = replace(
    UNIT, unit_id=2, storefront="at", fields=(replace(STOCK, event_time_us=1_000, sequence=None, input_offset=99),)
)
MISSED = Undone(
    result_id="r1",
    target_id="shop-de",
    condition="USED_GOOD",
    input_offset=13,
    occurred_at_us=1_100,
    received_at_us=2_100,
    since_us=2_100,
    fields=(UndoneField(field="stock", value=Decimal(3)), UndoneField(field="price", value=Decimal(4), currency="EUR")),
    announced=Announced.NOT_FOUND,
    times_seen=1,
)
STATE = OfferState(
    ean="4006381333931",
    managed=True,
    units=(UNIT,),
    undone=(MISSED,),
    input_partition=0,
    last_offset=13,
    updated_at_us=9,
)

BERLIN = LocationStock(
    target_id="shop-de", condition="NEW", location="Berlin", stock=4, occurred_at_us=1_000, input_offset=9
)
BREMEN = replace(BERLIN, location="Bremen", input_offset=10)
MISS = Miss(account="main", storefront="at", condition="", code="OFFER_NOT_FOUND", since_us=1, next_check_at_us=2)


def of(*states: OfferState | None) -> str:
    """Returns the digest of a state topic with these records; None is a tombstone."""
    digest = StateDigest(by_event_time)
    for state in states:
        digest.take(STATE.ean if state is None else state.ean, state)
    return digest.value()


def with_stock(**change: Any) -> OfferState:
    """Returns the state with attributes of its stock changed."""
    return replace(STATE, units=(replace(UNIT, fields=(replace(STOCK, **change), PRICE, SEEN)),))


@pytest.mark.parametrize(
    "later",
    [
        replace(STATE, updated_at_us=10),
        replace(STATE, units=(replace(UNIT, proved_at_us=7, unit_status="ONHOLD"),)),
        replace(STATE, units=(replace(UNIT, fields=(PRICE, STOCK)),)),
        replace(STATE, undone=(replace(MISSED, received_at_us=9, since_us=9, times_seen=4),)),
        replace(STATE, misses=(MISS,)),
        with_stock(accepted_at_us=9, basis=Basis.OBSERVED, certain=False, value=Decimal(5)),
        # the linked unit was looked up, too
        replace(STATE, units=(UNIT, replace(UNIT, unit_id=2, storefront="at", fields=(STOCK,)))),
        # the linked unit has an older event, wherever it is listed
        replace(STATE, units=(UNIT, LINKED)),
        replace(STATE, units=(LINKED, UNIT)),
    ],
)
def test_the_digest_ignores_how_and_when_the_state_was_made(later: OfferState) -> None:
    assert of(later) == of(STATE)


@pytest.mark.parametrize(
    "other",
    [
        with_stock(value=Decimal(6)),
        with_stock(event_time_us=1_001),
        with_stock(sequence=None),
        with_stock(input_offset=11),
        replace(STATE, units=(replace(UNIT, offer_id="b"),)),
        replace(STATE, units=(replace(UNIT, unit_id=2),)),
        replace(STATE, units=(replace(UNIT, account="other"),)),
        replace(STATE, undone=()),
        replace(STATE, undone=(replace(MISSED, result_id="r2"),)),
        replace(STATE, undone=(replace(MISSED, announced=Announced.NONE),)),
        replace(STATE, undone=(replace(MISSED, ended=(Ended(field="stock", status=FieldStatus.SUPERSEDED),)),)),
        replace(STATE, managed=False),
        replace(STATE, unmanaged_at_us=1),
        replace(STATE, ean="4006381333948"),
        replace(STATE, locations=(BERLIN,)),
    ],
)
def test_the_digest_covers_what_the_input_determines(other: OfferState) -> None:
    assert of(other) != of(STATE)


@pytest.mark.parametrize(
    "change",
    [{"stock": 5}, {"location": None}, {"occurred_at_us": 2}, {"sequence": 1}, {"input_offset": 8}, {"unit_id": 1}],
)
def test_the_digest_covers_stocks_of_locations_in_any_order(change: dict[str, Any]) -> None:
    assert of(replace(STATE, locations=(BERLIN, BREMEN))) == of(replace(STATE, locations=(BREMEN, BERLIN)))
    assert of(replace(STATE, locations=(replace(BERLIN, **change),))) != of(replace(STATE, locations=(BERLIN,)))


def test_the_newest_record_of_each_ean_counts_in_whatever_order_the_eans_come() -> None:
    other = replace(STATE, ean="4006381333948")

    assert of(with_stock(value=Decimal(6)), other, STATE) == of(STATE, other)
    assert of(STATE, other, None) == of(other)


def test_an_ean_of_which_only_look_ups_are_known_does_not_count() -> None:
    seen = replace(STATE, undone=(), units=(replace(UNIT, fields=(SEEN,)),))

    assert of(seen) == of()


def test_the_digest_and_the_number_of_eans_are_printed() -> None:
    said = StringIO()

    show(Console(file=said, width=200), [(STATE.ean, STATE), ("x", None)], by_event_time)

    assert said.getvalue() == f"{of(STATE)}  1 EAN\n"
