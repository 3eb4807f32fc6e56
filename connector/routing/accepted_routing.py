"""The routing table that a consumer group was last started with; detects target ids whose meaning changed.

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
class AcceptedTarget:
    """What a target id means."""

    account: str
    storefront: str

    def __str__(self) -> str:
        return f"account {self.account}, storefront {self.storefront}"


def places(routing: Routing) -> dict[str, AcceptedTarget]:
    """Switched-off targets included: off is no other meaning."""
    return {name: AcceptedTarget(account=t.account, storefront=t.storefront) for name, t in routing.targets.items()}


def moved(accepted: Mapping[str, AcceptedTarget], routing: Routing) -> Iterator[str]:
    """Yields a sentence with both meanings for each id whose meaning changed."""
    for name, place in sorted(places(routing).items()):
        before = accepted.get(name, place)
        if before != place:
            yield f"target {name}: accepted as {before}; configured as {place}"


def agreed(accepted: Mapping[str, AcceptedTarget], routing: Routing) -> dict[str, AcceptedTarget]:
    """The table once the present routing is accepted."""
    return {**accepted, **places(routing)}


def encode(table: Mapping[str, AcceptedTarget]) -> bytes:
    targets = {name: {"account": place.account, "storefront": place.storefront} for name, place in table.items()}
    return json.dumps({"targets": targets}, sort_keys=True).encode()


def decode(value: bytes) -> dict[str, AcceptedTarget]:
    """Raises ValueError for what ``encode`` did not write."""
    try:
        targets: Any = json.loads(value)["targets"]
        return {
            str(name): AcceptedTarget(account=at["account"], storefront=at["storefront"])
            for name, at in targets.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a routing table: {value[:200]!r}") from error
