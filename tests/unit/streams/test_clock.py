"""All leases and deadlines use one clock, which counts while the machine is suspended."""

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams import clock
from streams.clock import SystemClock

ROOT = Path(__file__).parent.parent.parent.parent
OWN_TIME = ("streams/clock.py", "devstack/jvm_stack.py", "simulator/", "devstack/")
"""May use other clocks: the clock module itself, and development tools that only measure how long something takes."""


def test_leases_are_measured_with_a_clock_that_a_suspended_machine_does_not_stop() -> None:
    boottime = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    before_s = time.clock_gettime(boottime)
    now_s = SystemClock().now().mono_s

    assert before_s <= now_s <= time.clock_gettime(boottime)


def test_after_a_suspension_as_much_more_time_has_passed_as_the_machine_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    slept_s = [0.0]
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda which: {7: time.monotonic() + slept_s[0]}[which])
    asked = clock._uptime()
    before_s, stopped_s = asked(), time.monotonic()
    slept_s[0] = 300.0

    assert asked() - before_s >= 300.0
    assert time.monotonic() - stopped_s < 300.0


@pytest.mark.parametrize("missing", ["no such name", "refused"])
def test_without_a_boottime_clock_the_monotonic_one_is_used(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    def refused(_which: int) -> float:
        raise OSError(22, "Invalid argument")

    if missing == "refused":
        monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
        monkeypatch.setattr(time, "clock_gettime", refused)
    else:
        monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)

    assert clock._uptime() is time.monotonic


def test_every_module_measures_waits_with_the_projects_clock() -> None:
    """A lease is valid only if it is granted and checked by the same clock."""
    assert list(_other_clocks()) == []


def _other_clocks() -> Iterator[str]:
    for folder in ("streams", "connector"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(OWN_TIME):
                for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                    if isinstance(node, ast.Attribute) and node.attr in ("monotonic", "monotonic_ns", "perf_counter"):
                        yield f"{name}:{node.lineno}"
