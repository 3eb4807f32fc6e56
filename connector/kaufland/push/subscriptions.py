"""Push subscriptions: the requests about them, and the fields that are read of their responses. Pure.

The e-mail address of a subscription is personal data: it is sent when an operator provides it, and never read back.
Source: https://sellerapi.kaufland.com/?page=push-notifications
"""

from collections.abc import Iterable, Iterator
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from connector.kaufland.offers.mapping import ApiRequest
from connector.marketplace.offers import Subscription

PAGE = 30
"""The highest number of subscriptions on one page of ``GET /subscriptions``."""


class _SubscriptionModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id_subscription: int  # "number" in the API's document; a fraction is refused
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


# ---- requests -------------------------------------------------------------------------------------------------------


def page(offset: int = 0) -> ApiRequest:
    """``GET /subscriptions`` of all storefronts."""
    return ApiRequest(method="GET", target="/subscriptions?" + urlencode({"limit": PAGE, "offset": offset}))


def create(storefront: str, event: str, url: str, email: str) -> ApiRequest:
    """``POST /subscriptions``: the marketplace sends its challenge to the URL before it responds."""
    body = {"callback_url": url, "fallback_email": email, "event_name": event}
    target = "/subscriptions?" + urlencode({"storefront": storefront})
    return ApiRequest(method="POST", target=target, body=orjson.dumps(body))


def enable(subscription_id: int, url: str | None) -> ApiRequest:
    """``PATCH /subscriptions/{id_subscription}``: makes it active; ``url`` None keeps its URL."""
    body = {"is_active": True, **({} if url is None else {"callback_url": url})}
    return ApiRequest(method="PATCH", target=f"/subscriptions/{subscription_id}", body=orjson.dumps(body))


# ---- responses: None if one does not conform to the API's document --------------------------------------------------


def read_page(body: bytes | None, offset: int = 0) -> tuple[tuple[Subscription, ...], bool] | None:
    """Returns the subscriptions of a page, and whether it is the last one."""
    try:
        read = _Page.model_validate_json(body or b"")
    except ValidationError:
        return None
    rows = tuple(_subscriptions(read.data))
    until = offset + len(rows)
    is_last = not rows or (until >= read.pagination.total if read.pagination is not None else len(rows) < PAGE)
    return rows, is_last


def read_one(body: bytes | None) -> Subscription | None:
    """Returns the subscription in the response to a change."""
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
