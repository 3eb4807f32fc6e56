"""Overrides settings of the file from the environment: ``CONNECTOR__KAFKA__GROUP=x`` is ``[kafka] group = "x"``. Pure.

The variables by which most programs learn of proxies, CA certificates and the collector of traces give settings that
are not set otherwise.

Names of accounts and targets are matched case-insensitively, and ``_`` also matches ``-``, because a shell variable
cannot be named ``CONNECTOR__TARGETS__shop-de__ENABLED``.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from streams.http.proxy import LOOPBACK

PREFIX = "CONNECTOR__"
CONFIG_FILE = "CONNECTOR_CONFIG"
"""The environment variable that names the configuration file if the command line does not."""

Tree: TypeAlias = dict[str, Any]

CA_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
PROXY_VARIABLES: Final = ("https_proxy", "HTTPS_PROXY")
NO_PROXY_VARIABLES: Final = ("no_proxy", "NO_PROXY")
"""The first that is set and not empty counts; in lower case first, as in curl."""

COLLECTOR_VARIABLES: Final[Mapping[str, str]] = {
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "/v1/traces",
}
"""Variables of OpenTelemetry with the collector's URL, and what follows that URL for traces; the first counts."""


def overlay(tree: Mapping[str, Any], environ: Mapping[str, str]) -> Tree:
    """Returns a copy of the file's tree with the environment's settings in it."""
    merged = _copy(tree)
    for variable, value in sorted(environ.items()):
        if variable.upper().startswith(PREFIX):
            _set(merged, variable[len(PREFIX) :].split("__"), value)
    return merged


def with_usual_variables(tree: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Tree, dict[str, str]]:
    """Returns the tree with settings from the usual variables, and the variable of each such setting."""
    with_http, of_http = _with_http_variables(tree, environ)
    with_all, of_traces = _with_collector(with_http, environ)
    return with_all, of_http | of_traces


def _with_collector(tree: Tree, environ: Mapping[str, str]) -> tuple[Tree, dict[str, str]]:
    variable = _first_set(tuple(COLLECTOR_VARIABLES), environ)
    traces = tree.get("traces", {})
    if variable is None or not isinstance(traces, Mapping) or "endpoint" in traces:
        return tree, {}
    path = COLLECTOR_VARIABLES[variable]
    address = environ[variable].strip()
    endpoint = f"{address.rstrip('/')}{path}" if path else address
    return {**tree, "traces": {**traces, "endpoint": endpoint}}, {"traces.endpoint": variable}


def _with_http_variables(tree: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Tree, dict[str, str]]:
    """Returns the tree with proxy and CA certificates.

    A proxy of the environment is not used for this machine, unless ``http.no_proxy`` is set.
    """
    http = tree.get("http", {})
    if not isinstance(http, Mapping):
        return dict(tree), {}
    named, sources = dict(http), {}
    for setting, variables in (("ca_file", CA_VARIABLES), ("proxy", PROXY_VARIABLES)):
        variable = _first_set(variables, environ)
        if variable is not None and setting not in http:
            named[setting], sources[f"http.{setting}"] = environ[variable], variable
    if "proxy" in named and named["proxy"] != "none" and "no_proxy" not in http:
        variable = _first_set(NO_PROXY_VARIABLES, environ)
        hosts = environ[variable].replace(",", " ").split() if variable is not None else []  # as curl, wget separate
        hosts += LOOPBACK if "http.proxy" in sources else ()
        if hosts:
            named["no_proxy"] = hosts
            sources["http.no_proxy"] = variable or sources["http.proxy"]
    return ({**tree, "http": named} if sources else dict(tree)), sources


def _first_set(variables: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    return next((variable for variable in variables if environ.get(variable, "").strip()), None)


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
