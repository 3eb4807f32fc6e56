"""The version that a value needs: the lowest that can be read and written back without loss."""

from types import SimpleNamespace
from typing import Any

import pytest

from streams.avro.versions import needs

TEXT = {"name": "text", "type": "string"}


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "R", "namespace": "n", "fields": [TEXT, *fields]}


def version_of(*versions: dict[str, Any], **value: Any) -> int:
    return needs(versions)(SimpleNamespace(text="t", **value))


def test_a_value_of_the_only_version_needs_version_one() -> None:
    assert version_of(record()) == 1


@pytest.mark.parametrize(
    ("field", "default", "other"),
    [
        ({"type": ["null", "long"], "default": None}, None, 0),
        ({"type": {"type": "array", "items": "long"}, "default": []}, (), (1,)),
        ({"type": {"type": "map", "values": "long"}, "default": {}}, {}, {"a": 1}),
        ({"type": "boolean", "default": True}, True, False),
        ({"type": "long", "default": 0}, 0, 7),
        ({"type": "string", "default": "x"}, "x", ""),
    ],
)
def test_a_new_field_counts_where_it_is_not_its_default(field: dict[str, Any], default: Any, other: Any) -> None:
    versions = record(), record({"name": "more", **field})

    assert version_of(*versions, more=default) == 1
    assert version_of(*versions, more=other) == 2


def test_the_newest_field_or_symbol_in_use_decides_the_needed_version() -> None:
    one = {"name": "one", "type": ["null", "long"], "default": None}
    two = {"name": "two", "type": ["null", "long"], "default": None}
    versions = record(), record(one), record(one, two)

    assert version_of(*versions, one=1, two=None) == 2
    assert version_of(*versions, one=1, two=2) == 3
    assert version_of(*versions, one=None, two=2) == 3


@pytest.mark.parametrize("wrap", ["plain", "optional", "array", "map", "named"])
def test_additions_in_nested_records_are_found(wrap: str) -> None:
    def inner(*fields: dict[str, Any]) -> dict[str, Any]:
        return {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "long"}, *fields]}

    def outer(of: dict[str, Any]) -> dict[str, Any]:
        kinds: dict[str, Any] = {
            "plain": of,
            "optional": ["null", of],
            "array": {"type": "array", "items": of},
            "map": {"type": "map", "values": of},
            "named": of,
        }
        again = [{"name": "other", "type": "Inner"}] if wrap == "named" else []
        return record({"name": "held", "type": kinds[wrap]}, *again)

    def held(b: int | None) -> dict[str, Any]:
        one = SimpleNamespace(a=1, b=b)
        values: dict[str, Any] = {"array": (SimpleNamespace(a=0, b=None), one), "map": {"k": one}}
        if wrap == "named":
            return {"held": SimpleNamespace(a=0, b=None), "other": one}
        return {"held": values.get(wrap, one)}

    versions = outer(inner()), outer(inner({"name": "b", "type": ["null", "long"], "default": None}))

    assert version_of(*versions, **held(None)) == 1
    assert version_of(*versions, **held(0)) == 2


def test_a_new_symbol_counts_if_the_value_uses_it() -> None:
    def colours(*symbols: str) -> dict[str, Any]:
        return record(
            {"name": "colour", "type": {"type": "enum", "name": "C", "symbols": [*symbols], "default": "NONE"}}
        )

    versions = colours("NONE", "RED"), colours("NONE", "RED", "BLUE")

    assert version_of(*versions, colour="RED") == 1
    assert version_of(*versions, colour="BLUE") == 2


def test_a_field_that_may_be_lost_counts_for_nothing() -> None:
    more = {"name": "more", "type": ["null", "long"], "default": None, "may_be_lost": True}

    assert version_of(record(), record(more), more=1) == 1


def test_a_timestamp_field_is_an_attribute_with_its_unit() -> None:
    moment = {"type": "long", "logicalType": "timestamp-micros"}
    versions = record(), record({"name": "seen_at", "type": ["null", moment], "default": None})

    assert version_of(*versions, seen_at_us=1) == 2
