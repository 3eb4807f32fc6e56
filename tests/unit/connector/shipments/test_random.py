"""Random histories of one order against a model marketplace: events, lost answers, crashes and reloads at any point.

A history follows the engine's rules: one call in flight per slot and exclusive key; a call that changes something is
sent only after a durable record has announced it; results and lane become durable together; after a crash, what was
read since the last checkpoint is read again.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Gone
from connector.marketplace.orders import CarriersFound, OrderSummaryFound, Taken, UnitFound
from connector.shipments.events import Parcel, ShipmentDispatched, ShippedItem
from connector.shipments.flow import ShipmentFlow
from streams.flow import Answered, Arrived, Cause, GaveUp, Lost, Now, Restored, Settled, Stored, Want, Woken
from tests.harness.effort import examples
from tests.harness.shipment_harness import (
    CARRIERS,
    ORDER,
    REFUSED,
    SECOND,
    START_US,
    TOPICS,
    flow_of,
    policy,
    result_of,
    unit,
)

GRACE_US = 7 * SECOND
WAIT_S = 600
UNITS = (1, 2, 3)
SKU = "sku-1"  # of each unit
STRANGER = 9  # a unit of another order
SUCCESS = {"CONFIRMED", "CONFIRMED_TRACKING_UNVERIFIED", "PARCEL_ADDED", "ALREADY_CONFIRMED"}
PARCELS = [
    Parcel(carrier=carrier, tracking_number=number)
    for carrier, number in (("DHL", "A"), ("dhl", "B"), ("GLS", "C"), ("snail", "D"))
]


@dataclass(slots=True)
class MarketplaceUnits:
    """The units of the marketplace, and counts of all sends and parcels that were executed for them."""

    status: dict[int, str] = field(default_factory=lambda: {1: "need_to_be_sent", 2: "need_to_be_sent", 3: "open"})
    parcels: Counter[tuple[int, str]] = field(default_factory=Counter)
    sends: Counter[int] = field(default_factory=Counter)

    def carry_out(self, want: Want) -> Any:
        body = want.body
        match want.kind:
            case CallKind.ORDER:
                units = tuple(unit(each, status, offer_id=SKU) for each, status in self.status.items())
                return OrderSummaryFound(order_id=ORDER, units=units)
            case CallKind.CARRIERS:
                return CarriersFound(codes=CARRIERS)
            case CallKind.ORDER_UNIT:
                return UnitFound(unit=unit(body.order_unit_id, self.status[body.order_unit_id]))
            case CallKind.SEND:
                if body.order_unit_id not in self.status:
                    return Gone(http_status=404)
                if self.status[body.order_unit_id] != "need_to_be_sent":
                    return REFUSED
                self.status[body.order_unit_id] = "sent"
                self.sends[body.order_unit_id] += 1
                self.parcels.update((body.order_unit_id, number) for number in body.tracking_numbers)
                return Taken(http_status=204)
            case CallKind.PARCEL:
                if self.status[body.order_unit_id] != "sent":
                    return REFUSED
                self.parcels[body.order_unit_id, body.tracking_number] += 1
                return Taken(http_status=204)
            case other:
                raise AssertionError(other)


@dataclass(frozen=True, slots=True)
class LateSend:
    """A call with a lost answer that is executed at the end of its grace period, or never."""

    want: Want
    until_us: int
    happens: bool


class ShipmentHistory:
    """A lane with its engine and its marketplace, driven step by step.

    ``rows`` are the durable results, ``said`` those since the last checkpoint. ``late`` are lost calls that may
    still be executed.
    """

    def __init__(self) -> None:
        self.market = MarketplaceUnits()
        self.log: list[ShipmentDispatched] = []
        self.read = 0
        self.flow: ShipmentFlow = self.new_flow()
        self.lane: Any = self.flow.load(ORDER, None)
        self.now_us = START_US
        self.wants: tuple[Want, ...] = ()
        self.wake_at_us: int | None = None
        self.flying: dict[str, Want] = {}
        self.late: list[LateSend] = []
        self.announced: set[str] = set()
        self.durable = Stored(value=None)
        self.durable_read = 0
        self.durable_announced: frozenset[str] = frozenset()
        self.said: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.calls = 0
        self.was_lost = False

    @staticmethod
    def new_flow() -> ShipmentFlow:
        return flow_of(policy(wait_open_s=WAIT_S, require_units=False, unknown_carrier="Other"))

    # -- what the engine does

    def hear(self, cause: Cause) -> None:
        turn = self.flow.turn(self.lane, cause, Now(mono_s=self.now_us / 1e6, wall_us=self.now_us))
        self.lane, self.wants, self.wake_at_us = turn.lane, turn.wants, turn.wake_at_us
        self.said += map(result_of, turn.outputs)
        self.announced &= {want.slot for want in self.wants} | set(self.flying)
        assert len({want.slot for want in self.wants}) == len(self.wants)
        for want in self.wants:
            if want.kind == CallKind.SEND:
                assert want.body.order_unit_id in UNITS, "a unit of another order would be confirmed"

    def may_leave(self, want: Want) -> bool:
        """Whether the engine may send the want now."""
        busy = {key for flying in self.flying.values() for key in flying.exclusive}
        busy |= {key for late in self.late for key in late.want.exclusive}
        slots = {*self.flying, *(late.want.slot for late in self.late)}
        free = want.slot not in slots and not busy.intersection(want.exclusive)
        return free and (not want.once or want.slot in self.durable_announced & self.announced)

    def answer(self, slot: str, reply: Settled | Lost | GaveUp) -> None:
        want = self.flying.pop(slot)
        self.announced.discard(slot)
        self.calls += 1
        self.now_us += 1000
        self.hear(
            Answered(
                want=want,
                reply=reply,
                call_id=f"c{self.calls}",
                attempts=1,
                sent_us=self.now_us - 1000,
                answered_us=None if isinstance(reply, Lost) else self.now_us,
            )
        )

    # -- the steps of a history

    def arrive(self, named: tuple[int, ...], parcels: list[Parcel], at: int, pieces: int = 0) -> None:
        offset = len(self.log)
        self.log.append(
            ShipmentDispatched(
                event_id=f"e{offset}",
                occurred_at_us=START_US + at * SECOND,
                source="test",
                order_id=ORDER,
                order_unit_ids=named,
                items=(ShippedItem(offer_id=SKU, quantity=pieces),) if pieces else (),
                parcels=tuple(parcels),
                key=ORDER,
                input_topic=TOPICS.shipments,
                partition=0,
                offset=offset,
                record_time_us=START_US,
            )
        )

    def write_again(self, which: int) -> None:
        """Writes the same event again, as a producer that retries does."""
        self.log.append(replace(self.log[which % len(self.log)], offset=len(self.log)))

    def say_again(self, which: int, at: int) -> None:
        """Writes the same event with another time, as a source that repeats it does."""
        event = self.log[which % len(self.log)]
        self.log.append(replace(event, offset=len(self.log), occurred_at_us=START_US + at * SECOND))

    def say_under_another_id(self, which: int) -> None:
        """Reports the same parcels by another event."""
        offset = len(self.log)
        self.log.append(replace(self.log[which % offset], offset=offset, event_id=f"e{offset}"))

    def read_one(self) -> None:
        if self.read < len(self.log):
            event = self.log[self.read]
            self.read += 1
            self.hear(Arrived(lane=ORDER, event=event))

    def read_again(self, which: int) -> None:
        """Reads records again, as after a reset of the offsets that kept the state."""
        if self.read:
            self.hear(Arrived(lane=ORDER, event=self.log[which % self.read]))

    def leave(self) -> None:
        for want in self.wants:
            if self.may_leave(want):
                self.flying[want.slot] = want

    def go_on(self, steps: int) -> None:
        """Runs some steps without trouble; then announces and sends what is wanted."""
        for _ in range(steps):
            self.settle_all()
            self.read_one()
            self.checkpoint()
            self.leave()

    def settle_all(self) -> None:
        while self.flying:
            slot = min(self.flying)
            self.answer(slot, Settled(answer=self.market.carry_out(self.flying[slot])))

    def lose(self, fate: str) -> None:
        """Loses the answers to all calls in flight."""
        for slot, want in sorted(self.flying.items()):
            if fate == "at once":
                self.market.carry_out(want)
            self.late.append(LateSend(want, self.now_us + GRACE_US, fate == "late"))
            self.answer(slot, Lost(reason="no answer"))

    def give_up(self) -> None:
        for slot in sorted(self.flying):
            self.answer(slot, GaveUp(reason="429 eight times"))

    def pass_time(self, seconds: int) -> None:
        self.now_us += seconds * SECOND
        self.end_of_grace()
        if self.wake_at_us is not None and self.wake_at_us <= self.now_us:
            self.hear(Woken())

    def end_of_grace(self) -> None:
        """Executes the lost calls whose grace period is over, if they are executed at all."""
        for late in [late for late in self.late if late.until_us <= self.now_us]:
            self.late.remove(late)
            if late.happens:
                self.market.carry_out(late.want)

    def happens_there(self, order_unit_id: int, status: str) -> None:
        """Changes a unit's status at the marketplace; sent and cancelled units keep theirs."""
        before = self.market.status[order_unit_id]
        if before == "open" or (before == "need_to_be_sent" and status != "need_to_be_sent"):
            self.market.status[order_unit_id] = status

    def checkpoint(self) -> None:
        """Makes outputs and lane durable together; the record announces the wants that must not be repeated."""
        self.announced |= {want.slot for want in self.wants if want.once}
        self.durable = self.flow.store(self.lane)
        self.durable_read = self.read
        self.durable_announced = frozenset(self.announced)
        self.rows += self.said
        self.said = []

    def crash(self, happens: bool) -> None:
        """Restarts from durable state once calls in flight are over; ``happens``: they are executed before."""
        for want in self.flying.values() if happens else ():
            self.market.carry_out(want)
        self.flying = {}
        self.now_us += GRACE_US
        self.end_of_grace()
        self.said = []
        self.announced = set()
        self.flow = self.new_flow()
        self.lane = self.flow.load(ORDER, self.durable.value)
        self.wants, self.wake_at_us = (), None
        if self.durable.undone or self.durable_announced:
            self.hear(Restored(announced=self.durable_announced))
        self.read = self.durable_read

    def lose_the_state(self, happens: bool) -> None:
        """Crashes and loses the state topic as well; all events are read again."""
        self.durable, self.durable_read, self.durable_announced = Stored(value=None), 0, frozenset()
        self.was_lost = True
        self.crash(happens)

    # -- invariants

    def nothing_is_there_twice(self) -> None:
        assert all(times == 1 for times in self.market.parcels.values()), self.market.parcels
        assert all(times == 1 for times in self.market.sends.values())

    def what_is_undone_is_wanted_or_waits(self) -> None:
        if self.lane.undone and not self.flying:
            assert self.wants or self.wake_at_us is not None

    def finish(self) -> None:
        """Runs without trouble until nothing is undone; fails if that never happens."""
        for _ in range(400):
            self.read_one()
            self.leave()
            self.settle_all()
            self.checkpoint()
            if self.read == len(self.log) and not self.lane.undone:
                break
            self.pass_time(8)
        assert not self.lane.undone, "undone, and nothing will ever wake it"

    def check_results(self) -> None:
        """Asserts that each event has one result_id for each of its order units, and that results are true."""
        ids: dict[tuple[str, int | None], set[str]] = {}
        for row in self.rows:
            ids.setdefault((row["event_id"], row["order_unit_id"]), set()).add(row["result_id"])
        assert all(len(found) == 1 for found in ids.values()), ids
        for event in self.log:
            of_event = {order_unit_id for event_id, order_unit_id in ids if event_id == event.event_id}
            assert of_event
            assert not event.order_unit_ids or of_event == set(event.order_unit_ids)
        for row in self.rows:
            self.check_truth(row)

    def check_truth(self, row: dict[str, Any]) -> None:
        """Asserts that a result agrees with what was executed at the marketplace."""
        order_unit_id, status = row["order_unit_id"], row["status"]
        if order_unit_id == STRANGER:
            assert status in {"NOT_FOUND", "FAILED"}
        if status in SUCCESS:
            assert self.market.status[order_unit_id] == "sent"
        if row["code"] == "SENT_BY_ANOTHER" and not self.was_lost:
            assert not self.market.sends[order_unit_id], "what we sent is ours, whatever was lost"
        if status in {"CONFIRMED", "PARCEL_ADDED"}:
            assert all(self.market.parcels[order_unit_id, number] for number in row["tracking_numbers"])


