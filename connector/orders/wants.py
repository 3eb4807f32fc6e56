"""The calls that the lanes of the order flow want: to read pages of lists, whole orders, whole returns. Pure."""

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import ReadOrder, ReadOrderPage, ReadReturn, ReadReturnPage
from connector.orders.events import Listing
from streams.flow import Want

RANK = 6
"""Priority among the calls of all flows (0 is the most urgent): after handling times (5), before re-checks (7)."""

ORDERS = "orders"
RETURNS = "returns"
ORDER = "order"
RETURN = "return"
"""Slots of the four wants within their lanes."""


def order(account: str, order_id: str, since_us: int) -> Want:
    """Returns the want to read a whole order."""
    body = ReadOrder(order_id=order_id)
    return Want(slot=ORDER, account=account, kind=CallKind.ORDER, priority=RANK, since_us=since_us, body=body)


def returned(account: str, return_id: int, since_us: int) -> Want:
    """Returns the want to read a whole return."""
    body = ReadReturn(return_id=return_id)
    return Want(slot=RETURN, account=account, kind=CallKind.RETURN, priority=RANK, since_us=since_us, body=body)


def order_page(account: str, listing: Listing) -> Want:
    """Returns the want to read the next page of the list of order units."""
    body, since_us = order_page_body(listing), _since_us(listing)
    return Want(slot=ORDERS, account=account, kind=CallKind.ORDER_PAGE, priority=RANK, since_us=since_us, body=body)


def return_page(account: str, listing: Listing) -> Want:
    """Returns the want to read the next page of the list of returns."""
    body, since_us = return_page_body(listing), _since_us(listing)
    return Want(slot=RETURNS, account=account, kind=CallKind.RETURN_PAGE, priority=RANK, since_us=since_us, body=body)


def order_page_body(listing: Listing) -> ReadOrderPage:
    return ReadOrderPage(changed_from_us=listing.changed_from_us, offset=listing.offset)


def return_page_body(listing: Listing) -> ReadReturnPage:
    return ReadReturnPage(changed_from_us=listing.changed_from_us, offset=listing.offset)


def _since_us(listing: Listing) -> int:
    """Returns the age of a page's want: that of the list, plus the page number, which separates retry budgets."""
    return listing.since_us + listing.pages
