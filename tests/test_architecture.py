"""The dependency rule, read from the imports of every source file.

``broken_rules`` takes the sources as a mapping, so that each rule is also shown red on a planted violation.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("streams", "schemas", "connector", "tests", "benchmarks")
SHIPPED = ("streams", "schemas", "connector")

# Every shipped module is pure unless it stands here: a new one is pure by default.
EDGES = {
    "streams.runner": "the one impure loop: threads and the clock",
    "streams.clock": "the machine's clocks",
    "streams.telemetry": "holds the process's metrics",
    "streams.memory": "an in-memory Source and Sink, used by threads",
    "streams.kafka": "the broker and the registry",
    "connector.app": "composition root",
    "connector.cli": "arguments, signals, exit codes",
    "connector.__main__": "the process's entry",
    "connector.starting": "waits before the loop turns, with a thread for each question",
    "connector.logs": "writes to the process's standard streams",
    "connector.settings.load": "reads files and the environment it is given",
    "connector.ownership": "worker threads share it",
    "connector.kaufland.adapter": "holds a caller for each thread",
    "connector.kaufland.client": "sockets",
    "connector.kaufland.transport": "sockets",
    "connector.kaufland.credentials": "reads secret files again",
    "connector.serving": "a web server in a thread",
    "connector.kaufland.push_server": "a server of its own",
    "connector.kaufland.caller": "worker threads call it; stamps calls",
    "connector.demo": "stands beside the connector: surroundings, traffic and an independent audit",
    "connector.simulator": "a server of its own",
    "connector.console": "a server of its own",
    "connector.operations": "commands: what they do is I/O",
}

# fmt: off
IMPURE_MODULES = frozenset(
    {
        "asyncio", "anyio", "concurrent", "confluent_kafka", "ftplib", "http", "httpcore", "httpx",
        "multiprocessing", "os", "prometheus_client", "queue", "random", "requests", "secrets", "select",
        "selectors", "signal", "smtplib", "socket", "socketserver", "ssl", "starlette", "subprocess",
        "tempfile", "threading", "time", "urllib.request", "urllib3", "uvicorn",
    }
)
# fmt: on
IMPURE_CALLS = {
    "now": "a clock",
    "utcnow": "a clock",
    "today": "a clock",
    "uuid1": "a clock",
    "uuid4": "chance",
    "getenv": "the environment",
    "urandom": "chance",
}

# Who may import what, itself always included. Whoever is not named here must take it as an argument.
ONLY = {
    "confluent_kafka": ("streams.kafka", "connector.demo"),
    "connector.kaufland": ("connector.app",),
    "connector.simulator": ("connector.app", "connector.demo"),
    "connector.demo": ("connector.app",),
    "connector.console": ("connector.app",),
    "connector.app": ("connector.cli",),
    "connector.operations": ("connector.cli", "connector.app"),
    "connector.cli": ("connector.__main__",),
    "streams.kafka": ("connector.app", "connector.demo"),
    "streams.runner": ("connector.app",),
    "streams.compatibility": ("streams", "connector", "schemas.evolution"),
}

# What a package may import of ours, itself always included.
KNOWS = {
    "streams": (),
    "schemas": ("streams.compatibility",),  # one module checks what may follow what, before a release
    "connector.simulator": (),
}

EMPTY_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"})


def sources() -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for package in SHIPPED
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def within_any(module: str, packages: tuple[str, ...]) -> bool:
    return any(within(module, package) for package in packages)


def imports_of(path: str, tree: ast.Module, modules: frozenset[str]) -> Iterator[str]:
    """Absolute names of what is imported; ``from a import b`` is ``a.b`` where that is a module of ours."""
    package = module_of(path) if path.endswith("__init__.py") else module_of(path).rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = package.split(".")
                origin = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])
            for alias in node.names:
                whole = f"{origin}.{alias.name}"
                yield whole if whole in modules or whole in IMPURE_MODULES else origin


def broken_rules(tree: Mapping[str, str]) -> list[str]:
    """One sentence for every place where the dependency rule is broken."""
    modules = frozenset(module_of(path) for path in tree)
    parsed = {path: ast.parse(source) for path, source in tree.items()}
    imported = {path: sorted(set(imports_of(path, parsed[path], modules))) for path in tree}
    found: list[str] = []
    for path in sorted(tree):
        found += wrong_imports(path, imported[path])
        if not within_any(module_of(path), tuple(EDGES)):
            found += impurities(path, imported[path], parsed[path])
        if EMPTY_NAMES & set(module_of(path).split(".")):
            found.append(f"{path}: the name says nothing")
    found += rings({module_of(path): imported[path] for path in tree})
    return found


def wrong_imports(path: str, imported: list[str]) -> Iterator[str]:
    module = module_of(path)
    for name in imported:
        for package, allowed in KNOWS.items():
            ours = within_any(name, OURS)
            if within(module, package) and ours and not within_any(name, (package, *allowed)):
                yield f"{path}: {package} must not know {name}"
        for target, importers in ONLY.items():
            if within(name, target) and not within_any(module, (target, *importers)):
                yield f"{path}: only {' and '.join(importers)} may import {target}"
        if within_any(name, ("tests", "benchmarks")):
            yield f"{path}: shipped code must not import {name}"


def impurities(path: str, imported: list[str], tree: ast.Module) -> Iterator[str]:
    for name in imported:
        if within_any(name, tuple(IMPURE_MODULES)):
            yield f"{path}: a pure module must not import {name}"
        if within_any(name, SHIPPED) and within_any(name, tuple(EDGES)):
            yield f"{path}: a pure module must not import the edge {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_CALLS:
            if node.func.attr in ("now", "today") and not is_date(node.func.value):
                continue
            yield f"{path}:{node.lineno}: a pure module must not ask {IMPURE_CALLS[node.func.attr]}"


def is_date(owner: ast.expr) -> bool:
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name in ("datetime", "date")


def rings(graph: Mapping[str, list[str]]) -> list[str]:
    """Import rings, each named once."""
    found: set[str] = set()
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            ring = trail[trail.index(module) :]
            first = ring.index(min(ring))
            found.add(" -> ".join([*ring[first:], *ring[:first], ring[first]]))
        elif module not in done:
            for name in graph.get(module, ()):
                if name != module:
                    walk(name, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        walk(module, ())
    return [f"import ring: {ring}" for ring in sorted(found)]


def test_the_sources_keep_the_dependency_rule() -> None:
    assert broken_rules(sources()) == []


def test_every_edge_exists() -> None:
    modules = {module_of(path) for path in sources()}

    gone = [edge for edge in EDGES if edge not in modules and not any(within(m, edge) for m in modules)]

    assert gone == []


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("streams/wants.py", "from connector.marketplace import Field", "streams must not know connector.marketplace"),
        ("streams/avro.py", "import schemas", "streams must not know schemas"),
        ("streams/kafka/source.py", "from connector import events", "streams must not know connector.events"),
        ("schemas/__init__.py", "import streams.errors", "schemas must not know streams.errors"),
        ("connector/offers/state.py", "import connector.kaufland.mapping", "only connector.app may import"),
        ("connector/events.py", "from .kaufland import signing", "only connector.app may import connector.kaufland"),
        (
            "connector/cli.py",
            "from streams.kafka import source",
            "only connector.app and connector.demo may import streams.kafka",
        ),
        ("connector/topics.py", "import confluent_kafka.admin", "only streams.kafka and connector.demo may import"),
        ("connector/simulator/rules.py", "from connector.kaufland import signing", "must not know connector.kaufland"),
        ("connector/simulator/rules.py", "import connector.events", "connector.simulator must not know connector"),
        ("connector/offers/flow.py", "import connector.app", "only connector.cli may import connector.app"),
        ("streams/valve.py", "import time", "a pure module must not import time"),
        ("streams/valve.py", "from time import monotonic", "a pure module must not import time"),
        ("streams/backoff.py", "import random", "a pure module must not import random"),
        ("streams/engine.py", "import threading", "a pure module must not import threading"),
        ("streams/engine.py", "from streams.kafka.source import X", "a pure module must not import the edge"),
        ("connector/routing.py", "import os.path", "a pure module must not import os.path"),
        ("connector/kaufland/mapping.py", "import httpx", "a pure module must not import httpx"),
        ("connector/kaufland/signing.py", "import datetime\ndatetime.datetime.now()", "must not ask a clock"),
        ("connector/kaufland/signing.py", "import uuid\nuuid.uuid4()", "must not ask chance"),
        ("connector/offers/merge.py", "def f():\n    import socket", "a pure module must not import socket"),
        ("connector/offers/utils.py", "", "the name says nothing"),
        ("streams/memory.py", "import tests.simulation", "shipped code must not import tests.simulation"),
    ],
)
def test_a_planted_violation_is_found(path: str, line: str, complaint: str) -> None:
    skeleton = dict.fromkeys(
        ["connector/events.py", "connector/kaufland/signing.py", "connector/kaufland/mapping.py", "streams/wants.py"],
        "",
    )

    found = broken_rules({**skeleton, path: line})

    assert any(rule.startswith(path) and complaint in rule for rule in found), found


def test_a_planted_import_ring_is_found() -> None:
    tree = {
        "streams/lanes.py": "import streams.wants",
        "streams/wants.py": "from streams import valve",
        "streams/valve.py": "from streams.lanes import Lane",
    }

    assert broken_rules(tree) == ["import ring: streams.lanes -> streams.wants -> streams.valve -> streams.lanes"]


def test_what_is_allowed_is_not_complained_about() -> None:
    tree = {
        "connector/app.py": "import os, confluent\nimport connector.kaufland.client\nfrom streams.kafka import source",
        "connector/kaufland/client.py": "import httpx, time\nfrom connector.kaufland import signing",
        "connector/kaufland/signing.py": "import hmac, hashlib\nfrom urllib.parse import quote",
        "connector/offers/flow.py": "from connector.marketplace import Field\n\ndef f(clock):\n    return clock.now()",
        "connector/marketplace.py": "from streams.flow import Caller",
        "streams/flow.py": "from dataclasses import dataclass",
        "streams/kafka/source.py": "import confluent_kafka, os, time\nfrom streams.flow import Now",
    }

    assert broken_rules(tree) == []
