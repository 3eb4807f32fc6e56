"""Push subscriptions: the requests about them, and what is read of their answers. Pure.

The mail address of a subscription is somebody's: it is sent when a person gives it, and never read back.
Source: https://sellerapi.kaufland.com/?page=push-notifications
"""

from collections.abc import Iterable, Iterator
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from connector.kaufland.offers.mapping import ApiRequest
from connector.marketplace.offers import Subscription

PAGE = 30
"""The most that one page of ``GET /subscriptions`` holds."""


class _SubscriptionModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id_subscription: int  # the document says "number"; a fraction is refused
    callback_url: str
    event_name: str
    is_active: bool
    storefront: str | None = None


class _Pagination(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    total: int


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    data: tuple[_SubscriptionModel, ...]
    pagination: _Pagination | None = None


class _One(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    data: _SubscriptionModel


# ---- what we send ---------------------------------------------------------------------------------------------------


def page(offset: int = 0) -> ApiRequest:
    """``GET /subscriptions`` of all storefronts."""
    return ApiRequest(method="GET", target="/subscriptions?" + urlencode({"limit": PAGE, "offset": offset}))


def create(storefront: str, event: str, url: str, email: str) -> ApiRequest:
    """``POST /subscriptions``: the marketplace asks the address for its challenge before it answers."""
    body = {"callback_url": url, "fallback_email": email, "event_name": event}
    target = "/subscriptions?" + urlencode({"storefront": storefront})
    return ApiRequest(method="POST", target=target, body=orjson.dumps(body))


def enable(subscription_id: int, url: str | None) -> ApiRequest:
    """``PATCH /subscriptions/{id_subscription}``: active again; ``url`` None = at the address that it has."""
    body = {"is_active": True, **({} if url is None else {"callback_url": url})}
    return ApiRequest(method="PATCH", target=f"/subscriptions/{subscription_id}", body=orjson.dumps(body))


# ---- what we read: None = not what the API's document promises ------------------------------------------------------


def read_page(body: bytes | None, offset: int = 0) -> tuple[tuple[Subscription, ...], bool] | None:
    """Subscriptions, and whether that was the last page."""
    try:
        read = _Page.model_validate_json(body or b"")
    except ValidationError:
        return None
    rows = tuple(_subscriptions(read.data))
    until = offset + len(rows)
    is_last = not rows or (until >= read.pagination.total if read.pagination is not None else len(rows) < PAGE)
    return rows, is_last


def read_one(body: bytes | None) -> Subscription | None:
    try:
        read = _One.model_validate_json(body or b"")
    except ValidationError:
        return None
    return next(_subscriptions((read.data,)), None)


def _subscriptions(rows: Iterable[_SubscriptionModel]) -> Iterator[Subscription]:
    return (
        Subscription(
            id=row.id_subscription,
            storefront=(row.storefront or "").lower(),
            event=row.event_name,
            url=row.callback_url,
            is_active=row.is_active,
        )
        for row in rows
    )
