"""Adds to offers that are not found what sweeps have seen of their EANs. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from connector.contracts.codes import Code
from connector.offers.events import Candidate, OfferNotFound
from connector.reconciliation.events import UnitObserved


def with_swept(rows: Iterable[OfferNotFound], units: Mapping[str, Sequence[UnitObserved]]) -> Iterator[OfferNotFound]:
    """Yields the rows; one whose look-up showed no unit gets those of its account that a sweep has seen as candidates.

    A look-up sees one storefront, a sweep all of them, and a unit is listed under every EAN of its product.
    """
    for row in rows:
        seen = [unit for unit in units.get(row.ean, ()) if unit.account == row.account]
        if row.candidates or not seen or row.code != Code.OFFER_NOT_FOUND:
            yield row
            continue
        yield replace(
            row,
            candidates=tuple(
                Candidate(
                    unit_id=unit.unit_id,
                    storefront=unit.storefront,
                    condition=unit.condition,
                    offer_id=unit.offer_id,
                )
                for unit in seen
            ),
        )
