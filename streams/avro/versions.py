"""Determines the lowest schema version that can represent a value without loss. Pure.

Versions that are compatible in both directions can read each other, but an older reader silently drops what a newer
version added: a field loses its value, an enum symbol becomes the default. If the reader writes the value back, that is
data loss. So a value needs the version that added the newest feature that it uses: a field that differs from its
default, or an enum symbol.

An added field with ``"may_be_lost": true`` in its schema is ignored: losing it does no harm.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from streams.avro.compiled_writer import attribute, full_name

Schema: TypeAlias = Mapping[str, Any]
Needs: TypeAlias = Callable[[Any], int]
"""Returns the lowest version, counted from 1, that keeps all of a value (an object, as for ``compiled_writer``)."""

_Test: TypeAlias = Callable[[Any], bool]
MAY_BE_LOST: Final = "may_be_lost"


def needs(versions: Sequence[Schema]) -> Needs:
    """Returns the function for all versions of one schema, given oldest first."""
    pairs = enumerate(zip(versions[1:], versions, strict=False), start=2)
    tests = [(number, test) for number, (new, old) in pairs for test in _additions(new, old)]
    newest_first = tuple(reversed(tests))

    def needed(value: Any) -> int:
        for number, test in newest_first:
            if test(value):
                return number
        return 1

    return needed


def _additions(new: Schema, old: Schema) -> Iterator[_Test]:
    """Yields a test for each addition of the newer version: whether a value uses it."""
    yield from _Walk(_names(new), _names(old)).value(new, old, "")


def _names(schema: Any) -> dict[str, Schema]:
    """Returns every named type in a schema."""
    named: dict[str, Schema] = {}

    def visit(part: Any, namespace: str) -> None:
        match part:
            case [*branches]:
                for branch in branches:
                    visit(branch, namespace)
            case {"type": "record" | "enum"}:
                full = full_name(part["name"], part.get("namespace", namespace))
                named[full] = part
                for field in part.get("fields", ()):
                    visit(field["type"], full.rpartition(".")[0])
            case {"type": "array", "items": inner} | {"type": "map", "values": inner}:
                visit(inner, namespace)
            case {"type": dict() | list() as inner}:
                visit(inner, namespace)
            case _:
                pass  # a primitive, or the name of a type defined elsewhere

    visit(schema, "")
    return named


class _Walk:
    """Compares two versions, type by type."""

    def __init__(self, new: Mapping[str, Schema], old: Mapping[str, Schema]) -> None:
        self._new = new
        self._old = old

    def value(self, new: Any, old: Any, namespace: str) -> Iterator[_Test]:
        new, old = _resolved(new, self._new, namespace), _resolved(old, self._old, namespace)
        match new, old:
            case ["null", inner], ["null", before]:
                yield from map(_if_there, self.value(inner, before, namespace))
            case {"type": "array", "items": inner}, {"type": "array", "items": before}:
                yield from map(_of_any, self.value(inner, before, namespace))
            case {"type": "map", "values": inner}, {"type": "map", "values": before}:
                yield from map(_of_any_value, self.value(inner, before, namespace))
            case {"type": "record"}, {"type": "record"}:
                yield from self._record(new, old, full_name(new["name"], new.get("namespace", namespace)))
            case {"type": "enum"}, {"type": "enum"}:
                added = frozenset(new["symbols"]) - frozenset(old["symbols"])
                if added:
                    yield lambda value: str(getattr(value, "value", value)) in added
            case _:
                pass  # types compatible in both directions cannot differ in any other way

    def _record(self, new: Schema, old: Schema, full: str) -> Iterator[_Test]:
        before = {field["name"]: field for field in old["fields"]}
        for field in new["fields"]:
            name = attribute(field)
            if field["name"] in before:
                inner = self.value(field["type"], before[field["name"]]["type"], full.rpartition(".")[0])
                yield from (_of_attribute(name, test) for test in inner)
            elif not field.get(MAY_BE_LOST, False):
                yield _of_attribute(name, _differs_from(field["default"]))


def _resolved(schema: Any, named: Mapping[str, Schema], namespace: str) -> Any:
    return named.get(full_name(schema, namespace), schema) if isinstance(schema, str) else schema


def _differs_from(default: Any) -> _Test:
    if default is None:
        return lambda value: value is not None
    if default in ([], {}):
        return lambda value: len(value) > 0
    return lambda value: getattr(value, "value", value) != default


def _of_attribute(name: str, test: _Test) -> _Test:
    return lambda value: test(getattr(value, name))


def _if_there(test: _Test) -> _Test:
    return lambda value: value is not None and test(value)


def _of_any(test: _Test) -> _Test:
    return lambda value: any(map(test, value))


def _of_any_value(test: _Test) -> _Test:
    return lambda value: any(map(test, value.values()))
