"""Which records of its range a replay delivers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from connector.controls.commands import CommandScope
from connector.offers.events import OfferChanged, OfferWithdrawn


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFilter:
    """What a record must meet, all of it; without restrictions, every record does.

    ``default_target``: the target of events that name none.
    """

    eans: frozenset[str] = frozenset()
    target_ids: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)
    default_target: str | None = None

    @classmethod
    def of(cls, scope: CommandScope, default_target: str | None) -> Self:
        """Returns the filter of a command's scope, of which EANs, targets and attributes count."""
        return cls(
            eans=frozenset(scope.eans),
            target_ids=frozenset(scope.target_ids),
            attributes=scope.attributes,
            default_target=default_target,
        )

    def matches(self, event: OfferChanged | OfferWithdrawn) -> bool:
        """Whether an event is delivered. A tombstone has neither a target nor attributes."""
        if self.eans and event.key not in self.eans:
            return False
        if isinstance(event, OfferWithdrawn):
            return not self.target_ids and not self.attributes
        return (not self.target_ids or (event.target_id or self.default_target) in self.target_ids) and all(
            event.attributes.get(name) == value for name, value in self.attributes.items()
        )
