"""Which of two events is newer: by the order configured for its source, never by a time ahead of the record."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.contracts.codes import Code
from connector.marketplace.offers import Field, Refused
from connector.offers.event_order import EventOrder, Recency, newest, order_of
from connector.offers.events import Status
from connector.offers.figures import NAMED_SOURCES, OTHER_SOURCES
from connector.offers.policy import Locations, OfferPolicy
from connector.offers.watermarks import MARKS
from streams.flow import Arrived
from tests.harness.offer_harness import EAN, SECOND, START_US, OfferHarness, flow_of, unit

BY_SEQUENCE = OfferPolicy(order=EventOrder.SEQUENCE)
BY_LOG = OfferPolicy(order=EventOrder.LOG)
MIXED = OfferPolicy(order_by_source={"erp": EventOrder.SEQUENCE, "wms": EventOrder.LOG})


def shop_of(policy: OfferPolicy | None = None) -> OfferHarness:
    return OfferHarness(flow_of(policy=policy)).known(unit(7, stock=3, price=1000))


def dated(shop: OfferHarness, ahead_s: float, **said: Any) -> str:
    """Delivers an event whose source's clock is ahead of its record by ``ahead_s``; returns its result id."""
    said = {"occurred_at_us": shop.now_us + int(ahead_s * SECOND), "record_time_us": shop.now_us, **said}
    return shop.event(**said)


# ---- by effective time: never later than the record's timestamp -----------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "honest", "field"),
    [({"stock": 6}, {"stock": 0}, "stock"), ({"price": "1.00"}, {"price": "10.00"}, "price")],
)
def test_an_event_dated_after_its_record_supersedes_no_later_event(
    ahead: dict[str, Any], honest: dict[str, Any], field: str
) -> None:
    shop = shop_of()
    dated(shop, 290, **ahead)
    shop.accept()
    shop.pass_s(30)

    dated(shop, 0, **honest)
    want = shop.accept()

    assert shop.statuses == ["APPLIED", "APPLIED"]
    assert {str(name): value for name, value in want.body.values.items()} == {field: 0 if field == "stock" else 1000}


def test_a_waiting_event_dated_after_its_record_is_superseded_by_a_later_event() -> None:
    shop = shop_of()
    first = dated(shop, 240, stock=6)
    shop.pass_s(30)

    second = dated(shop, 0, stock=0)
    shop.accept()

    assert shop.of(first)[0].fields[0].superseded_by == second
    assert shop.of(second)[0].status is Status.APPLIED


def test_reading_an_event_dated_ahead_again_repeats_its_order() -> None:
    shop = shop_of()
    ahead = shop.make(stock=6, occurred_at_us=shop.now_us + 240 * SECOND, record_time_us=shop.now_us)
    shop.event(**said_of(ahead))
    shop.accept()
    shop.pass_s(30)
    dated(shop, 0, stock=0)
    shop.accept()
    shop.pass_s(3600)

    shop.event(**said_of(ahead))

    assert shop.last.status is Status.SUPERSEDED
    assert shop.wants == ()


def said_of(event: Any) -> dict[str, Any]:
    names = ("occurred_at_us", "record_time_us", "stock", "offset", "event_id", "sequence", "source")
    return {name: getattr(event, name) for name in names}


def test_the_result_has_the_events_own_time() -> None:
    shop = shop_of()

    dated(shop, 240, stock=6)
    shop.accept()

    assert shop.last.occurred_at_us == shop.last.received_at_us + 240 * SECOND


def test_two_events_within_a_record_timestamps_millisecond_keep_their_order() -> None:
    shop = shop_of()
    newer = {"occurred_at_us": START_US + 5_000_900, "record_time_us": START_US + 5_000_000}
    older = {"occurred_at_us": START_US + 5_000_100, "record_time_us": START_US + 5_000_000}
    shop.event(stock=8, **newer)
    shop.accept()

    shop.event(stock=9, **older)

    assert shop.last.status is Status.SUPERSEDED


# ---- late events end with the code OUT_OF_ORDER ---------------------------------------------------------------------


