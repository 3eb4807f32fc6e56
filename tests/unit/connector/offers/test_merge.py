"""Undone events merge field by field: the newest order wins, and every event ends exactly once."""

from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest

from connector.contracts.codes import Code
from connector.marketplace.offers import Accepted, Field, FieldError, Refused
from connector.offers.events import FieldStatus, Status
from connector.offers.policy import OfferPolicy
from connector.routing.table import Target
from streams.flow import Answered, Arrived, Settled
from tests.harness.offer_harness import AT, DE, SECOND, START_US, OfferHarness, flow_of, unit


def test_newest_wins_field_by_field() -> None:
    shop = OfferHarness(flow_of())
    first = shop.event(price="10.00", stock=1, at=10)
    second = shop.event(stock=2, at=20)
    third = shop.event(price="12.00", at=5)

    shop.found(unit(7, price=1))
    update = shop.accept()

    assert update.body.values == {Field.STOCK: 2, Field.PRICE: 1000}
    assert [r.status for r in shop.of(third)] == [Status.SUPERSEDED]
    assert shop.of(third)[0].fields[0].superseded_by == first
    assert [r.status for r in shop.of(first)] == [Status.PARTIAL]
    assert {f.field: f.superseded_by for f in shop.of(first)[0].fields} == {"price": None, "stock": second}
    assert [r.status for r in shop.of(second)] == [Status.APPLIED]


def test_a_fully_superseded_event_ends_in_the_turn_that_stores_its_successor() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    older = shop.event(stock=5, at=10)

    newer = shop.event(stock=6, at=20)

    assert shop.statuses == ["SUPERSEDED"]
    assert shop.of(older)[0].fields[0].superseded_by == newer
    assert shop.of(older)[0].problem is None
    assert [e.result_id for e in shop.lane.entries] == [newer]


@pytest.mark.parametrize("arrival", list(permutations(range(3))))
def test_order_is_occurred_at_then_sequence_then_offset(arrival: tuple[int, ...]) -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    events = [
        shop.make(stock=11, at=10, sequence=None, offset=10),
        shop.make(stock=12, at=10, sequence=-5, offset=9),
        shop.make(stock=13, at=10, sequence=1, offset=8),
    ]

    for index in arrival:
        shop.hear(Arrived(lane=shop.ean, event=events[index]))

    assert shop.want("update:de").body.values == {Field.STOCK: 13}


def test_events_with_other_selectors_do_not_merge_before_identity_is_known() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=1, at=10)

    shop.event(stock=2, at=20, offer_id="a")

    assert not shop.results
    shop.found(unit(7, offer_id="a"))
    assert shop.statuses == ["SUPERSEDED"]
    assert shop.want("update:de").body.values == {Field.STOCK: 2}


def test_an_event_that_is_redriven_twice_is_sent_once_and_its_results_say_redrive() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    first = shop.event(stock=5, event_id="e", at=10, redriven=True)
    shop.accept()

    second = shop.event(stock=5, event_id="e", at=10, redriven=True)

    assert [(r.status, r.origin, r.event_id) for r in shop.of(first)] == [("APPLIED", "REDRIVE", "e")]
    assert [(r.status, r.origin, r.event_id) for r in shop.of(second)] == [("UNCHANGED", "REDRIVE", "e")]
    assert not shop.wants


def test_a_redriven_event_never_goes_over_a_newer_one() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=6, at=20)
    shop.accept()

    shop.event(stock=5, at=10, redriven=True)

    assert (shop.last.status, shop.last.origin) == (Status.SUPERSEDED, "REDRIVE")
    assert not shop.wants


def test_a_replay_of_a_redriven_event_is_a_replay() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    event = shop.make(stock=5, at=10, redriven=True)
    shop.hear(Arrived(lane=shop.ean, event=event))
    shop.accept()

    shop.hear(Arrived(lane=shop.ean, event=event))

    assert [r.origin for r in shop.results] == ["REDRIVE", "REPLAY"]


