"""Compares SQLite with DuckDB as the projection's database: building, one EAN, one day's counts, size.

``python -m benchmarks.engines [ROWS]``, not part of ``make bench``: DuckDB is not a dependency. It is measured where it
is installed, with numpy: DuckDB's insert of single rows is so slow that batches are given as columns.
"""

import importlib
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

BATCH: Final = 10_000
ASKED: Final = 200
EANS_PER_ROW: Final = 20
TABLE: Final = (
    "CREATE TABLE results (place BIGINT PRIMARY KEY, ean TEXT NOT NULL, result_id TEXT NOT NULL, "
    "decided_at_us BIGINT NOT NULL, origin TEXT NOT NULL, status TEXT NOT NULL, code TEXT, target_id TEXT, "
    "value BLOB NOT NULL)"
)
INDEX: Final = "CREATE INDEX results_by_ean ON results (ean)"
ONE: Final = "SELECT value FROM results WHERE ean = ?"
COUNTS: Final = "SELECT status, code, count(*) FROM results WHERE decided_at_us >= ? GROUP BY status, code"
Row = tuple[int, str, str, int, str, str, str | None, str, bytes]


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"{rows:,} results of {rows // EANS_PER_ROW:,} EANs, in transactions of {BATCH:,}")
    print("| database | build s | one EAN, first ms | one EAN, median ms | counts of a day ms | open ms | MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, connect, insert in engines():
        with TemporaryDirectory() as folder:
            print(measured(name, Path(folder) / "file", connect, insert, rows), flush=True)


def engines() -> Iterator[tuple[str, Callable[[str], Any], Callable[[Any, Sequence[Row]], None]]]:
    yield f"SQLite {sqlite3.sqlite_version}", _sqlite, _insert_sqlite
    try:
        duckdb, numpy = importlib.import_module("duckdb"), importlib.import_module("numpy")
    except ImportError:
        print("DuckDB or numpy is not installed", file=sys.stderr)
        return

    def insert(connection: Any, batch: Sequence[Row]) -> None:
        names = ("place", "ean", "result_id", "decided_at_us", "origin", "status", "code", "target_id", "value")
        columns = {name: numpy.array([row[at] for row in batch], dtype=object) for at, name in enumerate(names)}
        columns |= {name: columns[name].astype("int64") for name in ("place", "decided_at_us")}
        connection.register("batch", columns)
        connection.execute("INSERT INTO results SELECT * FROM batch")

    yield f"DuckDB {duckdb.__version__}", duckdb.connect, insert


def measured(
    name: str,
    path: Path,
    connect: Callable[[str], Any],
    insert: Callable[[Any, Sequence[Row]], None],
    count: int,
) -> str:
    connection = connect(str(path))
    connection.execute(TABLE)
    connection.execute(INDEX)
    build_s = 0.0
    for first in range(0, count, BATCH):
        batch = [made_up(number, count) for number in range(first, min(count, first + BATCH))]
        began_s = time.perf_counter()
        insert(connection, batch)
        build_s += time.perf_counter() - began_s
    connection.close()
    began_s = time.perf_counter()
    connection = connect(str(path))
    open_s = time.perf_counter() - began_s
    chance = random.Random(1)
    times = [timed(connection, ONE, ean(chance.randrange(count // EANS_PER_ROW))) for _ in range(ASKED)]
    counts_s = timed(connection, COUNTS, count * 29 // 30)
    connection.close()
    size = sum(file.stat().st_size for file in path.parent.iterdir()) / 1e6
    middle = sorted(times)[ASKED // 2]
    return (
        f"| {name} | {build_s:.0f} | {times[0] * 1e3:.1f} | {middle * 1e3:.2f} | {counts_s * 1e3:,.0f} "
        f"| {open_s * 1e3:.0f} | {size:,.0f} |"
    )


def timed(connection: Any, statement: str, value: object) -> float:
    began_s = time.perf_counter()
    connection.execute(statement, [value]).fetchall()
    return time.perf_counter() - began_s


def made_up(number: int, count: int) -> Row:
    chance = random.Random(number)
    status = chance.choice(("APPLIED", "APPLIED", "UNCHANGED", "SUPERSEDED", "NOT_FOUND"))
    code = "OFFER_NOT_FOUND" if status == "NOT_FOUND" else None
    value = chance.randbytes(250)
    which = chance.randrange(count // EANS_PER_ROW)
    return (number, ean(which), f"{number:036d}", number, "LIVE", status, code, "shop-de", value)


def ean(number: int) -> str:
    return f"4{number:012d}"


def _sqlite(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _insert_sqlite(connection: sqlite3.Connection, batch: Sequence[Row]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", batch)
    connection.execute("COMMIT")


if __name__ == "__main__":
    main()
