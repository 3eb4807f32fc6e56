"""A source that publishes its whole catalogue each night causes no call for unchanged offers. Uses Avro messages."""

import pickle
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import pytest

import schemas
from connector.contracts.codec import SchemaIds
from connector.offers.codec import OfferCodecs
from connector.offers.events import OfferState
from connector.offers.gtin import check_digit
from connector.offers.producer_kit import ProducerKit
from streams.flow import Assignment, Now, Record, Stored
from streams.policy import Pace
from tests.harness.engine_driver import EngineDriver
from tests.harness.offer_harness import DE, SECOND, START_US, TOPICS, OfferHarness, flow_of, unit

BATCH = 1_000


def eans(count: int) -> list[str]:
    bodies = (f"4{number:011d}" for number in range(count))
    return [body + check_digit(body) for body in bodies]


CHANGED_ID = 1
CODECS = OfferCodecs(
    SchemaIds(values={"offer_result": 2, "offer_not_found": 3, "offer_state": 4, "marketplace_called": 5}),
    {CHANGED_ID: schemas.text("offer_changed", schemas.newest("offer_changed"))}.get,
)
KIT = ProducerKit(CHANGED_ID)
RESULT: Any = fastavro.parse_schema(schemas.load("offer_result", schemas.newest("offer_result")))


def known(catalogue: list[str]) -> dict[str, Stored]:
    """Returns the stored state of every offer: price 10.00, stock 3, known since one second before the events."""
    shop = OfferHarness(flow_of(DE)).known(unit(7, price=1000, stock=3))
    first: OfferState = pickle.loads(shop.flow.store(shop.lane).value or b"")
    [its] = first.units
    return {
        ean: Stored(
            value=CODECS.encode_state(replace(first, ean=ean, units=(replace(its, unit_id=n),), last_offset=-1))
        )
        for n, ean in enumerate(catalogue)
    }


def record(at: Assignment, ean: str, offset: int, now_us: int) -> Record:
    payload = {"event_id": f"e{offset}", "occurred_at_us": now_us, "ean": ean, "target_id": "shop-de"}
    key, value = KIT.message({**payload, "condition": "NEW", "price": (Decimal("10.00"), "EUR"), "stock": 3})
    return Record(at=at, offset=offset, key=key, value=value, time_us=now_us)


def result_of(value: bytes) -> dict[str, Any]:
    read: Any = fastavro.schemaless_reader(BytesIO(value[5:]), RESULT, None)
    return dict(read)


@pytest.mark.slow
def test_20_000_unchanged_offers_make_no_call_and_one_unchanged_result_each() -> None:
    unchanged_offers_make_no_call_and_one_unchanged_result_each(20_000)


def test_2_000_unchanged_offers_make_no_call_and_one_unchanged_result_each() -> None:
    unchanged_offers_make_no_call_and_one_unchanged_result_each(2_000)


def unchanged_offers_make_no_call_and_one_unchanged_result_each(offers: int) -> None:
    catalogue = eans(offers)
    driver = EngineDriver(flow=flow_of(DE, codecs=CODECS), paces={"main": Pace()})
    driver.now = Now(mono_s=100.0, wall_us=START_US + SECOND)
    at = driver.opened(topic=TOPICS.offer_changes, state=known(catalogue))

    for first in range(0, offers, BATCH):
        numbers = range(first, first + BATCH)
        driver.arrive(*(record(at, catalogue[number], number, driver.now.wall_us) for number in numbers))
        driver.step(0.1)
    driver.run(5.0, answer=None)

    assert driver.calls == []
    results = [result_of(value) for _, value in driver.topics[TOPICS.offer_results]]
    assert Counter(result["status"] for result in results) == {"UNCHANGED": offers}
    assert len({result["result_id"] for result in results}) == offers