def test_merging_resets_neither_age_nor_budget() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5)
    since_us = shop.want("update:de").since_us

    for _ in range(3):
        shop.now_us += SECOND
        shop.event(stock=6)

    assert shop.want("update:de").since_us == since_us


def test_the_age_of_a_want_ends_with_the_event_that_is_done() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5)
    shop.accept()
    shop.now_us += SECOND

    shop.event(stock=6)

    assert shop.want("update:de").since_us == shop.now_us


# ---- the order guard ------------------------------------------------------------------------------------------------


def test_an_older_value_is_never_sent() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    newest = shop.event(stock=5, at=100)
    shop.accept()

    shop.event(stock=9, at=99)

    assert shop.last.status is Status.SUPERSEDED
    assert shop.last.fields[0].superseded_by == newest
    assert not shop.wants


def test_the_event_that_was_accepted_is_unchanged_however_often_it_is_read() -> None:
    shop = OfferHarness(
        flow_of(policy=OfferPolicy(trust_s={Field.STOCK: 0.0, Field.PRICE: 0.0, Field.HANDLING_TIME: 0.0}))
    )
    shop.event(stock=5, offset=0, event_id="e", at=1)
    shop.found(unit(7))
    shop.accept()

    shop.now_us += 10**12
    again = shop.event(stock=5, offset=0, event_id="e", at=1)

    assert [(r.status, r.origin) for r in shop.of(again)] == [("APPLIED", "LIVE"), ("UNCHANGED", "REPLAY")]
    assert not shop.wants


def test_a_replay_of_everything_writes_nothing() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    said = [(5, "11.00"), (6, "12.00"), (0, "13.00"), (4, "12.00")]
    for stock, price in said:
        shop.event(stock=stock, price=price)
        shop.accept()
        shop.now_us += SECOND
    before, count = shop.calls, len(shop.results)

    for offset, (stock, price) in enumerate(said, start=1):
        at = (shop.results[offset - 1].occurred_at_us or 0) - START_US
        shop.event(stock=stock, price=price, offset=offset, event_id=f"e{offset}", at=at / SECOND)

    replayed = shop.results[count:]
    assert shop.calls == before
    assert not shop.wants
    assert [r.result_id for r in replayed] == [r.result_id for r in shop.results[:count]]
    assert {r.origin for r in replayed} == {"REPLAY"}
    assert [r.status for r in replayed] == ["SUPERSEDED", "SUPERSEDED", "SUPERSEDED", "UNCHANGED"]


def test_a_failed_event_is_tried_again_in_a_replay() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    event = shop.event(stock=5, at=10)
    shop.give_up("update:de")
    assert shop.statuses == ["FAILED"]

    shop.event(stock=5, at=10, offset=1, event_id="e1")
    shop.accept()

    assert [(r.status, r.origin) for r in shop.of(event)] == [("FAILED", "LIVE"), ("APPLIED", "REPLAY")]


def test_a_repeated_record_of_an_undone_event_is_absorbed() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    event = shop.event(stock=5, at=10)

    shop.event(stock=5, at=10, offset=1, event_id="e1")

    assert not shop.results
    shop.accept()
    assert [r.status for r in shop.of(event)] == [Status.APPLIED]


def test_another_event_at_a_known_offset_is_not_absorbed() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5, at=10)

    shop.event(stock=6, at=20, offset=1, event_id="another")
    shop.accept()

    assert shop.statuses == ["SUPERSEDED", "APPLIED"]


# ---- links ----------------------------------------------------------------------------------------------------------

DE_A = unit(7, "de", offer_id="a", stock=3)
AT_A = unit(8, "at", offer_id="a", stock=3)


def test_before_its_first_stock_write_every_storefront_of_the_account_is_looked_up() -> None:
    shop = OfferHarness(flow_of(DE, AT))

    shop.event(stock=9)
    assert shop.kinds == ["lookup:de"]
    shop.found(DE_A)

    assert shop.kinds == ["lookup:at"]
    shop.found(AT_A, storefront="at")
    shop.accept()
    assert shop.last.sent is not None
    assert shop.last.sent.storefronts_moved == ("at",)


