"""The likely reason why an offer is not found, from what its look-up showed. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from connector.contracts.codes import Code
from connector.offers.events import OfferNotFound
from connector.operations.not_found.catalogue import CatalogueAnswers, CatalogueEntry


class LikelyReason(StrEnum):
    """Why an offer is probably not found."""

    AMBIGUOUS = "AMBIGUOUS"
    LISTED_SINCE = "LISTED_SINCE"
    OTHER_OFFER_ID = "OTHER_OFFER_ID"
    OTHER_CONDITION = "OTHER_CONDITION"
    OTHER_STOREFRONT = "OTHER_STOREFRONT"
    NOT_IN_CATALOGUE = "NOT_IN_CATALOGUE"
    PRODUCT_INCOMPLETE = "PRODUCT_INCOMPLETE"
    IN_CATALOGUE = "IN_CATALOGUE"
    NOT_IN_ACCOUNT = "NOT_IN_ACCOUNT"
    OTHER = "OTHER"


TEXTS: Final[Mapping[LikelyReason, str]] = {
    LikelyReason.AMBIGUOUS: "several units match",
    LikelyReason.LISTED_SINCE: "a sweep shows it, the last look-up did not",
    LikelyReason.OTHER_OFFER_ID: "the unit has another offer id",
    LikelyReason.OTHER_CONDITION: "exists in another condition",
    LikelyReason.OTHER_STOREFRONT: "exists on other storefronts only",
    LikelyReason.NOT_IN_CATALOGUE: "the catalogue lacks this EAN",
    LikelyReason.PRODUCT_INCOMPLETE: "in the catalogue, with incomplete data; no unit",
    LikelyReason.IN_CATALOGUE: "in the catalogue; no unit of this EAN",
    LikelyReason.NOT_IN_ACCOUNT: "no unit of this EAN",
    LikelyReason.OTHER: "see the advice of its code",
}
"""Each reason in words."""
REMEDIES: Final[Mapping[LikelyReason, str]] = {
    LikelyReason.AMBIGUOUS: "name the unit in the events, by offer_id or unit_id",
    LikelyReason.LISTED_SINCE: "wait for the next look-up; if it stays, name the unit in the events, by unit_id",
    LikelyReason.OTHER_OFFER_ID: "correct offer_id in the events, or leave it out",
    LikelyReason.OTHER_CONDITION: "correct the condition in the events, or create the offer in this condition",
    LikelyReason.OTHER_STOREFRONT: "create the offer on this storefront, or correct the target in the events",
    LikelyReason.NOT_IN_CATALOGUE: "correct the EAN in the events, or send the product's data to the marketplace first",
    LikelyReason.PRODUCT_INCOMPLETE: "complete the product's data at the marketplace: no offer of it goes live before",
    LikelyReason.IN_CATALOGUE: "create the offer in the account, or correct the target in the events",
    LikelyReason.NOT_IN_ACCOUNT: "create the offer, or correct the EAN or the target in the events",
    LikelyReason.OTHER: "connector why EAN",
}
"""What to do about each reason."""


def likely_reason(row: OfferNotFound, catalogue: CatalogueEntry | None = None) -> LikelyReason:
    """Returns the reason by the units of the EAN that the look-up has shown; the nearest of them decides.

    ``catalogue``: what the catalogue has of the EAN, which decides if there is no unit; None: it was not asked.
    """
    if row.code == Code.AMBIGUOUS_OFFER:
        return LikelyReason.AMBIGUOUS
    if row.code != Code.OFFER_NOT_FOUND:
        return LikelyReason.OTHER
    here = [one for one in row.candidates if one.storefront == row.storefront]
    same = [one for one in here if one.condition == row.condition]
    if same:
        is_wanted = any(row.offer_id in (None, one.offer_id) for one in same)  # a look-up would have found it
        return LikelyReason.LISTED_SINCE if is_wanted else LikelyReason.OTHER_OFFER_ID
    if here:
        return LikelyReason.OTHER_CONDITION
    if row.candidates:
        return LikelyReason.OTHER_STOREFRONT
    return LikelyReason.NOT_IN_ACCOUNT if catalogue is None else _BY_CATALOGUE[catalogue]


def reason_with(row: OfferNotFound, catalogue: CatalogueAnswers) -> LikelyReason:
    """Returns the reason by the units of the EAN and by what is known of the catalogue."""
    answer = catalogue.of(row)
    return likely_reason(row, None if answer is None else answer.entry)


_BY_CATALOGUE: Final[Mapping[CatalogueEntry, LikelyReason]] = {
    CatalogueEntry.ABSENT: LikelyReason.NOT_IN_CATALOGUE,
    CatalogueEntry.INCOMPLETE: LikelyReason.PRODUCT_INCOMPLETE,
    CatalogueEntry.LISTED: LikelyReason.IN_CATALOGUE,
}
