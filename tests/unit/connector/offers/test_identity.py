"""Which unit an event means: four outcomes, no guesses, and a schedule for units that may not be visible yet."""

from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from connector.contracts.codes import Code
from connector.marketplace.offers import Condition, FieldError, Refused, Unit
from connector.offers.events import Status
from connector.offers.policy import OfferPolicy
from streams.flow import Answered, Lost, Settled
from tests.harness.offer_harness import AT, DE, EAN, OTHER_EAN, SECOND, OfferHarness, flow_of, unit

CONDITIONS = [c for c in Condition if c is not Condition.UNKNOWN]


def missed(shop: OfferHarness, *others: Unit) -> None:
    """Answers two look-ups, the second after the grace period, with these other units only."""
    shop.found(*others)
    shop.pass_s(60)
    shop.found(*others)


# ---- EAN, condition and storefront ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "there"), list(product(CONDITIONS, CONDITIONS)))
def test_a_unit_of_another_condition_is_never_written(wanted: Condition, there: Condition) -> None:
    shop = OfferHarness(flow_of(), reload=False)

    shop.event(stock=9, condition=wanted.value)
    shop.found(unit(7, condition=there))

    assert ("update:de" in shop.kinds) == (wanted is there)


def test_a_unit_of_another_storefront_is_never_written() -> None:
    shop = OfferHarness(flow_of(AT))

    shop.event(stock=9, target_id="shop-at")
    shop.found(unit(7, "de"), storefront="at")

    assert "update:de" not in shop.kinds
    assert "update:at" not in shop.kinds


def test_a_unit_of_another_ean_is_never_written() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9)
    shop.found(unit(7, eans=(OTHER_EAN,)))

    assert "update:de" not in shop.kinds


def test_a_unit_whose_product_has_the_ean_in_another_form_matches() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9)
    shop.found(unit(7, eans=("0" + EAN,)))

    assert "update:de" in shop.kinds


def test_unknown_conditions_match_nothing() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9)
    shop.found(unit(7, condition=Condition.UNKNOWN))

    assert not shop.wants


def test_one_look_up_proves_an_ean_and_storefront_until_it_is_invalid() -> None:
    shop = OfferHarness(flow_of()).known(unit(7), unit(8, condition=Condition.USED_GOOD))

    shop.event(stock=9)
    shop.event(stock=1, condition="USED_GOOD")

    assert shop.kinds == ["update:de", "update:de"]


# ---- ids that select a unit, and ids that contradict the match ------------------------------------------------------

A = unit(1, offer_id="a")
B = unit(2, offer_id="b")
USED = unit(3, condition=Condition.USED_GOOD, offer_id="u")


@pytest.mark.parametrize(
    ("said", "there", "outcome"),
    [
        ({}, [A], 1),
        ({}, [A, USED], 1),
        ({}, [A, B], "AMBIGUOUS"),
        ({"offer_id": "b"}, [A, B], 2),
        ({"unit_id": 2}, [A, B], 2),
        ({"offer_id": "b", "unit_id": 2}, [A, B], 2),
        ({"offer_id": "a", "unit_id": 2}, [A, B], "CONFLICT"),
        ({"offer_id": "u"}, [A, USED], "CONFLICT"),
        ({"unit_id": 3}, [A, USED], "CONFLICT"),
        ({"unit_id": 3}, [USED], "CONFLICT"),
        ({"offer_id": "u"}, [USED], "CONFLICT"),
        ({"unit_id": 99}, [A], "CONFLICT"),
        ({"unit_id": 99}, [A, B], "CONFLICT"),
        ({"offer_id": "z"}, [A], "CONFLICT"),
        ({"offer_id": "z"}, [A, B], "CONFLICT"),
        ({"offer_id": "z"}, [], "NOT_FOUND"),
        ({"unit_id": 99}, [], "NOT_FOUND"),
        ({}, [USED], "NOT_FOUND"),
        ({}, [], "NOT_FOUND"),
    ],
)
def test_identity_has_four_outcomes(said: dict[str, Any], there: list[Unit], outcome: int | str) -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9, **said)
    shop.found(*there)
    if not shop.results and not shop.wants:
        shop.pass_s(60)
        shop.found(*there)

    if isinstance(outcome, int):
        assert shop.want("update:de").body.unit_id == outcome
        assert not shop.results
    else:
        assert shop.statuses == [outcome]
        assert not shop.wants


