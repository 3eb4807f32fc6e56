"""The Grafana board: what its generator writes, and no metric, label or place that does not exist."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser

from tests.test_alerts import LABELS, SCRAPED, metrics_in

GRAFANA = Path(__file__).parent.parent / "deploy" / "grafana"
TEXT = (GRAFANA / "connector.json").read_text("utf-8")
PANELS: list[dict[str, Any]] = json.loads(TEXT)["panels"]
QUERIES = [(target["expr"], target["legendFormat"]) for panel in PANELS for target in panel.get("targets", ())]


def test_the_board_is_what_the_generator_writes() -> None:
    done = subprocess.run([sys.executable, GRAFANA / "board.py"], check=True, capture_output=True, text=True)

    assert done.stdout == TEXT, "run: python deploy/grafana/board.py > deploy/grafana/connector.json"


def test_every_panel_has_an_id_and_a_place_of_its_own_on_the_grid() -> None:
    def covers(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}

    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)
    assert not any(covers(one) & covers(other) for one, other in combinations(PANELS, 2))


def test_every_panel_says_what_it_shows_and_has_queries_of_distinct_names() -> None:
    for panel in PANELS:
        if panel["type"] != "row":
            names = [target["refId"] for target in panel["targets"]]
            assert panel["description"], panel["title"]
            assert names, panel["title"]
            assert len(set(names)) == len(names)


def test_every_query_selects_the_job_and_uses_metrics_and_labels_that_exist() -> None:
    for query, legend in QUERIES:
        used = metrics_in(query)
        assert used, query
        assert used - LABELS.keys() == set()
        known = SCRAPED.union({"le"}, *(LABELS[name] for name in used))
        grouped = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(",")}
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert (grouped | shown) - known == set(), query
        assert shown <= grouped or not grouped, query
        assert query.count('job=~"$job"') == len(re.findall(r"\b(?:stream|connector|process)_\w+\{", query)) > 0


def test_every_query_is_one_that_prometheus_can_read() -> None:
    for query, _ in QUERIES:
        promql_parser.parse(re.sub(r"\$__\w+", "5m", query))  # raises ValueError


def test_the_measures_that_the_alerts_watch_are_on_the_board() -> None:
    shown = {name for query, _ in QUERIES for name in metrics_in(query)}

    assert {"stream_oldest_undone_age_seconds", "stream_account_closed", "stream_partition_broken"} <= shown
    assert len(shown) > 25
