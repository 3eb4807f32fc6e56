"""Encoding and decoding of the shipment flow's messages."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from connector.contracts.codec import KeyFault, SchemaIds
from connector.contracts.codes import Code
from connector.marketplace.orders import UnitStatus
from connector.shipments.codec import ShipmentCodecs
from connector.shipments.events import (
    MarketplaceWords,
    OpenUnit,
    Parcel,
    ParcelState,
    SeenShipment,
    ShipmentDispatched,
    ShipmentState,
    ShippedItem,
    ShippedUnit,
    UndoneShipment,
)
from connector.shipments.producer_kit import ShipmentKit
from streams.avro.codec import DecodeErrorCode, encoder, frame
from streams.flow import Assignment, BadRecord, NotYet, Record
from tests.harness.shipment_harness import IDS, ORDER, START_US
from tests.unit.schemas.data import TEXTS, library_bytes, values

DISPATCHED, STRING, DISPATCHED_V1 = 7, 8, 9
KNOWN = {
    DISPATCHED: schemas.text("shipment_dispatched", 2),
    DISPATCHED_V1: schemas.text("shipment_dispatched", 1),
    STRING: '"string"',
}
VALUE: dict[str, Any] = {
    "event_id": "e-1",
    "occurred_at": START_US,
    "sequence": 4,
    "source": "warehouse",
    "account": "main",
    "order_id": ORDER,
    "order_unit_ids": [1, 2],
    "items": [{"offer_id": "sku-1", "ean": None, "quantity": 2}],
    "parcels": [
        {"carrier": "DHL", "tracking_number": "T1", "no_tracking": False},
        {"carrier": "GLS", "tracking_number": None, "no_tracking": True},
    ],
    "attributes": {"dock": "3"},
}


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def codecs(ids: SchemaIds = IDS) -> ShipmentCodecs:
    return ShipmentCodecs(ids, KNOWN.get)


def record(key: bytes | None, value: bytes | None) -> Record:
    at = Assignment(topic="shipments", partition=3, epoch=1)
    headers = (("traceparent", TRACE.encode()),)
    return Record(at=at, offset=17, key=key, value=value, time_us=START_US + 5, headers=headers)


def message(value: dict[str, Any]) -> bytes:
    return frame(DISPATCHED) + library_bytes(schemas.load("shipment_dispatched", 2), value)


def test_a_shipment_is_read_with_the_position_of_its_record() -> None:
    assert codecs().decode_dispatched(record(ORDER.encode(), message(VALUE))) == ShipmentDispatched(
        event_id="e-1",
        occurred_at_us=START_US,
        sequence=4,
        source="warehouse",
        account="main",
        order_id=ORDER,
        order_unit_ids=(1, 2),
        items=(ShippedItem(offer_id="sku-1", quantity=2),),
        parcels=(Parcel(carrier="DHL", tracking_number="T1"), Parcel(carrier="GLS", no_tracking=True)),
        attributes={"dock": "3"},
        key=ORDER,
        input_topic="shipments",
        partition=3,
        offset=17,
        record_time_us=START_US + 5,
        traceparent=TRACE,
    )


def test_events_of_the_producer_kit_are_read_back() -> None:
    key, value = ShipmentKit(DISPATCHED).message(
        {
            "event_id": "e-1",
            "occurred_at_us": START_US,
            "order_id": ORDER,
            "items": [{"offer_id": "sku-1", "quantity": 2}, ShippedItem(ean="4006381333931")],
            "parcels": [{"carrier": "Other", "no_tracking": True}],
        }
    )

    found = codecs().decode_dispatched(record(key, value))

    assert isinstance(found, ShipmentDispatched)
    assert found.items == (ShippedItem(offer_id="sku-1", quantity=2), ShippedItem(ean="4006381333931"))
    assert found.parcels == (Parcel(carrier="Other", no_tracking=True),)


def test_a_shipment_of_the_first_version_is_read_as_it_was_meant() -> None:
    old = {name: value for name, value in VALUE.items() if name != "items"}
    old["parcels"] = [{"carrier": "GLS", "tracking_number": None}]
    written = frame(DISPATCHED_V1) + library_bytes(schemas.load("shipment_dispatched", 1), old)

    found = codecs().decode_dispatched(record(ORDER.encode(), written))

    assert isinstance(found, ShipmentDispatched)
    assert (found.items, found.parcels) == ((), (Parcel(carrier="GLS"),))


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (None, message(VALUE), KeyFault.KEY_MISSING),
        (b"\xff", message(VALUE), KeyFault.KEY_MALFORMED),
        (b"X", None, Code.VALUE_MISSING),
        (b"X", b"{}", DecodeErrorCode.NOT_AVRO),
        (b"X", message(VALUE)[:-3], DecodeErrorCode.MALFORMED_VALUE),
    ],
)
def test_an_unreadable_shipment_has_a_reason(key: bytes | None, value: bytes | None, code: str) -> None:
    found = codecs().decode_dispatched(record(key, value))

    assert isinstance(found, BadRecord)
    assert found.code == code


def test_an_unknown_schema_must_be_fetched_first() -> None:
    found = codecs().decode_dispatched(record(b"X", frame(99)))

    assert isinstance(found, NotYet)
    assert found.need == 99


def test_keys_may_be_avro() -> None:
    avro = codecs(replace(IDS, keys=dict.fromkeys(IDS.values, STRING)))
    key = encoder({"type": "string"}, STRING)(ORDER)

    found = avro.decode_dispatched(record(key, message(VALUE)))

    assert isinstance(found, ShipmentDispatched)
    assert found.key == ORDER
    assert avro.result_key(ORDER) == key


@settings(max_examples=30)
@given(st.one_of(st.binary(max_size=60), values(schemas.load("shipment_dispatched", 2)).map(message)))
def test_arbitrary_bytes_never_raise(value: bytes) -> None:
    assert isinstance(codecs().decode_dispatched(record(b"X", value)), ShipmentDispatched | BadRecord | NotYet)


MOMENTS = st.integers(0, 2**53)
IDENTIFIERS = st.integers(1, 2**40)
WORDS = st.builds(
    MarketplaceWords, http_status=st.none() | st.integers(100, 599), type=st.none() | TEXTS, message=st.none() | TEXTS
)
UNDONE = st.builds(
    UndoneShipment,
    event_id=TEXTS,
    digest=TEXTS,
    content=st.none() | TEXTS,
    answered=st.lists(IDENTIFIERS, max_size=3).map(tuple),
    account=TEXTS,
    input_offset=MOMENTS,
    occurred_at_us=MOMENTS,
    received_at_us=MOMENTS,
    sequence=st.none() | IDENTIFIERS,
    order_unit_ids=st.lists(IDENTIFIERS, max_size=3).map(tuple),
    items=st.lists(
        st.builds(ShippedItem, offer_id=st.none() | TEXTS, ean=st.none() | TEXTS, quantity=st.integers(1, 9)),
        max_size=2,
    ).map(tuple),
    parcels=st.lists(
        st.builds(Parcel, carrier=TEXTS, tracking_number=st.none() | TEXTS, no_tracking=st.booleans()), max_size=2
    ).map(tuple),
    units=st.lists(
        st.builds(
            OpenUnit,
            order_unit_id=IDENTIFIERS,
            read_first=st.booleans(),
            refused=st.none() | WORDS,
            parcels_refused=st.lists(TEXTS, max_size=2).map(tuple),
            call_ids=st.lists(TEXTS, max_size=2).map(tuple),
            attempts=st.integers(0, 9),
            answered_at_us=st.none() | MOMENTS,
        ),
        max_size=2,
    ).map(tuple),
    nothing_left=st.booleans(),
    traceparent=st.none() | TEXTS,
)
UNITS = st.builds(
    ShippedUnit,
    order_unit_id=IDENTIFIERS,
    storefront=st.none() | TEXTS,
    status=st.sampled_from(UnitStatus),
    status_raw=st.none() | TEXTS,
    checked_at_us=MOMENTS,
    confirmed_by=st.none() | TEXTS,
    tried_by=st.none() | TEXTS,
    sent_at_us=st.none() | MOMENTS,
    parcels=st.lists(
        st.builds(
            ParcelState,
            tracking_number=TEXTS,
            carrier_code=st.none() | TEXTS,
            added_by=TEXTS,
            added_at_us=MOMENTS,
            with_send=st.booleans(),
            certain=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
)
STATES = st.builds(
    ShipmentState,
    order_id=TEXTS,
    account=st.none() | TEXTS,
    units=st.lists(UNITS, max_size=3).map(tuple),
    undone=st.lists(UNDONE, max_size=2).map(tuple),
    seen=st.lists(
        st.builds(
            SeenShipment,
            event_id=TEXTS,
            digest=TEXTS,
            content=st.none() | TEXTS,
            input_offset=MOMENTS,
            order_unit_ids=st.lists(IDENTIFIERS, max_size=3).map(tuple),
            nothing_left=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    input_partition=st.integers(0, 99),
    last_offset=MOMENTS,
    updated_at_us=MOMENTS,
)


@settings(max_examples=60)
@given(STATES)
def test_a_state_survives_encoding_and_decoding(state: ShipmentState) -> None:
    ours = codecs()

    assert ours.decode_state(ours.encode_state(state)) == state
