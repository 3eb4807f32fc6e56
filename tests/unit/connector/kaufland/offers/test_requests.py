"""Requests about offers: bodies hold changed fields only, as whole numbers."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.http.exchange import Unsendable
from connector.kaufland.offers import requests
from connector.marketplace.offers import Field, LookUp, Update
from tests.unit.connector.kaufland.api_document import request_schema
from tests.unit.connector.kaufland.wants import EAN, look_up, update

VALUES = st.fixed_dictionaries(
    {},
    optional={
        Field.PRICE: st.integers(1, 100_000_000),
        Field.STOCK: st.integers(0, 99_999),
        Field.HANDLING_TIME: st.integers(0, 100),
    },
).filter(bool)


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
    assert orjson.loads(requests.patch(requests.unit_change(update(4101, **values))).body) == data
    entries = orjson.loads(requests.bulk("de", [requests.unit_change(update(4101, **values))]).body)
    assert entries == [{"id_unit": 4101, "unit_data": data}]


@given(values=VALUES, unit_id=st.integers(1, 2**53))
def test_every_body_is_valid_by_the_apis_own_document(values: dict[Field, int], unit_id: int) -> None:
    want = Update(storefront="de", unit_id=unit_id, values=values)

    sent = orjson.loads(requests.patch(requests.unit_change(want)).body)
    entry = orjson.loads(requests.bulk("de", [requests.unit_change(want)]).body)[0]

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
def test_values_out_of_the_apis_bounds_are_not_sent(values: dict[Field, int]) -> None:
    with pytest.raises(Unsendable):
        requests.unit_change(Update(storefront="de", unit_id=1, values=values))


def test_the_storefront_travels_in_the_query() -> None:
    assert requests.patch(requests.unit_change(update(7, stock=1))).target == "/units/7?storefront=de"
    assert requests.bulk("cz", [requests.unit_change(update(7))]).target == "/units/bulk?storefront=cz"
    assert (
        requests.look_up(look_up(), offset=100).target
        == f"/units?storefront=de&ean={EAN}&embedded=products&limit=100&offset=100"
    )


def test_a_look_up_body_of_another_storefront_keeps_its_own() -> None:
    assert "storefront=cz" in requests.look_up(LookUp(storefront="cz", ean=EAN)).target
