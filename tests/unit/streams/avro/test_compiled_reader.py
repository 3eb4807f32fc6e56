"""Generated readers: they read back what the writer wrote, and raise an error for any other bytes."""

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.avro.compiled_reader import Reader, compile_reader
from streams.avro.compiled_writer import SchemaNotSupported, compile_writer
from tests.harness.effort import examples
from tests.unit.schemas.data import LONGS, as_object, library_bytes, values

EVERYTHING: dict[str, Any] = {
    "type": "record",
    "name": "Everything",
    "namespace": "things",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "big", "type": "long"},
        {"name": "raw", "type": "bytes"},
        {"name": "words", "type": "string"},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": [f"S{n}" for n in range(100)]}},
        {"name": "again", "type": ["null", "Kind"]},
        {
            "name": "tree",
            "type": {"type": "array", "items": {"type": "map", "values": {"type": "array", "items": "int"}}},
        },
        {
            "name": "parts",
            "type": {
                "type": "map",
                "values": {
                    "type": "record",
                    "name": "Part",
                    "namespace": "other",
                    "fields": [{"name": "class_", "type": {"type": "array", "items": ["null", "string"]}}],
                },
            },
        },
        {"name": "one_more", "type": ["null", "other.Part"]},
    ],
}
NAMED = {"Kind": EVERYTHING["fields"][7]["type"], "other.Part": EVERYTHING["fields"][10]["type"]["values"]}
CLASSES = {"Everything": SimpleNamespace, "Part": SimpleNamespace, "Kind": str}


def reader(type_: Any) -> Reader:
    return compile_reader({"type": "record", "name": "R", "fields": [{"name": "x", "type": type_}]}, {"R": dict})


@settings(max_examples=examples(200))
@given(values(EVERYTHING, dict(NAMED)))
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    record = as_object(EVERYTHING, value, dict(NAMED))

    assert compile_reader(EVERYTHING, CLASSES)(compile_writer(EVERYTHING, b"head")(record), 4) == record


@given(LONGS | st.integers(0, 63).flatmap(lambda bits: st.sampled_from([2**bits - 1, 2**bits - 2**63, -(2**bits)])))
def test_every_number_of_64_bits_is_read_as_the_library_wrote_it(number: int) -> None:
    assert reader("long")(library_bytes("long", number), 0) == {"x": number}


READ = compile_reader(EVERYTHING, CLASSES)
WRITE = compile_writer(EVERYTHING)


@settings(max_examples=examples(300))
@given(values(EVERYTHING, dict(NAMED)), st.data())
def test_a_value_cut_short_is_an_error(value: dict[str, Any], data: st.DataObject) -> None:
    written = WRITE(as_object(EVERYTHING, value, dict(NAMED)))
    length = data.draw(st.integers(0, len(written) - 1))

    with pytest.raises((IndexError, ValueError, KeyError)):
        READ(written[:length], 0)


@given(values(EVERYTHING, dict(NAMED)))
def test_what_is_left_over_is_an_error(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="does not end with its bytes"):
        READ(WRITE(as_object(EVERYTHING, value, dict(NAMED))) + b"\0", 0)


@settings(max_examples=examples(500))
@given(st.binary(max_size=200))
def test_reading_arbitrary_bytes_terminates(data: bytes) -> None:
    with suppress(IndexError, ValueError, KeyError):
        READ(data, 0)


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("string", b"\x01"),
        ("string", b"\x06ab"),
        ({"type": "array", "items": "string"}, b"\x02\x03a\x00"),
        ({"type": "array", "items": "int"}, library_bytes("long", 2**62) + b"\x02"),
        (["null", "int"], b"\x04\x02"),
        (["null", "int"], b"\x01"),
        ("long", b"\xff" * 20),
        ("long", b"\x80" * 9 + b"\x02"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 0}, b"\x02\x64"),
    ],
    ids=["length", "too long", "in array", "too many", "branch", "half a branch", "endless", "65 bits", "digits"],
)
def test_bytes_that_no_writer_produces_are_an_error(type_: Any, data: bytes) -> None:
    with pytest.raises((IndexError, ValueError)):
        reader(type_)(data, 0)


@example([3, 4])
@given(st.lists(st.integers(-100, 100)))
def test_a_block_that_says_its_size_is_read(numbers: list[int]) -> None:
    """The form of an array block that has its size in bytes, so that readers can skip it."""
    body = b"".join(library_bytes("int", number) for number in numbers)
    block = library_bytes("long", -len(numbers)) + library_bytes("long", len(body)) + body if numbers else b""

    assert reader({"type": "array", "items": "int"})(block + b"\0", 0) == {"x": tuple(numbers)}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]},
        {"type": "record", "name": "R", "fields": [{"name": "u", "type": ["string", "int"]}]},
        {"type": "record", "name": "R", "fields": [{"name": "a;b", "type": "int"}]},
        {"type": "record", "name": "R", "fields": []},
        {"type": "record", "name": "Stranger", "fields": [{"name": "n", "type": "int"}]},
        {"type": "array", "items": "null"},
        {"type": "fixed", "name": "R", "size": 4},
        {"type": "bytes", "logicalType": "decimal", "precision": 99, "scale": 4},
        {"type": "string", "logicalType": "decimal", "precision": 9, "scale": 4},
    ],
    ids=["recursion", "union", "no name", "no bytes", "no class", "nulls", "fixed", "precision", "logical type"],
)
def test_a_shape_that_is_not_supported_is_refused_when_the_reader_is_made(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaNotSupported):
        compile_reader(schema, {"R": dict})
