"""Determines the lowest schema version that can represent a value without loss. Pure.

Versions that are compatible in both directions can read each other, but an older reader silently drops what a newer
version added: a field loses its value, an enum symbol becomes the default. If the reader writes the value back, that is
data loss. So a value needs the version that added the newest feature that it uses: a field that differs from its
default, or an enum symbol.

An added field with ``"may_be_lost": true`` in its schema is ignored: losing it does no harm.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from streams.avro.compiled_writer import attribute, full_name, indented

Schema: TypeAlias = Mapping[str, Any]
Needs: TypeAlias = Callable[[Any], int]
"""Returns the lowest version, counted from 1, that keeps all of a value (an object, as for ``compiled_writer``)."""

MAY_BE_LOST: Final = "may_be_lost"


def needs(versions: Sequence[Schema]) -> Needs:
    """Returns the function for all versions of one schema, given oldest first.

    It is generated, because it runs for every stored value: one pass that calls no functions takes less than a tenth of
    the time that a function for each addition takes.
    """
    tests, root = _Tests(), _Part()
    pairs = enumerate(zip(versions[1:], versions, strict=False), start=2)
    for number, (new, old) in pairs:
        _Comparison(_names(new), _names(old), tests, number).value(new, old, "", root)
    lines = ["def needed(v0):", "    needs = 1", *indented(root.lines("v0")), "    return needs"]
    # The source is generated from our own schemas: names are validated, and values never become part of it.
    exec(compile("\n".join(lines), "<needs>", "exec"), tests.constants)  # noqa: S102
    needed: Needs = tests.constants["needed"]
    return needed


class _Tests:
    """Makes the conditions that additions are recognised by; ``constants``: the values that these use, by name."""

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {}

    def is_used(self, default: Any) -> str:
        """Returns the condition that an added field, ``@``, differs from its default."""
        if default is None:
            return "@ is not None"
        return "@" if default in ([], {}) else f"@ != {self._constant(default)}"

    def is_one_of(self, symbols: frozenset[str]) -> str:
        """Returns the condition that an enum, ``@``, is one of these symbols."""
        return f"@ in {self._constant(symbols)}"

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name


@dataclass(slots=True)
class _Part:
    """A part of a value: what is tested about it, and its own parts by the line of source that leads to each.

    ``@`` stands for the part's variable, ``#`` for that of the part it leads to.
    """

    conditions: list[tuple[int, str]] = field(default_factory=list)  # with the version that each needs
    parts: dict[str, "_Part"] = field(default_factory=dict)

    def part(self, line: str) -> "_Part":
        """Returns the part that a line leads to, made on first use."""
        return self.parts.setdefault(line, _Part())

    def lines(self, name: str) -> Iterator[str]:
        """Yields the source of its tests and those of its parts, without the parts that nothing is tested about."""
        for number, condition in self.conditions:
            yield f"if needs < {number} and {condition.replace('@', name)}:"
            yield f"    needs = {number}"
        for at, (line, part) in enumerate(self.parts.items()):
            inner = list(part.lines(f"{name}_{at}"))
            if inner:
                yield line.replace("@", name).replace("#", f"{name}_{at}")
                yield from indented(inner) if line.endswith(":") else inner


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


class _Comparison:
    """Compares two versions, type by type, and adds a condition for each addition of the newer one."""

    def __init__(self, new: Mapping[str, Schema], old: Mapping[str, Schema], tests: _Tests, number: int) -> None:
        self._new = new
        self._old = old
        self._tests = tests
        self._number = number

    def value(self, new: Any, old: Any, namespace: str, part: _Part) -> None:
        new, old = _resolved(new, self._new, namespace), _resolved(old, self._old, namespace)
        match new, old:
            case ["null", inner], ["null", before]:
                self.value(inner, before, namespace, part.part("if (# := @) is not None:"))
            case {"type": "array", "items": inner}, {"type": "array", "items": before}:
                self.value(inner, before, namespace, part.part("for # in @:"))
            case {"type": "map", "values": inner}, {"type": "map", "values": before}:
                self.value(inner, before, namespace, part.part("for # in @.values():"))
            case {"type": "record"}, {"type": "record"}:
                self._record(new, old, full_name(new["name"], new.get("namespace", namespace)), part)
            case {"type": "enum"}, {"type": "enum"}:
                added = frozenset(new["symbols"]) - frozenset(old["symbols"])
                if added:
                    part.conditions.append((self._number, self._tests.is_one_of(added)))
            case _:
                pass  # types compatible in both directions cannot differ in any other way

    def _record(self, new: Schema, old: Schema, full: str, part: _Part) -> None:
        before = {each["name"]: each for each in old["fields"]}
        for each in new["fields"]:
            of = part.part(f"# = @.{attribute(each)}")
            if each["name"] in before:
                self.value(each["type"], before[each["name"]]["type"], full.rpartition(".")[0], of)
            elif not each.get(MAY_BE_LOST, False):
                of.conditions.append((self._number, self._tests.is_used(each["default"])))


def _resolved(schema: Any, named: Mapping[str, Schema], namespace: str) -> Any:
    return named.get(full_name(schema, namespace), schema) if isinstance(schema, str) else schema
