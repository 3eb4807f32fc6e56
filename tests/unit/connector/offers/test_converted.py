"""Offers whose prices are converted: with which rate, when it is held, and what a replay says of another rate."""

import pickle
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from connector.contracts.capabilities import Capability
from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.mappings.in_use import MappingsInUse
from connector.mappings.rates import Rate, Rates
from connector.offers.conversion import ConversionRule
from connector.offers.events import Conversion, OfferChanged, OfferResult, Price, Replayed
from connector.offers.policy import OfferPolicy
from connector.offers.rails import PriceLimits, PriceRails
from connector.routing.table import Routing, Target
from streams.flow import Arrived, Restored, Told, Woken
from tests.harness.commands import CommandDesk
from tests.harness.offer_harness import DE, EAN, REFERENCE, SECOND, START_US, OfferHarness, flow_of, unit

ON = replace(DE, capabilities=frozenset({Capability.PRICES_CONVERT}))
RULE = ConversionRule(max_age_s=24 * 3600)
HOUR_S = 3600


def zloty(amount: str) -> Price:
    return Price(amount=Decimal(amount), currency="PLN")


class ForeignOffer(OfferHarness):
    """An offer at 10.00 EUR whose events have prices in zloty, with a file of rates that a test changes."""

    def __init__(self, rate: str | None = "0.25", *, target: Target = ON, policy: OfferPolicy | None = None) -> None:
        self.target = target
        self.desk = CommandDesk(now_us=START_US)
        self.now_us = START_US
        self.put(rate)
        policy = policy or OfferPolicy(conversions={"shop-de": RULE})
        super().__init__(flow_of(target, policy=policy, commands=self.desk, mappings=self))
        self.known(unit(7))

    def put(self, rate: str | None) -> None:
        """Changes the file; None: it is empty."""
        rates = {} if rate is None else {("PLN", "EUR"): Rate(value=Decimal(rate), at_us=self.now_us, source="NBP")}
        self.in_use = MappingsInUse(routing=Routing.of((self.target,)), reference=REFERENCE, rates=Rates(rates))

    def changed(self, rate: str | None) -> None:
        """Changes the file, and has the lane reviewed as the engine does."""
        self.put(rate)
        self.now_us += SECOND
        self.hear(Woken())

    def decide(self, state: ControlState) -> None:
        """Gives a decision on what the guard rails hold; the engine has the lane reviewed."""
        self.desk.now_us = self.now_us
        self.desk.put(
            ControlCommand(
                command_id=f"guard-{len(self.desk.commands)}",
                kind=ControlKind.GUARD,
                state=state,
                scope=CommandScope(),
                guards=("rate_jump",),
                reason="checked",
                issued_by="anna",
                issued_at_us=self.now_us,
            )
        )
        self.hear(Woken())

    def replay(self, event: OfferChanged) -> OfferResult:
        """Has an event read again by a replay; returns the last result."""
        self.hear(Told(lane=EAN, message=Replayed(event=event, replay_id="replay-1")))
        return self.last

    @property
    def sent(self) -> list[Mapping[str, int]]:
        return [{str(name): value for name, value in want.body.values.items()} for want in self.wants]


def conversion(result: OfferResult) -> Conversion | None:
    return next(field.conversion for field in result.fields if field.field == "price")


def row(result: OfferResult) -> tuple[str, str, str | None, str | None]:
    return result.status.value, result.origin.value, result.code, result.held_by


def message(result: OfferResult) -> str:
    assert result.problem is not None
    return result.problem.message


def test_a_price_is_converted_and_the_result_says_how() -> None:
    shop = ForeignOffer("0.2337")
    shop.event(price=zloty("49.99"), stock=5)

    assert shop.sent == [{"stock": 5, "price": 1168}]
    shop.accept()
    assert row(shop.last) == ("APPLIED", "LIVE", None, None)
    price = next(field for field in shop.last.fields if field.field == "price")
    assert (price.requested, price.before, price.sent, price.accepted, price.currency) == (
        Decimal("11.68"),
        Decimal("10.00"),
        Decimal("11.68"),
        Decimal("11.68"),
        "EUR",
    ), "every value is in the storefront's currency"
    assert price.conversion == Conversion(
        amount=Decimal("49.99"),
        currency="PLN",
        rate="0.2337",
        rate_at_us=START_US,
        rate_source="NBP",
        rounding="half_up",
    )
    assert conversion(shop.last) == price.conversion
    assert next(field for field in shop.last.fields if field.field == "stock").conversion is None


