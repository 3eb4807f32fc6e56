"""Bodies: requests hold changed fields only, as whole numbers; responses are read or refused, never guessed."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.offers import mapping
from connector.kaufland.offers.mapping import Unsendable
from connector.kaufland.reference import ReferenceData
from connector.marketplace.offers import Condition, Field, LookUp, Update
from tests.unit.connector.kaufland.wants import EAN, look_up, page, unit, update

REFERENCE = ReferenceData().current
DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[4] / "data/kaufland/openapi.json").read_text())
VALUES = st.fixed_dictionaries(
    {},
    optional={
        Field.PRICE: st.integers(1, 100_000_000),
        Field.STOCK: st.integers(0, 99_999),
        Field.HANDLING_TIME: st.integers(0, 100),
    },
).filter(bool)


def request_schema(name: str) -> Any:
    """Returns a validator for a schema of the API's document."""
    return jsonschema_rs.validator_for(
        {**DOCUMENT["components"]["schemas"][name], "components": DOCUMENT["components"]}
    )


@pytest.mark.parametrize(
    ("values", "data"),
    [
        ({"price": 1999}, {"listing_price": 1999}),
        ({"stock": 0}, {"amount": 0}),
        ({"handling_time": 0}, {"handling_time": 0}),
        (
            {"handling_time": 100, "stock": 99_999, "price": 1},
            {"listing_price": 1, "amount": 99_999, "handling_time": 100},
        ),
    ],
)
def test_a_body_holds_what_changed_and_no_other_field(values: dict[str, int], data: dict[str, int]) -> None:
    assert orjson.loads(mapping.patch(mapping.unit_change(update(4101, **values))).body) == data
    entries = orjson.loads(mapping.bulk("de", [mapping.unit_change(update(4101, **values))]).body)
    assert entries == [{"id_unit": 4101, "unit_data": data}]


@given(values=VALUES, unit_id=st.integers(1, 2**53))
def test_every_body_is_valid_by_the_apis_own_document(values: dict[Field, int], unit_id: int) -> None:
    want = Update(storefront="de", unit_id=unit_id, values=values)

    sent = orjson.loads(mapping.patch(mapping.unit_change(want)).body)
    entry = orjson.loads(mapping.bulk("de", [mapping.unit_change(want)]).body)[0]

    assert request_schema("UnitPatchRequest").is_valid(sent)
    assert request_schema("UnitsBulkUpdateRequest").is_valid(entry)
    assert set(sent) <= {"listing_price", "amount", "handling_time"}
    assert all(type(value) is int for value in sent.values())


@pytest.mark.parametrize(
    "values",
    [
        {},
        {Field.PRICE: 0},
        {Field.PRICE: -1},
        {Field.STOCK: -1},
        {Field.STOCK: 2**31},
        {Field.HANDLING_TIME: 101},
        {Field.STOCK: 1.0},
        {Field.STOCK: True},
    ],
)
def test_what_the_api_can_never_take_does_not_leave(values: dict[Field, int]) -> None:
    with pytest.raises(Unsendable):
        mapping.unit_change(Update(storefront="de", unit_id=1, values=values))


def test_the_storefront_travels_in_the_query() -> None:
    assert mapping.patch(mapping.unit_change(update(7, stock=1))).target == "/units/7?storefront=de"
    assert mapping.bulk("cz", [mapping.unit_change(update(7))]).target == "/units/bulk?storefront=cz"
    assert (
        mapping.look_up(look_up(), offset=100).target
        == f"/units?storefront=de&ean={EAN}&embedded=products&limit=100&offset=100"
    )
    assert mapping.look_up(look_up()).path == "/units"


def test_a_unit_is_read_with_its_values_in_the_smallest_unit() -> None:
    raw = unit(5, price=1800, product={"eans": [EAN]})
    read = mapping.read_page(orjson.dumps(page(raw)))
    assert read is not None

    (found,) = mapping.units_of(read, look_up(), REFERENCE)

    assert (found.unit_id, found.storefront, found.condition, found.offer_id) == (5, "de", Condition.NEW, "sku-5")
    assert found.values == {Field.PRICE: 1999, Field.STOCK: 7, Field.HANDLING_TIME: 2}
    assert (found.status, found.currency, found.eans) == ("AVAILABLE", "EUR", (EAN,))
    assert not found.fulfilled_by_marketplace


def test_words_that_we_do_not_know_pass_through_or_become_unknown() -> None:
    raw = unit(5, status="SLEEPING", currency="XAU", condition="SHINY", fulfillment_type="fulfilled_by_kaufland", x=1)
    read = mapping.read_page(orjson.dumps(page(raw)))
    assert read is not None

    (found,) = mapping.units_of(read, look_up(), REFERENCE)

    assert (found.status, found.currency, found.condition) == ("SLEEPING", "XAU", Condition.UNKNOWN)
    assert found.fulfilled_by_marketplace


