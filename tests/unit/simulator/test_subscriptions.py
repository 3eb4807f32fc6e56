"""The schedule of retries of a message, with a clock that the test sets."""

from simulator.call_context import ChangeNotice
from simulator.exchange import Moment
from simulator.push.subscriptions import PushSubscription, PushTerms, Subscriptions


def subscribed(terms: PushTerms) -> tuple[Subscriptions, PushSubscription]:
    subscriptions = Subscriptions(terms)
    one = subscriptions.add(
        seller="demo", storefront="de", event_name="order_new", callback_url="http://x/", fallback_email="a@b"
    )
    return subscriptions, one


def hear(subscriptions: Subscriptions, *, storefront: str = "de", seller: str = "demo") -> None:
    notice = ChangeNotice(event_name="order_new", seller=seller, storefront=storefront, resource="/orders/M1/")
    subscriptions.hear([notice], Moment(mono_us=0, wall_us=5_000_000))


def attempts_s(subscriptions: Subscriptions, until_s: int) -> list[float]:
    """Returns the times, in seconds, at which a message that is always refused is sent."""
    left: list[float] = []
    for now_s in range(until_s):
        for push in subscriptions.due(now_s * 10**6, 10):
            left.append(now_s)
            subscriptions.answered(push, 500, now_s * 10**6)
    return left


def test_a_refused_message_comes_again_after_1_15_30_and_60_minutes_and_then_no_more() -> None:
    subscriptions, one = subscribed(PushTerms())
    hear(subscriptions)

    assert attempts_s(subscriptions, 8000) == [0, 60, 960, 2760, 6360]
    assert not one.is_active


def test_the_waits_are_scaled_by_the_setting() -> None:
    subscriptions, _ = subscribed(PushTerms(time_scale=0.1))
    hear(subscriptions)

    assert attempts_s(subscriptions, 700) == [0, 6, 96, 276, 636]


def test_only_so_many_leave_at_once_as_are_asked_for() -> None:
    subscriptions, _ = subscribed(PushTerms())
    for _ in range(5):
        hear(subscriptions)

    assert [len(subscriptions.due(0, 3)) for _ in range(3)] == [3, 2, 0]


def test_events_of_other_sellers_and_storefronts_are_not_sent() -> None:
    subscriptions, _ = subscribed(PushTerms())

    hear(subscriptions, storefront="at")
    hear(subscriptions, seller="other")

    assert subscriptions.due(0, 10) == []
