"""Generates a function that decodes one schema directly into objects: the inverse of ``compiled_writer``. Pure.

A record becomes an object of the class with its name, with the attributes that the writer reads; an enum symbol becomes
a member of the class with the enum's name. Arrays become tuples, maps dictionaries. For any input, decoding returns a
value or raises, in time and memory bounded by the number of bytes: negative lengths are rejected, and every item of an
array takes at least one byte.

Supported are the types that our contracts use: records without recursion, ``["null", X]``, arrays, maps, enums,
decimals in bytes, strings, bytes, integers and booleans. ``compile_reader`` rejects any other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from streams.avro.compiled_writer import SchemaNotSupported, attribute, full_name, indented
from streams.frozen import maker

Reader: TypeAlias = Callable[[bytes, int], Any]
"""Decodes the value that starts at a position and ends with the bytes. Raises for malformed bytes, with no closed set
of exceptions."""

_MAX_DIGITS = 28  # precision of the default decimal context

# ---- called by generated code ---------------------------------------------------------------------------------------


def read_more(data: bytes, at: int) -> tuple[int, int]:
    """Returns a multi-byte number, still zigzag-encoded, and the position behind it; ``at`` is its second byte."""
    word = int.from_bytes(data[at - 1 : at + 7], "little")
    if word & 0x8080808080808080 == 0x80808080808080:
        # Eight bytes, as for every current timestamp: gather the groups of 7 bits in three steps.
        bits = word & 0x7F007F007F007F | (word & 0x7F007F007F007F00) >> 1
        bits = bits & 0x3FFF00003FFF | (bits & 0x3FFF00003FFF0000) >> 2
        return bits & 0xFFFFFFF | (bits & 0xFFFFFFF00000000) >> 4, at + 7
    bits, shift, byte = data[at - 1] & 127, 7, 128
    while byte > 127:
        byte = data[at]
        bits |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if bits >> 64:
            raise ValueError("a number of more than 64 bits")
    return bits, at


def read_decimal(raw: bytes, scale: int, limit: int) -> Decimal:
    """Returns a decimal. Raises ``ValueError`` if it has more digits than the schema allows."""
    unscaled = int.from_bytes(raw, "big", signed=True)
    if not -limit < unscaled < limit:
        raise ValueError("a decimal with too many digits")
    return Decimal(unscaled).scaleb(-scale)


def impossible(what: str) -> None:
    raise ValueError(what)


def _maker(kind: Callable[..., Any], names: Iterable[str]) -> Callable[..., Any]:
    """Returns a function that makes an object from the values of these attributes, in this order."""
    if isinstance(kind, type) and is_dataclass(kind):
        return maker(kind, names)
    return lambda *values: kind(**dict(zip(names, values, strict=True)))


# ---- the generator --------------------------------------------------------------------------------------------------


def compile_reader(schema: Mapping[str, Any], classes: Mapping[str, Callable[..., Any]]) -> Reader:
    """Compiles a reader. ``classes``: by name of record or enum. Raises ``SchemaNotSupported``."""
    generator = _ReaderGenerator(classes)
    lines = [
        "def read(data, at):",
        *indented(generator.value(schema, "v0", "")),
        "    if at != len(data):",
        '        impossible("the value does not end with its bytes")',
        "    return v0",
    ]
    scope: dict[str, Any] = {
        **generator.constants,
        "more": read_more,
        "decimal": read_decimal,
        "impossible": impossible,
    }
    # The source is generated from our own schema: names are validated, and values never become part of it.
    exec(compile("\n".join(lines), f"<reader of {schema.get('name')}>", "exec"), scope)  # noqa: S102
    reader: Reader = scope["read"]
    return reader


class _ReaderGenerator:
    """Generates Python lines that decode the value at ``at`` into a variable; ``constants``: names that they use."""

    def __init__(self, classes: Mapping[str, Callable[..., Any]]) -> None:
        self.constants: dict[str, Any] = {}
        self._classes = classes
        self._named: dict[str, Mapping[str, Any]] = {}
        self._open: list[str] = []
        self._variables = 0

    def value(self, schema: Any, name: str, namespace: str) -> Iterator[str]:
        match schema:
            case ["null", other]:
                yield from self._optional(other, name, namespace)
            case str() if (full := full_name(schema, namespace)) in self._named:
                yield from self.value(self._named[full], name, full.rpartition(".")[0])
            case str():
                yield from self._primitive(schema, name)
            case {"logicalType": "decimal", "type": "bytes", "precision": int(precision)} if precision <= _MAX_DIGITS:
                yield from self._slice()
                yield f"{name} = decimal(data[at:end], {int(schema.get('scale', 0))}, {10**precision})"
                yield "at = end"
            case {"type": "record" | "enum" as kind}:
                full = full_name(schema["name"], schema.get("namespace", namespace))
                self._named[full] = schema
                read = self._record if kind == "record" else self._enum
                yield from read(schema, name, full)
            case {"type": "array", "items": items}:
                yield from self._array(items, name, namespace)
            case {"type": "map", "values": values}:
                yield from self._map(values, name, namespace)
            case {"type": str(primitive)} if "logicalType" not in schema or primitive == "long":
                yield from self._primitive(primitive, name)
            case _:
                raise SchemaNotSupported(f"no reader for {schema!r}")

    def _primitive(self, kind: str, name: str) -> Iterator[str]:
        match kind:
            case "string" | "bytes":
                yield from self._slice()
                yield f"{name} = data[at:end]" + (".decode()" if kind == "string" else "")
                yield "at = end"
            case "long" | "int":
                yield from self._number()
                yield f"{name} = n >> 1 ^ -(n & 1)"
            case "boolean":
                yield f"{name} = data[at] == 1"
                yield "at += 1"
            case _:
                raise SchemaNotSupported(f"no reader for type {kind!r}")

    def _number(self) -> Iterator[str]:
        """Reads a number into ``n``, zigzag-encoded: even numbers are not negative."""
        yield "n = data[at]"
        yield "at += 1"
        yield "if n > 127:"
        yield "    n, at = more(data, at)"

    def _slice(self) -> Iterator[str]:
        """Reads a length and sets ``end``. If it is longer than the data, the next read fails."""
        yield from self._number()
        yield "if n & 1:"
        yield '    impossible("a negative length")'
        yield "end = at + (n >> 1)"

    def _optional(self, other: Any, name: str, namespace: str) -> Iterator[str]:
        yield "n = data[at]"
        yield "at += 1"
        yield "if n == 0:"
        yield f"    {name} = None"
        yield "elif n == 2:"
        yield from indented(self.value(other, name, namespace))
        yield "else:"
        yield '    impossible("a branch that the union does not have")'

    def _record(self, schema: Mapping[str, Any], name: str, full: str) -> Iterator[str]:
        if full in self._open:
            raise SchemaNotSupported(f"{full} contains itself")
        self._open.append(full)
        arguments = {}
        if not schema["fields"]:
            raise SchemaNotSupported(f"{full} takes no bytes")
        for field in schema["fields"]:
            variable = arguments[attribute(field)] = self._variable()
            yield from self.value(field["type"], variable, full.rpartition(".")[0])
        self._open.pop()
        make = self._constant("make", full, _maker(self._class(schema), arguments))
        yield f"{name} = {make}({', '.join(arguments.values())})"

    def _enum(self, schema: Mapping[str, Any], name: str, full: str) -> Iterator[str]:
        member = self._class(schema)
        table = {2 * index: member(symbol) for index, symbol in enumerate(schema["symbols"])}
        yield from self._number()
        yield f"{name} = {self._constant('enum', full, table)}[n]"

    def _array(self, items: Any, name: str, namespace: str) -> Iterator[str]:
        item = self._variable()
        yield f"{name} = []"
        yield from self._blocks((*self.value(items, item, namespace), f"{name}.append({item})"))
        yield f"{name} = tuple({name})"

    def _map(self, values: Any, name: str, namespace: str) -> Iterator[str]:
        key, value = self._variable(), self._variable()
        entry = (*self._primitive("string", key), *self.value(values, value, namespace), f"{name}[{key}] = {value}")
        yield f"{name} = {{}}"
        yield from self._blocks(entry)

    def _blocks(self, item: tuple[str, ...]) -> Iterator[str]:
        """Reads blocks: a count, then that many items; after a negative count comes the block's size in bytes."""
        count = self._variable()
        yield from self._number()
        yield "while n:"
        yield f"    {count} = n + 1 >> 1"
        yield "    if n & 1:"
        yield from indented(indented(self._number()))
        yield f"    for _ in range({count}):"
        yield from indented(indented(item))
        yield from indented(self._number())

    def _class(self, schema: Mapping[str, Any]) -> Callable[..., Any]:
        try:
            return self._classes[schema["name"]]
        except KeyError:
            raise SchemaNotSupported(f"no class for {schema['name']!r}") from None

    def _constant(self, what: str, full: str, value: Any) -> str:
        name = f"{what}_{full.replace('.', '_')}"
        self.constants[name] = value
        return name

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"
