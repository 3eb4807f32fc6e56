"""Checks the compatibility of schema versions, by the schema resolution of the Avro specification 1.12. Pure.

Logical types are ignored, as in other registries: a changed scale of a decimal is accepted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

import fastavro

Schema: TypeAlias = Any


class Level(StrEnum):
    """How a new schema must be compatible with the latest version, or (transitive) with all versions."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"  # the new schema reads what the old one wrote
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"  # the old schema reads what the new one writes
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"  # both
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


def problems(level: Level, new: Schema, earlier: Sequence[Schema]) -> list[str]:
    """Returns why ``new`` may not follow ``earlier`` (oldest first); empty if it may.

    Raises ``fastavro.schema.SchemaParseException`` and similar errors for an invalid schema.
    """
    if level is Level.NONE:
        return []
    others = earlier if level.endswith("_TRANSITIVE") else earlier[-1:]
    backward = not level.startswith("FORWARD")
    forward = not level.startswith("BACKWARD")
    found: list[str] = []
    for old in others:
        if backward:
            found += (f"the new schema cannot read the old: {why}" for why in cannot_read(reader=new, writer=old))
        if forward:
            found += (f"the old schema cannot read the new: {why}" for why in cannot_read(reader=old, writer=new))
    return found


def cannot_read(*, reader: Schema, writer: Schema) -> list[str]:
    """Returns the reasons why data of ``writer`` cannot be read with ``reader``, by path; empty if it can."""
    readers, writers = _parse(reader), _parse(writer)
    return list(_Pair(readers.named, writers.named).check(readers.schema, writers.schema, ""))


@dataclass(frozen=True, slots=True)
class _Parsed:
    schema: Schema
    named: Mapping[str, Mapping[str, Any]]


def _parse(schema: Schema) -> _Parsed:
    named: dict[str, Any] = {}
    return _Parsed(fastavro.parse_schema(schema, named_schemas=named), named)


_PROMOTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


@dataclass(slots=True)
class _Pair:
    """One comparison. ``assumed``: pairs of named types being compared, so that recursion ends."""

    readers: Mapping[str, Mapping[str, Any]]
    writers: Mapping[str, Mapping[str, Any]]
    assumed: set[tuple[str, str]] = field(default_factory=set)

    def check(self, reader: Schema, writer: Schema, path: str) -> Iterator[str]:
        reader, writer = _resolve(reader, self.readers), _resolve(writer, self.writers)
        if isinstance(writer, list):
            for branch in writer:
                yield from self.check(reader, branch, path)
        elif isinstance(reader, list):
            if not any(self._readable(branch, writer, path) for branch in reader):
                yield f"{path or '/'}: {_kind(writer)} is none of {', '.join(_label(branch) for branch in reader)}"
        else:
            yield from self._check_single(reader, writer, path)

    def _readable(self, reader: Schema, writer: Schema, path: str) -> bool:
        """Whether a branch is readable; drops its assumptions if it is not."""
        before = set(self.assumed)
        if next(self.check(reader, writer, path), None) is None:
            return True
        self.assumed = before
        return False

    def _check_single(self, reader: Schema, writer: Schema, path: str) -> Iterator[str]:
        kind = _kind(writer)
        if kind != _kind(reader):
            if _kind(reader) not in _PROMOTIONS.get(kind, ()):
                yield f"{path or '/'}: {kind} cannot be read as {_kind(reader)}"
        elif kind == "array":
            yield from self.check(reader["items"], writer["items"], f"{path}/items")
        elif kind == "map":
            yield from self.check(reader["values"], writer["values"], f"{path}/values")
        elif kind in _NAMED:
            yield from self._check_named(reader, writer, path)

    def _check_named(self, reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> Iterator[str]:
        pair = (reader["name"], writer["name"])
        if pair in self.assumed:
            return
        self.assumed.add(pair)
        if not _same_name(reader, writer):
            yield f"{path or '/'}: {writer['name']} is not {reader['name']}"
            return
        yield from _NAMED[writer["type"]](self, reader, writer, path)

    def check_record(self, reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> Iterator[str]:
        written = {field["name"]: field for field in writer["fields"]}
        for wanted in reader["fields"]:
            names = (wanted["name"], *wanted.get("aliases", ()))
            source = next((written[name] for name in names if name in written), None)
            where = f"{path}/{wanted['name']}"
            if source is not None:
                yield from self.check(wanted["type"], source["type"], where)
            elif "default" not in wanted:
                yield f"{where}: is not written, and has no default"

    def check_enum(self, reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> Iterator[str]:
        missing = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if missing and reader.get("default") not in reader["symbols"]:
            yield f"{path or '/'}: {', '.join(missing)} not in {reader['name']}, which has no default"

    def check_fixed(self, reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> Iterator[str]:
        if reader["size"] != writer["size"]:
            yield f"{path or '/'}: {writer['size']} bytes are not {reader['size']}"


_Check: TypeAlias = Callable[[_Pair, Mapping[str, Any], Mapping[str, Any], str], Iterator[str]]
_NAMED: Mapping[str, _Check] = {
    "record": _Pair.check_record,
    "error": _Pair.check_record,
    "enum": _Pair.check_enum,
    "fixed": _Pair.check_fixed,
}


def _resolve(schema: Schema, named: Mapping[str, Mapping[str, Any]]) -> Schema:
    """Resolves a name to its type; leaves a primitive type in an object (with a logical type) as it is."""
    return named[schema] if isinstance(schema, str) and schema not in _PRIMITIVES else schema


def _kind(schema: Schema) -> str:
    return str(schema["type"] if isinstance(schema, dict) else schema)


def _label(schema: Schema) -> str:
    return str(schema.get("name", schema["type"]) if isinstance(schema, dict) else schema)


def _same_name(reader: Mapping[str, Any], writer: Mapping[str, Any]) -> bool:
    """Compares names without namespace, and the reader's aliases."""
    short = writer["name"].rpartition(".")[2]
    aliases = reader.get("aliases", ())
    return reader["name"].rpartition(".")[2] == short or writer["name"] in aliases or short in aliases
