"""A sweep of a whole catalogue, through the engine: what is as it was accepted costs no call, record or drift."""

import pickle
from dataclasses import replace
from decimal import Decimal

import pytest

import schemas
from connector.contracts.codec import SchemaIds
from connector.contracts.headers import Stamp
from connector.offers.codec import OfferCodecs
from connector.offers.cold_start import NO_COLD_STARTS
from connector.offers.events import OfferState
from connector.offers.swept_units import SweptUnits
from connector.reconciliation.codec import UnitRows, unit_reader
from connector.reconciliation.events import UnitObserved
from streams.flow import Now, Stored
from streams.policy import Pace
from tests.harness.engine_driver import EngineDriver
from tests.harness.offer_harness import DE, SECOND, START_US, TOPICS, OfferHarness, flow_of, unit
from tests.unit.connector.offers.test_full_catalogue import eans

IDS = SchemaIds(values={name: number for number, name in enumerate(sorted(schemas.NAMES), 1)})
CODECS = OfferCodecs(IDS, lambda _: None)
ROWS = UnitRows(IDS, topic=TOPICS.units, partitions=1, stamp=Stamp(source="/s", instance_id="i", config_digest="0"))
ACCEPTED = {"price": Decimal("20.00"), "currency": "EUR", "stock": 5, "handling_time_days": 3}
HOUR = 3600 * SECOND


def accepted(catalogue: list[str]) -> dict[str, Stored]:
    """Returns the stored state of every offer: the values of ACCEPTED, accepted an hour before the sweep."""
    shop = OfferHarness(flow_of(DE))
    shop.event(price="20.00", stock=5, handling_time_days=3)
    shop.found(unit(1, price=1000))
    shop.accept()
    state: OfferState = pickle.loads(shop.flow.store(shop.lane).value or b"")
    [its] = state.units
    return {
        ean: Stored(value=CODECS.encode_state(replace(state, ean=ean, units=(replace(its, unit_id=number),))))
        for number, ean in enumerate(catalogue, 1)
    }


def row(ean: str, number: int, now_us: int, **shown: object) -> bytes:
    seen = UnitObserved(
        ean=ean,
        account="main",
        storefront="de",
        unit_id=number,
        condition="NEW",
        requested_at_us=now_us,
        observed_at_us=now_us,
        sweep_at_us=now_us,
        **{**ACCEPTED, **shown},  # type: ignore[arg-type]
    )
    return ROWS.output(seen).value or b""


def swept(offers: int, edited: dict[int, dict[str, object]]) -> EngineDriver:
    """Returns an engine after a sweep has shown every offer; ``edited``: what differs, by the number of the offer."""
    catalogue = eans(offers)
    units = SweptUnits(TOPICS.units, unit_reader(IDS, lambda _: None), NO_COLD_STARTS)
    driver = EngineDriver(flow=flow_of(DE, codecs=CODECS), paces={"main": Pace()}, side_inputs=units)
    driver.now = Now(mono_s=100.0, wall_us=START_US + HOUR)
    log = driver.side_log(TOPICS.units)
    log.add(*(row(ean, n, driver.now.wall_us, **edited.get(n, {})) for n, ean in enumerate(catalogue, 1)))
    driver.opened(topic=TOPICS.offer_changes, state=accepted(catalogue))
    for _ in range(offers):
        driver.run(0.5, answer=None)
        if (
            max((mark.side["units"].position for mark in driver.marks.values() if "units" in mark.side), default=0)
            == offers
        ):
            break
    return driver


def test_2_000_units_as_they_were_accepted_are_no_drift_and_write_no_state() -> None:
    a_sweep_of_a_catalogue_reports_what_was_edited_and_nothing_else(2_000)


@pytest.mark.slow
def test_20_000_units_as_they_were_accepted_are_no_drift_and_write_no_state() -> None:
    a_sweep_of_a_catalogue_reports_what_was_edited_and_nothing_else(20_000)


def a_sweep_of_a_catalogue_reports_what_was_edited_and_nothing_else(offers: int) -> None:
    driver = swept(offers, {7: {"price": Decimal("19.99")}, offers - 3: {"stock": 50}})

    (mark,) = driver.marks.values()
    assert (mark.side["units"].position, mark.side["units"].delivered) == (offers, offers)
    assert driver.calls == []
    keys = {(key or b"").decode() for key, _ in driver.topics[TOPICS.drift]}
    assert keys == {eans(offers)[6], eans(offers)[offers - 4]}
    assert {(key or b"").decode() for key, _ in driver.topics[TOPICS.offer_state]} == keys
