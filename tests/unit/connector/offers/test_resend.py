"""Accepted values are compared with the marketplace by command, and sent again where they differ."""

from decimal import Decimal
from typing import Any

import pytest

from connector.controls.commands import ControlKind, Verify
from connector.marketplace.offers import Condition, Found
from connector.offers.events import OfferResult, Origin
from connector.offers.policy import Locations, OfferPolicy, StockRule, StockRules
from streams.flow import Now, Restored, Settled, Told, Woken
from tests.harness.commands import CommandDesk
from tests.harness.offer_harness import AT, DE, EAN, SECOND, START_US, OfferHarness, flow_of, unit

DAY = 24 * 3_600 * SECOND


class ResentOffer(OfferHarness):
    """An offer that a person compares with the marketplace."""

    def __init__(self, *targets: Any, policy: OfferPolicy | None = None) -> None:
        self.desk = CommandDesk(now_us=START_US)
        super().__init__(flow_of(*(targets or (DE,)), policy=policy, commands=self.desk))

    def resend(self, name: str = "resend-1", *, verify: bool = False, **scope: Any) -> None:
        """Gives the command, and has the engine deliver its messages."""
        self.desk.now_us = self.now_us
        kind = ControlKind.VERIFY if verify else ControlKind.RESEND
        for told in self.desk.give(name, kind=kind, eans=(EAN,), **scope).tells:
            self.hear(told)

    def told_again(self) -> None:
        """Delivers the messages of every command in force, as a new owner of the partition does."""
        self.desk.restart()
        self.hear(Restored())
        for told in self.desk.controls.tells(Now(mono_s=0.0, wall_us=self.now_us)):
            self.hear(told)

    @property
    def sent(self) -> list[dict[str, int]]:
        return [
            {str(name): value for name, value in want.body.values.items()}
            for want in self.wants
            if want.kind.startswith("update")
        ]

    def applied(self, **event: Any) -> None:
        """Has an event accepted."""
        self.event(**event)
        if not self.wants or self.wants[0].kind.startswith("lookup"):
            self.found(unit(7))
        self.accept()
        assert self.last.status == "APPLIED"
        self.results.clear()
        self.now_us += SECOND


@pytest.fixture
def shop() -> ResentOffer:
    """An offer at 12.00 with 5 pieces, by an accepted event."""
    offer = ResentOffer()
    offer.applied(price="12.00", stock=5)
    return offer


def fields(result: OfferResult) -> dict[str, tuple[str, Decimal | None, Decimal | None, str | None]]:
    """Returns status, what was shown, what was sent, and code of each field."""
    return {one.field: (one.status.value, one.before, one.sent, one.code) for one in result.fields}


def test_a_price_that_was_edited_outside_is_looked_up_and_sent_again(shop: ResentOffer) -> None:
    shop.resend()
    assert shop.kinds == ["lookup:de"]
    shop.found(unit(7, price=1400, stock=5))
    assert shop.sent == [{"price": 1200}]
    shop.accept()

    [row] = shop.results
    assert (row.status, row.origin, row.command_id, row.command_results) == ("APPLIED", "RESEND", "resend-1", 1)
    assert (row.event_id, row.unit_id, row.input_offset) == ("e0", 7, 0)
    assert fields(row) == {
        "price": ("APPLIED", Decimal(14), Decimal(12), None),
        "stock": ("UNCHANGED", Decimal(5), None, None),
    }
    assert shop.wants == ()


def test_without_a_difference_nothing_is_sent(shop: ResentOffer) -> None:
    shop.resend()
    shop.found(unit(7, price=1200, stock=5))

    assert [row.status.value for row in shop.results] == ["UNCHANGED"]
    assert shop.wants == ()


def test_a_value_that_counted_as_known_is_looked_up_all_the_same_and_stays_known_after_it(shop: ResentOffer) -> None:
    shop.resend()
    shop.found(unit(7, price=1200, stock=5))
    shop.event(price="12.00")

    assert shop.last.status == "UNCHANGED"


def test_a_look_up_that_was_sent_before_the_command_does_not_count(shop: ResentOffer) -> None:
    shop.reload = False  # in flight
    stale = shop.now_us
    shop.resend()
    look_up = shop.want("lookup:de")
    shop.now_us = stale - SECOND // 2
    shop.reply(look_up, Settled(answer=Found(units=(unit(7, price=1200, stock=5),))))
    assert shop.kinds == ["lookup:de"]
    shop.now_us = stale + SECOND
    shop.found(unit(7, price=1400, stock=5))

    assert shop.sent == [{"price": 1200}]


