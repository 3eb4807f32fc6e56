"""The compatibility of schema versions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.avro.codec import Decoder, frame
from streams.avro.compatibility import Level, cannot_read, problems
from tests.unit.schemas.data import library_bytes, values


def record(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def enum(*symbols: str, **more: str) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


A = {"name": "a", "type": "string"}
A_OPTIONAL = {**A, "default": ""}
TREE = record({"name": "left", "type": ["null", "R"], "default": None})
TREE_MORE = record(*TREE["fields"], {"name": "leaf", "type": "int", "default": 0})

READABLE = {
    "the same": ("int", "int"),
    "int as long": ("long", "int"),
    "int as double": ("double", "int"),
    "long as float": ("float", "long"),
    "string as bytes": ("bytes", "string"),
    "into a union": (["null", "string"], "string"),
    "into a union by promotion": (["null", "double"], "int"),
    "out of a union": ("string", ["string"]),
    "a union into a wider one": (["null", "int", "string"], ["string", "null"]),
    "a field less": (record(), record(A)),
    "a field with a default more": (record(A_OPTIONAL), record()),
    "a field by an alias": (record({"name": "b", "type": "string", "aliases": ["a"]}), record(A)),
    "another namespace": ({**record(A), "namespace": "x"}, {**record(A), "namespace": "y"}),
    "a record by an alias": ({**record(A, name="S"), "aliases": ["R"]}, record(A)),
    "an enum with fewer symbols": (enum("A", "B"), enum("A")),
    "a new symbol and a default": (enum("A", default="A"), enum("A", "B")),
    "lists of promoted items": ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}),
    "maps": ({"type": "map", "values": ["null", "int"]}, {"type": "map", "values": "int"}),
    "fixed": ({"type": "fixed", "name": "F", "size": 4}, {"type": "fixed", "name": "F", "size": 4}),
    "a type that contains itself": (TREE_MORE, TREE),
    "a logical type and what it is made of": ({"type": "long", "logicalType": "timestamp-micros"}, "long"),
}
UNREADABLE = {
    "long as int": ("int", "long", "/: long cannot be read as int"),
    "string as int": ("int", "string", "/: string cannot be read as int"),
    "null into a string": ("string", ["null", "string"], "/: null cannot be read as string"),
    "not in the union": (["null", "int"], "string", "/: string is none of null, int"),
    "a field without a default more": (record(A), record(), "/a: is not written, and has no default"),
    "a field of another type": (
        record({**A, "type": "int"}),
        record(A),
        "/a: string cannot be read as int",
    ),
    "another name": (record(A, name="S"), record(A), "/: R is not S"),
    "a new symbol": (enum("A"), enum("A", "B"), "/: B not in E, which has no default"),
    "another size": (
        {"type": "fixed", "name": "F", "size": 4},
        {"type": "fixed", "name": "F", "size": 8},
        "/: 8 bytes are not 4",
    ),
    "lists of other items": (
        {"type": "array", "items": "int"},
        {"type": "array", "items": "string"},
        "/items: string cannot be read as int",
    ),
    "maps of other values": (
        {"type": "map", "values": "int"},
        {"type": "map", "values": "string"},
        "/values: string cannot be read as int",
    ),
    "deep in a type that contains itself": (
        record(*TREE["fields"], {"name": "leaf", "type": "int"}),
        TREE,
        "/leaf: is not written, and has no default",
    ),
}


@pytest.mark.parametrize("name", READABLE)
def test_can_be_read(name: str) -> None:
    reader, writer = READABLE[name]

    assert cannot_read(reader=reader, writer=writer) == []


@pytest.mark.parametrize("name", UNREADABLE)
def test_cannot_be_read(name: str) -> None:
    reader, writer, why = UNREADABLE[name]

    assert cannot_read(reader=reader, writer=writer) == [why]


@pytest.mark.parametrize(
    ("level", "allowed"),
    [
        (Level.NONE, {"more", "optional more", "less", "optional less"}),
        (Level.BACKWARD, {"optional more", "less", "optional less"}),
        (Level.BACKWARD_TRANSITIVE, {"optional more", "less", "optional less"}),
        (Level.FORWARD, {"more", "optional more", "optional less"}),
        (Level.FORWARD_TRANSITIVE, {"more", "optional more", "optional less"}),
        (Level.FULL, {"optional more", "optional less"}),
        (Level.FULL_TRANSITIVE, {"optional more", "optional less"}),
    ],
)
def test_each_level_allows_what_it_says(level: Level, allowed: set[str]) -> None:
    b, c = {"name": "b", "type": "int"}, {"name": "c", "type": "int", "default": 0}
    old = record(A, b, c)
    changes = {
        "more": record(A, b, c, {"name": "d", "type": "int"}),
        "optional more": record(A, b, c, {"name": "d", "type": "int", "default": 0}),
        "less": record(A, c),
        "optional less": record(A, b),
    }

    assert {name for name, new in changes.items() if not problems(level, new, [old])} == allowed


@pytest.mark.parametrize("kind", ["BACKWARD", "FORWARD", "FULL"])
def test_a_level_looks_at_the_latest_version_only_unless_it_is_transitive(kind: str) -> None:
    first, latest = record({"name": "a", "type": "string", "default": ""}), record()
    new = record({"name": "a", "type": "int", "default": 0})

    assert problems(Level(kind), new, [first, latest]) == []
    assert problems(Level(f"{kind}_TRANSITIVE"), new, [first, latest])


def test_the_first_version_follows_nothing() -> None:
    assert problems(Level.FULL_TRANSITIVE, record(A), []) == []


# ---- against the library --------------------------------------------------------------------------------------------

LEAVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "string"])
ENUMS = st.lists(st.sampled_from("ABCD"), min_size=1, unique=True).flatmap(
    lambda symbols: st.sampled_from([enum(*symbols), enum(*symbols, default=symbols[0])])
)


def types_from(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        inner
        | st.lists(LEAVES, min_size=1, max_size=3, unique=True)
        | st.builds(lambda items: {"type": "map", "values": items}, inner)
        | st.builds(lambda items: {"type": "array", "items": items}, inner.filter(lambda items: items != "null"))
    )


TYPES = types_from(types_from(LEAVES))
FIELDS = st.dictionaries(st.sampled_from("abc"), st.tuples(TYPES, st.booleans()), max_size=3)
RECORDS = st.builds(
    lambda fields, kind: record(
        *(
            {"name": name, "type": ["null", type_], "default": None}
            if optional and not isinstance(type_, list) and type_ != "null"
            else {"name": name, "type": type_}
            for name, (type_, optional) in fields.items()
        ),
        *([{"name": "kind", "type": kind}] if kind else []),
    ),
    FIELDS,
    st.none() | ENUMS,
)


@given(RECORDS, RECORDS, st.data())
def test_what_the_check_allows_is_read_by_the_library(reader: Any, writer: Any, data: st.DataObject) -> None:
    if cannot_read(reader=reader, writer=writer):
        return
    value = data.draw(values(writer))

    found = Decoder(reader, {1: json.dumps(writer)}.get).decode(frame(1) + library_bytes(writer, value))

    assert isinstance(found, dict), found
    assert found.keys() == {field["name"] for field in reader["fields"]}


@given(RECORDS)
def test_every_schema_reads_what_it_wrote(schema: Any) -> None:
    assert cannot_read(reader=schema, writer=schema) == []
