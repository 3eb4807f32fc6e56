"""The table of codes, and the page that is printed from it."""

import inspect
import re
import string
from pathlib import Path

import pytest

from connector.contracts import codes
from connector.contracts.codes import TABLE, Code
from connector.kaufland import prepared_call
from connector.kaufland.offers import calls as offer_calls
from connector.kaufland.verdict import table


def test_the_printed_table_is_that_of_the_source() -> None:
    printed = Path(codes.__file__).parents[2] / "docs" / "codes.md"

    assert printed.read_text() == codes.document(), "run: python -m connector.contracts.codes > docs/codes.md"


def test_every_code_has_a_sentence_and_an_advice() -> None:
    assert set(TABLE) == set(Code)
    assert all(words.sentence and words.advice for words in TABLE.values())


def test_not_found_has_the_message_that_people_search_for() -> None:
    assert TABLE[Code.OFFER_NOT_FOUND].sentence == "Cannot find existing offer"


@pytest.mark.parametrize("code", list(Code))
def test_the_offending_values_fill_the_sentence(code: Code) -> None:
    text = TABLE[code].sentence + TABLE[code].advice
    names = {name for _, name, _, _ in string.Formatter().parse(text) if name}

    problem = codes.explain(code, **{name: f"<{name}>" for name in names})

    assert all(f"<{name}>" in problem.message + problem.advice for name in names)


def test_every_code_of_the_kaufland_edge_is_in_the_table() -> None:
    judged = {row.code for row in vars(table).values() if isinstance(row, table.VerdictRow)}
    sources = (inspect.getsource(module) for module in (prepared_call, offer_calls))
    refused_unsent = {code for text in sources for code in re.findall(r'refused_here\("([A-Z_]+)"', text)}

    assert judged > {"MARKETPLACE_REFUSED"}
    assert refused_unsent
    assert judged | refused_unsent <= {code.value for code in Code}


def test_an_unknown_code_of_the_adapter_is_replaced_by_the_default() -> None:
    assert codes.known("VALUE_OUT_OF_BOUNDS", Code.MARKETPLACE_REFUSED) is Code.VALUE_OUT_OF_BOUNDS
    assert codes.known("thirteen brings bad luck", Code.MARKETPLACE_REFUSED) is Code.MARKETPLACE_REFUSED
