"""The alert rules, evaluated on the series of a unit test of promtool or on scraped pages."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import promql_parser
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.promql import Labels, SampleHistory, Samples, evaluate

RULES: Final = Path(__file__).parent.parent.parent / "deploy" / "prometheus" / "rules.yaml"
Page: TypeAlias = Mapping[tuple[str, Labels], float]
"""One scrape: the value of each series by name and labels."""

_STEP_S: Final = 60.0
_QUIET_S: Final = 25 * 3600.0
_QUIET_STEP_S: Final = 120.0  # a day of scrapes each minute would only take longer


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        yield from group["rules"]


ALERTS: Final = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED: Final = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def firing(history: SampleHistory, at_s: float, *, waiting: bool = True) -> set[str]:
    """Returns the alerts that fire at a time; with ``waiting=False`` those whose expression holds, whatever ``for``."""
    return {name for name, rule in ALERTS.items() if _fires(rule, history, at_s, waiting=waiting)}


def _fires(rule: Mapping[str, Any], history: SampleHistory, at_s: float, *, waiting: bool) -> bool:
    pending = set(evaluate(rule["expr"], history, at_s))
    waits_s = promql_parser.parse_duration(rule["for"]) if waiting and "for" in rule else timedelta()
    for step in range(1, int(waits_s.total_seconds() / _STEP_S) + 1):
        if not pending:
            break
        pending &= set(evaluate(rule["expr"], history, at_s - step * _STEP_S))
    return bool(pending)


# ---- unit tests of promtool -----------------------------------------------------------------------------------------


def history_of(test: Mapping[str, Any]) -> SampleHistory:
    """Returns the input series of a unit test; they are a minute apart."""
    series: dict[str, dict[Labels, Samples]] = {}
    for given in test["input_series"]:
        selector = promql_parser.parse(given["series"])
        assert isinstance(selector, promql_parser.VectorSelector)
        labels = frozenset((matcher.name, matcher.value) for matcher in selector.matchers.matchers)
        timed = [(step * _STEP_S, value) for step, value in enumerate(_values(given["values"])) if value != "_"]
        samples = [(at_s, None if value == "stale" else float(value)) for at_s, value in timed]
        series.setdefault(selector.name or "", {})[labels] = samples
    return SampleHistory(series=series, recorded=RECORDED)


def _values(notation: str) -> Iterator[str | float]:
    """Expands promtool's notation: ``1+2x3`` is 1 3 5 7, ``4x2`` is 4 4 4, ``_x2`` is no value twice."""
    for word in notation.split():
        begin, _, times = word.partition("x")
        if begin == "_":
            yield from ["_"] * int(times or 1)
        elif begin == "stale":
            yield begin
        else:
            found = re.fullmatch(r"(-?[\d.]+)([+-][\d.]+)?", begin)
            assert found is not None, word
            yield from (float(found[1]) + step * float(found[2] or 0) for step in range(int(times or 0) + 1))


# ---- scraped pages --------------------------------------------------------------------------------------------------


def scraped(text: str, instance: str = "connector-0") -> Page:
    """Reads a page of ``/metrics``, and adds the labels that Prometheus adds."""
    added = {"namespace": "shop", "job": "connector", "instance": instance}
    return {
        (sample.name, frozenset({**sample.labels, **added}.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def holding(before: Page, after: Sequence[Page], at_s: float) -> set[str]:
    """Returns the alerts whose expression holds when pages are scraped after a day of ``before``, whatever ``for``.

    ``after``: one page of each process that is scraped; none: nothing answers.
    """
    series: dict[str, dict[Labels, list[tuple[float, float | None]]]] = {}
    steps = int(_QUIET_S / _QUIET_STEP_S)
    for (name, labels), value in before.items():
        calm = [(at_s - _QUIET_STEP_S * step - _STEP_S, value) for step in range(steps, -1, -1)]
        series.setdefault(name, {})[labels] = [*calm, (at_s - 1.0, None)]
    for page in after:
        for (name, labels), value in page.items():
            samples = series.setdefault(name, {}).setdefault(labels, [])
            if samples:
                samples.pop()
            samples.append((at_s, value))
    return firing(SampleHistory(series=series, recorded=RECORDED), at_s, waiting=False)
