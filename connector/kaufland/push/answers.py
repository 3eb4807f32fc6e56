"""Reads responses about push subscriptions as answers of the port. Pure.

Functions return None for a response that does not conform to the API's document.
"""

from connector.kaufland.bodies.json_body import read
from connector.kaufland.push.models import OneSubscription, SubscriptionAnswer, SubscriptionsPage
from connector.kaufland.push.requests import PAGE_LIMIT
from connector.marketplace.offers import Subscription
from connector.marketplace.orders import SubscriptionPage


def subscription_page(body: bytes | None, *, offset: int = 0) -> SubscriptionPage | None:
    """Returns the subscriptions of a page, and whether it is the last one."""
    page = read(SubscriptionsPage, body)
    if page is None:
        return None
    until = offset + len(page.data)
    is_full = len(page.data) >= PAGE_LIMIT
    is_last = not page.data or (until >= page.pagination.total if page.pagination is not None else not is_full)
    return SubscriptionPage(rows=tuple(_subscription(row) for row in page.data), is_last=is_last)


def one_subscription(body: bytes | None) -> Subscription | None:
    """Returns the subscription in the response to a change."""
    changed = read(OneSubscription, body)
    return _subscription(changed.data) if changed is not None else None


def _subscription(row: SubscriptionAnswer) -> Subscription:
    return Subscription(
        id=row.id_subscription,
        storefront=(row.storefront or "").lower(),
        event=row.event_name,
        url=row.callback_url,
        is_active=row.is_active,
    )
