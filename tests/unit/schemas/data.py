"""Random valid data for a schema, in the forms that the Avro library and the generated writers accept."""

from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import fastavro
from hypothesis import strategies as st

from streams.avro.compiled_writer import attribute

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LONGS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-200, 200), st.integers(1_600_000_000_000_000, 1_900_000_000_000_000)
)


def values(schema: Any, named: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Returns a strategy of values for the Avro library. Timestamps are integers, as everywhere in the connector."""
    named = {} if named is None else named
    if isinstance(schema, list):
        return st.one_of([values(branch, named) for branch in schema])
    if isinstance(schema, str):
        return values(named[schema], named) if schema in named else PRIMITIVES[schema]
    if "name" in schema:
        named[schema["name"]] = schema
    match schema:
        case {"logicalType": "decimal", "precision": precision, "scale": scale}:
            limit = 10**precision - 1
            return st.integers(-limit, limit).map(lambda unscaled: Decimal(unscaled).scaleb(-scale))
        case {"type": "record", "fields": fields}:
            return st.fixed_dictionaries({field["name"]: values(field["type"], named) for field in fields})
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case {"type": "array", "items": items}:
            return st.lists(values(items, named), max_size=3)
        case {"type": "map", "values": inner}:
            return st.dictionaries(TEXTS, values(inner, named), max_size=3)
        case _:
            return values(schema["type"], named)


PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": LONGS,
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=80),
    "string": TEXTS | st.text("x", min_size=60, max_size=70),
}


def library_bytes(schema: Any, value: Any) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value, strict=True)
    return out.getvalue()


def as_object(schema: Any, value: Any, named: dict[str, Any] | None = None) -> Any:
    """Converts a value to an object with attributes, as a generated writer accepts it."""
    named = dict(names_in(schema)) if named is None else named
    if isinstance(schema, list):
        return None if value is None else as_object(schema[1], value, named)
    if isinstance(schema, str):
        return as_object(named[schema], value, named) if schema in named else value
    match schema:
        case {"type": "record", "fields": fields}:
            return SimpleNamespace(
                **{attribute(field): as_object(field["type"], value[field["name"]], named) for field in fields}
            )
        case {"type": "array", "items": items}:
            return tuple(as_object(items, item, named) for item in value)
        case {"type": "map", "values": inner}:
            return {key: as_object(inner, item, named) for key, item in value.items()}
        case _:
            return value


def names_in(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yields every named type with its name, including those without a value."""
    if isinstance(schema, list):
        for branch in schema:
            yield from names_in(branch)
    elif isinstance(schema, dict):
        if "name" in schema:
            yield schema["name"], schema
        for inner in (
            *(field["type"] for field in schema.get("fields", ())),
            schema.get("items"),
            schema.get("values"),
        ):
            yield from names_in(inner)
