"""Checks the structure of the source files: imports, purity, names, and where modules belong.

Every check takes the sources as a mapping, so that tests can also show that it finds a planted violation.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("streams", "schemas", "connector", "simulator", "devstack", "tests", "benchmarks")
SHIPPED = ("streams", "schemas", "connector", "simulator", "devstack")

# Every shipped module is pure unless it is listed here: a new one is pure by default.
EDGES = {
    "streams.runner": "the one impure loop: threads and the clock",
    "streams.clock": "the machine's clocks",
    "streams.telemetry": "holds the process's metrics",
    "devstack.memory": "an in-memory Source and Sink, used by threads",
    "streams.http.transport": "sockets",
    "streams.http.authentication": "reads secrets again",
    "streams.http.oauth": "asks the token endpoint",
    "streams.http.secret_file": "a file that is read again",
    "streams.http.tls": "reads files of certificates, and reads them again",
    "streams.http.egress": "holds what was read from them",
    "streams.http.failures": "knows the exceptions of sockets and TLS",
    "streams.kafka": "the broker and the registry",
    "connector.app": "composition root of run",
    "connector.configuration": "reads the files that settings name",
    "connector.connections": "makes clients of the broker, the registry and the marketplace",
    "connector.cli": "arguments, signals, exit codes",
    "connector.__main__": "the process's entry",
    "connector.startup.waiting": "waits before the loop turns, with a thread for each question",
    "connector.startup.mappings": "files that are read again",
    "connector.mappings.watched_file": "a file that is read again",
    "connector.mappings.file_watch": "looks at files every few seconds",
    "connector.startup.configuration_watch": "reads a file again, and logs it",
    "connector.startup.broker_password": "reads files again, and logs it",
    "connector.startup.controls": "logs commands, and fetches schemas",
    "connector.startup.plan": "holds what was loaded from files",
    "connector.startup.side_inputs": "logs replays that are not read",
    "connector.startup.preflight": "asks the broker",
    "connector.startup.push_receiver": "opens a server",
    "connector.logs": "writes to the process's standard streams",
    "connector.settings.load": "reads files and the environment it is given",
    "connector.settings.connection_checks": "reads the files that settings name",
    "connector.offers.claims": "worker threads share it",
    "connector.offers.unwritten_claims": "the claims topic of a dry run, behind the same lock",
    "connector.kaufland.account": "holds keys, which are read from files",
    "connector.kaufland.account_check": "makes calls",
    "connector.kaufland.adapter": "holds a caller for each thread",
    "connector.kaufland.http.client": "sockets",
    "connector.kaufland.http.transport": "sockets",
    "connector.kaufland.http.tunnel": "sockets",
    "connector.kaufland.http.credentials": "reads secret files again",
    "connector.web_server": "a web server in a thread",
    "connector.tracing": "hands spans to a library with a thread and a queue",
    "streams.span_observer": "sits beside the process's metrics",
    "connector.supervisor.member": "file descriptors of the parent",
    "connector.supervisor.child_process": "starts a process",
    "connector.supervisor.pages": "a web server that asks others",
    "connector.supervisor.parent": "signals, and a thread",
    "connector.supervisor.supervise": "composition root of run with several processes",
    "connector.kaufland.push.server": "a server of its own",
    "connector.kaufland.caller": "worker threads call it; stamps calls",
    "devstack": "stands beside the connector: surroundings, traffic and an independent audit",
    "simulator": "a server of its own",
    "connector.console": "a server of its own",
    "connector.operations": "commands: what they do is I/O",
    "connector.projection.database": "a file",
    "connector.projection.private_file": "a file",
    "connector.projection.listings": "reads the file",
    "connector.projection.queries": "reads the file",
    "connector.projection.updating": "reads the topics, and writes the file",
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

# Which modules may import a package, besides itself. All others must be given what they need as an argument.
ONLY = {
    "confluent_kafka": ("streams.kafka", "devstack"),
    "connector.kaufland": (
        "connector.app",
        "connector.configuration",
        "connector.connections",
        "connector.startup.push_receiver",
    ),
    "simulator": ("connector.cli", "devstack"),
    "devstack": ("connector.cli",),
    "connector.console": ("connector.app", "connector.supervisor"),
    "connector.app": ("connector.cli",),
    "connector.tracing": ("connector.app", "connector.connections"),
    "opentelemetry": ("connector.tracing",),
    "connector.operations": ("connector.cli", "connector.console", "connector.startup"),
    "connector.startup": ("connector.app",),
    "connector.supervisor": ("connector.cli", "connector.app", "connector.startup"),
    "connector.configuration": (
        "connector.cli",
        "connector.app",
        "connector.connections",
        "connector.operations",
        "connector.startup",
    ),
    "connector.connections": ("connector.cli", "connector.app", "connector.operations", "connector.startup"),
    "connector.cli": ("connector.__main__",),
    "streams.kafka": (
        "connector.app",
        "connector.configuration",
        "connector.connections",
        "connector.operations.dlq",
        "connector.operations.controls.topic",
        "connector.operations.projected",
        "connector.operations.reconcile.sweep_tail",
        "connector.operations.resend.result_tail",
        "connector.operations.routing_topic",
        "connector.operations.topic_contents",
        "connector.projection.database",
        "connector.projection.updating",
        "connector.startup.broker_password",
        "connector.startup.controls",
        "connector.startup.preflight",
        "devstack",
    ),
    "streams.runner": ("connector.app",),
    "streams.avro.compatibility": ("streams", "connector", "devstack", "schemas.evolution"),
}

# Which modules of this repository a package may import, besides itself.
KNOWS = {
    "streams": (),
    "schemas": ("streams.avro.compatibility",),  # used to check compatibility before a release
    "simulator": (),
}

# What each package in connector/kaufland may import of that directory's other packages; modules at its root may import
# all. Packages about different resources of the API know nothing of each other: what two of them use is at the root.
KAUFLAND_PACKAGES = {
    "bodies": (),
    "http": (),
    "verdict": ("bodies", "http"),
    "offers": ("bodies", "http", "verdict"),
    "orders": ("bodies", "http", "verdict"),
    "returns": ("bodies", "http", "verdict"),
    "push": ("bodies", "http", "verdict"),
}

# A module that serves only one of them must not be at the root of connector or streams.
FLOWS = ("connector.offers", "connector.shipments", "connector.orders")

# Packages that import no flow except themselves: flows and what they share do not depend on other flows.
WITHOUT_OTHER_FLOWS = (
    *FLOWS,
    "connector.contracts",
    "connector.marketplace",
    "connector.routing",
    "connector.reconciliation",
    "connector.mappings",
    "connector.kaufland",
)

# Permitted module-level state of pure modules, each with the reason why callers can't observe it.
PERMITTED_STATE = {
    "streams.frozen._COPIERS": "a function for each type, made at its first use and the same however often it is made",
}

# Annotations with which the type checker forbids mutation.
READ_ONLY = frozenset({"Mapping", "Sequence", "Collection", "Set", "AbstractSet", "Iterable", "frozenset", "tuple"})
# fmt: off
MUTABLE_TYPES = frozenset(
    {
        "dict", "list", "set", "bytearray", "Counter", "OrderedDict", "defaultdict", "deque", "count", "cycle",
        "WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "ContextVar",
    }
)
# fmt: on

EMPTY_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"})


def sources(packages: tuple[str, ...] = SHIPPED) -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
    }


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def within_any(module: str, packages: tuple[str, ...]) -> bool:
    return any(within(module, package) for package in packages)


def imports_of(path: str, tree: ast.Module, modules: frozenset[str]) -> Iterator[str]:
    """Yields the absolute names of imported modules; ``from a import b`` gives ``a.b`` if that is in ``modules``."""
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
    """Returns one message for each violation of the rules."""
    modules = frozenset(module_of(path) for path in tree)
    trees = {path: parsed(source) for path, source in tree.items()}
    imported = {path: sorted(set(imports_of(path, trees[path], modules))) for path in tree}
    found: list[str] = []
    for path in sorted(tree):
        found += wrong_imports(path, imported[path])
        if is_called_pure(trees[path]) or not within_any(module_of(path), tuple(EDGES)):
            found += impurities(path, imported[path], trees[path])
            found += module_state(path, trees[path])
        if EMPTY_NAMES & set(module_of(path).split(".")):
            found.append(f"{path}: the name says nothing")
    graph = {module_of(path): imported[path] for path in tree}
    found += imports_across(graph)
    found += misplaced(graph)
    found += rings(graph)
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
        for flow in FLOWS:
            if within(name, flow) and within_any(module, WITHOUT_OTHER_FLOWS) and not within(module, flow):
                yield f"{path}: must not know the flow {flow}"
        if within_any(name, ("tests", "benchmarks")):
            yield f"{path}: shipped code must not import {name}"


def imports_across(graph: Mapping[str, list[str]]) -> Iterator[str]:
    """Yields the imports of one package in connector/kaufland by another one that may not import it."""
    root = "connector.kaufland"
    for package, allowed in KAUFLAND_PACKAGES.items():
        others = tuple(f"{root}.{other}" for other in KAUFLAND_PACKAGES if other not in (package, *allowed))
        for module in (module for module in graph if within(module, f"{root}.{package}")):
            for name in graph[module]:
                if within_any(name, others):
                    yield f"{module.replace('.', '/')}.py: {root}.{package} must not know {name}"


def impurities(path: str, imported: list[str], tree: ast.Module) -> Iterator[str]:
    for name in imported:
        if within_any(name, tuple(IMPURE_MODULES)):
            yield f"{path}: a pure module must not import {name}"
        if within_any(name, edges_beyond(module_of(path))):
            yield f"{path}: a pure module must not import the edge {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_CALLS:
            if node.func.attr in ("now", "today") and not is_date(node.func.value):
                continue
            yield f"{path}:{node.lineno}: a pure module must not ask {IMPURE_CALLS[node.func.attr]}"


def edges_beyond(module: str) -> tuple[str, ...]:
    """Returns the edges that a pure module must not import: all except the package that contains it."""
    return tuple(edge for edge in EDGES if not within(module, edge))


def is_date(owner: ast.expr) -> bool:
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name in ("datetime", "date")


def is_called_pure(tree: ast.Module) -> bool:
    """Whether the first line of the module's docstring ends with "Pure."."""
    return (ast.get_docstring(tree) or "").partition("\n")[0].endswith("Pure.")


