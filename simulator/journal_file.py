"""Writes the journal to a file, one JSON line per row, as calls end. ``Journal.read`` reads it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from simulator.journal import (
    CallRow,
    OrderRow,
    PushRow,
    RawWrite,
    WriteRow,
    call_line,
    order_line,
    push_line,
    write_line,
)

_BUFFER_BYTES: Final = 256 * 1024


class JournalFile:
    """Appends to a file through a buffer. Call ``flush`` periodically; ``close`` may be called twice."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when the file can't be opened."""
        self._file = path.open("ab", buffering=_BUFFER_BYTES)

    def call(self, row: CallRow) -> None:
        self._file.write(call_line(row))

    def writes(self, rows: Sequence[RawWrite]) -> None:
        self._file.writelines(write_line(WriteRow(*row)) for row in rows)

    def order_rows(self, rows: Sequence[OrderRow]) -> None:
        self._file.writelines(map(order_line, rows))

    def push(self, row: PushRow) -> None:
        self._file.write(push_line(row))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
