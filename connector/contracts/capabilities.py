"""What the connector may do at the marketplace beyond updates and the features of a section. Pure.

Every capability is off. It is on for a target only if the target and its account both name it in ``capabilities``, so
that one line switches it off for a whole account. Nothing that an event says switches one on. A further capability is a
member here with its words; the flow that has it asks ``Target.capabilities``.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias


class Capability(StrEnum):
    """A switch, as the settings spell it."""

    OFFERS_CREATE = "offers.create"
    OFFERS_DELETE = "offers.delete"
    PRICES_CONVERT = "prices.convert"


SwitchedOn: TypeAlias = Mapping[Capability, tuple[str, ...]]
"""The targets for which each capability is on; a capability that is off for all is missing."""

NONE_ON: Final[SwitchedOn] = MappingProxyType({})

WRITES: Final[Mapping[Capability, str]] = MappingProxyType(
    {
        Capability.OFFERS_CREATE: "creation of units",
        Capability.OFFERS_DELETE: "deletion of units",
        Capability.PRICES_CONVERT: "prices converted from other currencies",
    }
)
"""What each capability changes at the marketplace, in words."""


def switched_on(targets: Mapping[str, Iterable[Capability]]) -> SwitchedOn:
    """Returns the targets of each capability. ``targets``: the capabilities that are on, by target."""
    on = {name: frozenset(capabilities) for name, capabilities in targets.items()}
    found = {one: tuple(sorted(name for name in on if one in on[name])) for one in Capability}
    return MappingProxyType({one: names for one, names in found.items() if names})


def described(on: SwitchedOn) -> tuple[str, ...]:
    """Returns a phrase for each capability that is on, with its targets: ``creation of units (target main-de)``."""
    return tuple(
        f"{WRITES[one]} (target{'s' if len(names) > 1 else ''} {', '.join(names)})" for one, names in on.items()
    )
