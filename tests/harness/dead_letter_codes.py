"""The codes that a dead letter can have, read from the source: a new one is found without being listed anywhere."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

from tests.harness.pages import ROOT

INTERNAL: Final = frozenset({"STATE_UNREADABLE", "STATE_NEWER", "NO_VALUE"})
"""Codes of states and of rows of the projection: these are never dead letters."""
_OF_RECORDS: Final = frozenset({"BadRecord", "_bad"})
_OF_REPORTS: Final = frozenset({"Quarantined", "quarantined", "_quarantine"})


@cache
def record_codes() -> frozenset[str]:
    """Returns the codes of input records that cannot be read: all with which a ``BadRecord`` is made."""
    return frozenset(_codes(_OF_RECORDS)) - INTERNAL


@cache
def report_codes() -> frozenset[str]:
    """Returns the codes of what the marketplace shows and cannot be read: dead letters without a record."""
    return frozenset(_codes(_OF_REPORTS))


def _codes(makers: frozenset[str]) -> Iterator[str]:
    """Yields the code of every call of one of these functions; a parameter is passed on by another of them."""
    for package in ("streams", "connector"):
        for file in sorted((ROOT / package).rglob("*.py")):
            source = file.read_text("utf-8")
            if any(f"{maker}(" in source for maker in makers):
                yield from _codes_in(_module(file), ast.parse(source), makers)


def _module(file: Path) -> ModuleType:
    return import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def _codes_in(module: ModuleType, tree: ast.Module, makers: frozenset[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in makers:
            given = [word.value for word in node.keywords if word.arg == "code"] or node.args[:1]
            for code in given:
                name = ast.unparse(code)
                if name != "code":
                    yield _value(module, code)


def _value(module: ModuleType, code: ast.expr) -> str:
    """Returns a code that the source names: a text, a constant of the module, or a member of an enum."""
    if isinstance(code, ast.Constant):
        return str(code.value)
    found: object = module
    for name in ast.unparse(code).split("."):
        found = getattr(found, name)
    return str(found)
