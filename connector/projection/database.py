"""The projection's SQLite file: its tables, and transactions that keep rows and positions together."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any, Final

from connector.projection.private_file import private_database
from connector.projection.rows import LISTED, Kept, KeptRecord, ProjectedRows, place_of
from streams.clock import uptime_s
from streams.errors import Stopped
from streams.kafka.log_reader import OffsetRange, PartitionId

VERSION: Final = 4
"""The version of the tables. A file of another version is built again."""
_TABLES: Final = """
CREATE TABLE topics (topic TEXT PRIMARY KEY, dataset TEXT NOT NULL, topic_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE positions (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE results (
    place INTEGER PRIMARY KEY, ean TEXT NOT NULL, result_id TEXT NOT NULL, decided_at_us INTEGER NOT NULL,
    origin TEXT NOT NULL, status TEXT NOT NULL, code TEXT, target_id TEXT, value BLOB NOT NULL, accepted_unit INTEGER
);
CREATE INDEX results_by_ean ON results (ean);
CREATE INDEX accepted_units ON results (accepted_unit) WHERE accepted_unit IS NOT NULL;
CREATE TABLE calls (
    place INTEGER PRIMARY KEY, call_id TEXT NOT NULL, account TEXT NOT NULL, sent_at_us INTEGER NOT NULL,
    value BLOB NOT NULL
);
CREATE INDEX calls_by_id ON calls (call_id);
CREATE TABLE newest (
    dataset TEXT NOT NULL, ean TEXT NOT NULL, key TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    value BLOB NOT NULL, facet TEXT, place TEXT, since_us INTEGER NOT NULL, unit_id INTEGER,
    PRIMARY KEY (dataset, ean, key, partition)
);
CREATE INDEX newest_by_facet ON newest (dataset, facet, since_us) WHERE facet IS NOT NULL;
CREATE INDEX held_results ON results (decided_at_us) WHERE status = 'HELD';
CREATE TABLE offer_ids (offer_id TEXT NOT NULL, ean TEXT NOT NULL, PRIMARY KEY (offer_id, ean)) WITHOUT ROWID;
CREATE TABLE minutes (
    minute INTEGER NOT NULL, dataset TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL, most INTEGER NOT NULL,
    PRIMARY KEY (minute, dataset, name)
) WITHOUT ROWID;
CREATE TABLE summaries (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
    dataset TEXT NOT NULL, place INTEGER NOT NULL, ean TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (dataset, place)
);
CREATE INDEX records_by_ean ON records (dataset, ean);
CREATE TABLE unreadable (dataset TEXT NOT NULL, place INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (dataset, place)) WITHOUT ROWID;
"""
_PROGRESS_EVERY: Final = 10_000
"""Instructions of SQLite's virtual machine between two looks at the time."""


class Overtaken(Exception):
    """Another process has moved the positions since they were read."""


class ProjectionFile:
    """One file. Every method raises Stopped if the file cannot be used; another process may write to it meanwhile."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    # ---- what is kept -----------------------------------------------------------------------------------------------

    def topics(self) -> dict[str, str]:
        """Returns the id of each topic that rows were read from."""
        return dict(self.query("SELECT topic, topic_id FROM topics"))

    def positions(self) -> dict[PartitionId, OffsetRange]:
        """Returns, of each partition, the first offset that existed when it was read last, and the next to read."""
        rows = self.query('SELECT topic, partition, "first", next FROM positions')
        return {(topic, partition): OffsetRange(first, after) for topic, partition, first, after in rows}

    def unreadable(self) -> list[tuple[str, int, str]]:
        """Returns dataset, number of records that could not be decoded, and the reason of one of them."""
        return self.query("SELECT dataset, count(*), min(reason) FROM unreadable GROUP BY dataset ORDER BY dataset")

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Returns the rows of a SELECT."""
        with self._errors():
            return self._connection.execute(statement, values).fetchall()

    # ---- what changes it --------------------------------------------------------------------------------------------

    def start_again(self, topics: Mapping[str, tuple[str, str]]) -> None:
        """Removes the rows and positions of these topics, and notes their dataset and id."""
        with self._transaction() as run:
            for topic, (dataset, topic_id) in topics.items():
                _remove_rows(run, topic, dataset)
                run("INSERT OR REPLACE INTO topics VALUES (?, ?, ?)", (topic, dataset, topic_id))

    def forget(self, topics: Iterable[str]) -> None:
        """Removes all of these topics, which are not read any more."""
        with self._transaction() as run:
            for topic in topics:
                for (dataset,) in run("SELECT dataset FROM topics WHERE topic = ?", (topic,)).fetchall():
                    _remove_rows(run, topic, dataset)
                run("DELETE FROM topics WHERE topic = ?", (topic,))

    def add(
        self, rows: ProjectedRows, before: Mapping[PartitionId, int], after: Mapping[PartitionId, OffsetRange]
    ) -> None:
        """Adds rows and moves the positions, in one transaction.

        ``before``: the positions that the rows were read from. Raises Overtaken if the file has others.
        """
        with self._transaction() as run:
            for (topic, partition), position in before.items():
                found = run(
                    "SELECT next FROM positions WHERE topic = ? AND partition = ?", (topic, partition)
                ).fetchone()
                if (0 if found is None else found[0]) != position:
                    raise Overtaken
            self._insert("results", map(astuple, rows.results))
            self._insert("calls", map(astuple, rows.calls))
            self._insert("records", map(astuple, rows.records))
            self._insert("unreadable", map(astuple, rows.unreadable))
            self._insert("offer_ids", map(astuple, rows.offer_ids))
            for row in rows.newest:
                _keep_newest(run, row)
            for one in rows.minutes.values():
                run(_COUNT, (one.minute, one.dataset, one.name, one.count, one.most))
            for (topic, partition), part in after.items():
                run("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)", (topic, partition, part.first, part.end))

    def summary(self, name: str) -> str | None:
        """Returns a text that ``keep_summary`` has kept, None if there is none."""
        rows = self.query("SELECT value FROM summaries WHERE name = ?", name)
        return str(rows[0][0]) if rows else None

    def keep_summary(self, name: str, value: str) -> None:
        """Keeps a text that was computed from the rows."""
        with self._transaction() as run:
            run("INSERT OR REPLACE INTO summaries VALUES (?, ?)", (name, value))

    def forget_minutes(self, before: int) -> None:
        """Removes what was counted of the minutes before this one."""
        with self._transaction() as run:
            run("DELETE FROM minutes WHERE minute < ?", (before,))

    def prune(self, topic: str, dataset: str, partition: int, first: int) -> None:
        """Removes what the topic's retention has removed: the rows of a partition below its first offset."""
        below = (place_of(partition, 0), place_of(partition, first))
        with self._transaction() as run:
            run('UPDATE positions SET "first" = ? WHERE topic = ? AND partition = ?', (first, topic, partition))
            run("DELETE FROM unreadable WHERE dataset = ? AND place >= ? AND place < ?", (dataset, *below))
            match LISTED[dataset]:
                case Kept.RESULTS:
                    run("DELETE FROM results WHERE place >= ? AND place < ?", below)
                case Kept.CALLS:
                    run("DELETE FROM calls WHERE place >= ? AND place < ?", below)
                case Kept.NEWEST:
                    run(
                        'DELETE FROM newest WHERE dataset = ? AND partition = ? AND "offset" < ?',
                        (dataset, partition, first),
                    )
                case Kept.ALL:
                    run("DELETE FROM records WHERE dataset = ? AND place >= ? AND place < ?", (dataset, *below))

    def _insert(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * _COLUMNS[table])
        self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)  # noqa: S608 - our names

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error


_COUNT: Final = (
    "INSERT INTO minutes VALUES (?, ?, ?, ?, ?) ON CONFLICT (minute, dataset, name) "
    "DO UPDATE SET count = count + excluded.count, most = max(most, excluded.most)"
)
_COLUMNS: Final[Mapping[str, int]] = {"results": 10, "calls": 5, "records": 4, "unreadable": 3, "offer_ids": 2}
_BY_DATASET: Final = frozenset({"newest", "records", "unreadable", "minutes"})
_TABLES_OF: Final[Mapping[Kept, tuple[str, ...]]] = {
    Kept.RESULTS: ("results", "unreadable", "minutes"),
    Kept.CALLS: ("calls", "unreadable", "minutes"),
    Kept.NEWEST: ("newest", "unreadable"),
    Kept.ALL: ("records", "unreadable"),
}


@contextmanager
def read_projection(path: Path, *, limit_s: float) -> Iterator[ProjectionFile]:
    """Opens a file that exists, to read it only. A statement that runs beyond the limit is ended.

    Raises Stopped if there is no file, if it is of another version, or if a statement was ended.
    """
    until_s = uptime_s() + limit_s
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=limit_s, isolation_level=None)
        ) as connection:
            connection.set_progress_handler(lambda: uptime_s() > until_s, _PROGRESS_EVERY)
            connection.execute("PRAGMA temp_store = MEMORY")
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                raise Stopped(f"the projection {path} is of another version; it is being built again")
            yield ProjectionFile(path, connection)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error


