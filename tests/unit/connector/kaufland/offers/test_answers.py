"""Responses about offers are read or refused, never guessed."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.offers import answers
from connector.kaufland.reference import load_reference
from connector.marketplace.offers import Condition, Field
from tests.unit.connector.kaufland.wants import EAN, look_up, page, unit

REFERENCE = load_reference()


def test_a_unit_is_read_with_its_values_in_the_smallest_unit() -> None:
    raw = unit(5, price=1800, product={"eans": [EAN]})
    read = answers.read_page(orjson.dumps(page(raw)))
    assert read is not None

    (found,) = answers.units_of(read, look_up(), REFERENCE)

    assert (found.unit_id, found.storefront, found.condition, found.offer_id) == (5, "de", Condition.NEW, "sku-5")
    assert found.values == {Field.PRICE: 1999, Field.STOCK: 7, Field.HANDLING_TIME: 2}
    assert (found.status, found.currency, found.eans) == ("AVAILABLE", "EUR", (EAN,))
    assert not found.fulfilled_by_marketplace


def test_unknown_values_are_passed_on_or_become_unknown() -> None:
    raw = unit(5, status="SLEEPING", currency="XAU", condition="SHINY", fulfillment_type="fulfilled_by_kaufland", x=1)
    read = answers.read_page(orjson.dumps(page(raw)))
    assert read is not None

    (found,) = answers.units_of(read, look_up(), REFERENCE)

    assert (found.status, found.currency, found.condition) == ("SLEEPING", "XAU", Condition.UNKNOWN)
    assert found.fulfilled_by_marketplace


ODD = st.sampled_from(["7", 7.5, True, [], {}, 2**70])


SIDE = {"listing_price": Field.PRICE, "amount": Field.STOCK, "handling_time": Field.HANDLING_TIME, "status": None}


@given(name=st.sampled_from(sorted(SIDE)), value=ODD)
def test_any_odd_side_field_of_a_unit_leaves_its_look_up_readable(name: str, value: Any) -> None:
    value = 7 if name == "status" and isinstance(value, str) else value

    listed = answers.read_page(json.dumps(page(unit(4), unit(5, **{name: value}))).encode())

    assert listed is not None
    whole, odd = (answers.unit_of(answer, "de", REFERENCE) for answer in listed.data)
    assert whole.values.keys() == set(Field)
    assert (odd.unit_id, odd.condition, odd.offer_id) == (5, Condition.NEW, "sku-5")
    assert odd.values.keys() == set(Field) - {SIDE[name]}


@pytest.mark.parametrize("status", [7, None, [], {"a": 1}])
def test_an_invalid_status_in_an_update_response_is_ignored_and_an_invalid_value_not_used(status: Any) -> None:
    def bulk(**changed: Any) -> Any:
        entry = {"id_unit": 5, "status_code": 200, "unit": unit(5, **changed)}
        return answers.read_bulk(json.dumps({"data": [entry]}).encode())

    alone = answers.read_unit(json.dumps({"data": unit(5, status=status)}).encode())

    assert alone is not None
    assert (alone.status, alone.amount) == (None, 7)
    assert bulk(status=status)[5].unit == alone
    assert answers.read_unit(json.dumps({"data": unit(5, amount="many")}).encode()) is None
    assert bulk(amount="many") == {}


@pytest.mark.parametrize(
    ("changed", "believed"),
    [
        ({"storefront": "at"}, False),
        ({"storefront": "DE"}, True),
        ({"product": {"eans": ["4006381333948"]}}, False),
        ({"product": {"eans": ["04006381333931", "x"]}}, True),
        ({"product": {"eans": []}}, True),
        ({}, True),
    ],
)
def test_a_unit_of_another_storefront_or_product_is_ignored(changed: dict[str, Any], believed: bool) -> None:
    read = answers.read_page(orjson.dumps(page(unit(5, **changed))))
    assert read is not None

    assert bool(answers.units_of(read, look_up(), REFERENCE)) is believed


@pytest.mark.parametrize(
    "bad",
    [{"id_unit": "5"}, {"id_unit": 0}, {"id_offer": 5}, {"condition": []}, {"storefront": 1}, {"product": 1}],
)
def test_a_page_with_a_unit_that_breaks_the_contract_is_not_read(bad: dict[str, Any]) -> None:
    assert answers.read_page(orjson.dumps(page(unit(5, **bad)))) is None


def test_a_unit_with_two_contradictory_entries_is_not_used() -> None:
    entry = {"id_unit": 1, "status_code": 200, "unit": unit(1)}
    other = {"id_unit": 1, "status_code": 400, "message": "no", "errors": []}

    assert answers.read_bulk(orjson.dumps({"data": [entry, other]})) == {1: None}
    twice = answers.read_bulk(orjson.dumps({"data": [entry, entry]}))
    assert twice is not None
    assert twice[1] is not None


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'{"data": [], "pagination": {"total": 0}}', 0),
        (b'{"data": [{}], "pagination": {"total": 150}}', 150),
        (b'{"data": [{}, {}]}', 2),
        (b'{"pagination": {"total": 99999999999}}', None),
        (b'{"data": {}}', None),
        (b"[]", None),
        (b"{", None),
        (None, None),
    ],
)
def test_how_many_units_are_listed_is_the_marketplaces_own_count(body: bytes | None, count: int | None) -> None:
    assert answers.listed(body) == count


@given(st.binary(max_size=40) | st.recursive(st.integers() | st.text(), st.lists).map(str).map(str.encode))
def test_any_listed_count_fits_into_the_call_log_or_is_none(body: bytes) -> None:
    assert (answers.listed(body) or 0) in range(2**31)
