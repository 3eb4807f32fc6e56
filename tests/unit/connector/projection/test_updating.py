"""What a run reads, and what it does when another one was faster or a topic was created again."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from connector.contracts.codec import SchemaIds, writer_of
from connector.offers.events import OfferResult
from connector.projection.codecs import ProjectionCodecs
from connector.projection.database import ProjectionFile, open_projection
from connector.projection.updating import update
from streams.kafka.log_reader import LogBatch, LogRecord, OffsetRange, PartitionId
from tests.harness.offer_rows import result

TOPIC = "results"
IDS = dict.fromkeys(
    ("offer_result", "offer_state", "offer_not_found", "marketplace_called", "control_command", "offer_changed"), 1
)


class ResultLog:
    """One partition of results in memory, read in batches of two; The lists have what runs at a moment, once."""

    def __init__(self) -> None:
        self.rows: list[bytes | None] = []
        self.first = 0
        self.read_offsets: list[int] = []
        self.before_read: list[Any] = []
        self.after_ranges: list[Any] = []

    def ranges(self, topics: Sequence[str]) -> dict[PartitionId, OffsetRange]:
        assert list(topics) == [TOPIC]
        found = {(TOPIC, 0): OffsetRange(self.first, len(self.rows))}
        if self.after_ranges:
            self.after_ranges.pop()()
        return found

    def read(self, wanted: Mapping[PartitionId, OffsetRange]) -> Iterator[LogBatch]:
        part = wanted[TOPIC, 0]
        for first in range(part.first, part.end, 2):
            if self.before_read:
                self.before_read.pop()()
            end = min(first + 2, part.end)
            self.read_offsets += range(first, end)
            records = [LogRecord(TOPIC, 0, offset, b"key", self.rows[offset], 0) for offset in range(first, end)]
            yield LogBatch(records, {(TOPIC, 0): end})


@pytest.fixture
def topic() -> ResultLog:
    return ResultLog()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[ProjectionFile]:
    with open_projection(tmp_path / "projection.sqlite") as opened:
        yield opened


def put(topic: ResultLog, *offsets: int) -> None:
    write = writer_of(OfferResult, 1)
    topic.rows += [write(result(offset, "REJECTED")) for offset in offsets]


def run(file: ProjectionFile, topic: ResultLog, topic_id: str = "id-1") -> list[str]:
    """Brings the file up to date, and returns the result ids in it."""
    codecs = ProjectionCodecs(SchemaIds(values=IDS), lambda _: None)
    batches = update(file, topic, codecs, _never, {"offer_results": TOPIC}, {TOPIC: topic_id})  # type: ignore[arg-type]
    assert all(batches)
    return [str(row[0])[-1] for row in file.query("SELECT result_id FROM results ORDER BY place")]


def _never(schema_id: int) -> None:
    raise AssertionError(f"schema {schema_id} is this version's")


def test_a_run_reads_only_what_is_new(file: ProjectionFile, topic: ResultLog) -> None:
    put(topic, 0, 1, 2)
    assert run(file, topic) == ["0", "1", "2"]
    put(topic, 3)

    assert run(file, topic) == ["0", "1", "2", "3"]
    assert topic.read_offsets == [0, 1, 2, 3]


def test_a_run_continues_from_where_another_one_has_come_meanwhile(file: ProjectionFile, topic: ResultLog) -> None:
    put(topic, 0, 1, 2, 3)
    topic.before_read = [lambda: run(file, topic)]

    assert run(file, topic) == ["0", "1", "2", "3"]
    assert file.positions() == {(TOPIC, 0): OffsetRange(0, 4)}


def test_a_run_that_is_behind_another_one_does_not_take_the_topic_for_a_new_one(
    file: ProjectionFile, topic: ResultLog
) -> None:
    def meanwhile() -> None:
        put(topic, 2)
        run(file, topic)

    put(topic, 0, 1)
    run(file, topic)
    topic.after_ranges = [meanwhile]

    assert run(file, topic) == ["0", "1", "2"]
    assert topic.read_offsets == [0, 1, 2]


def test_a_topic_with_another_id_is_read_from_its_beginning(file: ProjectionFile, topic: ResultLog) -> None:
    put(topic, 0, 1)
    run(file, topic)
    topic.rows.clear()
    put(topic, 5, 6, 7)

    assert run(file, topic, "id-2") == ["5", "6", "7"]


def test_a_topic_without_ids_that_is_shorter_than_before_was_created_again(
    file: ProjectionFile, topic: ResultLog
) -> None:
    put(topic, 0, 1, 2)
    run(file, topic, "")
    topic.rows.clear()
    put(topic, 5)

    assert run(file, topic, "") == ["5"]


def test_what_retention_has_removed_goes_even_if_nothing_is_new(file: ProjectionFile, topic: ResultLog) -> None:
    put(topic, 0, 1, 2)
    run(file, topic)
    topic.first = 2

    assert run(file, topic) == ["2"]
    assert file.positions() == {(TOPIC, 0): OffsetRange(2, 3)}


def test_what_was_removed_before_it_was_read_is_passed_over(file: ProjectionFile, topic: ResultLog) -> None:
    put(topic, 0, 1, 2, 3)
    topic.first = 2

    assert run(file, topic) == ["2", "3"]


def test_a_record_that_cannot_be_decoded_is_counted_and_does_not_stop_the_rest(
    file: ProjectionFile, topic: ResultLog
) -> None:
    topic.rows += [b"{}", None]
    put(topic, 2)

    assert run(file, topic) == ["2"]
    assert [(dataset, count) for dataset, count, _ in file.unreadable()] == [("offer_results", 2)]
