"""``connector match-report`` over a list: the real command against the simulator, without a broker."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from simulator.exchange import Endpoint
from simulator.offers.catalogue import SimulatedUnit
from streams.errors import SettingsError
from tests.harness.command_shop import CommandShop, command_shop, ean_of

MISSING = "4006381333931"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandShop]:
    with command_shop(tmp_path) as started:
        yield started


def report(shop: CommandShop, rows: list[str], *options: str) -> Result:
    """Runs the command over a list with these rows; ``options`` come after those that it needs without a broker."""
    offers = shop.folder / "offers.csv"
    offers.write_text("\n".join(["ean,target_id,condition,brand", *rows, ""]))
    without_broker = ("--csv", str(offers), "--without-state", "--calls-per-second", "50")
    return shop.run("match-report", *without_broker, *options)


def row(unit: SimulatedUnit, target_id: str = "shop-de", condition: str = "NEW", brand: str = "Acme") -> str:
    return f"{ean_of(unit)},{target_id},{condition},{brand}"


def test_a_list_is_judged_by_look_ups_alone(shop: CommandShop) -> None:
    first = shop.units[0]
    other = row(first, condition="USED_GOOD", brand="Other")
    rows = [*map(row, shop.units[:8]), other, f"{MISSING},shop-at,NEW,Other"]

    done = report(shop, rows, "--by", "brand", "--json")

    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["offers"], said["found"], said["other_condition"], said["nowhere"]) == (10, 8, 1, 1)
    assert [(g["group"], g["found"]) for g in said["groups"] if g["by"] == "brand"] == [("Other", 0), ("Acme", 8)]
    assert "account demo: 9 look-ups at 50 calls/s (as asked): at least 0 s" in done.stderr
    calls = shop.simulator.journal.calls
    assert {call.kind for call in calls} == {Endpoint.LIST}
    assert len(calls) <= 9 + 2 + 2, "one for each EAN and storefront; a second where it was not found, and a probe"
    assert shop.simulator.journal.worst_second("demo") <= 52


def test_the_share_is_the_exit_code(shop: CommandShop) -> None:
    rows = [*map(row, shop.units[:9]), f"{MISSING},shop-de,NEW,"]

    assert report(shop, rows, "--at-least", "90%").exit_code == 0
    assert report(shop, rows, "--at-least", "90.1%").exit_code == 1
    assert isinstance(report(shop, rows, "--at-least", "most").exception, SettingsError)


def test_a_bad_row_is_told_with_its_line_and_the_rest_is_judged(shop: CommandShop) -> None:
    file = shop.folder / "out.csv"

    done = report(shop, [row(shop.units[0]), "1,2", row(shop.units[1], "shop-xy")], "--file", str(file))

    assert done.exit_code == 0
    assert "1 of 3 offers found: 33.3 %" in done.stdout
    assert "unreadable: line 3: it has 2 cells, the header has 4" in done.stdout
    assert "line 4" in done.stdout
    assert "shop-xy" in done.stdout
    assert len(file.read_text().splitlines()) == 4


def test_a_list_may_come_from_standard_input(shop: CommandShop) -> None:
    listed = f"ean;target_id;condition\r\n{ean_of(shop.units[0])};shop-de;NEW\r\n"

    done = shop.run("match-report", "--csv", "-", "--without-state", "--json", stdin=listed)

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["found"] == 1


def test_an_account_that_refuses_every_call_ends_the_command_and_says_why(
    shop: CommandShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.operations.command_calls.PATIENCE_S", 0.5)
    shop.write_keys("c" * 32, "s" * 64)

    done = report(shop, list(map(row, shop.units[:20])), "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["not_looked_up"] == 20
    assert len(shop.simulator.journal.calls) < 5


def test_options_of_the_topic_do_not_go_with_a_list(shop: CommandShop) -> None:
    done = shop.run("match-report", "--csv", "offers.csv", "--from", "7d")

    assert isinstance(done.exception, SettingsError)
    assert "a list has none" in str(done.exception)


def test_a_list_that_is_not_there_is_named(shop: CommandShop) -> None:
    done = shop.run("match-report", "--csv", "no.csv", "--without-state")

    assert isinstance(done.exception, SettingsError)
    assert "no.csv cannot be read: No such file" in str(done.exception)
