"""Builds the offer flow, and what its functions depend on, for commands that decide events in memory."""

from typing import Final

from connector.configuration import overrides, rates, routing
from connector.contracts.headers import Stamp
from connector.controls.in_force import CommandSource
from connector.mappings.in_use import FixedMappings, MappingsInUse
from connector.marketplace.offers import Reference
from connector.offers.flow import OfferFlow, OfferSerdes
from connector.offers.policy import OfferTerms
from connector.settings import convert
from connector.settings.model import Settings

_NO_STAMP: Final = Stamp(source="", instance_id="", config_digest="")


def offer_flow(
    configured: Settings, reference: Reference, codecs: OfferSerdes, cluster_id: str, commands: CommandSource
) -> OfferFlow:
    """Returns an offer flow whose results are written nowhere. ``cluster_id``: see ``offer_terms``."""
    in_use = MappingsInUse(
        routing=routing(configured), reference=reference, overrides=overrides(configured), rates=rates(configured)
    )
    return OfferFlow(
        policy=convert.offer_policy(configured),
        routing=in_use.routing,
        reference=reference,
        codecs=codecs,
        topics=convert.topics(configured),
        cluster_id=cluster_id,
        stamp=_NO_STAMP,
        update_limit=convert.update_limit(configured.offers),
        commands=commands,
        mappings=FixedMappings(in_use),
    )


def offer_terms(configured: Settings, reference: Reference, cluster_id: str = "") -> OfferTerms:
    """Returns the terms of the offer flow. ``cluster_id`` is needed where ids of results matter."""
    return OfferTerms(
        policy=convert.offer_policy(configured),
        routing=routing(configured),
        reference=reference,
        cluster_id=cluster_id,
        topic=convert.topics(configured).offer_changes,
        overrides=overrides(configured),
        rates=rates(configured),
    )
