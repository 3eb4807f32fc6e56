"""The codecs of the offer flow: decoding inputs, and encoding outputs and states."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

import schemas
from connector.contracts.call_log_row import CallItem, MarketplaceCalled
from connector.contracts.codec import KeyFault, SchemaIds, encoder_of_strings, writer_of
from connector.contracts.problem import Problem, ProblemError
from connector.offers.codec import OfferCodecs
from connector.offers.events import (
    Announced,
    Basis,
    Candidate,
    DriftAction,
    DriftCause,
    Ended,
    FieldResult,
    FieldState,
    FieldStatus,
    LocationStock,
    Miss,
    OfferChanged,
    OfferDrifted,
    OfferNotFound,
    OfferResult,
    OfferState,
    OfferWithdrawn,
    Origin,
    Pending,
    Price,
    Sent,
    Status,
    Undone,
    UndoneField,
    UnitState,
)
from connector.offers.producer_kit import ProducerKit
from streams.avro.codec import DecodeErrorCode, Decoder, frame
from streams.flow import Assignment, BadRecord, Headers, NotYet, Record
from tests.harness.effort import examples
from tests.unit.schemas.data import library_bytes, values

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EAN = "4006381333931"
CHANGED, STRING = 1, 2
KNOWN = {CHANGED: schemas.text("offer_changed", schemas.newest("offer_changed")), STRING: '"string"'}
IDS = SchemaIds(
    values={
        "offer_result": 11,
        "offer_not_found": 12,
        "offer_state": 13,
        "marketplace_called": 14,
        "offer_drifted": 15,
    }
)
KEYS = dict.fromkeys(IDS.values, STRING)


def codecs(ids: SchemaIds = IDS, known: dict[int, str] | None = None) -> OfferCodecs:
    return OfferCodecs(ids, (KNOWN if known is None else known).get)


def record(key: bytes | None, value: bytes | None, headers: Headers = ()) -> Record:
    at = Assignment(topic="offers", partition=3, epoch=1)
    return Record(at=at, offset=17, key=key, value=value, time_us=1_763_771_234_000_000, headers=headers)


REDRIVEN = (("redrive.from", b"offers.dlq/0/7"), ("redrive.attempts", b"1"))


def change(**other: Any) -> dict[str, Any]:
    return {"event_id": "e-1", "occurred_at_us": 1_763_771_233_000_000, "source": "erp", "ean": EAN, **other}


def message(**other: Any) -> tuple[bytes, bytes]:
    """Returns the key and value of an offer change."""
    return ProducerKit(CHANGED).message(change(**other))


# ---- inputs ---------------------------------------------------------------------------------------------------------


def test_an_offer_change_is_read_with_the_position_of_its_record() -> None:
    key, value = message(price="19.99 EUR", stock=0, location="Berlin", attributes={"brand": "x"})

    assert codecs().decode_changed(record(key, value)) == OfferChanged(
        event_id="e-1",
        occurred_at_us=1_763_771_233_000_000,
        source="erp",
        ean=EAN,
        condition="NEW",
        price=Price(amount=Decimal("19.99"), currency="EUR"),
        stock=0,
        location="Berlin",
        attributes={"brand": "x"},
        key=EAN,
        input_topic="offers",
        partition=3,
        offset=17,
        record_time_us=1_763_771_234_000_000,
    )


@settings(max_examples=examples(40))
@given(values(schemas.load("offer_changed", schemas.newest("offer_changed"))))
def test_every_offer_change_that_can_be_written_can_be_read(value: dict[str, Any]) -> None:
    data = frame(CHANGED) + library_bytes(schemas.load("offer_changed", schemas.newest("offer_changed")), value)

    event = codecs().decode_changed(record(EAN.encode(), data))

    assert isinstance(event, OfferChanged)
    assert event.occurred_at_us == value["occurred_at"]
    assert all(getattr(event, name) == value[name] for name in value.keys() - {"occurred_at", "price"})
    assert (event.price and (event.price.amount, event.price.currency)) == (
        value["price"] and (value["price"]["amount"], value["price"]["currency"])
    )


def test_a_record_without_a_value_withdraws_the_offer() -> None:
    assert codecs().decode_changed(record(EAN.encode(), None)) == OfferWithdrawn(
        key=EAN, input_topic="offers", partition=3, offset=17, record_time_us=1_763_771_234_000_000
    )


@pytest.mark.parametrize("value", [None, message()[1]])
def test_the_trace_context_is_passed_on(value: bytes | None) -> None:
    headers = (("traceparent", b"00-old"), ("other", b"\xff"), ("traceparent", TRACE.encode()))

    event = codecs().decode_changed(record(EAN.encode(), value, headers))

    assert isinstance(event, OfferChanged | OfferWithdrawn)
    assert event.traceparent == TRACE


@pytest.mark.parametrize("value", [None, message()[1]])
def test_a_redriven_record_is_known_by_its_header(value: bytes | None) -> None:
    events = [codecs().decode_changed(record(EAN.encode(), value, headers)) for headers in ((), REDRIVEN)]

    assert [getattr(event, "redriven", None) for event in events] == [False, True]


def test_a_trace_context_that_is_not_ascii_is_left_out() -> None:
    event = codecs().decode_changed(record(EAN.encode(), None, (("traceparent", b"\xff\xfe"),)))

    assert isinstance(event, OfferWithdrawn)
    assert event.traceparent is None


@pytest.mark.parametrize(
    ("key", "code"), [(None, KeyFault.KEY_MISSING), (b"\xff\xfe", KeyFault.KEY_MALFORMED)], ids=["none", "no UTF-8"]
)
@pytest.mark.parametrize("value", [None, message()[1]], ids=["tombstone", "change"])
def test_an_invalid_key_cannot_be_read(key: bytes | None, value: bytes | None, code: KeyFault) -> None:
    bad = codecs().decode_changed(record(key, value))

    assert isinstance(bad, BadRecord)
    assert bad.code == code


def test_keys_may_be_avro_strings() -> None:
    keyed = codecs(SchemaIds(values=IDS.values, keys=KEYS))
    key, value = ProducerKit(CHANGED, key_schema_id=STRING).message(change())

    event = keyed.decode_changed(record(key, value))

    assert isinstance(event, OfferChanged)
    assert event.key == EAN
    assert keyed.result_key(EAN) == key == encoder_of_strings(STRING)(EAN)


def test_a_plain_key_is_no_avro_string() -> None:
    keyed = codecs(SchemaIds(values=IDS.values, keys=KEYS))

    bad = keyed.decode_changed(record(EAN.encode(), None))

    assert isinstance(bad, BadRecord)
    assert bad.code == DecodeErrorCode.NOT_AVRO


def test_an_avro_key_of_another_type_cannot_be_read() -> None:
    keyed = OfferCodecs(
        SchemaIds(values=IDS.values, keys=KEYS),
        {STRING: '"long"'}.get,
    )

    bad = keyed.decode_changed(record(frame(STRING) + b"\2", None))

    assert isinstance(bad, BadRecord)
    assert bad.code == DecodeErrorCode.SCHEMA_INCOMPATIBLE


def test_plain_keys_are_their_text() -> None:
    assert codecs().not_found_key("shop-de|NEW||ü") == "shop-de|NEW||ü".encode()


def test_a_writers_schema_that_is_not_cached_is_requested() -> None:
    key, value = message()

    assert codecs(known={}).decode_changed(record(key, value)) == NotYet(need=CHANGED, text="schema 1 is not here yet")


def test_a_price_that_is_not_declared_as_decimal_is_not_read() -> None:
    writer = schemas.load("offer_changed", schemas.newest("offer_changed"))
    price = next(field for field in writer["fields"] if field["name"] == "price")
    price["type"][1]["fields"][0]["type"] = "bytes"
    value = {"event_id": "", "occurred_at": 1, "source": "", "ean": EAN, "price": {"amount": b"\7", "currency": "EUR"}}
    data = frame(9) + library_bytes_filled(writer, value)

    bad = codecs(known={9: json.dumps(writer)}).decode_changed(record(EAN.encode(), data))

    assert isinstance(bad, BadRecord)
    assert bad.code == DecodeErrorCode.SCHEMA_INCOMPATIBLE


def library_bytes_filled(writer: dict[str, Any], value: dict[str, Any]) -> bytes:
    """Encodes a value with the fastavro library, with defaults for missing fields."""
    defaults = {field["name"]: field["default"] for field in writer["fields"] if "default" in field}
    return library_bytes(writer, defaults | value)


# ---- outputs and states ---------------------------------------------------------------------------------------------

AT = 1_763_771_234_567_891

SENT = Sent(account="main", storefront="de", call_ids=("c1",), attempts=1, sent_at_us=AT, storefronts_moved=("cz",))
PROBLEM = Problem(message="m", advice="a", http_status=400, errors=(ProblemError(field="price", message="no"),))
ZERO = Decimal(0)
RESULT = OfferResult(
    result_id="r",
    event_id="e",
    origin=Origin.LIVE,
    status=Status.PARTIAL,
    code="X",
    ean=EAN,
    target_id="shop-de",
    condition="NEW",
    unit_id=4,
    fields=(
        FieldResult(field="price", status=FieldStatus.REJECTED, requested=Decimal("19.99"), currency="EUR", code="Y"),
        FieldResult(
            field="stock", status=FieldStatus.APPLIED, requested=Decimal(0), before=Decimal(3), sent=Decimal(0)
        ),
    ),
    input_topic="offers",
    input_partition=3,
    input_offset=17,
    occurred_at_us=AT,
    received_at_us=AT + 1,
    decided_at_us=AT + 2,
    sent=SENT,
    problem=PROBLEM,
)
STATE = OfferState(
    ean=EAN,
    managed=True,
    unmanaged_at_us=AT,
    units=(
        UnitState(
            account="main",
            storefront="de",
            condition="NEW",
            unit_id=4,
            offer_id="SKU",
            unit_status="AVAILABLE",
            fulfilled_by_marketplace=True,
            proved_at_us=AT,
            fields=(
                FieldState(
                    field="price",
                    value=Decimal("19.99"),
                    currency="EUR",
                    basis=Basis.ACCEPTED,
                    event_time_us=AT,
                    sequence=5,
                    event_id="e",
                    input_offset=16,
                    accepted_at_us=AT,
                    certain=False,
                ),
            ),
        ),
    ),
    misses=(Miss(account="main", storefront="cz", condition="NEW", code="N", since_us=AT, next_check_at_us=AT + 1),),
    locations=(
        LocationStock(
            target_id="shop-de", condition="NEW", location="Berlin", stock=4, occurred_at_us=AT, input_offset=15
        ),
    ),
    undone=(
        Undone(
            result_id="r",
            target_id="shop-cz",
            condition="NEW",
            input_offset=17,
            occurred_at_us=AT,
            received_at_us=AT,
            since_us=AT - 1,
            origin=Origin.RECHECK,
            fields=(UndoneField(field="stock", value=Decimal(5)),),
            ended=(Ended(field="price", status=FieldStatus.SUPERSEDED, superseded_by="r2"),),
            announced=Announced.NOT_FOUND,
            times_seen=2,
            attributes={"brand": "x"},
            sent=SENT,
            problem=PROBLEM,
            reason="why",
            traceparent="00-ab",
        ),
    ),
    input_partition=3,
    last_offset=17,
    updated_at_us=AT,
)
NOT_FOUND = OfferNotFound(
    result_id="r",
    event_id="e",
    code="OFFER_NOT_FOUND",
    message="Cannot find existing offer",
    advice="a",
    target_id="shop-de",
    account="main",
    storefront="de",
    ean=EAN,
    condition="NEW",
    candidates=(Candidate(unit_id=4, storefront="de", condition="USED_GOOD"),),
    pending=(Pending(field="stock", value=Decimal(5), event_time_us=AT, event_id="e"),),
    first_seen_at_us=AT,
    last_seen_at_us=AT,
    times_seen=1,
)
DRIFT = OfferDrifted(
    drift_id="d",
    ean=EAN,
    account="main",
    storefront="de",
    unit_id=4,
    condition="NEW",
    offer_id="sku",
    field="price",
    currency="EUR",
    accepted_value=Decimal("19.9900"),
    accepted_event_at_us=AT,
    accepted_event_id="e",
    accepted_at_us=AT,
    observed_value=Decimal("9.9900"),
    requested_at_us=AT,
    observed_at_us=AT,
    changed_at_us=AT,
    sweep_at_us=AT,
    cause=DriftCause.EDITED_OUTSIDE,
    action=DriftAction.REPAIRED,
    result_id="r",
    detected_at_us=AT,
)
CALLED = MarketplaceCalled(
    call_id="c1",
    account="main",
    kind="update:de",
    method="POST",
    path="/v2/units/bulk?storefront=de",
    attempt=1,
    sent_at_us=AT,
    duration_us=150_000,
    outcome="accepted",
    tokens_left=99,
    request_sha256="ab",
    items=(CallItem(unit_id=4, event_ids=("e",), event_count=1, status_code=200),),
    request_body=b"{}",
    instance_id="i",
)


@pytest.mark.parametrize(
    ("name", "event", "schema_id"),
    [
        ("offer_result", RESULT, 11),
        ("offer_not_found", NOT_FOUND, 12),
        ("offer_state", STATE, 13),
        ("marketplace_called", CALLED, 14),
        ("offer_drifted", DRIFT, 15),
    ],
)
def test_an_output_conforms_to_its_schema(name: str, event: Any, schema_id: int) -> None:
    encode = {
        "offer_result": codecs().encode_result,
        "offer_not_found": codecs().encode_not_found,
        "offer_state": codecs().encode_state,
        "offer_drifted": codecs().encode_drift,
        "marketplace_called": writer_of(MarketplaceCalled, IDS.value(MarketplaceCalled)),
    }[name]

    data = encode(event)

    newest = schemas.newest(name)
    found = Decoder(schemas.load(name, newest), {schema_id: schemas.text(name, newest)}.get).decode(data)
    assert data[:5] == frame(schema_id)
    assert found == plain(event)


DURATIONS = frozenset({"duration_us", "waited_us"})


def plain(value: Any) -> Any:
    """Returns a dataclass as the record that its schema describes."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        moments = {name for name in value.__dataclass_fields__ if name.endswith("_us") and name not in DURATIONS}
        return {
            (name.removesuffix("_us") if name in moments else name): plain(getattr(value, name))
            for name in value.__dataclass_fields__
        }
    return value


