"""The chapter "Go live" of docs/operations.md, run as it stands: each command prints what the chapter shows."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.offers.gtin import check_digit
from devstack.processes import ModuleProcess
from devstack.stack import Stack
from devstack.traffic import Message
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us
from tests.harness.pages import Page, commands, page
from tests.harness.shown_commands import differences, output_of

PAGE = "docs/operations.md"
STOCK = 3
BRANDS = ("Acme", "Globex", "Initech")
CATALOGUE = 'eans = 300\nconditions = ["NEW"]\nmissing = 0.0\nambiguous = 0.01\nfurther_condition = 0.0'
"""Each EAN is on both storefronts; three EANs have two units."""
FOUND, AMBIGUOUS = 572, 8  # of 600 offers, as the chapter says
IDENTIFIED = {"APPLIED", "UNCHANGED", "SUPERSEDED"}
"""How the event of an offer that was found ends; a stock that two storefronts share is set by the newer event."""
SWEEPS = {"interval": "5s", "settle": "0s"}


@pytest.fixture
def shop(kafka: Stack, tmp_path: Path) -> Iterator[WatchedDeployment]:
    """A seller whose source has written the stock of 300 EANs for two storefronts, with a few mistakes of each kind."""
    with WatchedDeployment(
        kafka=kafka,
        folder=tmp_path / "shop",
        sellers=("shop",),
        catalogue=CATALOGUE,
        settings=FAST_MISS,
        reconcile=SWEEPS,
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
        yield change(meant, next(times), event_id=f"{count}", source="erp", stock=STOCK, attributes=attributes)


def unknown(number: int) -> str:
    """Returns an EAN that the marketplace does not have."""
    body = f"400638{number:06d}"
    return body + check_digit(body)


STEPS = (
    "check",
    "match-report --by brand --at-least 95% --file offers.csv",
    "explain --topic-offset 6:23 --look-up",
    "topics --create --dry-run",
    "run --dry-run",
    "shadow compare --at-least 85% --file shadow.csv",
    "run",
    "replay plan --status SUPPRESSED --out rest.json",
    'replay run rest.json --reason "the first results are right"',
)
"""The commands of the chapter, in its order."""


class Newcomer:
    """A person who runs the commands as the chapter has them, in a folder with the configuration."""

    def __init__(self, deployment: WatchedDeployment) -> None:
        self.deployment = deployment
        self.configure()

    def configure(self, **targeted: str) -> None:
        """Writes the configuration; ``targeted``: settings of each target."""
        self.deployment.targeted = targeted
        self.deployment.config("connector")

    def does(self, command: str, code: int = 0) -> str:
        """Returns what a command prints that ends with this exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "connector", *shlex.split(command)],
            cwd=self.deployment.folder,
            env={**os.environ, "CONNECTOR_CONFIG": "connector.toml"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.deployment.printed += done.stdout
        assert done.returncode == code, done.stdout
        return done.stdout

    def compared(self) -> int:
        """Returns how many offers a comparison has compared so far."""
        config = str(self.deployment.folder / "connector.toml")
        count: int = json.loads(self.deployment.command("shadow", "compare", "--json", "--config", config))["compared"]
        return count

    def begins(self, command: str) -> ModuleProcess:
        """Starts a command that runs until it is stopped."""
        file = str(self.deployment.folder / "connector.toml")
        return self.deployment.start(["connector", *shlex.split(command)], {"CONNECTOR_CONFIG": file})

    def shows(self, command: str) -> None:
        """Asserts that a command prints what the chapter shows."""
        printed = self.does(command)
        assert differences(self.lines(printed), self.lines(output_of(command))) == [], printed

    def lines(self, text: str) -> list[str]:
        """Returns the lines without padding, and with one name for each thing that varies."""
        text = text.replace(self.deployment.prefix, "kaufland")
        for pattern, instead in VARYING:
            text = re.sub(pattern, instead, text)
        return [line.rstrip() for line in text.splitlines() if line.strip()]


VARYING = (
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\breplay-[0-9a-f]{8}\b", "replay-ID"),
    (r"127\.0\.0\.1:\d+|broker\.example:9092|registry\.example:8081", "ADDRESS"),
    (r"cluster [\w-]{22}", "cluster ID"),
    (r"[+-]\d\.\d s from the marketplace", "0 s from the marketplace"),
    (r" +", " "),
    (r"━+", "━"),
    (r"─+", "─"),
)
"""Patterns of what differs from run to run, and of padding."""


def chapter() -> list[str]:
    """Returns the commands of the connector in the chapter."""
    text = page(PAGE).text
    blocks = Page(name=PAGE, text=text[text.index("## Go live") : text.index("## Run")]).blocks
    found = [command for one in blocks if one.language == "console" for command in commands(one)]
    return [command.removeprefix("connector ") for command in found if command.startswith("connector ")]


def test_the_five_steps_lead_to_a_live_run_as_the_chapter_shows(shop: WatchedDeployment) -> None:
    check, match, explain, create, dry_run, compare, run, plan, replay = STEPS
    assert chapter() == list(STEPS)
    newcomer, places = Newcomer(shop), [place for part in shop.places() for place in part]

    # 1 to 3: nothing is written
    newcomer.shows(check)
    newcomer.shows(match)
    assert (shop.folder / "offers.csv").read_text().startswith("ean,target_id,condition")
    newcomer.shows(explain)

    # 4: beside another system, which has written nearly the same
    for place in places:
        shop.marketplace.edit(place.unit_id, amount=8 if place is places[0] else STOCK)
    newcomer.shows(create)
    trial = newcomer.begins(dry_run)
    shop.wait_for("all to be compared", lambda: newcomer.compared() == FOUND + AMBIGUOUS)
    assert newcomer.does(compare).startswith(f"{FOUND - 1} of {FOUND + AMBIGUOUS} compared offers agree: 98.4 %\n")
    assert "STOCK_HIGHER" in (shop.folder / "shadow.csv").read_text()
    assert trial.stop() == 0
    assert shop.marketplace.journal().write_calls == ()

    # 5: a few offers first, then the others
    eans = sorted({place.ean for place in places})
    few, listed = eans[:10], shop.folder / "eans.txt"
    listed.write_text("\n".join(few))
    newcomer.configure(allow_eans_file=str(listed))
    live = newcomer.begins(run)
    shop.wait_for("a result of every event", lambda: len(shop.results()) >= 2 * len(eans))
    first = Counter(row["status"] for row in shop.results() if row["ean"] in few)
    assert "SUPPRESSED" not in first
    assert {row["status"] for row in shop.results() if row["ean"] not in few} == {"SUPPRESSED"}
    listed.write_text("\n".join({row["ean"] for row in shop.results()}))
    shop.wait_for("the list to be read", lambda: live.text().count("a file was read again") == len(shop.storefronts))
    newcomer.shows(plan)
    newcomer.shows(replay)
    shop.wait_for("the end of the replay", lambda: over(shop))
    assert live.stop() == 0
    assert len({row["event_id"] for row in shop.results() if row["status"] in IDENTIFIED}) == FOUND
    units = shop.marketplace.units()
    assert {units[place.unit_id]["amount"] for place in places} == {STOCK}
    assert units.keys() == shop.units_before.keys(), "nothing is created or deleted"


def over(deployment: WatchedDeployment) -> bool:
    """Returns whether every event has a result that is not SUPPRESSED."""
    rows = deployment.results()
    return {row["event_id"] for row in rows} == {row["event_id"] for row in rows if row["status"] != "SUPPRESSED"}


def test_a_dry_run_beside_another_system_is_compared_with_what_that_system_wrote(deploy: Deploy) -> None:
    catalogue = "eans = 40\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0\nlinked = 0.0"
    deployment = deploy(catalogue=catalogue, reconcile=SWEEPS, partitions=2)
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
