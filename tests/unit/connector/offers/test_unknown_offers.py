"""Look-ups of many offers that are not listed do not delay other calls, counted in virtual time."""

from collections import Counter
from typing import Any

from connector.marketplace.offers import Accepted, Found, LookUp
from connector.offers.gtin import check_digit
from connector.offers.policy import OfferPolicy
from streams.flow import Answer, Call, Record, Settled
from streams.policy import Pace
from tests.harness.engine_driver import EngineDriver
from tests.harness.offer_harness import DE, TOPICS, OfferHarness, PlainCodecs, flow_of, unit

UNKNOWN = 600
PER_SECOND = 20


def ean(number: int) -> str:
    body = f"4{number:011d}"
    return body + check_digit(body)


class Arriving(PlainCodecs):
    """Codecs that return the events of ``EVENTS`` instead of decoding bytes."""

    def decode_changed(self, record: Record) -> Any:
        return EVENTS[record.offset]


EVENTS: dict[int, Any] = {}
LISTED = 10
"""Offers with numbers below this are listed."""


def answer(call: Call, driver: EngineDriver) -> None:
    body = call.items[0].body
    if isinstance(body, LookUp):
        listed = [number for number in range(LISTED) if ean(number) == body.ean]
        reply = Settled(answer=Found(units=tuple(unit(number + 1, stock=99) for number in listed)))
    else:
        reply = Settled(answer=Accepted(unit=None, http_status=200))
    driver.calls.remove(call)
    driver.feed(
        Answer(
            call=call, replies=(reply,) * len(call.items), sent_s=driver.now.mono_s, answered_s=driver.now.mono_s,
            sent_us=driver.now.wall_us, answered_us=driver.now.wall_us,
        )
    )  # fmt: skip


def run(driver: EngineDriver, seconds: float) -> list[Call]:
    """Lets time pass, answers all calls at once, and returns them."""
    made: list[Call] = []
    until_s = driver.now.mono_s + seconds
    while driver.now.mono_s < until_s:
        for call in tuple(driver.calls):
            made.append(call)
            answer(call, driver)
        driver.step(min(0.05, until_s - driver.now.mono_s))
    return made


def say(driver: EngineDriver, at: Any, *numbers: int, **said: Any) -> None:
    records = []
    for number in numbers:
        desk = OfferHarness(FLOW, ean=ean(number), now_us=driver.now.wall_us)
        offset = driver.next_offset
        driver.next_offset += 1
        EVENTS[offset] = desk.make(offset=offset, **said)
        records.append(Record(at=at, offset=offset, key=ean(number).encode(), value=b"x", time_us=driver.now.wall_us))
    driver.arrive(*records)


FLOW = flow_of(DE, codecs=Arriving(), policy=OfferPolicy())


def test_missing_offers_take_no_call_that_another_offer_waits_for() -> None:
    driver = EngineDriver(flow=FLOW, paces={"main": Pace(per_second=PER_SECOND, reserve=0)})
    at = driver.opened(topic=TOPICS.offer_changes)
    say(driver, at, *range(LISTED), stock=7)
    run(driver, 5)
    unknown = range(LISTED, LISTED + UNKNOWN)
    say(driver, at, *unknown, stock=7)
    run(driver, 2 * UNKNOWN / PER_SECOND)

    say(driver, at, *unknown, stock=0)  # like a nightly catalogue with no stock left of any
    waited: list[int] = []
    background = 0
    for turn in range(20):
        say(driver, at, turn % LISTED, stock=6 - turn // LISTED)
        made = run(driver, 1.0)
        kinds = [call.kind for call in made]
        waited.append(kinds.index("update:de"))
        background += kinds.count("lookup:de")

    assert max(waited) <= 2, "of the others one has left already, and one may be theirs by their share"
    assert driver.notices == []
    assert background >= 20 * PER_SECOND * 0.8, "what nobody else wants is theirs"


def test_an_offer_that_is_never_listed_is_looked_up_ten_times_on_its_first_day() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9)
    until_us = shop.now_us + 24 * 3_600 * 1_000_000

    while shop.now_us < until_us:
        if shop.wants:
            shop.found()
        elif shop.wake_at_us is not None:
            shop.pass_s((shop.wake_at_us - shop.now_us) / 1e6)

    assert Counter(result.status for result in shop.results) == {"NOT_FOUND": 1}
    assert shop.calls == 2 + 5 + 3