def test_a_price_in_the_storefronts_currency_is_not_converted() -> None:
    shop = ForeignOffer(None)
    shop.event(price="11.00")
    shop.accept()

    assert (shop.last.status, conversion(shop.last)) == ("APPLIED", None)


@pytest.mark.parametrize("rate", ["0.25", None])
def test_without_the_capability_a_foreign_price_is_rejected_with_the_same_bytes_whatever_the_rates(
    rate: str | None,
) -> None:
    def outputs(shop: ForeignOffer) -> list[bytes | None]:
        shop.outputs.clear()
        shop.event(price=zloty("49.99"), stock=5)
        shop.accept()
        assert row(shop.last) == ("PARTIAL", "LIVE", "CURRENCY_MISMATCH", None)
        return [output.value for output in shop.outputs] + [pickle.dumps(shop.flow.store(shop.lane).value)]

    assert outputs(ForeignOffer(rate, target=DE)) == outputs(ForeignOffer(None, target=DE, policy=OfferPolicy()))


def test_a_rate_that_is_missing_old_or_ahead_rejects_the_price_alone() -> None:
    shop = ForeignOffer(None)
    shop.event(price=zloty("49.99"), stock=5)
    assert shop.sent == [{"stock": 5}]
    shop.accept()
    assert row(shop.last) == ("PARTIAL", "LIVE", "RATE_MISSING", None)

    shop.put("0.25")
    shop.now_us += (24 * HOUR_S + 1) * SECOND
    shop.event(price=zloty("49.99"))
    assert row(shop.last) == ("REJECTED", "LIVE", "RATE_TOO_OLD", None)
    assert "counts for 24 hours" in message(shop.last)
    price = shop.last.fields[0]
    assert (price.requested, price.currency, price.conversion) == (Decimal("49.99"), "PLN", None), "as it came"

    shop.put("0.25")
    shop.now_us -= 301 * SECOND
    shop.event(price=zloty("49.99"))
    assert row(shop.last) == ("REJECTED", "LIVE", "RATE_IN_FUTURE", None)


@pytest.mark.parametrize(("amount", "code"), [("0.01", "PRICE_NOT_POSITIVE"), ("4000004.00", "PRICE_ABOVE_CEILING")])
def test_what_a_price_was_converted_to_must_be_one_that_the_storefront_takes(amount: str, code: str) -> None:
    shop = ForeignOffer()
    shop.event(price=zloty(amount))

    assert row(shop.last) == ("REJECTED", "LIVE", code, None)
    assert " EUR " in message(shop.last)


def test_the_guard_rails_judge_the_converted_price() -> None:
    rails = PriceRails(limits=PriceLimits(floor=Decimal(12), ceiling=Decimal(13)))
    shop = ForeignOffer(policy=OfferPolicy(price_rails={"shop-de": rails}, conversions={"shop-de": RULE}))
    for amount, code in (("47.97", "PRICE_BELOW_FLOOR"), ("52.03", "PRICE_OVER_RAIL")):
        shop.now_us += SECOND
        shop.event(price=zloty(amount))
        assert shop.last.code == code
    assert message(shop.last) == "The guard rail price_ceiling holds this price: 13.01 EUR is above 13"

    shop.changed("0.245")
    assert shop.sent == [{"price": 1275}], "its rate may have been wrong, so it is converted again"


# ---- replays ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["0.24", "0.26", "0.5", None])
def test_a_replay_of_an_accepted_price_is_unchanged_however_the_rate_has_moved(rate: str | None) -> None:
    shop = ForeignOffer("0.25")
    event = shop.make(price=zloty("48.00"))
    shop.hear(Arrived(lane=EAN, event=event))
    shop.accept()

    shop.changed(rate)
    assert not shop.wants, "another rate alone sends nothing"
    again = shop.replay(event)

    assert row(again) == ("UNCHANGED", "REPLAY", None, None)
    assert conversion(again) == conversion(shop.results[0]), "the rate of then"
    assert not shop.wants
    shop.now_us += 25 * HOUR_S * SECOND
    assert shop.replay(event).status == "UNCHANGED", "an old rate does not matter either"


