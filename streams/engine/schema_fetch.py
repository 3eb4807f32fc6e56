"""Requests the schemas that flows need before they can read a record: each once, and again after a failure."""

from collections.abc import Iterator
from math import inf
from typing import Any

from streams.engine.assignment import AssignedPartitions
from streams.messages import Fetch, Fetched

AGAIN_S = 1.0  # between a failed look-up and the next


class SchemaFetch:
    """The look-ups that partitions wait for."""

    def __init__(self) -> None:
        self._asked: dict[Any, float] = {}  # need -> when to request it again; inf = requested

    def fetched(self, fetched: Fetched, partitions: AssignedPartitions, now_s: float) -> None:
        """Lets partitions that waited for this need go on; after a problem it is requested again later."""
        if fetched.problem is not None:
            self._asked[fetched.need] = now_s + AGAIN_S
            return
        self._asked.pop(fetched.need, None)
        for assigned in partitions.values():
            assigned.fetched(fetched.need)

    def requests(self, partitions: AssignedPartitions, now_s: float) -> Iterator[Fetch]:
        """Yields the requests to make now."""
        needs = {waiting.need for assigned in partitions.values() for waiting in assigned.needs()}
        for need in [need for need in self._asked if need not in needs and self._asked[need] < inf]:
            del self._asked[need]
        for need in needs:
            if self._asked.get(need, -inf) <= now_s:
                self._asked[need] = inf
                yield Fetch(need=need)

    def next_s(self) -> float:
        """Returns when to call ``requests`` again; ``inf`` = not before something else happens."""
        return min(self._asked.values(), default=inf)
