"""The local file of what the catalogue has answered, so that nothing is asked again within a day."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from connector.operations.not_found.catalogue import KEPT_US, CatalogueAnswer, CatalogueEntry, Question
from connector.projection.private_file import private_database
from streams.errors import Stopped

VERSION: Final = 1
"""The version of the table. A file of another version is emptied."""
_TABLE: Final = """
CREATE TABLE answers (
    account TEXT NOT NULL, storefront TEXT NOT NULL, ean TEXT NOT NULL, entry TEXT NOT NULL,
    asked_at_us INTEGER NOT NULL, product_id INTEGER, title TEXT, PRIMARY KEY (account, storefront, ean)
) WITHOUT ROWID
"""


class CatalogueFile:
    """One file. Every method raises Stopped if the file cannot be used."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def known(self, now_us: int) -> dict[Question, CatalogueAnswer]:
        """Returns the answers that still count, and removes the others.

        An answer from the future, as after a clock was set back, does not count.
        """
        with self._errors():
            self._connection.execute(
                "DELETE FROM answers WHERE asked_at_us <= ? OR asked_at_us > ?", (now_us - KEPT_US, now_us)
            )
            rows = self._connection.execute("SELECT * FROM answers").fetchall()
        found = (
            CatalogueAnswer(
                question=(account, storefront, ean),
                entry=CatalogueEntry(entry),
                asked_at_us=asked_at_us,
                product_id=product_id,
                title=title,
            )
            for account, storefront, ean, entry, asked_at_us, product_id, title in rows
        )
        return {one.question: one for one in found}

    def add(self, answer: CatalogueAnswer) -> None:
        """Keeps an answer, in place of an earlier one to the same question."""
        values = (*answer.question, answer.entry.value, answer.asked_at_us, answer.product_id, answer.title)
        with self._errors():
            self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error


@contextmanager
def open_catalogue(path: Path) -> Iterator[CatalogueFile]:
    """Opens a file, and creates it if there is none. Only this user may read it. Raises Stopped if that fails."""
    try:
        with private_database(path) as connection:
            _prepare(connection)
            yield CatalogueFile(path, connection)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        connection.execute("DROP TABLE IF EXISTS answers")
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _unusable(path: Path, error: Exception) -> Stopped:
    return Stopped(
        f"the file {path} of catalogue look-ups cannot be used: {error}. Remedy: check the directory and its free "
        "space; if the file is damaged, delete it: it is a cache"
    )