def test_a_conflict_names_both() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9, unit_id=3)
    shop.found(A, USED)

    assert shop.last.code == Code.IDENTITY_CONFLICT
    assert shop.last.problem is not None
    assert "unit 3" in shop.last.problem.message
    assert "unit 1" in shop.last.problem.message


def test_an_ambiguous_offer_names_its_candidates_and_is_cleared_when_one_is_left() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(recheck_s=100)))

    shop.event(stock=9)
    shop.found(A, B)

    row = shop.not_found[f"shop-de|NEW||{EAN}"]
    assert row is not None
    assert (row.code, [c.offer_id for c in row.candidates]) == (Code.AMBIGUOUS_OFFER, ["a", "b"])
    shop.event(stock=8)
    assert shop.statuses == ["AMBIGUOUS", "AMBIGUOUS"]

    shop.pass_s(101)
    shop.event(stock=7)
    shop.found(A)

    assert shop.not_found[f"shop-de|NEW||{EAN}"] is None
    assert shop.kinds == ["update:de"]


# ---- not found, and not yet -----------------------------------------------------------------------------------------


def test_a_miss_is_looked_up_again_after_the_grace_period_before_it_is_reported() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9)
    shop.found()

    assert not shop.results
    assert not shop.wants
    shop.pass_s(59)
    assert not shop.wants
    shop.pass_s(1)
    assert shop.kinds == ["lookup:de"]

    shop.found(unit(7))
    shop.accept()
    assert shop.statuses == ["APPLIED"]


def test_not_found_has_the_exact_message() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9)
    missed(shop)

    assert (shop.last.status, shop.last.code) == (Status.NOT_FOUND, Code.OFFER_NOT_FOUND)
    assert shop.last.problem is not None
    assert shop.last.problem.message == "Cannot find existing offer"
    row = shop.not_found[f"shop-de|NEW||{EAN}"]
    assert row is not None
    assert row.message == "Cannot find existing offer"
    assert (row.storefront, row.times_seen) == ("de", 1)
    assert [(p.field, p.value) for p in row.pending] == [("stock", Decimal(9))]


def test_what_is_not_found_names_the_unit_of_the_event() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9, unit_id=4711)
    missed(shop)

    row = shop.not_found[f"shop-de|NEW||{EAN}"]
    assert row is not None
    assert row.unit_id == 4711


def test_a_miss_may_hint_at_existing_units_without_using_them() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9)
    missed(shop, USED)

    row = shop.not_found[f"shop-de|NEW||{EAN}"]
    assert row is not None
    assert row.hint is not None
    assert "USED_GOOD" in row.hint
    assert not shop.wants


def test_a_miss_is_remembered_for_a_while() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(recheck_s=1000)))
    shop.event(stock=9)
    missed(shop)

    shop.event(stock=8)

    assert shop.statuses == ["NOT_FOUND", "SUPERSEDED", "NOT_FOUND"]
    assert not shop.wants
    row = shop.not_found[f"shop-de|NEW||{EAN}"]
    assert row is not None
    assert row.times_seen == 2


def test_an_undone_event_is_rechecked_on_a_schedule_and_ends_with_the_same_result_id() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(recheck_s=1000)))
    announced = shop.event(stock=9)
    missed(shop)

    for _ in range(3):
        shop.pass_s(1000)
        shop.found()
    shop.pass_s(1000)
    shop.found(unit(7))
    shop.accept()

    assert [(r.status, r.origin) for r in shop.of(announced)] == [("NOT_FOUND", "LIVE"), ("APPLIED", "RECHECK")]
    assert shop.not_found[f"shop-de|NEW||{EAN}"] is None
    assert shop.wake_at_us is None


def test_an_announced_event_that_is_superseded_ends_too() -> None:
    shop = OfferHarness(flow_of())
    older = shop.event(stock=9)
    missed(shop)

    newer = shop.event(stock=8)

    closing = shop.of(older)[-1]
    assert (closing.status, closing.origin) == (Status.SUPERSEDED, "RECHECK")
    assert closing.fields[0].superseded_by == newer
    assert shop.not_found[f"shop-de|NEW||{EAN}"] is not None


# ---- look-ups that are repeated -----------------------------------------------------------------------------------


