"""Implements ``connector push``: lists, creates and repairs subscriptions, at the operator's request only.

A subscription is ours if its URL is ``[push] public_url`` followed by the account's name. One with another URL belongs
to another system and is not changed, except with ``--move``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connector.marketplace.offers import Subscription
from connector.operations.json_output import show_json
from streams.errors import Stopped
from streams.http.address_secrets import without_secrets

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSubscription:
    """A subscription of an account; ``ours``: it leads to this connector."""

    account: str
    subscription: Subscription
    ours: bool

    @property
    def is_good(self) -> bool:
        return self.subscription.is_active or not self.ours


def listed(marketplace: SubscriptionClient, urls: Mapping[str, str]) -> list[ListedSubscription]:
    """Returns every subscription of the accounts. ``urls``: by account."""
    return [
        ListedSubscription(account=account, subscription=one, ours=one.url == url)
        for account, url in sorted(urls.items())
        for one in marketplace.subscriptions(account)
    ]


def document(found: Iterable[ListedSubscription]) -> list[dict[str, Any]]:
    """Returns what ``push list --json`` prints."""
    return [
        {
            "account": one.account,
            "id": one.subscription.id,
            "storefront": one.subscription.storefront,
            "event": one.subscription.event,
            "active": one.subscription.is_active,
            "url": without_secrets(one.subscription.url),
            "ours": one.ours,
        }
        for one in found
    ]


def show(console: Console, found: Sequence[ListedSubscription]) -> None:
    """Prints the subscriptions, and the remedy if one of ours is disabled."""
    table = Table("account", "id", "storefront", "event", "state", "address")
    for row in found:
        one, leads = row.subscription, "" if row.ours else " (not ours)"
        state = "active" if one.is_active else "DISABLED"
        style = None if row.is_good else "red"
        table.add_row(
            row.account,
            str(one.id),
            one.storefront,
            one.event,
            state,
            escape(without_secrets(one.url)) + leads,
            style=style,
        )
    console.print(table)
    disabled = sum(not one.is_good for one in found)
    if disabled:
        console.print(
            f"[red]{disabled} disabled by the marketplace, because calls to the address failed.[/] "
            "Remedy: connector push repair"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionOutcome:
    """What was done about one subscription, in words. ``good``: it leads to this connector and is active."""

    account: str
    storefront: str
    event: str
    said: str
    good: bool
    was_refused: bool = False


def subscribe(
    marketplace: SubscriptionClient, urls: Mapping[str, str], wanted: Sequence[WantedSubscription], email: str
) -> Iterator[SubscriptionOutcome]:
    """Creates missing subscriptions; yields the outcome of each wanted one when it is known.

    The marketplace allows one subscription per event and storefront.
    """
    for account in sorted(urls):
        there = {(one.storefront, one.event): one for one in marketplace.subscriptions(account)}
        for want in (want for want in wanted if want.account == account):
            yield _subscribe(marketplace, urls[account], want, there.get((want.storefront, want.event)), email)


def _subscribe(
    marketplace: SubscriptionClient, url: str, want: WantedSubscription, there: Subscription | None, email: str
) -> SubscriptionOutcome:
    """Creates one wanted subscription, or says why not."""
    what = f"{want.account}: {want.event} on {want.storefront}"
    if there is None:
        return _done(
            want,
            what,
            lambda: marketplace.subscribe(want.account, want.storefront, want.event, url, email),
            "subscribed",
        )
    if there.url != url:
        remedy = "connector push repair --move, if that address is no longer needed"
        return _outcome(want, f"{what} leads to {without_secrets(there.url)}. Remedy: {remedy}", good=False)
    if not there.is_active:
        return _outcome(want, f"{what} exists but is disabled. Remedy: connector push repair", good=False)
    return _outcome(want, f"{what} already exists", good=True)


def repair(
    marketplace: SubscriptionClient, urls: Mapping[str, str], *, move: bool = False
) -> Iterator[SubscriptionOutcome]:
    """Enables our disabled subscriptions; with ``move``, also changes those with another URL to ours.

    Yields the outcome of each of these when it is known.
    """
    for account, url in sorted(urls.items()):
        for one in marketplace.subscriptions(account):
            ours = one.url == url
            if not (ours and one.is_active) and (ours or move):
                yield _repair_one(marketplace, account, one, None if ours else url)


def _repair_one(
    marketplace: SubscriptionClient, account: str, one: Subscription, url: str | None
) -> SubscriptionOutcome:
    """Enables one subscription, with our URL if ``url`` is given."""
    what = f"{account}: {one.event} on {one.storefront} (subscription {one.id})"
    done = "is active again" if url is None else "leads here, and is active"
    about = WantedSubscription(account=account, storefront=one.storefront, event=one.event)
    return _done(about, what, lambda: marketplace.enable(account, one.id, url), done)


def _done(about: WantedSubscription, what: str, ask: Callable[[], Subscription], done: str) -> SubscriptionOutcome:
    """Makes a change; returns its outcome, also that of a refusal."""
    try:
        changed = ask()
    except Stopped as refused:
        return replace(_outcome(about, f"{what}: {refused}", good=False), was_refused=True)
    text = f"{what}: {done}" if changed.is_active else f"{what}: the marketplace keeps it disabled"
    return _outcome(about, text, good=changed.is_active)


def _outcome(about: WantedSubscription, said: str, *, good: bool) -> SubscriptionOutcome:
    return SubscriptionOutcome(
        account=about.account, storefront=about.storefront, event=about.event, said=said, good=good
    )


def show_outcomes(console: Console, outcomes: Iterable[SubscriptionOutcome], *, as_json: bool, nothing: str) -> bool:
    """Prints each outcome as it comes, or all as one document; returns whether all are good.

    ``nothing``: what to print if there is none.
    """
    if as_json:
        found = list(outcomes)
        show_json(console, [asdict(one) for one in found])
        return all(one.good for one in found)
    good, none = True, True
    for one in outcomes:
        style = "red" if one.was_refused else None
        console.print(one.said, markup=False, highlight=False, soft_wrap=True, style=style)
        good, none = good and one.good, False
    if none:
        console.print(nothing, markup=False, highlight=False, soft_wrap=True)
    return good
