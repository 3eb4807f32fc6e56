"""The stand-in proves the adapter wrong only as long as they share no code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import connector.simulator

FOLDER = Path(connector.simulator.__file__).parent
PURE = {
    "reference",
    "chance",
    "catalogue",
    "signature",
    "window",
    "exchange",
    "problems",
    "rules",
    "market",
    "faults",
    "journal",
    "api",
    "buyers",
    "ranking",
    "orders",
    "order_bodies",
    "order_rules",
    "order_api",
    "returns",
    "subscriptions",
    "subscription_api",
    "fulfilment",
    "trade",
    "occasion",
    "routes",
}
EFFECTS = {
    "asyncio",
    "socket",
    "time",
    "random",
    "threading",
    "os",
    "h11",
    "pathlib",
    "subprocess",
    "urllib.request",
    "httpx",
}
EDGES = {"server", "simulator", "scenario", "control", "push", "clock"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_imports_nothing_of_ours_but_itself() -> None:
    ours = {
        name
        for path in FOLDER.glob("*.py")
        for name in imports(path)
        if name.split(".")[0] in {"streams", "schemas", "connector"} and not name.startswith("connector.simulator")
    }

    assert not ours


def test_pure_modules_reach_for_no_clock_network_or_chance() -> None:
    effects = {
        (name, imported)
        for name in PURE
        for imported in imports(FOLDER / f"{name}.py")
        if imported in EFFECTS or imported.split(".")[-1] in EDGES
    }

    assert not effects
