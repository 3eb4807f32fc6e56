"""Drift: what a sweep saw against what was accepted, its cause, its repair, and offers that were missing."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.controls.commands import ControlKind
from connector.marketplace.offers import Condition, Field
from connector.offers.events import Basis, DriftAction, DriftCause, FieldStatus, Origin, Status
from connector.offers.field_knowledge import doubted
from connector.offers.ledger import KnownUnit
from connector.offers.policy import DriftPolicy, OfferPolicy, StockRule, StockRules
from connector.reconciliation.events import UnitObserved
from streams.flow import Told, Woken
from tests.harness.commands import CommandDesk
from tests.harness.effort import examples
from tests.harness.offer_harness import AT, DE, EAN, OTHER_EAN, SECOND, OfferHarness, flow_of, unit

REPAIR = DriftPolicy(repair=frozenset(Field), settle_s=0.0)


def harness_of(drift: DriftPolicy | None = None, *, linked: bool = False, **policy: Any) -> OfferHarness:
    """Returns a lane whose unit 7 was accepted with price 20.00, stock 5 and handling time 3 a minute ago."""
    policies = OfferPolicy(drift=drift or DriftPolicy(settle_s=0.0), **policy)
    harness = OfferHarness(flow_of(DE, AT, policy=policies) if linked else flow_of(DE, policy=policies))
    harness.event(price="20.00", stock=5, handling_time_days=3)
    harness.found(unit(7, offer_id="sku", price=1000, stock=9, days=1))
    if linked:
        harness.found(unit(8, "at", offer_id="sku", price=1000, stock=9, days=1), storefront="at")
    harness.accept(offer_id="sku")
    assert harness.last.status is Status.APPLIED
    harness.results.clear()
    harness.now_us += 60 * SECOND
    return harness


def seen(harness: OfferHarness, **shown: Any) -> UnitObserved:
    """Returns what a sweep sees now: by default, what was accepted. The unit was edited last a second ago."""
    given: dict[str, Any] = {
        "ean": EAN,
        "account": "main",
        "storefront": "de",
        "unit_id": 7,
        "condition": "NEW",
        "offer_id": "sku",
        "price": Decimal("20.00"),
        "currency": "EUR",
        "stock": 5,
        "handling_time_days": 3,
        "changed_at_us": harness.now_us - SECOND,
        "orders_known_from_us": harness.now_us - 3600 * SECOND,
        "requested_at_us": harness.now_us,
        "observed_at_us": harness.now_us + SECOND // 10,
        "sweep_at_us": harness.now_us - 30 * SECOND,
    }
    return UnitObserved(**{**given, **shown})


def tell(harness: OfferHarness, row: UnitObserved) -> None:
    harness.now_us = max(harness.now_us, row.observed_at_us)
    harness.hear(Told(lane=row.ean, message=row))


def see(harness: OfferHarness, **shown: Any) -> None:
    tell(harness, seen(harness, **shown))


# ---- drift ----------------------------------------------------------------------------------------------------------


def test_what_was_accepted_is_no_drift_and_changes_nothing() -> None:
    harness = harness_of()
    before = harness.flow.store(harness.lane).value

    see(harness)

    assert harness.drifts == []
    assert harness.flow.store(harness.lane).value == before


def test_a_price_edited_in_the_portal_is_drift_with_both_values_and_the_event() -> None:
    harness = harness_of()
    accepted_us = harness.now_us - 60 * SECOND

    see(harness, price=Decimal("9.99"))

    (drift,) = harness.drifts
    assert (drift.field, drift.unit_id, drift.storefront, drift.ean) == ("price", 7, "de", EAN)
    assert drift.target_id == "shop-de"
    assert (drift.accepted_value, drift.observed_value, drift.currency) == (Decimal("20.00"), Decimal("9.99"), "EUR")
    assert (drift.accepted_event_id, drift.accepted_at_us) == ("e0", accepted_us)
    assert (drift.cause, drift.action, drift.result_id) == (DriftCause.EDITED_OUTSIDE, DriftAction.REPORTED, None)
    assert harness.wants == ()
    assert harness.results == []


@pytest.mark.parametrize(
    ("shown", "field", "accepted", "observed"),
    [
        ({"stock": 50}, "stock", Decimal(5), Decimal(50)),
        ({"handling_time_days": 9}, "handling_time", Decimal(3), Decimal(9)),
    ],
)
def test_a_stock_and_a_handling_time_drift_as_well(
    shown: dict[str, Any], field: str, accepted: Decimal, observed: Decimal
) -> None:
    harness = harness_of()

    see(harness, **shown)

    (drift,) = harness.drifts
    assert (drift.field, drift.accepted_value, drift.observed_value) == (field, accepted, observed)
    assert drift.currency is None


def test_each_change_is_reported_once_and_not_by_each_sweep() -> None:
    harness = harness_of()

    for price in ("9.99", "9.99", "9.99", "8.88", "8.88"):
        see(harness, price=Decimal(price))
        harness.now_us += 60 * SECOND

    assert [str(drift.observed_value) for drift in harness.drifts] == ["9.99", "8.88"]
    assert {str(drift.accepted_value) for drift in harness.drifts} == {"20.00"}
    assert len({drift.drift_id for drift in harness.drifts}) == 2


def test_a_value_that_is_put_right_outside_is_no_drift_and_may_drift_again() -> None:
    harness = harness_of()
    for price in ("9.99", "20.00", "9.99"):
        see(harness, price=Decimal(price))
        harness.now_us += 60 * SECOND

    assert [str(drift.observed_value) for drift in harness.drifts] == ["9.99", "9.99"]


def test_an_event_with_the_accepted_value_is_sent_again_after_drift() -> None:
    harness = harness_of()
    see(harness, price=Decimal("9.99"))

    harness.event(price="20.00")

    assert harness.want("update:de").body.values == {Field.PRICE: 2000}


def test_nothing_that_was_seen_before_the_acceptance_counts() -> None:
    harness = harness_of()
    row = seen(harness, price=Decimal("10.00"), requested_at_us=harness.now_us - 61 * SECOND)

    tell(harness, row)

    assert harness.drifts == []


def test_nothing_that_was_seen_soon_after_the_acceptance_counts() -> None:
    harness = harness_of(DriftPolicy(settle_s=61.0))
    see(harness, price=Decimal("10.00"))
    assert harness.drifts == []

    harness.now_us += 2 * SECOND
    see(harness, price=Decimal("10.00"))

    assert len(harness.drifts) == 1


def test_nothing_counts_while_a_write_of_the_field_is_under_way() -> None:
    harness = harness_of()
    harness.event(price="30.00")
    see(harness, price=Decimal("30.00"), stock=6)

    assert [drift.field for drift in harness.drifts] == ["stock"]

    harness.accept(offer_id="sku")
    assert harness.last.status is Status.APPLIED
    assert [drift.field for drift in harness.drifts] == ["stock"]


def test_a_lost_answer_is_read_back_and_not_compared() -> None:
    harness = harness_of()
    harness.event(price="30.00")
    harness.lose()

    see(harness, price=Decimal("30.00"))

    assert harness.drifts == []


def test_an_uncertain_value_is_not_compared() -> None:
    harness = harness_of(REPAIR)
    (known,) = harness.lane.units
    facts = {**known.facts, Field.PRICE: doubted(known.facts[Field.PRICE], harness.now_us)}
    harness.lane = replace(harness.lane, units=(replace(known, facts=facts),))

    see(harness, price=Decimal("9.99"))

    assert harness.drifts == []
    assert harness.wants == ()


def test_a_value_that_no_event_wants_is_learnt_without_drift() -> None:
    harness = OfferHarness(flow_of(DE, policy=OfferPolicy(drift=REPAIR)))
    harness.event(price="20.00")
    harness.found(unit(7, price=1000, stock=9, days=1))
    harness.accept()
    harness.now_us += 60 * SECOND

    see(harness, stock=4, offer_id=None, handling_time_days=1)

    assert harness.drifts == []
    assert harness.lane.units[0].facts[Field.STOCK].value == 4
    harness.event(stock=4)
    assert harness.last.status is Status.UNCHANGED


def test_the_stock_of_what_the_marketplace_fulfils_does_not_drift() -> None:
    harness = harness_of(REPAIR)

    see(harness, stock=500, fulfilled_by_marketplace=True)

    assert harness.drifts == []
    assert harness.wants == ()


def test_a_price_in_another_currency_is_not_compared() -> None:
    harness = harness_of()

    see(harness, price=Decimal("480.00"), currency="CZK")

    assert harness.drifts == []


def test_a_withdrawn_ean_does_not_drift() -> None:
    harness = harness_of(REPAIR)
    harness.tombstone()

    see(harness, price=Decimal("9.99"))

    assert harness.drifts == []


def test_a_unit_that_another_ean_owns_does_not_drift() -> None:
    harness = harness_of()
    owned = tuple(replace(one, owner=OTHER_EAN) for one in harness.lane.units)
    harness.lane = replace(harness.lane, units=owned)

    see(harness, price=Decimal("9.99"))

    assert harness.drifts == []


def test_a_unit_of_an_ean_without_events_leaves_no_lane() -> None:
    harness = OfferHarness(flow_of(DE))

    see(harness)

    assert harness.flow.store(harness.lane).value is None
    assert harness.wants == ()


# ---- cause ----------------------------------------------------------------------------------------------------------


def cause_of(harness: OfferHarness, **shown: Any) -> DriftCause:
    see(harness, **shown)
    (drift,) = harness.drifts
    return drift.cause


def test_a_unit_that_was_not_edited_since_before_the_acceptance_has_lost_the_write() -> None:
    harness = harness_of()
    before_us = harness.now_us - 75 * SECOND

    assert cause_of(harness, price=Decimal("10.00"), changed_at_us=before_us) is DriftCause.LOST_WRITE


def test_a_unit_that_was_edited_about_when_it_was_written_may_have_either_cause() -> None:
    harness = harness_of()
    about_us = harness.now_us - 55 * SECOND

    assert cause_of(harness, price=Decimal("10.00"), changed_at_us=about_us) is DriftCause.UNKNOWN


def test_a_cause_is_unknown_without_the_time_of_the_last_edit() -> None:
    assert cause_of(harness_of(), price=Decimal("10.00"), changed_at_us=None) is DriftCause.UNKNOWN


def test_an_edit_that_a_later_write_of_another_field_may_explain_is_of_unknown_cause() -> None:
    harness = harness_of()
    harness.event(stock=6)
    harness.accept(offer_id="sku")
    harness.now_us += 5 * SECOND

    see(harness, price=Decimal("9.99"), stock=6)

    (drift,) = harness.drifts
    assert drift.cause is DriftCause.UNKNOWN


def test_a_stock_that_fell_by_no_more_than_was_ordered_was_sold() -> None:
    harness = harness_of()
    sold_us = harness.now_us - 10 * SECOND

    assert cause_of(harness, stock=3, ordered_at=(sold_us, sold_us)) is DriftCause.SOLD


def test_a_stock_that_fell_by_more_than_was_ordered_was_not_only_sold() -> None:
    harness = harness_of()
    sold_us = harness.now_us - 10 * SECOND

    assert cause_of(harness, stock=2, ordered_at=(sold_us, sold_us)) is DriftCause.EDITED_OUTSIDE


def test_a_piece_ordered_in_the_second_of_the_acceptance_may_have_been_ordered_after_it() -> None:
    harness = harness_of()
    accepted_us = harness.now_us - 60 * SECOND

    assert cause_of(harness, stock=4, ordered_at=(accepted_us - 999_999,)) is DriftCause.SOLD


def test_orders_before_the_acceptance_explain_nothing() -> None:
    harness = harness_of()

    assert cause_of(harness, stock=4, ordered_at=(harness.now_us - 61 * SECOND,)) is DriftCause.EDITED_OUTSIDE


def test_a_stock_that_fell_waits_until_the_orders_of_that_time_are_read() -> None:
    harness = harness_of()
    sold_us = harness.now_us - 30 * SECOND
    see(harness, stock=4, changed_at_us=sold_us, orders_read_at_us=sold_us + 5 * SECOND)
    assert harness.drifts == []

    harness.now_us += 60 * SECOND
    see(harness, stock=4, changed_at_us=sold_us, orders_read_at_us=harness.now_us, ordered_at=(sold_us,))

    assert [drift.cause for drift in harness.drifts] == [DriftCause.SOLD]


def test_a_stock_that_no_order_explains_is_drift_once_the_orders_are_read() -> None:
    harness = harness_of()
    edited_us = harness.now_us - 30 * SECOND

    assert (
        cause_of(harness, stock=4, changed_at_us=edited_us, orders_read_at_us=harness.now_us)
        is DriftCause.EDITED_OUTSIDE
    )


@pytest.mark.parametrize("known_from_s", [None, -60, -55])
def test_a_stock_that_fell_may_have_been_sold_where_the_orders_since_are_not_known(known_from_s: int | None) -> None:
    harness = harness_of(replace(REPAIR, repair_lower_stock=True))
    known_us = None if known_from_s is None else harness.now_us + known_from_s * SECOND

    see(harness, stock=4, orders_known_from_us=known_us)

    assert [(drift.cause, drift.action) for drift in harness.drifts] == [(DriftCause.UNKNOWN, DriftAction.REPORTED)]
    assert harness.wants == ()


def test_a_stock_that_fell_waits_until_a_new_owner_has_read_the_orders() -> None:
    harness = harness_of()
    see(harness, stock=4, changed_at_us=harness.now_us - 30 * SECOND, orders_read_at_us=harness.now_us,
        orders_known_from_us=None)  # fmt: skip

    assert harness.drifts == []


def test_a_stock_that_rose_does_not_wait_for_orders() -> None:
    harness = harness_of()

    assert cause_of(harness, stock=9, orders_read_at_us=harness.now_us - 60 * SECOND) is DriftCause.EDITED_OUTSIDE


def test_each_sale_explains_one_step_of_a_stock_that_falls() -> None:
    harness = harness_of()
    first_us = harness.now_us - 10 * SECOND
    see(harness, stock=4, ordered_at=(first_us,))
    harness.now_us += 60 * SECOND

    see(harness, stock=3, ordered_at=(first_us,))

    assert [drift.cause for drift in harness.drifts] == [DriftCause.SOLD, DriftCause.EDITED_OUTSIDE]


def test_a_stock_that_a_linked_unit_shows_too_was_moved_with_it() -> None:
    harness = harness_of(linked=True)
    see(harness, stock=9)
    see(harness, stock=9, storefront="at", unit_id=8, price=Decimal("10.00"), handling_time_days=1)

    assert [(drift.unit_id, drift.cause) for drift in harness.drifts] == [
        (7, DriftCause.EDITED_OUTSIDE),
        (8, DriftCause.LINKED_UNIT),
    ]


def test_a_stock_that_only_a_unit_without_an_accepted_event_shows_was_not_moved_with_it() -> None:
    harness = harness_of(REPAIR, linked=True)
    harness.lane = replace(harness.lane, units=tuple(without_order(one) for one in harness.lane.units))
    see(harness, stock=50, storefront="at", unit_id=8, price=Decimal("10.00"), handling_time_days=1)
    assert harness.drifts == []
    see(harness, stock=50)

    assert [(drift.unit_id, drift.cause, drift.action) for drift in harness.drifts] == [
        (7, DriftCause.EDITED_OUTSIDE, DriftAction.REPAIRED)
    ]
    assert harness.want("update:de").body.values == {Field.STOCK: 5}


def without_order(one: KnownUnit) -> KnownUnit:
    """Returns unit 8 as one that was found after its linked unit accepted an event; others unchanged."""
    if one.unit_id != 8:
        return one
    stock = replace(one.facts[Field.STOCK], order=None, event_id=None, basis=Basis.OBSERVED)
    return replace(one, facts={**one.facts, Field.STOCK: stock})


# ---- repair ---------------------------------------------------------------------------------------------------------


def test_a_repair_sends_the_accepted_value_again_and_its_result_names_the_event() -> None:
    harness = harness_of(REPAIR)

    see(harness, price=Decimal("9.99"))
    (drift,) = harness.drifts
    assert drift.action is DriftAction.REPAIRED
    assert harness.want("update:de").body.values == {Field.PRICE: 2000}
    harness.accept(offer_id="sku")

    (result,) = harness.results
    assert (result.result_id, result.event_id, result.origin) == (drift.result_id, "e0", Origin.RESEND)
    assert (result.status, result.input_offset) == (Status.APPLIED, 0)
    see(harness)
    assert len(harness.drifts) == 1
    assert harness.wants == ()


def test_a_repair_does_not_apply_the_safety_stock_twice() -> None:
    rules = {"shop-de": StockRules(rule=StockRule(keep=2))}
    harness = harness_of(REPAIR, stock_rules=rules)
    assert harness.lane.units[0].facts[Field.STOCK].value == 3

    see(harness, stock=40)

    assert harness.drifts[0].accepted_value == 3
    assert harness.want("update:de").body.values == {Field.STOCK: 3}


def test_a_newer_event_takes_the_place_of_a_repair() -> None:
    harness = harness_of(REPAIR)
    see(harness, price=Decimal("9.99"))

    newer = harness.event(price="30.00")

    assert harness.want("update:de").body.values == {Field.PRICE: 3000}
    (result,) = harness.of(harness.drifts[0].result_id or "")
    assert result.fields[0].status is FieldStatus.SUPERSEDED
    assert result.fields[0].superseded_by == newer


@pytest.mark.parametrize("stop", [False, True])
def test_a_repair_that_was_kept_back_is_looked_up_again_and_does_not_undo_sales(*, stop: bool) -> None:
    harness = harness_of(REPAIR)
    desk = CommandDesk(now_us=harness.now_us)
    harness.flow = flow_of(DE, policy=OfferPolicy(drift=REPAIR), commands=desk)
    desk.give("kept-1", kind=ControlKind.STOP_WRITES if stop else ControlKind.PAUSE)
    see(harness, stock=9)
    assert harness.wants == ()
    harness.results.clear()
    harness.now_us += 24 * 3600 * SECOND
    desk.now_us = harness.now_us
    desk.release("kept-1")
    harness.hear(Woken())
    assert harness.kinds == ["lookup:de"]
    harness.found(unit(7, offer_id="sku", price=2000, stock=2, days=3))

    assert harness.wants == ()
    assert [(row.status.value, row.code) for row in harness.results] == [("SUPPRESSED", "REPAIR_OUTDATED")]


def test_a_repair_that_is_held_from_the_first_moment_does_not_hide_further_drift() -> None:
    harness = harness_of(REPAIR)
    desk = CommandDesk(now_us=harness.now_us)
    harness.flow = flow_of(DE, policy=OfferPolicy(drift=REPAIR), commands=desk)
    desk.give("pause-1", kind=ControlKind.PAUSE)
    see(harness, price=Decimal("9.99"))
    harness.now_us += 3600 * SECOND
    see(harness, price=Decimal("8.99"))

    assert [drift.observed_value for drift in harness.drifts] == [Decimal("9.99"), Decimal("8.99")]


def test_a_late_event_does_not_win_over_a_repair() -> None:
    harness = harness_of(REPAIR)
    see(harness, price=Decimal("9.99"))

    late = harness.event(price="15.00", at=-3600.0)

    assert harness.want("update:de").body.values == {Field.PRICE: 2000}
    assert harness.of(late)[0].status is Status.SUPERSEDED


def test_a_stock_that_is_higher_is_lowered_and_one_that_is_lower_is_only_reported() -> None:
    harness = harness_of(REPAIR)
    see(harness, stock=50)
    assert harness.want("update:de").body.values == {Field.STOCK: 5}

    lower = harness_of(REPAIR)
    see(lower, stock=1)
    assert lower.drifts[0].action is DriftAction.REPORTED
    assert lower.wants == ()


def test_a_lower_stock_is_raised_where_the_settings_say_so_but_not_if_it_was_sold() -> None:
    policy = replace(REPAIR, repair_lower_stock=True)
    harness = harness_of(policy)
    see(harness, stock=1)
    assert harness.want("update:de").body.values == {Field.STOCK: 5}

    sold = harness_of(policy)
    see(sold, stock=4, ordered_at=(sold.now_us - SECOND,))
    assert (sold.drifts[0].cause, sold.drifts[0].action) == (DriftCause.SOLD, DriftAction.REPORTED)
    assert sold.wants == ()

    sold.now_us += 60 * SECOND
    see(sold, stock=3)
    assert (sold.drifts[1].cause, sold.drifts[1].action) == (DriftCause.EDITED_OUTSIDE, DriftAction.REPORTED)
    assert sold.wants == (), "the piece that was sold before must not be offered again"


def test_a_lower_stock_is_not_raised_where_a_part_of_it_was_sold() -> None:
    harness = harness_of(replace(REPAIR, repair_lower_stock=True))

    see(harness, stock=2, ordered_at=(harness.now_us - SECOND,))

    assert [(drift.cause, drift.action) for drift in harness.drifts] == [
        (DriftCause.EDITED_OUTSIDE, DriftAction.REPORTED)
    ]
    assert harness.wants == ()


@pytest.mark.parametrize(("before_s", "is_raised"), [(0, False), (9, False), (10, True)])
def test_a_lower_stock_is_not_raised_if_a_piece_may_have_been_sold_before_its_acceptance_was_answered(
    before_s: int, is_raised: bool
) -> None:
    harness = harness_of(replace(REPAIR, repair_lower_stock=True))
    accepted_us = harness.now_us - 60 * SECOND

    see(harness, stock=4, ordered_at=(accepted_us - before_s * SECOND,))

    assert [drift.action for drift in harness.drifts] == [DriftAction.REPAIRED if is_raised else DriftAction.REPORTED]


def test_only_the_fields_of_the_policy_are_repaired() -> None:
    harness = harness_of(replace(REPAIR, repair=frozenset({Field.PRICE})))

    see(harness, price=Decimal("9.99"), handling_time_days=9)

    assert {drift.field: drift.action for drift in harness.drifts} == {
        "price": DriftAction.REPAIRED,
        "handling_time": DriftAction.REPORTED,
    }
    assert harness.want("update:de").body.values == {Field.PRICE: 2000}


def test_a_repair_survives_a_change_of_owner() -> None:
    harness = harness_of(REPAIR)
    harness.reload = True

    see(harness, price=Decimal("9.99"))
    harness.restart()
    harness.event(handling_time_days=4)

    assert harness.want("update:de").body.values == {Field.PRICE: 2000, Field.HANDLING_TIME: 4}


# ---- offers that were missing ---------------------------------------------------------------------------------------


def missing(**event: Any) -> OfferHarness:
    """Returns a lane with an event whose offer was announced as not found."""
    harness = OfferHarness(flow_of(DE))
    harness.event(price="20.00", **event)
    harness.found()
    harness.pass_s(60)
    harness.found()
    assert harness.statuses == ["NOT_FOUND"]
    harness.now_us += SECOND
    assert harness.wants == ()
    return harness


def test_an_offer_that_was_not_found_is_looked_up_at_once_when_a_sweep_shows_it() -> None:
    harness = missing()

    see(harness)
    harness.found(unit(7, offer_id="sku"))
    harness.accept(offer_id="sku")

    assert harness.statuses == ["NOT_FOUND", "APPLIED"]
    assert harness.last.origin is Origin.RECHECK


@pytest.mark.parametrize(
    "shown",
    [{"condition": "USED_GOOD"}, {"storefront": "at"}, {"account": "other"}],
)
def test_another_unit_of_the_ean_causes_no_look_up(shown: dict[str, Any]) -> None:
    harness = missing()

    see(harness, **shown)

    assert harness.wants == ()


def test_a_unit_with_another_offer_id_causes_no_look_up() -> None:
    harness = missing(offer_id="mine")

    see(harness, offer_id="sku")

    assert harness.wants == ()


def test_a_unit_that_was_seen_before_the_last_look_up_causes_none() -> None:
    harness = missing()

    tell(harness, seen(harness, requested_at_us=harness.now_us - 30 * SECOND))

    assert harness.wants == ()


# ---- no false drift -------------------------------------------------------------------------------------------------


@settings(max_examples=examples(150))
@given(st.data())
def test_a_marketplace_that_only_takes_our_writes_never_drifts(data: st.DataObject) -> None:
    """Events, answers, lost answers and rows of sweeps in any order; a row shows what held when its call was sent."""
    harness = OfferHarness(flow_of(DE, policy=OfferPolicy(drift=REPAIR)))
    truth = unit(7, price=1000, stock=9, days=1)
    rows: list[UnitObserved] = []
    for _ in range(data.draw(st.integers(1, 25))):
        harness.now_us += data.draw(st.integers(1, 5)) * SECOND
        match data.draw(st.sampled_from(["event", "answer", "answer", "lose", "call", "row", "row"])):
            case "event":
                field = data.draw(st.sampled_from(["stock", "handling_time_days"]))
                harness.event(**{field: data.draw(st.integers(0, 9))})
            case "call":
                rows.append(
                    seen(
                        harness,
                        offer_id=None,
                        price=Decimal(truth.values[Field.PRICE]).scaleb(-2),
                        stock=truth.values[Field.STOCK],
                        handling_time_days=truth.values[Field.HANDLING_TIME],
                    )
                )
            case "row" if rows:
                tell(harness, rows.pop(data.draw(st.integers(0, len(rows) - 1))))
            case "answer" | "lose" as how if harness.wants:
                if harness.wants[0].kind == "lookup:de":
                    harness.found(truth)
                else:
                    values = harness.want("update:de").body.values
                    reaches = how == "answer" or data.draw(st.booleans())
                    truth = replace(truth, values={**truth.values, **values}) if reaches else truth
                    harness.accept(shows=truth.values) if how == "answer" else harness.lose()
            case _:
                harness.pass_s(1)

    assert harness.drifts == []
    assert Condition.NEW is truth.condition
