"""The routing table: target id -> account and storefront, from the configuration alone. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connector.contracts.capabilities import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An account on a storefront, and how its events are applied."""

    id: str
    account: str
    storefront: str
    currency: str
    price_sync: bool = True
    enabled: bool = True
    allow_eans: frozenset[str] | None = None  # None = every EAN
    capabilities: frozenset[Capability] = frozenset()  # that are on
    create_eans: frozenset[str] | None = frozenset()  # that may be created; None = every EAN


@dataclass(frozen=True, slots=True)
class Routing:
    """The effective table. Two targets never share an id, nor an account and storefront."""

    targets: Mapping[str, Target] = field(default_factory=dict)

    @classmethod
    def of(cls, targets: Iterable[Target]) -> "Routing":
        """Builds the table. Raises ValueError that names both sides of a conflict."""
        table: dict[str, Target] = {}
        places: dict[tuple[str, str], str] = {}
        for target in targets:
            if target.id in table:
                raise ValueError(f"target {target.id!r} is listed twice")
            place = (target.account, target.storefront)
            if place in places:
                raise ValueError(
                    f"targets {places[place]!r} and {target.id!r} both mean "
                    f"account {target.account!r}, storefront {target.storefront!r}"
                )
            table[target.id] = target
            places[place] = target.id
        return cls(table)

    def find(self, target_id: str | None) -> Target | None:
        """Returns the target of an id, or None if there is none."""
        return self.targets.get(target_id) if target_id is not None else None

    def storefronts_of(self, account: str) -> tuple[str, ...]:
        """Returns the sorted storefronts of an account, disabled targets included: linked stock changes there, too."""
        return tuple(sorted(t.storefront for t in self.targets.values() if t.account == account))


def may_delete(routing: Routing, target_id: str | None) -> bool:
    """Whether units of a target may be deleted."""
    target = routing.find(target_id)
    return target is not None and Capability.OFFERS_DELETE in target.capabilities
