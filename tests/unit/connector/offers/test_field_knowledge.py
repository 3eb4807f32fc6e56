"""When an equal value is not sent again, and when a fact is certain or uncertain."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from connector.marketplace.offers import Condition, Field, FieldError, Found, Refused
from connector.offers.events import Basis, FieldStatus, Status
from connector.offers.field_knowledge import wanted_by_event
from connector.offers.policy import OfferPolicy, StockRule, StockRules
from streams.flow import Answered, Settled, Woken
from tests.harness.offer_harness import AT, DE, SECOND, OfferHarness, flow_of, unit

HOUR_S = 3600.0


def trusting(stock_s: float) -> OfferPolicy:
    return OfferPolicy(trust_s={Field.STOCK: stock_s, Field.PRICE: stock_s, Field.HANDLING_TIME: stock_s})


def test_an_equal_newer_value_is_unchanged_and_raises_the_order() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5, at=10)
    shop.accept()

    shop.event(stock=5, at=20)
    shop.event(stock=9, at=15)

    assert shop.statuses == ["APPLIED", "UNCHANGED", "SUPERSEDED"]
    assert not shop.wants


@pytest.mark.parametrize(("trust_s", "age_s", "writes"), [
    (0.0, 0.0, True), (6 * HOUR_S, 6 * HOUR_S - 1, False), (6 * HOUR_S, 6 * HOUR_S, True), (float("inf"), 1e9, False),
])  # fmt: skip
def test_an_equal_value_is_written_again_when_trust_is_over(trust_s: float, age_s: float, writes: bool) -> None:
    shop = OfferHarness(flow_of(policy=trusting(trust_s)))
    shop.event(stock=5)
    shop.found(unit(7))
    shop.accept()

    shop.now_us += int(age_s * SECOND)
    shop.event(stock=5)

    assert bool(shop.wants) == writes


def test_unchanged_does_not_renew_trust() -> None:
    shop = OfferHarness(flow_of(policy=trusting(100)))
    shop.event(stock=5)
    shop.found(unit(7))
    shop.accept()

    shop.pass_s(60)
    shop.event(stock=5)
    shop.pass_s(60)
    shop.event(stock=5)

    assert shop.kinds == ["update:de"]


def test_values_in_an_answer_renew_trust() -> None:
    shop = OfferHarness(flow_of(policy=trusting(100)))
    shop.event(stock=5, price="11.00")
    shop.found(unit(7))
    shop.accept()

    shop.pass_s(60)
    shop.event(price="12.00")
    shop.accept(shows={Field.STOCK: 5})
    shop.pass_s(60)
    shop.event(stock=5)

    assert shop.last.status is Status.UNCHANGED


def test_a_value_seen_in_an_answer_is_known_and_its_order_stays() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5, at=10)
    shop.accept()
    shop.event(price="12.00")
    shop.accept(shows={Field.STOCK: 4})

    shop.event(stock=9, at=9)
    shop.event(stock=4, at=30)
    shop.event(stock=5, at=40)

    assert shop.statuses[-2:] == ["SUPERSEDED", "UNCHANGED"]
    assert shop.want("update:de").body.values == {Field.STOCK: 5}


def test_what_an_event_was_accepted_with_is_remembered_beside_another_value_that_the_marketplace_shows() -> None:
    """As when pieces are sold, or a price is edited in the seller portal."""
    shop = OfferHarness(flow_of())
    shop.event(stock=5, price="11.00")
    shop.found(unit(7))
    shop.accept()
    assert wanted(shop) == {"stock": (5, 5), "price": (1100, 1100)}

    shop.event(price="12.00")
    shop.accept(shows={Field.STOCK: 4})
    assert wanted(shop) == {"stock": (4, 5), "price": (1200, 1200)}

    shop.event(price="13.00")
    shop.accept(shows={Field.STOCK: 5})
    assert wanted(shop) == {"stock": (5, 5), "price": (1300, 1300)}

    shop.event(price="14.00")
    shop.accept(shows={Field.STOCK: 3})
    shop.event(stock=3)
    assert shop.last.status is Status.UNCHANGED
    assert wanted(shop)["stock"] == (3, 3), "the newest event wants what is there"


def wanted(shop: OfferHarness) -> dict[str, tuple[int | None, int | None]]:
    """Returns, by field, the value that is known and the one that the last accepted event wanted."""
    [known] = shop.lane.units
    return {str(name): (fact.value, wanted_by_event(fact)) for name, fact in known.facts.items() if fact.order}


def test_a_value_observed_in_a_look_up_counts_as_accepted_with_the_events_order() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=3, at=10)

    shop.found(unit(7, stock=3))

    assert shop.statuses == ["UNCHANGED"]
    shop.event(stock=1, at=9)
    assert shop.last.status is Status.SUPERSEDED
    assert shop.lane.units[0].facts[Field.STOCK].basis is Basis.OBSERVED


def test_zero_after_an_overtaken_five_is_written_though_zero_was_accepted_before() -> None:
    """0 was accepted, 5 may have been sent before a crash, then 0 comes again: ending it UNCHANGED would oversell."""
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=0)
    shop.accept()
    shop.event(stock=5)

    shop.restart()
    shop.event(stock=0)

    assert shop.statuses == ["APPLIED", "SUPERSEDED"]
    assert shop.want("update:de").body.values == {Field.STOCK: 0}
    shop.accept()
    shop.event(stock=0)
    assert shop.statuses[2:] == ["APPLIED", "UNCHANGED"]


def test_zero_after_a_tombstoned_five_is_written_too() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=0)
    shop.accept()
    shop.event(stock=5)
    shop.now_us += SECOND
    shop.tombstone()
    shop.now_us += SECOND

    shop.event(stock=0)

    assert shop.want("update:de").body.values == {Field.STOCK: 0}


def test_linked_units_are_uncertain_together() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(unit(7, offer_id="a", stock=0))
    shop.event(stock=5)
    shop.found(unit(8, "at", offer_id="a", stock=0), storefront="at")

    shop.event(stock=0, target_id="shop-at")

    assert shop.want("update:at").body.values == {Field.STOCK: 0}


def test_a_lost_answer_makes_the_field_uncertain_until_an_acceptance() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5)
    shop.lose()
    assert not shop.lane.units[0].facts[Field.STOCK].certain

    shop.event(stock=3)

    assert shop.want("update:de").body.values == {Field.STOCK: 3}
    shop.accept()
    shop.event(stock=3)
    assert shop.statuses == ["SUPERSEDED", "APPLIED", "UNCHANGED"]


def test_giving_up_makes_the_field_uncertain() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5)
    shop.give_up("update:de")

    shop.event(stock=3)

    assert shop.statuses == ["FAILED"]
    assert shop.want("update:de").body.values == {Field.STOCK: 3}


def test_no_older_value_follows_a_write_that_was_given_up() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5, at=10)
    shop.give_up("update:de")

    shop.event(stock=8, at=9)

    assert shop.statuses == ["FAILED", "SUPERSEDED"]
    assert not shop.wants


def test_no_older_value_follows_a_lost_write_whose_successor_was_refused() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, stock=3))
    shop.event(stock=5, at=10)
    shop.lose()
    shop.event(stock=20, at=20)
    shop.refuse(Refused(code="VALIDATION", http_status=400, type=None, message="no"))

    shop.event(stock=8, at=9)

    assert shop.statuses[-2:] == ["REJECTED", "SUPERSEDED"]
    assert not [want for want in shop.wants if want.kind == "update:de"]


def test_no_older_value_follows_an_undone_one_superseded_by_a_refused_one() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, stock=3))
    shop.event(stock=5, at=10)  # a previous owner may have sent it
    shop.event(stock=20, at=20)
    shop.refuse(Refused(code="VALIDATION", http_status=400, type=None, message="no"))

    shop.event(stock=8, at=9)

    assert shop.statuses == ["SUPERSEDED", "REJECTED", "SUPERSEDED"]
    assert not shop.wants


def test_a_lost_write_refused_the_next_time_is_followed_by_no_older_value() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, stock=3))
    shop.event(stock=20, at=20)
    shop.lose()
    shop.refuse(Refused(code="VALIDATION", http_status=400, type=None, message="no"))

    shop.event(stock=8, at=15)

    assert shop.statuses == ["REJECTED", "SUPERSEDED"]


def test_a_field_switched_off_while_undone_is_uncertain() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, stock=0))
    shop.event(stock=5)
    shop.now_us += SECOND
    shop.flow = flow_of(replace(DE, enabled=False))
    shop.hear(Woken())
    shop.flow = flow_of()

    shop.event(stock=0)

    assert shop.statuses == ["SUPPRESSED"]
    assert shop.want("update:de").body.values == {Field.STOCK: 0}


def test_a_lost_write_is_repeated_with_the_newest_value_and_read_back_once() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5)
    shop.lose()
    shop.event(stock=6)
    assert shop.want("update:de").body.values == {Field.STOCK: 6}
    shop.accept()
    assert not shop.wants
    assert shop.flow.store(shop.lane).undone

    shop.pass_s(7)

    assert shop.kinds == ["lookup:de"]
    assert "unit:7" in shop.wants[0].exclusive
    shop.found(unit(7, stock=6))
    assert not shop.wants
    assert shop.wake_at_us is None
    assert not shop.flow.store(shop.lane).undone
    assert shop.statuses == ["SUPERSEDED", "APPLIED"]


def test_a_read_back_before_the_next_write_settles_a_lost_write() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5)
    shop.lose()
    shop.pass_s(7)
    assert shop.kinds == ["lookup:de", "update:de"]

    shop.found(unit(7, stock=5))

    assert not shop.wants
    assert shop.statuses == ["UNCHANGED"]


def test_a_look_up_sent_before_the_field_became_uncertain_does_not_settle_it() -> None:
    shop = OfferHarness(flow_of(), reload=False).known(unit(7))
    shop.event(stock=0)
    shop.accept()
    shop.event(stock=5)
    shop.now_us += SECOND
    shop.event(stock=9, condition="USED_GOOD")
    early = shop.want("lookup:de")
    sent_us = shop.now_us
    shop.now_us += SECOND
    shop.event(stock=0)

    shop.hear(
        Answered(
            want=early, reply=Settled(answer=Found(units=(unit(7, stock=0),))), call_id="c", attempts=1,
            sent_us=sent_us, answered_us=shop.now_us,
        )
    )  # fmt: skip

    assert shop.want("update:de").body.values == {Field.STOCK: 0}


def test_a_look_up_under_way_while_a_write_was_answered_does_not_undo_it() -> None:
    shop = OfferHarness(flow_of(), reload=False).known(unit(7, stock=1))
    shop.event(stock=9, condition="USED_GOOD")
    early = shop.want("lookup:de")
    sent_us = shop.now_us
    shop.event(stock=5)
    shop.accept()

    shop.hear(
        Answered(
            want=early, reply=Settled(answer=Found(units=(unit(7, stock=1),))), call_id="c", attempts=1,
            sent_us=sent_us, answered_us=shop.now_us,
        )
    )  # fmt: skip

    assert shop.lane.units[0].facts[Field.STOCK].value == 5
    assert shop.lane.units[0].facts[Field.STOCK].basis is Basis.ACCEPTED


def test_a_value_accepted_and_shown_differently_is_rejected_and_remembered_as_observed() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    event = shop.event(stock=5, price="11.00", at=10)

    shop.accept(shows={Field.STOCK: 4})

    assert (shop.last.status, shop.last.code) == (Status.PARTIAL, "ACCEPTED_NOT_APPLIED")
    assert {f.field: f.status for f in shop.last.fields} == {
        "stock": FieldStatus.REJECTED,
        "price": FieldStatus.APPLIED,
    }
    assert shop.last.problem is not None
    assert "5" in shop.last.problem.message
    assert "4" in shop.last.problem.message
    assert shop.lane.units[0].facts[Field.STOCK].basis is Basis.OBSERVED
    shop.event(stock=4, at=20)
    assert shop.last.status is Status.UNCHANGED
    assert shop.of(event)[0].sent is not None


def test_a_write_without_effect_is_tried_again_in_a_replay_and_followed_by_no_older_value() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5, at=10)
    shop.accept(shows={Field.STOCK: 4})

    shop.event(stock=8, at=9)
    assert shop.last.status is Status.SUPERSEDED
    shop.event(stock=5, at=10, offset=1, event_id="e1")

    assert shop.want("update:de").body.values == {Field.STOCK: 5}


def test_a_field_without_effect_is_told_apart_from_one_of_the_same_event_that_took_effect() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", stock=5, at=10)
    shop.accept(shows={Field.STOCK: 4})

    shop.event(price="11.00", stock=5, at=10, offset=1, event_id="e1")

    assert shop.want("update:de").body.values == {Field.STOCK: 5}


def test_the_units_status_goes_into_the_result() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5)

    shop.accept(status="ONHOLD")

    assert shop.last.sent is not None
    assert shop.last.sent.unit_status == "ONHOLD"
    assert shop.lane.units[0].status == "ONHOLD"


# ---- the buffer, and prices sent along with a stock -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("pct", "stock", "sent"), [(0, 7, 7), (10, 1, 0), (10, 10, 9), (10, 19, 17), (50, 1, 0), (100, 50, 0), (33, 0, 0)]
)
def test_the_stock_buffer_is_rounded_down_and_shown(pct: int, stock: int, sent: int) -> None:
    shop = OfferHarness(
        flow_of(policy=OfferPolicy(stock_rules={"shop-de": StockRules(rule=StockRule(buffer_pct=pct))}))
    )
    shop.event(stock=stock)

    shop.found(unit(7, stock=99))
    shop.accept()

    assert [(f.requested, f.sent) for f in shop.last.fields] == [(Decimal(stock), Decimal(sent))]
    shop.event(stock=stock)
    assert shop.last.status is Status.UNCHANGED


def test_a_stock_change_carries_the_last_accepted_price_only_when_asked() -> None:
    for asked in (False, True):
        policy = OfferPolicy(stock_sends_price=frozenset({"main"}) if asked else frozenset())
        shop = OfferHarness(flow_of(policy=policy)).known(unit(7, price=1000))
        shop.event(price="12.00")
        shop.accept()

        shop.event(stock=5)
        update = shop.accept()

        assert update.body.values == ({Field.STOCK: 5, Field.PRICE: 1200} if asked else {Field.STOCK: 5})
        assert [f.field for f in shop.last.fields] == ["stock"]


def test_a_price_sent_along_with_a_stock_never_ends_the_stock() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(stock_sends_price=frozenset({"main"})))).known(unit(7))
    shop.event(price="12.00")
    shop.accept()
    shop.event(stock=0)

    error = FieldError(field=Field.PRICE, name="listing_price", message="too low")
    shop.refuse(Refused(code="VALIDATION", http_status=400, type=None, message="no", errors=(error,)))

    assert shop.want("update:de").body.values == {Field.STOCK: 0}


# ---- a field whose value no look-up shows ---------------------------------------------------------------------------

NOT_SHOWN = replace(unit(7), values={})
"""A unit of which look-ups show no values."""


def _lost_and_given_up(shop: OfferHarness) -> None:
    shop.lose()
    shop.give_up("update:de")


def _given_up(shop: OfferHarness) -> None:
    shop.give_up("update:de")


def _superseded_in_flight(shop: OfferHarness) -> None:
    shop.event(stock=0, at=30)
    shop.give_up("update:de")


@pytest.mark.parametrize("ends", [_lost_and_given_up, _given_up, _superseded_in_flight])
def test_an_older_value_does_not_follow_one_that_may_have_left_where_the_value_was_never_shown(
    ends: Callable[[OfferHarness], None],
) -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=0, at=20)
    shop.found(NOT_SHOWN)
    ends(shop)

    shop.event(stock=5, at=10)

    assert shop.last.status is Status.SUPERSEDED
    assert "update:de" not in shop.kinds


def test_the_event_that_may_have_left_is_sent_again_where_the_value_was_never_shown() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=0, at=20, event_id="first")
    shop.found(NOT_SHOWN)
    shop.give_up("update:de")

    shop.event(stock=0, at=20, event_id="first", offset=0)
    shop.accept()

    assert shop.statuses == ["FAILED", "APPLIED"]
    assert shop.last.fields[0].before is None


def test_a_read_back_shows_the_value_of_a_field_of_which_only_an_order_was_known() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=0, at=20)
    shop.found(NOT_SHOWN)
    _lost_and_given_up(shop)
    shop.pass_s(8)
    shop.found(unit(7, stock=0))

    shop.event(stock=0, at=30)
    shop.event(stock=5, at=10)

    assert shop.statuses == ["FAILED", "UNCHANGED", "SUPERSEDED"]
    assert not shop.wants


def test_a_read_back_beside_an_offer_that_the_marketplace_fulfils_settles_the_doubt() -> None:
    used = unit(8, condition=Condition.USED_GOOD, by_marketplace=True)
    shop = OfferHarness(flow_of())
    shop.event(stock=1, condition="USED_GOOD")
    shop.found(unit(7), used)
    shop.pass_s(60)
    shop.event(stock=0)
    shop.lose()
    shop.give_up("update:de")

    shop.pass_s(8)
    asked_us = shop.now_us
    shop.pass_s(1)
    shop.found(replace(unit(7, stock=0), read_at_us=asked_us), used)

    fact = shop.lane.units[0].facts[Field.STOCK]
    assert (fact.value, fact.certain) == (0, True)


def test_an_earlier_page_of_a_look_up_does_not_undo_values_accepted_since() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    shop.found(unit(7))
    asked_us = shop.now_us
    shop.accept()
    shop.event(stock=1, condition="USED_GOOD")

    shop.found(replace(unit(7, stock=3), read_at_us=asked_us), unit(8, condition=Condition.USED_GOOD))

    assert shop.lane.units[0].facts[Field.STOCK].value == 9
