"""The simulator shares no code with the connector, so that it can show the adapter's errors."""

import ast
from collections.abc import Iterator
from pathlib import Path

import simulator

FOLDER = Path(simulator.__file__).parent
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
EDGES = {
    "simulator.__main__",
    "simulator.clock",
    "simulator.control",
    "simulator.journal_file",
    "simulator.orders.control",
    "simulator.push.delivery",
    "simulator.scenario",
    "simulator.server",
    "simulator.simulator",
}
"""Every other module is pure."""


def modules() -> dict[str, Path]:
    paths = sorted(FOLDER.rglob("*.py"))
    return {".".join(path.relative_to(FOLDER.parent).with_suffix("").parts): path for path in paths}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))


def test_imports_nothing_of_ours_but_itself() -> None:
    ours = {
        name
        for path in modules().values()
        for name in imports(path)
        if name.split(".")[0] in {"streams", "schemas", "connector", "devstack"}
    }

    assert not ours


def test_pure_modules_reach_for_no_clock_network_or_chance() -> None:
    assert modules().keys() >= EDGES
    effects = {
        (name, imported)
        for name, path in modules().items()
        for imported in imports(path)
        if name not in EDGES and (imported in EFFECTS or imported in EDGES)
    }

    assert not effects
