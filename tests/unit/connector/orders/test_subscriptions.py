"""The polling process notices a disabled subscription, and reports it once."""

from typing import Any

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Refused, Subscription
from connector.marketplace.orders import ReadSubscriptions, SubscriptionPage
from connector.orders.subscriptions import EVERY_S, PushReport, PushWatch
from streams.flow import Answered, Cause, GaveUp, Lost, Restored, Settled, Want, Woken

URL = "https://shop.example/main"
START_US = 1_760_000_000_000_000
EVERY_US = round(EVERY_S * 1e6)


class WatchedAccount:
    """A ``PushWatch`` for one account, with the reports that it has made."""

    def __init__(self) -> None:
        self.said: list[PushReport] = []
        self.watch = PushWatch({"main": URL}, self.said.append)
        self.now_us = START_US
        self.wants: tuple[Want, ...] = ()
        self.wake_at_us: int | None = None

    def hear(self, cause: Cause) -> None:
        self.wants, self.wake_at_us = self.watch.turn("main", cause, self.now_us)

    def answered(self, reply: Any) -> None:
        [want] = self.wants
        answer = Answered(want=want, reply=reply, call_id="c", attempts=1, sent_us=self.now_us, answered_us=self.now_us)
        self.hear(answer)

    def shown(self, *rows: Subscription, is_last: bool = True) -> None:
        self.answered(Settled(answer=SubscriptionPage(rows=rows, is_last=is_last)))

    def later(self) -> None:
        assert self.wake_at_us is not None
        self.now_us = self.wake_at_us
        self.hear(Woken())

    @property
    def report(self) -> PushReport:
        return self.watch.reports()["main"]


def one(number: int = 1, url: str = URL, *, active: bool = True) -> Subscription:
    return Subscription(id=number, storefront="de", event="order_new", url=url, is_active=active)


def watched() -> WatchedAccount:
    account = WatchedAccount()
    account.hear(Restored())
    return account


def test_a_disabled_subscription_is_logged_once_at_the_next_read() -> None:
    account = watched()
    account.shown(one())
    account.later()

    account.shown(one(active=False))
    account.later()
    account.shown(one(active=False))

    assert [(report.active, len(report.disabled)) for report in account.said] == [(1, 0), (0, 1)]
    assert account.report.disabled == (one(active=False),)
    assert account.report.read_at_us == account.now_us


def test_a_repaired_subscription_is_logged_too() -> None:
    account = watched()
    account.shown(one(active=False))
    account.later()

    account.shown(one())

    assert [len(report.disabled) for report in account.said] == [1, 0]


def test_it_is_read_every_quarter_of_an_hour_with_one_call_and_not_between() -> None:
    account = watched()
    [want] = account.wants
    account.shown(one())

    account.now_us += EVERY_US - 1
    account.hear(Woken())

    assert (want.kind, want.body) == (CallKind.SUBSCRIPTIONS, ReadSubscriptions(offset=0))
    assert (account.wants, account.wake_at_us) == ((), START_US + EVERY_US)


def test_a_list_of_several_pages_is_read_to_its_end() -> None:
    account = watched()

    account.shown(one(1), is_last=False)
    [want] = account.wants
    account.shown(one(2, active=False))

    assert want.body == ReadSubscriptions(offset=1)
    assert (account.report.active, len(account.report.disabled)) == (1, 1)


def test_subscriptions_of_other_addresses_are_ignored_and_a_missing_one_is_reported() -> None:
    account = watched()

    account.shown(one(1, "https://other.example", active=False))

    assert account.report.disabled == ()
    assert account.report.none_there


def test_a_failed_read_is_reported_and_forgets_nothing() -> None:
    for reply in (
        GaveUp(reason="503 eight times"),
        Settled(answer=Refused(code="FORBIDDEN", http_status=403, type=None, message="503 eight times")),
    ):
        account = watched()
        account.shown(one(active=False))
        account.later()

        account.answered(reply)

        assert "503 eight times" in (account.report.problem or "")
        assert account.report.disabled == (one(active=False),)
        assert account.wake_at_us == account.now_us + EVERY_US


def test_a_lost_answer_is_asked_for_again() -> None:
    account = watched()

    account.answered(Lost(reason="cut"))

    assert [want.kind for want in account.wants] == [CallKind.SUBSCRIPTIONS]


def test_a_new_owner_reads_subscriptions_at_once() -> None:
    account = watched()
    account.shown(one())

    account.hear(Restored())

    assert [want.body for want in account.wants] == [ReadSubscriptions(offset=0)]


def test_an_account_that_is_not_watched_is_left_alone() -> None:
    assert PushWatch({}, lambda _: None).turn("main", Restored(), START_US) == ((), None)