def test_a_comparison_sends_nothing_and_says_what_differs(shop: ResentOffer) -> None:
    shop.resend("verify-1", verify=True)
    shop.found(unit(7, price=1400, stock=5))

    assert shop.wants == ()
    [row] = shop.results
    assert (row.status, row.code, row.command_id) == ("DRY_RUN", "DIFFERS", "verify-1")
    assert fields(row)["price"] == ("DRY_RUN", Decimal(14), Decimal(12), "DIFFERS")
    assert row.problem is not None
    assert "verify-1 only compares" in row.problem.message


def test_a_comparison_whose_command_is_gone_sends_nothing(shop: ResentOffer) -> None:
    shop.resend()
    shop.desk.remove("resend-1")
    shop.found(unit(7, price=1400, stock=5))

    assert shop.wants == ()
    assert fields(shop.last)["price"] == ("SUPPRESSED", Decimal(14), None, "COMMAND_OVER")


def test_stock_is_lowered_but_not_raised_unless_it_is_named(shop: ResentOffer) -> None:
    shop.resend("resend-1")
    shop.found(unit(7, price=1200, stock=3))
    assert shop.wants == ()
    assert fields(shop.last)["stock"] == ("SUPPRESSED", Decimal(3), None, "STOCK_NOT_RAISED")

    shop.now_us += SECOND
    shop.resend("resend-2")
    shop.found(unit(7, price=1200, stock=9))
    assert shop.sent == [{"stock": 5}]
    shop.accept()

    shop.now_us += SECOND
    shop.resend("resend-3", fields=("stock",))
    shop.found(unit(7, price=1400, stock=3))
    assert shop.sent == [{"stock": 5}], "the price is not named"


def test_only_the_named_target_is_compared() -> None:
    offer = ResentOffer(DE, AT)
    offer.event(price="12.00")
    offer.found(unit(7))
    offer.accept()
    offer.event(price="13.00", target_id="shop-at")
    offer.found(unit(8, "at"), storefront="at")
    offer.accept("at")
    offer.results.clear()
    offer.resend(target_ids=("shop-at",))

    assert offer.kinds == ["lookup:at"]


def test_each_event_has_a_row_and_each_row_says_how_many_there_are(shop: ResentOffer) -> None:
    shop.applied(price="13.00")
    shop.resend()
    shop.found(unit(7, price=1300, stock=5))

    assert {(row.event_id, row.command_results) for row in shop.results} == {("e1", 2), ("e0", 2)}
    assert len({row.result_id for row in shop.results}) == 2


def test_a_newer_event_wins(shop: ResentOffer) -> None:
    shop.resend()
    newer = shop.event(price="15.00")
    shop.found(unit(7, price=1400, stock=5))

    assert shop.sent == [{"price": 1500}]
    [row] = [row for row in shop.results if row.origin is Origin.RESEND]
    assert fields(row)["price"][0] == "SUPERSEDED"
    assert row.fields[0].superseded_by == newer or row.fields[1].superseded_by == newer


def test_a_hold_applies(shop: ResentOffer) -> None:
    shop.desk.now_us = shop.now_us
    shop.desk.give("hold-1", fields=("price",))
    shop.resend()
    shop.found(unit(7, price=1400, stock=5))

    assert shop.sent == []
    assert (shop.last.status, shop.last.held_by, shop.last.command_id) == ("HELD", "hold-1", "resend-1")


def test_stopped_writes_keep_it_back_until_they_go_on(shop: ResentOffer) -> None:
    shop.desk.now_us = shop.now_us
    shop.desk.give("stop-1", kind=ControlKind.STOP_WRITES)
    shop.resend()
    shop.found(unit(7, price=1400, stock=5))
    assert shop.wants == ()
    shop.desk.release("stop-1")
    shop.hear(Woken())

    assert shop.sent == [{"price": 1200}]


def held_back(shop: ResentOffer, shown: int = 9) -> None:
    """Has a resend find ``shown`` pieces where 5 were accepted, while the account is paused."""
    shop.desk.now_us = shop.now_us
    shop.desk.give("pause-1", kind=ControlKind.PAUSE)
    shop.resend()
    shop.now_us += SECOND
    shop.found(unit(7, price=1200, stock=shown))
    assert (shop.last.status, shop.last.held_by) == ("HELD", "pause-1")
    shop.now_us += SECOND
    shop.results.clear()


