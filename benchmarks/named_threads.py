"""Runs the connector's command line, with its threads' names visible to the operating system.

``python -m benchmarks.named_threads run --config FILE``. Python gives them names that only it knows. Linux only
(``/proc``).
"""

from pathlib import Path
from threading import Thread
from typing import Final

from connector.cli.main import main

LONGEST: Final = 15
"""Bytes of a thread's name that Linux keeps."""


def show_names() -> None:
    """Makes every thread that is started from now on show its name."""
    start = Thread.start

    def start_shown(thread: Thread) -> None:
        start(thread)
        try:
            Path(f"/proc/self/task/{thread.native_id}/comm").write_text(thread.name[:LONGEST], "ascii")
        except OSError:
            return  # it has ended already

    Thread.start = start_shown  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    show_names()
    main()
