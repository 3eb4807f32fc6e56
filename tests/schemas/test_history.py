"""A published file is never edited."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import schemas
from schemas import history, naming

FOLDER = Path(schemas.__file__).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "schemas"


def run(copy: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "schemas", command], cwd=copy.parent, capture_output=True, text=True, check=False
    )


def test_every_file_is_as_it_was_released() -> None:
    released = json.loads((FOLDER / "released.json").read_text())
    present = {path.name: path.read_bytes() for path in FOLDER.glob("*.avsc")}

    assert history.problems(released, present) == []


@pytest.mark.parametrize(
    ("released", "present", "problem"),
    [
        ({"a.v1.avsc": history.digest(b"1")}, {"a.v1.avsc": b"2"}, "released, and edited since"),
        ({"a.v1.avsc": history.digest(b"1")}, {}, "released, and gone"),
        ({}, {"a.v1.avsc": b"1"}, "not in released.json"),
    ],
)
def test_a_change_is_named(released: dict[str, str], present: dict[str, bytes], problem: str) -> None:
    (found,) = history.problems(released, present)

    assert found.startswith("a.v1.avsc: ")
    assert problem in found


def test_the_check_passes_on_what_was_released(copy: Path) -> None:
    done = run(copy, "check")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_fails_on_a_single_changed_word(copy: Path) -> None:
    file = copy / "offer_result.v1.avsc"
    file.write_text(file.read_text().replace("tombstone", "Tombstone", 1))

    done = run(copy, "check")

    assert done.returncode == 1
    assert done.stderr.startswith("schemas/offer_result.v1.avsc: released, and edited since")


def test_a_release_takes_new_files_and_never_changed_ones(copy: Path) -> None:
    (copy / "offer_result.v2.avsc").write_text((copy / "offer_result.v1.avsc").read_text())
    (copy / "offer_state.v1.avsc").write_text("{}")
    assert run(copy, "check").returncode == 1

    done = run(copy, "release")

    assert done.returncode == 1
    assert done.stderr == "schemas/offer_state.v1.avsc: released, and edited since; write a new version instead\n"
    assert "offer_result.v2.avsc" in json.loads((copy / "released.json").read_text())


def test_an_unknown_command_is_not_understood(copy: Path) -> None:
    assert run(copy, "publish").returncode == 2


@pytest.mark.parametrize("file", ["offer_result.v1.avsc", "a.v12.avsc"])
def test_a_files_name_says_record_and_version(file: str) -> None:
    parsed = naming.parse(file)

    assert parsed is not None
    assert naming.file_name(*parsed) == file


@pytest.mark.parametrize(
    "file", ["README.md", "offer_result.avsc", "offer_result.v0.avsc", "Offer.v1.avsc", "a.v1.json"]
)
def test_other_files_are_no_schemas(file: str) -> None:
    assert naming.parse(file) is None


def test_a_version_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        schemas.load("offer_result", 99)


def test_every_name_has_a_first_version() -> None:
    assert all(schemas.versions(name)[0] == 1 for name in schemas.NAMES)
