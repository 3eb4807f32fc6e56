"""The flat views: what is committed is current, every record has its views, and they say what the records say."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import expressions

import schemas
from connector.analytics import flat_views
from connector.analytics.flat_views import (
    LEFT_NESTED,
    NOT_FLAT,
    ColumnType,
    ListOf,
    Struct,
    exploded,
    flattened,
    shape_of,
)
from connector.analytics.sql import DIALECTS
from deploy.analytics import load
from devstack.clients import Row
from tests.harness.recorded_run import Recording
from tests.unit.connector.analytics.conftest import add, rows_of

HERE = Path(load.__file__).parent


@pytest.mark.parametrize("engine", DIALECTS)
def test_the_committed_views_are_those_of_the_newest_schemas(engine: str) -> None:
    script = (HERE / f"{engine}.sql").read_text("utf-8")

    assert script == DIALECTS[engine].script(), "run: connector contracts export --format sql --out deploy/analytics"


@pytest.mark.parametrize("engine", DIALECTS)
def test_an_independent_parser_reads_the_script_and_all_engines_have_the_same_views(engine: str) -> None:
    made = [one for one in sqlglot.parse(DIALECTS[engine].script(), dialect=engine) if one is not None]

    assert all(isinstance(one, expressions.Create) for one in made)
    views = [one.find(expressions.Table).name for one in made if one.args["kind"] == "VIEW"]  # type: ignore[union-attr]
    assert sorted(views) == sorted(
        [view.dataset for view in flattened()]
        + [view.name for view in exploded()]
        + ["offer_outcomes", "offer_winners", "shipment_outcomes", "targets", "dead_letters"]
    )


def test_every_record_has_a_view_or_a_reason_why_not() -> None:
    assert {view.record for view in flattened()} | NOT_FLAT.keys() == set(schemas.NAMES)


def test_every_list_of_records_has_a_view_or_is_left_nested_on_purpose() -> None:
    assert set(flat_views.lists_without_view()) == LEFT_NESTED


def test_a_schema_that_grows_gives_further_columns() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "at", "type": ["null", "long"]}]}
    shape = shape_of(
        {
            "type": "record",
            "name": "Outer",
            "fields": [
                {"name": "one", "type": ["null", inner]},
                {"name": "many", "type": {"type": "array", "items": "Inner"}},
                {"name": "when", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            ],
        }
    )

    of_inner = (("at", ColumnType.LONG),)
    assert shape == Struct(
        (
            ("one", Struct(of_inner, optional=True)),
            ("many", ListOf(Struct(of_inner, optional=False))),
            ("when", ColumnType.TIME),
        ),
        optional=False,
    )


# ---- equal to the records -------------------------------------------------------------------------------------------


def newest_of(recorded: Recording, dataset: str) -> list[Row]:
    """Returns the newest value of each key, without keys whose newest record is a tombstone."""
    newest: dict[bytes, Row | None] = {}
    for record in recorded.of(f"{dataset.replace('_', '-')}.v1"):
        newest[record["key"]] = recorded.decode(record["value"])
    return [row for row in newest.values() if row is not None]


def values_of(recorded: Recording, dataset: str) -> list[Row]:
    if dataset in ("offers_not_found", "offer_state", "replays", "orders", "returns", "units"):
        return newest_of(recorded, dataset)
    return recorded.values(f"{dataset.replace('_', '-')}.v1")


def plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.replace(tzinfo=None)
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case list():
            return [plain(one) for one in value]
        case _:
            return value


def at(value: Row | None, path: Sequence[str]) -> Any:
    for part in path:
        value = None if value is None else value[part]
    return plain(value)


def multiset(rows: Iterable[Mapping[str, Any]]) -> Counter[str]:
    return Counter(repr(sorted(row.items())) for row in rows)


@pytest.mark.parametrize("view", flattened(), ids=lambda view: view.dataset)
def test_a_view_of_records_has_every_value_of_every_record(
    view: flat_views.Flattened, loaded: duckdb.DuckDBPyConnection, recorded: Recording
) -> None:
    names = ", ".join(f'"{column.name}"' for column in view.columns)

    shown = rows_of(loaded, f"SELECT {names} FROM {view.dataset}")

    said = [
        {column.name: at(value, column.path) for column in view.columns} for value in values_of(recorded, view.dataset)
    ]
    assert multiset(shown) == multiset(said)


def test_one_row_of_each_event_and_field_with_the_sums_of_the_records(
    loaded: duckdb.DuckDBPyConnection, recorded: Recording
) -> None:
    shown = rows_of(
        loaded,
        "SELECT field, field_status, COUNT(*) AS n, SUM(field_requested) AS requested, SUM(field_before) AS before, "
        "SUM(field_sent) AS sent FROM offer_result_fields GROUP BY ALL",
    )

    said: dict[tuple[str, str], list[Any]] = {}
    for result in recorded.values("offer-results.v1"):
        for field in result["fields"]:
            sums = said.setdefault((field["field"], field["status"]), [0, Decimal(0), Decimal(0), Decimal(0)])
            sums[0] += 1
            for place, name in enumerate(("requested", "before", "sent"), 1):
                sums[place] += field[name] or 0
    assert {("price", "APPLIED"), ("stock", "SUPERSEDED"), ("handling_time", "UNCHANGED")} <= said.keys()
    assert said == {
        (row["field"], row["field_status"]): [row["n"], *(row[name] or 0 for name in ("requested", "before", "sent"))]
        for row in shown
    }


def test_the_flat_topic_has_the_rows_of_the_view_of_fields(
    loaded: duckdb.DuckDBPyConnection, recorded: Recording
) -> None:
    own = ("result_id", "decided_at", "field", "field_status", "status", "account", "storefront", "unit_id", "offer_id")
    nested = ("requested", "before", "sent", "accepted", "currency", "superseded_by", "winner")
    columns = ", ".join([*own, *(f"field_{name} AS {name}" for name in nested)])

    shown = rows_of(loaded, f"SELECT {columns}, field_rules AS rules FROM offer_result_fields")

    flat = recorded.values("offer-field-results.v1")
    assert len(flat) > len(recorded.values("offer-results.v1"))
    assert multiset({**row, "rules": ",".join(row["rules"]) or None} for row in shown) == multiset(
        {name: plain(row[name]) for name in (*own, *nested, "rules")} for row in flat
    )


def test_one_row_of_each_call_and_item(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    shown = rows_of(
        loaded,
        "SELECT call_id, duration_us, item_unit_id AS unit, item_event_count AS events, item_status_code AS status "
        "FROM marketplace_call_items",
    )

    said = [
        {
            "call_id": call["call_id"],
            "duration_us": call["duration_us"],
            "unit": item["unit_id"],
            "events": item["event_count"],
            "status": item["status_code"],
        }
        for call in recorded.values("marketplace-calls.v1")
        for item in call["items"]
    ]
    assert said
    assert multiset(shown) == multiset(said)


def test_one_row_of_each_order_unit_with_exact_sums(loaded: duckdb.DuckDBPyConnection, recorded: Recording) -> None:
    [shown] = rows_of(
        loaded,
        "SELECT COUNT(*) AS n, COUNT(DISTINCT order_unit_id) AS ids, SUM(unit_price) AS price, "
        "SUM(unit_revenue_gross) AS gross, MAX(unit_handling_due_at) AS due FROM order_units",
    )

    said = [unit for order in newest_of(recorded, "orders") for unit in order["units"]]
    assert shown == {
        "n": len(said),
        "ids": len(said),
        "price": sum(unit["price"] for unit in said),
        "gross": sum(unit["revenue_gross"] for unit in said),
        "due": max(unit["handling_due_at"] for unit in said).replace(tzinfo=None),
    }


@pytest.mark.parametrize("view", exploded(), ids=lambda view: view.name)
def test_a_view_of_elements_has_one_row_of_each(view: flat_views.Exploded, loaded: duckdb.DuckDBPyConnection) -> None:
    [[elements]] = loaded.execute(f"SELECT COALESCE(SUM(len({view.element_of})), 0) FROM {view.source}").fetchall()
    [[rows]] = loaded.execute(f"SELECT COUNT(*) FROM {view.name}").fetchall()

    assert rows == elements


def test_a_tombstone_takes_a_row_off_and_a_call_that_was_written_twice_counts_once(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    one = {"kafka_key": "a", "order_id": "a"}
    add(empty, "orders", [dict(one), {"kafka_key": "b", "order_id": "b"}, {"kafka_key": "b"}, {**one, "notes": ["x"]}])
    empty.execute("UPDATE raw_orders SET value = NULL WHERE value.order_id IS NULL")
    add(empty, "marketplace_calls", [{"call_id": "1"}, {"call_id": "2"}, {"call_id": "1"}])

    assert rows_of(empty, "SELECT order_id, notes FROM orders") == [{"order_id": "a", "notes": ["x"]}]
    assert rows_of(empty, "SELECT COUNT(*) AS n FROM marketplace_calls") == [{"n": 2}]
