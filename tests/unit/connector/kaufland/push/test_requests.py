"""Requests about push subscriptions: what is logged of them holds no personal data."""

import json

from connector.kaufland.push import requests


def test_the_mail_address_is_in_the_body_and_in_no_address_that_is_logged() -> None:
    request = requests.create("de", "order_new", "https://shop.example/main", "shop@example.com")

    assert (request.method, request.target) == ("POST", "/subscriptions?storefront=de")
    assert json.loads(request.body)["fallback_email"] == "shop@example.com"


def test_an_unchanged_callback_url_is_not_sent_again() -> None:
    assert json.loads(requests.enable(7, None).body) == {"is_active": True}
    assert json.loads(requests.enable(7, "https://here").body) == {
        "is_active": True,
        "callback_url": "https://here",
    }
