"""The claims topic as a dry run uses it: what the live group has written, and the dry run's own records in memory.

So a dry run decides between several EANs of an offer as a live run would, and claims nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from connector.offers.claims import ClaimsTopic

_AFTER_ALL: Final = 2**62
"""The offset of the first record of a dry run: every claim of the live group has a lower one, and so comes first."""


class UnwrittenClaims:
    """A ``ClaimsTopic`` that reads ``topic`` and never writes to it. Not thread-safe: ``Claims`` guards it."""

    def __init__(self, topic: ClaimsTopic) -> None:
        self._topic = topic
        self._own: list[tuple[int, bytes, bytes | None]] = []
        self._read = 0  # how many of these were read

    def read(self, timeout_s: float) -> tuple[bool, Iterable[tuple[int, bytes, bytes | None]]]:
        """Returns the topic's new records, then the own ones; all of these again after the topic was recreated."""
        anew, records = self._topic.read(timeout_s)
        own = self._own[0 if anew else self._read :]
        self._read = len(self._own)
        return anew, [*records, *own]

    def write(self, rows: Sequence[tuple[bytes, bytes]], timeout_s: float) -> None:  # noqa: ARG002 - nothing waits
        """Keeps the records in memory."""
        for key, value in rows:
            self._own.append((_AFTER_ALL + len(self._own), key, value))
