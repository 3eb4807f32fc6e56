"""The permissions that ``connector topics`` prints, by command."""

from pathlib import Path

from typer.testing import CliRunner

from connector.cli.main import cli


def told(*arguments: str) -> tuple[int, str]:
    """Runs a command in this process, for speed; returns the exit code and everything that it prints."""
    done = CliRunner().invoke(cli, arguments)
    raised = "" if done.exception is None or isinstance(done.exception, SystemExit) else str(done.exception)
    return done.exit_code, done.output + raised


def good(*arguments: str) -> str:
    code, said = told(*arguments)
    assert code == 0, f"{arguments}: {said}"
    return said


def printed_sets(config: Path, *arguments: str) -> dict[str, list[str]]:
    """Returns command -> the kafka-acls commands that are printed for it."""
    sets: dict[str, list[str]] = {}
    names: list[str] = []
    for line in good("topics", "--config", str(config), *arguments).splitlines():
        if line.startswith("# connector "):
            names = line.removeprefix("# connector ").split(", ")
            sets |= {name: [] for name in names}
        elif line.startswith("kafka-acls "):
            for name in names:
                sets[name].append(line)
    return sets
