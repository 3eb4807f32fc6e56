"""Draws docs/images/board.svg: ``python -m tests.harness.board_picture``, in about three minutes.

It is not a picture of Grafana. Panels, their places and queries are those of ``deploy/grafana/connector.json``; the
values are those of two processes that were scraped every two seconds while they processed a mixed load against the
simulator, evaluated by ``harness/promql.py``; the drawing is made here, in the order and the proportions of the board.
"""

import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from devstack.backbone import Backbone, embedded
from devstack.deployment import Deployment
from devstack.processes import ModuleProcess
from devstack.sales import Sales
from devstack.shop import ALIASES
from devstack.traffic import Traffic
from tests.faults.workload import wall_us
from tests.harness.alert_rules import scraped
from tests.harness.pages import ROOT
from tests.harness.promql import Labels, SampleHistory, evaluate

FILE: Final = ROOT / "docs" / "images" / "board.svg"
BOARD: Final = ROOT / "deploy" / "grafana" / "connector.json"
STEP_S: Final = 2.0
RUN_S: Final = 180.0
_RATE_INTERVAL: Final = "20s"
_COLUMN: Final = 58
_ROW: Final = 26
_MARGIN: Final = 3
_LEGEND: Final = 4  # entries
_COLOURS: Final = ("#5470c6", "#91cc75", "#d9a900", "#ee6666", "#73c0de", "#3ba272", "#fc8452", "#9a60b4", "#ea7ccc")
_UNITS: Final[Mapping[str, str]] = {"s": " s", "ops": "/s", "reqps": "/s", "bytes": " MB", "short": ""}
Panel = Mapping[str, Any]
Drawn = list[tuple[str, list[tuple[float, float]]]]  # legend, and points of time and value


# ---- the run --------------------------------------------------------------------------------------------------------


def recorded() -> tuple[SampleHistory, float, float]:
    """Runs two processes under load; returns what was scraped, and its first and last time."""
    with (
        embedded() as backbone,
        tempfile.TemporaryDirectory() as folder,
        Deployment(
            kafka=backbone,
            folder=Path(folder),
            prefix="shop",
            partitions=4,
            sellers=("main",),
            catalogue='eans = 300\nconditions = ["NEW"]\nambiguous = 0.02\nlinked = 0.2',
            scenario="[limits]\nrequests_per_second = 60",
            settings='[offers]\nnot_found_grace = "2s"\n',
            shipments={"carriers": ALIASES},
            orders={"interval": "5s", "overlap": "30s"},
            reconcile={"interval": "30s", "settle": "2s", "price": "repair"},
        ) as deployment,
    ):
        return _scraped_under_load(deployment)


def _scraped_under_load(deployment: Deployment[Backbone]) -> tuple[SampleHistory, float, float]:
    processes = {name: deployment.connector(name) for name in ("connector-0", "connector-1")}
    single, several = deployment.places()
    traffic, wall, sales = Traffic(single, ambiguous=several, seed=11), wall_us(), Sales(deployment, 15, 5)
    edits = iter(single[:20])
    series: dict[str, dict[Labels, list[tuple[float, float | None]]]] = {}
    begin_s = time.time()
    while (now_s := time.time()) < begin_s + RUN_S:
        for name, process in processes.items():
            _add(series, process, name, now_s)
        deployment.produce(traffic.messages(60, wall))
        if edited := next(edits, None):
            deployment.marketplace.edit(edited.unit_id, amount=77)  # what a sweep shows as drift
        sales.turn(STEP_S)
        time.sleep(max(0.0, now_s + STEP_S - time.time()))
    return SampleHistory(series=series), begin_s + 10, now_s


def _add(
    series: dict[str, dict[Labels, list[tuple[float, float | None]]]], process: ModuleProcess, name: str, now_s: float
) -> None:
    with process.health() as health:
        for (metric, labels), value in scraped(health.get("/metrics").text, name).items():
            series.setdefault(metric, {}).setdefault(labels, []).append((now_s, value))


def values_of(panel: Panel, history: SampleHistory, times: Sequence[float]) -> Drawn:
    """Evaluates the queries of a panel; returns each line with its legend, those that end highest first."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for target in panel["targets"]:
        query = target["expr"].replace('job=~"$job"', 'job=~".+"').replace("$__rate_interval", _RATE_INTERVAL)
        query = query.replace("$__range", f"{int(times[-1] - times[0])}s")
        for at_s in times:
            for labels, value in evaluate(query, history, at_s).items():
                lines.setdefault(_legend(target["legendFormat"], labels), []).append((at_s, value))
    return sorted(lines.items(), key=lambda line: -line[1][-1][1])


def _legend(form: str, labels: Labels) -> str:
    named = dict(labels)
    return re.sub(r"\{\{(\w+)\}\}", lambda found: named.get(found[1], ""), form).strip()


# ---- the drawing ----------------------------------------------------------------------------------------------------


def svg(panels: Sequence[Panel], drawn: Mapping[int, Drawn], times: Sequence[float]) -> str:
    """Draws the panels at their places; ``drawn``: by the panel's id."""
    width = 24 * _COLUMN
    height = _ROW * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    body = "\n".join(line for panel in panels for line in _panel(panel, drawn.get(panel["id"], []), times))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">\n'
        f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>\n{body}\n</svg>\n'
    )


