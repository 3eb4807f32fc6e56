"""Cells of files that people open in a spreadsheet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.operations.spreadsheet import cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1"])
def test_a_formula_is_marked_as_text(text: str) -> None:
    assert cell(text).startswith("'")


@pytest.mark.parametrize(
    ("text", "shown"), [(None, ""), ("", ""), ("4006381333931", "4006381333931"), ("a=b", "a=b"), ("\t=1", "\\t=1")]
)
def test_anything_else_stays_as_it_is(text: str | None, shown: str) -> None:
    assert cell(text) == shown


@given(st.text())
def test_no_cell_begins_a_formula_or_commands_a_terminal(text: str) -> None:
    shown = cell(text)

    assert shown.isprintable()
    assert not shown.lstrip().startswith(("=", "+", "-", "@"))
