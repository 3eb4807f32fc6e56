"""Events that a replay reads again: what is true is not written, older never wins, and results name the replay."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.controls.in_force import CommandsInForce, DroppedHold
from connector.mappings.in_use import MappingsInUse
from connector.marketplace.offers import Field, LookUp, Refused
from connector.offers.event_order import EventOrder
from connector.offers.events import OfferWithdrawn, Origin, Replayed, Status
from connector.offers.policy import Locations, OfferPolicy
from connector.routing.table import Routing
from streams.flow import BACKGROUND, Told
from streams.frozen import replace
from tests.harness.effort import examples
from tests.harness.offer_harness import AT, DE, EAN, REFERENCE, START_US, TOPICS, OfferHarness, flow_of, unit
from tests.unit.connector.offers.model import InputRecord
from tests.unit.connector.offers.test_random import GENTLE, OUTCOMES, OfferHistory, _id, event_of, play, records

REPLAY = "replay-1"
REFUSED = Refused(code="V", http_status=400, type=None, message="no")


def replay(shop: OfferHarness, replay_id: str = REPLAY, **said: Any) -> None:
    """Delivers an event as a replay would."""
    event = shop.make(**said)
    shop.hear(Told(lane=event.key, message=Replayed(event=event, replay_id=replay_id)))


def replayed_origin(shop: OfferHarness) -> tuple[str, str, str | None]:
    last = shop.last
    return last.status.value, last.origin.value, last.command_id


# ---- one event ------------------------------------------------------------------------------------------------------


def test_an_accepted_event_ends_unchanged_without_a_call_and_its_result_names_the_replay() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", at=10, offset=5)
    shop.accept()

    replay(shop, price="11.00", at=10, offset=5)

    assert replayed_origin(shop) == ("UNCHANGED", "REPLAY", REPLAY)
    assert not shop.wants


def test_an_older_event_never_goes_over_a_newer_one() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", at=10, offset=5)
    shop.accept()
    shop.event(price="12.00", at=20, offset=6)
    shop.accept()

    replay(shop, price="11.00", at=10, offset=5)

    assert replayed_origin(shop) == ("SUPERSEDED", "REPLAY", REPLAY)
    assert not shop.wants


def test_an_event_that_failed_is_sent_again_as_background_work() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", at=10, offset=5)
    shop.refuse(REFUSED)

    replay(shop, price="11.00", at=10, offset=5)

    assert shop.want("update:de").priority >= BACKGROUND
    shop.accept()
    assert replayed_origin(shop) == ("APPLIED", "REPLAY", REPLAY)


def test_stock_to_zero_does_not_wait_behind_live_events() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=0, at=10, offset=5)
    shop.refuse(REFUSED)

    replay(shop, stock=0, at=10, offset=5)

    assert shop.want("update:de").priority == 0


def test_an_event_that_is_read_again_as_input_is_no_background_work() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", at=10, offset=5)
    shop.refuse(REFUSED)

    shop.event(price="11.00", at=10, offset=5)

    assert shop.want("update:de").priority < BACKGROUND


def test_an_event_of_a_lane_without_state_is_a_replay_all_the_same() -> None:
    shop = OfferHarness(flow_of())

    replay(shop, price="11.00", at=10, offset=5)
    shop.found(unit(7, price=1100))

    assert replayed_origin(shop) == ("UNCHANGED", "REPLAY", REPLAY)


def test_an_event_for_a_target_that_is_configured_later_is_applied() -> None:
    shop = OfferHarness(flow_of(DE)).known(unit(7))
    shop.event(price="12.00", at=5, offset=4)
    shop.accept()
    shop.event(price="11.00", at=10, offset=5, target_id="shop-at")
    assert (shop.last.status, shop.last.code) == (Status.REJECTED, "TARGET_UNKNOWN")

    state = shop.flow.store(shop.lane).value
    shop.flow = flow_of(DE, AT)
    shop.lane = shop.flow.load(EAN, state)
    replay(shop, price="11.00", at=10, offset=5, target_id="shop-at")
    shop.found(unit(8, storefront="at"), storefront="at")
    shop.accept(storefront="at")

    assert replayed_origin(shop) == ("APPLIED", "REPLAY", REPLAY)
    assert shop.last.target_id == "shop-at"


def test_an_event_that_has_no_result_yet_gets_no_second_one() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    first = shop.event(price="11.00", at=10, offset=5)

    replay(shop, price="11.00", at=10, offset=5)
    shop.accept()

    assert [(row.origin, row.command_id) for row in shop.of(first)] == [(Origin.LIVE, None)]


def test_an_offer_that_was_not_found_is_looked_up_and_the_result_names_the_replay() -> None:
    shop = OfferHarness(flow_of())
    shop.event(price="11.00", at=10, offset=5)
    shop.found()
    shop.pass_s(61)
    shop.found()
    assert shop.last.status is Status.NOT_FOUND
    shop.pass_s(60)

    replay(shop, price="11.00", at=10, offset=5)
    shop.found()

    assert replayed_origin(shop) == ("NOT_FOUND", "REPLAY", REPLAY)


def test_a_newer_live_event_takes_the_place_of_one_that_waits_in_the_background() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    failed = shop.event(price="11.00", at=10, offset=5)
    shop.refuse(REFUSED)
    replay(shop, price="11.00", at=10, offset=5)

    shop.event(price="12.00", at=20, offset=6)

    assert [row.status for row in shop.of(failed)] == ["REJECTED", "SUPERSEDED"]
    assert shop.want("update:de").priority < BACKGROUND


def test_a_dropped_hold_does_not_end_what_is_replayed_after_the_drop() -> None:
    hold = ControlCommand(
        command_id="hold-1",
        kind=ControlKind.HOLD,
        state=ControlState.DROPPED,
        scope=CommandScope(),
        issued_by="anna",
        issued_at_us=START_US - 10,
    )
    commands = CommandsInForce(by_id={"hold-1": hold}, drops=(DroppedHold(hold, START_US + 20_000_000),))
    shop = OfferHarness(flow_of(commands=_Commands(commands)))
    shop.now_us = START_US + 30_000_000

    replay(shop, price="11.00", at=10, offset=5, record_time_us=START_US + 10_000_000)

    assert shop.statuses == []
    assert shop.kinds == ["lookup:de"]


class _Commands:
    def __init__(self, in_force: CommandsInForce) -> None:
        self.in_force = in_force


@pytest.mark.parametrize("newer", [None, "accepted", "refused"])
def test_a_tombstone_that_has_taken_effect_changes_nothing(newer: str | None) -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.tombstone(at=15, offset=6)
    if newer is not None:
        shop.event(price="12.00", at=20, offset=7)
        shop.accept() if newer == "accepted" else shop.refuse(REFUSED)
    before = shop.flow.store(shop.lane)

    event = OfferWithdrawn(
        key=EAN, input_topic=TOPICS.offer_changes, partition=0, offset=6, record_time_us=START_US + 15_000_000
    )
    shop.hear(Told(lane=EAN, message=Replayed(event=event, replay_id=REPLAY)))

    assert replayed_origin(shop) == ("UNMANAGED", "REPLAY", REPLAY)
    assert shop.flow.store(shop.lane) == before


# ---- newer events that were not accepted ----------------------------------------------------------------------------

OFF = replace(DE, enabled=False)
ON = MappingsInUse(routing=Routing.of((DE,)), reference=REFERENCE)


def switched_off() -> tuple[OfferHarness, SimpleNamespace]:
    """Returns a lane that knows unit 7, whose target is off; and where its mappings are set."""
    mappings = SimpleNamespace(in_use=ON)
    shop = OfferHarness(flow_of(DE, mappings=mappings)).known(unit(7, stock=2, offer_id="o"))
    mappings.in_use = replace(ON, routing=Routing.of((OFF,)))
    return shop, mappings


@pytest.mark.parametrize("reload", [False, True])
@pytest.mark.parametrize("named", [{}, {"offer_id": "o"}, {"unit_id": 7}])
def test_a_value_is_not_sent_if_a_newer_one_was_suppressed(named: dict[str, Any], reload: bool) -> None:
    shop, mappings = switched_off()
    shop.event(stock=50, at=10, offset=5)
    newest = shop.event(stock=1, at=20, offset=6, **named)
    mappings.in_use = ON
    if reload:
        shop.lane = shop.flow.load(EAN, shop.flow.store(shop.lane).value)

    replay(shop, stock=50, at=10, offset=5)

    assert shop.wants == ()
    assert replayed_origin(shop) == ("SUPERSEDED", "REPLAY", REPLAY)
    assert shop.last.fields[0].superseded_by == newest

    replay(shop, stock=1, at=20, offset=6, **named)
    shop.accept(offer_id="o")

    assert replayed_origin(shop) == ("APPLIED", "REPLAY", REPLAY)
    assert shop.lane.marks == (), "the unit's fact has the order by now"


def test_a_value_is_not_sent_if_a_newer_one_was_refused_by_the_marketplace() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", at=10, offset=5)
    shop.refuse(REFUSED)
    shop.event(price="12.00", at=20, offset=6)
    shop.refuse(REFUSED)

    replay(shop, price="11.00", at=10, offset=5)

    assert shop.wants == ()
    assert replayed_origin(shop) == ("SUPERSEDED", "REPLAY", REPLAY)


def test_a_value_is_not_sent_if_the_look_up_for_a_newer_one_failed() -> None:
    shop = OfferHarness(flow_of())
    shop.event(price="11.00", at=10, offset=5)
    shop.give_up("lookup:de")
    shop.event(price="12.00", at=20, offset=6)
    shop.give_up("lookup:de")

    replay(shop, price="11.00", at=10, offset=5)
    shop.found(unit(7))

    assert shop.wants == ()
    assert replayed_origin(shop) == ("SUPERSEDED", "REPLAY", REPLAY)


def test_a_value_is_not_sent_if_a_newer_one_was_not_valid() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", at=10, offset=5)
    shop.refuse(REFUSED)
    shop.event(price="-1.00", at=20, offset=6)

    replay(shop, price="11.00", at=10, offset=5)

    assert shop.wants == ()
    assert replayed_origin(shop) == ("SUPERSEDED", "REPLAY", REPLAY)


def test_an_event_from_the_future_makes_no_replayed_event_late() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", at=10, offset=5)
    shop.refuse(REFUSED)
    shop.event(price="12.00", at=1_000_000, offset=6)
    assert shop.last.status is Status.REJECTED

    replay(shop, price="11.00", at=10, offset=5)

    assert shop.kinds == ["update:de"]


def test_an_older_live_event_is_still_sent_after_a_newer_one_was_refused() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="12.00", at=20, offset=5)
    shop.refuse(REFUSED)

    shop.event(price="11.00", at=10, offset=6)

    assert shop.kinds == ["update:de"]


def test_another_field_is_not_late() -> None:
    shop, mappings = switched_off()
    shop.event(stock=1, at=10, offset=5)
    shop.event(price="12.00", at=20, offset=6)
    mappings.in_use = ON

    replay(shop, stock=1, at=10, offset=5)
    shop.accept(offer_id="o")

    assert replayed_origin(shop) == ("APPLIED", "REPLAY", REPLAY)


@pytest.mark.parametrize("order", list(EventOrder))
def test_the_log_and_sequences_make_replayed_events_late_in_the_same_way(order: EventOrder) -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(order_by_source={"erp": order}))).known(unit(7))
    for offset in (5, 6):
        shop.event(price=f"{offset}.00", at=offset, offset=offset, sequence=offset, source="erp")
        shop.refuse(REFUSED)

    replay(shop, price="5.00", at=5, offset=5, sequence=5, source="erp")
    assert shop.wants == ()
    assert replayed_origin(shop) == ("SUPERSEDED", "REPLAY", REPLAY)

    replay(shop, price="6.00", at=6, offset=6, sequence=6, source="erp")
    shop.accept()
    assert replayed_origin(shop) == ("APPLIED", "REPLAY", REPLAY)


def test_stock_of_a_location_is_replayed_with_the_newest_of_every_other() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(locations=Locations.SUM))).known(unit(7))
    shop.event(stock=13, at=10, offset=5, location="A")
    shop.refuse(REFUSED)
    shop.event(stock=4, at=20, offset=6, location="B")
    shop.refuse(REFUSED)

    replay(shop, stock=13, at=10, offset=5, location="A")

    assert shop.want("update:de").body.values == {Field.STOCK: 17}


# ---- any part of any history ----------------------------------------------------------------------------------------


def tell(history: OfferHistory, said: InputRecord) -> None:
    history.hear(Told(lane=EAN, message=Replayed(event=event_of(said), replay_id=REPLAY)))


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_replaying_any_part_of_a_settled_history_writes_nothing_and_changes_no_value(
    said: list[InputRecord], data: st.DataObject
) -> None:
    history = play(said, data, GENTLE)
    writes, held, known = history.writes, {unit: dict(values) for unit, values in history.held.items()}, facts(history)
    rows = len(history.codecs.results)
    part = [one for one in history.said if data.draw(st.booleans())]

    for one in part:
        tell(history, one)
    history.drain()

    assert history.writes == writes
    assert history.held == held
    assert facts(history) == known
    again = [row for row in history.codecs.results[rows:] if row.origin is Origin.REPLAY]
    assert sorted(row.input_offset for row in again) == [one.offset for one in part]
    assert {row.command_id for row in again} <= {REPLAY}


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_a_replay_in_the_middle_of_a_history_never_sends_an_older_value_over_a_newer_one(
    said: list[InputRecord], data: st.DataObject
) -> None:
    """``OfferHistory.apply`` checks the order of every write."""
    history = OfferHistory(said)
    for _ in range(data.draw(st.integers(0, 25))):
        match data.draw(st.sampled_from(["deliver", "replay", "send", "answer", "wait"])):
            case "deliver":
                history.deliver()
            case "replay" if history.position:
                tell(history, data.draw(st.sampled_from(history.said[: history.position])))
            case "send" if ready := history.may_send():
                history.in_flight.append(data.draw(st.sampled_from(ready)))
            case "answer" if history.in_flight:
                history.answer(data.draw(st.sampled_from(history.in_flight)), data.draw(st.sampled_from(GENTLE)))
            case "wait":
                history.now_us += 6_000_000
            case _:
                pass
    history.drain()


def facts(history: OfferHistory) -> dict[tuple[int, str], tuple[int | None, int | None]]:
    """Returns value and time of the last accepted event, by unit and field."""
    return {
        (unit.unit_id, field.value): (fact.value, fact.order.time_us if fact.order is not None else None)
        for unit in history.lane.units
        for field, fact in unit.facts.items()
    }


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_a_replay_never_wants_a_value_older_than_the_newest_read_event_of_the_field(
    said: list[InputRecord], data: st.DataObject
) -> None:
    """Whatever became of the newest event: it may have been refused, or its look-up may have failed."""
    history = play(said, data, OUTCOMES)
    read = [one for one in history.said if one.values is not None and not _is_withdrawn(one, history.said)]
    start = data.draw(st.integers(0, len(history.said)))
    part = history.said[start : data.draw(st.integers(start, len(history.said)))]

    for one in part:
        tell(history, one)
        for _ in range(data.draw(st.integers(0, 2))):
            check_wants(history, read)
            if ready := history.may_send():
                history.in_flight.append(ready[0])
                history.answer(ready[0], data.draw(st.sampled_from(GENTLE)))
    for _ in range(20):
        check_wants(history, read)
        if not (ready := history.may_send()):
            break
        history.in_flight.append(ready[0])
        history.answer(ready[0], "accepted")


def _is_withdrawn(one: InputRecord, said: list[InputRecord]) -> bool:
    return any(other.values is None and other.order > one.order for other in said)


def check_wants(history: OfferHistory, read: list[InputRecord]) -> None:
    for want in history.wants:
        if isinstance(want.body, LookUp):
            continue
        for carried in want.body.carried:
            mine = next(one for one in history.said if _id(one) == carried.result_id)
            same = (one for one in read if _selected(one) == _selected(mine) and carried.field in (one.values or {}))
            assert mine.order == max(one.order for one in same), f"{mine} is not the newest"


def _selected(one: InputRecord) -> tuple[str | None, str | None, str | None, int | None]:
    return one.target_id, one.condition, one.offer_id, one.unit_id
