"""Overrides of an offer: what they hold waits, and is sent when the file lets it go."""

import re
from decimal import Decimal

from connector.contracts.codes import TABLE, Code
from connector.mappings.in_use import MappingsInUse
from connector.mappings.overrides import parse_overrides
from connector.marketplace.offers import Field
from connector.offers.events import OfferResult
from connector.offers.gtin import normal_form
from connector.offers.policy import OfferPolicy, StockRule, StockRules
from connector.offers.rails import PriceLimits, PriceRails
from connector.routing.table import Routing
from streams.flow import Arrived, Restored, Woken
from tests.harness.commands import CommandDesk
from tests.harness.offer_harness import DE, EAN, OTHER_EAN, REFERENCE, SECOND, OfferHarness, flow_of, unit

RULES = StockRules(rule=StockRule(buffer_pct=50, keep=1, show_at_most=20))


class OverriddenOffer(OfferHarness):
    """An offer at 10.00 with 3 pieces, with a file of overrides that a test changes."""

    def __init__(self, *lines: str, policy: OfferPolicy | None = None) -> None:
        self.put(f"{EAN},,,,0,,")
        self.desk = CommandDesk(now_us=0)
        super().__init__(flow_of(DE, policy=policy, commands=self.desk, mappings=self))
        self.known(unit(7))
        self.put(*lines)

    def put(self, *lines: str) -> None:
        """Changes the file."""
        content = "\n".join(("ean,target,floor_price,currency,buffer,hold,reason", *lines)).encode()
        overrides = parse_overrides(content, {"shop-de": "EUR"}, normal_form)
        self.in_use = MappingsInUse(routing=Routing.of((DE,)), reference=REFERENCE, overrides=overrides)

    def changed(self, *lines: str) -> None:
        """Changes the file, and has the lane reviewed as the engine does."""
        self.put(*lines)
        self.now_us += SECOND
        self.hear(Woken())

    @property
    def sent(self) -> list[dict[str, int]]:
        return [{str(name): value for name, value in want.body.values.items()} for want in self.wants]


def row(result: OfferResult) -> tuple[str, str, str | None, str | None]:
    return result.status.value, result.origin.value, result.code, result.held_by


def message(result: OfferResult) -> str:
    assert result.problem is not None
    return result.problem.message


def test_a_price_below_the_offers_own_floor_is_held_until_the_file_has_a_lower_one() -> None:
    shop = OverriddenOffer(f"{EAN},shop-de,12.00,EUR,,,contract 7")
    shop.event(price="11.99")

    assert shop.sent == []
    assert row(shop.last) == ("HELD", "LIVE", "PRICE_BELOW_OWN_FLOOR", "price_floor")
    assert message(shop.last) == (
        "An override holds this price: 11.99 EUR is below the offer's floor 12.00 (line 2, contract 7)"
    )

    assert shop.flow.figures(()).held["shop-de", "PRICE_BELOW_OWN_FLOOR"] == 1

    shop.changed(f"{EAN},shop-de,12.00,EUR,,,contract 8")
    assert shop.sent == []
    shop.hear(Restored())
    shop.changed(f"{EAN},shop-de,11.99,EUR,,,contract 8")
    assert shop.sent == [{"price": 1199}]
    shop.accept()
    assert row(shop.last) == ("APPLIED", "RELEASE", None, None)


def test_the_offers_own_floor_takes_the_place_of_the_targets_and_leaves_its_other_limits() -> None:
    rails = PriceRails(limits=PriceLimits(floor=Decimal(11), ceiling=Decimal(15)))
    policy = OfferPolicy(price_rails={"shop-de": rails})
    shop = OverriddenOffer(f"{EAN},,9.00,EUR,,,", policy=policy)
    shop.event(price="10.50")
    assert shop.sent == [{"price": 1050}]
    shop.accept()
    shop.event(price="15.01")
    assert shop.last.code == "PRICE_OVER_RAIL"

    other = OverriddenOffer(f"{OTHER_EAN},,9.00,EUR,,,", policy=policy)
    other.event(price="10.50")
    assert other.last.code == "PRICE_BELOW_FLOOR"

    above = OverriddenOffer(f"{EAN},,16.00,EUR,,,", policy=policy)  # a floor above the target's ceiling
    above.event(price="15.50")
    assert above.last.code == "PRICE_BELOW_OWN_FLOOR"


def test_a_floor_that_is_removed_lets_go_without_a_new_event_and_a_newer_price_takes_its_place() -> None:
    shop = OverriddenOffer(f"{EAN},,12.00,EUR,,,")
    shop.event(price="11.00")
    shop.event(price="11.50")
    assert [row(one)[0] for one in shop.results] == ["HELD", "SUPERSEDED", "HELD"]

    shop.changed()
    assert shop.sent == [{"price": 1150}]


