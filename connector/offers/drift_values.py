"""The values that a sweep saw of a unit, as lanes know them. Pure."""

from connector.marketplace.offers import Field
from connector.offers.policy import OfferTerms
from connector.reconciliation.events import UnitObserved


def values_seen(seen: UnitObserved, terms: OfferTerms) -> dict[Field, int]:
    """Returns the values in smallest units. A price in an unexpected currency is left out."""
    values = {}
    if seen.price is not None and seen.currency == terms.currency(seen.storefront):
        values[Field.PRICE] = int(seen.price.scaleb(terms.exponent(seen.storefront)))
    if seen.stock is not None:
        values[Field.STOCK] = seen.stock
    if seen.handling_time_days is not None:
        values[Field.HANDLING_TIME] = seen.handling_time_days
    return values
