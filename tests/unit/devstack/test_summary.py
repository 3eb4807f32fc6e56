from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from devstack.expectation import Produced, UnitThere
from devstack.listings import ListingsSeen
from devstack.order_audit import OrdersSeen
from devstack.summary import Observed, final_rows, summarise
from devstack.traffic import Message, MessageKind

NOW_US = 1_800_000_000_000_000
EAN = "9520000000011"


def produced(offset: int, stock: int) -> Produced:
    payload = {
        "occurred_at_us": NOW_US + offset,
        "sequence": None,
        "target_id": "shop-de",
        "condition": "NEW",
        "ean": EAN,
        "stock": stock,
    }
    message = Message(kind=MessageKind.UPDATE, key=EAN, payload=payload)
    return Produced(message=message, partition=0, offset=offset, record_time_us=NOW_US)


def result(offset: int, status: str, **other: Any) -> dict[str, Any]:
    sent = {"answered_at": NOW_US + offset + 250_000} if status == "APPLIED" else None
    return {
        "input_partition": 0,
        "input_offset": offset,
        "origin": "LIVE",
        "status": status,
        "decided_at": NOW_US + offset,
        "occurred_at": NOW_US + offset,
        "sent": sent,
        **other,
    }


def a_good_run() -> Observed:
    unit = UnitThere(
        unit_id=1, storefront="de", ean=EAN, condition="NEW", offer_id=None, values={"amount": 1, "listing_price": 5}
    )
    return Observed(
        produced=[produced(0, 7), produced(1, 8), produced(2, 9)],
        results=[result(0, "SUPERSEDED"), result(1, "APPLIED")],
        dead=[(0, 2)],
        not_found=[],
        before=[unit],
        after={1: {"amount": 9, "listing_price": 5}},
        storefronts={"shop-de": ("de", "EUR")},
        writes=[write(8), write(9)],
        calls_by_kind={"list": 1, "bulk": 1},
        calls_by_status={200: 1, 207: 1},
        worst_second=2,
        created=0,
        deleted=0,
        limit=111,
        once=True,
        orders=good_orders(),
    )


def good_orders() -> OrdersSeen:
    """Returns two orders: unit 12 of the first was not dispatched; unit 21 of the second has a second parcel."""
    return OrdersSeen(
        there=[bought("M1", {11: "sent", 12: "need_to_be_sent"}), bought("M2", {21: "sent"})],
        topic=[
            observed("M1", {11: "open", 12: "open"}, at_s=2),
            observed("M2", {21: "sent"}, at_s=4),
            observed("M1", {11: "sent", 12: "need_to_be_sent"}, at_s=9),
        ],
        results=[
            {"event_id": "a", "order_unit_id": 11, "status": "CONFIRMED"},
            {"event_id": "b", "order_unit_id": 21, "status": "CONFIRMED"},
            {"event_id": "c", "order_unit_id": 21, "status": "PARCEL_ADDED"},
        ],
        deeds=[deed(11, "created"), deed(11, "send", "T1"), deed(21, "send", "T2"), deed(21, "parcel", "T3")],
        dispatched={"a": frozenset({11}), "b": frozenset({21}), "c": frozenset({21})},
        behind=frozenset({12}),
        interval_s=5,
        at_us=NOW_US + 90_000_000,
    )


def bought(order_id: str, units: dict[int, str]) -> dict[str, Any]:
    rows = [{"id_order_unit": key, "status": status, "price": 1999} for key, status in units.items()]
    return {"id_order": order_id, "created_us": NOW_US, "order_units": rows}


def observed(order_id: str, units: dict[int, str], at_s: int = 5) -> dict[str, Any]:
    still_open = [key for key, status in units.items() if status in ("open", "need_to_be_sent")]
    return {
        "order_id": order_id,
        "status": "SENT",
        "units": [
            {"order_unit_id": key, "status_raw": status, "price": Decimal("19.9900")} for key, status in units.items()
        ],
        "units_open": still_open,
        "open_since": NOW_US if still_open else None,
        "payout_waits": bool(still_open) and "sent" in units.values(),
        "observed_at": NOW_US + at_s * 1_000_000,
    }


def deed(order_unit: int, name: str, *numbers: str) -> Any:
    return SimpleNamespace(id_order_unit=order_unit, deed=name, tracking_numbers=numbers)


def write(amount: int) -> Any:
    return SimpleNamespace(unit_id=1, field="amount", new=amount)


def test_a_consistent_run_is_good_and_prints_each_figure() -> None:
    summary = summarise(a_good_run())

    assert summary.good
    text = "\n".join(summary.lines)
    assert "✗" not in text
    assert "events in = sum                 3 = 3 ✓" in text
    assert "created 0, deleted 0 ✓" in text
    assert "p50 0.25 s" in text
    assert "667 per 1,000 events" in text
    assert "orders created                  2 = 2 in the topic, each as the marketplace has it ✓" in text
    assert "order units sent                2 = 2 confirmed ✓" in text
    assert "parcels that followed           1 = 1 added ✓" in text
    assert "shipment events                 3, for 3 order units: 3 results ✓" in text
    assert "order units sent twice 0, parcels posted twice 0 ✓" in text
    assert "order M1: 1 of 2 units still to be sent, 12, open for 90 s; its pay-out waits" in text
    assert "order created to in the topic: p50 2.00 s, p99 4.00 s; asked every 5 s" in text