def module_state(path: str, tree: ast.Module) -> Iterator[str]:
    """Yields the module-level state that a module would keep between calls."""
    for node in tree.body:
        targets, value, annotation = assigned(node)
        for name in targets:
            where = f"{module_of(path)}.{name}"
            if (
                value is not None
                and is_mutable(value)
                and not is_read_only(annotation)
                and where not in PERMITTED_STATE
            ):
                yield f"{path}:{node.lineno}: a pure module must not hold the mutable {name}"
    for inner in ast.walk(tree):
        if isinstance(inner, ast.Global):
            yield f"{path}:{inner.lineno}: a pure module must not have the global {', '.join(inner.names)}"
        if isinstance(inner, ast.FunctionDef):
            where = f"{module_of(path)}.{inner.name}"
            if where not in PERMITTED_STATE and any(map(keeps_everything, inner.decorator_list)):
                yield f"{path}:{inner.lineno}: a pure module must not keep every result of {inner.name}"


def assigned(node: ast.stmt) -> tuple[list[str], ast.expr | None, ast.expr | None]:
    """Returns the names that a statement assigns, the value and the annotation."""
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)], node.value, None
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id], node.value, node.annotation
    return [], None, None


def is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp):
        return True
    return isinstance(value, ast.Call) and last_name(value.func) in MUTABLE_TYPES


