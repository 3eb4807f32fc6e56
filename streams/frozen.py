"""Fast construction and copying of frozen dataclasses. Pure.

A frozen dataclass sets each of its fields through ``object.__setattr__``, by name. Processing an event constructs some
forty values with 390 fields and copies ten, so that this alone is a fifth of its cost. Here a constructor, a copier and
a maker are generated for each class. They do the same as the standard constructor and copy, in half of the time.

A class that is frozen intercepts every assignment to an attribute. So the fields are set while the object belongs to an
*open* class, which has the same slots and intercepts nothing: there, the interpreter sets a slot in a few nanoseconds.
Then the object's class becomes the frozen one, before anyone else sees it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

T = TypeVar("T")


def quick(kind: type[T]) -> type[T]:
    """Class decorator: replaces the constructor of a frozen, slotted dataclass by a faster one.

    Raises TypeError for any other class, and for one with a ``__post_init__``.
    """
    known = _fields_of(kind)
    lines = [
        "def __init__(self, " + ", ".join(_parameters(known)) + "):",
        "    _kind_ = self.__class__",
        "    _set_class_(self, _open_)",
        *_filled("self", known),
        "    self.__class__ = _kind_",
    ]
    made = _function("__init__", lines, _scope(kind, known) | {"_set_class_": _set_class})
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    kind.__init__ = made  # type: ignore[method-assign]  # replacing it is the purpose
    return kind


def maker(kind: type[T], names: Iterable[str]) -> Callable[..., T]:
    """Returns a function that makes a value from these fields, given in this order; the others have their defaults.

    It takes a fifth of the time of the constructor, which is called with names. Raises TypeError like ``quick``, and if
    a field without a default is not among the names.
    """
    known = {field.name: field for field in _fields_of(kind)}
    given = list(names)
    if not known.keys() >= {*given} or any(not _has_default(known[name]) for name in known.keys() - {*given}):
        raise TypeError(f"{kind.__name__} cannot be made from {', '.join(given)}")
    others = [field for name, field in known.items() if name not in given]
    parameters = [*given, *_parameters(others)]
    lines = [
        f"def make({', '.join(parameters)}):",
        "    _new_ = _blank_(_open_)",
        *_filled("_new_", known.values()),
        "    _new_.__class__ = _kind_",
        "    return _new_",
    ]
    return _function("make", lines, _scope(kind, known.values()))


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
            setattr(copy, name, changed)
        copy.__class__ = kind
        return copy


_Copier: TypeAlias = Callable[[Any], Any]

_set_class: Final = object.__dict__["__class__"].__set__
_COPIERS: Final[dict[type, _Copier]] = {}


def _copier_of(kind: type) -> _Copier:
    """Generates the copier of a class, and caches it. It returns a copy that is still open."""
    known = _fields_of(kind)
    lines = [
        "def copy(value):",
        "    new = _blank_(_open_)",
        *(f"    new.{field.name} = value.{field.name}" for field in known),
        "    return new",
    ]
    copier = _COPIERS[kind] = _function("copy", lines, _scope(kind, known))
    return copier


# ---- code generation ------------------------------------------------------------------------------------------------


def _fields_of(kind: type) -> tuple[Field[Any], ...]:
    """Returns the fields of a class. Raises TypeError for a class that is not supported."""
    if not is_dataclass(kind) or not hasattr(kind, "__slots__") or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is not a slotted dataclass that only keeps its arguments")
    return fields(kind)


def _open_class(kind: type) -> type:
    """Returns a class whose objects can be changed, and can become objects of ``kind``."""
    copied = {name: kind.__dict__[name] for name in ("__slots__", "__orig_bases__") if name in kind.__dict__}
    content = {**copied, "__setattr__": object.__setattr__}
    return type(kind.__name__, kind.__bases__, content)


def _scope(kind: type, known: Iterable[Field[Any]]) -> dict[str, Any]:
    """Returns what generated code uses besides its parameters, under names that no field has."""
    scope = {"_kind_": kind, "_open_": _open_class(kind), "_blank_": object.__new__, "_missing_": MISSING}
    for field in known:
        scope[f"_default_{field.name}"] = field.default
        scope[f"_make_{field.name}"] = field.default_factory
    return scope


def _filled(value: str, known: Iterable[Field[Any]]) -> Iterator[str]:
    """Yields lines that set the fields of an open object to the parameters."""
    for field in known:
        if field.default_factory is not MISSING:
            yield f"    if {field.name} is _missing_:"
            yield f"        {field.name} = _make_{field.name}()"
        yield f"    {value}.{field.name} = {field.name}"


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _parameters(known: Iterable[Field[Any]]) -> list[str]:
    """Returns the constructor's parameters as source text."""
    positional: list[str] = []
    by_name: list[str] = []
    for field in known:
        default = "_missing_" if field.default_factory is not MISSING else f"_default_{field.name}"
        parameter = f"{field.name}={default}" if _has_default(field) else field.name
        (by_name if field.kw_only else positional).append(parameter)
    return [*positional, "*", *by_name] if by_name else positional


def _function(name: str, lines: Iterable[str], scope: dict[str, Any]) -> Callable[..., Any]:
    """Compiles a function. Its source contains only field names of dataclasses, which are identifiers, never values."""
    exec("\n".join(lines), scope)  # noqa: S102
    function: Callable[..., Any] = scope[name]
    return function
