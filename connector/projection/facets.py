"""By what the rows of the projection are listed and counted. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from connector.offers.events import FieldStatus, OfferNotFound, OfferResult, Status
from connector.orders.events import OrderObserved
from connector.projection.rows import KeptOfferId
from connector.reconciliation.events import UnitObserved

Targets: TypeAlias = Mapping[tuple[str, str], str]
"""Target ids by account and storefront."""
FACETED: Final = frozenset({"units", "offers_not_found", "orders"})
"""The datasets whose rows have a facet."""
OPEN: Final = "OPEN"
"""The facet of an order with units that are still to be sent; other orders have none."""
LIVE: Final = "LIVE"
NOT_LIVE: Final = "NOT_LIVE"
NOT_TOLD: Final = "NOT_TOLD"
_ACCEPTED: Final = frozenset({FieldStatus.APPLIED, FieldStatus.UNCHANGED})
_LIVENESS: Final[Mapping[bool | None, str]] = {True: LIVE, False: NOT_LIVE, None: NOT_TOLD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """How a row is listed. ``name`` None: it is not. ``offer_ids``: what was met together in it."""

    name: str | None
    place: str | None  # target id
    since_us: int
    offer_ids: tuple[KeptOfferId, ...] = ()
    unit_id: int | None = None


def facet_of(found: UnitObserved | OfferNotFound | OrderObserved, targets: Targets) -> Facet:
    """Returns how a row is listed.

    A unit has a row for each EAN of its product, and the first of them has the facet, so that it is counted once. The
    facet of an offer that was not found is its code.
    """
    match found:
        case UnitObserved():
            is_first = found.ean == min((found.ean, *found.other_eans))
            return Facet(
                name=_LIVENESS[found.is_live] if is_first else None,
                place=targets.get((found.account, found.storefront)),
                since_us=found.observed_at_us,
                offer_ids=tuple(_met(found.offer_id, found.ean)),
                unit_id=found.unit_id,
            )
        case OfferNotFound():
            return Facet(
                name=found.code,
                place=found.target_id,
                since_us=found.first_seen_at_us,
                offer_ids=tuple(_met(found.offer_id, found.ean)),
            )
        case OrderObserved():
            return Facet(
                name=OPEN if found.units_open else None,
                place=targets.get((found.account, found.storefront)),
                since_us=found.open_since_us or found.changed_at_us,
            )


def is_accepted(result: OfferResult) -> bool:
    """Whether the marketplace has accepted a value of the event, or it was known to have it already."""
    return result.status is Status.CREATED or any(one.status in _ACCEPTED for one in result.fields)


def _met(offer_id: str | None, ean: str) -> Iterator[KeptOfferId]:
    if offer_id is not None:
        yield KeptOfferId(offer_id, ean)
