"""``connector push``: lists, creates and repairs subscriptions on request, and changes no other system's."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rich.console import Console

from connector.marketplace.offers import Subscription
from connector.operations import push
from streams.errors import Stopped

URLS = {"main": "https://shop.example/main"}
ELSEWHERE = "https://other.example/hook"


@dataclass
class StubSubscriptionClient:
    """A marketplace with the subscriptions of one account."""

    there: list[Subscription] = field(default_factory=list)
    refuses: str = ""

    def subscriptions(self, account: str) -> Sequence[Subscription]:
        assert account == "main"
        return tuple(self.there)

    def subscribe(self, account: str, storefront: str, event: str, url: str, email: str) -> Subscription:
        self._refuse()
        made = Subscription(id=len(self.there) + 1, storefront=storefront, event=event, url=url, is_active=True)
        self.there.append(made)
        return made

    def enable(self, account: str, subscription_id: int, url: str | None = None) -> Subscription:
        self._refuse()
        [one] = [one for one in self.there if one.id == subscription_id]
        mended = replace(one, is_active=True, url=url or one.url)
        self.there[self.there.index(one)] = mended
        return mended

    def _refuse(self) -> None:
        if self.refuses:
            raise Stopped(self.refuses)


def one(number: int, event: str = "order_new", url: str = URLS["main"], *, active: bool = True) -> Subscription:
    """Returns a subscription, by default an active one of this connector."""
    return Subscription(id=number, storefront="de", event=event, url=url, is_active=active)


def wanted(*events: str) -> list[push.WantedSubscription]:
    """Returns subscriptions of account ``main`` that should exist."""
    return [push.WantedSubscription(account="main", storefront="de", event=event) for event in events]


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def printed(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def subscribed(on: Console, desk: StubSubscriptionClient, *events: str) -> bool:
    """Subscribes to events and prints the outcomes; returns whether all are good."""
    outcomes = push.subscribe(desk, URLS, wanted(*events), "a@example.com")
    return push.show_outcomes(on, outcomes, as_json=False, nothing="none")


def repaired(on: Console, desk: StubSubscriptionClient, *, move: bool = False) -> bool:
    """Repairs subscriptions and prints the outcomes; returns whether all are good."""
    nothing = "No subscription that leads here is disabled."
    return push.show_outcomes(on, push.repair(desk, URLS, move=move), as_json=False, nothing=nothing)


def test_only_our_disabled_subscriptions_are_listed_as_problems() -> None:
    out = console()

    good = push.listed(StubSubscriptionClient([one(1), one(2, "return_new", ELSEWHERE, active=False)]), URLS)
    bad = push.listed(StubSubscriptionClient([one(1, active=False)]), URLS)
    push.show(out, good)
    push.show(out, bad)

    assert [[row.is_good for row in rows] for rows in (good, bad)] == [[True, True], [False]]

    assert "(not ours)" in printed(out)
    assert "Remedy: connector push repair" in printed(out)


def test_missing_subscriptions_are_created_and_existing_ones_left_alone() -> None:
    desk = StubSubscriptionClient([one(1)])

    assert subscribed(console(), desk, "order_new", "return_new")
    assert subscribed(console(), desk, "order_new", "return_new")

    assert desk.there == [one(1), one(2, "return_new")]


def test_subscribing_reports_a_remedy_for_other_or_disabled_subscriptions() -> None:
    desk, out = StubSubscriptionClient([one(1, url=ELSEWHERE), one(2, "return_new", active=False)]), console()

    assert not subscribed(out, desk, "order_new", "return_new")

    assert f"leads to {ELSEWHERE}. Remedy: connector push repair --move" in printed(out)
    assert "exists but is disabled. Remedy: connector push repair" in printed(out)
    assert [sub.url for sub in desk.there] == [ELSEWHERE, URLS["main"]]


def test_a_repair_enables_our_subscriptions_only() -> None:
    desk = StubSubscriptionClient([one(1, active=False), one(2, "return_new", ELSEWHERE, active=False)])

    assert repaired(console(), desk)

    assert desk.there == [one(1), one(2, "return_new", ELSEWHERE, active=False)]


def test_a_repair_changes_other_urls_only_with_move() -> None:
    desk = StubSubscriptionClient([one(1, url=ELSEWHERE, active=False)])

    assert repaired(console(), desk, move=True)

    assert desk.there == [one(1)]


def test_a_refusal_is_reported_with_the_marketplaces_message_and_the_others_continue() -> None:
    desk, out = (
        StubSubscriptionClient(
            [one(1, active=False), one(2, "return_new", active=False)], refuses="the address [is] unverified"
        ),
        console(),
    )

    assert not repaired(out, desk)

    assert printed(out).count("the address [is] unverified") == 2


def test_a_repair_with_nothing_to_do_reports_that() -> None:
    out = console()

    assert repaired(out, StubSubscriptionClient([one(1)]))

    assert "No subscription that leads here is disabled." in printed(out)