@contextmanager
def open_projection(path: Path) -> Iterator[ProjectionFile]:
    """Opens a file, creates it if there is none, and empties one of another version.

    Only this user may read it. Raises Stopped if it cannot be opened or is not a projection.
    """
    try:
        with private_database(path) as connection:
            _prepare(connection)
            yield ProjectionFile(path, connection)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -65536", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            connection.execute(f'DROP TABLE "{name}"')
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _remove_rows(run: Callable[..., sqlite3.Cursor], topic: str, dataset: str) -> None:
    """Removes the rows and positions of a topic."""
    for table in _TABLES_OF[LISTED[dataset]]:
        run(
            f"DELETE FROM {table}" + (" WHERE dataset = ?" if table in _BY_DATASET else ""),  # noqa: S608 - our names
            (dataset,) if table in _BY_DATASET else (),
        )
    run("DELETE FROM positions WHERE topic = ?", (topic,))


def _keep_newest(run: Callable[..., sqlite3.Cursor], row: KeptRecord) -> None:
    if row.value is None:
        run(
            "DELETE FROM newest WHERE dataset = ? AND ean = ? AND key = ? AND partition = ?",
            (row.dataset, row.ean, row.key, row.partition),
        )
    else:
        run("INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(row))


def _unusable(path: Path, error: Exception) -> Stopped:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
        return Stopped("reading the projection took too long. Remedy: try again, or choose fewer rows with a filter")
    return Stopped(
        f"the projection {path} cannot be used: {error}. Remedy: check the directory and its free space; if the file "
        "is damaged, delete it or pass --rebuild, and it is built from the topics again"
    )
