"""The forecast of a replay: what the flow would do with each event, on the state that the topic has."""

import pickle
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.marketplace.offers import Refused
from connector.offers.events import OfferChanged
from connector.offers.flow import OfferFlow
from connector.offers.gtin import check_digit
from connector.offers.policy import OfferPolicy, OfferTerms
from connector.operations.explain.lane_in_memory import KeptResults
from connector.operations.replay.forecast import ForecastChange, ReplayForecast, minutes
from connector.routing.table import Routing
from streams.flow import Arrived, Now
from tests.harness.offer_harness import (
    CLUSTER,
    DE,
    EAN,
    OTHER_EAN,
    REFERENCE,
    START_US,
    TOPICS,
    OfferHarness,
    PlainCodecs,
    flow_of,
    unit,
)

REFUSED = Refused(code="V", http_status=400, type=None, message="no")
NOW = Now(mono_s=0.0, wall_us=START_US + 60_000_000)
TERMS = OfferTerms(
    policy=OfferPolicy(), routing=Routing.of([DE]), reference=REFERENCE, cluster_id=CLUSTER, topic=TOPICS.offer_changes
)


def forecast_of(*shops: OfferHarness, stored: Mapping[tuple[int, str], bytes] | None = None) -> ReplayForecast:
    """Returns a forecast on the states of these lanes."""
    kept = KeptResults(PlainCodecs())
    flow: OfferFlow = flow_of(DE, codecs=kept)
    states = {(0, shop.ean): shop.flow.store(shop.lane).value or b"" for shop in shops}
    return ReplayForecast(flow, kept, TERMS, states if stored is None else stored, "replay-1")


def made(forecast: ReplayForecast, *events: OfferChanged) -> ReplayForecast:
    for event in events:
        forecast.add(event, NOW)
    forecast.finish()
    return forecast


def settled(ean: str = EAN) -> OfferHarness:
    """A lane whose events are accepted: 11.00 at offset 1, and 12.00 at offset 2."""
    shop = OfferHarness(flow_of(), ean=ean)
    shop.known(unit(7))
    for offset in (1, 2):
        shop.event(price=f"1{offset}.00", at=offset, offset=offset)
        shop.accept()
    return shop


def outcomes(forecast: ReplayForecast) -> dict[str, int]:
    return dict(forecast.total.outcomes)


def test_what_is_true_is_unchanged_or_superseded_and_takes_no_call() -> None:
    shop = settled()
    events = [shop.make(price=f"1{offset}.00", at=offset, offset=offset) for offset in (1, 2)]

    forecast = made(forecast_of(shop), *events)

    assert outcomes(forecast) == {"SUPERSEDED": 1, "UNCHANGED": 1}
    assert (forecast.calls, dict(forecast.fields)) == ({}, {})
    assert minutes(forecast, {"main": 1.0}, 100) == 0


def test_what_had_failed_would_be_sent_with_the_value_that_is_known() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", stock=9, at=1, offset=1)
    for _ in range(3):  # together, then each alone
        shop.refuse(REFUSED)

    forecast = made(forecast_of(shop), shop.make(price="11.00", stock=9, at=1, offset=1))

    assert outcomes(forecast) == {"TO BE SENT": 1}
    assert dict(forecast.fields) == {"price": 1, "stock": 1}
    assert set(forecast.changes) == {
        ForecastChange(EAN, 7, "de", "price", Decimal("10.00"), Decimal("11.00")),
        ForecastChange(EAN, 7, "de", "stock", Decimal(3), Decimal(9)),
    }
    assert forecast.calls["main"].calls(100) == 1


def test_of_several_events_of_an_offer_only_the_newest_would_be_sent() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    for offset in (1, 2):
        shop.event(price=f"1{offset}.00", at=offset, offset=offset)
        shop.refuse(REFUSED)
    events = [shop.make(price=f"1{offset}.00", at=offset, offset=offset) for offset in (1, 2)]

    forecast = made(forecast_of(shop), *events)

    assert outcomes(forecast) == {"SUPERSEDED": 1, "TO BE SENT": 1}
    assert [change.value for change in forecast.changes] == [Decimal("12.00")]