def test_a_late_event_is_out_of_order_with_the_time_of_the_newer_one_and_advice() -> None:
    shop = shop_of()
    shop.event(stock=9, at=50, sequence=4)
    shop.accept()

    shop.event(stock=5, at=40, source="erp")

    assert (shop.last.status, shop.last.code) == (Status.SUPERSEDED, Code.OUT_OF_ORDER)
    assert shop.last.fields[0].code == Code.OUT_OF_ORDER
    assert shop.last.problem is not None
    assert "2025-10-09T08:54:10Z, sequence 4 (offset 1) is newer than 2025-10-09T08:54:00Z (offset 2)" in (
        shop.last.problem.message
    )
    assert "offers.order_by_source" in shop.last.problem.advice


def test_an_event_that_loses_to_one_still_waiting_is_out_of_order() -> None:
    shop = shop_of()
    shop.event(stock=9, at=50)

    shop.event(stock=5, at=40)

    assert (shop.last.status, shop.last.code) == (Status.SUPERSEDED, Code.OUT_OF_ORDER)


def test_a_late_location_is_out_of_order() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(locations=Locations.SUM))).known(unit(7))
    shop.event(stock=9, at=50, location="A")
    shop.accept()

    shop.event(stock=5, at=40, location="A")

    assert (shop.last.status, shop.last.code) == (Status.SUPERSEDED, Code.OUT_OF_ORDER)


def test_an_event_superseded_by_a_later_one_is_not_out_of_order() -> None:
    shop = shop_of()
    older = shop.event(stock=5, at=40)

    shop.event(stock=9, at=50)
    shop.accept()

    assert [(r.status, r.code, r.problem) for r in shop.of(older)] == [(Status.SUPERSEDED, None, None)]


def test_a_late_stock_does_not_hide_another_problem() -> None:
    shop = shop_of()
    shop.event(stock=9, at=50)
    shop.accept()

    shop.event(stock=5, price="0.00", at=40)

    assert {f.field: f.code for f in shop.last.fields} == {"stock": "OUT_OF_ORDER", "price": "PRICE_NOT_POSITIVE"}
    assert (shop.last.status, shop.last.code) == (Status.PARTIAL, Code.PRICE_NOT_POSITIVE)
    assert shop.last.problem is not None
    assert "not above zero" in shop.last.problem.message


def test_a_refused_price_is_the_code_of_a_result_whose_stock_came_late_before_it() -> None:
    shop = shop_of()
    shop.event(stock=9, at=50)
    shop.accept()

    shop.event(stock=5, price="11.00", at=40)
    shop.refuse(Refused(code="VALIDATION", http_status=400, type="/problems/x", message="no", errors=()))

    assert (shop.last.status, shop.last.code) == (Status.PARTIAL, Code.MARKETPLACE_REFUSED)
    assert shop.last.problem is not None
    assert "newer than" not in shop.last.problem.message


def test_late_events_are_counted_by_source_for_a_bounded_number_of_sources() -> None:
    shop = shop_of()
    shop.event(stock=9, at=200)
    shop.accept()

    for number in range(NAMED_SOURCES + 5):
        shop.event(stock=5, at=number, source=f"source-{number}")
    shop.event(stock=5, at=100, source="source-0")

    counts = shop.flow.figures(()).out_of_order
    assert counts["shop-de", "source-0"] == 2
    assert counts["shop-de", OTHER_SOURCES] == 5
    assert len(counts) == NAMED_SOURCES + 1


@pytest.mark.parametrize("said", [{"at": 30}, {"at": 20, "record_time_us": START_US + 40 * SECOND}])
def test_an_event_older_than_a_tombstone_is_out_of_order_with_both_times_and_counted(
    said: dict[str, Any],
) -> None:
    shop = shop_of()
    shop.tombstone(at=290)
    shop.pass_s(40)

    shop.event(stock=0, source="erp", **said)

    assert (shop.last.status, shop.last.code) == (Status.UNMANAGED, Code.OUT_OF_ORDER)
    assert shop.last.problem is not None
    assert "the tombstone of 2025-10-09T08:58:10Z (offset 1) is newer than 2025-10-09T08:5" in shop.last.problem.message
    assert "message.timestamp.type=LogAppendTime" in shop.last.problem.advice
    assert shop.flow.figures(()).out_of_order == {("shop-de", "erp"): 1}


def test_an_event_that_was_written_before_a_tombstone_and_is_read_again_is_not_out_of_order() -> None:
    shop = shop_of()
    event = shop.make(stock=5, at=10)
    shop.event(**said_of(event))
    shop.accept()
    shop.tombstone(at=20)

    shop.event(**said_of(event))

    assert (shop.last.status, shop.last.code) == (Status.UNMANAGED, Code.TOMBSTONE)
    assert shop.flow.figures(()).out_of_order == {}


