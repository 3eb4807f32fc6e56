"""How the cost of an engine grows with the units that it knows: restore, memory, and processor time of an event.

``python -m benchmarks.scale UNITS`` is the process that is measured, and prints its figures as JSON. Each size has a
process of its own. Reading the state topic from the broker is not part of the restore here. Linux only (``/proc``).
"""

import gc
import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Final

from benchmarks.inprocess import InProcessEngine, codecs, made_up_offers, stored_states
from benchmarks.memory import ROOT, resident_bytes
from benchmarks.report import ReportSection, at_most
from streams.messages import Input

GOAL_RESTORE_S: Final = 20.0
GOAL_STEP_MS: Final = 250.0
GOAL_BYTES: Final = 300.0
EVENTS: Final = 1_000
ROUNDS: Final = 4


class TimedEngine(InProcessEngine):
    """Notes the longest step, as processor time."""

    longest_s = 0.0

    def feed(self, message: Input) -> None:
        begin_s = time.thread_time()
        super().feed(message)
        self.longest_s = max(self.longest_s, time.thread_time() - begin_s)


def measure(sizes: Sequence[int]) -> ReportSection:
    """Measures each number of units."""
    found = {units: _figures_of(units) for units in sizes}
    largest = found[max(sizes)]
    return ReportSection(
        title="Cost by known units",
        head=("units", "restore, processor s", "longest step ms", "bytes per unit", "repeated µs", "applied µs"),
        rows=[
            (
                f"{units:,}",
                f"{one['restore_s']:.2f}",
                f"{one['longest_ms']:.0f}",
                f"{one['bytes']:.0f}",
                f"{one['repeated_us']:.0f}",
                f"{one['applied_us']:.0f}",
            )
            for units, one in found.items()
        ],
        notes=[
            f"{EVENTS:,} events on units spread evenly, the lowest of {ROUNDS} rounds; no consumer, producer or HTTP",
        ],
        goals=[
            at_most(f"processor s to restore {max(sizes):,} units", largest["restore_s"], GOAL_RESTORE_S),
            at_most("ms of the longest step", largest["longest_ms"], GOAL_STEP_MS),
            at_most("bytes of resident memory per unit", largest["bytes"], GOAL_BYTES),
        ],
    )


def _figures_of(units: int) -> Mapping[str, float]:
    command = [sys.executable, "-m", "benchmarks.scale", str(units)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    figures: Mapping[str, float] = json.loads(done.stdout)
    return figures


def figures(units: int) -> dict[str, float]:
    """Restores this many units in this process, and gives events to some of them."""
    step = max(1, units // EVENTS)
    start = random.Random(1).randrange(step)
    chosen = list(islice(made_up_offers(units), start, None, step))[:EVENTS]
    states = stored_states(made_up_offers(units))
    gc.collect()
    before, begin_s = resident_bytes(), time.thread_time()
    engine = TimedEngine(chosen, codecs(), states)
    restore_s = time.thread_time() - begin_s
    longest_s = engine.longest_s
    held = resident_bytes() - before  # beside the bytes that were read, of which the engine keeps copies
    repeated: list[float] = []
    applied: list[float] = []
    price, number = Decimal("19.99"), 0
    for round_ in range(ROUNDS):
        for spent in (repeated, applied):
            records = engine.records(number := number + 1, price=(price, chosen[0].currency))
            begin_s = time.thread_time()
            engine.handle(records)
            spent.append((time.thread_time() - begin_s) * 1e6 / len(records))
            price = Decimal(200_000 + round_).scaleb(-2) if spent is repeated else price
    return {
        "restore_s": restore_s,
        "longest_ms": longest_s * 1e3,
        "bytes": held / units,
        "repeated_us": min(repeated),
        "applied_us": min(applied),
    }


if __name__ == "__main__":
    print(json.dumps(figures(int(sys.argv[1]))))
