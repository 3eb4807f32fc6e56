"""A target id that now denotes another storefront stops the start until an operator accepts the change."""

from devstack.processes import wait_for
from tests.faults.conftest import Deploy


def test_a_changed_mapping_is_refused_with_both_until_it_is_accepted(deploy: Deploy) -> None:
    deployment = deploy(partitions=1, sellers=("main",), storefronts=("de", "at"), catalogue="eans = 5")
    first = deployment.connector()
    with first.health() as health:
        wait_for("readiness", lambda: health.get("/readyz").status_code == 200)
    assert first.stop() == 0

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

    again = deployment.connector()
    with again.health() as health:
        wait_for("readiness", lambda: health.get("/readyz").status_code == 200)
    assert again.stop() == 0
