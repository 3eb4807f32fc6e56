"""Responses about push subscriptions: only the fields that are used are read, and never the mail address."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.push import answers
from connector.marketplace.offers import Subscription
from connector.marketplace.orders import SubscriptionPage


def row(number: int = 11_001, **said: Any) -> dict[str, Any]:
    return {
        "id_subscription": number,
        "callback_url": "https://shop.example/main",
        "fallback_email": "shop@example.com",
        "event_name": "order_new",
        "is_active": True,
        "storefront": "DE",
        **said,
    }


def body(*rows: dict[str, Any], total: int | None = None) -> bytes:
    return json.dumps({"data": rows, **({} if total is None else {"pagination": {"total": total}})}).encode()


def test_a_page_is_read_without_the_mail_address() -> None:
    read = answers.subscription_page(body(row(is_active=False), total=1))

    expected = Subscription(
        id=11_001, storefront="de", event="order_new", url="https://shop.example/main", is_active=False
    )
    assert read == SubscriptionPage(rows=(expected,), is_last=True)


@pytest.mark.parametrize(
    ("answer", "offset", "is_last"),
    [
        (body(row(), total=2), 0, False),
        (body(row(), total=2), 1, True),
        (body(*(row(n) for n in range(30))), 0, False),
        (body(row()), 30, True),
        (body(total=9), 3, True),
    ],
    ids=["more to come", "the last by the total", "full, without a total", "short, without a total", "empty"],
)
def test_a_list_ends_by_its_total_and_without_one_by_a_page_that_is_not_full(
    answer: bytes, offset: int, is_last: bool
) -> None:
    read = answers.subscription_page(answer, offset=offset)

    assert read is not None
    assert read.is_last is is_last


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_any_body_is_a_page_or_refused(answer: bytes) -> None:
    assert answers.subscription_page(answer) is None
    assert answers.one_subscription(answer) is None
