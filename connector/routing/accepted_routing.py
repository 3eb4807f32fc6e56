"""The routing table that a consumer group has accepted; detects target ids whose meaning changed. Pure.

``target_id`` is a contract with every producer: events written earlier are routed with the present table. The first
start therefore records which account and storefront each id means; a later start that maps an id elsewhere is refused
until an operator accepts the change. New ids are added without confirmation; removed ids stay in the record, so that
none can return with another meaning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connector.routing.events import RoutedTarget, RoutingAccepted
from connector.routing.table import Routing


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedTarget:
    """The account and storefront that a target id means."""

    account: str
    storefront: str

    def __str__(self) -> str:
        return f"account {self.account}, storefront {self.storefront}"


def places(routing: Routing) -> dict[str, AcceptedTarget]:
    """Returns what each target id means, disabled targets included: disabling one does not change its meaning."""
    return {name: AcceptedTarget(account=t.account, storefront=t.storefront) for name, t in routing.targets.items()}


def moved(accepted: Mapping[str, AcceptedTarget], routing: Routing) -> Iterator[str]:
    """Yields a sentence with both meanings for each id whose meaning changed."""
    for name, place in sorted(places(routing).items()):
        before = accepted.get(name, place)
        if before != place:
            yield f"target {name}: accepted as {before}; configured as {place}"


def agreed(accepted: Mapping[str, AcceptedTarget], routing: Routing) -> dict[str, AcceptedTarget]:
    """Returns the table to store when the present routing is accepted."""
    return {**accepted, **places(routing)}


def table_of(record: RoutingAccepted) -> dict[str, AcceptedTarget]:
    """Returns what each target id of a record means."""
    return {one.target_id: AcceptedTarget(account=one.account, storefront=one.storefront) for one in record.targets}


def record_of(group: str, table: Mapping[str, AcceptedTarget], now_us: int) -> RoutingAccepted:
    """Returns the record to store."""
    targets = tuple(
        RoutedTarget(target_id=name, account=place.account, storefront=place.storefront)
        for name, place in sorted(table.items())
    )
    return RoutingAccepted(consumer_group=group, targets=targets, accepted_at_us=now_us)
