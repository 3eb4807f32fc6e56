"""The demo's new offers: events that have units created, and for some of them others that have them deleted again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from devstack.traffic import Message, MessageKind

EVERY_DELETED = 3
"""Of so many created units, one is deleted again."""

Units = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingsSeen:
    """What became of them: by the results, and by the units that the marketplace has more than before."""

    wanted: int
    created: frozenset[int]  # unit ids, of results CREATED
    deleted: frozenset[int]  # of results DELETED
    there: Mapping[int, str]  # unit id -> offer id, of units that were not there before

    @property
    def good(self) -> bool:
        """Whether each event had one unit created, and exactly those that were not deleted are there, once each."""
        once = len(set(self.there.values())) == len(self.there)
        return once and len(self.created) == self.wanted and self.there.keys() == self.created - self.deleted


def creations(eans: Sequence[str], target_id: str, now_us: Iterator[int]) -> Iterator[Message]:
    """Yields an event for each EAN that has its unit created."""
    for number, ean in enumerate(eans):
        price = Decimal(1000 + number).scaleb(-2)
        yield _message(ean, target_id, next(now_us), "CREATE", price=(price, "EUR"), stock=5, handling_time_days=2)


def deletions(eans: Sequence[str], target_id: str, now_us: Iterator[int]) -> Iterator[Message]:
    """Yields an event for every third EAN that has its unit deleted."""
    for ean in eans[::EVERY_DELETED]:
        yield _message(ean, target_id, next(now_us), "DELETE", stock=0)


def seen(wanted: int, results: Sequence[Mapping[str, Any]], before: Units, after: Units) -> ListingsSeen:
    """Returns what became of the events, from the topic of results and from the marketplace's units."""
    ids = {
        status: frozenset(row["unit_id"] for row in results if row["status"] == status)
        for status in ("CREATED", "DELETED")
    }
    there = {number: str(unit["id_offer"]) for number, unit in after.items() if number not in before}
    return ListingsSeen(wanted=wanted, created=ids["CREATED"], deleted=ids["DELETED"], there=there)


def _message(ean: str, target_id: str, at_us: int, listing: str, **carried: Any) -> Message:
    payload = {
        "event_id": f"listing-{at_us}",
        "occurred_at_us": at_us,
        "target_id": target_id,
        "condition": "NEW",
        "ean": ean,
        "offer_id": f"new-{ean}",
        "listing": listing,
        **carried,
    }
    return Message(kind=MessageKind.UPDATE, key=ean, payload=payload)