def test_an_offer_without_a_state_would_be_looked_up_once() -> None:
    shop = OfferHarness(flow_of())
    events = [shop.make(price="11.00", offset=1), shop.make(stock=2, offset=2)]

    forecast = made(forecast_of(stored={}), *events)

    assert outcomes(forecast) == {"TO BE LOOKED UP": 2}
    assert (forecast.calls["main"].look_ups, forecast.calls["main"].calls(100)) == (1, 1)


def test_an_event_without_a_result_gets_no_result_of_the_replay() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", at=1, offset=1)

    forecast = made(forecast_of(shop), shop.make(price="11.00", at=1, offset=1))

    assert outcomes(forecast) == {"PENDING ALREADY": 1}
    assert forecast.calls == {}


def test_the_calls_of_live_events_are_not_those_of_the_replay() -> None:
    shop = settled()
    shop.event(price="15.00", at=9, offset=9)

    forecast = made(forecast_of(shop), shop.make(price="12.00", at=2, offset=2))

    assert outcomes(forecast) == {"SUPERSEDED": 1}
    assert forecast.calls == {}


def test_an_announced_offer_would_be_looked_up_again() -> None:
    shop = OfferHarness(flow_of())
    shop.event(price="11.00", at=1, offset=1)
    shop.found()
    shop.pass_s(61)
    shop.found()
    assert shop.statuses == ["NOT_FOUND"]

    forecast = made(forecast_of(shop), shop.make(price="11.00", at=1, offset=1))

    assert outcomes(forecast) == {"TO BE LOOKED UP": 1}
    assert forecast.calls["main"].look_ups == 1


def test_updates_of_several_offers_share_a_call() -> None:
    shops = [OfferHarness(flow_of(), ean=ean).known(unit(number)) for number, ean in ((7, EAN), (8, OTHER_EAN))]
    events = []
    for shop in shops:
        shop.event(price="11.00", at=1, offset=1)
        shop.refuse(REFUSED)
        events.append(shop.make(price="11.00", at=1, offset=1))

    calls = made(forecast_of(*shops), *events).calls["main"]

    assert (calls.calls(100), calls.calls(1)) == (1, 2)


def test_the_first_changes_are_shown_and_all_are_counted() -> None:
    events: list[Any] = []
    shops = []
    for number in range(1, 26):
        shop = OfferHarness(flow_of(), ean=f"{number:012d}{check_digit(f'{number:012d}')}").known(unit(number + 1))
        shop.event(price="11.00", at=1, offset=1)
        shop.refuse(REFUSED)
        shops.append(shop)
        events.append(shop.make(price="11.00", at=1, offset=1))

    forecast = made(forecast_of(*shops), *events)

    assert (len(forecast.changes), forecast.fields["price"]) == (20, 25)


def test_partitions_are_counted_apart() -> None:
    shop = settled()
    events = [shop.make(price="12.00", at=2, offset=2, partition=number) for number in (0, 0, 3)]

    forecast = made(forecast_of(shop), *events)

    assert {number: part.delivered for number, part in forecast.partitions.items()} == {0: 2, 3: 1}


def test_minutes_are_those_of_the_slowest_account() -> None:
    forecast = forecast_of()
    for account, look_ups in (("main", 120), ("other", 60)):
        forecast._calls_of(account).look_ups = look_ups

    assert minutes(forecast, {"main": 1.0, "other": 0.1}, 100) == 10.0


def test_the_forecast_is_what_the_flow_then_does() -> None:
    """The same events, told to the lane itself."""
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(price="11.00", at=1, offset=1)
    shop.refuse(REFUSED)
    event = shop.make(price="11.00", at=1, offset=1)
    forecast = made(forecast_of(shop), event)

    shop.hear(Arrived(lane=EAN, event=event))

    assert [want.kind for want in shop.wants] == list(forecast.calls["main"].updates)
    assert pickle.loads(shop.flow.store(shop.lane).value or b"").undone
