"""The standing questions, each compared with a computation in Python over the same records."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connector.offers.events import Status
from deploy.analytics import load
from devstack.clients import Row
from tests.harness.recorded_run import PREFIX, Recording
from tests.unit.connector.analytics.conftest import add, rows_of

QUESTIONS = Path(load.__file__).parent / "questions"
UNFOUND = ("NOT_FOUND", "AMBIGUOUS", "CONFLICT")


def ask(database: duckdb.DuckDBPyConnection, question: str, **parameters: Any) -> list[Row]:
    return rows_of(database, (QUESTIONS / f"{question}.sql").read_text("utf-8"), **parameters)


def outcomes(recorded: Recording) -> list[Row]:
    """Returns the newest answer of each event that is no replay."""
    newest: dict[str, Row] = {}
    for result in recorded.values("offer-results.v1"):
        known = newest.get(result["result_id"])
        later = known is None or known["decided_at"] <= result["decided_at"]
        if result["origin"] not in ("REPLAY", "RESEND") and later:
            newest[result["result_id"]] = result
    return list(newest.values())


def storefronts(recorded: Recording) -> dict[str, str]:
    return {
        result["target_id"]: result["sent"]["storefront"]
        for result in recorded.values("offer-results.v1")
        if result["sent"]
    }


def interpolated(values: Sequence[float], share: float) -> float:
    """Returns a percentile by linear interpolation."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def grouped(rows: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    found = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def day(moment: datetime) -> datetime:
    return utc(moment).replace(hour=0, minute=0, second=0, microsecond=0)


def hour(moment: datetime) -> datetime:
    return utc(moment).replace(minute=0, second=0, microsecond=0)


def test_every_question_has_a_test_here() -> None:
    tests = Path(__file__).read_text("utf-8")

    assert [file.stem for file in QUESTIONS.glob("*.sql") if f'"{file.stem}"' not in tests] == []


