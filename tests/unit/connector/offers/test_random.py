"""Random histories of one lane against the independent model: events, look-ups, answers, crashes, reloads at any point.

A history follows the engine's rules: one call in flight per slot and exclusive key; the content of a call does not
change; results and lane become durable together; after a crash, nothing is sent before everything that had been read is
read again.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.contracts.result_ids import result_id
from connector.controls.in_force import CommandSource, NoControls
from connector.marketplace.offers import Accepted, Condition, Field, FieldError, Found, LookUp, Refused, Unit
from connector.offers.events import OfferChanged, OfferResult, OfferWithdrawn, Price
from connector.offers.policy import OfferPolicy
from streams.flow import Answered, Arrived, GaveUp, Lost, Now, Settled, Want, Woken
from tests.harness.effort import examples
from tests.harness.offer_harness import AT, CLUSTER, DE, EAN, SECOND, START_US, TOPICS, RecordingCodecs, flow_of
from tests.unit.connector.offers import model
from tests.unit.connector.offers.model import InputRecord, ModelledStorefront, ModelledUnit

UNITS = (
    ModelledUnit(unit_id=1, account="main", storefront="de", ean=EAN, condition="NEW", offer_id="a",
           values={"price": 1000, "stock": 1, "handling_time": 2}),
    ModelledUnit(unit_id=2, account="main", storefront="at", ean=EAN, condition="NEW", offer_id="a",
           values={"price": 1100, "stock": 1, "handling_time": 2}),
    ModelledUnit(unit_id=3, account="main", storefront="de", ean=EAN, condition="USED_GOOD", offer_id="u",
           values={"price": 500, "stock": 0, "handling_time": 2}),
    ModelledUnit(unit_id=4, account="main", storefront="at", ean=EAN, condition="USED_GOOD", offer_id="v",
           values={"price": 500, "stock": 2, "handling_time": 2}),
    ModelledUnit(unit_id=5, account="main", storefront="at", ean=EAN, condition="USED_GOOD", offer_id="w",
           values={"price": 500, "stock": 2, "handling_time": 2}),
)  # fmt: skip
PLACES = {
    "shop-de": ModelledStorefront(account="main", storefront="de"),
    "shop-at": ModelledStorefront(account="main", storefront="at"),
}


@st.composite
def records(draw: st.DrawFn) -> list[InputRecord]:
    said = []
    for offset in range(draw(st.integers(1, 9))):
        at_us = START_US - draw(st.integers(0, 6)) * SECOND
        recorded_at_us = at_us + draw(st.integers(0, 3)) * SECOND
        if draw(st.integers(0, 3)) == 0:  # dated ahead of its record, and of later events with correct times
            at_us = recorded_at_us + draw(st.integers(1, 200)) * SECOND
        if draw(st.integers(0, 11)) == 0:
            said.append(InputRecord(partition=0, offset=offset, ean=EAN, occurred_at_us=recorded_at_us, values=None))
            continue
        target, condition, offer_id, unit_id = draw(
            st.sampled_from(
                [
                    ("shop-de", "NEW", None, None),
                    ("shop-de", "NEW", None, None),
                    ("shop-at", "NEW", None, None),
                    ("shop-at", "NEW", "a", None),
                    ("shop-de", "NEW", None, 1),
                    ("shop-de", "USED_GOOD", None, None),
                    ("shop-at", "USED_GOOD", "w", None),
                    ("shop-at", "USED_GOOD", None, None),
                    ("shop-de", "USED_GOOD", None, 1),
                    ("shop-de", "USED_VERY_GOOD", None, None),
                    ("shop-fr", "NEW", None, None),
                ]
            )
        )
        values = {
            name: draw(st.sampled_from([0, 1, 2, 3] if name == "stock" else [100, 200, 1000]))
            for name in draw(st.sets(st.sampled_from(["price", "stock"]), min_size=1))
        }
        said.append(
            InputRecord(
                partition=0,
                offset=offset,
                ean=EAN,
                occurred_at_us=at_us,
                recorded_at_us=recorded_at_us,
                sequence=draw(st.none() | st.integers(-1, 1)),
                target_id=target,
                condition=condition,
                offer_id=offer_id,
                unit_id=unit_id,
                values=values,
            )
        )
    return said


def event_of(said: InputRecord) -> OfferChanged | OfferWithdrawn:
    position: dict[str, Any] = {
        "key": EAN, "input_topic": TOPICS.offer_changes, "partition": said.partition, "offset": said.offset,
    }  # fmt: skip
    if said.values is None:
        return OfferWithdrawn(record_time_us=said.occurred_at_us, **position)
    assert said.recorded_at_us is not None
    price = said.values.get("price")
    return OfferChanged(
        event_id=f"e{said.offset}",
        occurred_at_us=said.occurred_at_us,
        source="test",
        ean=EAN,
        sequence=said.sequence,
        target_id=said.target_id,
        condition=said.condition,
        offer_id=said.offer_id,
        unit_id=said.unit_id,
        price=Price(amount=Decimal(price).scaleb(-2), currency="EUR") if price is not None else None,
        stock=said.values.get("stock"),
        record_time_us=said.recorded_at_us,
        **position,
    )


@dataclass
class OfferHistory:
    """A lane with its engine and its marketplace, driven step by step.

    ``durable`` is the last checkpoint: state record, input position, number of results.
    """

    said: list[InputRecord]
    codecs: RecordingCodecs = field(default_factory=RecordingCodecs)
    held: dict[int, dict[str, int]] = field(default_factory=lambda: {u.unit_id: dict(u.values) for u in UNITS})
    accepted: dict[tuple[int, str], model.Recency] = field(default_factory=dict)
    in_flight: list[Want] = field(default_factory=list)
    wants: tuple[Want, ...] = ()
    wake_at_us: int | None = None
    now_us: int = START_US
    position: int = 0
    read_before: int = 0
    durable: tuple[bytes | None, int, int] = (None, 0, 0)
    writes: int = 0
    applied: set[str] = field(default_factory=set)  # result ids; the marketplace does not refuse what it accepted once
    failed: bool = False
    hides: bool = False  # whether look-ups show no values
    commands: CommandSource = field(default_factory=NoControls)

    def __post_init__(self) -> None:
        policy = OfferPolicy(not_found_grace_s=5, recheck_s=50_000)
        self.flow = flow_of(DE, AT, codecs=self.codecs, policy=policy, commands=self.commands)
        self.lane = self.flow.load(EAN, None)

    # -- what the engine does

    def hear(self, cause: Any) -> None:
        turn = self.flow.turn(self.lane, cause, Now(mono_s=0.0, wall_us=self.now_us))
        self.lane, self.wants, self.wake_at_us = turn.lane, turn.wants, turn.wake_at_us
        slots = [want.slot for want in turn.wants]
        assert len(slots) == len(set(slots))

    def deliver(self) -> None:
        if self.position < len(self.said):
            self.hear(Arrived(lane=EAN, event=event_of(self.said[self.position])))
            self.position += 1
            self.read_before = max(self.read_before, self.position)

    def may_send(self) -> list[Want]:
        """Returns the wants that may be sent: none before everything that was read before a crash is read again."""
        if self.position < self.read_before:
            return []
        slots = {want.slot for want in self.in_flight}
        keys = {key for want in self.in_flight for key in want.exclusive}
        return [w for w in self.wants if w.slot not in slots and not keys.intersection(w.exclusive)]

    def checkpoint(self) -> None:
        self.durable = (self.flow.store(self.lane).value, self.position, len(self.codecs.results))

    def reload(self) -> None:
        self.lane = self.flow.load(EAN, self.flow.store(self.lane).value)

    def crash(self, draw: Any) -> None:
        """Restarts from the last checkpoint; each update in flight is executed or not."""
        for want in self.in_flight:
            if not isinstance(want.body, LookUp) and draw(st.booleans()):
                self.apply(want)
        self.in_flight.clear()
        stored, self.position, count = self.durable
        del self.codecs.results[count:]
        self.lane = self.flow.load(EAN, stored)
        self.hear(Woken())

    # -- what the marketplace does

    def apply(self, want: Want) -> Unit:
        """Executes an update; asserts that no older event is accepted after a newer one."""
        body = want.body
        for carried in body.carried:
            event = next(s for s in self.said if _id(s) == carried.result_id)
            assert event.values is not None
            assert event.values[carried.field] == carried.value
            group = [u for u in UNITS if u.offer_id == body.offer_id] if carried.field is Field.STOCK else []
            for unit_id in {body.unit_id, *(u.unit_id for u in group)}:
                key = (unit_id, str(carried.field))
                assert event.order >= self.accepted.get(key, event.order), f"older over newer: {event}"
                self.accepted[key] = event.order
                self.applied.add(carried.result_id)
                self.held[unit_id][carried.field] = carried.value
        assert {c.field for c in body.carried} == set(body.values)
        self.writes += 1
        return self.shown(body.unit_id)

    def shown(self, unit_id: int) -> Unit:
        listed = next(u for u in UNITS if u.unit_id == unit_id)
        return Unit(
            unit_id=unit_id,
            storefront=listed.storefront,
            condition=Condition(listed.condition),
            offer_id=listed.offer_id,
            status="AVAILABLE",
            values={Field(name): value for name, value in self.held[unit_id].items()},
        )

    def answer(self, want: Want, outcome: str) -> None:
        self.in_flight.remove(want)
        sent_us = self.now_us
        self.now_us += 1000
        self.hear(
            Answered(
                want=want, reply=self.reply(want, outcome), call_id="c", attempts=1, sent_us=sent_us,
                answered_us=self.now_us,
            )
        )  # fmt: skip

    def reply(self, want: Want, outcome: str) -> Settled | Lost | GaveUp:
        if isinstance(want.body, LookUp):
            if outcome == "gives up":
                self.failed = True
                return GaveUp(reason="503")
            units = [self.shown(u.unit_id) for u in UNITS if u.storefront == want.body.storefront]
            if self.hides:
                units = [replace(unit, values={}) for unit in units]
            return Settled(answer=Found(units=tuple(units)))
        match outcome:
            case "lost":
                return Lost(reason="reset")
            case "lost but applied":
                self.apply(want)
                return Lost(reason="reset")
            case "gives up" | "gives up but applied":
                self.failed = True
                if outcome == "gives up but applied":
                    self.apply(want)
                return GaveUp(reason="503")
            case "refused" | "refused by name" if not self.applied.intersection(c.result_id for c in want.body.carried):
                self.failed = True
                names = want.body.carried[-1:] if outcome == "refused by name" else ()
                errors = tuple(FieldError(field=c.field, name=c.field, message="no") for c in names)
                return Settled(answer=Refused(code="V", http_status=400, type=None, message="no", errors=errors))
            case _:
                return Settled(answer=Accepted(unit=self.apply(want), http_status=200))

    # -- the end

    def drain(self) -> None:
        """Reads, answers and waits until nothing is left to do; raises AssertionError if that never happens."""
        for _ in range(200):
            while self.position < len(self.said):
                self.deliver()
            for want in list(self.in_flight):
                self.answer(want, "accepted")
            if ready := self.may_send():
                self.in_flight.append(ready[0])
            elif not self.in_flight:
                if self.wake_at_us is None or self.wake_at_us > START_US + 10_000 * SECOND:
                    return
                self.now_us = max(self.now_us, self.wake_at_us)
                self.hear(Woken())
        raise AssertionError(f"no rest: {self.wants}")

    def replay(self) -> list[OfferResult]:
        """Reads all input again with the state kept; returns the new results."""
        count = len(self.codecs.results)
        for said in self.said:
            self.hear(Arrived(lane=EAN, event=event_of(said)))
        self.drain()
        return self.codecs.results[count:]


def _id(said: InputRecord) -> str:
    return result_id(CLUSTER, TOPICS.offer_changes, said.partition, said.offset)


OUTCOMES = ["accepted"] * 5 + [
    "lost",
    "lost but applied",
    "gives up",
    "gives up but applied",
    "refused",
    "refused by name",
]
GENTLE = ["accepted"] * 3 + ["lost", "lost but applied"]


MOVES = ["deliver", "deliver", "send", "send", "answer", "answer", "save", "reload", "crash", "wait"]


def play(said: list[InputRecord], data: st.DataObject, outcomes: list[str]) -> OfferHistory:
    history = OfferHistory(said, hides=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(0, 30))):
        move(history, data.draw(st.sampled_from(MOVES)), data, outcomes)
    history.drain()
    return history


def move(history: OfferHistory, name: str, data: st.DataObject, outcomes: list[str]) -> None:
    match name:
        case "deliver":
            history.deliver()
        case "send" if ready := history.may_send():
            history.in_flight.append(data.draw(st.sampled_from(ready)))
        case "answer" if history.in_flight:
            history.answer(data.draw(st.sampled_from(history.in_flight)), data.draw(st.sampled_from(outcomes)))
        case "save":
            history.checkpoint()
        case "reload" if not history.in_flight:
            history.reload()
        case "crash":
            history.crash(data.draw)
        case "wait":
            history.now_us += 6 * SECOND
            history.hear(Woken())
        case _:  # nothing to send, to answer or to reload
            pass


def check_results(history: OfferHistory, expected: model.Expected) -> None:
    rows = history.codecs.results
    for said in history.said:
        mine = [row for row in rows if row.result_id == _id(said)]
        announced = [row for row in mine if row.status == "NOT_FOUND" and row.origin != "RECHECK"]
        closing = [row for row in mine if row not in announced]
        assert len(announced) <= 1
        assert len(closing) == (1 if not announced else len(closing))
        assert len(closing) <= 1, f"more than one terminal result: {mine}"
        if announced and closing:
            assert closing[0].origin == "RECHECK"
        if not history.failed:
            assert {row.status.value for row in mine} <= expected.statuses[said.position], (mine, said)
            for row in mine:
                for one in row.fields:
                    assert one.status.value in expected.fields[said.position, one.field], (row, said)
    assert Counter(row.result_id for row in rows).keys() == {_id(said) for said in history.said}


def check_end_state(history: OfferHistory, expected: model.Expected) -> None:
    ends = {(row.result_id, f.field): f.status for row in history.codecs.results for f in row.fields}
    for (unit_id, name), allowed in expected.values.items():
        if not history.failed:
            assert history.held[unit_id][name] in allowed, f"unit {unit_id} {name}: {history.held[unit_id]} {allowed}"
    if history.failed:
        for said in history.said:
            assert all((_id(said), name) in ends for name in said.values or ())


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_with_lost_answers_and_crashes_the_final_state_is_that_of_the_model(
    said: list[InputRecord], data: st.DataObject
) -> None:
    history = play(said, data, GENTLE)
    expected = model.expect(UNITS, PLACES, said)

    check_results(history, expected)
    check_end_state(history, expected)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_with_random_refusals_every_event_ends_once_and_in_order(said: list[InputRecord], data: st.DataObject) -> None:
    history = play(said, data, OUTCOMES)

    check_results(history, model.expect(UNITS, PLACES, said))


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_replaying_everything_writes_nothing_and_repeats_the_result_ids(
    said: list[InputRecord], data: st.DataObject
) -> None:
    said = [one for one in said if one.values is not None]
    history = play(said, data, GENTLE)
    writes = history.writes
    known_to = history.lane.last_offset  # a lane without any fact does not store it

    again = history.replay()

    assert history.writes == writes
    assert sorted(row.result_id for row in again) == sorted(map(_id, said))
    assert all(row.origin == "REPLAY" for row in again if row.input_offset <= known_to)
