"""The producer kit makes offer changes that the codecs can read."""

from decimal import Decimal
from typing import Any

import pytest

from connector.offers.events import OfferChanged, Price
from connector.offers.producer_kit import ProducerKit
from tests.unit.connector.contracts.test_codec import CHANGED, EAN, change, codecs, record

KIT = ProducerKit(CHANGED)


@pytest.mark.parametrize(
    "price", ["19.99 EUR", (Decimal("19.99"), "EUR"), Price(amount=Decimal("19.99"), currency="EUR")]
)
def test_a_price_may_be_given_in_several_ways(price: Any) -> None:
    event = codecs().decode_changed(record(*KIT.message(change(price=price))))

    assert isinstance(event, OfferChanged)
    assert event.price == Price(amount=Decimal("19.99"), currency="EUR")


def test_omitted_fields_are_not_in_the_event() -> None:
    event = codecs().decode_changed(record(*KIT.message(change())))

    assert isinstance(event, OfferChanged)
    assert (event.price, event.stock, event.handling_time_days, event.offer_id) == (None, None, None, None)


def test_a_key_may_contradict_the_ean_where_a_test_wants_it() -> None:
    assert KIT.message(change(), key="0123")[0] == b"0123"


def test_a_tombstone_has_no_value() -> None:
    assert KIT.tombstone(EAN) == (EAN.encode(), None)


def test_what_is_missing_and_what_is_unknown_is_named() -> None:
    with pytest.raises(ValueError, match="unknown: quantity; missing: event_id, occurred_at_us"):
        KIT.message({"ean": EAN, "quantity": 3})


@pytest.mark.parametrize("price", ["19.99", "EUR", "x EUR", "1 2 3", (1,)])
def test_an_invalid_price_is_refused_with_an_example(price: Any) -> None:
    with pytest.raises(ValueError, match=r"is no price; an example: 19\.99 EUR"):
        KIT.message(change(price=price))


def test_a_price_with_too_many_digits_is_refused_never_rounded() -> None:
    with pytest.raises(ArithmeticError):
        KIT.message(change(price="19.99999 EUR"))
