"""Seeded histories of a cold start: the process is killed in the middle, and units come and go while they are listed.

Whatever happens: every event has a result, the marketplace ends with the values of the newest events, no older value is
written after a newer one, and nothing is written to a unit that a look-up would not have chosen.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from connector.marketplace.offers import Condition, Field, Unit
from connector.offers.cold_start import ColdStartState
from streams.flow import Assignment, Now, Record
from tests.harness.cold_shop import TOPICS, ColdEngine, ColdShop, UnitsLog, change, results
from tests.harness.effort import examples
from tests.harness.offer_harness import START_US, unit
from tests.unit.connector.offers.test_full_catalogue import eans

OFFERS = 130
SEEDS = range(examples(60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An event: its EAN, and its price in cents or its stock, which no other event of the EAN has, unless it is 0."""

    ean: str
    name: Field
    value: int


@dataclass(slots=True)
class History:
    """One history. ``said`` are all events in their order; the first ``early`` of them arrive before the sweep."""

    seed: int
    rng: random.Random = field(init=False)
    shop: ColdShop = field(init=False)
    log: UnitsLog = field(default_factory=UnitsLog)
    said: list[Said] = field(init=False)
    early: int = field(init=False)
    at: Assignment = field(init=False)
    engine: ColdEngine = field(init=False)
    arrived: int = 0
    states: Counter[str] = field(default_factory=Counter)
    read: int = 0  # results
    status_of: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        catalogue = eans(OFFERS)
        self.shop = ColdShop(dict(self._units(catalogue)))
        self.said = self._events(catalogue[:40] + eans(OFFERS + 3)[OFFERS:])
        self.early = len(self.said) - self.rng.randrange(10)
        if self.rng.random() < 0.3:
            spare = self.shop.by_ean[catalogue[50]][0]
            self.shop.between_pages = lambda shop, offset: shop.delete(spare) if offset else None

    def _units(self, catalogue: list[str]) -> Any:
        for number, ean in enumerate(catalogue, 1):
            kind = self.rng.random()
            if kind < 0.9:
                yield number, self._unit(number, ean)
            if kind > 0.8:
                yield number + 1_000, self._unit(number + 1_000, ean)  # for some of them a second one
            if kind < 0.1:
                yield number + 2_000, self._unit(number + 2_000, ean, Condition.USED_GOOD)

    def _unit(self, number: int, ean: str, condition: Condition = Condition.NEW) -> Unit:
        return unit(number, "de", condition, f"sku-{number}", price=self.rng.choice([100, 101]), stock=3, eans=(ean,))

    def _events(self, catalogue: list[str]) -> list[Said]:
        said: list[Said] = []
        for number in range(1, 4):
            for ean in catalogue:
                if self.rng.random() < 0.6:
                    if self.rng.random() < 0.7:
                        said.append(Said(ean=ean, name=Field.PRICE, value=99 + number))
                    else:
                        stock = self.rng.choice([0, 2 + number])
                        said.append(Said(ean=ean, name=Field.STOCK, value=stock))
        return said

    # ---- what happens -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        self._begin()
        self._arrive(self.early)
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            for _ in range(self.rng.randrange(120)):
                self.engine.turn_sometimes_durable(self.rng)
            self._crash()
        self._arrive(len(self.said))
        self.engine.auto = True
        if self.engine.unwritten:
            self.engine.write(self.engine.unwritten.pop())
        self.engine.serve(lambda: len(self.ended()) == len(self.said), within_s=4000.0)
        self.states.update(choice.state for choice in self.engine.cold.choices().values())

    def _begin(self, before: ColdEngine | None = None) -> None:
        self.engine = ColdEngine(self.shop, self.log, per_second=20.0, latency_s=self.rng.choice([0.0, 0.03]))
        self.engine.auto = False
        if before is None:
            for topic in (TOPICS.offer_changes, TOPICS.scheduler):
                at = self.engine.assign(topic=topic)
                self.at = at if topic == TOPICS.offer_changes else self.at
            return
        self.engine.now = Now(mono_s=before.now.mono_s + 5.0, wall_us=before.now.wall_us + 5_000_000)
        self.engine.topics = before.topics
        marks = {at.topic: mark for at, mark in before.marks.items()}
        states = {TOPICS.scheduler: True, TOPICS.offer_changes: False}
        for topic in (TOPICS.offer_changes, TOPICS.scheduler):
            state = {key: value for key, value in before.state.items() if ("/" in key) is states[topic]}
            end = self.arrived if topic == TOPICS.offer_changes else 0
            at = self.engine.assign(topic=topic, mark=marks.get(topic), state=state, end=end)
            self.engine.state.update(state)
            if topic == TOPICS.offer_changes:
                self.at = at
                read = marks[topic].position if topic in marks else 0
                count, self.arrived = self.arrived, read
                self._arrive(count)

    def _crash(self) -> None:
        """Kills the process: the checkpoint under way is lost, and of the calls under way some take effect."""
        before = self.engine
        for _, call, _ in before.under_way:
            if self.rng.random() < 0.5:
                for item in call.items:
                    self.shop.answer(item)
        self._begin(before)

    def _arrive(self, count: int) -> None:
        events = [self._record(n) for n in range(self.arrived, count)]
        self.arrived = max(count, self.arrived)
        if events:
            self.engine.arrive(*events, end=self.arrived)

    def _record(self, number: int) -> Record:
        one = self.said[number]
        value: dict[str, Any] = (
            {"price": f"{one.value // 100}.{one.value % 100:02}"} if one.name is Field.PRICE else {"stock": one.value}
        )
        return change(self.at, one.ean, number, START_US + number, **value)

    # ---- what became of it ------------------------------------------------------------------------------------------

    def ended(self) -> dict[int, str]:
        """Returns the status of the newest result by event."""
        rows = results(self.engine, self.read)
        for row in rows:
            self.status_of[int(row["event_id"][1:])] = row["status"]
        self.read += len(rows)
        return self.status_of

    def chosen(self, ean: str) -> list[int]:
        """Returns the units that a look-up would have found for the events, which ask for new ones."""
        return [
            one
            for one in self.shop.by_ean.get(ean, ())
            if one in self.shop.units and self.shop.units[one].condition is Condition.NEW
        ]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_at_a_cold_start_the_marketplace_ends_as_the_newest_events_want(seed: int) -> None:
    history = History(seed)
    history.run()

    ended = history.ended()
    newest = {(one.ean, one.name): (number, one.value) for number, one in enumerate(history.said)}
    for (ean, name), (number, value) in newest.items():
        units = history.chosen(ean)
        if len(units) == 1:
            assert history.shop.units[units[0]].values[name] == value, (ean, name)
            assert ended[number] in ("APPLIED", "UNCHANGED"), (ean, name)
        else:
            assert ended[number] == ("AMBIGUOUS" if units else "NOT_FOUND"), (ean, name)
    wanted = {history.chosen(one.ean)[0] for one in history.said if len(history.chosen(one.ean)) == 1}
    assert {unit_id for unit_id, _, _ in history.shop.writes} <= wanted
    for unit_id in wanted:
        prices = [value for one, name, value in history.shop.writes if (one, name) == (unit_id, Field.PRICE)]
        assert prices == sorted(prices), "an older price was written after a newer one"


def test_the_histories_use_sweeps_and_give_them_up() -> None:
    """The property above says little of sweeps if none were used."""
    states: Counter[str] = Counter()
    for seed in range(12):
        history = History(seed)
        history.run()
        states.update(history.states)

    assert states[ColdStartState.USED] >= 2, states
    assert states[ColdStartState.NOT_WHOLE] >= 1, states
