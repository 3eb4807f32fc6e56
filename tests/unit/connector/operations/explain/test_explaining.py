"""``connector explain`` of an event from JSON: the real command against the simulator, without a broker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.exchange import Endpoint
from streams.errors import SettingsError
from tests.harness.command_shop import CommandShop, command_shop, ean_of


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandShop]:
    with command_shop(tmp_path) as started:
        yield started


def explained(shop: CommandShop, event: dict[str, Any], *options: str) -> dict[str, Any]:
    arguments = ("--without-state", "--calls-per-second", "50", "--json")
    done = shop.run("explain", "-", *arguments, *options, stdin=json.dumps(event))
    assert done.exit_code == 0, done.output
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_without_look_up_no_call_is_made(shop: CommandShop) -> None:
    said = explained(shop, {"ean": ean_of(shop.units[0]), "target_id": "shop-de", "condition": "NEW", "stock": 3})

    assert [(one["decision"], one["rule"]) for one in said["fields"]] == [("WAIT", "for a look-up of the EAN on de")]
    assert shop.simulator.journal.calls == ()


def test_with_look_up_the_decision_is_that_of_a_first_event_and_nothing_is_written(shop: CommandShop) -> None:
    event = {
        "ean": ean_of(shop.units[0]),
        "target_id": "shop-de",
        "condition": "NEW",
        "stock": 999_999,
        "price": "1 EUR",
    }

    said = explained(shop, event, "--look-up")

    assert [one["verdict"] for one in said["candidates"]] == ["matches"]
    assert {one["field"]: one["decision"] for one in said["fields"]} == {"price": "SEND", "stock": "SEND"}
    assert {one["unit_id"] for one in said["fields"]} == {shop.units[0].id}
    assert {call.kind for call in shop.simulator.journal.calls} == {Endpoint.LIST}


def test_a_look_up_that_finds_nothing_is_made_once(shop: CommandShop) -> None:
    said = explained(
        shop, {"ean": "4006381333931", "target_id": "shop-de", "condition": "NEW", "stock": 3}, "--look-up"
    )

    assert said["candidates"] == []
    assert said["fields"][0]["rule"].startswith("until ")
    assert len(shop.simulator.journal.calls) <= 2, "one for the EAN, and one that asks whether any unit is fulfilled"


def test_what_is_no_event_is_refused(shop: CommandShop) -> None:
    done = shop.run("explain", "-", "--without-state", stdin='{"ean": "4006381333931", "prize": 1}')

    assert isinstance(done.exception, SettingsError)
    assert "no field prize" in str(done.exception)
