"""The check that released schema files are never edited and new versions are compatible."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import schemas
from schemas import history, naming

FOLDER = Path(schemas.__file__).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Returns a copy of the schemas in which every file is released, including those not released yet here."""
    made = tmp_path / "schemas"
    shutil.copytree(FOLDER, made, ignore=shutil.ignore_patterns("__pycache__"))
    released = {path.name: history.digest(path.read_bytes()) for path in made.glob("*.avsc")}
    (made / "released.json").write_text(json.dumps(released))
    return made


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
    file = next_version(copy, "offer_result", lambda _fields: None)
    (copy / "offer_state.v1.avsc").write_text("{}")
    assert run(copy, "check").returncode == 1

    done = run(copy, "release")

    assert done.returncode == 1
    assert done.stderr == "schemas/offer_state.v1.avsc: released, and edited since; write a new version instead\n"
    assert file in json.loads((copy / "released.json").read_text())


Change = Callable[[list[dict[str, Any]]], None]
"""Edits the fields of a record in place."""


def next_version(copy: Path, name: str, change: Change) -> str:
    """Writes the next version of ``name``, the newest one with ``change`` applied, and returns its file name."""
    versions = sorted(int(path.name.split(".v")[1].removesuffix(".avsc")) for path in copy.glob(f"{name}.v*.avsc"))
    schema = json.loads((copy / naming.file_name(name, versions[-1])).read_text())
    change(schema["fields"])
    file = naming.file_name(name, versions[-1] + 1)
    (copy / file).write_text(json.dumps(schema))
    return file


def field(fields: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(field for field in fields if field["name"] == name)


def another_type(fields: list[dict[str, Any]]) -> None:
    field(fields, "account")["type"] = "int"


def removed(fields: list[dict[str, Any]]) -> None:
    fields.remove(field(fields, "account"))


def added_without_default(fields: list[dict[str, Any]]) -> None:
    fields.append({"name": "colour", "type": "string"})


def another_unit(fields: list[dict[str, Any]]) -> None:
    field(fields, "created_at")["type"]["logicalType"] = "timestamp-millis"


REFUSED: dict[str, tuple[Change, str]] = {
    "a changed type": (another_type, "/account: string cannot be read as int"),
    "a removed field": (removed, "/account: is not written, and has no default"),
    "a field without default": (added_without_default, "/colour: is not written, and has no default"),
    "another unit of a moment": (another_unit, "/created_at (long): timestamp-micros became timestamp-millis"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("command", ["release", "check"])
def test_what_an_earlier_version_could_not_read_is_refused_and_not_released(
    copy: Path, name: str, command: str
) -> None:
    change, why = REFUSED[name]
    before = json.loads((copy / "released.json").read_text())
    file = next_version(copy, "order_observed", change)

    done = run(copy, command)

    assert done.returncode == 1
    assert f"schemas/{file}: beside order_observed.v1.avsc: " in done.stderr
    assert why in done.stderr
    assert json.loads((copy / "released.json").read_text()) == before


def test_every_earlier_version_counts_not_the_last_alone(copy: Path) -> None:
    """The last version lacks the field, so compared with it alone any type of the field would be permitted."""

    def came(fields: list[dict[str, Any]]) -> None:
        fields.append({"name": "colour", "type": "string", "default": ""})

    def went(fields: list[dict[str, Any]]) -> None:
        fields.remove(field(fields, "colour"))

    def came_otherwise(fields: list[dict[str, Any]]) -> None:
        fields.append({"name": "colour", "type": "int", "default": 0})

    for change in (came, went):
        next_version(copy, "order_observed", change)
        assert run(copy, "release").returncode == 0
    next_version(copy, "order_observed", came_otherwise)

    done = run(copy, "release")

    assert done.returncode == 1
    assert "/colour: string cannot be read as int" in done.stderr


def test_an_input_may_lose_what_its_old_readers_need_as_only_the_connector_reads_it(copy: Path) -> None:
    def went(fields: list[dict[str, Any]]) -> None:
        fields.remove(field(fields, "event_id"))

    file = next_version(copy, "offer_changed", went)

    assert run(copy, "release").returncode == 0
    assert file in json.loads((copy / "released.json").read_text())


def test_a_renamed_optional_field_is_released_with_a_warning(copy: Path) -> None:
    def came(fields: list[dict[str, Any]]) -> None:
        fields.append({"name": "colour", "type": ["null", "string"], "default": None})

    def renamed(fields: list[dict[str, Any]]) -> None:
        field(fields, "colour")["name"] = "tint"

    with_colour = next_version(copy, "order_observed", came)
    assert (run(copy, "release").stderr, run(copy, "check").stderr) == ("", "")
    file = next_version(copy, "order_observed", renamed)

    done = run(copy, "release")

    assert done.returncode == 0
    assert done.stderr.startswith(f"schemas/{file}: OrderObserved.colour of {with_colour} is gone, and tint of ")
    assert file in json.loads((copy / "released.json").read_text())


def test_an_invalid_schema_is_not_released(copy: Path) -> None:
    (copy / "order_observed.v9.avsc").write_text('{"type": "record"}')

    done = run(copy, "release")

    assert done.returncode == 1
    assert done.stderr.startswith("schemas/order_observed.v9.avsc: is no Avro schema: ")
    assert "order_observed.v9.avsc" not in json.loads((copy / "released.json").read_text())


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
