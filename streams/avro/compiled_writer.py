"""Generates a function that encodes objects by one schema, about twice as fast as a general encoder. Pure.

A record is any object with an attribute for each field. The attribute has the field's name; for ``timestamp-micros``
its name ends in ``_us`` and its value is an ``int``. Decimals are ``decimal.Decimal``, enums ``str`` (also
``StrEnum``), arrays sequences, maps mappings of ``str``. A value that does not fit the schema raises: it is a bug of
the caller.

Supported are the types that our contracts use: records without recursion, ``["null", X]``, arrays, maps, enums,
decimals in bytes, and the primitive types. ``compile_writer`` rejects any other.
"""

import keyword
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeAlias

Writer: TypeAlias = Callable[[Any], bytes]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_PRECISION = 50
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
_ONE_BYTE = tuple(bytes([n]) for n in range(128))
_SPREAD = (
    # spreads the groups of 7 bits of an eight-byte number over bytes, in three steps
    "n = n & 0xFFFFFFF | (n & 0xFFFFFFF0000000) << 4",
    "n = n & 0x3FFF00003FFF | (n & 0xFFFC0000FFFC000) << 2",
    "n = n & 0x7F007F007F007F | (n & 0x3F803F803F803F80) << 1",
    'out += (n | 0x80808080808080).to_bytes(8, "little")',
)
_LONG_MIN, _LONG_MAX = -(1 << 63), (1 << 63) - 1
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1


class SchemaNotSupported(ValueError):
    """No reader or writer can be generated for this schema."""


# ---- called by generated code ---------------------------------------------------------------------------------------


def write_long(value: int) -> bytes:
    """Encodes a zigzag varint: seven bits per byte, lowest first. Raises ``OverflowError`` beyond 64 bits."""
    bits = (value << 1) ^ (value >> 63)
    if bits < 128:
        if bits < 0:
            raise OverflowError(f"{value} does not fit 64 bits")
        return _ONE_BYTE[bits]
    if not _LONG_MIN <= value <= _LONG_MAX:
        raise OverflowError(f"{value} does not fit 64 bits")
    out = bytearray()
    while bits > 127:
        out.append(bits & 127 | 128)
        bits >>= 7
    out.append(bits)
    return bytes(out)


def write_int(value: int) -> bytes:
    """Encodes like ``write_long``. Raises ``OverflowError`` beyond 32 bits."""
    if not _INT_MIN <= value <= _INT_MAX:
        raise OverflowError(f"{value} does not fit 32 bits")
    return write_long(value)


def write_decimal(value: Decimal, scale: int, limit: int) -> bytes:
    """Encodes length and two's complement of the unscaled value. Raises ``ArithmeticError`` if rounding was needed."""
    scaled = value.scaleb(scale, _EXACT)
    unscaled = int(scaled)
    if unscaled != scaled:
        raise Inexact(f"{value} has more than {scale} digits after the point")
    if not -limit < unscaled < limit:
        raise OverflowError(f"{value} has too many digits")
    size = unscaled.bit_length() + 8 >> 3
    return _ONE_BYTE[size << 1] + unscaled.to_bytes(size, "big", signed=True)


# ---- the generator --------------------------------------------------------------------------------------------------


def compile_writer(schema: Mapping[str, Any], head: bytes = b"") -> Writer:
    """Returns a function that encodes a record behind ``head``. Raises ``SchemaNotSupported``."""
    generator = _WriterGenerator()
    lines = [
        "def write(v0):",
        "    out = bytearray(head)",
        *(f"    {line}" for line in generator.value(schema, "v0", "")),
        "    return bytes(out)",
    ]
    scope: dict[str, Any] = {
        **generator.constants,
        "head": head,
        "one": _ONE_BYTE,
        "long": write_long,
        "int_": write_int,
        "decimal": write_decimal,
        "float_": struct.Struct("<f").pack,
        "double": struct.Struct("<d").pack,
    }
    # The source is generated from our own schema: names are validated, and values never become part of it.
    exec(compile("\n".join(lines), f"<writer of {schema.get('name')}>", "exec"), scope)  # noqa: S102
    writer: Writer = scope["write"]
    return writer


