"""The calls that a sweep wants. Pure."""

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import ReadUnitPage
from connector.reconciliation.events import RunningSweep
from streams.flow import BACKGROUND, Want

RANK = BACKGROUND + 3
"""Priority of a sweep: after the look-ups in the background, whose events wait for them."""

UNITS = "units"
"""The slot of a sweep's want."""


def unit_page(account: str, storefront: str, sweep: RunningSweep) -> Want:
    """Returns the want to read the next page. Its age has the page number added, which separates retry budgets."""
    return Want(
        slot=UNITS,
        account=account,
        kind=CallKind.UNIT_PAGE,
        priority=RANK,
        since_us=sweep.sweep_at_us + sweep.pages,
        body=unit_page_body(storefront, sweep),
    )


def unit_page_body(storefront: str, sweep: RunningSweep) -> ReadUnitPage:
    return ReadUnitPage(storefront=storefront, offset=sweep.offset, by_marketplace=sweep.by_marketplace)
