"""A target id that now denotes another storefront stops the start until an operator accepts the change."""

import json

from devstack.clients import Writer
from devstack.processes import wait_for
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment


def accept_as_an_earlier_version(deployment: WatchedDeployment) -> bytes:
    """Writes the record in the form of the versions up to 0.2.0, and returns its value."""
    targets = {f"main-{storefront}": {"account": "main", "storefront": storefront} for storefront in ("de", "at")}
    value = json.dumps({"targets": targets}, sort_keys=True).encode()
    writer = Writer(deployment.kafka, deployment.topic("routing"))
    writer.send(f"{deployment.prefix}.connector".encode(), value, lambda *_: None, partition=0)
    writer.flush()
    return value


def records_of_routing(deployment: WatchedDeployment) -> list[bytes | None]:
    return [record.value() for record in deployment.read("routing")]


def start_and_stop(deployment: WatchedDeployment) -> None:
    process = deployment.connector()
    with process.health() as health:
        wait_for("readiness", lambda: health.get("/readyz").status_code == 200)
    assert process.stop() == 0


def test_a_changed_mapping_is_refused_with_both_until_it_is_accepted(deploy: Deploy) -> None:
    deployment = deploy(partitions=1, sellers=("main",), storefronts=("de", "at"), catalogue="eans = 5")
    before = accept_as_an_earlier_version(deployment)
    start_and_stop(deployment)
    assert records_of_routing(deployment) == [before], "an earlier version that is gone back to reads its own form only"

    # main-de now denotes the storefront at, and main-at the storefront de
    deployment.target = lambda seller, storefront: f"{seller}-{'at' if storefront == 'de' else 'de'}"  # type: ignore[method-assign]
    refused = deployment.connector()
    assert refused.wait() == 1
    said = refused.text()
    assert "target main-de: accepted as account main, storefront de; configured as account main, storefront at" in said
    assert "config routing --accept" in said
    config = str(deployment.config("one"))
    assert "accepted as" in deployment.command("check", "--config", config, code=1)

    deployment.command("config", "routing", "--accept", "--config", config)

    start_and_stop(deployment)
    (accepted,) = deployment.newest("routing").values()
    assert {one["target_id"]: one["storefront"] for one in accepted["targets"]} == {"main-de": "at", "main-at": "de"}
