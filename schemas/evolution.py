"""Which version of a record may follow which: the check before a file is released, when nobody has written with it yet.

Pure: files in, sentences out.
"""

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
"""What the Avro library and JSON raise for a text that is no schema."""


def refusals(file: str, present: Mapping[str, bytes]) -> list[str]:
    """Why ``file`` may not follow the earlier versions among ``present`` (file name -> content); empty = it may.

    Outputs are FULL_TRANSITIVE, inputs BACKWARD_TRANSITIVE: producers of every earlier version may still be writing.
    """
    try:
        new = json.loads(present[file])
        parse_schema(new)
    except _NO_SCHEMA as error:
        return [f"{file}: is no Avro schema: {error!r}"]
    return [f"{file}: {why}" for other, old in _earlier(file, present) for why in _against(new, old, other, file)]


def warnings(file: str, present: Mapping[str, bytes]) -> list[str]:
    """What is allowed and looks like a mistake: an optional field that went while one of the same type came."""
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
    """File and schema of the versions before, oldest first; a file that is no schema has its own refusal."""
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
    """Path -> what gives the bytes of a field their meaning; None of a union's branches hides another's."""
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
    """(record, field that went, field that came), of one type each and both with a default."""
    before, after = dict(_records(old)), dict(_records(new))
    for record in before.keys() & after.keys():
        gone = [field for name, field in before[record].items() if name not in after[record] and "default" in field]
        came = [field for name, field in after[record].items() if name not in before[record] and "default" in field]
        for one, other in product(gone, came):
            if one["type"] == other["type"]:
                yield record, one["name"], other["name"]


def _records(schema: Schema) -> Iterable[tuple[str, dict[str, Any]]]:
    """Every record's fields by name."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _records(branch)
    elif isinstance(schema, dict):
        if "fields" in schema:
            yield schema["name"], {field["name"]: field for field in schema["fields"]}
        held = [field["type"] for field in schema.get("fields", ())]
        for inner in (*held, *(schema[key] for key in ("items", "values") if key in schema)):
            yield from _records(inner)
