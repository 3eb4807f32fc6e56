"""Generated writers produce the same bytes as the Avro library, for every supported type."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from streams.avro.compiled_writer import SchemaNotSupported, compile_writer, write_decimal, write_long
from tests.unit.schemas.data import LONGS, as_object, library_bytes, values

NUMBERS = {"type": "array", "items": "int"}
EVERYTHING: dict[str, Any] = {
    "type": "record",
    "name": "Everything",
    "namespace": "things",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "big", "type": "long"},
        {"name": "rough", "type": "float"},
        {"name": "fine", "type": "double"},
        {"name": "raw", "type": "bytes"},
        {"name": "words", "type": "string"},
        {"name": "nothing", "type": "null"},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
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
        {"name": "nulls", "type": {"type": "array", "items": "null"}},
    ],
}
EVERYTHING_NAMED = {
    "Kind": EVERYTHING["fields"][10]["type"],
    "other.Part": EVERYTHING["fields"][13]["type"]["values"],
}


@given(values(EVERYTHING, dict(EVERYTHING_NAMED)))
def test_every_shape_is_written_as_the_library_writes_it(value: dict[str, Any]) -> None:
    record = as_object(EVERYTHING, value, dict(EVERYTHING_NAMED))

    assert compile_writer(EVERYTHING, b"head")(record) == b"head" + library_bytes(EVERYTHING, value)


@pytest.mark.parametrize("name", schemas.NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_every_contract_is_written_as_the_library_writes_it(name: str, data: st.DataObject) -> None:
    schema = schemas.load(name, 1)
    value = data.draw(values(schema))

    assert compile_writer(schema)(as_object(schema, value)) == library_bytes(schema, value)


@given(LONGS | st.integers(0, 63).flatmap(lambda bits: st.sampled_from([2**bits - 1, 2**bits - 2**63, -(2**bits)])))
def test_every_number_of_64_bits_is_written_as_the_library_writes_it(number: int) -> None:
    assert write_long(number) == library_bytes("long", number)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30, -(10**30)])
def test_a_number_beyond_64_bits_is_an_error(number: int) -> None:
    with pytest.raises(OverflowError):
        write_long(number)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_a_number_beyond_its_32_bits_is_an_error(number: int) -> None:
    write = compile_writer({"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]})

    with pytest.raises(OverflowError):
        write(SimpleNamespace(n=number))


@pytest.mark.parametrize("text", ["0.00001", "19.99999", "1E-9"])
def test_a_decimal_is_never_rounded(text: str) -> None:
    with pytest.raises(ArithmeticError):
        write_decimal(Decimal(text), 4, 10**18)


@pytest.mark.parametrize("text", ["100000000000000", "-100000000000000", "1E+80", "NaN", "Infinity"])
def test_a_decimal_beyond_its_precision_is_an_error(text: str) -> None:
    with pytest.raises((ArithmeticError, ValueError)):
        write_decimal(Decimal(text), 4, 10**18)


@pytest.mark.parametrize("text", ["19.99", "1999E-2", "19.9900000000"])
def test_a_decimal_is_written_by_its_value(text: str) -> None:
    assert write_decimal(Decimal(text), 4, 10**18) == write_decimal(Decimal("19.9900"), 4, 10**18)


def test_a_symbol_that_the_enum_lacks_is_an_error() -> None:
    write = compile_writer({"type": "enum", "name": "Kind", "symbols": ["A"]})

    with pytest.raises(KeyError):
        write("B")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]},
        {"type": "record", "name": "R", "fields": [{"name": "u", "type": ["string", "int"]}]},
        {"type": "record", "name": "R", "fields": [{"name": "class", "type": "int"}]},
        {"type": "record", "name": "R", "fields": [{"name": "a;b", "type": "int"}]},
        {"type": "fixed", "name": "F", "size": 4},
        {"type": "bytes", "logicalType": "decimal", "precision": 99, "scale": 4},
    ],
    ids=["recursion", "union", "keyword", "no name", "fixed", "precision"],
)
def test_a_shape_that_is_not_supported_is_refused_when_the_writer_is_made(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaNotSupported):
        compile_writer(schema)
