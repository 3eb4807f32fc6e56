"""The projection's file: rows and positions stay together, whatever happens between two runs."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.projection.database import Overtaken, ProjectionFile, open_projection
from connector.projection.rows import (
    KeptCall,
    KeptOfEan,
    KeptRecord,
    KeptResult,
    ProjectedRows,
    UndecodedRecord,
    place_of,
)
from streams.errors import Stopped
from streams.kafka.log_reader import OffsetRange

RESULTS, STATES = ("results", 0), ("states", 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inner" / "projection.sqlite"


@pytest.fixture
def file(path: Path) -> Iterator[ProjectionFile]:
    with open_projection(path) as opened:
        opened.start_again({"results": ("offer_results", "id-1"), "states": ("offer_state", "id-2")})
        yield opened


def result(offset: int) -> KeptResult:
    return KeptResult(place_of(0, offset), "ean", f"id-{offset}", offset, "LIVE", "APPLIED", None, "shop-de", b"row")


def record(offset: int, value: bytes | None, key: str = "ean") -> KeptRecord:
    return KeptRecord("offer_state", key, key, 2, offset, value)


def values(file: ProjectionFile, statement: str) -> list[object]:
    return [row[0] for row in file.query(statement)]


def test_rows_and_positions_are_kept_together(file: ProjectionFile, path: Path) -> None:
    rows = ProjectedRows(results=[result(0), result(4)], newest=[record(0, b"old"), record(1, b"new")])

    file.add(rows, {RESULTS: 0, STATES: 0}, {RESULTS: OffsetRange(0, 5), STATES: OffsetRange(0, 2)})

    with open_projection(path) as again:
        assert again.positions() == {RESULTS: OffsetRange(0, 5), STATES: OffsetRange(0, 2)}
        assert values(again, "SELECT result_id FROM results ORDER BY place") == ["id-0", "id-4"]
        assert values(again, "SELECT value FROM newest") == [b"new"]


def test_a_position_that_another_process_has_moved_is_not_moved_back(file: ProjectionFile) -> None:
    file.add(ProjectedRows(newest=[record(0, b"old"), record(1, None)]), {STATES: 0}, {STATES: OffsetRange(0, 2)})

    with pytest.raises(Overtaken):
        file.add(ProjectedRows(newest=[record(0, b"old")]), {STATES: 0}, {STATES: OffsetRange(0, 1)})

    assert file.positions() == {STATES: OffsetRange(0, 2)}
    assert values(file, "SELECT value FROM newest") == []


def test_a_topic_that_was_created_again_is_forgotten_and_others_stay(file: ProjectionFile) -> None:
    file.add(
        ProjectedRows(
            results=[result(0)], newest=[record(0, b"state")], unreadable=[UndecodedRecord("offer_results", 1, "why")]
        ),
        {RESULTS: 0, STATES: 0},
        {RESULTS: OffsetRange(0, 1), STATES: OffsetRange(0, 1)},
    )

    file.start_again({"results": ("offer_results", "id-3")})

    assert file.positions() == {STATES: OffsetRange(0, 1)}
    assert values(file, "SELECT value FROM newest") == [b"state"]
    assert values(file, "SELECT place FROM results") == []
    assert file.unreadable() == []
    assert file.topics() == {"results": "id-3", "states": "id-2"}


def test_what_retention_has_removed_is_removed(file: ProjectionFile) -> None:
    calls = [KeptCall(place_of(partition, offset), "call", "demo", 0, b"") for partition in (0, 1) for offset in (0, 9)]
    rows = ProjectedRows(
        results=[result(0), result(5)], calls=calls, newest=[record(0, b"a", "a"), record(9, b"b", "b")]
    )
    file.add(rows, {RESULTS: 0}, {RESULTS: OffsetRange(0, 6)})

    file.prune("results", "offer_results", 0, 5)
    file.prune("calls", "marketplace_calls", 1, 9)
    file.prune("states", "offer_state", 2, 9)

    assert file.positions() == {RESULTS: OffsetRange(5, 6)}
    assert values(file, "SELECT result_id FROM results") == ["id-5"]
    assert values(file, "SELECT place FROM calls ORDER BY place") == [place_of(0, 0), place_of(0, 9), place_of(1, 9)]
    assert values(file, "SELECT value FROM newest") == [b"b"]


def test_of_a_topic_of_eans_every_record_is_kept_until_retention_removes_it(file: ProjectionFile) -> None:
    file.start_again({"drift": ("drift", "id-3")})
    rows = [KeptOfEan("drift", place_of(1, offset), "ean", b"%d" % offset) for offset in (0, 4, 9)]
    file.add(ProjectedRows(records=rows), {("drift", 1): 0}, {("drift", 1): OffsetRange(0, 10)})
    assert values(file, "SELECT value FROM records ORDER BY place") == [b"0", b"4", b"9"]

    file.prune("drift", "drift", 1, 4)

    assert values(file, "SELECT value FROM records ORDER BY place") == [b"4", b"9"]


def test_a_topic_that_is_not_read_any_more_is_forgotten(file: ProjectionFile) -> None:
    file.start_again({"drift": ("drift", "id-3")})
    file.add(
        ProjectedRows(newest=[record(0, b"state")], records=[KeptOfEan("drift", place_of(1, 0), "ean", b"")]),
        {STATES: 0, ("drift", 1): 0},
        {STATES: OffsetRange(0, 1), ("drift", 1): OffsetRange(0, 1)},
    )

    file.forget(["drift"])

    assert file.positions() == {STATES: OffsetRange(0, 1)}
    assert values(file, "SELECT value FROM records") == []
    assert file.topics() == {"results": "id-1", "states": "id-2"}


def test_a_failure_changes_nothing(file: ProjectionFile) -> None:
    broken = ProjectedRows(results=[result(0)], newest=[KeptRecord("offer_state", "a", "a", 2, 0, b"")])
    broken.newest.append(KeptRecord("offer_state", "b", "b", 2, None, b""))  # type: ignore[arg-type]

    with pytest.raises(Stopped, match="cannot be used"):
        file.add(broken, {RESULTS: 0}, {RESULTS: OffsetRange(0, 1)})

    assert (file.positions(), values(file, "SELECT place FROM results")) == ({}, [])


def test_a_file_of_another_version_is_emptied(file: ProjectionFile, path: Path) -> None:
    file.add(ProjectedRows(results=[result(0)]), {RESULTS: 0}, {RESULTS: OffsetRange(0, 1)})
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 999")

    with open_projection(path) as again:
        assert (again.topics(), again.positions()) == ({}, {})


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Stopped, match="cannot be used"), open_projection(tmp_path / "file" / "projection.sqlite"):
        pass
