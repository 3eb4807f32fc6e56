"""Chooses a rule by the attributes of an event. Pure."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def rule_for(attributes: Mapping[str, str], overrides: Iterable[tuple[Mapping[str, str], T]], otherwise: T) -> T:
    """Returns the rule of the first override whose attributes the event has, all of them; or else ``otherwise``."""
    for when, rule in overrides:
        if all(attributes.get(name) == value for name, value in when.items()):
            return rule
    return otherwise
