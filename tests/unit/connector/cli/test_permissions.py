"""Every command that contacts a broker has a printed set of permissions. ``tests/faults`` shows that each suffices."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from typer.core import TyperGroup

from connector.cli.main import cli
from tests.harness.printed_permissions import printed_sets

EXAMPLE: Final = Path(__file__).parents[4] / "config" / "example.toml"

ON_THE_BROKER: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("run", "run --dry-run"),
    "check": ("check",),
    "topics": ("topics --check", "topics --create", "topics --check --dry-run", "topics --create --dry-run"),
    "config routing": ("config routing --accept",),
    "state digest": ("state digest",),
    "state forget": ("state forget",),
    "orders poll": ("orders poll --once",),
    "orders open": ("orders open",),
    "orders totals": ("orders totals",),
    "match-report": ("match-report",),
    "dlq list": ("dlq list",),
    "dlq show": ("dlq show",),
    "dlq redrive": ("dlq redrive",),
    "explain": ("explain",),
    "shadow compare": ("shadow compare",),
    "why": ("why",),
    "not-found": ("not-found",),
    "units": ("units",),
    "reconcile now": ("reconcile now",),
    "reconcile status": ("reconcile status",),
    "hold add": ("hold add",),
    "hold list": ("hold list",),
    "hold release": ("hold release",),
    "hold drop": ("hold drop",),
    "pause": ("pause",),
    "resume": ("resume",),
    "writes stop": ("writes stop",),
    "writes resume": ("writes resume",),
    "resend": ("resend",),
    "guard list": ("guard list",),
    "guard release": ("guard release",),
    "guard drop": ("guard drop",),
    "replay plan": ("replay plan",),
    "replay run": ("replay run",),
    "replay status": ("replay status",),
    "replay pause": ("replay pause",),
    "replay resume": ("replay resume",),
    "replay stop": ("replay stop",),
}
"""Command -> its variants that contact a broker; each is in one of the printed sets."""

ELSEWHERE: Final = frozenset(
    {
        "schemas register",
        "schemas check",
        "config show",
        "contracts export",
        "push list",
        "push subscribe",
        "push repair",
        "simulate",
        "demo",
    }
)
"""Commands that contact no broker, or one of their own."""


def commands_of(group: Any, before: str = "") -> Iterator[str]:
    context = typer.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, TyperGroup):
            yield from commands_of(found, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_has_a_printed_set_of_permissions_or_asks_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR__RECONCILE__ENABLED", "true")
    assert set(commands_of(typer.main.get_command(cli))) == ON_THE_BROKER.keys() | ELSEWHERE

    ways = {way for ways in ON_THE_BROKER.values() for way in ways}
    assert printed_sets(EXAMPLE).keys() == ways


def test_a_console_with_a_projection_reads_the_outputs_and_writes_commands_where_people_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def operations(topic: str) -> set[str]:
        (line,) = (one for one in printed_sets(EXAMPLE)["run"] if f"--topic kaufland.{topic}.v1" in one)
        return {word for before, word in pairwise(line.split()) if before == "--operation"}

    assert operations("offer-results") == {"Write", "DescribeConfigs"}
    assert operations("controls") == {"Read", "DescribeConfigs"}

    monkeypatch.setenv("CONNECTOR__CONSOLE__PROJECTION", str(tmp_path))
    for topic in ("offer-results", "marketplace-calls", "offers-not-found", "orders"):
        assert operations(topic) == {"Read", "Write", "DescribeConfigs"}
    assert operations("controls") == {"Read", "DescribeConfigs"}

    monkeypatch.setenv("CONNECTOR__CONSOLE__WRITE", "proxy")
    assert operations("controls") == {"Read", "Write", "DescribeConfigs"}
    monkeypatch.setenv("CONNECTOR__RECONCILE__ENABLED", "true")
    assert printed_sets(EXAMPLE).keys() == {way for ways in ON_THE_BROKER.values() for way in ways}
