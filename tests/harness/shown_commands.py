"""The commands that the documentation shows with their output, for tests that compare it with what is printed.

A command is shown by a console block with it alone, directly followed by a text block. A line ``...`` of that block
stands for any lines. ``tests/test_commands.py`` fails for a command that no test asks for here.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.harness.pages import page

PAGES = ("docs/operations.md", "docs/analytics.md")
_SHOWN = re.compile(
    r"^```console\n\$ connector (?P<command>(?:[^\n]|\\\n)+)\n```\n\n```text\n(?P<output>.*?)^```$",
    flags=re.DOTALL | re.MULTILINE,
)


@cache
def shown() -> dict[str, str]:
    """Returns the output of each command that is shown, by the words after ``connector``."""
    found: dict[str, str] = {}
    for name in PAGES:
        for one in _SHOWN.finditer(page(name).text):
            if one["command"] in found:
                raise LookupError(f"connector {one['command']} is shown twice: which output is which?")
            found[one["command"]] = one["output"]
    return found


def output_of(command: str) -> str:
    """Returns the output that a page shows for ``connector COMMAND``. Raises LookupError if none does."""
    try:
        return shown()[command]
    except KeyError:
        raise LookupError(f"no page shows the output of: connector {command}") from None


def words_of(command: str) -> list[str]:
    """Returns the arguments of a command; quotation marks keep words together."""
    return [word for pair in re.findall(r'"([^"]*)"|(\S+)', command) for word in pair if word]


def differences(printed: list[str], expected: list[str]) -> list[str]:
    """Returns the lines that are missing in ``printed`` or too many; ``...`` in ``expected`` stands for any lines."""
    wrong, at = list[str](), 0
    for part, lines in enumerate(_parts(expected)):
        start = at if part == 0 else _find(printed, lines, at)
        got = printed[start : start + len(lines)]
        wrong += [f"{have!r} instead of {line!r}" for have, line in zip(got, lines, strict=False) if have != line]
        wrong += [f"{line!r} is missing" for line in lines[len(got) :]]
        at = start + len(lines)
    if expected[-1:] != ["..."]:
        wrong += [f"{line!r} is too many" for line in printed[at:]]
    return wrong


def _parts(lines: list[str]) -> Iterator[list[str]]:
    """Yields the runs of lines between those that are ``...``."""
    part: list[str] = []
    for line in lines:
        if line == "...":
            yield part
            part = []
        else:
            part.append(line)
    yield part


def _find(printed: list[str], lines: list[str], at: int) -> int:
    """Returns where these lines begin at or after ``at``; ``at`` if they are nowhere."""
    places = (start for start in range(at, len(printed) + 1) if printed[start : start + len(lines)] == lines)
    return next(places, at)


def asked_for(file: Path) -> bool:
    """Returns whether a test file compares outputs of commands that are shown."""
    return "from tests.harness.shown_commands import" in file.read_text("utf-8")
