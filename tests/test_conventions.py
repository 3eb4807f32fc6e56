"""docs/conventions.md names for each convention what shows it, or says what is otherwise and why."""

from tests.harness.pages import ROOT, missing_in, table_rows

PAGE = (ROOT / "docs" / "conventions.md").read_text("utf-8")
MET, _, OTHERWISE = PAGE.partition("## What is otherwise")


def rows(text: str) -> list[list[str]]:
    """Returns the rows of the only table, without its head and ruler."""
    return list(table_rows(text))[2:]


def test_every_file_and_every_test_that_is_named_exists() -> None:
    assert {about: gone for about, _, shown in rows(MET) if (gone := missing_in(shown))} == {}


def test_each_convention_is_there_once_and_names_something_that_shows_it() -> None:
    names = [about for about, _, _ in rows(MET)]

    assert len(set(names)) == len(names) == 32
    assert [about for about, _, shown in rows(MET) if ".py" not in shown] == []


def test_what_is_otherwise_says_what_was_expected_and_why() -> None:
    assert len(rows(OTHERWISE)) == 7
    assert [about for about, expected, why in rows(OTHERWISE) if not expected or len(why) < 25] == []
