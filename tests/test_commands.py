"""Every command explains itself, and the documentation shows its output as a test has compared it."""

import ast
import shlex
from pathlib import Path

import pytest

from tests.harness.command_tree import LeafCommand, leaf_commands, refusal
from tests.harness.pages import ROOT
from tests.harness.shown_commands import asked_for, differences, shown, words_of

FORWARDED = {"simulate", "demo"}
"""Commands with a parser of their own; they print their own help. ``docs/getting-started.md`` shows both."""
NO_OUTPUT = {"run"}
"""Commands that print nothing but the log until they are stopped."""
NO_JSON = {
    "topics": "--format json prints topics and permissions",
    "contracts export": "its files are the data",
}
"""Commands that print data in another machine-readable form."""

COMMANDS = [command for command in leaf_commands() if command.name not in FORWARDED]
each_command = pytest.mark.parametrize("command", [pytest.param(one, id=one.name) for one in COMMANDS])


def begins_with(words: list[str], name: str) -> bool:
    return words[: len(name.split())] == name.split()


def example(command: LeafCommand) -> str:
    """Returns the example in the help of a command; "" if it has none."""
    _, _, rest = " ".join(command.help.split()).partition("Example: ")
    return rest


def compared() -> set[str]:
    """Returns the strings of the test files that compare outputs of commands that are shown."""
    found: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        if file != Path(__file__) and asked_for(file):
            nodes = ast.walk(ast.parse(file.read_text("utf-8")))
            found |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found


@each_command
def test_the_help_of_a_command_has_its_exit_codes_and_an_example(command: LeafCommand) -> None:
    text = " ".join(command.help.split())

    for code in ("Exit code: 0 ", "; 2 if "):
        assert code in text
    assert example(command).startswith(f"connector {command.name}")


@each_command
def test_the_example_in_the_help_of_a_command_can_be_run(command: LeafCommand) -> None:
    words = shlex.split(example(command).partition(" | ")[0].partition(" > ")[0])

    assert refusal(words[1:]) == ""


@each_command
def test_a_command_that_prints_data_prints_it_as_json_too(command: LeafCommand) -> None:
    assert ("--json" in command.options) is (command.name not in {*NO_JSON, *NO_OUTPUT})


@each_command
def test_the_documentation_shows_the_output_of_a_command(command: LeafCommand) -> None:
    found = [one for one in shown() if begins_with(words_of(one), command.name)]

    assert bool(found) is (command.name not in NO_OUTPUT)


def test_a_test_compares_every_output_that_the_documentation_shows() -> None:
    assert set(shown()) - compared() == set()


@pytest.mark.parametrize(
    ("printed", "expected", "wrong"),
    [
        (["a", "b"], ["a", "b"], 0),
        (["a", "x", "y", "b"], ["a", "...", "b"], 0),
        (["a", "x"], ["a", "..."], 0),
        (["a", "b", "c"], ["a", "..."], 0),
        (["a", "b", "c"], ["...", "b", "c"], 0),
        (["a"], ["a", "b"], 1),
        (["a", "b"], ["a"], 1),
        (["a", "x", "b", "c"], ["a", "...", "b"], 1),
        (["a", "x", "c"], ["a", "...", "b"], 2),
        (["b"], ["a"], 1),
    ],
)
def test_lines_that_differ_from_what_is_shown_are_found(printed: list[str], expected: list[str], wrong: int) -> None:
    assert len(differences(printed, expected)) == wrong
