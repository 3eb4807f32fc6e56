"""Builds HTML in which every text is escaped.

A text that comes from data can be a child or the value of an attribute and nothing else: it is never part of the
markup. Characters that a browser or, after copying, a terminal could take for a command are shown as escape sequences.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias
from urllib.parse import quote, urlencode

from connector.operations.dlq.texts import printable

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta"})


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is finished: it is not escaped again. Only functions of this module make it."""

    markup: str


Child: TypeAlias = str | int | Html | None
"""What an element can contain. None: nothing."""
Attribute: TypeAlias = str | int | bool | None
"""The value of an attribute. True: it is there without a value; None and False: it is not there."""


def element(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Returns an element. ``class_`` and ``for_`` are class and for; other underscores become hyphens."""
    opened = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    if name in _VOID:
        return Html(opened)
    return Html(f"{opened}{joined(children).markup}</{name}>")


def joined(children: Iterable[Child]) -> Html:
    """Returns children in a row, without an element around them."""
    return Html("".join(map(_child, children)))


def each(name: str, children: Iterable[Child]) -> Html:
    """Returns an element around each child."""
    return joined(element(name, child) for child in children)


def listed(children: Iterable[Child], **attributes: Attribute) -> Html:
    """Returns a list."""
    return element("ul", each("li", children), **attributes)


def link(text: Child, *path: str, anchor: str = "", **parameters: str | None) -> Html:
    """Returns a link within the console. Path and parameters are encoded; a parameter that is None is left out."""
    return element("a", text, href=address(*path, anchor=anchor, **parameters))


def address(*path: str, anchor: str = "", **parameters: str | None) -> str:
    """Returns a path within the console with its parameters."""
    given = {name: value for name, value in parameters.items() if value is not None}
    query = f"?{urlencode(given)}" if given else ""
    return f"/{'/'.join(quote(part, safe='') for part in path)}{query}{f'#{anchor}' if anchor else ''}"


def copied(text: str) -> Html:
    """Returns a key, an id or an offset that a click selects as a whole."""
    return element("code", text, class_="copy")


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[Child]], numbers: frozenset[int]) -> Html:
    """Returns a table that scrolls by itself where it is too wide. ``numbers``: columns that are aligned right."""
    head = element("tr", joined(element("th", one, scope="col", class_=_side(at, numbers)) for at, one in _at(heads)))
    body = joined(
        element("tr", joined(element("td", one, class_=_side(at, numbers)) for at, one in _at(row))) for row in rows
    )
    inner = element("table", element("caption", caption), element("thead", head), element("tbody", body))
    return element("div", inner, class_="wide", role="region", aria_label=caption, tabindex=0)


def described(rows: Mapping[str, Child]) -> Html:
    """Returns names and their values."""
    pairs = (element("div", element("dt", name), element("dd", value)) for name, value in rows.items())
    return element("dl", joined(pairs))


def style(sheet: str) -> Html:
    """Returns a style sheet of the console's own."""
    return Html(f"<style>{sheet}</style>")


def document(language: str, head: Html, body: Html) -> str:
    """Returns a whole page."""
    return f"<!doctype html>\n{element('html', element('head', head), element('body', body), lang=language).markup}\n"


def _at(children: Iterable[Child]) -> Iterable[tuple[int, Child]]:
    return enumerate(children)


def _side(at: int, numbers: frozenset[int]) -> str | None:
    return "number" if at in numbers else None


def _child(child: Child) -> str:
    match child:
        case None:
            return ""
        case Html(markup=markup):
            return markup
        case _:
            return _escaped(str(child))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{_escaped(str(value))}"'


def _escaped(text: str) -> str:
    return escape(printable(text), quote=True)
