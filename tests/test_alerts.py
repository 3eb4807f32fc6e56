"""The alert rules: every metric exists, every alert has its runbook, and input that must and must not fire it.

``make rules`` runs that input with promtool, which is not a Python package; ``harness/promql.py`` runs it here.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from connector.console.gauges import EVERY
from connector.contracts.codes import Code
from connector.contracts.topics import ALL_FEATURES, INPUTS, Access, manifest, named
from connector.marketplace.call_kinds import CallKind
from connector.offers.events import DriftCause
from streams.telemetry import METRICS, PROCESS
from tests.harness.alert_rules import ALERTS, RECORDED, RULES, firing, history_of, rules
from tests.harness.pages import missing
from tests.test_documents import anchors

ROOT = Path(__file__).parent.parent
LABELS = {metric.name: set(metric.labels) for metric in (*METRICS, *PROCESS)} | {
    gauge.name: set(gauge.labels) for gauge in EVERY
}
SCRAPED = {"namespace", "job", "instance"}
"""Labels that Prometheus adds."""
NAME = re.compile(r"\b(?:stream|connector|process)_[a-z_]+\b")


TESTS: Mapping[str, Any] = {
    test["name"]: test for test in yaml.safe_load(RULES.with_name("rules_test.yaml").read_text("utf-8"))["tests"]
}


def metrics_in(expression: str) -> set[str]:
    """Returns the metrics of an expression, those of recorded rules among them; a histogram's by its own name."""
    text = expression
    for name, recorded in RECORDED.items():
        text = text.replace(name, recorded) if name != expression else text
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in NAME.findall(text)}


def test_every_metric_of_a_rule_exists() -> None:
    used = {name for rule in rules() for name in metrics_in(rule["expr"])}

    assert used - LABELS.keys() == set()
    assert len(used) > 15


def test_every_metric_is_on_the_page() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")

    assert [name for rule in rules() for name in metrics_in(rule["expr"]) if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.get("alert", rule.get("record"))) for rule in rules()])
def test_a_rule_uses_labels_that_its_metrics_have(rule: dict[str, Any]) -> None:
    known = SCRAPED.union(*(LABELS[name] for name in metrics_in(rule["expr"])), {"le"})
    lists = re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"])
    grouped = {label.strip() for labels in lists for label in labels.split(",")}
    matched = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", rule["expr"]))
    shown = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations", ""))))

    assert (grouped | matched | shown) - known == set()


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_section_that_says_what_to_do(name: str) -> None:
    text = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    section = text.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]
    path, _, anchor = ALERTS[name]["annotations"]["runbook_url"].partition("#")

    assert ALERTS[name]["labels"]["severity"] in ("page", "ticket")
    assert (ROOT / path).is_file()
    assert anchor in anchors(text)
    assert anchor == name.lower()
    for word in ("Means", "Look", "Do"):
        assert f"- **{word}**: " in section


def test_every_section_is_of_an_alert() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text("utf-8")

    assert re.findall(r"^## (\w+)$", text, flags=re.MULTILINE) == list(ALERTS)


def test_the_table_of_causes_names_each_alert_with_tests_that_fire_it() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| (\w+) \| ([^|]+) \| ([^|]+) \|$", text, flags=re.MULTILINE)

    assert [(name, severity) for name, _, severity, _, _ in rows] == [
        (name, rule["labels"]["severity"]) for name, rule in ALERTS.items()
    ]
    for name, anchor, _, _, cell in rows:
        tests = re.findall(r"`([^`]+::[^`]+)`", cell)
        files = [(ROOT / test.partition("::")[0]).read_text("utf-8") for test in tests]
        assert anchor == name.lower()
        assert files
        assert missing(tests) == []
        assert [name for file in files if name not in re.findall(r"\w+", file)] == []


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_input_that_must_fire_it_and_input_that_must_not(name: str) -> None:
    [fires] = [test for title, test in TESTS.items() if title.startswith(f"{name} fires: ")]
    [quiet] = [test for title, test in TESTS.items() if title.startswith(f"{name} does not fire: ")]

    assert f'{{alertname="{name}"}}' in [sample["labels"] for sample in fires["promql_expr_test"][0]["exp_samples"]]
    assert quiet["promql_expr_test"][0]["exp_samples"] == []
    given = {name for series in quiet["input_series"] for name in metrics_in(series["series"])}
    assert metrics_in(ALERTS[name]["expr"]) <= given, "the quiet input lacks a metric of the alert"


@pytest.mark.parametrize("title", TESTS)
def test_the_input_fires_exactly_the_alerts_that_are_named(title: str) -> None:
    test = TESTS[title]
    [asked] = test["promql_expr_test"]
    expected = {name for sample in asked["exp_samples"] for name in re.findall(r'alertname="(\w+)"', sample["labels"])}
    at_s = promql_parser.parse_duration(asked["eval_time"]).total_seconds()

    assert (test["interval"], asked["expr"]) == ("1m", 'count by (alertname) (ALERTS{alertstate="firing"})')
    assert firing(history_of(test), at_s) == expected


def test_the_objective_is_a_bucket_of_the_histogram_as_the_process_writes_it() -> None:
    """Prometheus compares the label ``le`` as text: 60 is not 60.0."""
    buckets = next(metric.buckets for metric in METRICS if metric.name == "stream_event_to_settled_seconds")
    named_in_rules = {bound for expression in RECORDED.values() for bound in re.findall(r'le="([^"]+)"', expression)}

    assert named_in_rules == {"60.0"}
    assert named_in_rules <= {repr(bound) for bound in buckets}


def test_kinds_and_topics_are_recognised_as_they_are_named() -> None:
    topics = named("shop", ALL_FEATURES)
    patterns = set(re.findall(r'(\w+)(?:=~|!~)"([^"]+)"', "".join(rule["expr"] for rule in rules())))

    def matched(label: str, pattern: str, texts: Iterable[str]) -> list[str]:
        assert (label, pattern) in patterns
        return [text for text in texts if re.fullmatch(pattern, text)]

    kinds = [CallKind.UPDATE.on("de"), CallKind.LOOK_UP.on("de"), CallKind.SEND, CallKind.ORDER_PAGE]
    assert matched("kind", "update:.*|send", kinds) == ["update:de", "send"]
    assert matched("topic", ".*scheduler.*", [getattr(topics, name) for name in INPUTS]) == [topics.scheduler]
    outputs = [topic.name for topic in manifest(topics) if topic.access is not Access.READ]
    dead_letters = {topics.offer_changes_dlq, topics.shipments_dlq, topics.scheduler_dlq}
    results = {topics.offer_results, topics.offer_field_results, topics.shipment_results}
    assert set(matched("topic", ".*-results.*|.*[.]dlq", outputs)) == results | dead_letters
    assert matched("code", "HELD_BY_PERSON|PAUSED", Code) == [Code.HELD_BY_PERSON, Code.PAUSED]
    not_guarded = matched("code", "HELD_BY_PERSON|PAUSED|HELD_BY_OVERRIDE", Code)
    assert not_guarded == [Code.HELD_BY_PERSON, Code.PAUSED, Code.HELD_BY_OVERRIDE], "no guard command decides on it"
    assert matched("cause", "LOST_WRITE|EDITED_OUTSIDE", DriftCause) == ["LOST_WRITE", "EDITED_OUTSIDE"]