def is_read_only(annotation: ast.expr | None) -> bool:
    while isinstance(annotation, ast.Subscript) and last_name(annotation.value) == "Final":
        annotation = annotation.slice
    return annotation is not None and last_name(annotation) in READ_ONLY


def keeps_everything(decorator: ast.expr) -> bool:
    """Whether a decorator is ``functools.cache`` or an unbounded ``lru_cache``."""
    if isinstance(decorator, ast.Call):
        sizes = [*decorator.args[:1], *(keyword.value for keyword in decorator.keywords if keyword.arg == "maxsize")]
        unbounded = any(isinstance(size, ast.Constant) and size.value is None for size in sizes)
        return last_name(decorator.func) == "lru_cache" and unbounded
    return last_name(decorator) == "cache"


def last_name(node: ast.expr) -> str:
    """Returns ``b`` for ``b``, ``a.b`` and ``a.b[c]``; "" for other expressions."""
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def misplaced(graph: Mapping[str, list[str]]) -> Iterator[str]:
    """Yields the modules at a package's root that only one flow imports, or that import only one flow."""
    for module in sorted(graph):
        package, _, _ = module.rpartition(".")
        if package not in ("connector", "streams"):
            continue
        imported = {flow for flow in FLOWS if any(within(name, flow) for name in graph[module])}
        importers = {other for other, names in graph.items() if module in names and other != package}
        served = {flow for flow in FLOWS if any(within(other, flow) for other in importers)}
        serves_one = len(served) == 1 and all(within(other, *served) for other in importers)
        if len(imported) == 1 or serves_one:
            yield f"{module}: belongs to {' and '.join(sorted(imported | served))}, not to the root of {package}"