def test_a_just_listed_offer_is_found_by_the_next_stock_of_zero() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    missed(shop)  # now it is listed in the portal, with 5 pieces
    shop.pass_s(10)

    closing = shop.event(stock=0)
    shop.found(unit(7, stock=5))
    update = shop.accept()

    assert update.body.values == {"stock": 0}
    assert [row.status for row in shop.of(closing)] == [Status.APPLIED]
    assert shop.not_found[f"shop-de|NEW||{EAN}"] is None


def test_a_missing_offer_is_rechecked_after_1_2_5_15_and_60_minutes_and_then_as_configured() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    missed(shop)
    waited = []

    for _ in range(8):
        announced_us = shop.now_us
        assert shop.wake_at_us is not None
        shop.pass_s((shop.wake_at_us - shop.now_us) / SECOND)
        waited.append(round((shop.now_us - announced_us) / SECOND / 60))
        shop.found()

    assert waited == [1, 2, 5, 15, 60, 360, 360, 360]
    assert shop.statuses == ["NOT_FOUND"], "nothing is said twice"


def test_late_rechecks_do_not_add_further_ones() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    missed(shop)

    shop.now_us += 3600 * SECOND  # other calls came first
    shop.pass_s(0)
    shop.found()

    assert shop.wake_at_us is not None
    assert shop.wake_at_us - shop.now_us == pytest.approx(3600 * SECOND, abs=SECOND)


@pytest.mark.parametrize(("after_s", "looks"), [(30, False), (61, True)])
def test_a_new_event_is_looked_up_again_when_the_last_look_up_is_older_than_a_minute(
    after_s: float, looks: bool
) -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(recheck_s=30 * 24 * 3600)))
    shop.event(stock=9)
    missed(shop)
    for _ in range(5):  # until the next check is an hour ahead
        assert shop.wake_at_us is not None
        shop.pass_s((shop.wake_at_us - shop.now_us) / SECOND)
        shop.found()
    shop.pass_s(after_s)

    shop.event(price="2.00")

    assert bool(shop.wants) is looks
    assert ("NOT_FOUND" in shop.statuses[1:]) is not looks


def test_a_thousand_stocks_of_zero_for_a_missing_offer_make_few_calls_and_all_get_results() -> None:
    shop = OfferHarness(flow_of(), reload=False)
    shop.event(stock=9)
    missed(shop)
    shop.pass_s(20)
    before = shop.calls

    for _ in range(1_000):
        shop.event(stock=0)
        if shop.wants:
            shop.found()
        shop.pass_s(0.1)
    shop.pass_s(10)
    if shop.wants:
        shop.found()

    assert shop.calls - before <= 100 / 5 * 2 + 2
    assert len(shop.results) >= 1_001
    assert {entry.announced for entry in shop.lane.entries} == {"NOT_FOUND"}


def test_a_stock_of_zero_does_not_wait_for_the_grace_period() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    shop.found()
    shop.pass_s(10)

    shop.event(stock=0)

    assert shop.kinds == ["lookup:de"]
    shop.found()
    assert shop.statuses == ["SUPERSEDED"], "the newer one may still not be visible yet"
    assert not shop.wants


@pytest.mark.parametrize(
    ("said", "there", "then"), [({}, (A, B), 1), ({"unit_id": 3}, (A, USED), 3)], ids=["ambiguous", "conflict"]
)
def test_an_ambiguous_offer_is_looked_up_again_too(said: dict[str, Any], there: tuple[Unit, ...], then: int) -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9, **said)
    shop.found(*there)
    assert shop.last.status in ("AMBIGUOUS", "CONFLICT")
    shop.pass_s(10)

    shop.event(price="2.00", **said)
    assert not shop.wants, "just looked"
    shop.event(stock=0, **said)
    assert shop.kinds == ["lookup:de"]
    shop.found(unit(then))

    assert shop.want("update:de").body.unit_id == then


def test_the_fulfilment_of_a_unit_is_looked_up_again_before_its_stock_is_rejected() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    shop.found(unit(7, by_marketplace=True))
    assert shop.last.code == Code.FULFILLED_BY_MARKETPLACE
    shop.pass_s(61)

    shop.event(stock=4)
    shop.found(unit(7, stock=9))  # the seller fulfils it now
    shop.accept()

    assert shop.statuses == ["REJECTED", "APPLIED"]