# ---- facts that an earlier version ordered by occurred_at alone -----------------------------------------------------


def test_an_event_accepted_by_its_own_time_in_an_earlier_version_is_not_newer_than_itself() -> None:
    shop = shop_of()
    event = shop.make(stock=6, at=200, record_time_us=START_US + 200 * SECOND)  # as the earlier version ordered it
    shop.event(**said_of(event))
    shop.accept()

    shop.event(**{**said_of(event), "record_time_us": START_US + 10 * SECOND})

    assert (shop.last.status, shop.last.code) == (Status.UNCHANGED, None)


def test_a_location_ordered_by_its_own_time_in_an_earlier_version_is_not_newer_than_itself() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(locations=Locations.SUM))).known(unit(7))
    event = shop.make(stock=6, at=200, record_time_us=START_US + 200 * SECOND, location="A")
    shop.event(**said_of(event), location="A")
    shop.accept()

    shop.event(**{**said_of(event), "record_time_us": START_US + 10 * SECOND}, location="A")

    assert (shop.last.status, shop.last.code) == (Status.UNCHANGED, None)


# ---- invalid times --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("occurred_at_us", "guess"),
    [
        (START_US // 1_000, "read as milliseconds it is 2025-10-09"),
        (START_US // 1_000_000, "read as seconds it is 2025-10-09"),
        (START_US * 1_000, "read as nanoseconds it is 2025-10-09"),
        (0, "in microseconds"),
        (-1, "in microseconds"),
    ],
)
def test_an_occurred_at_in_another_unit_is_rejected_with_that_advice(occurred_at_us: int, guess: str) -> None:
    shop = shop_of()

    shop.event(stock=0, occurred_at_us=occurred_at_us, record_time_us=START_US)

    assert (shop.last.status, shop.last.code) == (Status.REJECTED, Code.EVENT_TIME_UNIT_WRONG)
    assert shop.last.problem is not None
    assert guess in shop.last.problem.message
    assert "microseconds" in shop.last.problem.advice


def test_a_record_with_an_invalid_timestamp_is_rejected_with_that_advice() -> None:
    shop = shop_of()

    shop.event(stock=0, occurred_at_us=START_US, record_time_us=-1000)
    shop.tombstone(at=-1e9)

    assert [r.code for r in shop.results] == [Code.RECORD_TIME_INVALID, Code.RECORD_TIME_INVALID]
    assert shop.last.problem is not None
    assert "LogAppendTime" in shop.last.problem.advice


# ---- by sequence, by the log ----------------------------------------------------------------------------------------


def known_by(policy: OfferPolicy, *units: Any) -> OfferHarness:
    """Returns a harness that already knows these units, without any event of a source under test."""
    first = OfferHarness(flow_of()).known(*(units or (unit(7, stock=3, price=1000),)))
    shop = OfferHarness(flow_of(policy=policy), now_us=first.now_us, offset=first.offset)
    shop.lane = shop.flow.load(EAN, first.flow.store(first.lane).value)
    return shop


def test_by_sequence_the_higher_sequence_wins_whatever_the_times() -> None:
    shop = known_by(BY_SEQUENCE)
    shop.event(stock=9, at=50, sequence=8)
    shop.accept()

    shop.event(stock=5, at=60, sequence=7)
    assert (shop.last.status, shop.last.code) == (Status.SUPERSEDED, Code.OUT_OF_ORDER)
    shop.event(stock=4, at=40, sequence=9)
    shop.accept()

    assert shop.last.status is Status.APPLIED


def test_by_log_the_later_record_wins_whatever_its_time() -> None:
    shop = shop_of(BY_LOG)
    shop.event(stock=9, at=50, sequence=8)
    shop.accept()

    shop.event(stock=4, sequence=1, occurred_at_us=0)
    shop.accept()

    assert shop.statuses == ["APPLIED", "APPLIED"]


def test_by_log_an_event_after_a_tombstone_is_managed_again_whatever_its_time() -> None:
    shop = shop_of(BY_LOG)
    shop.tombstone(at=50)

    shop.event(stock=4, at=10)
    shop.accept()

    assert shop.last.status is Status.APPLIED


def test_by_log_a_replay_writes_nothing() -> None:
    shop = shop_of(BY_LOG)
    said = [shop.make(stock=stock, at=at) for stock, at in ((5, 30.0), (6, 10.0))]
    for one in said:
        shop.event(**said_of(one))
        shop.accept()

    for one in said:
        shop.event(**said_of(one))

    assert shop.wants == ()
    assert shop.statuses[-2:] == ["SUPERSEDED", "UNCHANGED"]


def test_between_sources_of_different_orders_the_log_decides() -> None:
    shop = known_by(MIXED)
    shop.event(stock=9, at=50, sequence=8, source="erp")
    shop.accept()
    shop.event(stock=4, at=40, source="wms")
    shop.accept()

    shop.event(stock=5, at=30, sequence=9, source="erp")
    shop.accept()

    assert shop.statuses == ["APPLIED"] * 3


def test_the_order_of_a_source_holds_for_what_was_accepted_before_it_was_set() -> None:
    shop = shop_of()
    shop.event(stock=9, at=50, sequence=8, source="erp")
    shop.accept()
    reconfigured = OfferHarness(flow_of(policy=MIXED), now_us=shop.now_us, offset=shop.offset)
    reconfigured.lane = reconfigured.flow.load(EAN, shop.flow.store(shop.lane).value)

    reconfigured.event(stock=5, at=60, sequence=7, source="erp")

    assert (reconfigured.last.status, reconfigured.last.code) == (Status.SUPERSEDED, Code.OUT_OF_ORDER)


def test_an_event_without_a_sequence_in_a_source_ordered_by_sequence_is_rejected() -> None:
    shop = OfferHarness(flow_of(policy=BY_SEQUENCE))

    shop.event(stock=0, source="erp")

    assert (shop.last.status, shop.last.code) == (Status.REJECTED, Code.SEQUENCE_MISSING)
    assert shop.last.problem is not None
    assert "source erp" in shop.last.problem.message
    assert shop.wants == ()


@pytest.mark.parametrize("is_accepted", [True, False])
def test_a_late_event_by_sequence_never_wins_over_another_sources_event_in_between(is_accepted: bool) -> None:
    shop = known_by(BY_SEQUENCE)
    shop.event(stock=8, source="a", sequence=10)
    if is_accepted:
        shop.accept()
    zero = shop.event(stock=0, source="b", sequence=4)
    if is_accepted:
        shop.accept()

    late = shop.event(stock=5, source="a", sequence=9)
    if not is_accepted:
        shop.accept()

    assert [(r.status, r.code) for r in shop.of(late)] == [(Status.SUPERSEDED, Code.OUT_OF_ORDER)]
    assert [r.status for r in shop.of(zero)] == [Status.APPLIED]
    assert shop.wants == ()


def test_a_late_event_by_time_never_wins_over_an_event_ordered_by_the_log_between() -> None:
    shop = known_by(OfferPolicy(order_by_source={"wms": EventOrder.LOG}))
    shop.event(stock=8, source="erp", at=20)
    zero = shop.event(stock=0, source="wms")

    late = shop.event(stock=5, source="erp", at=10)
    shop.accept()

    assert [r.status for r in shop.of(late) + shop.of(zero)] == [Status.SUPERSEDED, Status.APPLIED]


def test_events_that_one_look_up_shows_to_mean_one_offer_leave_the_newest_of_them() -> None:
    shop = OfferHarness(flow_of(policy=BY_SEQUENCE))
    shop.event(stock=8, source="b", sequence=1)
    zero = shop.event(stock=0, source="a", sequence=10, offer_id="o")
    shop.event(stock=5, source="a", sequence=9, unit_id=7)

    shop.found(unit(7, offer_id="o"))
    shop.accept(offer_id="o")

    assert sorted(shop.statuses) == ["APPLIED", "SUPERSEDED", "SUPERSEDED"]
    assert [r.status for r in shop.of(zero)] == [Status.APPLIED]


def test_a_late_location_by_sequence_never_replaces_another_sources_in_between() -> None:
    shop = known_by(OfferPolicy(order=EventOrder.SEQUENCE, locations=Locations.SUM))
    shop.event(stock=8, source="a", sequence=10, location="A")
    shop.accept()
    shop.event(stock=0, source="b", sequence=4, location="A")
    shop.accept()

    shop.event(stock=5, source="a", sequence=9, location="A")

    assert (shop.last.status, shop.last.code) == (Status.SUPERSEDED, Code.OUT_OF_ORDER)
    assert shop.wants == ()


def test_sources_ordered_by_time_only_leave_no_watermarks() -> None:
    shop = shop_of()
    shop.event(stock=8, sequence=3)
    shop.accept()

    assert shop.lane.marks == ()


def test_a_bounded_number_of_sources_of_an_ean_is_remembered() -> None:
    shop = known_by(BY_SEQUENCE)

    for number in range(MARKS + 5):
        shop.event(stock=8, source=f"source-{number}", sequence=1)

    assert [mark.order.source for mark in shop.lane.marks] == [f"source-{n}" for n in range(5, MARKS + 5)]


ANY_ORDER = OfferPolicy(
    order_by_source={"a": EventOrder.SEQUENCE, "b": EventOrder.SEQUENCE, "wms": EventOrder.LOG},
    trust_s=dict.fromkeys(Field, float("inf")),
)
_said = st.tuples(
    st.sampled_from(["a", "a", "b", "wms", "erp", "shop"]),
    st.integers(0, 5),  # sequence
    st.integers(0, 5),  # seconds
    st.sampled_from([{}, {"offer_id": "o"}, {"unit_id": 7}]),
    st.sampled_from(["", "accept", "lose", "give up", "reload"]),
)


def winner_of(said: Sequence[tuple[str, int, int, Any, str]]) -> int:
    """Returns the last event that is not late by the order of its source. Shares no code with ``connector.offers``."""
    last, seen = 0, dict[str, tuple[int, int]]()
    for number, (source, sequence, at_s, _, _) in enumerate(said):
        line = {"a": "a", "b": "b", "wms": f"wms-{number}"}.get(source, "time")
        place = (sequence, at_s) if line in ("a", "b") else (at_s, sequence)
        if place >= seen.get(line, place):
            seen[line], last = place, number
    return last


@given(st.lists(_said, min_size=1, max_size=8), st.integers(0, 8))
def test_sources_of_all_orders_end_with_the_newest_value_and_a_replay_writes_nothing(
    said: list[tuple[str, int, int, Any, str]], looked_after: int
) -> None:
    shop = OfferHarness(flow_of(policy=ANY_ORDER))
    events = [
        shop.make(stock=10 + n, source=source, sequence=sequence, at=at_s, **named)
        for n, (source, sequence, at_s, named, _) in enumerate(said)
    ]
    held: list[int] = [3]
    for number, event in enumerate(events):
        shop.hear(Arrived(lane=EAN, event=event))
        if number == looked_after:
            look(shop, held)
        if number >= looked_after:
            go_on(shop, said[number][4], held)
    rest(shop, held)

    failed = {result.input_offset for result in shop.results if result.status is Status.FAILED}
    winner = winner_of(said)
    assert held[-1] == 10 + winner or winner in failed
    if not failed:
        for event in events:
            shop.hear(Arrived(lane=EAN, event=event))
        assert [want for want in shop.wants if want.kind.startswith("update")] == []


def look(shop: OfferHarness, held: list[int]) -> None:
    shop.found(unit(7, offer_id="o", stock=held[-1]))


def go_on(shop: OfferHarness, how: str, held: list[int]) -> None:
    if "update:de" not in shop.kinds:
        return
    match how:
        case "accept":
            held.append(shop.accept(offer_id="o").body.values[Field.STOCK])
        case "lose":
            shop.lose()
        case "give up":
            shop.give_up("update:de")
        case _:
            shop.restart()


def rest(shop: OfferHarness, held: list[int]) -> None:
    for _ in range(20):
        if "lookup:de" in shop.kinds:
            look(shop, held)
        elif "update:de" in shop.kinds:
            go_on(shop, "accept", held)
        else:
            break
    assert shop.lane.entries == ()


_orders = st.builds(
    order_of,
    st.integers(0, 3),
    st.none() | st.integers(0, 2),
    st.integers(0, 9),
    st.sampled_from(["a", "b"]),
    st.sampled_from(EventOrder),
)


@given(_orders, _orders)
def test_of_two_events_at_different_offsets_exactly_one_is_the_newer(one: Recency, other: Recency) -> None:
    assert (one > other) + (other > one) == (one.offset != other.offset or (one.agrees_with(other) and one != other))
    assert (one < other) == (other > one)
    assert (one >= other) == (not other > one)


@given(st.lists(_orders, min_size=1, max_size=5))
def test_the_newest_of_some_events_does_not_depend_on_how_they_are_listed(orders: list[Recency]) -> None:
    orders = list({order.offset: order for order in orders}.values())

    assert newest(orders) == newest(list(reversed(orders)))
