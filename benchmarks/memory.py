"""Bytes per known unit: an engine that has restored many, against one that has restored none.

A known unit is one that sleeps: an offer with nothing under way and nothing undone, whose price, stock and handling
time are known. Counted is all that the engine holds for it: its key, its place, and the bytes of its state record.

Run as ``python -m benchmarks.memory UNITS [--traced]`` it is the process that is measured; each figure has one of its
own, because freed memory is not given back. Linux (``/proc``).
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
            f"all that is held for an offer that sleeps: its key, its place on the shelf, and its state record, which "
            f"has {_record_bytes()} bytes here",
            "resident memory includes what the restore itself needed for a moment, and what lanes awake reuse",
        ],
        goals=[at_most("bytes held per known unit", traced, GOAL_BYTES)],
    )


def _record_bytes() -> int:
    """The value of one state record, as the topic keeps it."""
    return sum(
        len(stored.value or b"") for states in stored_states(made_up_offers(1)).values() for stored in states.values()
    )


def _bytes_of(units: int, *options: str) -> int:
    command = [sys.executable, "-m", "benchmarks.memory", str(units), *options]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def _restored(units: int, *, traced: bool) -> int:
    """Restore, and say what that holds."""
    if traced:
        tracemalloc.start()
    world = InProcessEngine((), codecs(), stored_states(made_up_offers(units)))
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] if traced else _resident_bytes()
    assert world.engine.snapshot(now()).lanes_asleep == units
    return held


def _resident_bytes() -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


if __name__ == "__main__":
    sys.stdout.write(str(_restored(int(sys.argv[1]), traced="--traced" in sys.argv)))
