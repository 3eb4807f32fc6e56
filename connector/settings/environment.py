"""Overrides settings of the file from the environment: ``CONNECTOR__KAFKA__GROUP=x`` is ``[kafka] group = "x"``. Pure.

Names of accounts and targets are matched case-insensitively, and ``_`` also matches ``-``, because a shell variable
cannot be named ``CONNECTOR__TARGETS__shop-de__ENABLED``.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

PREFIX = "CONNECTOR__"
CONFIG_FILE = "CONNECTOR_CONFIG"
"""The environment variable that names the configuration file if the command line does not."""

Tree: TypeAlias = dict[str, Any]


def overlay(tree: Mapping[str, Any], environ: Mapping[str, str]) -> Tree:
    """Returns a copy of the file's tree with the environment's settings in it."""
    merged = _copy(tree)
    for variable, value in sorted(environ.items()):
        if variable.upper().startswith(PREFIX):
            _set(merged, variable[len(PREFIX) :].split("__"), value)
    return merged


def _set(tree: Tree, path: list[str], value: str) -> None:
    """Sets one value, creating the tables on its path."""
    *tables, last = path
    for part in tables:
        name = _known_as(tree, part)
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    tree[_known_as(tree, last)] = _value(value)


def _known_as(tree: Tree, part: str) -> str:
    """Returns the name in the tree that the part of a variable matches, else the part in lower case."""
    plain = part.lower()
    return next((name for name in tree if name.lower().replace("-", "_") == plain.replace("-", "_")), plain)


def _value(text: str) -> Any:
    """Parses a table, which is given as JSON. Anything else stays text, and the settings model converts it."""
    if text.startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _copy(tree: Mapping[str, Any]) -> Tree:
    return {name: _copy(value) if isinstance(value, Mapping) else value for name, value in tree.items()}
