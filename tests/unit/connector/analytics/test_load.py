"""The loader as an analyst runs it: topics on a broker become a DuckDB file, and the file answers questions."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from confluent_kafka import Producer

import schemas
from deploy.analytics import load
from devstack.backbone import Backbone, embedded
from devstack.clients import Row
from streams.kafka.registry import RegistryClient
from tests.harness.recorded_run import PREFIX, Recording
from tests.unit.connector.analytics.conftest import add, rows_of
from tests.unit.connector.analytics.test_questions import outcomes

TOPICS = ("offer-changes.v1", "offer-results.v1", "offer-changes.v1.dlq", "orders.v1")


@pytest.fixture(scope="module")
def broker(recorded: Recording) -> Iterator[Backbone]:
    """A broker with some of the recorded topics, and a registry with their schemas."""
    with embedded() as backbone, RegistryClient(backbone.registry_url) as registry:
        assert backbone.make_topic is not None
        ids = {}
        for number, name in recorded.names.items():
            written, _, version = name.partition(".v")
            ids[number] = registry.register(f"{written}-value", schemas.text(written, int(version)))
        producer = Producer({"bootstrap.servers": backbone.bootstrap_servers, "linger.ms": 5})
        for topic in TOPICS:
            backbone.make_topic(f"{PREFIX}.{topic}", 3)
            for record in recorded.of(topic):
                producer.produce(
                    f"{PREFIX}.{topic}",
                    with_id(record["value"], ids),
                    record["key"],
                    partition=record["partition"],
                    headers=list(record["headers"].items()),
                )
                producer.poll(0)
        assert producer.flush(60) == 0
        yield backbone


def with_id(value: bytes | None, ids: dict[int, int]) -> bytes | None:
    """Returns the value with the id that its schema has in this registry."""
    if not value or value[0] or (number := int.from_bytes(value[1:5])) not in ids:
        return value
    return b"\0" + ids[number].to_bytes(4) + value[5:]


def shown(row: Row) -> tuple[str, int]:
    return row["status"], row["n"]


def test_from_topics_to_the_first_chart_and_to_a_question_of_the_same_file(
    broker: Backbone, recorded: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "topics.duckdb")
    source = ["--broker", broker.bootstrap_servers, "--registry", broker.registry_url, "--prefix", PREFIX]

    assert load.main([*source, "--file", file, "--property", "fetch.wait.max.ms=10"]) == 0

    said = capsys.readouterr().out
    counts = Counter(outcome["status"] for outcome in outcomes(recorded))
    assert f"offer_results          {len(recorded.of('offer-results.v1')):,} records" in said
    assert "returns" not in said, "a topic that is not there is no error"
    for status, count in counts.items():
        assert [line for line in said.splitlines() if status in line and str(count) in line], status
    assert "█" in said
    with duckdb.connect(file) as database:
        found = rows_of(database, "SELECT status, COUNT(*) AS n FROM offer_outcomes GROUP BY status")
        assert dict(map(shown, found)) == counts
        assert rows_of(database, "SELECT COUNT(*) AS n FROM dead_letters WHERE code IS NOT NULL") == [{"n": 2}]

    assert load.main(["--file", file, "--question", "completeness"]) == 0
    assert "not_ended" in capsys.readouterr().out
    ean = next(outcome["ean"] for outcome in outcomes(recorded) if outcome["status"] == "APPLIED")
    values = ["--with", f"ean={ean}", "--with", "at=2999-01-01T00:00:00"]
    assert load.main(["--file", file, "--question", "ean_at_time", *values]) == 0
    assert "seen_later" in capsys.readouterr().out


def test_loading_again_replaces_what_was_there(empty: duckdb.DuckDBPyConnection) -> None:
    add(empty, "orders", [{"order_id": "1"}])

    load.create(empty)

    assert rows_of(empty, "SELECT COUNT(*) AS n FROM orders") == [{"n": 0}]


def test_keys_in_avro_are_read_as_their_text() -> None:
    assert load._text(b"\0\0\0\0\x07\x06abc") == "abc"
    assert load._text(b"abc") == "abc"
    assert load._text(None) is None
