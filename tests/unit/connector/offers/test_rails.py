"""Guard rails of prices: what trips them is held, the rest goes on, and a person decides."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.offers.events import OfferResult
from connector.offers.policy import OfferPolicy
from connector.offers.rails import PriceLimits, PriceRails, Rail, tripped_by
from streams.flow import Restored, Woken
from tests.harness.commands import CommandDesk
from tests.harness.effort import examples
from tests.harness.offer_harness import DE, SECOND, START_US, OfferHarness, flow_of, unit

STEP = PriceLimits(step_pct=50)


class GuardedOffer(OfferHarness):
    """An offer at 10.00 with 3 pieces whose prices have guard rails."""

    def __init__(self, limits: PriceLimits = STEP, **overrides: PriceLimits) -> None:
        self.desk = CommandDesk(now_us=START_US)
        rails = PriceRails(
            limits=limits, overrides=tuple(({"brand": brand}, other) for brand, other in overrides.items())
        )
        policy = OfferPolicy(price_rails={"shop-de": rails})
        super().__init__(flow_of(DE, policy=policy, commands=self.desk))
        self.known(unit(7))

    def pause(self) -> None:
        self.now_us += SECOND
        self.desk.now_us = self.now_us
        self.desk.give("pause-1", kind=ControlKind.PAUSE)
        self.hear(Woken())

    def end_pause(self) -> None:
        self.now_us += SECOND
        self.desk.now_us = self.now_us
        self.desk.release("pause-1")
        self.hear(Woken())

    def decide(self, state: ControlState, *guards: str, **scope: Any) -> None:
        """Gives a decision at the present time; the engine has the lane reviewed."""
        self.desk.now_us = self.now_us
        self.desk.put(
            ControlCommand(
                command_id=f"guard-{len(self.desk.commands)}",
                kind=ControlKind.GUARD,
                state=state,
                scope=CommandScope(**scope),
                guards=guards,
                reason="checked",
                issued_by="anna",
                issued_at_us=self.now_us,
            )
        )
        self.hear(Woken())

    @property
    def sent(self) -> list[dict[str, int]]:
        return [{str(name): value for name, value in want.body.values.items()} for want in self.wants]


def row(result: OfferResult) -> tuple[str, str, str | None, str | None]:
    return result.status.value, result.origin.value, result.code, result.held_by


def test_a_price_that_is_too_far_from_the_last_one_is_held_with_the_numbers() -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00")

    assert shop.wants == ()
    assert row(shop.last) == ("HELD", "LIVE", "PRICE_STEP_TOO_LARGE", "price_step")
    assert shop.last.problem is not None
    assert shop.last.problem.message == (
        "The guard rail price_step holds this price: 1000.00 EUR is 9900.0 % away from 10.00, which the marketplace "
        "has; at most 50 % is allowed"
    )


def test_what_a_rail_holds_is_counted_by_target_and_code() -> None:
    shop = GuardedOffer()
    before = shop.flow.figures(())
    assert set(before.held.values()) == {0}

    shop.event(price="99.00")

    after = shop.flow.figures(())
    rail = "PRICE_STEP_TOO_LARGE"
    assert {key: count for key, count in after.held.items() if count} == {("shop-de", rail): 1}
    assert after.results == {**before.results, ("shop-de", "HELD", rail): 1}


@pytest.mark.parametrize(("price", "held"), [("15.00", False), ("15.01", True), ("5.00", False), ("4.99", True)])
def test_a_step_counts_in_both_directions_and_its_limit_is_allowed(price: str, held: bool) -> None:
    shop = GuardedOffer()
    shop.event(price=price)

    assert (shop.wants == ()) is held


@pytest.mark.parametrize(
    ("price", "held_by"), [("7.99", "price_floor"), ("8.00", None), ("12.00", None), ("12.01", "price_ceiling")]
)
def test_floor_and_ceiling_are_allowed_themselves(price: str, held_by: str | None) -> None:
    shop = GuardedOffer(PriceLimits(floor=Decimal(8), ceiling=Decimal(12)))
    shop.event(price=price)

    assert [result.held_by for result in shop.results] == ([held_by] if held_by else [])


def test_the_stock_of_the_same_event_goes_on() -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00", stock=0)

    assert shop.sent == [{"stock": 0}]
    shop.accept()
    [result] = shop.results
    assert row(result) == ("HELD", "LIVE", "PRICE_STEP_TOO_LARGE", "price_step")
    assert {field.field: field.status.value for field in result.fields} == {"price": "HELD", "stock": "APPLIED"}


def test_a_newer_price_within_the_limits_takes_the_place_of_a_held_one() -> None:
    shop = GuardedOffer()
    held = shop.event(price="1000.00")
    shop.event(price="11.00")

    assert shop.sent == [{"price": 1100}]
    shop.accept()
    assert [result.status.value for result in shop.of(held)] == ["HELD", "SUPERSEDED"]


def test_a_release_sends_the_newest_held_value_once() -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00")
    shop.event(price="1100.00")
    shop.decide(ControlState.RELEASED)
    assert shop.sent == [{"price": 110000}]
    shop.accept()
    shop.hear(Woken())

    assert shop.wants == ()
    assert row(shop.last) == ("APPLIED", "RELEASE", None, None)


def test_a_release_outlives_a_restart_before_the_value_was_sent() -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00")
    shop.decide(ControlState.RELEASED)
    shop.desk.restart()
    shop.hear(Restored())

    assert shop.sent == [{"price": 100000}]


def test_what_comes_after_a_release_is_judged_anew() -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00")
    shop.decide(ControlState.RELEASED)
    shop.accept()
    shop.now_us += SECOND
    shop.event(price="100000.00")

    assert shop.wants == ()
    assert shop.last.status == "HELD"


def test_a_drop_ends_what_is_held_without_a_call() -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00")
    shop.decide(ControlState.DROPPED)

    assert shop.wants == ()
    assert row(shop.last) == ("SUPPRESSED", "RELEASE", "GUARD_DROPPED", None)
    shop.event(price="11.00")
    assert shop.sent == [{"price": 1100}]


@pytest.mark.parametrize(
    ("guards", "scope"), [(("price_floor",), {}), ((), {"target_ids": ("shop-at",)}), ((), {"attributes": {"a": "b"}})]
)
def test_a_decision_on_something_else_changes_nothing(guards: tuple[str, ...], scope: dict[str, Any]) -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00")
    shop.decide(ControlState.RELEASED, *guards, **scope)

    assert shop.wants == ()
    assert [result.status.value for result in shop.results] == ["HELD"]


def test_a_hold_of_a_person_comes_first_and_the_guard_rail_after_it() -> None:
    shop = GuardedOffer()
    shop.desk.now_us = shop.now_us
    shop.desk.give("hold-1")
    shop.event(price="1000.00")
    shop.desk.release("hold-1")
    shop.hear(Woken())

    assert [result.held_by for result in shop.results] == ["hold-1", "price_step"]
    assert shop.wants == ()


def test_a_drop_during_a_pause_ends_what_a_guard_rail_held_before_it() -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00")
    shop.pause()
    shop.decide(ControlState.DROPPED)

    assert row(shop.last) == ("SUPPRESSED", "RELEASE", "GUARD_DROPPED", None)
    shop.end_pause()
    assert shop.wants == ()


def test_a_release_during_a_pause_sends_the_value_after_it() -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00")
    shop.pause()
    shop.decide(ControlState.RELEASED)
    assert shop.wants == ()
    shop.end_pause()

    assert shop.sent == [{"price": 100000}]


def test_a_drop_ends_what_was_read_before_it_and_trips_a_rail_only_afterwards() -> None:
    shop = GuardedOffer()
    shop.pause()
    shop.event(price="1000.00")
    shop.now_us += SECOND
    shop.decide(ControlState.DROPPED)
    shop.end_pause()

    assert shop.wants == ()
    assert row(shop.last) == ("SUPPRESSED", "RELEASE", "GUARD_DROPPED", None)


def test_a_drop_leaves_alone_what_was_read_before_it_and_trips_no_rail() -> None:
    shop = GuardedOffer()
    shop.pause()
    shop.event(price="11.00")
    shop.now_us += SECOND
    shop.decide(ControlState.DROPPED)
    shop.end_pause()

    assert shop.sent == [{"price": 1100}]


def test_a_release_does_not_concern_what_no_guard_rail_held_before_it() -> None:
    shop = GuardedOffer()
    shop.pause()
    shop.event(price="1000.00")
    shop.now_us += SECOND
    shop.decide(ControlState.RELEASED)
    shop.end_pause()

    assert shop.wants == ()
    assert row(shop.last) == ("HELD", "RELEASE", "PRICE_STEP_TOO_LARGE", "price_step")
    shop.now_us += SECOND
    shop.hear(Woken())
    assert shop.wants == ()
    shop.decide(ControlState.RELEASED)
    assert shop.sent == [{"price": 100000}]


def test_a_released_value_is_not_judged_again_when_the_command_is_forgotten() -> None:
    shop = GuardedOffer()
    shop.event(price="1000.00")
    shop.decide(ControlState.RELEASED)
    shop.desk.remove("guard-0")
    shop.hear(Restored())

    assert shop.sent == [{"price": 100000}]


def test_the_release_of_one_rail_leaves_the_others_in_force() -> None:
    shop = GuardedOffer(PriceLimits(step_pct=50, floor=Decimal(5)))
    shop.event(price="1.00")
    shop.now_us += SECOND
    shop.decide(ControlState.RELEASED, "price_floor")

    assert shop.wants == ()
    assert [result.held_by for result in shop.results] == ["price_floor", "price_step"]
    shop.now_us += SECOND
    shop.decide(ControlState.RELEASED, "price_step")
    assert shop.sent == [{"price": 100}]


def test_a_release_of_all_rails_sends_what_trips_several() -> None:
    shop = GuardedOffer(PriceLimits(step_pct=50, floor=Decimal(5)))
    shop.event(price="1.00")
    shop.decide(ControlState.RELEASED)

    assert shop.sent == [{"price": 100}]


def test_a_drop_of_one_rail_ends_what_trips_another_one_too() -> None:
    shop = GuardedOffer(PriceLimits(step_pct=50, floor=Decimal(5)))
    shop.event(price="1.00")
    shop.decide(ControlState.DROPPED, "price_step")

    assert row(shop.last) == ("SUPPRESSED", "RELEASE", "GUARD_DROPPED", None)


def test_a_price_that_the_marketplace_has_is_not_held_when_it_is_sent_again() -> None:
    shop = GuardedOffer(PriceLimits(floor=Decimal(20)))
    shop.now_us += 8 * 86_400 * SECOND  # the marketplace's price is not trusted any more
    shop.event(price="10.00")

    assert [result.status.value for result in shop.results] == []
    assert shop.wants != ()


def test_the_first_rule_by_attribute_replaces_the_limits_of_the_target() -> None:
    shop = GuardedOffer(STEP, Globex=PriceLimits(step_pct=10_000))
    shop.event(price="1000.00", attributes={"brand": "Globex"})

    assert shop.sent == [{"price": 100000}]


def test_a_price_is_not_compared_with_a_marketplace_price_that_is_not_known() -> None:
    assert list(tripped_by(STEP, Decimal(100), None, "EUR")) == []
    assert list(tripped_by(STEP, Decimal(100), Decimal(0), "EUR")) == []


PRICES = st.integers(1, 10**7).map(lambda cents: Decimal(cents).scaleb(-2))


@settings(max_examples=examples(300))
@given(PRICES, PRICES, st.sampled_from([1.0, 12.5, 50.0, 400.0]))
def test_a_step_is_held_exactly_where_the_price_leaves_the_interval(new: Decimal, old: Decimal, limit: float) -> None:
    share = Decimal(str(limit)) / 100
    inside = old * (1 - share) <= new <= old * (1 + share)

    tripped = [one.rail for one in tripped_by(PriceLimits(step_pct=limit), new, old, "EUR")]

    assert tripped == ([] if inside else [Rail.PRICE_STEP])


def test_limits_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="floor must not be above ceiling"):
        PriceLimits(floor=Decimal(9), ceiling=Decimal(8))
    with pytest.raises(ValueError, match="step_pct must be above 0"):
        PriceLimits(step_pct=0)
