"""Patterns of offers that are not found, and the likely reason of each."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.offers.events import Candidate, OfferNotFound, Pending
from connector.operations.not_found.patterns import NONE, report, value_of
from connector.operations.not_found.reasons import REMEDIES, TEXTS, LikelyReason, likely_reason


def row(
    *candidates: tuple[str, str],
    code: str = "OFFER_NOT_FOUND",
    stock: int | None = None,
    offer_id: str | None = None,
    **attributes: str,
) -> OfferNotFound:
    """Returns an offer that is not found; ``candidates``: storefront and condition of other units of its EAN."""
    pending = () if stock is None else (Pending(field="stock", value=Decimal(stock), event_time_us=0, event_id="1"),)
    return OfferNotFound(
        result_id="1",
        event_id="1",
        code=code,
        message="",
        advice="",
        target_id="shop-de",
        account="demo",
        storefront="de",
        ean="4006381333931",
        condition="NEW",
        offer_id=offer_id,
        candidates=tuple(
            Candidate(unit_id=number, offer_id="SKU-1", storefront=storefront, condition=condition)
            for number, (storefront, condition) in enumerate(candidates)
        ),
        attributes=attributes,
        pending=pending,
        first_seen_at_us=0,
        last_seen_at_us=0,
        times_seen=2,
    )


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        (row(), LikelyReason.NOT_IN_ACCOUNT),
        (row(("at", "NEW")), LikelyReason.OTHER_STOREFRONT),
        (row(("at", "NEW"), ("de", "USED_GOOD")), LikelyReason.OTHER_CONDITION),
        (row(("de", "USED_GOOD"), ("de", "NEW"), offer_id="SKU-2"), LikelyReason.OTHER_OFFER_ID),
        (row(("de", "USED_GOOD"), ("de", "NEW")), LikelyReason.LISTED_SINCE),
        (row(("de", "NEW"), offer_id="SKU-1"), LikelyReason.LISTED_SINCE),
        (row(("de", "NEW"), ("de", "NEW"), code="AMBIGUOUS_OFFER"), LikelyReason.AMBIGUOUS),
        (row(code="A_LATER_CODE"), LikelyReason.OTHER),
    ],
)
def test_the_nearest_unit_that_a_look_up_has_shown_is_the_reason(offer: OfferNotFound, reason: LikelyReason) -> None:
    assert likely_reason(offer) is reason


def test_every_reason_has_words_and_a_remedy() -> None:
    assert set(TEXTS) == set(REMEDIES) == set(LikelyReason)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target", "shop-de"),
        ("account", "demo"),
        ("storefront", "de"),
        ("condition", "NEW"),
        ("code", "OFFER_NOT_FOUND"),
        ("prefix", "4006381"),
        ("reason", "NOT_IN_ACCOUNT"),
        ("brand", "Acme"),
        ("season", NONE),
    ],
)
def test_a_name_is_a_part_of_the_identity_or_an_attribute(name: str, value: str) -> None:
    assert value_of(row(brand="Acme"), name, LikelyReason.NOT_IN_ACCOUNT) == value


def test_most_offers_come_first_then_most_pieces() -> None:
    rows = [row(brand="few", stock=99), *[row(brand="many")] * 3, *[row(brand="some", stock=1)] * 3]

    found = report(rows, ["brand"])

    assert [one.values for one in found.patterns] == [("some",), ("many",), ("few",)]
    assert (found.total.offers, found.total.events, found.total.pieces) == (7, 14, Decimal(102))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.none() | st.integers(0, 9))))
def test_each_offer_is_in_one_pattern(drawn: list[tuple[str, str, int | None]]) -> None:
    found = report([row(brand=brand, line=line, stock=stock) for brand, line, stock in drawn], ["line", "brand"])

    assert {one.values: one.offers for one in found.patterns} == Counter((line, brand) for brand, line, _ in drawn)
    assert sum(one.pieces for one in found.patterns) == sum(stock or 0 for *_, stock in drawn) == found.total.pieces
