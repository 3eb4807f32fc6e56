"""docs/features.md lists every feature once, with a module and tests that exist."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.harness.pages import missing_in, table_rows

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "features.md").read_text()
DONE, _, OPEN = PAGE.partition("## Open")
ID = re.compile(r"S[0-4]-\d{2,3}")
ROWS = 247
LAST = {"S0": 46, "S1": 100, "S2": 30, "S3": 29, "S4": 50}
NEVER_GIVEN = frozenset({"S0-42", "S1-66", "S2-16", "S2-18", "S2-24", "S2-29", "S3-04", "S4-16"})


def table(text: str) -> Iterator[list[str]]:
    return (cells for cells in table_rows(text) if ID.fullmatch(cells[0]))


def test_every_id_is_listed_exactly_once() -> None:
    ids = Counter(cells[0] for cells in [*table(DONE), *table(OPEN)])
    wanted = {f"{part}-{number:02d}" for part, last in LAST.items() for number in range(1, last + 1)} - NEVER_GIVEN

    assert len(wanted) == ROWS
    assert [name for name, times in ids.items() if times > 1] == []
    assert set(ids) == wanted


def test_every_module_and_every_test_that_is_named_exists() -> None:
    assert {cells[0]: gone for cells in table(DONE) if (gone := missing_in(f"{cells[2]} {cells[3]}"))} == {}


def test_every_row_that_is_done_names_a_module_and_something_that_shows_it() -> None:
    for name, _, code, shown in table(DONE):
        assert re.fullmatch(r"`[^`:]+`", code), name
        assert "::" in shown, name


def test_an_open_row_is_marked_and_names_no_test() -> None:
    for name, _, state in table(OPEN):
        assert state.split(":")[0].strip(" |") == "open", name
        assert "::" not in state, name


def test_a_name_that_does_not_exist_is_found() -> None:
    assert missing_in("`tests/test_features.py::table` `tests/test_features.py::no_such` `no/such.py`") == [
        "tests/test_features.py::no_such",
        "no/such.py",
    ]
