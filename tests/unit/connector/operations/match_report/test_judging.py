"""``connector match-report`` over a list: the real command against the simulator, without a broker."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from connector.cli.main import cli
from simulator.exchange import Endpoint
from simulator.offers.catalogue import SimulatedUnit
from simulator.scenario import Scenario
from simulator.simulator import Simulator

SCENARIO: Mapping[str, Any] = {
    "seed": 7,
    "catalogue": {
        "eans": 60,
        "storefronts": ("de", "at"),
        "conditions": ("NEW",),
        "missing": 0.0,
        "ambiguous": 0.0,
        "further_condition": 0.0,
    },
}
MISSING = "4006381333931"
CONFIG = """
[kafka]
bootstrap_servers = "127.0.0.1:1"
group = "connector"
start = "earliest"
instance_id = "connector-0"
[registry]
url = "http://127.0.0.1:1"
[accounts.demo]
client_key_file = "client_key"
secret_key_file = "secret_key"
base_url = "{url}"
simulator = true
requests_per_second = 50
[targets.shop-de]
account = "demo"
storefront = "de"
[targets.shop-at]
account = "demo"
storefront = "at"
"""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Scenario.model_validate(SCENARIO)) as started:
        yield started


@pytest.fixture
def units(simulator: Simulator) -> list[SimulatedUnit]:
    return [unit for unit in simulator.catalogue if unit.storefront == "de"]


def report(simulator: Simulator, folder: Path, rows: list[str], *options: str, secret_key: str | None = None) -> Result:
    """Runs the command over a list with these rows; ``options`` come after those that it needs without a broker."""
    seller = simulator.sellers["demo"]
    (folder / "client_key").write_text(seller.client_key)
    (folder / "secret_key").write_text(secret_key or seller.secret_key)
    (folder / "connector.toml").write_text(CONFIG.format(url=simulator.url))
    (folder / "offers.csv").write_text("\n".join(["ean,target_id,condition,brand", *rows, ""]))
    arguments = ("--config", str(folder / "connector.toml"), "--csv", str(folder / "offers.csv"), "--without-state")
    return CliRunner().invoke(cli, ["match-report", *arguments, "--calls-per-second", "50", *options])


def row(unit: SimulatedUnit, target_id: str = "shop-de", condition: str = "NEW", brand: str = "Acme") -> str:
    return f"{unit.product.eans[0]},{target_id},{condition},{brand}"


def test_a_list_is_judged_by_look_ups_alone(simulator: Simulator, units: list[SimulatedUnit], tmp_path: Path) -> None:
    rows = [*map(row, units[:8]), row(units[0], condition="USED_GOOD", brand="Other"), f"{MISSING},shop-at,NEW,Other"]

    done = report(simulator, tmp_path, rows, "--by", "brand", "--json")

    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["offers"], said["found"], said["other_condition"], said["nowhere"]) == (10, 8, 1, 1)
    assert [(g["group"], g["found"]) for g in said["groups"] if g["by"] == "brand"] == [("Other", 0), ("Acme", 8)]
    assert "account demo: 9 look-ups at 50 calls/s (as asked): at least 0 s" in done.stderr
    calls = simulator.journal.calls
    assert {call.kind for call in calls} == {Endpoint.LIST}
    assert len(calls) <= 9 + 2 + 2, "one for each EAN and storefront; a second where it was not found, and a probe"
    assert simulator.journal.worst_second("demo") <= 52


def test_the_share_is_the_exit_code(simulator: Simulator, units: list[SimulatedUnit], tmp_path: Path) -> None:
    rows = [*map(row, units[:9]), f"{MISSING},shop-de,NEW,"]

    assert report(simulator, tmp_path, rows, "--at-least", "90%").exit_code == 0
    assert report(simulator, tmp_path, rows, "--at-least", "90.1%").exit_code == 1
    assert report(simulator, tmp_path, rows, "--at-least", "most").exit_code != 0


def test_a_bad_row_is_told_with_its_line_and_the_rest_is_judged(
    simulator: Simulator, units: list[SimulatedUnit], tmp_path: Path
) -> None:
    file = tmp_path / "out.csv"

    done = report(simulator, tmp_path, [row(units[0]), "1,2", row(units[1], "shop-xy")], "--file", str(file))

    assert done.exit_code == 0
    assert "1 of 3 offers found: 33.3 %" in done.stdout
    assert "unreadable: line 3: it has 2 cells, the header has 4" in done.stdout
    assert "line 4" in done.stdout
    assert "shop-xy" in done.stdout
    assert len(file.read_text().splitlines()) == 4


def test_an_account_that_refuses_every_call_ends_the_command_and_says_why(
    simulator: Simulator, units: list[SimulatedUnit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.operations.command_calls.PATIENCE_S", 0.5)

    done = report(simulator, tmp_path, list(map(row, units[:20])), "--json", secret_key="s" * 64)

    assert done.exit_code == 1
    assert json.loads(done.stdout)["not_looked_up"] == 20
    assert len(simulator.journal.calls) < 5


def test_options_of_the_topic_do_not_go_with_a_list(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["match-report", "--csv", "offers.csv", "--from", "7d"])

    assert done.exit_code != 0
    assert "a list has none" in str(done.exception)