def test_a_look_up_says_which_conditions_are_looked_for_and_which_the_marketplace_fulfils() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    assert shop.want("lookup:de").body.conditions == {"NEW"}
    shop.found(unit(7, by_marketplace=True))
    shop.pass_s(61)

    shop.event(stock=4, condition="USED_GOOD")

    assert shop.want("lookup:de").body.conditions == {"NEW", "USED_GOOD"}


def test_a_unit_that_the_marketplace_goes_on_fulfilling_is_looked_up_once_for_an_event() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    shop.found(unit(7, by_marketplace=True))
    shop.pass_s(61)

    shop.event(stock=4)
    shop.found(unit(7, by_marketplace=True))

    assert shop.statuses == ["REJECTED", "REJECTED"]
    assert not shop.wants


def test_an_event_ends_although_the_fulfilment_of_its_unit_stays_unknown() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    shop.found(unit(7, by_marketplace=True))
    shop.pass_s(61)

    shop.event(stock=4)
    shop.give_up("lookup:de")

    assert shop.statuses == ["REJECTED", "REJECTED"]


def test_a_miss_stored_by_an_older_version_is_not_used_for_new_events() -> None:
    shop = OfferHarness(flow_of(), reload=False)
    shop.event(stock=9)
    missed(shop)
    shop.lane = replace(shop.lane, misses=tuple(replace(m, looked_at_us=None) for m in shop.lane.misses))

    shop.event(price="2.00")

    assert shop.kinds == ["lookup:de"]


# ---- read again -----------------------------------------------------------------------------------------------------


def test_a_replay_of_a_missing_offer_repeats_what_was_found_before() -> None:
    shop = OfferHarness(flow_of())
    announced = shop.event(stock=9)
    missed(shop)
    shop.pass_s(10)

    shop.event(stock=9, offset=0, event_id="e0")
    assert shop.kinds == ["lookup:de"]
    shop.found()

    rows = shop.of(announced)
    assert [(row.status, row.origin) for row in rows] == [("NOT_FOUND", "LIVE"), ("NOT_FOUND", "REPLAY")]
    row = shop.not_found[f"shop-de|NEW||{EAN}"]
    assert row is not None
    assert row.times_seen == 2
    assert row.last_seen_at_us == rows[-1].received_at_us
    assert row.first_seen_at_us < row.last_seen_at_us
    assert not shop.wants


def test_a_replay_that_finds_the_offer_continues_and_clears_the_not_found_row() -> None:
    shop = OfferHarness(flow_of())
    announced = shop.event(stock=9)
    missed(shop)

    shop.event(stock=9, offset=0, event_id="e0")
    shop.found(unit(7))
    shop.accept()

    assert [(r.status, r.origin) for r in shop.of(announced)] == [("NOT_FOUND", "LIVE"), ("APPLIED", "REPLAY")]
    assert shop.not_found[f"shop-de|NEW||{EAN}"] is None


def test_after_a_replay_the_schedule_goes_on_and_its_end_is_a_recheck() -> None:
    shop = OfferHarness(flow_of())
    announced = shop.event(stock=9)
    missed(shop)
    shop.event(stock=9, offset=0, event_id="e0")
    shop.found()

    assert shop.wake_at_us is not None
    shop.pass_s((shop.wake_at_us - shop.now_us) / SECOND)
    shop.found(unit(7))
    shop.accept()

    assert [row.origin for row in shop.of(announced)] == ["LIVE", "REPLAY", "RECHECK"]


def test_a_replay_whose_look_up_fails_ends_as_failed_and_leaves_the_announced_event() -> None:
    shop = OfferHarness(flow_of())
    announced = shop.event(stock=9)
    missed(shop)
    shop.event(stock=9, offset=0, event_id="e0")
    shop.give_up("lookup:de")
    assert (shop.last.status, shop.last.code, shop.last.origin) == ("FAILED", "GAVE_UP", "REPLAY")
    assert shop.not_found[f"shop-de|NEW||{EAN}"] is not None
    assert not shop.wants

    assert shop.wake_at_us is not None
    shop.pass_s((shop.wake_at_us - shop.now_us) / SECOND)
    shop.found(unit(7))
    shop.accept()

    rows = [(row.status, row.origin) for row in shop.of(announced)]
    assert rows == [("NOT_FOUND", "LIVE"), ("FAILED", "REPLAY"), ("APPLIED", "RECHECK")]


