"""The documentation's pages and the code blocks in them."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PRINTED = frozenset({"settings", "metrics", "codes", "topics"})
"""Pages of ``docs/`` that are generated from the source."""
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\n(?P<body>.*?)^ *```$", flags=re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block, with its indentation removed."""

    page: str
    language: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the documentation."""

    name: str  # path relative to the repository's root
    text: str

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(
            Block(page=self.name, language=found["language"], body=dedent(found["body"]))
            for found in _FENCE.finditer(self.text)
        )

    @property
    def prose(self) -> str:
        """The text outside the fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def spans(self) -> tuple[str, ...]:
        """The contents of all inline code spans."""
        return tuple(_SPAN.findall(self.prose))


def page(name: str) -> Page:
    return Page(name=name, text=(ROOT / name).read_text("utf-8"))


def pages() -> Iterator[Page]:
    """Yields every page that is written by hand, except the change log, which describes the past."""
    written = (path for path in (ROOT / "docs").rglob("*.md") if path.stem not in PRINTED)
    readmes = (ROOT / folder / "README.md" for folder in (".", "schemas", "tests"))
    for path in sorted({*written, *readmes, ROOT / "CONTRIBUTING.md"}):
        if path.is_file():
            yield page(path.relative_to(ROOT).as_posix())


def commands(block: Block) -> Iterator[str]:
    """Yields the commands of a console block: lines after ``$``, continuation lines joined, comments removed."""
    for line in block.body.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            yield re.sub(r"\s+# .*$", "", line.removeprefix("$ "))


def block(name: str, language: str, containing: str) -> Block:
    """Returns the only block of a page in this language that contains a text. Raises LookupError."""
    found = [one for one in page(name).blocks if one.language == language and containing in one.body]
    if len(found) != 1:
        raise LookupError(f"{name} has {len(found)} {language} blocks with {containing!r}, expected 1")
    return found[0]


@cache
def functions(path: Path) -> frozenset[str]:
    """Returns the names of all functions and methods of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def missing(names: Iterable[str]) -> list[str]:
    """Returns the names, ``path`` or ``path::function``, that do not exist. A path ending in a slash is a directory."""
    found = []
    for name in names:
        path, _, function = name.partition("::")
        file = ROOT / path
        exists = file.is_dir() if path.endswith("/") else file.is_file()
        if not exists or (function and function not in functions(file)):
            found.append(name)
    return found


def missing_in(cell: str) -> list[str]:
    """Returns the names in a table cell, each a code span, that do not exist."""
    return missing(re.findall(r"`([^`]+)`", cell))


def table_rows(text: str) -> Iterator[list[str]]:
    """Yields the cells of each row of the tables in a text, heads and rulers among them."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]
