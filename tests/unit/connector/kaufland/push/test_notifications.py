"""Notifications: one triggers a poll and nothing else, and only if it is signed with the seller's secret."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.http.signing import sign
from connector.kaufland.push.notifications import (
    REMEMBERED,
    NotificationOutcome,
    NotificationReceiver,
    PushAccount,
)

SECRET = "0123456789abcdef" * 4
URL = "https://push.example/main"
SUBSCRIBERS = {"main": PushAccount(url=URL, secret=lambda: SECRET)}


def body(id_message: str | int = "m1", event_name: str = "order_new") -> bytes:
    """Returns the body of a notification."""
    return orjson.dumps({"event_name": event_name, "id_message": id_message, "resource": "/orders/MB7UWLD/"})


def headers(content: bytes, *, secret: str = SECRET, url: str = URL, at_s: int = 1_700_000_000) -> dict[str, str]:
    """Returns the signature headers of a notification."""
    signature = sign(secret, method="POST", uri=url, body=content, timestamp_s=at_s)
    return {"shop-timestamp": str(at_s), "shop-signature": signature}


def verdict(content: bytes, said: dict[str, str], account: str = "main") -> NotificationOutcome:
    """Returns the outcome of a notification that a new receiver gets."""
    return NotificationReceiver(SUBSCRIBERS).notified(account, said, content)


def test_a_signed_notification_triggers_a_poll_however_old_it_is() -> None:
    content = body()

    assert verdict(content, headers(content)) is NotificationOutcome.ACCEPTED
    assert verdict(content, headers(content, at_s=1)) is NotificationOutcome.ACCEPTED


@pytest.mark.parametrize(
    "said",
    [
        {},
        headers(body(), secret="another" * 9),
        headers(body(), url="https://push.example/other"),
        headers(body("m2")),
        {**headers(body()), "shop-timestamp": "1700000001"},
        {**headers(body()), "shop-timestamp": "1e9"},
        {**headers(body()), "shop-timestamp": ""},
        {"shop-timestamp": "1700000000", "shop-signature": "ä"},
    ],
)
def test_a_message_not_signed_with_the_sellers_secret_is_refused(said: dict[str, str]) -> None:
    assert verdict(body(), said) is NotificationOutcome.REFUSED


def test_a_message_triggers_one_poll_also_if_it_was_refused_before() -> None:
    receptionist, content = NotificationReceiver(SUBSCRIBERS), body()

    outcomes = [
        receptionist.notified("main", said, content) for said in ({}, headers(content), headers(content, at_s=7))
    ]

    assert outcomes == [NotificationOutcome.REFUSED, NotificationOutcome.ACCEPTED, NotificationOutcome.REPEATED]


def test_the_memory_of_messages_is_bounded_and_keeps_the_newest() -> None:
    receptionist = NotificationReceiver({"main": SUBSCRIBERS["main"]})
    contents = [body(number) for number in range(REMEMBERED + 1)]
    for content in contents:
        receptionist.notified("main", headers(content), content)

    again = [receptionist.notified("main", headers(one), one) for one in (contents[-1], contents[1], contents[0])]

    assert again == [NotificationOutcome.REPEATED, NotificationOutcome.REPEATED, NotificationOutcome.ACCEPTED]


def test_an_unknown_account_triggers_no_poll() -> None:
    assert verdict(body(), headers(body()), account="other") is NotificationOutcome.UNKNOWN_ACCOUNT


@given(content=st.binary(max_size=200))
def test_signed_bodies_that_are_no_notification_trigger_no_poll(content: bytes) -> None:
    assert verdict(content, headers(content)) is NotificationOutcome.UNREADABLE
    assert verdict(content, headers(content, secret="x")) is NotificationOutcome.REFUSED


@pytest.mark.parametrize(
    ("account", "mode", "challenge", "answer"),
    [
        ("main", "subscribe", "abc-123", "abc-123"),
        ("main", "unsubscribe", "abc-123", None),
        ("main", None, "abc-123", None),
        ("main", "subscribe", None, None),
        ("main", "subscribe", "", None),
        ("main", "subscribe", "<script>alert(1)</script>", None),
        ("main", "subscribe", "x" * 513, None),
        ("other", "subscribe", "abc-123", None),
    ],
)
def test_only_a_plain_challenge_of_a_known_account_is_answered(
    account: str, mode: str | None, challenge: str | None, answer: str | None
) -> None:
    assert NotificationReceiver(SUBSCRIBERS).challenge(account, mode, challenge) == answer
