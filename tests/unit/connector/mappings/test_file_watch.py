"""Watched files are looked at until the process ends, and each change is reported once."""

from pathlib import Path
from typing import Any

from connector.mappings.file_watch import FileWatch
from connector.mappings.watched_file import SAME_LOOKS, WatchedFile
from streams.control import ControlRead, RulesChanged
from streams.messages import Notice


class Rounds:
    """Ends after a number of waits; ``before`` runs before each."""

    def __init__(self, actions: list[Any]) -> None:
        self._actions = actions
        self.waited: list[float] = []

    def is_set(self) -> bool:
        return not self._actions

    def wait(self, timeout: float) -> bool:
        self.waited.append(timeout)
        if not self._actions:
            return True
        self._actions.pop(0)()
        return False


def test_each_change_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_text("1")
    file, seen = WatchedFile("numbers.file", path, int), list[tuple[int, str]]()
    reported: list[ControlRead | RulesChanged | Notice] = []
    rounds = Rounds(
        [
            lambda: path.write_text("22"),
            *[lambda: None] * SAME_LOOKS,
            lambda: path.write_text("wrong"),
            *[lambda: None] * SAME_LOOKS,
        ]
    )

    FileWatch([file], lambda changed: seen.append((changed.current, changed.problem)), every_s=0.5).follow(
        reported.append, rounds
    )

    assert [current for current, _ in seen] == [22, 22]
    assert [bool(problem) for _, problem in seen] == [False, True]
    assert set(rounds.waited) == {0.5}
    assert reported == [RulesChanged()] * 3, "at the start, and after each change"


def test_what_waits_is_judged_at_the_start_though_no_file_is_left() -> None:
    reported: list[ControlRead | RulesChanged | Notice] = []

    FileWatch([], lambda _: None).follow(reported.append, Rounds([]))

    assert reported == [RulesChanged()], "the settings of a file may have gone, with what it held"
