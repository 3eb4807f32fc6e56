"""A DuckDB with the topics of the recorded run, filled by the loader that the documentation names."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from deploy.analytics import load
from devstack.clients import Row
from tests.harness.recorded_run import PREFIX, Recording, recording


def raw_of(recorded: Recording, dataset: str) -> Iterator[dict[str, Any]]:
    """Returns the records of a dataset as rows of its raw table."""
    for record in recorded.of(f"{dataset.replace('_', '-')}.v1"):
        yield {**place(record), "value": recorded.decode(record["value"])}


def place(record: Row) -> dict[str, Any]:
    return {
        "kafka_topic": f"{PREFIX}.{record['topic']}",
        "kafka_partition": record["partition"],
        "kafka_offset": record["offset"],
        "kafka_timestamp": datetime.fromtimestamp(record["timestamp_us"] / 1_000_000, UTC),
        "kafka_key": record["key"].decode(errors="replace"),
    }


@pytest.fixture(scope="session")
def recorded() -> Recording:
    return recording()


@pytest.fixture(scope="session")
def loaded(recorded: Recording) -> Iterator[duckdb.DuckDBPyConnection]:
    """The recorded run; do not write to it."""
    with duckdb.connect() as database:
        load.create(database)
        for dataset in load.DATASETS:
            load.fill(database, f"raw_{dataset}", raw_of(recorded, dataset))
        letters = (
            {**place(record), "headers": {name: value.decode() for name, value in record["headers"].items()}}
            for record in recorded.of("offer-changes.v1.dlq")
        )
        load.fill(database, "raw_dead_letters", letters)
        yield database


@pytest.fixture
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables and views, without records."""
    with duckdb.connect() as database:
        load.create(database)
        yield database


def rows_of(database: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> list[Row]:
    """Returns the rows of a query by column name."""
    found = database.execute(query, parameters) if parameters else database.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def add(database: duckdb.DuckDBPyConnection, dataset: str, values: Iterable[dict[str, Any]], topic: str = "") -> None:
    """Adds records with these values, one after the other in partition 0."""
    load.fill(
        database,
        f"raw_{dataset}",
        (
            {
                "kafka_topic": topic or dataset,
                "kafka_partition": 0,
                "kafka_offset": number,
                "kafka_timestamp": datetime(2026, 1, 1, tzinfo=UTC),
                "kafka_key": value.pop("kafka_key", "key") if value else "key",
                "value": value or None,
            }
            for number, value in enumerate(values)
        ),
    )
