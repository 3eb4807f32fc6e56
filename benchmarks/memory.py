"""Bytes per known unit: compares an engine that has restored many units with one that has restored none.

A known unit is an offer in a sleeping lane: no call in flight, no pending work, and known price, stock and handling
time. Everything that the engine holds for it counts: its key, its index entry, and the bytes of its state record.

``python -m benchmarks.memory UNITS [--traced]`` is the process that is measured. Each figure needs a process of its
own, because freed memory is not returned to the system. Linux only (``/proc``).
"""

import gc
import subprocess
import sys
import tracemalloc
from pathlib import Path

from benchmarks.inprocess import InProcessEngine, codecs, made_up_offers, now, stored_states
from benchmarks.report import ReportSection, at_most

GOAL_BYTES = 250
ROOT = Path(__file__).parent.parent


def measure(units: int) -> ReportSection:
    """Measures ``units`` units, as resident memory and as traced allocations."""
    resident = (_bytes_of(units) - _bytes_of(0)) / units
    traced = (_bytes_of(units, "--traced") - _bytes_of(0, "--traced")) / units
    return ReportSection(
        title=f"Memory per known unit, {units:,} of them",
        head=("counted as", "bytes per unit"),
        rows=[
            ("resident memory of the process", f"{resident:,.0f}"),
            ("objects that Python holds (tracemalloc)", f"{traced:,.0f}"),
        ],
        notes=[
            f"all that is held for an offer that sleeps: its key, its index entry, and its state record, which "
            f"has {_record_bytes()} bytes here",
            "resident memory includes what the restore itself needed for a moment, and what lanes awake reuse",
        ],
        goals=[at_most("bytes held per known unit", traced, GOAL_BYTES)],
    )


def _record_bytes() -> int:
    """Returns the size of one state record's value."""
    return sum(
        len(stored.value or b"") for states in stored_states(made_up_offers(1)).values() for stored in states.values()
    )


def _bytes_of(units: int, *options: str) -> int:
    command = [sys.executable, "-m", "benchmarks.memory", str(units), *options]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def _restored(units: int, *, traced: bool) -> int:
    """Restores ``units`` units and returns the bytes held: resident memory, or traced allocations with ``traced``."""
    if traced:
        tracemalloc.start()
    world = InProcessEngine((), codecs(), stored_states(made_up_offers(units)))
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] if traced else resident_bytes()
    assert world.engine.snapshot(now()).lanes_asleep == units
    return held


def resident_bytes() -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


if __name__ == "__main__":
    sys.stdout.write(str(_restored(int(sys.argv[1]), traced="--traced" in sys.argv)))
