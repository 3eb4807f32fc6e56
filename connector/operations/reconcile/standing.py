"""Reads how far the sweeps are, and what they have found, from the topics."""

from collections.abc import Collection
from math import inf
from typing import Final

from connector.marketplace.call_kinds import UNITS_READ
from connector.operations import topic_contents
from connector.operations.reconcile.sweeps import Place, SweepRate, SweptPlace, began_at_us, with_drift
from connector.settings import convert
from connector.settings.model import Settings

_CLOCKS_US: Final = 10 * 60 * 1_000_000
"""How much the clocks of the processes may differ: the records of a sweep's drift are written by others."""


def standing(configured: Settings, places: Collection[Place]) -> list[SweptPlace]:
    """Returns the sweeps of these places, in order. Raises as ``topic_contents.stored_sweeps`` and ``drifted``."""
    stored = topic_contents.stored_sweeps(configured)
    found = [
        SweptPlace(
            account=account,
            storefront=storefront,
            rate=_rate(configured, account),
            stored=stored.get((account, storefront)),
        )
        for account, storefront in sorted(places)
    ]
    began_us = [at_us for one in found for at_us in began_at_us(one.stored)]
    if not began_us:
        return found
    return with_drift(found, topic_contents.drifted(configured, min(began_us) - _CLOCKS_US))


def _rate(configured: Settings, account: str) -> SweepRate:
    pace = convert.pace(configured.accounts[account])
    share = convert.policy(configured.processing).background_share
    return SweepRate(per_second=min(pace.per_second, pace.groups.get(UNITS_READ, inf)), share=share)