def test_each_replay_has_its_row_and_one_that_is_read_twice_before_its_answer_has_one() -> None:
    shop = OfferHarness(flow_of())
    announced = shop.event(stock=9)
    missed(shop)

    for _ in range(3):
        shop.event(stock=9, offset=0, event_id="e0")
        shop.event(stock=9, offset=0, event_id="e0")
        shop.found()

    assert [row.origin for row in shop.of(announced)] == ["LIVE", "REPLAY", "REPLAY", "REPLAY"]


def test_an_event_that_is_read_again_while_it_waits_has_one_result() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    waiting = shop.event(stock=9)
    shop.lose()

    shop.event(stock=9, offset=shop.offset - 1, event_id=f"e{shop.offset - 1}")
    shop.accept()

    assert [(row.status, row.origin) for row in shop.of(waiting)] == [("APPLIED", "LIVE")]


def test_what_was_announced_and_not_yet_durable_is_announced_once_when_it_is_read_again() -> None:
    """After a crash the lane is as it was stored, so an event that is read again then is not a replay."""
    shop = OfferHarness(flow_of(), reload=False)
    announced = shop.event(stock=9)
    stored = shop.flow.load(EAN, None)
    missed(shop)
    shop.results.clear()

    shop.lane = stored
    shop.event(stock=9, offset=0, event_id="e0")
    missed(shop)

    assert [(row.status, row.origin) for row in shop.of(announced)] == [("NOT_FOUND", "LIVE")]


@pytest.mark.parametrize(("said", "there"), [({}, (A, B)), ({"unit_id": 3}, (A, USED))])
def test_a_replay_of_an_ambiguous_offer_has_its_result(said: dict[str, Any], there: tuple[Unit, ...]) -> None:
    shop = OfferHarness(flow_of())
    first = shop.event(stock=9, **said)
    shop.found(*there)
    shop.pass_s(61)

    shop.event(stock=9, offset=0, event_id="e0", **said)
    shop.found(*there)

    assert [row.origin for row in shop.of(first)] == ["LIVE", "REPLAY"]
    assert len({row.status for row in shop.of(first)}) == 1


def test_the_row_of_an_ambiguous_offer_counts_every_event_and_promises_no_check() -> None:
    shop = OfferHarness(flow_of())
    key = f"shop-de|NEW||{EAN}"
    shop.event(stock=9)
    shop.found(A, B)
    for times in (2, 3):
        shop.pass_s(61)
        shop.event(stock=9, offset=0, event_id="e0")
        shop.found(A, B)

        row = shop.not_found[key]
        assert row is not None
        assert (row.times_seen, row.last_seen_at_us) == (times, shop.last.received_at_us)
        assert row.next_check_at_us is None
    shop.event(stock=1)
    row = shop.not_found[key]
    assert row is not None
    assert row.times_seen == 4, "without a look-up as well"


def test_a_failed_recheck_is_only_delayed() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(recheck_s=1000)))
    shop.event(stock=9)
    missed(shop)
    shop.pass_s(1000)

    shop.give_up("lookup:de")

    assert shop.statuses == ["NOT_FOUND"]
    assert not shop.wants
    shop.pass_s(1000)
    assert shop.kinds == ["lookup:de"]


def test_a_failed_recheck_is_repeated_at_the_same_step_of_the_schedule() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    missed(shop)
    shop.pass_s(60)

    shop.give_up("lookup:de")

    shop.pass_s(121)
    assert shop.kinds == ["lookup:de"]


def test_a_new_miss_long_after_an_old_one_gets_its_own_grace_period() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(unit(7), targets=("de",))
    shop.event(stock=9)
    shop.found(storefront="at")
    shop.accept()
    shop.pass_s(7 * 3600)

    shop.event(price="1.00", target_id="shop-at")
    shop.found(storefront="at")

    assert shop.statuses == ["APPLIED"]
    assert not shop.wants


def test_a_look_up_for_another_condition_does_not_shorten_the_grace_period() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    shop.found()
    shop.pass_s(30)

    shop.event(stock=1, condition="USED_GOOD")
    shop.found(USED)

    assert not shop.results
    shop.accept()
    shop.pass_s(30)
    shop.found(USED)
    assert shop.statuses == ["APPLIED", "NOT_FOUND"]


def test_a_miss_without_waiting_events_starts_its_grace_period_again() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    shop.found()
    shop.now_us += 1
    shop.tombstone()
    shop.pass_s(7 * 3600)
    shop.results.clear()

    shop.event(stock=9)
    shop.found()

    assert not shop.results
    assert not shop.wants