REPEATS = st.one_of(
    st.tuples(st.just("write_again"), st.integers(0, 9)),
    st.tuples(st.just("read_again"), st.integers(0, 9)),
    st.tuples(st.just("say_again"), st.integers(0, 9), st.integers(-5, 0)),
    st.tuples(st.just("say_under_another_id"), st.integers(0, 9)),
)
EVENTS = st.tuples(
    st.just("arrive"),
    st.sampled_from([(), (1,), (1,), (2,), (1, 2), (3,), (1, STRANGER)]),
    st.lists(st.sampled_from(PARCELS), min_size=1, max_size=3, unique=True),
    st.integers(-5, 0),
)
NEWS = st.one_of(
    EVENTS,
    EVENTS,
    REPEATS,
    st.tuples(st.just("pass_time"), st.sampled_from([1, 8, 61, 300])),
    st.tuples(
        st.just("happens_there"), st.sampled_from(UNITS), st.sampled_from(["need_to_be_sent", "cancelled", "sent"])
    ),
)
FATES = st.sampled_from(
    [
        ("settle_all",),
        ("lose", "never"),
        ("lose", "at once"),
        ("lose", "late"),
        ("give_up",),
        ("crash", True),
        ("crash", False),
        ("lose_the_state", True),
        ("lose_the_state", False),
        ("read_one",),
    ]
)
"""What may happen to the calls in flight."""


