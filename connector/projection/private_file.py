"""A SQLite file that only this user may read, shared by processes. Edge."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

_WAIT_S: Final = 60.0
"""How long a transaction of another process may take."""


@contextmanager
def private_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens a file without implicit transactions, and creates it if there is none.

    Raises OSError or sqlite3.Error.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)) as connection:
        yield connection
