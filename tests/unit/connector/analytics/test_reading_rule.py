"""The rule for reading: which row of a result_id counts."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from tests.harness.recorded_run import Recording
from tests.unit.connector.analytics.conftest import add, rows_of

ANSWERS = ("LIVE", "RECHECK", "RELEASE")


def test_a_replay_of_everything_makes_no_applied_event_unchanged(
    loaded: duckdb.DuckDBPyConnection, recorded: Recording
) -> None:
    answers: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for result in recorded.values("offer-results.v1"):
        known = answers.get(result["result_id"])
        if result["origin"] in ANSWERS and (known is None or known["decided_at"] <= result["decided_at"]):
            answers[result["result_id"]] = result
        if result["origin"] != "RESEND":
            last[result["result_id"]] = result
    applied = Counter(result["status"] for result in answers.values())["APPLIED"]
    assert applied > 200
    assert Counter(result["status"] for result in last.values())["APPLIED"] < 5, "the last row is the replay's"

    shown = rows_of(loaded, "SELECT result_id, status, origin, is_replay FROM offer_outcomes")

    assert {row["result_id"]: (row["status"], row["origin"]) for row in shown} == {
        result_id: (result["status"], result["origin"]) for result_id, result in answers.items()
    }
    assert len(shown) == len(answers)
    assert not any(row["is_replay"] for row in shown)


def row(number: int, origin: str, status: str, minute: int, **more: Any) -> dict[str, Any]:
    decided = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    return {
        "result_id": str(number),
        "origin": origin,
        "status": status,
        "decided_at": decided,
        "fields": [{"field": "price", "status": status}, {"field": "stock", "status": "UNCHANGED"}],
        **more,
    }


def test_the_newest_answer_counts_replays_come_last_and_values_sent_again_are_no_events(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    add(
        empty,
        "offer_results",
        [
            row(1, "REPLAY", "UNCHANGED", 5),  # topics are partitioned: rows need not come in their order
            row(1, "LIVE", "APPLIED", 1),
            row(1, "LIVE", "APPLIED", 1),  # at least once
            row(2, "LIVE", "NOT_FOUND", 1),
            row(2, "RECHECK", "APPLIED", 3),
            row(2, "REPLAY", "NOT_FOUND", 9),
            row(3, "LIVE", "HELD", 1),
            row(3, "RELEASE", "PARTIAL", 2),
            row(4, "REPLAY", "UNCHANGED", 5),  # its first answer is older than the topic
            row(4, "REPLAY", "SUPERSEDED", 6),
            row(5, "RESEND", "APPLIED", 1),
            row(6, "REDRIVE", "NOT_FOUND", 1),
            row(6, "RECHECK", "APPLIED", 2),
            row(6, "REPLAY", "UNCHANGED", 3),
            row(7, "UNKNOWN", "APPLIED", 1),  # an origin that is newer than the reader
        ],
    )

    shown = rows_of(empty, "SELECT * FROM offer_outcomes ORDER BY result_id")

    assert [(one["result_id"], one["status"], one["is_replay"], one["is_redrive"]) for one in shown] == [
        ("1", "APPLIED", False, False),
        ("2", "APPLIED", False, False),
        ("3", "PARTIAL", False, False),
        ("4", "SUPERSEDED", True, False),
        ("6", "APPLIED", False, True),
        ("7", "APPLIED", False, False),
    ]
    fields = rows_of(empty, "SELECT result_id, field, field_status, is_redrive FROM offer_outcome_fields")
    assert len(fields) == 2 * len(shown)
    assert {"result_id": "6", "field": "price", "field_status": "APPLIED", "is_redrive": True} in fields


def test_a_unit_that_is_found_confirmed_later_stays_confirmed_by_its_event(empty: duckdb.DuckDBPyConnection) -> None:
    add(
        empty,
        "shipment_results",
        [
            {"result_id": number, "status": status, "decided_at": datetime(2026, 1, day, tzinfo=UTC)}
            for number, status, day in (
                ("1", "CONFIRMED", 1),
                ("1", "ALREADY_CONFIRMED", 9),
                ("2", "FAILED", 1),
                ("2", "ALREADY_CONFIRMED", 2),
                ("3", "FAILED", 1),
                ("3", "CONFIRMED", 2),
            )
        ],
    )

    shown = rows_of(empty, "SELECT result_id, status FROM shipment_outcomes ORDER BY result_id")

    assert [one["status"] for one in shown] == ["CONFIRMED", "ALREADY_CONFIRMED", "CONFIRMED"]


def test_a_day_is_a_day_of_utc_whatever_the_zone_of_the_session(loaded: duckdb.DuckDBPyConnection) -> None:
    days = "SELECT DISTINCT date_trunc('day', decided_at) AS day FROM offer_results ORDER BY day"
    before = rows_of(loaded, days)

    loaded.execute("SET TimeZone = 'Pacific/Auckland'")

    assert rows_of(loaded, days) == before
    loaded.execute("RESET TimeZone")
