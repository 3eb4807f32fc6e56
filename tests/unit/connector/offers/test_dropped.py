"""What stays known when held values are dropped: what was accepted, that no older event may follow, other locations."""

from decimal import Decimal

import pytest

from connector.controls.commands import ControlKind, Verify
from connector.marketplace.offers import Field
from connector.offers.events import DriftCause
from connector.offers.policy import DriftPolicy, Locations, OfferPolicy
from connector.reconciliation.events import UnitObserved
from streams.flow import Restored, Told
from tests.harness.offer_harness import EAN, SECOND, unit
from tests.unit.connector.offers.test_holding import HeldOffer, row

KNOWS_DROPS = 6
"""The first version of the state that keeps what was dropped."""


@pytest.fixture
def shop() -> HeldOffer:
    """An offer whose price 12.00 was accepted from event e1."""
    held = HeldOffer(policy=OfferPolicy(drift=DriftPolicy(settle_s=0.0), locations=Locations.SUM))
    held.known(unit(7))
    held.event(price="12.00")
    held.accept()
    held.now_us += 60 * SECOND
    return held


def see(shop: HeldOffer, price: str) -> None:
    """Has a sweep see the price."""
    shop.now_us += 60 * SECOND
    seen = UnitObserved(
        ean=EAN,
        account="main",
        storefront="de",
        unit_id=7,
        condition="NEW",
        price=Decimal(price),
        currency="EUR",
        changed_at_us=shop.now_us - 30 * SECOND,
        requested_at_us=shop.now_us,
        observed_at_us=shop.now_us,
        sweep_at_us=shop.now_us,
    )
    shop.hear(Told(lane=EAN, message=seen))


def late(shop: HeldOffer, before_s: int, **said: object) -> None:
    """Delivers an event that occurred so long ago."""
    shop.event(occurred_at_us=shop.now_us - before_s * SECOND, **said)


# ---- what was accepted ----------------------------------------------------------------------------------------------


def test_what_was_accepted_stays_known_when_a_value_that_was_never_sent_is_dropped(shop: HeldOffer) -> None:
    before = shop.lane.units[0].facts[Field.PRICE]
    shop.hold()
    shop.event(price="15.00")
    shop.event(price="16.00")
    shop.drop()
    assert shop.lane.units[0].facts[Field.PRICE] == before

    see(shop, "9.99")

    (drift,) = shop.drifts
    assert (drift.accepted_value, drift.accepted_event_id) == (Decimal("12.00"), "e1")
    assert drift.cause is DriftCause.EDITED_OUTSIDE


def test_the_accepted_value_is_sent_again_by_command_after_a_drop(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="15.00")
    shop.drop()
    shop.hold("resend-1", kind=ControlKind.RESEND, for_us=3_600 * SECOND)
    shop.hear(Told(lane=EAN, message=Verify(command=shop.desk.commands["resend-1"])))

    shop.found(unit(7, price=999))
    assert shop.sent == [{"price": 1200}]


def test_a_value_that_may_have_been_sent_is_doubted_when_it_is_dropped(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="15.00")
    shop.hear(Restored())
    shop.drop()

    assert not shop.lane.units[0].facts[Field.PRICE].certain


# ---- the order of what was dropped ----------------------------------------------------------------------------------


def test_an_older_event_never_wins_over_a_drop_but_a_newer_one_does(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="15.00")
    shop.drop()
    shop.now_us += 60 * SECOND
    assert shop.flow.store(shop.lane).reader == KNOWS_DROPS
    for origin in ("late", "read again"):
        late(shop, 90, price="13.00", offset=shop.offset - 1 if origin == "read again" else None)
        assert row(shop.last)[0] == "SUPERSEDED", origin
        assert shop.wants == ()

    shop.event(price="14.00")
    assert shop.sent == [{"price": 1400}]
    shop.accept()
    assert shop.lane.marks == (), "what was accepted shows the order now"
    assert shop.flow.store(shop.lane).reader < KNOWS_DROPS


def test_an_older_event_does_not_win_over_a_drop_of_an_offer_that_was_not_listed() -> None:
    shop = HeldOffer()
    shop.now_us += 60 * SECOND
    shop.event(price="15.00")
    shop.found()
    shop.hold()
    shop.now_us += SECOND
    shop.drop()
    shop.now_us += 61 * SECOND
    late(shop, 90, price="13.00")
    shop.found(unit(7))

    assert row(shop.last)[0] == "SUPERSEDED"
    assert shop.wants == ()