def test_a_held_field_waits_while_the_others_are_sent_and_is_sent_when_the_line_is_gone() -> None:
    shop = OverriddenOffer(f"{EAN},,,,,price,negotiation")
    shop.event(price="11.00", stock=5)
    assert shop.sent == [{"stock": 5}]
    shop.accept()

    assert row(shop.last) == ("HELD", "LIVE", "HELD_BY_OVERRIDE", "override")
    assert message(shop.last) == "An override holds price of this offer (line 2, negotiation)"
    assert shop.wake_at_us is not None, "the engine does not take it for forgotten"

    shop.changed(f"{EAN},,,,,stock,")
    assert shop.sent == [{"price": 1100}]
    shop.accept()
    assert row(shop.last)[:2] == ("APPLIED", "RELEASE")


def test_a_value_that_waits_for_its_call_is_held_by_a_line_that_is_added() -> None:
    shop = OverriddenOffer()
    shop.event(price="11.00")
    assert shop.sent == [{"price": 1100}]

    shop.changed(f"{EAN},,,,,all,")
    assert shop.sent == []
    assert row(shop.last)[2:] == ("HELD_BY_OVERRIDE", "override")


def test_a_hold_of_a_person_and_that_of_the_file_hold_each_on_its_own() -> None:
    shop = OverriddenOffer(f"{EAN},,,,,price,")
    shop.desk.give("hold-1")
    shop.event(price="11.00")
    assert shop.last.held_by == "hold-1"

    shop.desk.release("hold-1")
    shop.changed(f"{EAN},,,,,price,")
    assert (shop.sent, shop.last.held_by) == ([], "override")

    shop.changed()
    assert shop.sent == [{"price": 1100}]


def test_the_buffer_takes_the_place_of_the_targets_reserve_and_the_result_says_so() -> None:
    shop = OverriddenOffer(f"{EAN},,,,4,,fragile", policy=OfferPolicy(stock_rules={"shop-de": RULES}))
    shop.event(stock=10)
    assert shop.sent == [{"stock": 6}]
    shop.accept()

    assert row(shop.last) == ("APPLIED", "LIVE", "BUFFER_OVERRIDDEN", None)
    assert message(shop.last) == (
        "Of stock 10, an override keeps back 4 in place of the target's rules (line 2, fragile)"
    )
    assert [(one.requested, one.sent) for one in shop.last.fields] == [(Decimal(10), Decimal(6))]

    shop.event(stock=90)
    assert shop.sent == [{"stock": 20}], "the limit of what is shown stays that of the target"
    shop.accept()
    shop.event(stock=3)
    assert shop.sent == [{"stock": 0}]


def test_a_buffer_that_changes_nothing_has_no_code() -> None:
    shop = OverriddenOffer(f"{EAN},,,,0,,")
    shop.event(stock=10)
    assert shop.sent == [{"stock": 10}]
    shop.accept()
    assert row(shop.last) == ("APPLIED", "LIVE", None, None)


def test_a_buffer_that_changes_acts_on_a_stock_that_waits_and_on_the_next_event() -> None:
    shop = OverriddenOffer()
    shop.event(stock=10)
    shop.changed(f"{EAN},,,,4,,")
    assert shop.sent == [{"stock": 6}], "it has not left yet"
    shop.accept()

    shop.changed(f"{EAN},,,,8,,")
    assert shop.sent == [], "what the marketplace has may have been sold since: only the source knows"
    shop.event(stock=10)
    assert shop.sent == [{"stock": 2}]


def test_an_event_that_is_replayed_is_sent_with_the_present_buffer() -> None:
    shop = OverriddenOffer()
    event = shop.make(stock=10)
    shop.hear(Arrived(lane=EAN, event=event))
    shop.accept()
    shop.put(f"{EAN},,,,4,,")
    shop.hear(Arrived(lane=EAN, event=event))
    assert shop.sent == [{"stock": 6}]


def test_other_offers_are_left_alone() -> None:
    shop = OverriddenOffer(f"{OTHER_EAN},,99.00,EUR,99,all,")
    shop.event(price="11.00", stock=5)
    assert shop.sent == [{str(Field.PRICE): 1100, str(Field.STOCK): 5}]


def test_what_an_override_has_held_from_the_start_leaves_no_doubt_about_what_the_marketplace_has() -> None:
    shop = OverriddenOffer(f"{EAN},,,,,price,")
    shop.event(price="11.00")
    assert shop.last.status.value == "HELD"

    shop.event(price="10.00")
    assert [row(one)[0] for one in shop.results[-2:]] == ["SUPERSEDED", "UNCHANGED"]
    assert shop.sent == []


def test_every_code_that_holds_a_change_is_counted_from_zero_so_that_an_alert_sees_the_first() -> None:
    holding = {code for code, text in TABLE.items() if re.search(r"\bholds (this|\{field\})", text.sentence)}

    assert holding > {Code.PRICE_BELOW_OWN_FLOOR, Code.HELD_BY_OVERRIDE, Code.PRICE_STEP_TOO_LARGE}
    assert {("shop-de", str(code)) for code in holding} - OverriddenOffer().flow.figures(()).held.keys() == set()