def test_a_price_does_not_wait_for_links() -> None:
    shop = OfferHarness(flow_of(DE, AT))

    shop.event(stock=9, price="11.00")
    shop.found(DE_A)

    assert shop.kinds == ["lookup:at", "update:de"]
    assert shop.want("update:de").body.values == {Field.PRICE: 1100}


def test_linked_stock_is_written_once_and_the_newest_over_all_storefronts_wins() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(DE_A)
    shop.event(stock=9, at=10)
    shop.found(AT_A, storefront="at")

    shop.event(stock=4, at=20, target_id="shop-at")

    assert shop.statuses == ["SUPERSEDED"]
    assert shop.kinds == ["update:at"]
    assert "offer:main:a" in shop.want("update:at").exclusive
    shop.accept("at")
    shop.event(stock=4, at=30)
    shop.event(stock=7, at=15)
    assert shop.statuses == ["SUPERSEDED", "APPLIED", "UNCHANGED", "SUPERSEDED"]


def test_the_stock_shown_in_an_outdated_answer_is_not_taken_for_a_linked_unit() -> None:
    """The price was sent and executed first, but the answer to the stock, which was sent later, came first."""
    shop = OfferHarness(flow_of(DE, AT)).known(DE_A)
    shop.event(stock=9)
    shop.found(AT_A, storefront="at")
    shop.accept()
    shop.event(price="12.00", target_id="shop-at")
    price, left_us = shop.want("update:at"), shop.now_us
    shop.now_us += SECOND
    shop.event(stock=4)
    shop.accept()

    showing = replace(AT_A, values={Field.PRICE: 1200, Field.STOCK: 9, Field.HANDLING_TIME: 2})
    shop.now_us += SECOND
    shop.hear(
        Answered(
            want=price,
            reply=Settled(answer=Accepted(unit=showing, http_status=200)),
            call_id="late",
            attempts=1,
            sent_us=left_us,
            answered_us=shop.now_us,
        )
    )
    shop.event(stock=4)

    assert shop.statuses[-2:] == ["APPLIED", "UNCHANGED"]
    assert not shop.wants
    assert [unit.facts[Field.STOCK].value for unit in shop.lane.units] == [4, 4]


def test_prices_of_linked_units_stay_apart() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(DE_A)

    shop.event(price="11.00", at=10)
    shop.event(price="12.00", at=20, target_id="shop-at")
    shop.found(AT_A, storefront="at")

    assert {w.kind: w.body.values for w in shop.wants} == {
        "update:de": {Field.PRICE: 1100},
        "update:at": {Field.PRICE: 1200},
    }


def test_a_failing_look_up_of_links_stops_blocking() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(DE_A)
    shop.event(stock=0)

    shop.give_up("lookup:at")

    assert shop.kinds == ["update:de"]
    assert not shop.results


def test_a_slow_look_up_of_links_stops_blocking_and_links_are_used_once_known() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(DE_A)
    shop.event(stock=0)
    assert shop.kinds == ["lookup:at"]

    shop.pass_s(5)

    assert shop.kinds == ["lookup:at", "update:de"]
    shop.accept()
    shop.event(price="5.00", target_id="shop-at")
    shop.found(AT_A, storefront="at")
    shop.event(stock=2, at=-50, target_id="shop-at")
    assert shop.last.status is Status.SUPERSEDED


def test_stock_waits_as_long_as_it_takes_while_a_newer_stock_may_be_of_a_linked_unit() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(DE_A)
    shop.event(stock=0, at=10)
    # a previous owner may have found the link by a look-up and sent this stock, without making any of it durable
    newer = shop.event(stock=5, at=20, target_id="shop-at")

    shop.pass_s(60)

    assert shop.kinds == ["lookup:at"]
    shop.found(AT_A, storefront="at")
    assert shop.statuses == ["SUPERSEDED"]
    assert shop.last.fields[0].superseded_by == newer
    assert shop.want("update:at").body.values == {Field.STOCK: 5}


def test_stock_does_not_wait_for_an_older_stock_of_a_unit_that_may_be_linked() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(DE_A)
    shop.event(stock=0, at=20)
    shop.event(stock=5, at=10, target_id="shop-at")

    shop.pass_s(5)

    assert shop.kinds == ["lookup:at", "update:de"]


