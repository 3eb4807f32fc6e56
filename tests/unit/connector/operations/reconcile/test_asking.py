"""How long a command waits for the sweeps that it asked for, and what it says meanwhile."""

from collections.abc import Iterable
from io import StringIO

import pytest

from connector.operations.call_progress import ProgressLine
from connector.operations.reconcile.asking import PATIENCE_S, TAKEN_WITHIN_S, wait
from connector.operations.reconcile.sweeps import Place, StoredSweep
from connector.reconciliation.events import FinishedSweep, RunningSweep, SweepState
from streams.errors import Stopped

SECOND = 1_000_000
DE: Place = ("main", "de")


class Scripted:
    """States that come one by one, a second after the other; then none."""

    def __init__(self, *states: tuple[Place, SweepState], silence_s: float = 1.0) -> None:
        self.states = list(states)
        self.silence_s = silence_s
        self.now_s = 0.0

    def poll(self, timeout_s: float) -> Iterable[tuple[Place, StoredSweep]]:
        self.now_s += 1.0 if self.states else self.silence_s
        if not self.states:
            return []
        place, state = self.states.pop(0)
        return [(place, StoredSweep(state=state, stored_us=int(self.now_s * SECOND)))]

    def clock(self) -> float:
        return self.now_s


class WatchedTerminal(StringIO):
    def isatty(self) -> bool:
        return True


def waited(sweeps: Scripted, asked: dict[Place, int]) -> str:
    out = WatchedTerminal()
    with ProgressLine(stream=out, clock=sweeps.clock) as line:
        wait(asked, sweeps, line, sweeps.clock)
    return out.getvalue()


def running(pages: int, offset: int, command: int = 7) -> SweepState:
    return SweepState(
        storefront="de",
        last_offset=offset,
        running=RunningSweep(sweep_at_us=0, pages=pages, units=pages * 100, total=1_000, command_offset=command),
    )


def ended(command: int, last_offset: int = 7) -> SweepState:
    finished = FinishedSweep(sweep_at_us=0, ended_at_us=1, pages=2, units=100, skipped=0, command_offset=command)
    return SweepState(storefront="de", last_offset=last_offset, finished=finished)


def test_it_waits_for_a_sweep_that_began_after_the_command() -> None:
    sweeps = Scripted((DE, running(1, 7, -1)), (DE, ended(-1)), (DE, running(2, 7)), (DE, ended(7)), (DE, ended(8)))

    waited(sweeps, {DE: 7})

    assert len(sweeps.states) == 1


def test_it_waits_for_every_sweep_and_leaves_others_alone() -> None:
    at: Place = ("main", "at")
    sweeps = Scripted((("main", "sk"), ended(99)), (DE, ended(7)), (at, ended(5)), (at, ended(8, 8)), (DE, ended(9)))

    waited(sweeps, {DE: 7, at: 8})

    assert len(sweeps.states) == 1


def test_a_person_sees_how_far_the_sweep_is() -> None:
    shown = waited(Scripted((DE, running(1, 7, -1)), (DE, running(4, 7)), (DE, ended(7))), {DE: 7})

    assert "main/de: 100 of 1,000 units of the sweep before, " in shown
    assert "main/de: 400 of 1,000 units, 3 s left" in shown


def test_a_command_that_no_process_takes_is_given_up() -> None:
    sweeps = Scripted((DE, ended(3, 3)))

    with pytest.raises(Stopped, match="no process has taken the command for main/de within 60 s"):
        waited(sweeps, {DE: 7})

    assert sweeps.now_s > TAKEN_WITHIN_S


def test_a_sweep_without_progress_is_given_up() -> None:
    sweeps = Scripted((DE, running(1, 7)), silence_s=30.0)

    with pytest.raises(Stopped, match="connector reconcile status names the reason"):
        waited(sweeps, {DE: 7})

    assert sweeps.now_s > PATIENCE_S
