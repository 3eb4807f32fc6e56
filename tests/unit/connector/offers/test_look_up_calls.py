"""A result names the look-ups that decided it, and a look-up's call names the events that wait for it."""

import pytest

from connector.contracts.codes import Code
from connector.marketplace.offers import LookUp, Refused
from connector.offers.policy import OfferPolicy
from streams.flow import Settled
from tests.harness.offer_harness import AT, DE, OfferHarness, flow_of, unit


def asked(shop: OfferHarness, storefront: str = "de") -> LookUp:
    body = shop.want(f"lookup:{storefront}").body
    assert isinstance(body, LookUp)
    return body


def missed(shop: OfferHarness) -> None:
    """Answers two look-ups with nothing found, the second after the grace period."""
    shop.found()
    shop.pass_s(60)
    shop.found()


def test_a_not_found_names_the_calls_of_its_look_up() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9)
    missed(shop)

    assert (shop.last.code, shop.last.sent) == (Code.OFFER_NOT_FOUND, None)
    assert shop.last.lookup_call_ids == ("c1", "c2")


def test_a_not_found_without_a_call_of_its_own_names_the_earlier_look_up() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(recheck_s=1000)))
    shop.event(stock=9)
    missed(shop)

    shop.event(stock=8)

    assert (shop.calls, shop.last.code) == (2, Code.OFFER_NOT_FOUND)
    assert shop.last.lookup_call_ids == ("c2",)


def test_a_repeatedly_missing_offer_names_the_last_six_calls() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(recheck_s=1000)))
    shop.event(stock=9)
    missed(shop)
    for _ in range(5):
        shop.pass_s(1000)
        shop.found()
    shop.pass_s(1000)

    shop.found(unit(7))
    shop.accept()

    assert shop.last.lookup_call_ids == ("c3", "c4", "c5", "c6", "c7", "c8")
    assert shop.last.sent is not None
    assert shop.last.sent.call_ids == ("c9",)


def test_an_ambiguous_offer_names_the_call_that_showed_several() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)

    shop.found(unit(1), unit(2))

    assert (shop.last.code, shop.last.lookup_call_ids) == (Code.AMBIGUOUS_OFFER, ("c1",))


def test_an_unchanged_value_names_the_call_that_showed_it() -> None:
    shop = OfferHarness(flow_of())
    shop.event(price="10.00")

    shop.found(unit(1, price=1000))

    assert (shop.last.status, shop.last.lookup_call_ids) == ("UNCHANGED", ("c1",))


@pytest.mark.parametrize("how", ["refused", "given up"])
def test_a_look_up_that_failed_is_named(how: str) -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)

    if how == "refused":
        refused = Refused(code="LOOKUP_REFUSED", http_status=400, type=None, message="no")
        shop.reply(shop.want("lookup:de"), Settled(answer=refused))
    else:
        shop.give_up("lookup:de")

    assert (shop.last.status, shop.last.lookup_call_ids) == ("FAILED", ("c1",))


def test_a_known_unit_needs_no_look_up_and_names_none() -> None:
    shop = OfferHarness(flow_of()).known(unit(1, stock=3))

    shop.event(stock=3)

    assert (shop.last.status, shop.last.lookup_call_ids) == ("UNCHANGED", ())


def test_a_look_up_names_the_events_that_wait_for_it() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9)
    shop.event(price="11.00")

    assert (asked(shop).event_ids, asked(shop).event_count) == (("e0", "e1"), 2)


def test_a_look_up_for_links_names_the_stock_that_waits_and_no_price() -> None:
    shop = OfferHarness(flow_of(DE, AT))
    shop.event(stock=9)
    shop.event(price="11.00")

    shop.found(unit(1, offer_id="o"))

    assert asked(shop, "at").event_ids == ("e0",)


def test_a_look_up_names_the_first_twenty_events_and_counts_all() -> None:
    shop = OfferHarness(flow_of())

    for number in range(25):
        shop.event(handling_time_days=2, offer_id=f"o{number}")

    assert asked(shop).event_ids == tuple(f"e{number}" for number in range(20))
    assert asked(shop).event_count == 25