def test_a_replay_after_an_equal_newer_event_repeats_the_conversion_of_that_event() -> None:
    shop = ForeignOffer("0.25")
    first, second = shop.make(price=zloty("48.00")), shop.make(price=zloty("40.00"))
    shop.hear(Arrived(lane=EAN, event=first))
    shop.accept()
    shop.put("0.3")
    shop.now_us += SECOND
    second = replace(second, occurred_at_us=shop.now_us, record_time_us=shop.now_us)
    shop.hear(Arrived(lane=EAN, event=second))
    assert shop.last.status == "UNCHANGED", "40.00 at 0.3 is what 48.00 at 0.25 was"

    shop.put("0.31")
    assert shop.replay(second).status == "UNCHANGED"
    assert conversion(shop.last) == conversion(shop.results[1])
    assert shop.replay(first).status == "SUPERSEDED"
    assert not shop.wants


def test_a_newer_event_is_converted_with_the_rate_in_use_then() -> None:
    shop = ForeignOffer("0.25")
    shop.event(price=zloty("48.00"))
    shop.accept()
    shop.put("0.26")
    shop.now_us += SECOND
    shop.event(price=zloty("48.00"))

    assert shop.sent == [{"price": 1248}]


def test_a_replay_of_a_price_that_was_rejected_for_its_rate_converts_it() -> None:
    shop = ForeignOffer(None)
    event = shop.make(price=zloty("48.00"))
    shop.hear(Arrived(lane=EAN, event=event))
    shop.put("0.25")
    shop.hear(Told(lane=EAN, message=Replayed(event=event, replay_id="replay-1")))

    assert shop.sent == [{"price": 1200}]


def test_a_pending_price_keeps_its_rate_over_a_restart_and_a_reload() -> None:
    shop = ForeignOffer("0.25")
    shop.event(price=zloty("48.00"))
    shop.put("0.26")
    shop.restart()
    shop.hear(Restored())

    assert shop.sent == [{"price": 1200}]
    shop.accept()
    used = conversion(shop.last)
    assert used is not None
    assert used.rate == "0.25"


def test_an_event_that_another_process_may_have_sent_with_another_rate_is_sent_although_the_price_is_equal() -> None:
    shop = ForeignOffer("0.25")
    shop.event(price=zloty("48.00"))
    shop.accept()
    event = shop.make(price=zloty("48.00"))  # sent with another rate by a process that has crashed since
    shop.now_us += SECOND
    shop.flow.assigned(0, 1)
    shop.hear(Arrived(lane=EAN, event=event))
    assert shop.sent == [{"price": 1200}]
    shop.accept()

    shop.now_us += 400 * SECOND
    shop.event(price=zloty("48.00"))
    assert shop.last.status == "UNCHANGED", "nobody else has read this one"


# ---- a rate that jumped ----------------------------------------------------------------------------------------------


def held() -> ForeignOffer:
    """Returns an offer whose price is held, because its rate is ten times the one before."""
    shop = ForeignOffer("0.25")
    shop.event(price=zloty("48.00"))
    shop.accept()
    shop.put("2.5")
    shop.now_us += SECOND
    shop.event(price=zloty("48.00"), stock=9)
    assert shop.sent == [{"stock": 9}]
    shop.accept()
    assert row(shop.last) == ("HELD", "LIVE", "RATE_JUMPED", "rate_jump")
    assert "a PLN counts as 2.5 (NBP), which is 900.0 % away from 0.25" in message(shop.last)
    return shop


def test_a_price_held_for_its_rate_is_converted_again_once_the_file_is_corrected() -> None:
    shop = held()
    shop.changed("2.4")
    assert shop.sent == [], "still too far"
    shop.changed("0.255")

    assert shop.sent == [{"price": 1224}]
    shop.accept()
    assert row(shop.last) == ("APPLIED", "RELEASE", None, None)
    used = conversion(shop.last)
    assert used is not None
    assert used.rate == "0.255"


def test_a_person_releases_a_price_whose_rate_is_right_or_drops_it() -> None:
    shop = held()
    shop.now_us += SECOND
    shop.decide(ControlState.RELEASED)
    assert shop.sent == [{"price": 12000}]
    shop.accept()
    assert shop.last.status == "APPLIED"

    dropped = held()
    dropped.now_us += SECOND
    dropped.decide(ControlState.DROPPED)
    assert dropped.last.status == "PARTIAL"
    assert not dropped.wants


def test_a_price_in_the_storefronts_currency_takes_the_place_of_one_that_is_held() -> None:
    shop = held()
    shop.now_us += SECOND
    shop.event(price="12.50")

    assert shop.sent == [{"price": 1250}]
