"""The routing table that a group was last started with: a target id that means another place now is never a surprise.

``target_id`` is a contract with every producer: events written yesterday are read with today's table. So the first
start writes down which account and storefront each id means; a later start with another meaning is refused until a
person accepts it. New ids are added without asking; ids that went stay remembered, so that none comes back as
something else. The record is JSON, ours alone: ``{"targets": {"shop-de": {"account": "main", "storefront": "de"}}}``,
keyed by the consumer group. Pure.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connector.routing.table import Routing


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a target id means."""

    account: str
    storefront: str

    def __str__(self) -> str:
        return f"account {self.account}, storefront {self.storefront}"


def places(routing: Routing) -> dict[str, Place]:
    """Switched-off targets included: off is no other meaning."""
    return {name: Place(account=t.account, storefront=t.storefront) for name, t in routing.targets.items()}


def moved(accepted: Mapping[str, Place], routing: Routing) -> Iterator[str]:
    """A sentence with both meanings for every id whose meaning changed."""
    for name, place in sorted(places(routing).items()):
        before = accepted.get(name, place)
        if before != place:
            yield f"target {name}: accepted as {before}; configured as {place}"


def agreed(accepted: Mapping[str, Place], routing: Routing) -> dict[str, Place]:
    """The table once the present routing is accepted."""
    return {**accepted, **places(routing)}


def encode(table: Mapping[str, Place]) -> bytes:
    targets = {name: {"account": place.account, "storefront": place.storefront} for name, place in table.items()}
    return json.dumps({"targets": targets}, sort_keys=True).encode()


def decode(value: bytes) -> dict[str, Place]:
    """Raises ValueError for what ``encode`` did not write."""
    try:
        targets: Any = json.loads(value)["targets"]
        return {str(name): Place(account=at["account"], storefront=at["storefront"]) for name, at in targets.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a routing table: {value[:200]!r}") from error
