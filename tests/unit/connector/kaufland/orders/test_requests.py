"""Requests about orders and parcels: they conform to the API's document, or are not sent."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.http.exchange import ApiRequest, Unsendable
from connector.kaufland.orders import requests
from connector.marketplace.orders import (
    AddParcel,
    ReadOrder,
    ReadOrderUnit,
    SendUnit,
)
from tests.unit.connector.kaufland.api_document import request_schema

NUMBERS = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), min_size=1, max_size=30)
IDS = st.integers(1, 2**63 - 1)


def sent(request: ApiRequest) -> tuple[str, str, bytes]:
    return request.method, request.target, request.body


def test_a_send_names_its_parcels_in_one_text() -> None:
    body = SendUnit(order_unit_id=314567896580917, carrier_code="DPD Austria", tracking_numbers=("T1", "T2"))

    assert sent(requests.send(body)) == (
        "PATCH",
        "/order-units/314567896580917/send",
        b'{"tracking_numbers":"T1,T2","carrier_code":"DPD Austria"}',
    )


def test_a_carrier_without_tracking_is_sent_without_a_number() -> None:
    body = SendUnit(order_unit_id=1, carrier_code="Other", tracking_numbers=())

    assert orjson.loads(requests.send(body).body) == {"tracking_numbers": "", "carrier_code": "Other"}


def test_a_further_parcel_names_its_order_unit() -> None:
    body = AddParcel(order_unit_id=11, carrier_code="DHL", tracking_number="T3")

    assert sent(requests.parcel(body)) == (
        "POST",
        "/shipments",
        b'{"id_order_unit":11,"shipment_information":{"tracking_number":"T3","carrier_code":"DHL"}}',
    )


def test_reads_name_what_they_read_and_carry_no_body() -> None:
    assert sent(requests.order_unit(ReadOrderUnit(order_unit_id=11))) == ("GET", "/order-units/11", b"")
    assert sent(requests.order(ReadOrder(order_id="MB7UWLD"))) == ("GET", "/orders/MB7UWLD", b"")
    assert sent(requests.CARRIERS) == ("GET", "/carriers", b"")


@given(unit_id=IDS, numbers=st.lists(NUMBERS, max_size=4), carrier=NUMBERS)
def test_every_body_is_valid_by_the_apis_own_document(unit_id: int, numbers: list[str], carrier: str) -> None:
    send = requests.send(SendUnit(order_unit_id=unit_id, carrier_code=carrier, tracking_numbers=tuple(numbers)))
    parcel = requests.parcel(AddParcel(order_unit_id=unit_id, carrier_code=carrier, tracking_number="".join(numbers)))

    assert request_schema("OrderUnitSendRequest").is_valid(orjson.loads(send.body))
    assert request_schema("AddShipmentRequest").is_valid(orjson.loads(parcel.body))
    assert orjson.loads(send.body)["tracking_numbers"] == ",".join(numbers)


@pytest.mark.parametrize(
    "body",
    [
        SendUnit(order_unit_id=0, carrier_code="DHL", tracking_numbers=("T",)),
        SendUnit(order_unit_id=2**63, carrier_code="DHL", tracking_numbers=("T",)),
        SendUnit(order_unit_id=1, carrier_code="", tracking_numbers=("T",)),
        SendUnit(order_unit_id=1, carrier_code="DHL", tracking_numbers=("T", "")),
        SendUnit(order_unit_id=1, carrier_code="DHL", tracking_numbers=("secret,1",)),
        SendUnit(order_unit_id=1, carrier_code="DHL", tracking_numbers=("secret" * 50,)),
        SendUnit(order_unit_id=1, carrier_code="DHL", tracking_numbers=("secret\ud800",)),
    ],
)
def test_an_invalid_send_is_not_sent_and_not_quoted(body: SendUnit) -> None:
    with pytest.raises(Unsendable) as refused:
        requests.send(body)

    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "body",
    [
        AddParcel(order_unit_id=0, carrier_code="DHL", tracking_number="T"),
        AddParcel(order_unit_id=1, carrier_code="", tracking_number="T"),
        AddParcel(order_unit_id=1, carrier_code="DHL", tracking_number="secret,1"),
    ],
)
def test_an_invalid_parcel_is_not_sent_and_not_quoted(body: AddParcel) -> None:
    with pytest.raises(Unsendable) as refused:
        requests.parcel(body)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("order_id", ["", ".", "..", "A/B", "A?b=1", "A B", "Ä", "A\n", "A" * 65, "\ud800"])
def test_an_order_id_that_would_change_the_path_is_not_sent(order_id: str) -> None:
    with pytest.raises(Unsendable):
        requests.order(ReadOrder(order_id=order_id))


@given(order_id=st.text(max_size=70))
def test_an_order_id_is_sent_unchanged_or_not_at_all(order_id: str) -> None:
    try:
        target = requests.order(ReadOrder(order_id=order_id)).target
    except Unsendable:
        return

    assert target == f"/orders/{order_id}"
    assert target.isascii()
    assert set(target[8:]).isdisjoint("/?#%. ")
