"""A watched file's last valid, settled content is in use, whatever is written to it."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.mappings.watched_file import SAME_LOOKS, WatchedFile
from tests.harness.effort import examples


def parse(content: bytes) -> int:
    return int(content)


class WrittenFile:
    """A file whose every write has a modification time of its own, whatever the resolution of the clock."""

    def __init__(self, path: Path, content: str) -> None:
        self.path = path
        self._time = 1_700_000_000
        self.write(content)

    def write(self, content: str) -> None:
        self.path.write_text(content)
        self._time += 1
        os.utime(self.path, (self._time, self._time))


@pytest.fixture
def written(tmp_path: Path) -> WrittenFile:
    return WrittenFile(tmp_path / "number", "1")


def watched(written: WrittenFile) -> WatchedFile[int]:
    return WatchedFile("numbers.file", written.path, parse)


def settle(file: WatchedFile[int]) -> bool:
    """Looks until a change is read, and returns whether the last look has changed something."""
    return [file.look() for _ in range(SAME_LOOKS)][-1]


def test_a_change_is_in_use_once_the_file_was_seen_several_times_the_same(written: WrittenFile) -> None:
    file = watched(written)
    written.write("2")

    for _ in range(SAME_LOOKS - 1):
        assert not file.look()
        assert file.current == 1
    assert file.look()
    assert (file.current, file.problem) == (2, "")
    assert not file.look()


def test_a_mounted_file_is_read_again_when_kubernetes_turns_its_links_to_another_directory(tmp_path: Path) -> None:
    def mount(directory: str, content: str) -> None:
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "number").write_text(content)
        (tmp_path / "new").symlink_to(directory)
        (tmp_path / "new").replace(tmp_path / "..data")

    mount("..1", "1")
    (tmp_path / "number").symlink_to("..data/number")
    file = WatchedFile("numbers.file", tmp_path / "number", parse)

    mount("..2", "2")

    assert settle(file)
    assert file.current == 2


def test_a_file_that_is_still_being_written_is_not_read(written: WrittenFile) -> None:
    file = watched(written)
    for content in ("2", "23", "234"):
        written.write(content)
        for _ in range(SAME_LOOKS - 1):
            assert not file.look()
    assert file.current == 1

    assert file.look()
    assert file.current == 234


def test_content_that_is_not_valid_is_refused_once_and_the_old_one_stays_in_use(written: WrittenFile) -> None:
    file = watched(written)
    written.write("two")

    assert settle(file)
    assert file.current == 1
    assert "invalid literal" in file.problem
    assert not file.look()


def test_a_file_that_is_removed_is_a_problem_until_it_is_back(written: WrittenFile) -> None:
    file = watched(written)
    written.path.unlink()

    assert file.look()
    assert (file.current, file.problem) == (1, "No such file or directory")
    assert not file.look()

    written.write("1")
    settle(file)
    assert (file.current, file.problem) == (1, "")


def test_a_refusal_is_not_forgotten_while_the_file_is_away(written: WrittenFile) -> None:
    file = watched(written)
    written.write("two")
    settle(file)
    away = written.path.rename(written.path.with_suffix(".away"))
    file.look()
    away.rename(written.path)

    settle(file)

    assert "invalid literal" in file.problem


def test_a_file_that_is_not_valid_at_first_raises(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("one")
    with pytest.raises(ValueError, match="invalid literal"):
        WatchedFile("numbers.file", tmp_path / "bad", parse)
    with pytest.raises(OSError, match="No such file"):
        WatchedFile("numbers.file", tmp_path / "gone", parse)


def test_a_change_that_needs_a_restart_is_refused_and_a_later_one_is_not(written: WrittenFile) -> None:
    def only_up(before: int, after: int) -> None:
        if after < before:
            raise ValueError(f"{after} is less than {before}")

    file = WatchedFile("numbers.file", written.path, parse, only_up)
    written.write("0")
    settle(file)
    assert (file.current, file.problem) == (1, "0 is less than 1")

    written.write("5")
    settle(file)
    assert (file.current, file.problem) == (5, "")


STEPS = st.lists(st.one_of(st.just("look"), st.just("remove"), st.integers(0, 5).map(str), st.just("invalid")))


@settings(max_examples=examples(300))
@given(steps=STEPS)
def test_after_some_looks_the_last_valid_content_is_in_use_and_a_problem_says_if_the_present_one_is_not(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    written = WrittenFile(tmp_path_factory.mktemp("watched") / "number", "9")
    file, present, seen_valid = watched(written), "9", {9}
    for step in steps:
        if step == "look":
            file.look()
        elif step == "remove":
            written.path.unlink(missing_ok=True)
            present = "remove"
        else:
            written.write(step)
            present = step
            seen_valid |= {int(step)} if step.isdigit() else set()
        assert file.current in seen_valid

    settle(file)

    assert bool(file.problem) is (not present.isdigit())
    if present.isdigit():
        assert file.current == int(present)
