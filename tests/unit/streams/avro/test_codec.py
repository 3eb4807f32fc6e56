"""Decoding: every writer schema that resolves is read, and every malformed input gets an error code."""

import json
import subprocess
import sys
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from streams.avro.codec import Absent, DecodeErrorCode, Decoder, encoder, frame
from streams.flow import BadRecord, NotYet
from tests.unit.schemas.data import as_object, library_bytes, values

READER = schemas.load("offer_changed", schemas.newest("offer_changed"))
NOTHING_HERE: dict[int, str] = {}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def decimal(precision: int, scale: int, **more: Any) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale, **more}


def record(*fields: tuple[str, Any], name: str = "R", **defaults: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [
            {"name": field, "type": type_} | ({"default": defaults[field]} if field in defaults else {})
            for field, type_ in fields
        ],
    }


def read(reader: Any, writer: Any, value: Any) -> Any:
    return Decoder(reader, {7: json.dumps(writer)}.get).decode(frame(7) + library_bytes(writer, value))


# ---- values ---------------------------------------------------------------------------------------------------------


@given(values(READER))
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    data = encoder(READER, 7)(as_object(READER, value))

    assert Decoder(READER, {7: json.dumps(READER)}.get).decode(data) == value


@given(values(schemas.load("offer_state", schemas.newest("offer_state"))))
def test_a_state_is_read_back(value: dict[str, Any]) -> None:
    schema = schemas.load("offer_state", schemas.newest("offer_state"))

    assert Decoder(schema, {7: json.dumps(schema)}.get).decode(encoder(schema, 7)(as_object(schema, value))) == value


@pytest.mark.parametrize(
    ("type_", "written", "micros"),
    [
        ("timestamp-millis", 1_763_771_234_567, 1_763_771_234_567_000),
        ("timestamp-micros", 1_763_771_234_567_891, 1_763_771_234_567_891),
        ("timestamp-nanos", 1_763_771_234_567_891_999, 1_763_771_234_567_891),
        ("timestamp-micros", -(2**63), -(2**63)),
    ],
)
def test_a_timestamp_is_read_in_microseconds_whatever_unit_its_writer_uses(
    type_: str, written: int, micros: int
) -> None:
    writer = record(("at", {"type": "long", "logicalType": type_}))
    plain = record(("at", "long"))
    data = frame(7) + library_bytes(plain, {"at": written})

    assert Decoder(record(("at", MICROS)), {7: json.dumps(writer)}.get).decode(data) == {"at": micros}


@pytest.mark.parametrize(
    ("writer", "amount"),
    [
        (decimal(10, 2), "19.99"),
        (decimal(38, 10), "19.9900000000"),
        (decimal(5, 0), "20"),
        (decimal(18, 4), "19.9901"),
        (decimal(38, 4), "-12345678901234.5678"),
        (decimal(18, 18), "0.0001"),
    ],
)
def test_a_decimal_is_read_from_any_precision_and_scale(writer: Any, amount: str) -> None:
    value = read(record(("amount", decimal(18, 4))), record(("amount", writer)), {"amount": Decimal(amount)})

    assert value == {"amount": Decimal(amount)}
    assert value["amount"].as_tuple().exponent == -4


@pytest.mark.parametrize(("writer", "amount"), [(decimal(18, 5), "19.99001"), (decimal(38, 4), "123456789012345.0000")])
def test_a_decimal_that_would_be_rounded_or_cut_is_not_read(writer: Any, amount: str) -> None:
    value = read(record(("amount", decimal(18, 4))), record(("amount", writer)), {"amount": Decimal(amount)})

    assert isinstance(value, BadRecord)
    assert value.code == DecodeErrorCode.DECIMAL_NOT_EXACT
    assert value.error == "NotExact", "consumers of dead letters read it in a header"
    assert amount in value.text


def test_a_decimal_with_more_digits_than_it_declares_is_not_read() -> None:
    schema = record(("amount", decimal(6, 2)))
    data = frame(7) + library_bytes(record(("amount", "bytes")), {"amount": (10**7).to_bytes(4, "big")})

    value = Decoder(schema, {7: json.dumps(schema)}.get).decode(data)

    assert isinstance(value, BadRecord)
    assert value.code == DecodeErrorCode.DECIMAL_NOT_EXACT


def test_a_decimal_of_a_million_bytes_is_not_computed() -> None:
    schema = record(("amount", decimal(18, 4)))
    data = frame(7) + library_bytes(record(("amount", "bytes")), {"amount": b"\x7f" * 1_000_000})

    value = Decoder(schema, {7: json.dumps(schema)}.get).decode(data)

    assert isinstance(value, BadRecord)
    assert value.code == DecodeErrorCode.DECIMAL_NOT_EXACT