def known_to(schema: Any, value: Any) -> Any:
    """Returns a plain record without the fields that ``schema`` lacks."""
    if isinstance(schema, list):
        return next((known_to(branch, value) for branch in schema if isinstance(branch, dict)), value)
    if isinstance(value, list) and isinstance(schema, dict):
        return [known_to(schema["items"], item) for item in value]
    if isinstance(value, dict) and isinstance(schema, dict) and "fields" in schema:
        fields = {field["name"]: field["type"] for field in schema["fields"]}
        return {name: known_to(kind, value[name]) for name, kind in fields.items()}
    if isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
        return known_to(schema["type"], value)
    return value


def test_a_state_is_read_back_as_it_was() -> None:
    assert codecs(known={}).decode_state(codecs().encode_state(STATE)) == STATE


@settings(max_examples=examples(40))
@given(values(schemas.load("offer_state", schemas.newest("offer_state"))))
def test_every_state_survives_a_round_trip(value: dict[str, Any]) -> None:
    data = frame(13) + library_bytes(schemas.load("offer_state", schemas.newest("offer_state")), value)

    state = codecs(known={}).decode_state(data)

    assert isinstance(state, OfferState)
    assert codecs().encode_state(state) == data


def test_a_state_of_an_older_version_is_read() -> None:
    older = schemas.load("offer_state", 1)
    older["fields"] = [field for field in older["fields"] if field["name"] != "unmanaged_at"]
    value = known_to(older, plain(STATE))

    state = codecs(known={5: json.dumps(older)}).decode_state(frame(5) + library_bytes(older, value))

    assert isinstance(state, OfferState)
    assert (state.unmanaged_at_us, state.locations) == (None, ())
    assert state.units == STATE.units


def test_bytes_that_are_no_state_are_malformed() -> None:
    bad = codecs().decode_state(frame(13) + b"\xff")

    assert isinstance(bad, BadRecord)
    assert bad.code == DecodeErrorCode.MALFORMED_VALUE
