from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from connector.demo.expectation import Produced, UnitThere
from connector.demo.summary import Observed, summarise
from connector.demo.traffic import Kind, Message

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
    message = Message(kind=Kind.UPDATE, key=EAN, payload=payload)
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
    )


def write(amount: int) -> Any:
    return SimpleNamespace(unit_id=1, field="amount", new=amount)


def test_a_run_in_which_all_adds_up_is_good_and_says_each_figure() -> None:
    summary = summarise(a_good_run())

    assert summary.good
    text = "\n".join(summary.lines)
    assert "✗" not in text
    assert "events in = sum                 3 = 3 ✓" in text
    assert "created 0, deleted 0 ✓" in text
    assert "p50 0.25 s" in text
    assert "667 per 1,000 events" in text


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
def test_what_does_not_add_up_is_said_and_is_not_good(why: str, broken: Broken) -> None:
    summary = summarise(broken(a_good_run()))

    assert not summary.good, why
    assert any("✗" in line for line in summary.lines)


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
