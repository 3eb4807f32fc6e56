"""Builds what the offer flow's functions depend on, for commands that use them without a running flow."""

from connector.configuration import routing
from connector.marketplace.offers import Reference
from connector.offers.policy import OfferTerms
from connector.settings import convert
from connector.settings.model import Settings


def offer_terms(configured: Settings, reference: Reference, cluster_id: str = "") -> OfferTerms:
    """Returns the terms of the offer flow. ``cluster_id`` is needed where ids of results matter."""
    return OfferTerms(
        policy=convert.offer_policy(configured),
        routing=routing(configured),
        reference=reference,
        cluster_id=cluster_id,
        topic=convert.topics(configured).offer_changes,
    )
