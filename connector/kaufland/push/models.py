"""Pydantic models of push subscriptions and notifications, with the fields that are read. Pure.

The e-mail address of a subscription is personal data, so it is not listed and never read back.
Source: https://sellerapi.kaufland.com/?page=push-notifications
"""

from pydantic import BaseModel, ConfigDict


class _PushModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class SubscriptionAnswer(_PushModel):
    """A subscription."""

    id_subscription: int  # "number" in the API's document; a fraction is refused
    callback_url: str
    event_name: str
    is_active: bool
    storefront: str | None = None


class SubscriptionPagination(_PushModel):
    """The place of a page in its list; only the total is read."""

    total: int


class SubscriptionsPage(_PushModel):
    """A page of ``GET /subscriptions``."""

    data: tuple[SubscriptionAnswer, ...]
    pagination: SubscriptionPagination | None = None


class OneSubscription(_PushModel):
    """The response to a change of a subscription."""

    data: SubscriptionAnswer


class Notification(_PushModel):
    """The fields of a notification that are read; its payload is not."""

    event_name: str
    id_message: str | int
    resource: str = ""
