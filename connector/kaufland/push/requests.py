"""Requests about push subscriptions. Pure.

The e-mail address of a subscription is personal data: it is sent when an operator provides it.
Source: https://sellerapi.kaufland.com/?page=push-notifications
"""

from urllib.parse import urlencode

import orjson

from connector.kaufland.http.exchange import ApiRequest

PAGE_LIMIT = 30
"""The highest number of subscriptions on one page of ``GET /subscriptions``."""


def subscription_page(offset: int = 0) -> ApiRequest:
    """``GET /subscriptions`` of all storefronts."""
    return ApiRequest(method="GET", target="/subscriptions?" + urlencode({"limit": PAGE_LIMIT, "offset": offset}))


def create(storefront: str, event: str, url: str, email: str) -> ApiRequest:
    """``POST /subscriptions``: the marketplace sends its challenge to the URL before it responds."""
    body = {"callback_url": url, "fallback_email": email, "event_name": event}
    target = "/subscriptions?" + urlencode({"storefront": storefront})
    return ApiRequest(method="POST", target=target, body=orjson.dumps(body))


def enable(subscription_id: int, url: str | None) -> ApiRequest:
    """``PATCH /subscriptions/{id_subscription}``: makes it active; ``url`` None keeps its URL."""
    body = {"is_active": True, **({} if url is None else {"callback_url": url})}
    return ApiRequest(method="PATCH", target=f"/subscriptions/{subscription_id}", body=orjson.dumps(body))
