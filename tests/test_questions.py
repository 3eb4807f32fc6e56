"""The table of questions in ``docs/analytics.md`` names all files of questions, and commands and pages that exist."""

import re
import shlex
from collections.abc import Iterator

import pytest

from tests.harness.command_tree import refusal
from tests.harness.pages import ROOT, page

QUESTIONS = ROOT / "deploy" / "analytics" / "questions"
OPERATORS = 7
_CODE = re.compile(r"`([^`]+)`")


def rows() -> Iterator[list[str]]:
    """Yields question, file, command and page of each row."""
    _, _, section = page("docs/analytics.md").text.partition("## Standing questions\n")
    for line in section.partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0] not in ("question", "---"):
            yield cells


ROWS = list(rows())


def test_every_file_is_in_the_table_and_every_file_in_the_table_exists() -> None:
    named = {name for _, file, _, _ in ROWS for name in _CODE.findall(file)}

    assert named == {file.name for file in QUESTIONS.glob("*.sql")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_question_is_answered_by_a_file_a_command_or_a_page_that_exists(row: list[str]) -> None:
    _, file, command, shown = row

    assert file or command or shown
    for text in _CODE.findall(command):
        words = shlex.split(text)
        assert words[0] == "connector"
        assert refusal(words[1:]) == ""
    source = (ROOT / "connector" / "console" / "console_server.py").read_text("utf-8")
    routes = {re.sub(r"\{.*\}", "<EAN>", route) for route in re.findall(r'Route\("([^"]+)", self\._page\(', source)}
    assert set(_CODE.findall(shown)) <= routes - {"/<EAN>"}


def test_a_command_answers_each_question_of_the_person_who_runs_the_connector() -> None:
    assert all(command for _, _, command, _ in ROWS[-OPERATORS:])
    assert ROWS[-OPERATORS][0] == "why is this price wrong?"