Broken = Callable[[Observed], Observed]


@pytest.mark.parametrize(
    ("why", "broken"),
    [
        ("an event without a result", lambda run: replace(run, results=run.results[:1])),
        ("an event with a result and a dead letter", lambda run: replace(run, dead=[(0, 1), (0, 2)])),
        ("a result of nothing", lambda run: replace(run, results=[*run.results, result(9, "APPLIED")])),
        ("two rows of one event", lambda run: replace(run, results=[*run.results, result(1, "APPLIED")])),
        ("an offer created", lambda run: replace(run, created=1)),
        ("an offer deleted", lambda run: replace(run, deleted=1)),
        ("an older value over a newer one", lambda run: replace(run, writes=[write(9), write(8)])),
        ("a value in no event", lambda run: replace(run, writes=[write(77)])),
        ("another end state", lambda run: replace(run, after={1: {"amount": 8, "listing_price": 5}})),
        ("an untouched field touched", lambda run: replace(run, after={1: {"amount": 9, "listing_price": 6}})),
        ("a 429", lambda run: replace(run, calls_by_status={429: 1})),
        ("a second over the limit", lambda run: replace(run, worst_second=112)),
    ],
)
def test_an_inconsistent_run_is_reported_and_is_not_good(why: str, broken: Broken) -> None:
    summary = summarise(broken(a_good_run()))

    assert not summary.good, why
    assert any("✗" in line for line in summary.lines)


def test_calls_for_orders_are_counted_apart_from_those_for_offers() -> None:
    run = replace(a_good_run(), calls_by_kind={"list": 1, "bulk": 1, "send": 2, "order": 3, "ping": 0})

    text = "\n".join(summarise(run).lines)

    assert "calls for offers 2 (1 bulk updates, 1 look-ups): 667 per 1,000 events" in text
    assert "calls for orders and parcels 5 (2 confirmations, 3 whole orders)" in text


BrokenOrders = Callable[[OrdersSeen], OrdersSeen]


@pytest.mark.parametrize(
    ("why", "broken"),
    [
        ("an order that is not in the topic", lambda seen: replace(seen, topic=seen.topic[:1])),
        ("an order that nobody made", lambda seen: replace(seen, there=seen.there[:1])),
        ("an order as it was", lambda seen: replace(seen, topic=seen.topic[:2])),
        ("a unit missing in the topic", lambda seen: replace(seen, topic=[*seen.topic, observed("M2", {})])),
        (
            "another price",
            lambda seen: replace(seen, there=[seen.there[0], bought("M2", {21: "sent"}) | {"order_units": []}]),
        ),
        ("a unit sent that nobody confirmed", lambda seen: replace(seen, results=seen.results[1:])),
        (
            "a confirmation of what was not sent",
            lambda seen: replace(seen, deeds=[seen.deeds[2], seen.deeds[3]]),
        ),
        ("a unit sent twice", lambda seen: replace(seen, deeds=[*seen.deeds, deed(11, "send", "T9")])),
        ("a parcel posted twice", lambda seen: replace(seen, deeds=[*seen.deeds, deed(21, "parcel", "T3")])),
        ("a parcel that was never posted", lambda seen: replace(seen, deeds=seen.deeds[:-1])),
        (
            "an event that was refused",
            lambda seen: replace(
                seen, results=[*seen.results[:2], {"event_id": "c", "order_unit_id": 21, "status": "REJECTED"}]
            ),
        ),
        (
            "a result of no event",
            lambda seen: replace(
                seen, results=[*seen.results, {"event_id": "x", "order_unit_id": 21, "status": "ALREADY_CONFIRMED"}]
            ),
        ),
        ("a unit forgotten that the shop sent", lambda seen: replace(seen, behind=frozenset())),
    ],
)
def test_inconsistent_orders_are_reported_and_are_not_good(why: str, broken: BrokenOrders) -> None:
    summary = summarise(replace(a_good_run(), orders=broken(good_orders())))

    assert not summary.good, why
    assert any("✗" in line for line in summary.lines)


def test_other_outcomes_of_a_unit_are_named() -> None:
    refused = {"event_id": "c", "order_unit_id": 21, "status": "REJECTED"}

    lines = summarise(replace(a_good_run(), orders=replace(good_orders(), results=[refused]))).lines

    assert any(line.split() == ["REJECTED", "1"] for line in lines)


def test_a_lost_answer_of_a_confirmation_adds_up_all_the_same() -> None:
    seen = good_orders()
    unverified = {"event_id": "a", "order_unit_id": 11, "status": "CONFIRMED_TRACKING_UNVERIFIED"}
    unknown = {"event_id": "c", "order_unit_id": 21, "status": "OUTCOME_UNKNOWN"}

    summary = summarise(replace(a_good_run(), orders=replace(seen, results=[unverified, seen.results[1], unknown])))

    assert summary.good


