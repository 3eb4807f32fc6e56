from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import count

from devstack.expectation import Produced, UnitThere, expected_units
from devstack.traffic import WEIGHTS, Message, MessageKind, OfferPlace, Traffic, gtin13

NOW_US = 1_800_000_000_000_000
STOREFRONTS = {"shop-de": ("de", "EUR"), "shop-cz": ("cz", "CZK")}


def place(number: int, target: str = "shop-de") -> OfferPlace:
    return OfferPlace(
        target_id=target,
        ean=gtin13(f"952{number:09d}"),
        condition="NEW",
        currency=STOREFRONTS[target][1],
        unit_id=1000 + number,
        offer_id=f"SKU-{number}",
    )


def unit(of: OfferPlace, **values: int) -> UnitThere:
    held = {"listing_price": 100, "amount": 1, "handling_time": 1} | values
    return UnitThere(
        unit_id=of.unit_id,
        storefront=STOREFRONTS[of.target_id][0],
        ean=of.ean,
        condition=of.condition,
        offer_id=of.offer_id,
        values=held,
    )


def change(of: OfferPlace, offset: int, *, at_us: int = NOW_US, key: str | None = None, **carried: object) -> Produced:
    payload = {
        "event_id": f"e{offset}",
        "occurred_at_us": at_us,
        "sequence": None,
        "target_id": of.target_id,
        "condition": of.condition,
        "ean": of.ean,
        **carried,
    }
    message = Message(kind=MessageKind.UPDATE, key=key or of.ean, payload=payload)
    return Produced(message=message, partition=0, offset=offset, record_time_us=NOW_US)


def test_the_same_seed_gives_the_same_messages() -> None:
    places = [place(n) for n in range(50)]

    first = list(Traffic(places, seed=7).messages(500, count(NOW_US, 1000)))
    second = list(Traffic(places, seed=7).messages(500, count(NOW_US, 1000)))

    assert first == second
    assert first != list(Traffic(places, seed=8).messages(500, count(NOW_US, 1000)))


def test_every_kind_of_message_occurs_and_few_keys_carry_most() -> None:
    places = [place(n) for n in range(200)]

    sent = list(Traffic(places, ambiguous=[place(999)], seed=1).messages(8_000, count(NOW_US, 1000)))

    assert {m.kind for m in sent} == set(WEIGHTS)
    keys = Counter(m.key for m in sent if m.kind is MessageKind.UPDATE)
    assert sum(n for _, n in keys.most_common(20)) > sum(keys.values()) / 2


def test_a_tombstone_is_followed_by_a_full_event_for_every_place_of_its_ean() -> None:
    twice = [place(1), place(1, "shop-cz")]
    traffic = Traffic(twice, seed=3, weights={MessageKind.TOMBSTONE: 1.0})

    sent = list(traffic.messages(1, count(NOW_US, 1000)))

    assert sent[0].payload is None
    assert sent[0].raw is None
    assert {m.payload["target_id"] for m in sent[1:] if m.payload} == {"shop-de", "shop-cz"}
    assert all({"stock", "price", "handling_time_days"} <= m.payload.keys() for m in sent[1:] if m.payload)


def test_the_newest_event_wins_whatever_its_offset() -> None:
    one = place(1)
    produced = [change(one, 5, stock=7), change(one, 6, at_us=NOW_US - 1, stock=9)]

    assert expected_units([unit(one)], STOREFRONTS, produced)[one.unit_id]["amount"] == 7


def test_a_missing_sequence_is_older_than_any() -> None:
    one = place(1)
    produced = [change(one, 5, stock=7, sequence=1), change(one, 6, stock=9)]

    assert expected_units([unit(one)], STOREFRONTS, produced)[one.unit_id]["amount"] == 7


def test_stock_of_units_with_one_offer_id_is_one_value_and_their_prices_are_not() -> None:
    german = place(1)
    czech = place(1, "shop-cz")
    units = [unit(german), replace(unit(czech), unit_id=2000)]
    produced = [change(german, 1, stock=7, price=(Decimal("5.00"), "EUR"))]

    held = expected_units(units, STOREFRONTS, produced)

    assert held[german.unit_id] == {"listing_price": 500, "amount": 7, "handling_time": 1}
    assert held[2000] == {"listing_price": 100, "amount": 7, "handling_time": 1}


def test_events_that_must_not_be_sent_change_nothing() -> None:
    one = place(1)
    several = [unit(one), replace(unit(one), unit_id=77, offer_id="other")]
    refused = [
        change(one, 1, stock=5, at_us=NOW_US + 301_000_000),
        change(one, 2, stock=5, key="0" + one.ean),
        change(one, 3, price=(Decimal("5.00"), "CHF")),
        change(one, 4, stock=5, target_id="nowhere"),
        change(one, 5, stock=5, unit_id=4711),
    ]

    assert expected_units([unit(one)], STOREFRONTS, refused)[one.unit_id] == unit(one).values
    assert expected_units(several, STOREFRONTS, [change(one, 6, stock=5)])[77] == several[1].values
