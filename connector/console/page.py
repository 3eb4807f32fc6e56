"""The frame of every page of the console: head, navigation, footer. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from connector.console.html import Child, Html, address, document, element, joined, link, listed, style
from connector.console.style import SHEET
from connector.contracts.event_time import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFrame:
    """What all pages of one console show around their content."""

    group: str
    instance: str
    views: Sequence[tuple[str, str]]  # path and name of each page in the navigation
    now_us: int
    user: Html | None = None  # who is signed in, with a form to sign out; None: nobody can sign in


def page(frame: PageFrame, title: str, *content: Child, here: str | None = None) -> str:
    """Returns a whole page. ``here``: the path of its entry in the navigation."""
    head = joined(
        (
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"{title} · {frame.group}"),
            style(SHEET),
        )
    )
    body = joined(
        (
            element("a", "Skip to content", href="#main", class_="skip"),
            element("header", element("p", f"{frame.group} "), _navigation(frame, here), frame.user),
            element("main", element("h1", title), *content, id="main", tabindex=-1),
            _footer(frame),
        )
    )
    return document("en", head, body)


def section(title: str, *content: Child, anchor: str | None = None) -> Html:
    """Returns a part of a page under a heading of its own."""
    return element("section", element("h2", title), *content, id=anchor)


def folded(summary: Child, *content: Child) -> Html:
    """Returns content that is shown on request."""
    return element("details", element("summary", summary), *content)


def lines(texts: Iterable[Child]) -> Html:
    """Returns sentences, one below the other."""
    return listed(texts, class_="lines")


def search_form(asked: str = "") -> Html:
    """Returns the search for a key."""
    field = element(
        "input", type="search", id="q", name="q", value=asked, maxlength=80, autocomplete="off", spellcheck="false"
    )
    label = element("label", "EAN, offer id or order id", for_="q")
    return element(
        "form",
        element("div", label, field),
        element("button", "Search", type="submit"),
        action=address("search"),
        method="get",
        role="search",
    )


def _navigation(frame: PageFrame, here: str | None) -> Html:
    entries = (
        element("a", name, href=f"/{path}", aria_current="page" if path == here else None) for path, name in frame.views
    )
    return element("nav", listed(entries), aria_label="Pages")


def _footer(frame: PageFrame) -> Html:
    told = f"Process {frame.instance}, as of {moment(frame.now_us)}. All times are UTC. "
    return element("footer", element("p", told, link("Overview", "")))
