"""Prepares a schema for the Avro library: our own logical types, and a check that decoding cost is bounded. Pure."""

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final, TypeAlias

import fastavro
from fastavro import read as fastavro_read

Schema: TypeAlias = Any
"""A schema as JSON: an object, a list or a name."""


class UnusableSchema(ValueError):
    """Not a schema, or one whose values could cost more to decode than their number of bytes allows."""

    reported_as = "Unusable"  # in the headers of dead letters, which do not change with our names


class InexactDecimal(ArithmeticError):
    """A decimal that the reader's scale and precision cannot represent exactly."""

    reported_as = "NotExact"  # see ``UnusableSchema``


class ParsedSchema:
    """A parsed schema with our logical types instead of the library's."""

    def __init__(self, schema: Schema) -> None:
        named: dict[str, Any] = {}
        self.parsed = fastavro.parse_schema(_with_our_types(schema), named_schemas=named)
        self.layout = _layout(self.parsed)
        self.name = self.parsed["name"] if isinstance(self.parsed, dict) and "name" in self.parsed else "the schema"
        _Bounds(named).check(self.parsed)


_PREFIX = "streams-"
_OURS: Mapping[tuple[object, object], str] = {
    ("long", "timestamp-millis"): _PREFIX + "millis",
    ("long", "timestamp-nanos"): _PREFIX + "nanos",
    ("bytes", "decimal"): _PREFIX + "decimal",
    ("fixed", "decimal"): _PREFIX + "decimal",
}
"""Other logical types are decoded as their underlying type, timestamp-micros included."""


def _with_our_types(schema: Schema) -> Schema:
    if isinstance(schema, list):
        return [_with_our_types(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    ours: dict[str, Any] = {key: value for key, value in schema.items() if key != "logicalType"}
    for key in ("type", "items", "values"):
        if isinstance(ours.get(key), dict | list):
            ours[key] = _with_our_types(ours[key])
    if "fields" in ours:
        ours["fields"] = [{**field, "type": _with_our_types(field["type"])} for field in ours["fields"]]
    logical = _OURS.get((kind, schema.get("logicalType"))) if isinstance(kind, str) else None
    if logical:
        ours["logicalType"] = logical
    if logical == _PREFIX + "decimal":
        _check_decimal(schema)
    return ours


def _check_decimal(schema: Mapping[str, Any]) -> None:
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision <= _MAX_DIGITS:
        raise UnusableSchema(f"decimal of precision {precision!r} and scale {scale!r}")


_LAYOUT = ("type", "name", "fields", "symbols", "items", "values", "size", "logicalType", "precision", "scale")


def _layout(schema: Schema) -> Schema:
    """Returns what determines the encoding and its meaning: no doc, defaults or aliases."""
    if isinstance(schema, list):
        return [_layout(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: schema[key] for key in _LAYOUT if key in schema}
    if kept.keys() == {"type"}:
        return _layout(kept["type"])
    return {key: value if key == "symbols" else _layout(value) for key, value in kept.items()}


# ---- bounds ---------------------------------------------------------------------------------------------------------

_PRIMITIVE_SIZE: Final[Mapping[str, int]] = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
}


class _Bounds:
    """Rejects schemas with which a few bytes could keep a reader busy without limit, or overflow its stack.

    These are: a type that contains itself (values nest as deep as the bytes allow), an array of values that take no
    bytes (its count alone decides), and a type that expands to more than ``_MAX_NODES`` types.
    """

    _MAX_NODES = 20_000

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._done: dict[str, tuple[int, int]] = {}
        self._open: set[str] = set()

    def check(self, schema: Schema) -> None:
        self._measure(schema)

    def _measure(self, schema: Schema) -> tuple[int, int]:
        """Returns the minimum number of bytes of a value, and the number of types in it."""
        size, nodes = self._of(schema)
        if nodes > self._MAX_NODES:
            raise UnusableSchema(f"more than {self._MAX_NODES} types within one")
        return size, nodes

    def _of(self, schema: Schema) -> tuple[int, int]:
        match schema:
            case str() if schema in _PRIMITIVE_SIZE:
                return _PRIMITIVE_SIZE[schema], 1
            case str():
                return self._name(schema)
            case list():
                return 1, 1 + sum(self._measure(branch)[1] for branch in schema)
            case {"type": "record" | "error" | "enum" | "fixed", "name": name}:
                return self._name(name)
            case {"type": "array", "items": items}:
                size, nodes = self._measure(items)
                if size == 0:
                    raise UnusableSchema("an array of values that take no bytes")
                return 1, nodes + 1
            case {"type": "map", "values": values}:
                return 1, self._measure(values)[1] + 1
            case {"type": inner}:
                return self._measure(inner)
            case _:
                raise UnusableSchema(f"not a type: {schema!r}")

    def _name(self, name: str) -> tuple[int, int]:
        if name in self._done:
            return self._done[name]
        if name in self._open:
            raise UnusableSchema(f"{name} contains itself")
        schema = self._named[name]
        if schema["type"] == "fixed":
            return schema["size"], 1
        if schema["type"] == "enum":
            return 1, 1
        self._open.add(name)
        parts = [self._measure(field["type"]) for field in schema["fields"]]
        self._open.remove(name)
        self._done[name] = sum(size for size, _ in parts), 1 + sum(nodes for _, nodes in parts)
        return self._done[name]


# ---- our logical types ----------------------------------------------------------------------------------------------

_MAX_DIGITS = 100
_MAX_DECIMAL_BYTES = 42  # of 100 digits
_EXACT = Context(prec=3 * _MAX_DIGITS, traps=[Inexact, InvalidOperation])


def _millis(value: int, *_: Schema) -> int:
    return value * 1000


def _nanos(value: int, *_: Schema) -> int:
    return value // 1000


def _decimal(data: bytes, writer: dict[str, Any] | None = None, reader: dict[str, Any] | None = None) -> Decimal:
    """Returns an exact decimal in the reader's scale, or in the writer's if the reader has none."""
    if len(data) > _MAX_DECIMAL_BYTES:
        raise InexactDecimal(f"a decimal of {len(data)} bytes")
    assert writer is not None  # noqa: S101 - the library always passes it
    scale: int = writer.get("scale", 0)
    value = Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-scale, _EXACT)
    wanted = reader if isinstance(reader, dict) and "precision" in reader else writer
    wanted_scale: int = wanted.get("scale", 0)
    if wanted_scale != scale:
        try:
            value = value.quantize(Decimal(1).scaleb(-wanted_scale), context=_EXACT)
        except (Inexact, InvalidOperation) as error:
            raise InexactDecimal(f"{value} has more than {wanted_scale} digits after the point") from error
    if value.adjusted() + 1 + wanted_scale > wanted["precision"] and value:
        raise InexactDecimal(f"{value} has more than {wanted['precision']} digits")
    return value


# How the library registers logical types. The names are unique to us, so other users of the library are unaffected.
fastavro_read.LOGICAL_READERS.update(
    {
        f"long-{_PREFIX}millis": _millis,
        f"long-{_PREFIX}nanos": _nanos,
        f"bytes-{_PREFIX}decimal": _decimal,
        f"fixed-{_PREFIX}decimal": _decimal,
    }
)
