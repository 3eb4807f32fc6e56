"""Python function calls per event in the engine's thread, by package: the length of the way of an offer.

Unlike a time, the number does not depend on the machine: the engine is given a clock of its own. Counted are functions
of this repository, generators at each step and generated code included, from records as the consumer returns them to
encoded outputs.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from benchmarks.inprocess import InProcessEngine, SteppedTime, codecs, made_up_offers, stored_states
from benchmarks.report import ReportSection, at_most

GOAL_REPEATED: Final = 240
GOAL_APPLIED: Final = 340
"""Calls per event of 1,000 offers; at commit 812153c, before the code was divided into packages: 295 and 483."""

_ROOT: Final = Path(__file__).parents[1]
_PACKAGES: Final = ("connector", "streams")


def measure(offers: int) -> ReportSection:
    """Counts the calls of one event for each of ``offers`` offers: one that repeats the price, one that changes it."""
    engine = InProcessEngine(known := list(made_up_offers(offers)), codecs(), stored_states(known), SteppedTime())
    repeats = engine.records(1, price=(Decimal("19.99"), "EUR"))
    warm_up, changes = engine.records(2), engine.records(3)
    cases = {"repeated": _counted(lambda: engine.handle(repeats))}
    engine.handle(warm_up)
    cases["applied"] = _counted(lambda: engine.handle(changes))
    repeated, applied = (_total(calls) / offers for calls in cases.values())
    return ReportSection(
        title="function calls per event",
        head=("package", *cases),
        rows=[*_rows(cases.values(), offers)],
        notes=[f"one event for each of {offers} offers; without consumer, producer and HTTP"],
        goals=[
            at_most("calls per repeated event", repeated, GOAL_REPEATED),
            at_most("calls per applied event", applied, GOAL_APPLIED),
        ],
    )


def _counted(run: Callable[[], None]) -> Counter[str]:
    """Returns how often functions of each package are called while something runs."""
    package_of: dict[CodeType, str] = {}
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            if code not in package_of:
                package_of[code] = _package(code.co_filename)
            calls[package_of[code]] += 1

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


def _package(filename: str) -> str:
    """Returns the package of a source file, at most two levels deep; empty = not counted."""
    if filename.startswith(("<writer of", "<reader of", "<needs>")):
        return "generated codecs"
    path = Path(filename)
    if not path.is_relative_to(_ROOT):
        return ""
    parts = path.relative_to(_ROOT).parts
    return "/".join(parts[:-1][:2]) if parts[0] in _PACKAGES else ""


def _rows(cases: Iterable[Counter[str]], offers: int) -> Iterable[tuple[str, ...]]:
    counted = [*cases]
    for package in sorted({name for calls in counted for name in calls if name}):
        yield (package, *(f"{calls[package] / offers:,.1f}" for calls in counted))
    yield ("all", *(f"{_total(calls) / offers:,.1f}" for calls in counted))


def _total(calls: Counter[str]) -> int:
    return sum(number for package, number in calls.items() if package)
