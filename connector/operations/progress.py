"""Shows on standard error how far a command has come, if it takes longer than a second and a person looks at it."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TextIO, TypeVar

from streams.clock import uptime_s

T = TypeVar("T")

_AFTER_S: Final = 1.0
_EVERY_S: Final = 0.2
_ERASE: Final = "\r\x1b[2K"


def counted(
    items: Iterable[T], what: str, *, stream: TextIO | None = None, clock: Callable[[], float] = uptime_s
) -> Iterator[T]:
    """Yields the items, and shows their number so far as ``what: 12,345``, in one line that is erased at the end.

    Shows nothing where ``stream`` (by default, standard error) is not a terminal.
    """
    out = sys.stderr if stream is None else stream
    if not out.isatty():
        yield from items
        return
    due_s, shown = clock() + _AFTER_S, False
    try:
        for count, item in enumerate(items, start=1):
            if (now_s := clock()) >= due_s:
                out.write(f"{_ERASE}{what}: {count:,}")
                out.flush()
                due_s, shown = now_s + _EVERY_S, True
            yield item
    finally:
        if shown:
            out.write(_ERASE)
            out.flush()
