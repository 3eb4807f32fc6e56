"""A changed copy of a frozen value, in less than half the time of ``dataclasses.replace``. Pure.

Ledgers are replaced some ten times for each event, and the standard function goes through the constructor. To a type
checker the two are one, so names and types of what is changed stay checked.
"""

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dataclasses import replace as replace
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """The value with these fields changed.

        Raises AttributeError for an unknown field, TypeError for a value whose class is no slotted dataclass or
        whose constructor does more than keep its arguments.
        """
        kind = value.__class__
        names = _NAMES.get(kind) or _names_of(kind)
        copy = kind.__new__(kind)
        for name in names:
            if name not in changes:
                _set(copy, name, getattr(value, name))
        for name, changed in changes.items():
            _set(copy, name, changed)
        return copy


_set: Final = object.__setattr__
_NAMES: Final[dict[type, tuple[str, ...]]] = {}


def _names_of(kind: type) -> tuple[str, ...]:
    if not is_dataclass(kind) or not hasattr(kind, "__slots__") or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is not a slotted dataclass that only keeps its arguments")
    names = _NAMES[kind] = tuple(field.name for field in fields(kind))
    return names