BOX = Parcel(carrier="DHL", tracking_number="A")


@settings(max_examples=examples(120), deadline=None, suppress_health_check=list(HealthCheck))
@given(EVENTS, st.lists(st.tuples(NEWS, st.integers(0, 5), FATES), min_size=2, max_size=7))
@example(  # a send before a crash whose unit cannot be read afterwards; another event has the same parcel
    ("arrive", (), [BOX], 0), [(("arrive", (), [BOX], 0), 3, ("crash", True)), (("write_again", 0), 1, ("give_up",))]
)
def test_random_histories_confirm_nothing_twice_and_every_event_has_its_results(
    first: tuple[Any, ...], steps: list[tuple[tuple[Any, ...], int, tuple[Any, ...]]]
) -> None:
    history = ShipmentHistory()

    history.arrive(*first[1:])
    for news, well, fate in steps:
        for name, *given_with in (news, ("go_on", well), fate):
            getattr(history, name)(*given_with)
            history.nothing_is_there_twice()
            history.what_is_undone_is_wanted_or_waits()
    history.finish()

    history.nothing_is_there_twice()
    history.check_results()


def of_items(number: int, pieces: int) -> tuple[Any, ...]:
    """Returns an event with items and a parcel that no other event has."""
    return "arrive", (), [Parcel(carrier="DHL", tracking_number=f"N{number}")], 0, pieces