def test_rows_may_repeat_where_the_broker_has_no_transactions() -> None:
    run = a_good_run()

    summary = summarise(replace(run, once=False, results=[*run.results, result(1, "APPLIED")]))

    assert summary.good
    assert any("at least once" in line for line in summary.lines)


def test_a_replay_row_and_a_later_recheck_count_once() -> None:
    run = a_good_run()
    again = [result(1, "UNCHANGED", origin="REPLAY"), result(0, "APPLIED", origin="RECHECK", decided_at=NOW_US + 99)]

    summary = summarise(replace(run, results=[*run.results, *again]))

    assert summary.good
    assert any(line.split() == ["APPLIED", "2"] for line in summary.lines)


def test_what_a_replay_found_of_an_offer_that_was_not_found_counts() -> None:
    rows = [result(0, "NOT_FOUND"), result(0, "APPLIED", origin="REPLAY", decided_at=NOW_US + 99)]

    assert [row["status"] for row in final_rows(rows).values()] == ["APPLIED"]


def of_others(offset: int, status: str, **other: Any) -> dict[str, Any]:
    return result(offset, status, ean=EAN, **other)


def test_results_of_other_producers_are_listed_separately_and_are_no_fault() -> None:
    run = a_good_run()
    theirs = [of_others(7, "APPLIED"), of_others(8, "NOT_FOUND")]

    summary = summarise(
        replace(
            run,
            results=[*run.results, *theirs],
            dead=[*run.dead, (0, 9)],
            writes=[*run.writes, write(77)],
            after={1: {"amount": 77, "listing_price": 5}},
            others={(0, 7): EAN, (0, 8): "2990000000019", (0, 9): "?"},
        )
    )

    text = "\n".join(summary.lines)
    assert summary.good, text
    assert "events in = sum                 3 = 3 ✓" in text
    assert "Sent by others, not by the demo" in text
    assert "events                          3: 2 results, 1 dead letters" in text
    assert "offers they are about           1" in text


def test_events_of_others_hide_no_fault_of_another_offer() -> None:
    run = a_good_run()
    elsewhere = of_others(7, "APPLIED") | {"ean": "9520000000028"}

    wrong = replace(
        run, results=[*run.results, elsewhere], others={(0, 7): "9520000000028"}, writes=[write(9), write(8)]
    )

    assert not summarise(wrong).good


def test_orders_and_parcels_of_others_are_listed_separately_and_are_no_fault() -> None:
    """Others dispatched the unit that the shop left behind, and bought one that nobody dispatched."""
    seen = good_orders()
    sent, bought_unit = {11: "sent", 12: "sent"}, {31: "need_to_be_sent"}
    orders = replace(
        seen,
        there=[bought("M1", sent), seen.there[1], bought("M3", bought_unit)],
        topic=[*seen.topic, observed("M1", sent), observed("M3", bought_unit)],
        deeds=[*seen.deeds, deed(12, "send", "T9")],
        of_others=[{"event_id": "x", "order_unit_id": 12, "status": "CONFIRMED"}],
        bought_by_others=frozenset({"M3"}),
    )

    summary = summarise(replace(a_good_run(), orders=orders))

    text = "\n".join(summary.lines)
    assert summary.good, text
    assert "order units sent                3 = 3 confirmed ✓" in text
    assert "Orders and parcels of others" in text


def test_a_not_found_row_is_shown_as_the_operator_reads_it() -> None:
    row = {
        "code": "OFFER_NOT_FOUND",
        "message": "Cannot find existing offer",
        "advice": "Create it.",
        "ean": EAN,
        "condition": "NEW",
        "target_id": "shop-de",
        "times_seen": 3,
        "pending": [{"field": "price", "value": Decimal("19.9900")}],
    }

    text = "\n".join(summarise(replace(a_good_run(), not_found=[row])).lines)

    assert f"Cannot find existing offer: EAN {EAN}, NEW, target shop-de" in text
    assert "seen 3 times, waiting: price 19.99" in text


@pytest.mark.parametrize(
    ("changed", "tick"),
    [
        ({}, "✓"),
        ({"wanted": 3}, "✗"),
        ({"there": {11: "new-a", 12: "new-b"}}, "✗"),
        ({"there": {11: "new-a", 13: "new-a"}, "created": frozenset({11, 12, 13})}, "✗"),
        ({"deleted": frozenset()}, "✗"),
    ],
)
def test_units_that_events_asked_for_are_there_once_each_less_those_deleted(changed: dict[str, Any], tick: str) -> None:
    listed = ListingsSeen(wanted=2, created=frozenset({11, 12}), deleted=frozenset({12}), there={11: "new-a"})

    summary = summarise(replace(a_good_run(), created=2, deleted=1, listed=replace(listed, **changed)))

    [line] = [line for line in summary.lines if line.lstrip().startswith("created")]
    assert line.endswith(tick)
    assert summary.good is (tick == "✓")