def _panel(panel: Panel, drawn: Drawn, times: Sequence[float]) -> Iterator[str]:
    at = panel["gridPos"]
    left, top = at["x"] * _COLUMN + _MARGIN, at["y"] * _ROW + _MARGIN
    width, height = at["w"] * _COLUMN - 2 * _MARGIN, at["h"] * _ROW - 2 * _MARGIN
    title = escape(panel["title"])
    if panel["type"] == "row":
        yield f'<text x="{left}" y="{top + 15}" font-size="14" font-weight="bold">{title}</text>'
        return
    yield f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="#fff" stroke="#ddd"/>'
    yield f'<text x="{left + 8}" y="{top + 16}" font-weight="bold">{title}</text>'
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if not drawn:
        middle = left + width // 2
        yield f'<text x="{middle}" y="{top + height // 2}" text-anchor="middle" fill="#888">No data</text>'
    elif panel["type"] == "stat":
        yield from _numbers(drawn, unit, left, top, width, height)
    else:
        yield from _lines(drawn, unit, times, left + 8, top + 34, width - 16, height - 34 - 14 * (_LEGEND // 2) - 12)
        yield from _legends(drawn, unit, left + 8, top + height - 14 * (_LEGEND // 2), width - 16)


def _numbers(drawn: Drawn, unit: str, left: int, top: int, width: int, height: int) -> Iterator[str]:
    part = width / len(drawn[:_LEGEND])
    for number, (legend, points) in enumerate(drawn[:_LEGEND]):
        middle = round(left + part * (number + 0.5))
        text = f'text-anchor="middle" x="{middle}"'
        yield f'<text {text} y="{top + height // 2 + 10}" font-size="26">{_number(points[-1][1], unit)}</text>'
        yield f'<text {text} y="{top + height - 12}" fill="#555">{escape(legend)}</text>'


def _lines(
    drawn: Drawn, unit: str, times: Sequence[float], left: int, top: int, width: int, height: int
) -> Iterator[str]:
    highest = max(value for _, points in drawn for _, value in points) or 1.0
    for share in (0.0, 0.5, 1.0):
        y = round(top + height * (1 - share))
        yield f'<line x1="{left}" y1="{y}" x2="{left + width}" y2="{y}" stroke="#eee"/>'
        yield f'<text x="{left}" y="{y - 2}" fill="#888" font-size="9">{_number(highest * share, unit)}</text>'
    for number, (_, points) in enumerate(drawn):
        where = (
            f"{left + width * (at_s - times[0]) / (times[-1] - times[0]):.0f},"
            f"{top + height * (1 - max(0.0, value) / highest):.0f}"
            for at_s, value in points
        )
        colour = _COLOURS[number % len(_COLOURS)]
        yield f'<polyline fill="none" stroke="{colour}" stroke-width="1.3" points="{" ".join(where)}"/>'


def _legends(drawn: Drawn, unit: str, left: int, top: int, width: int) -> Iterator[str]:
    for number, (legend, points) in enumerate(drawn[:_LEGEND]):
        x, y = left + (number % 2) * width // 2, top + number // 2 * 14
        more = len(drawn) - _LEGEND if number == _LEGEND - 1 else 0
        text = f"{legend[:36]}: {_number(points[-1][1], unit)}" + (f"; {more} more" if more > 0 else "")
        yield f'<rect x="{x}" y="{y - 4}" width="10" height="3" fill="{_COLOURS[number]}"/>'
        yield f'<text x="{x + 14}" y="{y}" fill="#333" font-size="10">{escape(text)}</text>'


def _number(value: float, unit: str) -> str:
    shown = value / 2**20 if unit == "bytes" else value
    return f"{shown:,.0f}{_UNITS[unit]}" if abs(shown) >= 10 or shown == int(shown) else f"{shown:.2g}{_UNITS[unit]}"


def main() -> None:
    panels = json.loads(BOARD.read_text("utf-8"))["panels"]
    history, begin_s, end_s = recorded()
    times = [begin_s + 4 * STEP_S * step for step in range(int((end_s - begin_s) / (4 * STEP_S)) + 1)]
    drawn = {panel["id"]: values_of(panel, history, times) for panel in panels if panel["type"] != "row"}
    FILE.write_text(svg(panels, drawn, times), "utf-8")


if __name__ == "__main__":
    main()
