"""Prints what an event costs in this process, as JSON: processor time (µs) and Python calls, repeated and applied.

``benchmarks/against.py`` runs this file in the trees of two commits, so it uses of them only what few commits change.
"""

import json
import sys
import time
from decimal import Decimal
from typing import Any, Final

from benchmarks.inprocess import (
    REAL_TIME,
    EngineClock,
    InProcessEngine,
    SteppedTime,
    codecs,
    made_up_offers,
    stored_states,
)

OFFERS: Final = 300
ROUNDS: Final = 10


class RepeatedEvents:
    """An engine, and events for each of its offers: one with the present price, or one with a new price."""

    def __init__(self, clock: EngineClock) -> None:
        self._offers = list(made_up_offers(OFFERS))
        self._engine = InProcessEngine(self._offers, codecs(), stored_states(self._offers), clock)
        self._price, self._number = Decimal("19.99"), 0

    def repeated(self) -> Any:
        return self._records()

    def applied(self) -> Any:
        self._price += 1
        return self._records()

    def handle(self, records: Any) -> None:
        self._engine.handle(records)

    def _records(self) -> Any:
        self._number += 1
        return self._engine.records(self._number, price=(self._price, self._offers[0].currency))


def measured() -> dict[str, float]:
    """Returns the lowest time of an event in several rounds, and its calls; each lane has had events before.

    The calls are counted in an engine with a clock of its own, so that they are the same on every machine.
    """
    timed, counted = RepeatedEvents(REAL_TIME), RepeatedEvents(SteppedTime())
    repeated, applied = [], []
    for _ in range(ROUNDS):
        repeated.append(_processor_us(timed, timed.repeated()))
        applied.append(_processor_us(timed, timed.applied()))
    counted.handle(counted.applied())
    return {
        "repeated_us": min(repeated),
        "applied_us": min(applied),
        "repeated_calls": _calls(counted, counted.repeated()),
        "applied_calls": _calls(counted, counted.applied()),
    }


def _processor_us(rounds: RepeatedEvents, records: Any) -> float:
    begin_s = time.thread_time()
    rounds.handle(records)
    return (time.thread_time() - begin_s) * 1e6 / OFFERS


def _calls(rounds: RepeatedEvents, records: Any) -> float:
    """Returns the calls of Python functions per event, those of libraries included."""
    count = 0

    def called(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(called)
    try:
        rounds.handle(records)
    finally:
        sys.setprofile(None)
    return count / OFFERS


if __name__ == "__main__":
    print(json.dumps(measured()))
