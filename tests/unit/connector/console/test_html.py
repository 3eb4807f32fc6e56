"""Every text is escaped: as a child, as the value of an attribute, in an address."""

from urllib.parse import parse_qs, unquote, urlsplit

import html5lib
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.console.html import address, copied, element, link, listed, table
from connector.operations.dlq.texts import printable
from tests.harness.effort import examples

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)",
    "\x1b]0;owned\x07\x1b[31mred",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "]]><svg/onload=alert(1)>",
    "\u202e4006381333931",
    "a\x00b\r\nc",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_a_text_never_becomes_markup(text: str) -> None:
    markup = element("p", text, title=text).markup

    paragraph = html5lib.parseFragment(markup, namespaceHTMLElements=False)[0]
    assert list(paragraph) == []
    assert paragraph.text == printable(text)
    assert paragraph.attrib == {"title": printable(text)}


@settings(max_examples=examples(50))
@given(st.text(max_size=60))
@example("\x9b31m")
def test_every_text_is_read_back_as_it_was_printed(text: str) -> None:
    markup = listed([copied(text), link(text, "offers", text, q=text)]).markup

    assert not any(one != " " and not one.isprintable() for one in markup)
    parsed = html5lib.parseFragment(markup, namespaceHTMLElements=False)
    assert [one.text or "" for one in parsed.iter("code")] == [printable(text)]
    (anchor,) = parsed.iter("a")
    parts = urlsplit(anchor.attrib["href"])
    assert parts.scheme == parts.netloc == ""
    assert unquote(parts.path) == f"/offers/{text}"
    assert parse_qs(parts.query, keep_blank_values=True) == {"q": [text]}


def test_an_address_leaves_out_what_is_not_given() -> None:
    assert address("offers", q=None) == "/offers"
    assert address("search", q="a&b", anchor="main") == "/search?q=a%26b#main"


def test_a_table_names_its_columns_and_can_be_scrolled_with_the_keyboard() -> None:
    markup = table("Offers", ("EAN", "pieces"), [("<b>", 3)], frozenset({1})).markup

    assert 'role="region"' in markup
    assert 'tabindex="0"' in markup
    assert '<th scope="col" class="number">pieces</th>' in markup
    assert "<td>&lt;b&gt;</td>" in markup