ODD = st.sampled_from(["7", 7.5, True, [], {}, 2**70])
SIDE = {"listing_price": Field.PRICE, "amount": Field.STOCK, "handling_time": Field.HANDLING_TIME, "status": None}


@given(name=st.sampled_from(sorted(SIDE)), value=ODD)
def test_any_odd_side_field_of_a_unit_leaves_its_look_up_readable(name: str, value: Any) -> None:
    value = 7 if name == "status" and isinstance(value, str) else value

    listed = mapping.read_page(json.dumps(page(unit(4), unit(5, **{name: value}))).encode())

    assert listed is not None
    whole, odd = (mapping.unit_of(answer, "de", REFERENCE) for answer in listed.data)
    assert whole.values.keys() == set(Field)
    assert (odd.unit_id, odd.condition, odd.offer_id) == (5, Condition.NEW, "sku-5")
    assert odd.values.keys() == set(Field) - {SIDE[name]}


@pytest.mark.parametrize("status", [7, None, [], {"a": 1}])
def test_an_odd_status_in_the_answer_to_an_update_costs_nothing_and_an_odd_value_is_not_believed(status: Any) -> None:
    def bulk(**changed: Any) -> Any:
        entry = {"id_unit": 5, "status_code": 200, "unit": unit(5, **changed)}
        return mapping.read_bulk(json.dumps({"data": [entry]}).encode())

    alone = mapping.read_unit(json.dumps({"data": unit(5, status=status)}).encode())

    assert alone is not None
    assert (alone.status, alone.amount) == (None, 7)
    assert bulk(status=status)[5].unit == alone
    assert mapping.read_unit(json.dumps({"data": unit(5, amount="many")}).encode()) is None
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
def test_a_unit_of_another_storefront_or_product_is_not_believed(changed: dict[str, Any], believed: bool) -> None:
    read = mapping.read_page(orjson.dumps(page(unit(5, **changed))))
    assert read is not None

    assert bool(mapping.units_of(read, look_up(), REFERENCE)) is believed


@pytest.mark.parametrize(
    "bad",
    [{"id_unit": "5"}, {"id_unit": 0}, {"id_offer": 5}, {"condition": []}, {"storefront": 1}, {"product": 1}],
)
def test_a_page_with_a_unit_that_breaks_the_contract_is_not_read(bad: dict[str, Any]) -> None:
    assert mapping.read_page(orjson.dumps(page(unit(5, **bad)))) is None


def test_the_same_unit_answered_twice_and_differently_is_not_believed() -> None:
    entry = {"id_unit": 1, "status_code": 200, "unit": unit(1)}
    other = {"id_unit": 1, "status_code": 400, "message": "no", "errors": []}

    assert mapping.read_bulk(orjson.dumps({"data": [entry, other]})) == {1: None}
    twice = mapping.read_bulk(orjson.dumps({"data": [entry, entry]}))
    assert twice is not None
    assert twice[1] is not None


def test_an_error_names_our_field_or_keeps_the_marketplaces_name() -> None:
    error = mapping.read_error(
        b'{"type":"/problems/validation-error","message":"m","errors":'
        b'[{"field":"listing_price","message":"a"},{"field":"vat","message":"b"}]}'
    )
    assert error is not None

    price, vat = mapping.field_errors(error)

    assert (price.field, price.name, price.message) == (Field.PRICE, "listing_price", "a")
    assert (vat.field, vat.name, vat.message) == (None, "vat", "b")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["data", "id_unit", "status_code", "unit", "errors", "message", "type", "pagination", "total", "key"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(body=st.none() | st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v).encode()))
def test_no_body_is_too_strange_to_be_read_or_refused(body: bytes | None) -> None:
    mapping.read_page(body)
    mapping.read_unit(body)
    mapping.read_bulk(body)
    mapping.read_error(body)
    mapping.read_storefronts(body)


def test_a_look_up_body_of_another_storefront_keeps_its_own() -> None:
    assert "storefront=cz" in mapping.look_up(LookUp(storefront="cz", ean=EAN)).target


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
    assert mapping.listed(body) == count


@given(st.binary(max_size=40) | st.recursive(st.integers() | st.text(), st.lists).map(str).map(str.encode))
def test_whatever_is_answered_a_count_fits_into_the_call_log_or_is_none(body: bytes) -> None:
    assert (mapping.listed(body) or 0) in range(2**31)
