"""A value that was edited in the portal is compared and mended by command, beside kills, and only when it should be."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from secrets import token_hex
from typing import Any

from connector.configuration import load_settings
from connector.controls.commands import CommandScope, ControlKind
from connector.operations.controls.giving import CommandAuthor
from connector.operations.controls.topic import open_control_topic
from devstack.expectation import Produced
from devstack.processes import ModuleProcess
from devstack.traffic import OfferPlace
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.test_06_one_account_out import all_read
from tests.faults.test_22_controls import CATALOGUE, write_calls
from tests.faults.workload import SHORT, wall_us


def edit(deployment: WatchedDeployment, place: OfferPlace, **values: int) -> None:
    """Changes a unit as a person does in the seller portal; a price in cents is ``listing_price``."""
    deployment.marketplace.control.post(f"units/{place.unit_id}", json=values).raise_for_status()


def shown(deployment: WatchedDeployment, place: OfferPlace, field: str) -> Any:
    return deployment.marketplace.units()[place.unit_id][field]


def offered(deployment: WatchedDeployment, places: Sequence[OfferPlace]) -> list[Produced]:
    """Has 12.34 and 5 pieces accepted for each place."""
    times = wall_us()
    produced = deployment.produce(
        change(place, next(times), price=(Decimal("12.34"), place.currency), stock=5) for place in places
    )
    deployment.wait_for_results(produced)
    return produced


def resend(deployment: WatchedDeployment, ean: str, *more: str, code: int = 0) -> dict[str, Any]:
    """Runs the command and returns its answer."""
    said = deployment.command(
        "resend", ean, *more, "--wait", "10m", "--json", "--config", str(deployment.config("cli")), code=code
    )
    answer: dict[str, Any] = json.loads(said)
    return answer


def fields(answer: dict[str, Any]) -> dict[str, tuple[str, str | None, str | None, str | None]]:
    """Returns status, what was shown, what was wanted and what is there now, of each field."""
    [row] = answer["results"]
    return {one["field"]: (one["status"], one["was"], one["wanted"], one["is"]) for one in row["fields"]}


def test_a_price_that_was_edited_in_the_portal_is_mended_and_a_lower_stock_only_if_it_is_named(deploy: Deploy) -> None:
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), processing=SHORT)
    for name in ("one", "two"):
        deployment.connector(name)
    mine, other, *_ = places = deployment.places()[0][:40]
    offered(deployment, places)
    before = write_calls(deployment)
    for place in (mine, other):
        edit(deployment, place, listing_price=9_900, amount=2)

    compared = resend(deployment, mine.ean, "--verify", code=1)
    assert fields(compared) == {
        "price": ("DRY_RUN", "99.00", "12.34", "99.00"),
        "stock": ("DRY_RUN", "2", "5", "2"),
    }
    assert write_calls(deployment) == before, "a comparison writes nothing"

    mended = resend(deployment, mine.ean, code=1)
    assert fields(mended) == {
        "price": ("APPLIED", "99.00", "12.34", "12.34"),
        "stock": ("SUPPRESSED", "2", "5", "2"),
    }
    assert write_calls(deployment) == before + 1
    assert (shown(deployment, mine, "listing_price"), shown(deployment, mine, "amount")) == (1_234, 2)

    raised = resend(deployment, mine.ean, "--field", "stock", "--field", "price")
    assert fields(raised) == {
        "price": ("UNCHANGED", "12.34", "12.34", "12.34"),
        "stock": ("APPLIED", "2", "5", "5"),
    }
    assert shown(deployment, mine, "amount") == 5
    assert resend(deployment, mine.ean, "--verify")["as_wanted"]
    assert shown(deployment, other, "listing_price") == 9_900, "nobody asked for it"


def given(deployment: WatchedDeployment, ean: str) -> str:
    """Gives a command as ``connector resend`` does, and leaves it in force; returns its id."""
    settings = load_settings(deployment.config("cli"), {}, datetime.now(UTC)).settings
    with open_control_topic(settings) as topic:
        now_us = next(wall_us())
        author = CommandAuthor(topic, by="test", now_us=now_us, new_id=lambda: token_hex(4))
        return author.give(ControlKind.RESEND, CommandScope(eans=(ean,)), reason="").command_id


def answers(deployment: WatchedDeployment, command_id: str) -> list[str]:
    return [row["status"] for row in deployment.results() if row["command_id"] == command_id]


def restarted(deployment: WatchedDeployment, process: ModuleProcess, name: str) -> ModuleProcess:
    """Kills a process, and returns its successor when that has read everything."""
    process.kill9()
    successor = deployment.connector(name)
    deployment.wait_for("everything to be read", lambda: all_read(deployment))
    return successor


def test_a_command_that_is_in_force_is_carried_out_by_the_successor_of_a_killed_process_and_only_once(
    deploy: Deploy,
) -> None:
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), processing=SHORT)
    process = deployment.connector("one")
    mine, *others = deployment.places()[0][:40]
    offered(deployment, [mine, *others])
    edit(deployment, mine, listing_price=9_900)
    process.freeze()
    name = given(deployment, mine.ean)
    process = restarted(deployment, process, "two")
    deployment.wait_for("the answer", lambda: answers(deployment, name) == ["APPLIED"])
    assert shown(deployment, mine, "listing_price") == 1_234

    edit(deployment, mine, listing_price=8_800)
    restarted(deployment, process, "three")
    offered(deployment, others)
    deployment.quiet()

    assert answers(deployment, name) == ["APPLIED"]
    assert shown(deployment, mine, "listing_price") == 8_800, "the command in force was carried out before"