# ---- when a look-up fails -------------------------------------------------------------------------------------------


def test_an_event_whose_own_look_up_gives_up_has_failed() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9)
    shop.give_up("lookup:de")

    assert (shop.last.status, shop.last.code) == (Status.FAILED, Code.GAVE_UP)
    assert not shop.wants


@pytest.mark.parametrize("code", ["X", "MARKETPLACE_REFUSED"])
def test_a_refused_look_up_fails_with_the_marketplaces_message(code: str) -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)

    refused = Refused(
        code=code, http_status=400, type="/problems/storefront-not-configured", message="no such storefront",
        errors=(FieldError(field=None, name="storefront", message="unknown"),),
    )  # fmt: skip
    shop.reply(shop.want("lookup:de"), Settled(answer=refused))

    assert (shop.last.status, shop.last.code) == (Status.FAILED, Code.LOOKUP_REFUSED)
    assert shop.last.problem is not None
    assert shop.last.problem.marketplace_message == "no such storefront"
    assert shop.last.problem.http_status == 400


def test_a_storefront_that_the_account_does_not_have_has_its_own_code() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)

    refused = Refused(code="STOREFRONT_NOT_CONFIGURED", http_status=400, type=None, message="not activated")
    shop.reply(shop.want("lookup:de"), Settled(answer=refused))

    assert (shop.last.status, shop.last.code) == (Status.FAILED, Code.STOREFRONT_NOT_CONFIGURED)
    assert shop.last.problem is not None
    assert shop.last.problem.message == "The account does not sell on storefront de: not activated"


@pytest.mark.parametrize("code", [Code.STOREFRONT_NOT_CONFIGURED, Code.STOREFRONT_UNKNOWN, Code.VALUE_OUT_OF_BOUNDS])
def test_an_update_refused_by_the_adapter_is_rejected_with_its_code(code: Code) -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=9)

    shop.refuse(Refused(code=code, http_status=0, type=None, message="not this"))

    assert (shop.last.status, shop.last.code) == (Status.REJECTED, code)
    assert shop.last.problem is not None
    assert "not this" in shop.last.problem.message


def test_a_lost_look_up_is_wanted_again() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)

    shop.hear(
        Answered(want=shop.wants[0], reply=Lost(reason="x"), call_id="c", attempts=1, sent_us=1, answered_us=None)
    )

    assert shop.kinds == ["lookup:de"]


# ---- a unit that is gone --------------------------------------------------------------------------------------------


def test_a_unit_that_is_gone_is_looked_up_again_and_written_under_its_new_id() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, offer_id="a"))

    shop.event(stock=9)
    shop.gone()
    assert shop.kinds == ["lookup:de"]
    shop.found(unit(8, offer_id="a"))
    update = shop.accept()

    assert update.body.unit_id == 8
    assert shop.statuses == ["APPLIED"]


def test_a_unit_made_again_keeps_the_order_that_its_offer_id_had() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, offer_id="a"))
    shop.event(stock=9, at=50)
    shop.accept()
    shop.event(price="8.00", at=60)
    shop.gone()
    shop.found(unit(8, offer_id="a", stock=1))
    shop.accept()

    shop.event(stock=5, at=40)

    assert shop.statuses == ["APPLIED", "APPLIED", "SUPERSEDED"]


def test_a_unit_that_is_gone_is_looked_up_again_only_once() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))

    shop.event(stock=9)
    shop.gone()
    shop.found(unit(7))
    shop.gone()

    assert (shop.last.status, shop.last.code) == (Status.FAILED, Code.UNIT_GONE)


def test_a_unit_that_stays_gone_is_not_found_after_the_grace_period() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))

    shop.event(stock=9)
    shop.gone()
    missed(shop)

    assert shop.statuses == ["NOT_FOUND"]


# ---- changes by others ----------------------------------------------------------------------------------------------


def test_the_stock_of_a_unit_fulfilled_by_the_marketplace_is_rejected_and_its_price_sent() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=9, price="11.00")
    shop.found(unit(7, by_marketplace=True))
    update = shop.accept()

    assert update.body.values == {"price": 1100}
    assert (shop.last.status, shop.last.code) == (Status.PARTIAL, Code.FULFILLED_BY_MARKETPLACE)
