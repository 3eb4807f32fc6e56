"""Reads pages of the console as a browser would: with a parser that accepts no invalid HTML."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib

LABELLED = {"input", "select", "textarea"}


class ReadPage:
    """A page that was parsed. Raises html5lib's ParseError if it is not valid."""

    def __init__(self, text: str) -> None:
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        self.root: Element = parser.parse(text)

    def all(self, tag: str) -> list[Element]:
        return [one for one in self.root.iter() if _name(one) == tag]

    @property
    def words(self) -> str:
        """The text that a person sees, with single spaces."""
        body = self.all("body")[0]
        return " ".join(" ".join(body.itertext()).split())

    @property
    def links(self) -> list[str]:
        return [one.attrib["href"] for one in self.all("a")]

    def faults(self) -> Iterator[str]:
        """Yields what keeps a person from using the page with a keyboard or a screen reader."""
        yield from self._of_the_frame()
        yield from self._of_links()
        labelled = {one.attrib.get("for") for one in self.all("label")}
        for one in self.root.iter():
            yield from _of_element(one, labelled)

    def _of_the_frame(self) -> Iterator[str]:
        for tag in ("header", "nav", "main", "footer", "title"):
            if not self.all(tag):
                yield f"there is no {tag}"
        if len(self.all("h1")) != 1:
            yield "there must be one h1"
        if "lang" not in self.all("html")[0].attrib:
            yield "the page names no language"

    def _of_links(self) -> Iterator[str]:
        ids = [one.attrib["id"] for one in self.root.iter() if "id" in one.attrib]
        if len(ids) != len(set(ids)):
            yield f"an id stands twice: {sorted(ids)}"
        for href in self.links:
            if href.startswith("#") and href[1:] not in ids:
                yield f"a link leads nowhere: {href}"


def _of_element(one: Element, labelled: set[str | None]) -> Iterator[str]:
    name = _name(one)
    if name == "script" or any(key.startswith("on") or key == "style" for key in one.attrib):
        yield f"there is a script or an inline style: {name} {one.attrib}"
    if name in LABELLED and one.attrib.get("type") != "hidden" and one.attrib.get("id") not in labelled:
        yield f"a field has no label: {one.attrib}"
    if name in ("a", "button") and not "".join(one.itertext()).strip():
        yield f"a link or button has no name: {one.attrib}"
    if name == "svg" and not (one.attrib.get("role") == "img" and one.attrib.get("aria-label")):
        yield "an image has no name"
    if name == "th" and "scope" not in one.attrib:
        yield "a head of a table has no scope"


def _name(one: Element) -> str:
    return str(one.tag).rpartition("}")[2]
