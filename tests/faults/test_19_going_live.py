"""The chapter "Go live" of docs/operations.md, run as it stands: each command prints what the chapter shows."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.offers.gtin import check_digit
from devstack.stack import Stack
from devstack.traffic import Message
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us
from tests.harness.pages import block, commands

PAGE = "docs/operations.md"
BRANDS = ("Acme", "Globex", "Initech")
CATALOGUE = 'eans = 300\nconditions = ["NEW"]\nmissing = 0.0\nambiguous = 0.01\nfurther_condition = 0.0'
"""Each EAN is on both storefronts; three EANs have two units."""


@pytest.fixture
def shop(kafka: Stack, tmp_path: Path) -> Iterator[WatchedDeployment]:
    """A seller whose source has written the stock of 300 EANs for two storefronts, with a few mistakes of each kind."""
    with WatchedDeployment(
        kafka=kafka, folder=tmp_path / "shop", sellers=("shop",), catalogue=CATALOGUE, settings=FAST_MISS
    ) as deployment:
        deployment.produce(stocks(deployment))
        yield deployment


def stocks(deployment: WatchedDeployment) -> Iterator[Message]:
    """Yields an event for each EAN and storefront.

    Of the brand Globex some are in a condition that does not exist; Initech has EANs that the marketplace lacks.
    """
    one, several = deployment.places()
    times = wall_us()
    for count, place in enumerate(sorted([*one, *several], key=lambda place: (place.ean, place.target_id)), 1):
        number = int(place.ean[3:-1])
        brand = BRANDS[number % len(BRANDS)]
        meant = place
        if brand == "Globex" and number % 60 == 1:
            meant = replace(place, condition="USED_GOOD")
        if brand == "Initech" and number % 60 == 2:
            meant = replace(place, ean=unknown(number))
        attributes = {"brand": brand}
        yield change(meant, next(times), event_id=f"{count}", source="erp", stock=3, attributes=attributes)


def unknown(number: int) -> str:
    """Returns an EAN that the marketplace does not have."""
    body = f"400638{number:06d}"
    return body + check_digit(body)


def run(deployment: WatchedDeployment, command: str, folder: Path) -> str:
    """Runs a command of the chapter and returns what it prints, with the names that the chapter uses."""
    words = shlex.split(command)
    assert words[0] == "connector"
    done = subprocess.run(
        [sys.executable, "-m", *words, "--config", str(deployment.config("one"))],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.replace(deployment.prefix, "kaufland")


def test_the_match_report_prints_what_the_chapter_shows(shop: WatchedDeployment, tmp_path: Path) -> None:
    [command] = commands(block(PAGE, "console", "connector match-report"))
    shown = block(PAGE, "text", "offers found").body

    printed = run(shop, command, tmp_path)

    assert printed == shown
    assert (tmp_path / "offers.csv").read_text().startswith("ean,target_id,condition")
    assert shop.marketplace.journal().write_calls == ()


def test_one_event_is_explained_as_the_chapter_shows(shop: WatchedDeployment, tmp_path: Path) -> None:
    [command] = commands(block(PAGE, "console", "connector explain"))
    shown = block(PAGE, "text", "candidates on de").body

    printed = run(shop, command, tmp_path)

    assert timeless(printed) == timeless(shown)
    assert shop.marketplace.journal().write_calls == ()


def timeless(text: str) -> str:
    """Returns the text with every time replaced by the same one."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "2026-01-31T06:00:00Z", text)


def test_a_dry_run_beside_another_system_is_compared_with_what_that_system_wrote(deploy: Deploy) -> None:
    catalogue = "eans = 40\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0\nlinked = 0.0"
    deployment = deploy(catalogue=catalogue, reconcile={"interval": "5s", "settle": "0s"}, partitions=2)
    places, times = deployment.places()[0], wall_us()
    deployment.produce(change(place, next(times), stock=3) for place in places)
    for place in places:
        deployment.marketplace.edit(place.unit_id, amount=8 if place is places[0] else 3)
    config = str(deployment.config("one"))
    deployment.command("topics", "--create", "--dry-run", "--config", config)
    trial = deployment.connector("one", "--dry-run")

    def compared() -> Any:
        return json.loads(deployment.command("shadow", "compare", "--json", "--config", config))

    deployment.wait_for("every offer to be compared", lambda: compared()["compared"] == len(places))

    said = compared()
    assert (said["agree"], said["differ"]) == (len(places) - 1, 1)
    assert [one["unit_id"] for one in said["differences"]["STOCK_HIGHER"]["worst"]] == [str(places[0].unit_id)]
    assert deployment.marketplace.journal().write_calls == ()
    assert trial.stop() == 0