def repeated_class_names(tree: Mapping[str, str]) -> dict[str, list[str]]:
    """Returns the class names that are defined more than once, with the files that define them."""
    defined: defaultdict[str, list[str]] = defaultdict(list)
    for path, source in tree.items():
        for node in ast.walk(parsed(source)):
            if isinstance(node, ast.ClassDef):
                defined[node.name].append(path)
    return {name: paths for name, paths in defined.items() if len(paths) > 1}


def misleading_aliases(tree: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns (file, alias) of imports whose alias is the name of another module of this repository."""
    modules = {module_of(path) for path in tree}
    bases = {module.rpartition(".")[2] for module in modules}
    return [
        (path, alias.asname)
        for path, source in tree.items()
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname in bases and alias.asname != alias.name.rpartition(".")[2]
    ]


def rings(graph: Mapping[str, list[str]]) -> list[str]:
    """Returns the import cycles, each once."""
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


def test_a_class_name_is_defined_once() -> None:
    assert repeated_class_names(sources(OURS)) == {}


def test_no_import_alias_is_the_name_of_another_module() -> None:
    assert misleading_aliases(sources(OURS)) == []


def test_every_edge_exists() -> None:
    modules = {module_of(path) for path in sources()}

    gone = [edge for edge in EDGES if edge not in modules and not any(within(m, edge) for m in modules)]

    assert gone == []


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        (
            "streams/dispatch/wants.py",
            "from connector.marketplace.offers import Field",
            "streams must not know connector.marketplace.offers",
        ),
        ("streams/avro/codec.py", "import schemas", "streams must not know schemas"),
        (
            "streams/kafka/source.py",
            "from connector.offers import events",
            "streams must not know connector.offers.events",
        ),
        ("schemas/__init__.py", "import streams.errors", "schemas must not know streams.errors"),
        ("connector/offers/state.py", "import connector.kaufland.offers.requests", "may import connector.kaufland"),
        (
            "connector/offers/events.py",
            "from ..kaufland.http import signing",
            "may import connector.kaufland",
        ),
        (
            "connector/cli/main.py",
            "from streams.kafka import source",
            "devstack may import streams.kafka",
        ),
        ("connector/contracts/topics.py", "import confluent_kafka.admin", "only streams.kafka and devstack may import"),
        (
            "simulator/offers/rules.py",
            "from connector.kaufland.http import signing",
            "must not know connector.kaufland",
        ),
        ("simulator/offers/rules.py", "import connector.offers.events", "simulator must not know connector"),
        (
            "connector/shipments/codec.py",
            "from connector.offers.events import OfferChanged",
            "must not know the flow connector.offers",
        ),
        ("connector/contracts/headers.py", "import connector.orders.events", "must not know the flow connector.orders"),
        ("connector/kaufland/call_log.py", "import connector.offers.events", "must not know the flow connector.offers"),
        (
            "connector/kaufland/orders/calls.py",
            "from connector.kaufland.offers import requests",
            "connector.kaufland.orders must not know connector.kaufland.offers.requests",
        ),
        (
            "connector/kaufland/http/client.py",
            "import connector.kaufland.verdict.judge",
            "connector.kaufland.http must not know connector.kaufland.verdict.judge",
        ),
        ("connector/offers/flow.py", "import connector.app", "only connector.cli may import connector.app"),
        ("streams/dispatch/rate_limiter.py", "import time", "a pure module must not import time"),
        ("streams/dispatch/rate_limiter.py", "from time import monotonic", "a pure module must not import time"),
        ("streams/dispatch/backoff.py", "import random", "a pure module must not import random"),
        ("streams/engine/engine.py", "import threading", "a pure module must not import threading"),
        ("streams/engine/engine.py", "from streams.kafka.source import X", "a pure module must not import the edge"),
        ("connector/routing/table.py", "import os.path", "a pure module must not import os.path"),
        ("connector/kaufland/offers/requests.py", "import httpx", "a pure module must not import httpx"),
        ("connector/kaufland/http/signing.py", "import datetime\ndatetime.datetime.now()", "must not ask a clock"),
        ("connector/kaufland/http/signing.py", "import uuid\nuuid.uuid4()", "must not ask chance"),
        ("connector/offers/merge.py", "def f():\n    import socket", "a pure module must not import socket"),
        ("connector/offers/merge.py", "_SEEN = {}", "must not hold the mutable _SEEN"),
        ("connector/offers/merge.py", "_SEEN: dict[str, int] = dict()", "must not hold the mutable _SEEN"),
        ("connector/offers/merge.py", "import weakref\n_SEEN = weakref.WeakSet()", "must not hold the mutable _SEEN"),
        ("connector/offers/merge.py", "n = 0\ndef f():\n    global n\n    n = 1", "must not have the global n"),
        ("connector/offers/merge.py", "@cache\ndef f(x): ...", "must not keep every result of f"),
        ("connector/offers/merge.py", "@lru_cache(maxsize=None)\ndef f(x): ...", "must not keep every result of f"),
        ("simulator/window.py", '"""A window. Pure."""\n_SEEN = []', "must not hold the mutable _SEEN"),
        ("simulator/window.py", '"""A window. Pure."""\nimport socket', "a pure module must not import socket"),
        ("devstack/shop.py", '"""A shop. Pure."""\nimport simulator.server', "must not import the edge simulator"),
        ("connector/offers/flow.py", "import devstack.traffic", "only connector.cli may import devstack"),
        ("streams/runner.py", "import devstack.memory", "streams must not know devstack.memory"),
        ("connector/offers/flow.py", "import simulator.journal", "may import simulator"),
        ("connector/offers/utils.py", "", "the name says nothing"),
        ("devstack/memory.py", "import tests.simulation", "shipped code must not import tests.simulation"),
    ],
)
def test_a_planted_violation_is_found(path: str, line: str, complaint: str) -> None:
    skeleton = dict.fromkeys(
        [
            "connector/offers/events.py",
            "connector/kaufland/http/signing.py",
            "connector/kaufland/offers/requests.py",
            "streams/dispatch/wants.py",
        ],
        "",
    )

    found = broken_rules({**skeleton, path: line})

    assert any(rule.startswith(path) and complaint in rule for rule in found), found


def test_every_package_of_the_kaufland_adapter_has_a_rule() -> None:
    packages = {path.parent.name for path in (ROOT / "connector/kaufland").glob("*/*.py")}

    assert packages == set(KAUFLAND_PACKAGES)


def test_a_planted_import_ring_is_found() -> None:
    tree = {
        "streams/lanes/lanes.py": "import streams.dispatch.wants",
        "streams/dispatch/wants.py": "from streams.dispatch import rate_limiter",
        "streams/dispatch/rate_limiter.py": "from streams.lanes.lanes import Lane",
    }

    ring = ["streams.dispatch.rate_limiter", "streams.lanes.lanes", "streams.dispatch.wants"]

    assert broken_rules(tree) == [f"import ring: {' -> '.join([*ring, ring[0]])}"]


def test_a_module_of_one_flow_at_the_root_is_found() -> None:
    used = {"connector/events.py": "", "connector/offers/flow.py": "import connector.events"}
    using = {"connector/answers.py": "import connector.orders.events", "connector/orders/events.py": ""}
    shared = {"connector/orders/flow.py": "import connector.events"}

    assert broken_rules(used) == ["connector.events: belongs to connector.offers, not to the root of connector"]
    assert broken_rules(using) == ["connector.answers: belongs to connector.orders, not to the root of connector"]
    assert broken_rules({**used, **shared}) == []


def test_a_class_name_that_is_defined_twice_is_found() -> None:
    tree = {"streams/lanes/lane.py": "class Lane: ...", "connector/orders/lanes.py": "def f():\n    class Lane: ..."}

    assert repeated_class_names(tree) == {"Lane": ["streams/lanes/lane.py", "connector/orders/lanes.py"]}


def test_an_alias_that_is_the_name_of_another_module_is_found() -> None:
    tree = {
        "connector/accepted_routing.py": "",
        "connector/operations/routing.py": "",
        "connector/cli/main.py": "from connector.operations import routing as accepted_routing",
        "connector/app.py": "import connector.operations.routing as routing\nimport numpy as np",
    }

    assert misleading_aliases(tree) == [("connector/cli/main.py", "accepted_routing")]


def test_permitted_code_has_no_findings() -> None:
    tree = {
        "connector/app.py": "import os\nimport connector.kaufland.http.client\nfrom streams.kafka import source",
        "connector/kaufland/http/client.py": "import httpx, time\nfrom connector.kaufland.http import signing",
        "connector/kaufland/http/signing.py": "import hmac, hashlib\nfrom urllib.parse import quote",
        "connector/offers/flow.py": "from connector.marketplace import offers\n\ndef f(clock):\n    return clock.now()",
        "connector/marketplace/offers.py": "from streams.flow import Caller",
        "streams/flow.py": "from dataclasses import dataclass",
        "connector/offers/merge.py": "A: Final[Mapping[str, int]] = {}\nB = MappingProxyType({})\nC = ()",
        "connector/offers/wants.py": "@lru_cache(maxsize=64)\ndef f(x): ...",
        "streams/kafka/source.py": "import confluent_kafka, os, time\nfrom streams.flow import Now",
    }

    assert broken_rules(tree) == []
