"""The Grafana board: what its generator writes, and no metric, label or place that does not exist."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import promql_parser

from tests.harness.board_picture import FILE, svg, values_of
from tests.harness.promql import SampleHistory, evaluate
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


# ---- its picture ----------------------------------------------------------------------------------------------------


def texts(picture: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_has_the_present_panels() -> None:
    bold = [title for title in texts(FILE.read_text("utf-8")) if title in {panel["title"] for panel in PANELS}]

    assert bold == [panel["title"] for panel in PANELS], "run: python -m tests.harness.board_picture"


def test_a_panel_is_drawn_with_the_values_of_its_queries() -> None:
    [panel] = [panel for panel in PANELS if panel["title"] == "Dead letters"]
    labels = frozenset({"job": "connector", "topic": "in<", "code": "NOT_AVRO"}.items())
    history = SampleHistory(series={"stream_dead_letters_total": {labels: [(0.0, 0.0), (5.0, 2.0), (10.0, 7.0)]}})

    drawn = values_of(panel, history, [5.0, 10.0, 15.0])

    assert drawn == [("in< NOT_AVRO", [(5.0, 2.0), (10.0, 5.0)])]
    assert "in< NOT_AVRO: 5" in " ".join(texts(svg([panel], {panel["id"]: drawn}, [5.0, 10.0, 15.0])))
    assert "No data" in texts(svg([panel], {}, [5.0, 10.0]))


def test_a_quantile_is_linear_within_its_bucket() -> None:
    counts = {"1.0": 10.0, "2.0": 30.0, "+Inf": 40.0}
    series = {
        frozenset({"le": bound, "job": "c"}.items()): [(0.0, 0.0), (5.0, count)] for bound, count in counts.items()
    }
    history = SampleHistory(series={"t_bucket": series})

    def quantile(share: str) -> list[float]:
        return list(
            evaluate(f"histogram_quantile({share}, sum by (le) (increase(t_bucket[20s])))", history, 5.0).values()
        )

    assert quantile("0.5") == [1.5]
    assert quantile("0.99") == [2.0]
