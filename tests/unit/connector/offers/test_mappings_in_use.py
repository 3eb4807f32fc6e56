"""The offer flow uses the routing and the reference that are in use when a turn begins."""

from dataclasses import replace
from decimal import Decimal

from connector.mappings.in_use import MappingsInUse
from connector.offers.flow import OfferFlow
from connector.offers.policy import OfferPolicy
from connector.offers.rails import PriceLimits, PriceRails
from connector.routing.table import Routing
from streams.flow import Woken
from tests.harness.offer_harness import DE, EAN, OTHER_EAN, REFERENCE, OfferHarness, flow_of, unit


class Changing:
    """A ``MappingSource`` that a test changes."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self.in_use = self.allowing(allowed)

    @staticmethod
    def allowing(eans: frozenset[str]) -> MappingsInUse:
        return MappingsInUse(routing=Routing.of([replace(DE, allow_eans=eans)]), reference=REFERENCE)


def statuses(shop: OfferHarness) -> list[str]:
    return [str(result.status) for result in shop.results]


def flow(mappings: Changing) -> OfferFlow:
    return flow_of(policy=OfferPolicy(default_target="shop-de"), mappings=mappings)


def test_an_ean_that_is_added_to_the_allow_list_is_sent_from_then_on() -> None:
    mappings = Changing(frozenset({OTHER_EAN}))
    shop = OfferHarness(flow(mappings))
    shop.event(price="12.00")
    assert statuses(shop) == ["SUPPRESSED"]

    mappings.in_use = Changing.allowing(frozenset({OTHER_EAN, EAN}))
    shop.event(price="12.00")

    shop.found(unit(1))
    shop.accept()
    assert statuses(shop) == ["SUPPRESSED", "APPLIED"]


def test_an_ean_that_is_removed_while_its_change_waits_is_not_sent() -> None:
    mappings = Changing(frozenset({EAN}))
    shop = OfferHarness(flow(mappings))
    shop.event(price="12.00")
    assert shop.wants

    mappings.in_use = Changing.allowing(frozenset())
    shop.hear(Woken())

    assert statuses(shop) == ["SUPPRESSED"]
    assert not shop.wants


def test_a_lower_bound_of_the_stock_applies_to_the_next_event() -> None:
    mappings = Changing(frozenset({EAN}))
    shop = OfferHarness(flow(mappings))
    shop.event(stock=80)
    shop.found(unit(1))
    shop.accept()

    mappings.in_use = replace(mappings.in_use, reference=replace(REFERENCE, max_stock=50))
    shop.event(stock=79)

    assert statuses(shop) == ["APPLIED", "REJECTED"]


def test_a_price_floor_holds_from_the_next_turn_and_lets_go_when_it_is_gone() -> None:
    free = OfferPolicy(default_target="shop-de")
    floor = PriceRails(limits=PriceLimits(floor=Decimal(20)))
    policies = [free]
    shop = OfferHarness(flow_of(policy=free, policy_in_use=lambda: policies[-1])).known(unit(1))
    policies.append(OfferPolicy(default_target="shop-de", price_rails={"shop-de": floor}))

    shop.event(price="12.00")
    assert statuses(shop) == ["HELD"]
    assert not shop.wants

    policies.append(free)
    shop.hear(Woken())
    shop.accept()
    assert statuses(shop) == ["HELD", "APPLIED"]