def test_stock_does_not_wait_for_a_newer_stock_whose_look_up_was_given_up() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(DE_A)
    shop.event(stock=0, at=10)
    shop.event(stock=5, at=20, target_id="shop-at")

    shop.give_up("lookup:at")

    assert shop.statuses == ["FAILED"]
    assert shop.kinds == ["update:de"]


def test_units_without_an_offer_id_are_not_linked() -> None:
    shop = OfferHarness(flow_of(DE, AT)).known(unit(7))
    shop.event(stock=9, at=10)
    shop.found(unit(8, "at"), storefront="at")

    shop.event(stock=4, at=20, target_id="shop-at")

    assert shop.kinds == ["update:at", "update:de"]


# ---- tombstones -----------------------------------------------------------------------------------------------------


def test_a_tombstone_ends_what_is_undone_and_sends_nothing() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    undone = shop.event(stock=5)

    tombstone = shop.tombstone()

    assert [r.status for r in shop.of(undone)] == [Status.UNMANAGED]
    assert [r.status for r in shop.of(tombstone)] == [Status.UNMANAGED]
    assert not shop.wants
    assert not shop.lane.managed


def test_a_tombstone_keeps_accepted_positions_and_the_next_event_is_managed_again() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5, at=100)
    shop.accept()
    shop.now_us = START_US + 300 * SECOND
    shop.tombstone(at=200)

    shop.event(stock=9, at=150)
    assert not shop.lane.managed
    shop.event(stock=8, at=250)
    shop.accept()

    assert shop.lane.managed
    assert shop.statuses == ["APPLIED", "UNMANAGED", "UNMANAGED", "APPLIED"]


def test_a_tombstone_is_ordered_by_its_records_time_whenever_it_arrives() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.now_us = START_US + 100 * SECOND
    newer = shop.event(stock=5, at=90)

    shop.tombstone(at=80)

    assert not shop.of(newer)
    assert shop.lane.managed
    shop.tombstone(at=200)
    assert shop.lane.unmanaged_at_us == START_US + 200 * SECOND


def test_a_tombstone_clears_the_not_found_row() -> None:
    shop = OfferHarness(flow_of())
    announced = shop.event(stock=5)
    shop.found()
    shop.pass_s(60)
    shop.found()

    shop.tombstone()

    assert [(r.status, r.origin) for r in shop.of(announced)] == [("NOT_FOUND", "LIVE"), ("UNMANAGED", "RECHECK")]
    assert list(shop.not_found.values()) == [None]


def test_a_tombstone_under_a_key_that_is_no_ean_is_rejected() -> None:
    shop = OfferHarness(flow_of(), ean="sku-1")

    shop.tombstone()

    assert (shop.last.status, shop.last.code) == (Status.REJECTED, "EAN_INVALID")


# ---- switches -------------------------------------------------------------------------------------------------------


def test_a_disabled_price_sync_suppresses_the_price_only() -> None:
    shop = OfferHarness(flow_of(_but(price_sync=False)))

    shop.event(price="11.00", stock=5)
    shop.found(unit(7))
    update = shop.accept()

    assert update.body.values == {Field.STOCK: 5}
    assert (shop.last.status, shop.last.code) == (Status.PARTIAL, Code.PRICE_SYNC_OFF)
    assert shop.last.problem is not None
    assert {f.field: f.status for f in shop.last.fields} == {
        "price": FieldStatus.SUPPRESSED,
        "stock": FieldStatus.APPLIED,
    }


def test_an_event_with_a_disabled_price_only_is_suppressed_with_a_message() -> None:
    shop = OfferHarness(flow_of(_but(price_sync=False)))

    shop.event(price="11.00")

    assert (shop.last.status, shop.last.code) == (Status.SUPPRESSED, "PRICE_SYNC_OFF")
    assert shop.last.problem is not None
    assert not shop.wants