def test_fields_may_stand_in_any_order_and_optional_ones_may_be_missing() -> None:
    writer = record(
        ("stock", ["int", "null"]),
        ("shelf", "string"),
        ("ean", "string"),
        ("source", "string"),
        ("occurred_at", MICROS),
        ("event_id", "string"),
        name="OfferChanged",
    )
    value = read(
        READER, writer, {"stock": 3, "shelf": "A", "ean": "1", "source": "s", "occurred_at": 5, "event_id": "e"}
    )

    assert (value["ean"], value["stock"], value["price"], value["attributes"]) == ("1", 3, None, {})
    assert "shelf" not in value


def test_a_symbol_newer_than_the_reader_becomes_the_default() -> None:
    old = {"type": "enum", "name": "Kind", "symbols": ["UNKNOWN", "A"], "default": "UNKNOWN"}
    new = {**old, "symbols": ["UNKNOWN", "A", "B"]}

    assert read(record(("kind", old)), record(("kind", new)), {"kind": "B"}) == {"kind": "UNKNOWN"}


def test_docs_and_defaults_do_not_change_the_layout() -> None:
    """A schema with the reader's layout is read without schema resolution, which would double the time."""
    plain = record(("a", "string"), ("b", MICROS))
    worded = {**record(("a", {"type": "string"}), ("b", {**MICROS, "doc": "when"}), b=0), "doc": "a thing"}
    decoder = Decoder(plain, {7: json.dumps(worded)}.get)

    decoder.decode(frame(7) + library_bytes(worded, {"a": "x", "b": 1}))

    writer = decoder._writers[7]
    assert not isinstance(writer, BadRecord)
    assert writer.layout == decoder._reader.layout


def test_another_scale_is_another_layout() -> None:
    value = read(record(("a", decimal(18, 4))), record(("a", decimal(18, 2))), {"a": Decimal("1.50")})

    assert str(value["a"]) == "1.5000"


# ---- what cannot be read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\0\0", b"\1\0\0\0\7abc", b'{"ean": "4006381333931"}'])
def test_bytes_in_another_format_are_not_read_as_avro(data: bytes) -> None:
    bad = Decoder(READER, NOTHING_HERE.get).decode(data)

    assert isinstance(bad, BadRecord)
    assert bad.code == DecodeErrorCode.NOT_AVRO


def test_a_schema_that_is_not_cached_is_requested() -> None:
    assert Decoder(READER, NOTHING_HERE.get).decode(frame(7)) == NotYet(need=7, text="schema 7 is not here yet")


def test_a_schema_unknown_to_the_registry_is_requested_again_later() -> None:
    answers: dict[int, str | Absent] = {7: Absent.ABSENT}
    decoder = Decoder("string", answers.get)

    bad = decoder.decode(frame(7) + b"\2x")
    answers[7] = '"string"'

    assert isinstance(bad, BadRecord)
    assert bad.code == DecodeErrorCode.SCHEMA_UNKNOWN
    assert decoder.decode(frame(7) + b"\2x") == "x"


def test_a_schema_is_looked_up_once() -> None:
    asked: list[int] = []

    def look_up(schema_id: int) -> str:
        asked.append(schema_id)
        return '"string"'

    decoder = Decoder("string", look_up)
    for _ in range(3):
        decoder.decode(frame(7) + b"\2x")

    assert asked == [7]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "17",
        "null",
        '"recrod"',
        '{"type": "record", "name": "R"}',
        '{"type": "array"}',
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "Missing"}]}',
        'syntax = "proto3"; message R {}',
        "[" * 100_000,
        '{"type": "array", "items": ' * 900 + '"int"' + "}" * 900,
        json.dumps(record(("a", decimal(0, 4)))),
        json.dumps(record(("a", decimal(1_000_000, 999_999)))),
        json.dumps(record(("a", {"type": "bytes", "logicalType": "decimal"}))),
    ],
)
def test_an_unusable_schema_is_reported_as_such(text: str) -> None:
    value = Decoder(READER, {7: text}.get).decode(frame(7) + b"abc")

    assert isinstance(value, BadRecord)
    assert value.code in (
        DecodeErrorCode.SCHEMA_UNUSABLE,
        DecodeErrorCode.MALFORMED_VALUE,
        DecodeErrorCode.SCHEMA_INCOMPATIBLE,
    )
    assert len(value.text) <= 500


def test_a_schema_that_does_not_resolve_is_incompatible() -> None:
    value = read(READER, record(("ean", "string")), {"ean": "1"})

    assert isinstance(value, BadRecord)
    assert value.code == DecodeErrorCode.SCHEMA_INCOMPATIBLE


def test_bytes_left_over_are_an_error() -> None:
    bad = Decoder("string", {7: '"string"'}.get).decode(frame(7) + b"\2xyz")

    assert bad == BadRecord(
        code=DecodeErrorCode.MALFORMED_VALUE, text="2 bytes are left over after a value of schema 7"
    )


