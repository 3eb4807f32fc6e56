"""The offer flow in the engine, with a daily budget that is too small for its events."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from typing import Any

from connector.marketplace.daily_budget import daily_budget, day_of
from connector.marketplace.offers import Accepted, Field, Found
from connector.offers.events import OfferState
from connector.offers.gtin import check_digit
from streams.flow import Answer, Assignment, Call, Now, Record, Settled, Stored
from streams.policy import Pace
from streams.telemetry import Telemetry
from tests.harness.engine_driver import EngineDriver
from tests.harness.offer_harness import DE, REFERENCE, START_US, TOPICS, OfferHarness, flow_of, unit

CALLS = 100
DAY = day_of(START_US, UTC)
ONE_AT_A_TIME = replace(REFERENCE, bulk_limit=1)


def eans(first: int, count: int) -> list[str]:
    bodies = (f"4{number:011d}" for number in range(first, first + count))
    return [body + check_digit(body) for body in bodies]


CATALOGUE = eans(0, 80)
UNKNOWN = eans(1_000, 90)


def known() -> dict[str, Stored]:
    """Returns the stored state of every offer of the catalogue: price 10.00, stock 3."""
    shop = OfferHarness(flow_of(DE), now_us=DAY.start_us).known(unit(7, price=1000, stock=3))
    first: OfferState = pickle.loads(shop.flow.store(shop.lane).value or b"")
    [its] = first.units
    return {
        ean: Stored(value=pickle.dumps(replace(first, ean=ean, units=(replace(its, unit_id=number),), last_offset=-1)))
        for number, ean in enumerate(CATALOGUE, 1)
    }


class LimitedShop:
    """A process that makes one call for each change, with a driver that answers all of them."""

    def __init__(self, observer: Telemetry | None = None) -> None:
        pace = Pace(per_second=100.0, reserve=0.0, quota=daily_budget(CALLS, UTC))
        flow = flow_of(DE, reference=ONE_AT_A_TIME)
        self.driver = EngineDriver(flow=flow, paces={"main": pace}, observer=observer)
        self.driver.now = Now(mono_s=100.0, wall_us=DAY.start_us)
        self.at: Assignment = self.driver.opened(topic=TOPICS.offer_changes, state=known())
        self.offset = 0
        self.seen = 0

    def change(self, ean: str, **values: Any) -> None:
        made = OfferHarness(flow_of(DE), ean=ean, now_us=self.driver.now.wall_us).make(offset=self.offset, **values)
        self.driver.arrive(
            Record(
                at=self.at,
                offset=self.offset,
                key=ean.encode(),
                value=pickle.dumps(made),
                time_us=self.driver.now.wall_us,
            )
        )
        self.offset += 1

    def calls(self, seconds: float = 5.0) -> list[Call]:
        """Answers all calls for a while, and returns those made since the last time."""
        for _ in range(round(seconds / 0.05)):
            for call in tuple(self.driver.calls):
                self.answer(call)
            self.driver.step(0.05)
        made = self.driver.of(Call)[self.seen :]
        self.seen += len(made)
        return made

    def answer(self, call: Call) -> None:
        self.driver.calls.remove(call)
        now = self.driver.now
        self.driver.feed(
            Answer(
                call=call,
                replies=tuple(replies(call)),
                sent_s=now.mono_s,
                answered_s=now.mono_s,
                sent_us=now.wall_us,
                answered_us=now.wall_us,
            )
        )

    @property
    def statuses(self) -> list[str]:
        rows = [pickle.loads(value) for _, value in self.driver.topics.get(TOPICS.offer_results, [])]
        return [row.status.value for row in rows]


def replies(call: Call) -> Iterator[Settled]:
    """Yields the answers of a marketplace that has nothing but the catalogue, and accepts everything."""
    for item in call.items:
        if call.kind == "lookup:de":
            yield Settled(answer=Found(units=()))
        else:
            its = unit(item.body.unit_id)
            accepted = replace(its, values={**its.values, **item.body.values})
            yield Settled(answer=Accepted(unit=accepted, http_status=200))


def test_look_ups_give_way_before_prices_prices_before_stock_and_stock_to_zero_comes_last() -> None:
    shop = LimitedShop()
    for ean in UNKNOWN:
        shop.change(ean, price="12.00")
    assert [call.kind for call in shop.calls()] == ["lookup:de"] * 80

    for ean in CATALOGUE[:20]:
        shop.change(ean, price="12.00")
    assert len(shop.calls()) == 10

    for ean in CATALOGUE[20:40]:
        shop.change(ean, stock=9)
    assert len(shop.calls()) == 5

    for ean in CATALOGUE[40:60]:
        shop.change(ean, stock=2)
    assert len(shop.calls()) == 3

    for ean in CATALOGUE[60:]:
        shop.change(ean, stock=0)
    last = shop.calls()
    assert [item.body.values for call in last for item in call.items] == [{Field.STOCK: 0}] * 2

    account = shop.driver.engine.snapshot(shop.driver.now).accounts["main"]
    assert account.quota is not None
    assert (account.quota.used, len(account.quota.waiting)) == (CALLS, 5)
    assert shop.calls(60.0) == []


def test_what_waited_for_the_day_to_turn_is_sent_then_and_stock_to_zero_before_all_else() -> None:
    shop = LimitedShop()
    for ean in UNKNOWN[:80]:
        shop.change(ean, price="12.00")
    shop.calls()
    for ean in CATALOGUE[:60]:
        shop.change(ean, stock=0)
    assert len(shop.calls()) == 20
    for ean in CATALOGUE[60:70]:
        shop.change(ean, price="12.00")
    assert shop.calls() == []

    shop.driver.step((DAY.end_us - shop.driver.now.wall_us) / 1e6)
    updates = [item.body.values for call in shop.calls() if call.kind == "update:de" for item in call.items]

    assert updates == [*[{Field.STOCK: 0}] * 40, *[{Field.PRICE: 1200}] * 10]
    assert shop.statuses.count("APPLIED") == 70