def let_go(shop: ResentOffer, name: str = "pause-1") -> None:
    """Ends a command, and has the engine deliver its messages and review the lanes."""
    shop.desk.now_us = shop.now_us
    effect = shop.desk.release(name)
    for told in effect.tells:
        shop.hear(told)
    if effect.review:
        shop.hear(Woken())


def test_what_is_held_ends_with_its_command_and_is_not_sent_when_the_hold_ends(shop: ResentOffer) -> None:
    held_back(shop)
    let_go(shop, "resend-1")

    [row] = shop.results
    assert fields(row)["stock"] == ("SUPPRESSED", Decimal(9), None, "COMMAND_OVER")
    assert shop.lane.entries == ()
    shop.now_us += DAY
    let_go(shop)
    assert shop.wants == ()


def test_what_is_held_ends_when_its_command_expires(shop: ResentOffer) -> None:
    held_back(shop)
    assert shop.wake_at_us is not None
    shop.now_us = max(shop.wake_at_us, shop.lane.commands[0].expires_at_us)
    shop.hear(Woken())

    [row] = shop.results
    assert fields(row)["stock"] == ("SUPPRESSED", Decimal(9), None, "COMMAND_OVER")
    assert shop.lane.entries == ()


def test_a_value_that_was_held_is_compared_again_before_it_is_sent(shop: ResentOffer) -> None:
    held_back(shop)
    shop.now_us += 600 * SECOND
    let_go(shop)
    assert shop.kinds == ["lookup:de"]
    shop.found(unit(7, price=1200, stock=2))

    assert shop.wants == ()
    assert fields(shop.last)["stock"] == ("SUPPRESSED", Decimal(2), None, "STOCK_NOT_RAISED")


def test_a_value_that_stopped_writes_kept_back_is_compared_again_before_it_is_sent(shop: ResentOffer) -> None:
    shop.desk.now_us = shop.now_us
    shop.desk.give("stop-1", kind=ControlKind.STOP_WRITES)
    shop.resend()
    shop.found(unit(7, price=1200, stock=9))
    shop.now_us += 600 * SECOND
    shop.hear(Woken())
    assert shop.wants == (), "nothing is looked up as long as nothing can be sent"
    let_go(shop, "stop-1")
    assert shop.kinds == ["lookup:de"]
    shop.found(unit(7, price=1200, stock=8))

    assert shop.sent == [{"stock": 5}]


def test_a_failed_look_up_after_a_hold_ends_it(shop: ResentOffer) -> None:
    held_back(shop)
    shop.now_us += 600 * SECOND
    let_go(shop)
    shop.give_up("lookup:de")

    assert [fields(row)["stock"][0] for row in shop.results] == ["FAILED"]
    assert shop.wants == ()


@pytest.mark.parametrize("verify", [False, True])
def test_an_event_does_not_wait_for_a_comparison_and_does_not_fail_with_it(shop: ResentOffer, *, verify: bool) -> None:
    shop.resend(verify=verify)
    shop.now_us += SECOND
    sold_out = shop.event(stock=0)
    assert {"stock": 0} in shop.sent
    if "lookup:de" in shop.kinds:
        shop.give_up("lookup:de")

    assert shop.sent == [{"stock": 0}]
    assert shop.of(sold_out) == []


def test_a_command_that_is_over_is_not_begun_by_the_message_that_says_so(shop: ResentOffer) -> None:
    shop.desk.now_us = shop.now_us
    shop.desk.give("resend-1", kind=ControlKind.RESEND, eans=(EAN,))
    [told] = shop.desk.release("resend-1").tells
    shop.hear(told)

    assert shop.wants == ()
    assert shop.lane.entries == ()


def test_a_command_that_was_carried_out_is_not_carried_out_again_by_a_new_owner(shop: ResentOffer) -> None:
    shop.resend()
    shop.found(unit(7, price=1400, stock=5))
    shop.told_again()
    assert shop.sent == [{"price": 1200}], "it goes on where it was"
    shop.accept()
    shop.told_again()

    assert shop.wants == ()
    assert len(shop.results) == 1


def test_what_was_not_durable_is_carried_out_by_the_new_owner(shop: ResentOffer) -> None:
    durable = shop.lane
    shop.resend()
    shop.found(unit(7, price=1400, stock=5))
    shop.lane, shop.wants = durable, ()
    shop.told_again()

    assert shop.kinds == ["lookup:de"]