@given(values(READER), st.integers(0, 400))
def test_a_message_cut_short_is_malformed(value: dict[str, Any], at: int) -> None:
    data = encoder(READER, 7)(as_object(READER, value))
    cut = data[: 5 + at % (len(data) - 5)]

    bad = Decoder(READER, {7: json.dumps(READER)}.get).decode(cut)

    assert isinstance(bad, BadRecord)
    assert bad.code in (DecodeErrorCode.MALFORMED_VALUE, DecodeErrorCode.DECIMAL_NOT_EXACT)


OTHER = record(
    ("kind", {"type": "enum", "name": "K", "symbols": ["A", "B"]}),
    ("sizes", {"type": "array", "items": {"type": "map", "values": ["null", "int", "string"]}}),
    ("mark", {"type": "fixed", "name": "F", "size": 3}),
    ("event_id", "string"),
    ("occurred_at", {"type": "long", "logicalType": "timestamp-millis"}),
    ("price", ["null", record(("amount", decimal(30, 6)), ("currency", "string"), name="Price")]),
    ("source", "bytes"),
    ("ean", "string"),
    ("more", ["null", "double", {"type": "array", "items": "boolean"}]),
    name="OfferChanged",
)


@given(st.binary(max_size=120), st.sampled_from([READER, OTHER]))
def test_whatever_the_bytes_are_there_is_one_classified_outcome(body: bytes, writer: Any) -> None:
    outcome = Decoder(READER, {7: json.dumps(writer)}.get).decode(frame(7) + body)

    assert isinstance(outcome, dict) or (isinstance(outcome, BadRecord) and outcome.code in set(DecodeErrorCode))


@given(values(READER), st.data())
def test_a_message_with_one_changed_byte_has_one_classified_outcome(value: dict[str, Any], data: st.DataObject) -> None:
    raw = bytearray(encoder(READER, 7)(as_object(READER, value)))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    outcome = Decoder(READER, {7: json.dumps(READER)}.get).decode(bytes(raw))

    assert isinstance(outcome, dict | BadRecord | NotYet)


JSON = st.recursive(
    st.none()
    | st.integers()
    | st.sampled_from(["int", "string", "null", "R", "record", "array", "bytes", "fields", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "name", "fields", "items", "values", "symbols", "size", "logicalType", "precision"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.binary(max_size=30))
def test_whatever_the_schema_is_there_is_one_classified_outcome(schema: Any, body: bytes) -> None:
    outcome = Decoder("string", {7: json.dumps(schema)}.get).decode(frame(7) + body)

    assert isinstance(outcome, str) or (isinstance(outcome, BadRecord) and outcome.code in set(DecodeErrorCode))


# ---- schemas with which a few bytes could do harm -------------------------------------------------------------------

EMPTY = record(name="Nothing")
NO_BYTES = {"type": "fixed", "name": "F", "size": 0}
DOUBLED = [record(*((f"g{m}", f"T{n - 1}" if n else "null") for m in range(8)), name=f"T{n}") for n in range(12)]
HARMFUL = {
    "a list of nulls": (record(("a", {"type": "array", "items": "null"})), "no bytes"),
    "a list of empty records": (record(("a", {"type": "array", "items": EMPTY})), "no bytes"),
    "a list of fixed without size": (record(("a", {"type": "array", "items": NO_BYTES})), "no bytes"),
    "a type that contains itself": (record(("a", ["null", "R"])), "contains itself"),
    "types that contain each other": (
        record(("a", ["null", record(("b", ["null", "R"]), name="S")])),
        "contains itself",
    ),
    "a type spread out for ever": (record(*((f"f{n}", doubled) for n, doubled in enumerate(DOUBLED))), "more than"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_schema_is_refused(name: str) -> None:
    schema, why = HARMFUL[name]

    bad = Decoder(READER, {7: json.dumps(schema)}.get).decode(frame(7) + b"\xfe\xff\xff\xff\xff\x7f" * 9)

    assert isinstance(bad, BadRecord)
    assert bad.code == DecodeErrorCode.SCHEMA_UNUSABLE
    assert bad.error == "Unusable", "consumers of dead letters read it in a header"
    assert why in bad.text


def test_the_library_alone_would_overrun_its_stack() -> None:
    """The reason why recursive types are rejected: drop the rule when this no longer holds."""
    code = (
        "import fastavro, io; s = fastavro.parse_schema({'type': 'record', 'name': 'R', 'fields': "
        "[{'name': 'a', 'type': ['null', 'R']}]}); fastavro.schemaless_reader(io.BytesIO(b'\\2' * 1_000_000), s)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)

    assert done.returncode != 0


def test_other_users_of_the_library_keep_their_logical_types() -> None:
    schema = record(("a", decimal(6, 2)))

    value = fastavro.schemaless_reader(BytesIO(library_bytes(schema, {"a": Decimal("1.50")})), schema, None)

    assert value == {"a": Decimal("1.50")}