# ---- locations ------------------------------------------------------------------------------------------------------


@pytest.fixture
def stores(shop: HeldOffer) -> HeldOffer:
    """The offer with 5 pieces in Berlin and 3 in Bremen, accepted together."""
    shop.event(stock=5, location="Berlin")
    shop.event(stock=3, location="Bremen")
    assert shop.sent == [{"stock": 8}]
    shop.accept()
    shop.now_us += 60 * SECOND
    return shop


def test_a_dropped_stock_of_a_location_does_not_come_back_with_the_next_one_of_another(stores: HeldOffer) -> None:
    before = set(stores.lane.locations)
    stores.hold(fields=("stock",))
    stores.event(stock=50, location="Berlin")
    stores.event(stock=40, location="Bremen")
    stores.event(stock=20, location="Hamburg")
    stores.event(stock=60, location="Berlin")
    stores.drop()
    assert set(stores.lane.locations) == before
    assert stores.lane.locations_before == ()

    stores.now_us += SECOND
    stores.event(stock=4, location="Bremen")

    assert stores.sent == [{"stock": 9}]


def test_a_dropped_stock_of_no_location_leaves_those_that_it_would_have_replaced(stores: HeldOffer) -> None:
    stores.hold(fields=("stock",))
    stores.event(stock=50)
    stores.drop()
    stores.now_us += SECOND
    stores.event(stock=4, location="Bremen")

    assert stores.sent == [{"stock": 9}]


def test_an_older_stock_of_a_location_never_wins_over_a_drop_but_a_newer_one_does(stores: HeldOffer) -> None:
    stores.hold(fields=("stock",))
    stores.event(stock=50, location="Berlin")
    stores.event(stock=40, location="Bremen")
    stores.drop()
    stores.now_us += 20 * SECOND
    late(stores, 30, stock=7, location="Berlin")
    assert (row(stores.last)[0], stores.wants) == ("SUPERSEDED", ())

    stores.event(stock=6, location="Berlin")
    assert stores.sent == [{"stock": 9}]
    stores.accept()
    late(stores, 30, stock=2, location="Bremen")
    assert (row(stores.last)[0], stores.wants) == ("SUPERSEDED", ())


def test_a_location_that_was_released_counts(stores: HeldOffer) -> None:
    stores.hold(fields=("stock",))
    stores.event(stock=50, location="Berlin")
    stores.release()

    assert stores.sent == [{"stock": 53}]
    assert stores.lane.locations_before == ()


def test_the_stock_of_an_offer_that_was_not_listed_is_left_out_once_it_is_dropped() -> None:
    shop = HeldOffer(policy=OfferPolicy(locations=Locations.SUM))
    shop.event(stock=50, location="Berlin")
    shop.found()
    shop.hold()
    shop.now_us += SECOND
    shop.drop()
    shop.now_us += SECOND
    shop.event(stock=4, location="Bremen")
    shop.pass_s(60)
    shop.found(unit(7))

    assert shop.sent == [{"stock": 4}]


@pytest.mark.parametrize("is_restored", [False, True])
def test_held_stocks_of_locations_that_were_never_accepted_are_dropped_together(is_restored: bool) -> None:
    shop = HeldOffer(policy=OfferPolicy(locations=Locations.SUM))
    shop.event(price="10.00")
    shop.found(unit(7))
    shop.hold(fields=("stock",))
    shop.event(stock=50, location="Berlin")
    shop.event(stock=40, location="Bremen")
    if is_restored:
        shop.hear(Restored())
    shop.drop()
    shop.now_us += SECOND
    shop.event(stock=4, location="Bremen")

    assert shop.sent == [{"stock": 4}]


def test_what_was_accepted_of_locations_counts_again_after_a_drop_of_what_was_not_held_at_first(
    stores: HeldOffer,
) -> None:
    stores.event(stock=4, location="Berlin")
    stores.hold(fields=("stock",))
    stores.event(stock=20, location="Hamburg")
    stores.drop()
    stores.now_us += SECOND
    stores.event(stock=2, location="Hamburg")

    assert stores.sent == [{"stock": 5}]