class _WriterGenerator:
    """Generates Python lines that encode one value; ``constants``: names that they use besides their arguments."""

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {}
        self._named: dict[str, Mapping[str, Any]] = {}
        self._open: list[str] = []
        self._variables = 0

    def value(self, schema: Any, name: str, namespace: str) -> Iterator[str]:
        match schema:
            case list():
                yield from self._optional(schema, name, namespace)
            case str() if (full := full_name(schema, namespace)) in self._named:
                yield from self.value(self._named[full], name, full.rpartition(".")[0])
            case str():
                yield from self._primitive(schema, name)
            case {"logicalType": "decimal", "type": "bytes", "precision": int(precision)}:
                if precision > _MAX_PRECISION:
                    raise SchemaNotSupported(f"no writer for a decimal of {precision} digits")
                yield f"out += decimal({name}, {int(schema.get('scale', 0))}, {10**precision})"
            case {"type": "record" | "enum" as kind}:
                full = full_name(schema["name"], schema.get("namespace", namespace))
                self._named[full] = schema
                write = self._record if kind == "record" else self._enum
                yield from write(schema, name, full)
            case {"type": "array", "items": items}:
                yield from self._blocks(name, "v", lambda item: self.value(items, item, namespace))
            case {"type": "map", "values": values}:
                yield from self._blocks(name, "k", lambda item: self._entry(values, item, namespace))
            case {"type": str(primitive)}:
                is_time = primitive == "long" and schema.get("logicalType") == "timestamp-micros"
                yield from self._timestamp(name) if is_time else self._primitive(primitive, name)
            case _:
                raise SchemaNotSupported(f"no writer for {schema!r}")

    def _primitive(self, kind: str, name: str) -> Iterator[str]:
        match kind:
            case "null":
                return
            case "string" | "bytes":
                raw = self._variable("b")
                yield f"{raw} = {name}.encode()" if kind == "string" else f"{raw} = {name}"
                yield f"size = len({raw})"
                yield "out += one[size << 1] if size < 64 else long(size)"
                yield f"out += {raw}"
            case "long" | "int":
                # a number of one byte, as most are, without a call
                yield f"n = {name} << 1 ^ {name} >> 63"
                yield "if 0 <= n < 128:"
                yield "    out += one[n]"
                yield "else:"
                yield f"    out += {'long' if kind == 'long' else 'int_'}({name})"
            case "boolean":
                yield f"out += one[1] if {name} else one[0]"
            case "float":
                yield f"out += float_({name})"
            case "double":
                yield f"out += double({name})"
            case _:
                raise SchemaNotSupported(f"no writer for type {kind!r}")

    def _timestamp(self, name: str) -> Iterator[str]:
        """Generates what ``write_long`` does with a number of eight bytes, as every current timestamp has, in place."""
        yield f"if {1 << 48} <= {name} < {1 << 55}:"
        yield f"    n = {name} << 1"
        yield from (f"    {line}" for line in _SPREAD)
        yield "else:"
        yield f"    out += long({name})"

    def _optional(self, branches: list[Any], name: str, namespace: str) -> Iterator[str]:
        match branches:
            case ["null", other]:
                yield f"if {name} is None:"
                yield "    out += one[0]"
                yield "else:"
                yield "    out += one[2]"
                yield from indented(self.value(other, name, namespace))
            case _:
                raise SchemaNotSupported(f"no writer for the union {branches!r}")

    def _record(self, schema: Mapping[str, Any], name: str, full: str) -> Iterator[str]:
        if full in self._open:
            raise SchemaNotSupported(f"{full} contains itself")
        self._open.append(full)
        for field in schema["fields"]:
            variable = self._variable("v")
            yield f"{variable} = {name}.{attribute(field)}"
            yield from self.value(field["type"], variable, full.rpartition(".")[0])
        self._open.pop()

    def _enum(self, schema: Mapping[str, Any], name: str, full: str) -> Iterator[str]:
        table = f"enum_{full.replace('.', '_')}"
        self.constants[table] = {symbol: write_int(index) for index, symbol in enumerate(schema["symbols"])}
        yield f"out += {table}[{name}]"

    def _blocks(self, name: str, letter: str, write: Callable[[str], Iterator[str]]) -> Iterator[str]:
        item = self._variable(letter)
        yield f"if {name}:"
        yield f"    size = len({name})"
        yield "    out += one[size << 1] if size < 64 else long(size)"
        yield f"    for {item} in {name}:"
        body = list(indented(indented(write(item)))) or ["        pass"]
        yield from (line.replace("@map@", name) for line in body)
        yield "out += one[0]"

    def _entry(self, values: Any, key: str, namespace: str) -> Iterator[str]:
        value = self._variable("v")
        yield from self._primitive("string", key)
        yield f"{value} = @map@[{key}]"
        yield from self.value(values, value, namespace)

    def _variable(self, letter: str) -> str:
        self._variables += 1
        return f"{letter}{self._variables}"


def attribute(field: Mapping[str, Any]) -> str:
    """Returns the attribute of a field. Raises ``SchemaNotSupported`` if it is not a valid Python name."""
    name: str = field["name"]
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise SchemaNotSupported(f"{name!r} cannot be an attribute")
    return f"{name}_us" if _is_timestamp(field["type"]) else name


def _is_timestamp(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(_is_timestamp(branch) for branch in schema)
    return isinstance(schema, dict) and schema.get("logicalType") == "timestamp-micros"


def full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)