def test_the_first_chart_has_a_bar_for_each_status(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    shown = ask(loaded, "first_chart")

    said = Counter(outcome["status"] for outcome in outcomes(recorded))
    assert {row["status"]: row["events"] for row in shown} == said
    assert shown[0]["chart"].count("█") == 60


def test_latency(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    sent = [
        (outcome["target_id"], hour(outcome["received_at"]), outcome["sent"]["answered_at"] - outcome["received_at"])
        for outcome in outcomes(recorded)
        if outcome["origin"] == "LIVE" and outcome["status"] in ("APPLIED", "PARTIAL") and outcome["sent"]
    ]
    said = grouped(sent, lambda one: one[:2])

    shown = ask(loaded, "latency")

    assert {(row["target_id"], row["hour"]) for row in shown} == said.keys()
    for row in shown:
        seconds = [one[2].total_seconds() for one in said[row["target_id"], row["hour"]]]
        assert row["events"] == len(seconds)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            assert row[name] == pytest.approx(interpolated(seconds, share))


def test_a_wait_for_the_turn_and_the_limit_are_shown(empty: duckdb.DuckDBPyConnection) -> None:
    add(empty, "offer_results", [result(1, "APPLIED", [of_price("APPLIED", "5")], minute=1, sent=sent(2, "c-1"))])
    update = {"account": "main", "sent_at": T, "kind": "update:de", "attempt": 1}
    add(
        empty,
        "marketplace_calls",
        [
            {"call_id": "c-1", "waited_us": 2_500_000, "limit_per_second": Decimal(5), **update},
            {"call_id": "c-2", "waited_us": 500_000, "limit_per_second": Decimal(2), **update},
            {"call_id": "c-3", "waited_us": 9_000_000, **update, "attempt": 2},
            {"call_id": "c-4", "waited_us": 3_600_000_000, **update, "kind": "units"},
        ],
    )

    (latency,), (rate,) = ask(empty, "latency"), ask(empty, "rate")

    assert (latency["waited_p50"], latency["waited_p95"]) == (2.5, 2.5)
    assert (rate["limit_per_second"], rate["lowest_limit"], rate["waited_worst"]) == (5, 2, 2.5)


def test_match_rate(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    brands = {
        (record["partition"], record["offset"]): value["attributes"].get("brand")
        for record in recorded.of("offer-changes.v1")
        if (value := recorded.decode(record["value"])) is not None
    }
    places = storefronts(recorded)
    said: dict[tuple[str, Any], list[bool]] = defaultdict(list)
    for outcome in outcomes(recorded):
        missed = outcome["status"] in UNFOUND
        if missed or (outcome["status"] != "SUPERSEDED" and outcome["unit_id"] is not None):
            said["storefront", places.get(outcome["target_id"])].append(not missed)
            said["brand", brands[outcome["input_partition"], outcome["input_offset"]]].append(not missed)
            said["prefix", outcome["ean"][:7]].append(not missed)

    shown = ask(loaded, "match_rate")

    assert {(row["by_what"], row["value"]): (row["found"], row["not_found"]) for row in shown} == {
        key: (sum(found), len(found) - sum(found)) for key, found in said.items()
    }
    assert all(row["match_rate"] == row["found"] / (row["found"] + row["not_found"]) for row in shown)
    assert any(0 < row["match_rate"] < 1 for row in shown)


def newest_wishes(recorded: Recording) -> dict[tuple[Any, ...], tuple[Row, Row]]:
    """Returns result and field of the newest event of each field that was not superseded."""
    wishes = [
        (min(outcome["occurred_at"] or outcome["received_at"], outcome["received_at"]), outcome, field)
        for outcome in outcomes(recorded)
        for field in outcome["fields"]
        if field["status"] != "SUPERSEDED"
    ]
    wishes.sort(key=lambda one: (one[0], one[1]["input_offset"]))
    return {
        (outcome["ean"], outcome["target_id"], outcome["condition"], field["field"]): (outcome, field)
        for _, outcome, field in wishes
    }


def test_stale_values(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    said = {
        key: (field["requested"], field["status"], field["code"] or outcome["code"])
        for key, (outcome, field) in newest_wishes(recorded).items()
        if field["status"] not in ("APPLIED", "UNCHANGED", "UNMANAGED")
    }

    shown = ask(loaded, "stale_values")

    found = {
        (row["ean"], row["target_id"], row["condition"], row["field"]): (row["wanted"], row["status"], row["code"])
        for row in shown
    }
    assert said
    assert found == said


T = datetime(2026, 5, 4, 10, tzinfo=UTC)


def result(number: int, status: str, fields: Sequence[Row], *, minute: int, **more: Any) -> Row:
    moment = T + timedelta(minutes=minute)
    return {
        "result_id": f"r-{number}",
        "event_id": f"e-{number}",
        "origin": "LIVE",
        "status": status,
        "ean": "1",
        "target_id": "shop-de",
        "condition": "NEW",
        "unit_id": 7,
        "fields": fields,
        "input_topic": "in",
        "input_partition": 0,
        "input_offset": number,
        "occurred_at": moment,
        "received_at": moment,
        "decided_at": moment,
        **more,
    }


def sent(minute: int, call_id: str = "c") -> Row:
    moment = T + timedelta(minutes=minute)
    return {
        "account": "main", "storefront": "de", "call_ids": ["c-0", call_id], "attempts": 2, "sent_at": moment,
        "answered_at": moment, "storefronts_moved": [],
    }  # fmt: skip


def of_price(status: str, value: str, **more: Any) -> Row:
    return {"field": "price", "status": status, "requested": Decimal(value), "currency": "EUR", **more}


def test_of_events_at_one_time_the_higher_sequence_is_wanted(empty: duckdb.DuckDBPyConnection) -> None:
    same = {"occurred_at": T, "received_at": T}
    known = {"before": Decimal(3), "before_basis": "ACCEPTED", "before_at": T - timedelta(minutes=9)}
    add(
        empty,
        "offer_results",
        [
            result(1, "FAILED", [of_price("FAILED", "5", **known)], minute=1, sequence=8, **same),
            result(2, "FAILED", [of_price("FAILED", "6")], minute=1, sequence=7, **same),
            result(3, "FAILED", [of_price("FAILED", "7")], minute=1, **same),
        ],
    )

    (row,) = ask(empty, "stale_values")

    assert (row["wanted"], row["known_before"], row["known_how"]) == (5, 3, "ACCEPTED")
    assert row["known_at"] == utc(T - timedelta(minutes=9))


def test_the_brand_of_a_result_needs_no_event(empty: duckdb.DuckDBPyConnection) -> None:
    add(
        empty,
        "offer_results",
        [result(1, "APPLIED", [of_price("APPLIED", "5")], minute=1, attributes={"brand": "Ada"}, storefront="de")],
    )

    shown = ask(empty, "match_rate")

    assert ("brand", "Ada", 1) in {(row["by_what"], row["value"], row["found"]) for row in shown}


def test_a_value_that_still_waits_is_stale_and_one_that_was_applied_later_is_not(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    add(
        empty,
        "offer_results",
        [
            result(1, "FAILED", [of_price("FAILED", "5")], minute=1),
            result(2, "FAILED", [of_price("FAILED", "6"), {"field": "stock", "status": "FAILED"}], minute=2),
            result(3, "APPLIED", [{"field": "stock", "status": "APPLIED", "requested": 3}], minute=3),
            result(4, "REJECTED", [{"field": "stock", "status": "REJECTED", "requested": 9}], minute=0),  # came late
        ],
    )
    waits = {
        "undone": [
            {
                "target_id": "shop-de",
                "condition": "NEW",
                "announced": "NONE",
                "occurred_at": T + timedelta(minutes=4),
                "received_at": T + timedelta(minutes=9),
                "input_offset": 5,
                "fields": [of_price("", "7") | {"value": Decimal(7)}],
            }
        ]
    }
    add(empty, "offer_state", [{"ean": "1", **waits}])

    [row] = ask(empty, "stale_values")

    assert (row["field"], row["wanted"], row["status"]) == ("price", Decimal(7), "PENDING")


def known_fields(recorded: Recording) -> dict[tuple[Any, ...], dict[str, Row]]:
    """Returns what the marketplace is known to hold, by EAN, target, condition and unit."""
    places = storefronts(recorded)
    return {
        (state["ean"], target, unit["condition"], unit["unit_id"]): {
            field["field"]: field for field in unit["fields"] if field["value_known"]
        }
        for state in newest_values(recorded, "offer-state.v1")
        for unit in state["units"]
        for target, storefront in places.items()
        if storefront == unit["storefront"]
    }


def risk_of(name: str, wanted: Decimal, fields: dict[str, Row]) -> tuple[str, Decimal | None] | None:
    """Returns the risk and its amount where a wanted value is not in effect."""
    price, stock = fields.get("price"), fields.get("stock")
    if name == "price" and price and wanted > price["value"]:
        return "TOO_CHEAP", (wanted - price["value"]) * stock["value"] if stock else None
    if name == "stock" and stock and wanted < stock["value"]:
        return "OVERSOLD", (stock["value"] - max(wanted, 0)) * price["value"] if price else None
    return None


def test_money_at_risk(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    known = known_fields(recorded)
    said: dict[tuple[Any, ...], list[Decimal | None]] = defaultdict(list)
    for (ean, target, condition, name), (_, wish) in newest_wishes(recorded).items():
        if wish["status"] not in ("APPLIED", "UNCHANGED", "UNMANAGED", *UNFOUND):
            for fields in (fields for key, fields in known.items() if key[:3] == (ean, target, condition)):
                risk = risk_of(name, wish["requested"], fields)
                if risk is not None:
                    currency = fields["price"]["currency"] if "price" in fields else None
                    said[risk[0], target, currency].append(risk[1])
    for missing in newest_values(recorded, "offers-not-found.v1"):
        pending = {one["field"]: one for one in missing["pending"]}
        price, stock = pending.get("price"), pending.get("stock")
        amount = price["value"] * stock["value"] if price and stock else None
        said["NOT_ON_SALE", missing["target_id"], price and price["currency"]].append(amount)

    shown = ask(loaded, "money_at_risk")

    assert {kind for kind, _, _ in said} >= {"NOT_ON_SALE", "OVERSOLD"}
    assert {(row["risk"], row["target_id"], row["currency"]): (row["offers"], row["amount"]) for row in shown} == {
        key: (len(amounts), sum(amount or 0 for amount in amounts)) for key, amounts in said.items()
    }


def newest_values(recorded: Recording, topic: str) -> list[Row]:
    newest = {record["key"]: recorded.decode(record["value"]) for record in recorded.of(topic)}
    return [row for row in newest.values() if row is not None]


def test_a_price_that_could_not_be_raised_costs_the_difference_times_the_stock(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    add(
        empty,
        "offer_results",
        [
            result(1, "APPLIED", [of_price("APPLIED", "5")], minute=1, sent=sent(1)),
            result(2, "HELD", [of_price("HELD", "7.50")], minute=2),
        ],
    )
    fields = [
        {"field": "price", "value": Decimal(5), "currency": "EUR", "value_known": True},
        {"field": "stock", "value": 4, "value_known": True},
    ]
    unit = {"account": "main", "storefront": "de", "condition": "NEW", "unit_id": 7, "fields": fields}
    add(empty, "offer_state", [{"ean": "1", "units": [unit]}])
    target = {"target_id": "shop-de", "account": "main", "storefront": "de"}
    add(empty, "routing", [{"consumer_group": "shop", "targets": [target]}])

    assert ask(empty, "money_at_risk") == [
        {"risk": "TOO_CHEAP", "target_id": "shop-de", "currency": "EUR", "offers": 1, "amount": Decimal(10)}
    ]


def test_calls_per_change(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    places = storefronts(recorded)
    said: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for call in recorded.values("marketplace-calls.v1"):
        kind = call["kind"].partition(":")[0]
        if kind in ("update", "lookup"):
            said[day(call["sent_at"]), call["storefront"]].update(["calls", *(["writes"] if kind == "update" else [])])
    for outcome in outcomes(recorded):
        counted = said[day(outcome["decided_at"]), places.get(outcome["target_id"])]
        counted["accepted"] += sum(field["status"] == "APPLIED" for field in outcome["fields"])
        counted["no_ops"] += sum(field["status"] == "UNCHANGED" for field in outcome["fields"])
    said = {key: counted for key, counted in said.items() if any(counted.values())}

    shown = ask(loaded, "calls_per_change")

    assert {(row["day"], row["storefront"]) for row in shown} == said.keys()
    for row in shown:
        counted = said[row["day"], row["storefront"]]
        assert {name: row[name] for name in ("calls", "writes", "accepted", "no_ops")} == {
            name: counted[name] for name in ("calls", "writes", "accepted", "no_ops")
        }
        assert row["calls_per_accepted"] == pytest.approx(counted["calls"] / counted["accepted"])
        no_ops = counted["no_ops"]
        assert row["no_op_share"] == pytest.approx(no_ops / (no_ops + counted["accepted"]))


ENDS = {
    "changed": {"APPLIED", "CREATED", "DELETED"},
    "unchanged": {"UNCHANGED"},
    "superseded": {"SUPERSEDED"},
    "failed": {"FAILED", "REJECTED", "AMBIGUOUS", "CONFLICT", "UNKNOWN", "PARTIAL"},  # PARTIAL: with no field
    "withheld": {"SUPPRESSED", "UNMANAGED", "DRY_RUN"},
    "waiting": {"NOT_FOUND", "HELD"},
}


def ended(outcome: Row) -> str:
    """Returns the status; of a PARTIAL event that of the field that counts most."""
    statuses = {field["status"] for field in outcome["fields"]}
    if outcome["status"] != "PARTIAL":
        return str(outcome["status"])
    order = (*ENDS["changed"], *ENDS["failed"], "NOT_FOUND", "HELD", *ENDS["withheld"], "SUPERSEDED")
    return next(status for status in order if status in statuses)


def test_what_was_sent_changed_and_failed_in_any_window_adds_up(
    loaded: duckdb.DuckDBPyConnection, recorded: Recording
) -> None:
    said = outcomes(recorded)
    assert {ended(one) for one in said if one["status"] == "PARTIAL"} >= {"APPLIED", "SUPERSEDED"}
    times = sorted(outcome["decided_at"] for outcome in said)
    third, two_thirds = times[len(times) // 3], times[2 * len(times) // 3]
    end = times[-1] + timedelta(seconds=1)
    windows = [(times[0], third), (third, two_thirds), (two_thirds, end), (times[0], end), (end, end)]
    counted: Counter[str] = Counter()

    for since, until in windows:
        shown = ask(loaded, "sent_changed_failed", since=utc(since), until=utc(until))

        within = grouped((one for one in said if since <= one["decided_at"] < until), lambda one: one["target_id"])
        assert {row["target_id"] for row in shown} == within.keys()
        for row in shown:
            events = within[row["target_id"]]
            assert row["events"] == len(events) == sum(row[name] for name in ENDS)
            assert {name: row[name] for name in ENDS} == {
                name: sum(ended(one) in statuses for one in events) for name, statuses in ENDS.items()
            }
            assert row["sent"] == sum(bool(one["sent"]) for one in events) >= row["changed"]
            counted["parts" if (since, until) in windows[:3] else "whole"] += row["events"]
    assert counted["parts"] == counted["whole"] == len(said)
    assert set().union(*ENDS.values()) == set(Status)


def test_not_found_patterns(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    missing = newest_values(recorded, "offers-not-found.v1")
    said = grouped(missing, lambda one: (one["target_id"], one["code"], one["attributes"]["brand"], one["ean"][:7]))

    shown = ask(loaded, "not_found_patterns")

    assert {
        (row["target_id"], row["code"], row["brand"], row["prefix"]): (row["offers"], row["events"], row["since"])
        for row in shown
    } == {
        key: (len(rows), sum(row["times_seen"] for row in rows), utc(min(row["first_seen_at"] for row in rows)))
        for key, rows in said.items()
    }
    assert [row["offers"] for row in shown] == sorted((row["offers"] for row in shown), reverse=True)


def winners(recorded: Recording) -> dict[tuple[str, str], str]:
    """Returns, by event and field, the last event of the chain of those that replaced it."""
    direct: dict[tuple[str, str], str] = {
        (outcome["result_id"], field["field"]): field["superseded_by"]
        for outcome in outcomes(recorded)
        for field in outcome["fields"]
        if field["superseded_by"] is not None
    }

    def last_of(key: tuple[str, str]) -> str:
        while (after := (direct[key], key[1])) in direct:
            key = after
        return direct[key]

    return {key: last_of(key) for key in direct}


def test_the_winner_of_a_chain_of_superseded_events_is_its_last(
    loaded: duckdb.DuckDBPyConnection, recorded: Recording
) -> None:
    found = rows_of(loaded, "SELECT result_id, field, winner, hops FROM offer_winners")

    assert {(row["result_id"], row["field"]): row["winner"] for row in found} == winners(recorded)
    assert len(found) == len(winners(recorded))
    assert max(row["hops"] for row in found) > 1


def test_ean_at_time(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    results = recorded.values("offer-results.v1")
    decided = {outcome["result_id"]: outcome["decided_at"] for outcome in outcomes(recorded)}
    won = winners(recorded)
    calls = {call["call_id"]: call for call in recorded.values("marketplace-calls.v1")}
    busiest = Counter(one["ean"] for one in results if one["status"] == "APPLIED").most_common(3)
    times = sorted(one["sent"]["answered_at"] for one in results if one["sent"])
    seen = 0
    for ean, _ in busiest:
        for moment in (times[0], times[len(times) // 2], times[-1]):
            held: dict[tuple[Any, ...], Row] = {}
            for one in sorted((one for one in results if one["sent"]), key=lambda one: one["sent"]["answered_at"]):
                for field in one["fields"]:
                    if one["ean"] == ean and field["status"] == "APPLIED" and one["sent"]["answered_at"] <= moment:
                        held[one["target_id"], one["condition"], field["field"]] = {
                            "value": field["sent"],
                            "event_id": one["event_id"],
                            "http_status": calls[one["sent"]["call_ids"][-1]]["http_status"],
                            "lost_to_it": sum(
                                winner == one["result_id"] and name == field["field"] and decided[loser] <= moment
                                for (loser, name), winner in won.items()
                            ),
                        }  # fmt: skip

            shown = ask(loaded, "ean_at_time", ean=ean, at=utc(moment))

            assert {
                (row["target_id"], row["condition"], row["field"]): {
                    name: row[name] for name in ("value", "event_id", "http_status", "lost_to_it")
                }
                for row in shown
            } == held
            seen += len(held)
    assert seen > 10


def test_an_eans_value_at_a_time_is_the_last_one_accepted_by_then_and_what_was_seen_instead(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    add(
        empty,
        "offer_results",
        [
            result(1, "APPLIED", [of_price("APPLIED", "5", sent=Decimal(5))], minute=1, sent=sent(1, "c-1")),
            result(2, "APPLIED", [of_price("APPLIED", "6", sent=Decimal(6))], minute=5, sent=sent(6, "c-2")),
            result(3, "SUPERSEDED", [of_price("SUPERSEDED", "4", superseded_by="r-1")], minute=1),
        ],
    )
    add(empty, "marketplace_calls", [{"call_id": "c-1", "http_status": 202}])
    seen = {"drift_id": "d", "ean": "1", "account": "main", "unit_id": 7, "field": "price"}
    add(empty, "drift", [{**seen, "observed_value": Decimal(3), "detected_at": T + timedelta(minutes=3)}])

    def held(minute: int) -> list[tuple[Any, ...]]:
        shown = ask(empty, "ean_at_time", ean="1", at=utc(T + timedelta(minutes=minute)))
        return [
            (row["value"], row["call_id"], row["http_status"], row["lost_to_it"], row["seen_later"]) for row in shown
        ]

    assert held(0) == []
    assert held(2) == [(5, "c-1", 202, 1, None)]
    assert held(4) == [(5, "c-1", 202, 1, 3)]
    assert held(7) == [(6, "c-2", None, 0, None)]


def shipped(recorded: Recording) -> Iterator[tuple[Row, Row, Row]]:
    """Returns shipment result, order and order unit of each unit that was confirmed."""
    orders = {order["order_id"]: order for order in newest_values(recorded, "orders.v1")}
    for one in recorded.values("shipment-results.v1"):
        if one["status"] in ("CONFIRMED", "CONFIRMED_TRACKING_UNVERIFIED"):
            order = orders[one["order_id"]]
            for unit in order["units"]:
                if unit["order_unit_id"] == one["order_unit_id"]:
                    yield one, order, unit


def test_order_to_ship(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    said = grouped({one["result_id"]: (one, unit) for one, _, unit in shipped(recorded)}.values(), carrier_of)

    shown = ask(loaded, "order_to_ship")

    assert {row["carrier"]: row["order_units"] for row in shown} == {name: len(rows) for name, rows in said.items()}
    assert len(shown) > 1
    for row in shown:
        ship = [(one["occurred_at"] - unit["created_at"]).total_seconds() / 3600 for one, unit in said[row["carrier"]]]
        told = [(one["decided_at"] - one["occurred_at"]).total_seconds() / 3600 for one, _ in said[row["carrier"]]]
        assert row["to_ship_p50"] == pytest.approx(interpolated(ship, 0.5))
        assert row["to_ship_p95"] == pytest.approx(interpolated(ship, 0.95))
        assert row["to_confirm_p50"] == pytest.approx(interpolated(told, 0.5))
        assert row["to_confirm_p95"] == pytest.approx(interpolated(told, 0.95))


def test_order_latency(empty: duckdb.DuckDBPyConnection) -> None:
    def order(number: int, storefront: str, created_s: int, seen_s: int) -> Row:
        times = {"created_at": T + timedelta(seconds=created_s), "observed_at": T + timedelta(seconds=seen_s)}
        return {"order_id": f"o{number}", "account": "main", "storefront": storefront, "units": [], **times}

    first = [order(number, "de", 100 * number, 100 * number + 10 * number) for number in range(1, 6)]
    again = [order(1, "de", 100, 9_000), order(6, "at", 0, 70)]
    add(empty, "order_changes", [*again, *first])

    shown = ask(empty, "order_latency")

    assert [(row["storefront"], row["orders"], row["p50"], row["slowest"]) for row in shown] == [
        ("at", 1, 70.0, 70.0),
        ("de", 5, 30.0, 50.0),
    ]
    assert shown[1]["p95"] == pytest.approx(interpolated([10.0, 20.0, 30.0, 40.0, 50.0], 0.95))


def carrier_of(one: tuple[Row, Row]) -> Any:
    return one[0]["carrier_code"]


def test_revenue(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    sold = [
        (order, unit)
        for order in newest_values(recorded, "orders.v1")
        for unit in order["units"]
        if unit["status"] != "CANCELLED"
    ]
    said = grouped(sold, lambda one: (day(one[0]["created_at"]), one[0]["storefront"], one[1]["currency"]))

    shown = ask(loaded, "revenue")

    assert {(row["day"], row["storefront"], row["currency"]) for row in shown} == said.keys()
    for row in shown:
        units = [unit for _, unit in said[row["day"], row["storefront"], row["currency"]]]
        assert row["order_units"] == len(units)
        assert row["price"] == sum(unit["price"] for unit in units)
        assert row["revenue_gross"] == sum(unit["revenue_gross"] for unit in units)
        assert row["revenue_net"] == sum(unit["revenue_net"] or 0 for unit in units)
        assert row["shipping"] == sum(unit["shipping_rate"] for unit in units)
        assert row["orders"] == len({order["order_id"] for order, _ in said[row["day"], row["storefront"], "EUR"]})


def test_a_cancelled_unit_is_no_revenue_and_a_returned_one_is_shown_apart(empty: duckdb.DuckDBPyConnection) -> None:
    def unit(number: int, status: str) -> Row:
        money = dict.fromkeys(("price", "revenue_gross", "revenue_net", "shipping_rate"), Decimal("1.10"))
        return {"order_unit_id": number, "status": status, "currency": "EUR", **money}

    units = [unit(1, "SENT"), unit(2, "CANCELLED"), unit(3, "RETURNED")]
    add(empty, "orders", [{"order_id": "o", "account": "main", "storefront": "de", "created_at": T, "units": units}])

    [row] = ask(empty, "revenue")

    assert (row["order_units"], row["revenue_gross"], row["returned_gross"]) == (2, Decimal("2.20"), Decimal("1.10"))


def test_completeness(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    results = {
        (one["input_partition"], one["input_offset"])
        for one in recorded.values("offer-results.v1")
        if one["origin"] != "RESEND"
    }
    dead = {
        tuple(int(letter["headers"][f"__connect.errors.{name}"]) for name in ("partition", "offset"))
        for letter in recorded.of("offer-changes.v1.dlq")
    }
    positions = {(record["partition"], record["offset"]) for record in recorded.of("offer-changes.v1")}
    assert positions == results | dead

    shown = [row for row in ask(loaded, "completeness") if row["input_topic"] == f"{PREFIX}.offer-changes.v1"]

    assert len(shown) == 3
    for row in shown:
        here = {place for place in positions if place[0] == row["input_partition"]}
        assert (row["records"], row["with_result"]) == (len(here), len(here & results))
        assert row["with_dead_letter"] == len(here & dead)
        assert (row["not_ended"], row["both"], row["expired"]) == (0, 0, 0)


def test_a_value_sent_again_does_not_stand_for_a_lost_result(empty: duckdb.DuckDBPyConnection) -> None:
    add(empty, "offer_changes", [{"event_id": "0"}], topic="in")
    add(empty, "offer_results", [result(0, "APPLIED", [], minute=1, origin="RESEND")])

    [row] = ask(empty, "completeness")

    assert (row["with_result"], row["not_ended"]) == (0, 1)


def test_a_record_without_an_end_is_missed_and_a_shipment_that_comes_again_is_not(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    add(empty, "offer_changes", [{"event_id": str(number)} for number in range(4)], topic="in")
    add(empty, "offer_results", [result(0, "APPLIED", [], minute=1), result(9, "APPLIED", [], minute=1)])
    letter = {"__connect.errors.topic": "in", "__connect.errors.partition": "0", "__connect.errors.offset": "2"}
    places = {"kafka_topic": "in.dlq", "kafka_partition": 0, "kafka_offset": 0, "kafka_timestamp": T, "kafka_key": ""}
    load.fill(empty, "raw_dead_letters", [{**places, "headers": letter}])
    add(empty, "shipments", [{"event_id": "s", "order_id": "o"}] * 2, topic="ships")
    ended = {"event_id": "s", "order_id": "o", "input_topic": "ships", "input_partition": 0, "input_offset": 0}
    add(empty, "shipment_results", [{**ended, "result_id": "1"}])

    offers, shipments = ask(empty, "completeness")

    assert (offers["records"], offers["with_result"], offers["with_dead_letter"]) == (4, 1, 1)
    assert (offers["not_ended"], offers["expired"]) == (2, 1)
    assert (shipments["records"], shipments["with_result"], shipments["not_ended"]) == (2, 2, 0)


def test_replays(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    first = {outcome["result_id"]: outcome["status"] for outcome in outcomes(recorded)}
    again = [one for one in recorded.values("offer-results.v1") if one["origin"] in ("REPLAY", "REDRIVE", "RESEND")]
    said = grouped(again, lambda one: (one["origin"], one["command_id"], one["status"]))

    shown = ask(loaded, "replays")

    assert {
        (row["origin"], row["command_id"], row["status"]): (row["processed"], row["eans"], row["ended_differently"])
        for row in shown
    } == {
        key: (
            len(rows),
            len({row["ean"] for row in rows}),
            sum(first.get(row["result_id"], row["status"]) != row["status"] for row in rows),
        )
        for key, rows in said.items()
    }
    [unchanged] = [row for row in shown if row["status"] == "UNCHANGED"]
    assert unchanged["ended_differently"] > 200


def test_rate(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    said = grouped(recorded.values("marketplace-calls.v1"), lambda call: (call["account"], hour(call["sent_at"])))

    shown = ask(loaded, "rate")

    assert {(row["account"], row["hour"]) for row in shown} == said.keys()
    for row in shown:
        calls = said[row["account"], row["hour"]]
        throttled = sum(call["http_status"] == 429 for call in calls)
        assert throttled
        assert row["calls"] == len(calls)
        assert row["busiest_second"] == max(Counter(call["sent_at"].replace(microsecond=0) for call in calls).values())
        assert row["calls_per_second"] == pytest.approx(len(calls) / 3600)
        assert row["fewest_left"] == min(call["tokens_left"] for call in calls)
        assert (row["answers_429"], row["share_429"]) == (throttled, pytest.approx(throttled / len(calls)))


def test_drift(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    said = grouped(
        recorded.values("drift.v1"),
        lambda one: (day(one["detected_at"]), one["storefront"], one["field"], one["cause"]),
    )

    shown = ask(loaded, "drift")

    assert shown
    assert {
        (row["day"], row["storefront"], row["field"], row["cause"]): (
            row["changes"],
            row["units"],
            row["repaired"],
            row["difference"],
        )
        for row in shown
    } == {
        key: (
            len(rows),
            len({row["unit_id"] for row in rows}),
            sum(row["action"] == "REPAIRED" for row in rows),
            sum(row["observed_value"] - row["accepted_value"] for row in rows),
        )
        for key, rows in said.items()
    }


def test_drift_that_was_only_reported_is_not_counted_as_repaired(empty: duckdb.DuckDBPyConnection) -> None:
    seen = {"account": "main", "storefront": "de", "field": "stock", "cause": "SOLD", "detected_at": T}
    values = {"accepted_value": Decimal(9), "observed_value": Decimal(8)}
    rows = [("1", 7, "REPORTED"), ("2", 7, "REPAIRED"), ("3", 8, "REPORTED")]
    add(empty, "drift", [{**seen, **values, "drift_id": n, "unit_id": unit, "action": act} for n, unit, act in rows])

    [row] = ask(empty, "drift")

    assert (row["changes"], row["units"], row["repaired"], row["difference"]) == (3, 2, 1, -3)


def test_handling_time(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    early: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for one, order, unit in {one[0]["result_id"]: one for one in shipped(recorded)}.values():
        hours = (unit["handling_due_at"] - one["occurred_at"]).total_seconds() / 3600
        early[order["storefront"], one["carrier_code"]].append(hours)

    shown = ask(loaded, "handling_time", now=utc(T + timedelta(days=999)))

    by_carrier = [row for row in shown if row["carrier"] is not None]
    assert {(row["storefront"], row["carrier"]) for row in by_carrier} == early.keys()
    for row in by_carrier:
        hours = early[row["storefront"], row["carrier"]]
        assert (row["in_time"], row["late"]) == (sum(one >= 0 for one in hours), sum(one < 0 for one in hours))
        assert row["hours_early_p50"] == pytest.approx(interpolated(hours, 0.5))
        assert row["hours_early_worst"] == pytest.approx(min(hours))
    waiting = {
        (order["order_id"], unit["order_unit_id"])
        for order in newest_values(recorded, "orders.v1")
        for unit in order["units"]
        if unit["status"] != "CANCELLED"
    } - {(one["order_id"], one["order_unit_id"]) for one, _, _ in shipped(recorded)}
    assert sum(row["open"] + row["unknown"] for row in shown) == len(waiting)


def test_a_promise_is_kept_early_late_or_still_open(empty: duckdb.DuckDBPyConnection) -> None:
    due = [T + timedelta(days=number) for number in (1, 1, 1, 9, 1)]
    units = [
        {"order_unit_id": number, "status": "SENT", "handling_due_at": moment} for number, moment in enumerate(due)
    ]
    add(empty, "orders", [{"order_id": "o", "storefront": "de", "units": units, "units_open": [2, 3]}])
    left = [(0, 1), (1, 30)]  # order unit, and hours after the order
    add(
        empty,
        "shipment_results",
        [
            {
                "result_id": str(number),
                "order_id": "o",
                "order_unit_id": number,
                "status": "CONFIRMED",
                "carrier_code": "DHL",
                "occurred_at": T + timedelta(hours=hours),
            }
            for number, hours in left
        ],
    )

    sent_ones, others = ask(empty, "handling_time", now=utc(T + timedelta(days=2)))

    assert (sent_ones["carrier"], sent_ones["in_time"], sent_ones["late"]) == ("DHL", 1, 1)
    assert (sent_ones["hours_early_worst"], sent_ones["hours_early_p50"]) == (-6, 8.5)
    assert (others["open"], others["overdue"], others["unknown"]) == (2, 1, 1)


def test_a_unit_that_others_confirmed_left_when_the_history_of_orders_shows_it(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    def order(minute: int, status: str, sent_at: datetime | None) -> Row:
        unit = {
            "order_unit_id": 7, "status": status, "created_at": T, "changed_at": T + timedelta(minutes=minute),
            "sent_at": sent_at, "handling_due_at": T + timedelta(hours=3),
        }  # fmt: skip
        return {"order_id": "A", "storefront": "de", "units": [unit], "units_open": []}

    sent_at = T + timedelta(hours=2)
    history = [order(0, "NEED_TO_BE_SENT", None), order(120, "SENT", sent_at), order(900, "RECEIVED", None)]
    add(empty, "order_changes", history)
    add(empty, "orders", history[-1:])

    (ship,), (kept,) = ask(empty, "order_to_ship"), ask(empty, "handling_time", now=utc(T + timedelta(days=9)))

    assert (ship["carrier"], ship["order_units"], ship["to_ship_p50"], ship["to_confirm_p50"]) == (None, 1, 2, None)
    assert (kept["in_time"], kept["unknown"], kept["hours_early_p50"]) == (1, 0, 1)