def of_unit(named: int) -> tuple[Any, ...]:
    """Returns an event that names a unit, with a parcel that no other event has."""
    return "arrive", (named,), [Parcel(carrier="DHL", tracking_number=f"U{named}")], 0


ITEM_NEWS = st.one_of(
    st.builds(of_items, st.integers(1, 1000), st.sampled_from([1, 1, 2])),
    st.builds(of_unit, st.sampled_from(UNITS)),
    REPEATS,
    REPEATS,
    st.tuples(st.just("pass_time"), st.sampled_from([8, 61, 300])),
    st.tuples(st.just("happens_there"), st.just(3), st.sampled_from(["need_to_be_sent", "cancelled"])),
)


@settings(max_examples=examples(80), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(ITEM_NEWS, st.integers(0, 5), FATES), min_size=2, max_size=7))
@example(  # the state is lost: the unit confirmed by the second parcel is taken for that of the first
    [(("write_again", 0), 3, ("give_up",)), (of_items(1, 1), 2, ("lose_the_state", True))]
)
def test_in_random_histories_a_parcel_confirms_no_more_units_than_it_holds(
    steps: list[tuple[tuple[Any, ...], int, tuple[Any, ...]]],
) -> None:
    history = ShipmentHistory()

    history.arrive(*of_items(0, 1)[1:])
    for news, well, fate in steps:
        for name, *given_with in (news, ("go_on", well), fate):
            getattr(history, name)(*given_with)
    history.finish()

    history.nothing_is_there_twice()
    history.check_results()
    pieces: dict[str, int] = {}
    for event in history.log:
        number = event.parcels[0].tracking_number or ""
        holds = sum(item.quantity for item in event.items) or len(event.order_unit_ids)
        pieces[number] = max(pieces.get(number, 0), holds)
    named = {identifier for event in history.log for identifier in event.order_unit_ids}
    explained = named if history.was_lost else set()  # after the loss of state, only the events tell
    confirmed = Counter(number for identifier, number in history.market.parcels if identifier not in explained)
    if history.was_lost:  # and which parcel confirmed a sent unit is not known: the sums hold, not the single parcels
        assert confirmed.total() <= sum(pieces.values()), (confirmed, pieces)
    else:
        assert all(times <= pieces[number] for number, times in confirmed.items()), (confirmed, pieces)
