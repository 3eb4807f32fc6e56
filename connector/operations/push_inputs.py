"""Opens the marketplace for ``connector push``, and determines which subscriptions to create."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from connector.configuration import routing
from connector.connections import marketplace
from connector.operations.push import ORDER_EVENTS, RETURN_EVENTS, SubscriptionClient, WantedSubscription
from connector.settings import convert
from connector.settings.model import Settings
from streams.errors import SettingsError


@contextmanager
def open_subscriptions(
    configured: Settings, accounts: Sequence[str]
) -> Iterator[tuple[SubscriptionClient, Mapping[str, str]]]:
    """Yields the marketplace and, by account, the URL that it notifies.

    Without ``accounts``, these are all accounts whose orders are polled. Raises SettingsError if public_url is missing
    or an account's orders are not polled.
    """
    public_url = configured.push.public_url
    if public_url is None:
        raise SettingsError("push.public_url: is missing; it is the address that the marketplace calls")
    polled = convert.order_policy(configured).accounts
    if unknown := sorted(set(accounts) - polled):
        raise SettingsError(f"not polled: {', '.join(unknown)}; polled accounts: {', '.join(sorted(polled))}")
    adapter = marketplace(configured)
    try:
        yield adapter, {name: convert.push_url(public_url, name) for name in sorted(accounts or polled)}
    finally:
        adapter.close()


def wanted_subscriptions(
    configured: Settings, accounts: Iterable[str], storefronts: Sequence[str], events: Sequence[str]
) -> list[WantedSubscription]:
    """Returns the subscriptions to create.

    Defaults: without ``storefronts``, those of each account's targets; without ``events``, those that trigger a poll.
    """
    return_events = RETURN_EVENTS if configured.orders.returns else ()
    routes = routing(configured)
    return [
        WantedSubscription(account=account, storefront=storefront, event=event)
        for account in accounts
        for storefront in storefronts or sorted(routes.storefronts_of(account))
        for event in events or (*ORDER_EVENTS, *return_events)
    ]
