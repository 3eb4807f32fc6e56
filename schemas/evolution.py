"""Checks a new version of a schema against the earlier ones, before it is released and while nothing uses it. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, TypeAlias

from fastavro.schema import SchemaParseException, parse_schema

from schemas import INPUTS, naming
from streams.avro.compatibility import Level, problems

Schema: TypeAlias = Any

_LOGICAL = ("logicalType", "precision", "scale")
_NO_SCHEMA = (SchemaParseException, ValueError, LookupError, TypeError, AttributeError)
"""Raised by the Avro library and the JSON parser for text that is not a schema."""


def refusals(file: str, present: Mapping[str, bytes]) -> list[str]:
    """Returns why ``file`` is incompatible with the earlier versions among ``present`` (file name -> content).

    Outputs are checked as FULL_TRANSITIVE, inputs as BACKWARD_TRANSITIVE: producers may still use any earlier version.
    """
    try:
        new = json.loads(present[file])
        parse_schema(new)
    except _NO_SCHEMA as error:
        return [f"{file}: is no Avro schema: {error!r}"]
    return [f"{file}: {why}" for other, old in _earlier(file, present) for why in _against(new, old, other, file)]


def warnings(file: str, present: Mapping[str, bytes]) -> list[str]:
    """Returns warnings of likely mistakes: an optional field was removed and one of the same type was added."""
    earlier = list(_earlier(file, present))
    if not earlier or refusals(file, present):
        return []
    other, old = earlier[-1]
    return [
        f"{file}: {record}.{gone} of {other} is gone, and {came} of the same type is new. If it was "
        f"renamed, values get lost without an error: readers of {other} see the default. Keep {gone} beside {came}."
        for record, gone, came in _renamed(json.loads(present[file]), old)
    ]


def _earlier(file: str, present: Mapping[str, bytes]) -> Iterator[tuple[str, Schema]]:
    """Yields file name and schema of the earlier versions, oldest first. Skips invalid files: they have a refusal of
    their own.
    """
    name, version = naming.parse(file) or ("", 0)
    for number in range(1, version):
        other = naming.file_name(name, number)
        try:
            yield other, json.loads(present[other])
        except (KeyError, ValueError):
            continue


def _against(new: Schema, old: Schema, other: str, file: str) -> Iterator[str]:
    name, _ = naming.parse(file) or ("", 0)
    level = Level.BACKWARD_TRANSITIVE if name in INPUTS else Level.FULL_TRANSITIVE
    try:
        found = problems(level, new, [old])
    except _NO_SCHEMA:
        return
    yield from (f"beside {other}: {problem}" for problem in found)
    before, after = dict(_logical(old, "")), dict(_logical(new, ""))
    for path in sorted(before.keys() & after.keys()):
        if before[path] != after[path]:
            change = f"{_said(before[path])} became {_said(after[path])}"
            yield f"beside {other}: {path}: {change}: values would be misread"


def _logical(schema: Schema, path: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yields (path, logical type attributes) of each field; branches of a union have separate paths."""
    for branch in schema if isinstance(schema, list) else [schema]:
        if isinstance(branch, dict):
            if not branch.get("fields") and branch["type"] not in ("array", "map"):
                yield f"{path} ({branch['type']})", tuple(branch.get(key) for key in _LOGICAL)
            for field in branch.get("fields", ()):
                yield from _logical(field["type"], f"{path}/{field['name']}")
            for inner in ("items", "values"):
                if inner in branch:
                    yield from _logical(branch[inner], f"{path}/{inner}")
        elif branch != "null":
            yield f"{path} ({branch})", (None,) * len(_LOGICAL)


def _said(logical: tuple[Any, ...]) -> str:
    return " ".join(str(part) for part in logical if part is not None) or "the plain type"


def _renamed(new: Schema, old: Schema) -> Iterator[tuple[str, str, str]]:
    """Yields (record, removed field, added field) for pairs of the same type that both have a default."""
    before, after = dict(_records(old)), dict(_records(new))
    for record in before.keys() & after.keys():
        gone = [field for name, field in before[record].items() if name not in after[record] and "default" in field]
        came = [field for name, field in after[record].items() if name not in before[record] and "default" in field]
        for one, other in product(gone, came):
            if one["type"] == other["type"]:
                yield record, one["name"], other["name"]


def _records(schema: Schema) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yields every record's name and its fields by name."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _records(branch)
    elif isinstance(schema, dict):
        if "fields" in schema:
            yield schema["name"], {field["name"]: field for field in schema["fields"]}
        held = [field["type"] for field in schema.get("fields", ())]
        for inner in (*held, *(schema[key] for key in ("items", "values") if key in schema)):
            yield from _records(inner)