def test_a_command_that_has_expired_is_not_carried_out(shop: ResentOffer) -> None:
    shop.resend(for_us=60 * SECOND)
    command = shop.desk.commands["resend-1"]
    other = ResentOffer()
    other.applied(price="12.00")
    other.now_us += 61 * SECOND
    other.hear(Told(lane=EAN, message=Verify(command=command)))

    assert other.wants == ()
    assert other.lane.commands == ()


def test_expired_commands_are_forgotten(shop: ResentOffer) -> None:
    for number in range(5):
        shop.resend(f"resend-{number}")
        shop.found(unit(7, price=1200, stock=5))
        shop.now_us += DAY

    assert [begun.command_id for begun in shop.lane.commands] == ["resend-4"]


def test_an_offer_that_is_gone_ends_at_once(shop: ResentOffer) -> None:
    shop.resend()
    shop.found()

    assert [(row.status.value, row.origin.value) for row in shop.results] == [("NOT_FOUND", "RESEND")]
    assert shop.lane.entries == ()


def test_without_an_accepted_event_the_answer_says_so() -> None:
    offer = ResentOffer()
    offer.event(price="12.00")
    offer.found()
    offer.resend()

    assert (offer.last.status, offer.last.code, offer.last.command_results) == ("REJECTED", "NOTHING_ACCEPTED", 1)


def test_a_withdrawn_offer_is_left_alone(shop: ResentOffer) -> None:
    shop.tombstone()
    shop.resend()

    assert (shop.last.status, shop.last.code) == ("REJECTED", "NOTHING_ACCEPTED")
    assert shop.wants == ()


def test_a_failed_look_up_ends_it(shop: ResentOffer) -> None:
    shop.resend()
    shop.give_up("lookup:de")

    assert (shop.last.status, shop.last.origin) == ("FAILED", "RESEND")


def test_the_stock_that_was_sent_is_compared_not_the_one_of_the_event() -> None:
    policy = OfferPolicy(stock_rules={"shop-de": StockRules(rule=StockRule(keep=2))})
    offer = ResentOffer(policy=policy)
    offer.applied(stock=10)
    offer.resend()
    offer.found(unit(7, stock=8))
    assert offer.last.status == "UNCHANGED"


def test_the_total_of_all_locations_is_compared() -> None:
    offer = ResentOffer(policy=OfferPolicy(locations=Locations.SUM))
    offer.applied(stock=4, location="a")
    offer.applied(stock=5, location="b")
    offer.resend(fields=("stock",))
    offer.found(unit(7, stock=4))

    assert offer.sent == [{"stock": 9}]


def test_the_total_and_the_other_values_of_one_event_have_results_of_their_own() -> None:
    offer = ResentOffer(policy=OfferPolicy(locations=Locations.SUM))
    offer.applied(stock=5, location="A", at=90)
    offer.applied(stock=4, location="B", price="12.00", at=80)
    offer.resend()
    ids = [entry.result_id for entry in offer.lane.entries]
    assert len(ids) == len(set(ids)) == 2
    offer.found(unit(7, price=1300, stock=20))
    assert offer.sent == [{"stock": 9, "price": 1200}]
    offer.accept()

    assert {row.result_id for row in offer.results} == set(ids)
    assert {(name, end[0]) for row in offer.results for name, end in fields(row).items()} == {
        ("price", "APPLIED"),
        ("stock", "APPLIED"),
    }


def test_linked_units_are_compared_by_the_unit_with_the_newest_event() -> None:
    offer = ResentOffer(DE, AT)
    de, at = unit(7, offer_id="A", stock=3), unit(8, "at", offer_id="A", stock=3)
    offer.known(de, at, targets=("de",))
    offer.event(stock=6)
    if "lookup:at" in offer.kinds:
        offer.found(at, storefront="at")
    offer.accept(offer_id="A")
    offer.results.clear()
    offer.now_us += SECOND
    offer.resend(fields=("stock",))

    assert sum(bool(entry.asked) for entry in offer.lane.entries) == 1


def test_the_condition_of_the_unit_selects_it() -> None:
    offer = ResentOffer()
    offer.event(price="12.00", condition="USED_GOOD")
    offer.found(unit(7), unit(9, condition=Condition.USED_GOOD))
    offer.accept()
    offer.results.clear()
    offer.now_us += SECOND
    offer.resend()
    offer.found(unit(7), unit(9, condition=Condition.USED_GOOD, price=1500))

    assert offer.sent == [{"price": 1200}]
    assert offer.want("update:de").body.unit_id == 9
