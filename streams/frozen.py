"""Frozen values, made and copied quickly. Pure.

A frozen dataclass sets each of its fields through ``object.__setattr__``, by name. An event makes some forty values and
copies ten, so that alone is a tenth of all that it costs. Here a constructor and a copier are generated per class that
use the slots' own descriptors. They do what the standard ones do, in two thirds and in a third of the time.
"""

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

T = TypeVar("T")


def quick(kind: type[T]) -> type[T]:
    """Decorates a frozen, slotted dataclass: its constructor is generated again.

    Raises TypeError for another class, and for one whose constructor does more than keep its arguments.
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
    kind.__init__ = made  # type: ignore[method-assign]  # that is what it is for
    return kind


if TYPE_CHECKING:  # to a type checker the two are one, so names and types of what is changed stay checked
    from dataclasses import replace as replace
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """The value with these fields changed.

        Raises AttributeError for an unknown field, TypeError for a value whose class is no slotted dataclass or
        whose constructor does more than keep its arguments.
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
    lines = [
        "def copy(value):",
        "    new = blank(kind)",
        *(f"    set_{field.name}(new, value.{field.name})" for field in _fields_of(kind)),
        "    return new",
    ]
    copier = _COPIERS[kind] = _function("copy", lines, _setters(kind) | {"kind": kind, "blank": object.__new__})
    return copier


# ---- what both are made of ------------------------------------------------------------------------------------------


def _fields_of(kind: type) -> tuple[Field[Any], ...]:
    if not is_dataclass(kind) or not hasattr(kind, "__slots__") or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is not a slotted dataclass that only keeps its arguments")
    return fields(kind)


def _setters(kind: type) -> dict[str, Any]:
    """A slot's own descriptor sets it, past the class's refusal."""
    return {f"set_{field.name}": getattr(kind, field.name).__set__ for field in _fields_of(kind)}


def _parameters(known: Iterable[Field[Any]]) -> list[str]:
    positional: list[str] = []
    by_name: list[str] = []
    for field in known:
        default = "missing" if field.default_factory is not MISSING else f"default_{field.name}"
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        parameter = f"{field.name}={default}" if has_default else field.name
        (by_name if field.kw_only else positional).append(parameter)
    return [*positional, "*", *by_name] if by_name else positional


def _function(name: str, lines: Iterable[str], scope: dict[str, Any]) -> Callable[..., Any]:
    """The names in it are a dataclass's own: identifiers. Values never become part of it."""
    exec("\n".join(lines), scope)  # noqa: S102
    function: Callable[..., Any] = scope[name]
    return function
