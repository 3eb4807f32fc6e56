"""Fast construction and copying of frozen dataclasses. Pure.

A frozen dataclass sets each of its fields through ``object.__setattr__``, by name. Processing an event constructs some
forty values and copies ten, so that this alone is a tenth of its cost. Here a constructor and a copier are generated
for each class that use the descriptors of its slots. They do the same as the standard ones, in two thirds and in one
third of the time.
"""

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

T = TypeVar("T")


def quick(kind: type[T]) -> type[T]:
    """Class decorator: replaces the constructor of a frozen, slotted dataclass by a faster one.

    Raises TypeError for any other class, and for one with a ``__post_init__``.
    """
    known = _fields_of(kind)
    lines = ["def __init__(self, " + ", ".join(_parameters(known)) + "):"]
    for field in known:
        if field.default_factory is not MISSING:
            lines += [f"    if {field.name} is missing:", f"        {field.name} = make_{field.name}()"]
        lines.append(f"    set_{field.name}(self, {field.name})")
    scope = _setters(kind) | {"missing": MISSING}
    scope |= {f"default_{field.name}": field.default for field in known}
    scope |= {f"make_{field.name}": field.default_factory for field in known}
    made = _function("__init__", lines, scope)
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    kind.__init__ = made  # type: ignore[method-assign]  # replacing it is the purpose
    return kind


if TYPE_CHECKING:  # type checkers see the standard function, and so check the names and types of the changes
    from dataclasses import replace as replace
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """Returns a copy of the value with these fields changed.

        Raises AttributeError for an unknown field, TypeError for a value whose class is not a slotted dataclass or
        has a ``__post_init__``.
        """
        kind = value.__class__
        copy = (_COPIERS.get(kind) or _copier_of(kind))(value)
        for name, changed in changes.items():
            _set(copy, name, changed)
        return copy


_Copier: TypeAlias = Callable[[Any], Any]

_set: Final = object.__setattr__
_COPIERS: Final[dict[type, _Copier]] = {}


def _copier_of(kind: type) -> _Copier:
    """Generates the copier of a class, and caches it."""
    lines = [
        "def copy(value):",
        "    new = blank(kind)",
        *(f"    set_{field.name}(new, value.{field.name})" for field in _fields_of(kind)),
        "    return new",
    ]
    copier = _COPIERS[kind] = _function("copy", lines, _setters(kind) | {"kind": kind, "blank": object.__new__})
    return copier


# ---- code generation ------------------------------------------------------------------------------------------------


def _fields_of(kind: type) -> tuple[Field[Any], ...]:
    """Returns the fields of a class. Raises TypeError for a class that is not supported."""
    if not is_dataclass(kind) or not hasattr(kind, "__slots__") or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is not a slotted dataclass that only keeps its arguments")
    return fields(kind)


def _setters(kind: type) -> dict[str, Any]:
    """Returns the setters of the slots' descriptors, which bypass the frozen class's ``__setattr__``."""
    return {f"set_{field.name}": getattr(kind, field.name).__set__ for field in _fields_of(kind)}


def _parameters(known: Iterable[Field[Any]]) -> list[str]:
    """Returns the constructor's parameters as source text."""
    positional: list[str] = []
    by_name: list[str] = []
    for field in known:
        default = "missing" if field.default_factory is not MISSING else f"default_{field.name}"
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        parameter = f"{field.name}={default}" if has_default else field.name
        (by_name if field.kw_only else positional).append(parameter)
    return [*positional, "*", *by_name] if by_name else positional


def _function(name: str, lines: Iterable[str], scope: dict[str, Any]) -> Callable[..., Any]:
    """Compiles a function. Its source contains only field names of dataclasses, which are identifiers, never values."""
    exec("\n".join(lines), scope)  # noqa: S102
    function: Callable[..., Any] = scope[name]
    return function
