"""Held changes: what is held, what takes its place, and what becomes of it when the command is over."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from connector.contracts.codes import Code
from connector.controls.commands import ControlKind, ControlState
from connector.controls.waiting import LOOK_AGAIN_S
from connector.marketplace.offers import Condition, Refused
from connector.offers.events import OfferResult
from connector.offers.policy import OfferPolicy
from streams.flow import Restored, Woken
from tests.harness.commands import CommandDesk
from tests.harness.offer_harness import DE, EAN, SECOND, START_US, OfferHarness, flow_of, unit

HOUR = 3_600 * SECOND


class HeldOffer(OfferHarness):
    """An offer whose commands a test gives."""

    def __init__(self, *targets: Any, policy: OfferPolicy | None = None) -> None:
        self.desk = CommandDesk(now_us=START_US)
        super().__init__(flow_of(*(targets or (DE,)), policy=policy, commands=self.desk))

    def hold(self, *args: Any, **scope: Any) -> None:
        """Gives a command at the present time; the engine has the lane reviewed."""
        self.desk.now_us = self.now_us
        self.desk.give(*args, **scope)
        self.hear(Woken())

    def release(self, command_id: str = "hold-1") -> None:
        self.desk.now_us = self.now_us
        self.desk.release(command_id)
        self.hear(Woken())

    def drop(self, command_id: str = "hold-1") -> None:
        self.desk.now_us = self.now_us
        self.desk.drop(command_id)
        self.hear(Woken())

    @property
    def sent(self) -> list[dict[str, int]]:
        """The values of the updates that are wanted now."""
        return [{str(name): value for name, value in want.body.values.items()} for want in self.wants]


@pytest.fixture
def shop() -> HeldOffer:
    """An offer at 10.00 with 3 pieces, known and certain."""
    held = HeldOffer()
    held.known(unit(7))
    return held


def row(result: OfferResult) -> tuple[str, str, str | None]:
    return result.status.value, result.origin.value, result.code


# ---- what is held ---------------------------------------------------------------------------------------------------


def test_a_held_change_is_not_sent_and_its_result_says_who_holds_it_why_and_until_when(shop: HeldOffer) -> None:
    shop.hold(fields=("price",), for_us=4 * HOUR)
    shop.event(price="12.00", attributes={"brand": "Y"})

    assert shop.wants == ()
    assert row(shop.last) == ("HELD", "LIVE", "HELD_BY_PERSON")
    assert shop.last.held_by == "hold-1"
    assert shop.last.unit_id == 7
    assert shop.last.problem is not None
    assert shop.last.problem.message == (
        "anna holds this change until 2025-10-09T12:53:20.100000Z (hold-1): wrong price list"
    )
    assert "connector hold release hold-1" in shop.last.problem.advice
    [price] = shop.last.fields
    assert (price.status.value, price.requested, price.before) == ("HELD", Decimal("12.00"), Decimal(10))
    assert price.sent is None


@pytest.mark.parametrize(
    "scope",
    [
        {"target_ids": ("shop-at",)},
        {"storefronts": ("at",)},
        {"eans": ("4006381333948",)},
        {"attributes": {"brand": "X"}},
        {"fields": ("stock",)},
        {"accounts": ("other",)},
    ],
)
def test_what_a_hold_does_not_cover_is_sent(shop: HeldOffer, scope: dict[str, Any]) -> None:
    shop.hold(**scope)
    shop.event(price="12.00", attributes={"brand": "Y"})

    assert shop.sent == [{"price": 1200}]


def test_stock_to_zero_is_held_too_because_a_person_wanted_it(shop: HeldOffer) -> None:
    shop.hold(eans=(EAN,))
    shop.event(stock=0)

    assert shop.wants == ()
    assert row(shop.last) == ("HELD", "LIVE", "HELD_BY_PERSON")


def test_a_pause_holds_as_well_and_has_a_code_of_its_own(shop: HeldOffer) -> None:
    shop.hold("pause-1", kind=ControlKind.PAUSE, target_ids=("shop-de",), reason="")
    shop.event(price="12.00")

    assert row(shop.last) == ("HELD", "LIVE", "PAUSED")
    assert shop.last.problem is not None
    assert shop.last.problem.message == "anna has paused changes until it is released (pause-1): no reason given"


def test_an_event_that_changes_nothing_is_not_held(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="10.00")

    assert row(shop.last) == ("UNCHANGED", "LIVE", None)


def test_an_event_that_cannot_succeed_is_not_held(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="-1.00")

    assert row(shop.last) == ("REJECTED", "LIVE", "PRICE_NOT_POSITIVE")


def test_fields_that_are_not_held_are_sent_and_the_result_comes_when_they_have_ended(shop: HeldOffer) -> None:
    shop.hold(fields=("price",))
    shop.event(price="12.00", stock=5)

    assert shop.sent == [{"stock": 5}]
    assert shop.results == []

    shop.accept()

    assert row(shop.last) == ("HELD", "LIVE", "HELD_BY_PERSON")
    assert {one.field: one.status.value for one in shop.last.fields} == {"stock": "APPLIED", "price": "HELD"}
    assert shop.last.sent is not None


def test_an_offer_that_is_not_known_yet_is_looked_up_and_then_held() -> None:
    shop = HeldOffer()
    shop.hold()
    shop.event(price="12.00")
    assert shop.kinds == ["lookup:de"]

    shop.found(unit(7))

    assert shop.wants == ()
    assert shop.statuses == ["HELD"]


def test_a_change_that_waits_for_its_turn_is_held_from_the_moment_the_hold_is_known(shop: HeldOffer) -> None:
    shop.event(price="12.00")
    assert shop.sent == [{"price": 1200}]

    shop.hold()

    assert shop.wants == ()
    assert row(shop.last) == ("HELD", "LIVE", "HELD_BY_PERSON")


def test_a_call_that_had_left_before_the_hold_ends_its_event(shop: HeldOffer) -> None:
    shop.event(price="12.00")
    in_flight = shop.wants
    shop.hold()

    shop.wants = in_flight
    shop.accept()

    assert [row(one) for one in shop.results] == [("HELD", "LIVE", "HELD_BY_PERSON"), ("APPLIED", "RELEASE", None)]


def test_a_held_lane_has_a_timer_that_turns_in_between_do_not_move(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="12.00")
    record = shop.flow.store(shop.lane)
    due_us = shop.wake_at_us
    assert due_us is not None
    assert shop.now_us < due_us <= shop.now_us + int(LOOK_AGAIN_S) * SECOND

    shop.now_us += 5 * SECOND
    shop.hear(Woken())

    assert (shop.wake_at_us, shop.flow.store(shop.lane)) == (due_us, record), "a turn in between writes nothing"
    assert len(shop.results) == 1


# ---- what takes its place -------------------------------------------------------------------------------------------


def test_a_newer_change_takes_the_place_of_a_held_one_and_only_it_is_sent_after_the_release(shop: HeldOffer) -> None:
    shop.hold()
    older, newer = shop.event(price="12.00"), shop.event(price="13.00")

    assert [row(one) for one in shop.of(older)] == [("HELD", "LIVE", "HELD_BY_PERSON"), ("SUPERSEDED", "RELEASE", None)]
    assert shop.of(older)[-1].fields[0].superseded_by == newer
    assert [row(one) for one in shop.of(newer)] == [("HELD", "LIVE", "HELD_BY_PERSON")]

    shop.release()
    assert shop.sent == [{"price": 1300}]
    shop.accept()

    assert [row(one) for one in shop.of(newer)] == [("HELD", "LIVE", "HELD_BY_PERSON"), ("APPLIED", "RELEASE", None)]
    assert shop.wants == ()


def test_an_older_change_never_takes_the_place_of_a_held_one(shop: HeldOffer) -> None:
    shop.hold()
    shop.now_us += 10 * SECOND
    shop.event(price="12.00", at=9)
    late = shop.event(price="11.00", at=5)

    assert [row(one) for one in shop.of(late)] == [("SUPERSEDED", "LIVE", "OUT_OF_ORDER")]

    shop.release()
    assert shop.sent == [{"price": 1200}]


def test_taking_back_a_held_value_makes_no_call(shop: HeldOffer) -> None:
    """As when a wrong price list is followed by the right one: its prices are those that the marketplace holds."""
    shop.hold()
    wrong = shop.event(price="1000.00")
    right = shop.event(price="10.00")

    assert [row(one) for one in shop.of(right)] == [("UNCHANGED", "LIVE", None)]
    assert [row(one) for one in shop.of(wrong)][-1] == ("SUPERSEDED", "RELEASE", None)
    shop.release()
    assert shop.wants == ()


def test_taking_back_a_value_that_may_have_been_sent_before_the_hold_makes_a_call(shop: HeldOffer) -> None:
    shop.event(price="12.00")
    shop.hold()
    shop.event(price="10.00")
    assert shop.statuses == ["HELD", "SUPERSEDED", "HELD"]

    shop.release()

    assert shop.sent == [{"price": 1000}]


def test_a_new_owner_does_not_know_what_its_predecessor_sent_of_a_held_value(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="12.00")
    shop.hear(Restored())
    shop.event(price="10.00")

    shop.release()

    assert shop.sent == [{"price": 1000}]


def test_a_held_value_that_is_not_covered_any_more_gives_way_to_a_newer_one_that_is_sent(shop: HeldOffer) -> None:
    shop.hold(attributes={"brand": "Y"})
    held = shop.event(price="12.00", attributes={"brand": "Y"})
    shop.event(price="13.00", attributes={"brand": "Z"})

    assert shop.sent == [{"price": 1300}]
    assert [row(one) for one in shop.of(held)][-1] == ("SUPERSEDED", "RELEASE", None)


def test_a_tombstone_ends_what_is_held(shop: HeldOffer) -> None:
    shop.hold()
    held = shop.event(price="12.00")
    shop.now_us += SECOND
    shop.tombstone()
    shop.release()

    assert [row(one) for one in shop.of(held)][-1] == ("UNMANAGED", "RELEASE", "TOMBSTONE")
    assert shop.wants == ()


# ---- release --------------------------------------------------------------------------------------------------------


def test_a_hold_ends_by_itself_when_its_time_is_over(shop: HeldOffer) -> None:
    shop.hold(for_us=600 * SECOND)
    shop.event(price="12.00")

    shop.pass_s(599)
    assert shop.wants == ()

    shop.pass_s(2)
    assert shop.sent == [{"price": 1200}]


def test_a_command_that_is_removed_releases_what_it_held(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="12.00")
    shop.desk.remove()
    shop.hear(Woken())

    assert shop.sent == [{"price": 1200}]


def test_the_age_of_a_released_value_counts_from_the_release(shop: HeldOffer) -> None:
    """So thousands of released changes do not go before what arrives now."""
    shop.hold()
    shop.event(price="12.00")
    shop.pass_s(7_200)
    shop.release()

    assert shop.wants[0].since_us == shop.now_us


def test_a_second_hold_takes_over_what_the_first_releases_and_is_reported_once(shop: HeldOffer) -> None:
    shop.hold("one")
    shop.hold("two", fields=("price",))
    shop.event(price="12.00")
    shop.release("one")
    shop.hear(Woken())

    assert shop.wants == ()
    assert [(row(one)[:2], one.held_by) for one in shop.results] == [
        (("HELD", "LIVE"), "one"),
        (("HELD", "RELEASE"), "two"),
    ]

    shop.release("two")
    assert shop.sent == [{"price": 1200}]


def test_an_older_hold_that_becomes_known_later_does_not_take_over(shop: HeldOffer) -> None:
    shop.hold("newer")
    shop.event(price="12.00")
    shop.desk.now_us = shop.now_us - 100 * SECOND
    shop.desk.give("older")
    shop.hear(Woken())

    assert [one.held_by for one in shop.results] == ["newer"]
    assert shop.lane.entries[0].held[0].held_by == "newer"


def test_a_released_change_that_the_marketplace_refuses_is_rejected(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="12.00")
    shop.release()
    shop.refuse(Refused(code="V", http_status=400, type=None, message="no"))

    assert row(shop.last) == ("REJECTED", "RELEASE", "MARKETPLACE_REFUSED")


# ---- drop -----------------------------------------------------------------------------------------------------------


def test_a_dropped_change_is_never_sent_and_its_result_says_who_dropped_it(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="12.00")
    shop.drop()

    assert shop.wants == ()
    assert row(shop.last) == ("SUPPRESSED", "RELEASE", "HOLD_DROPPED")
    assert shop.last.problem is not None
    assert shop.last.problem.message == "bert dropped what hold-1 had held (wrong price list)"
    assert shop.lane.entries == ()

    shop.event(price="10.00")
    assert shop.statuses[-1] == "UNCHANGED", "what the marketplace holds is still known"
    shop.event(price="12.00")
    assert shop.sent == [{"price": 1200}], "a dropped hold holds and drops nothing new"


def test_what_is_older_than_a_dropped_change_is_not_sent_in_its_place(shop: HeldOffer) -> None:
    shop.hold()
    shop.now_us += 10 * SECOND
    shop.event(price="12.00", at=9)
    shop.drop()
    shop.event(price="11.00", at=5)

    assert shop.wants == ()
    assert row(shop.last) == ("SUPERSEDED", "LIVE", "OUT_OF_ORDER")


def test_a_dropped_change_that_is_read_again_is_sent(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="12.00", offset=9)
    shop.drop()
    shop.event(price="12.00", offset=9, at=0.2)

    assert shop.sent == [{"price": 1200}]


def test_only_the_fields_that_were_held_are_dropped(shop: HeldOffer) -> None:
    shop.hold(fields=("price",))
    shop.event(price="12.00", stock=5)
    shop.drop()
    assert shop.sent == [{"stock": 5}]

    shop.accept()

    assert row(shop.last) == ("PARTIAL", "LIVE", Code.HOLD_DROPPED)
    assert {one.field: one.code for one in shop.last.fields} == {"stock": None, "price": Code.HOLD_DROPPED}
    assert {one.field: one.rules for one in shop.last.fields} == {"stock": (), "price": ("hold-1",)}


def test_dropping_one_hold_leaves_what_another_holds(shop: HeldOffer) -> None:
    shop.hold("prices", fields=("price",))
    shop.hold("stocks", fields=("stock",))
    shop.event(price="12.00", stock=5)
    shop.drop("prices")

    assert [(row(one)[0], one.held_by) for one in shop.results] == [("HELD", "stocks")]

    shop.release("stocks")
    assert shop.sent == [{"stock": 5}]


def test_a_drop_ends_what_was_pending_beside_the_held_changes_such_as_an_offer_that_is_not_listed_yet() -> None:
    shop = HeldOffer()
    shop.event(price="12.00")
    shop.found()
    shop.pass_s(61)
    shop.found()
    shop.hold()
    shop.pass_s(10)
    shop.drop()

    assert [row(one) for one in shop.results] == [
        ("NOT_FOUND", "LIVE", "OFFER_NOT_FOUND"),
        ("SUPPRESSED", "RECHECK", "HOLD_DROPPED"),
    ]
    assert [kept for kept in shop.not_found.values() if kept is not None] == []


def test_an_event_of_a_dropped_hold_that_is_read_for_the_first_time_afterwards_is_dropped_as_well(
    shop: HeldOffer,
) -> None:
    """As when the state is rebuilt, or after a crash: the value must not come back."""
    shop.hold()
    written_us = shop.now_us + SECOND
    shop.now_us += 10 * SECOND
    shop.drop()
    shop.now_us += 10 * SECOND
    shop.event(price="12.00", record_time_us=written_us)

    assert row(shop.last) == ("SUPPRESSED", "LIVE", "HOLD_DROPPED")
    assert shop.wants == ()


def test_an_event_that_was_written_before_a_dropped_hold_or_after_it_is_sent(shop: HeldOffer) -> None:
    shop.now_us += 10 * SECOND
    before_us = shop.now_us - SECOND
    shop.hold()
    shop.now_us += 10 * SECOND
    shop.drop()
    shop.now_us += 10 * SECOND
    shop.event(price="12.00", record_time_us=before_us)
    shop.event(stock=5)

    assert shop.sent == [{"stock": 5, "price": 1200}]


def test_a_clock_that_is_ahead_where_the_hold_was_dropped_drops_nothing_that_comes_later(shop: HeldOffer) -> None:
    shop.hold()
    shop.now_us += 10 * SECOND
    ahead = replace(shop.desk.commands["hold-1"], state=ControlState.DROPPED, changed_at_us=shop.now_us + HOUR)
    shop.desk.now_us = shop.now_us
    shop.desk.put(ahead)
    shop.hear(Woken())
    shop.now_us += 10 * SECOND
    shop.event(price="12.00")

    assert shop.sent == [{"price": 1200}]


# ---- beside other announcements -------------------------------------------------------------------------------------


def test_an_offer_that_was_not_found_and_is_found_during_a_hold_is_held_and_its_row_cleared() -> None:
    shop = HeldOffer()
    shop.event(price="12.00")
    shop.found()
    shop.pass_s(61)
    shop.found()
    assert shop.statuses == ["NOT_FOUND"]
    [key] = [key for key, kept in shop.not_found.items() if kept is not None]

    shop.hold()
    shop.pass_s(61)
    shop.found(unit(7))

    assert row(shop.last) == ("HELD", "RECHECK", "HELD_BY_PERSON")
    assert shop.not_found[key] is None
    shop.release()
    shop.accept()
    assert row(shop.last) == ("APPLIED", "RELEASE", None)


def test_a_held_offer_whose_unit_is_gone_becomes_not_found_and_is_not_sent() -> None:
    shop = HeldOffer(policy=OfferPolicy(not_found_grace_s=5))
    shop.known(unit(7), unit(8, condition=Condition.USED_GOOD))
    shop.hold(eans=(EAN,), fields=("price",))
    held = shop.event(price="12.00")
    shop.event(stock=4)
    shop.gone()
    shop.found(unit(8, condition=Condition.USED_GOOD))
    shop.pass_s(6)
    shop.found(unit(8, condition=Condition.USED_GOOD))

    assert [row(one) for one in shop.of(held)] == [
        ("HELD", "LIVE", "HELD_BY_PERSON"),
        ("NOT_FOUND", "RELEASE", "OFFER_NOT_FOUND"),
    ]


def test_a_replay_of_a_held_event_reports_again_that_it_is_held(shop: HeldOffer) -> None:
    shop.hold()
    held = shop.event(price="12.00", offset=9, at=0.2)
    shop.event(price="12.00", offset=9, at=0.2)
    shop.hear(Woken())

    assert [row(one)[:2] for one in shop.of(held)] == [("HELD", "LIVE"), ("HELD", "REPLAY")]

    shop.release()
    shop.accept()
    assert row(shop.last) == ("APPLIED", "RELEASE", None)


def test_a_dry_run_holds_as_well() -> None:
    shop = HeldOffer(policy=OfferPolicy(dry_run=True))
    shop.hold()
    shop.event(price="12.00")
    shop.found(unit(7))
    assert shop.statuses == ["HELD"]

    shop.release()

    assert row(shop.last) == ("DRY_RUN", "RELEASE", "DRY_RUN")


def test_a_target_that_is_switched_off_ends_what_is_held(shop: HeldOffer) -> None:
    shop.hold()
    shop.event(price="12.00")
    stored = shop.flow.store(shop.lane).value
    off = OfferHarness(flow_of(replace(DE, enabled=False), commands=shop.desk), now_us=shop.now_us + SECOND)
    off.lane = off.flow.load(EAN, stored)

    off.hear(Restored())

    assert row(off.last) == ("SUPPRESSED", "RELEASE", "TARGET_DISABLED")


# ---- writes that are stopped ----------------------------------------------------------------------------------------


def test_stopped_writes_hold_back_updates_without_a_result_but_not_look_ups(shop: HeldOffer) -> None:
    shop.hold("stop-1", kind=ControlKind.STOP_WRITES)
    shop.event(price="12.00")
    shop.event(price="5.00", condition="USED_GOOD")

    assert shop.results == []
    assert shop.kinds == ["lookup:de"]
    assert shop.wake_at_us is not None


def test_what_stopped_writes_kept_back_leaves_when_they_are_resumed(shop: HeldOffer) -> None:
    shop.hold("stop-1", kind=ControlKind.STOP_WRITES, accounts=("main",))
    shop.event(price="12.00")
    shop.event(price="13.00")
    shop.release("stop-1")

    assert shop.sent == [{"price": 1300}]
    shop.accept()
    assert [row(one) for one in shop.results] == [("SUPERSEDED", "LIVE", None), ("APPLIED", "LIVE", None)]


def test_writes_of_another_account_are_not_stopped(shop: HeldOffer) -> None:
    shop.hold("stop-1", kind=ControlKind.STOP_WRITES, accounts=("other",))
    shop.event(price="12.00")

    assert shop.sent == [{"price": 1200}]
