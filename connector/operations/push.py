"""Implements ``connector push``: lists, creates and repairs subscriptions, at the operator's request only.

A subscription is ours if its URL is ``[push] public_url`` followed by the account's name. One with another URL belongs
to another system and is not changed, except with ``--move``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connector.marketplace.offers import Subscription
from streams.errors import Stopped

ORDER_EVENTS = ("order_new", "order_unit_status_changed")
RETURN_EVENTS = ("return_new", "return_status_changed")
"""The events that trigger a poll: those about orders, and those about returns."""


class SubscriptionClient(Protocol):
    """Makes each call once. Raises Stopped if the marketplace refuses it, with its message, or does not respond."""

    def subscriptions(self, account: str) -> Sequence[Subscription]: ...

    def subscribe(self, account: str, storefront: str, event: str, url: str, email: str) -> Subscription: ...

    def enable(self, account: str, subscription_id: int, url: str | None = None) -> Subscription: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSubscription:
    """A subscription that should exist."""

    account: str
    storefront: str
    event: str


def show(console: Console, marketplace: SubscriptionClient, urls: Mapping[str, str]) -> bool:
    """Prints every subscription of the accounts; returns whether none of ours is disabled. ``urls``: by account."""
    table = Table("account", "id", "storefront", "event", "state", "address")
    disabled = 0
    for account, url in sorted(urls.items()):
        for one in marketplace.subscriptions(account):
            ours = one.url == url
            disabled += ours and not one.is_active
            state = "active" if one.is_active else "DISABLED"
            leads = "" if ours else " (not ours)"
            style = "red" if ours and not one.is_active else None
            table.add_row(account, str(one.id), one.storefront, one.event, state, escape(one.url) + leads, style=style)
    console.print(table)
    if disabled:
        console.print(
            f"[red]{disabled} disabled by the marketplace, because calls to the address failed.[/] "
            "Remedy: connector push repair"
        )
    return not disabled


def subscribe(
    console: Console,
    marketplace: SubscriptionClient,
    urls: Mapping[str, str],
    wanted: Sequence[WantedSubscription],
    email: str,
) -> bool:
    """Creates missing subscriptions; returns whether all wanted ones are ours and active.

    The marketplace allows one subscription per event and storefront.
    """
    good = True
    for account in sorted(urls):
        there = {(one.storefront, one.event): one for one in marketplace.subscriptions(account)}
        for want in (want for want in wanted if want.account == account):
            good &= _subscribe(
                console, marketplace, urls[account], want, there.get((want.storefront, want.event)), email
            )
    return good


def _subscribe(
    console: Console,
    marketplace: SubscriptionClient,
    url: str,
    want: WantedSubscription,
    there: Subscription | None,
    email: str,
) -> bool:
    """Creates one wanted subscription, or prints why not; returns whether it is ours and active."""
    what = f"{want.account}: {want.event} on {want.storefront}"
    if there is None:
        return _done(
            console,
            what,
            lambda: marketplace.subscribe(want.account, want.storefront, want.event, url, email),
            "subscribed",
        )
    if there.url != url:
        _print(
            console,
            f"{what} leads to {there.url}. Remedy: connector push repair --move, if that address is no longer needed",
        )
        return False
    if not there.is_active:
        _print(console, f"{what} exists but is disabled. Remedy: connector push repair")
        return False
    _print(console, f"{what} already exists")
    return True


def repair(console: Console, marketplace: SubscriptionClient, urls: Mapping[str, str], *, move: bool = False) -> bool:
    """Enables our disabled subscriptions; with ``move``, also changes those with another URL to ours.

    Returns whether all of these are active now.
    """
    good, repaired = True, 0
    for account, url in sorted(urls.items()):
        for one in marketplace.subscriptions(account):
            ours = one.url == url
            if (ours and one.is_active) or (not ours and not move):
                continue
            repaired += 1
            what = f"{account}: {one.event} on {one.storefront} (subscription {one.id})"
            good &= _repair_one(console, marketplace, account, one, None if ours else url, what)
    if not repaired:
        _print(console, "No subscription that leads here is disabled.")
    return good


def _repair_one(
    console: Console, marketplace: SubscriptionClient, account: str, one: Subscription, url: str | None, what: str
) -> bool:
    """Enables one subscription, with our URL if ``url`` is given; returns whether it is active."""
    done = "is active again" if url is None else "leads here, and is active"
    return _done(console, what, lambda: marketplace.enable(account, one.id, url), done)


def _done(console: Console, what: str, ask: Callable[[], Subscription], done: str) -> bool:
    """Makes a change and prints its outcome; returns whether the subscription is active."""
    try:
        changed = ask()
    except Stopped as refused:
        console.print(f"[red]{escape(what)}: {escape(str(refused))}[/]", soft_wrap=True)
        return False
    _print(console, f"{what}: {done}" if changed.is_active else f"{what}: the marketplace keeps it disabled")
    return changed.is_active


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
