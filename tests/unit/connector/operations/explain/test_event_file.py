"""An event as JSON: every field and its forms, and what is refused with which words."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.offers.events import OfferChanged, Price
from connector.operations.explain.event_file import parse_event
from streams.errors import SettingsError
from tests.harness.effort import examples

NOW_US = 1_770_000_000_000_000
EAN = "4006381333931"


def parsed(event: object) -> OfferChanged:
    text = event if isinstance(event, str) else json.dumps(event)
    return parse_event(text, topic="changes", partition=3, offset=17, now_us=NOW_US)


def test_an_ean_alone_is_an_event_of_now() -> None:
    assert parsed({"ean": EAN}) == OfferChanged(
        event_id="explain",
        source="explain",
        occurred_at_us=NOW_US,
        ean=EAN,
        key=EAN,
        input_topic="changes",
        partition=3,
        offset=17,
        record_time_us=NOW_US,
    )


def test_every_field_of_the_schema_can_be_given() -> None:
    given_fields = {
        "event_id": "4711",
        "occurred_at": 1_769_839_200_000_001,
        "sequence": 5,
        "source": "erp",
        "target_id": "shop-de",
        "condition": "NEW",
        "ean": EAN,
        "offer_id": "a-1",
        "unit_id": 9,
        "price": "19.99 EUR",
        "stock": -1,
        "location": "north",
        "handling_time_days": 2,
        "attributes": {"brand": "Acme"},
        "key": "0" + EAN,
    }

    event = parsed(given_fields)

    assert event.price == Price(amount=Decimal("19.99"), currency="EUR")
    assert event.occurred_at_us == given_fields.pop("occurred_at")
    del given_fields["price"]
    assert {name: getattr(event, name) for name in given_fields} == given_fields


@pytest.mark.parametrize(
    ("price", "amount"),
    [
        ("19.99 EUR", "19.99"),
        ({"amount": "0.30", "currency": "EUR"}, "0.30"),
        ({"amount": 0.3, "currency": "EUR"}, "0.3"),
        ({"amount": 7, "currency": "EUR"}, "7"),
    ],
)
def test_a_price_is_exact(price: object, amount: str) -> None:
    assert parsed({"ean": EAN, "price": price}).price == Price(amount=Decimal(amount), currency="EUR")


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("2026-01-31T06:00:00Z", 1_769_839_200_000_000),
        ("2026-01-31T07:00:00.000001+01:00", 1_769_839_200_000_001),
        ("2026-01-31", 1_769_817_600_000_000),
        (5, 5),
    ],
)
def test_a_time_is_iso_or_microseconds(written: object, micros: int) -> None:
    assert parsed({"ean": EAN, "occurred_at": written}).occurred_at_us == micros


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("{", "not JSON"),
        ([], "not a JSON object"),
        ({"ean": EAN, "prize": "1 EUR"}, "no field prize; its fields are attributes, condition"),
        ({"stock": 1}, "has no ean"),
        ({"ean": 4006381333931}, "ean 4006381333931 is not valid: expected a text"),
        ({"ean": EAN, "stock": 1.5}, "expected a whole number"),
        ({"ean": EAN, "stock": True}, "expected a whole number"),
        ({"ean": EAN, "price": "cheap"}, "'cheap' is not an amount"),
        ({"ean": EAN, "price": "NaN EUR"}, "'NaN' is not an amount"),
        ({"ean": EAN, "price": 19.99}, "such as 19.99 EUR"),
        ({"ean": EAN, "occurred_at": "yesterday"}, "occurred_at 'yesterday' is not valid"),
        ({"ean": EAN, "attributes": {"brand": 1}}, "expected a text"),
    ],
)
def test_what_is_no_event_is_refused_with_the_field(event: object, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parsed(event)

    assert words in str(refused.value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)))
@settings(max_examples=examples(200))
def test_no_value_of_any_field_breaks_it(value: Any) -> None:
    for name in ("ean", "price", "stock", "occurred_at", "attributes", "unit_id"):
        try:
            event = parsed({"ean": EAN, name: value})
        except SettingsError:
            continue
        assert isinstance(event, OfferChanged)