@pytest.mark.parametrize(
    ("switch", "code"), [({"enabled": False}, "TARGET_DISABLED"), ({"allow_eans": frozenset()}, "EAN_NOT_ALLOWED")]
)
def test_a_disabled_target_suppresses_all_fields(switch: dict[str, object], code: str) -> None:
    shop = OfferHarness(flow_of(_but(**switch)))

    shop.event(price="11.00", stock=5)

    assert (shop.last.status, shop.last.code) == (Status.SUPPRESSED, code)
    assert not shop.wants


def test_an_undone_event_is_suppressed_when_its_target_is_disabled() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5)

    shop.flow = flow_of(_but(enabled=False))
    shop.event(stock=6, target_id="nowhere")

    assert sorted(shop.statuses) == ["REJECTED", "SUPPRESSED"]


def test_a_dry_run_wants_no_write_and_decides_as_a_real_one() -> None:
    real, dry = OfferHarness(flow_of()), OfferHarness(flow_of(policy=OfferPolicy(dry_run=True)))
    for shop in (real, dry):
        for stock in (5, 5, 6):
            shop.event(stock=stock)
            if "lookup:de" in shop.kinds:
                shop.found(unit(7, stock=1))
            if "update:de" in shop.kinds:
                shop.accept()

    assert real.statuses == ["APPLIED", "UNCHANGED", "APPLIED"]
    assert dry.statuses == ["DRY_RUN", "UNCHANGED", "DRY_RUN"]
    assert dry.calls == 1
    assert [(f.requested, f.before, f.sent) for f in dry.results[2].fields] == [(Decimal(6), Decimal(5), Decimal(6))]


def _but(**switches: object) -> Target:
    return replace(DE, **switches)  # type: ignore[arg-type]


# ---- outcomes by field ----------------------------------------------------------------------------------------------


def refused(*fields: Field, message: str = "no") -> Refused:
    errors = tuple(FieldError(field=f, name=f"unit_data.{f}", message=f"{f} is wrong") for f in fields)
    return Refused(
        code="VALIDATION", http_status=400, type="/problems/validation-error", message=message, errors=errors
    )


def test_a_refused_field_ends_and_the_others_are_sent_again_without_it() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=0, price="11.00", handling_time_days=5)

    shop.refuse(refused(Field.PRICE, message="too dear"))

    assert shop.want("update:de").body.values == {Field.STOCK: 0, Field.HANDLING_TIME: 5}
    shop.accept()
    assert (shop.last.status, shop.last.code) == (Status.PARTIAL, "MARKETPLACE_REFUSED")
    assert shop.last.problem is not None
    assert shop.last.problem.marketplace_message == "too dear"
    assert [(e.field, e.message) for e in shop.last.problem.errors] == [("unit_data.price", "price is wrong")]
    assert shop.last.sent is not None
    assert shop.last.sent.call_ids == ("c2", "c3")


def test_after_a_refusal_without_a_field_stock_is_sent_first_and_alone() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=0, price="11.00", handling_time_days=5)

    shop.refuse(refused())

    assert shop.want("update:de").body.values == {Field.STOCK: 0}
    shop.accept()
    assert shop.want("update:de").body.values == {Field.PRICE: 1100}
    shop.refuse(refused())
    shop.accept()
    assert {f.field: f.status.value for f in shop.last.fields} == {
        "stock": "APPLIED",
        "price": "REJECTED",
        "handling_time": "APPLIED",
    }


def test_a_field_refused_alone_is_rejected_and_tried_again_when_it_is_read_again() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5, at=10)
    shop.refuse(refused())

    assert shop.statuses == ["REJECTED"]
    assert not shop.wants
    shop.event(stock=5, at=10, offset=1, event_id="e1")
    assert shop.kinds == ["update:de"]


def test_a_refusal_of_an_overtaken_value_ends_nothing_of_its_successor() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5, at=10)
    left = shop.want("update:de")
    shop.event(stock=6, at=20)

    shop.reply(left, Settled(answer=refused(Field.STOCK)))

    assert shop.statuses == ["SUPERSEDED"]
    assert shop.want("update:de").body.values == {Field.STOCK: 6}
