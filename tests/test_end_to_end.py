"""One event from the input topic to the marketplace and its result, using only the command line."""

import socket
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from devstack.backbone import embedded
from devstack.deployment import Deployment
from devstack.processes import wait_for
from devstack.stack import Stack
from devstack.traffic import Message, MessageKind, OfferPlace
from tests.faults.conftest import FAST_MISS
from tests.faults.workload import wall_us


def price_change(place: OfferPlace, price: str) -> Message:
    """Returns an event that carries only a price."""
    payload = {
        "event_id": f"price-{price}",
        "occurred_at_us": next(wall_us()),
        "ean": place.ean,
        "condition": place.condition,
        "target_id": place.target_id,
        "price": (Decimal(price), place.currency),
    }
    return Message(kind=MessageKind.UPDATE, key=place.ean, payload=payload)


@pytest.mark.kafka
def test_one_event_is_applied_on_a_real_broker(kafka: Stack, tmp_path: Path) -> None:
    with Deployment(kafka=kafka, folder=tmp_path / "real", partitions=2, catalogue="eans = 20") as deployed:
        [place, *_], _ = deployed.places()
        connector = deployed.connector()

        produced = deployed.produce([price_change(place, "12.34")])
        deployed.settle(produced)

        [result] = deployed.results()
        assert (result["status"], result["unit_id"]) == ("APPLIED", place.unit_id)
        assert deployed.marketplace.units()[place.unit_id]["listing_price"] == 1234
        assert {call["kind"].partition(":")[0] for call in deployed.calls()} == {"lookup", "update"}
        assert deployed.states()[place.ean]["undone"] == []
        with connector.health() as health:
            wait_for("readiness", lambda: health.get("/readyz").status_code == 200)
            assert health.get("/livez").status_code == 200
            assert health.get("/status").json()["guarantee"] == "exactly_once_v2"
            assert health.get("/metrics").status_code == 200
        assert connector.stop() == 0


@pytest.mark.kafka
def test_a_not_found_is_proven_by_the_topics_alone(kafka: Stack, tmp_path: Path) -> None:
    """The result's call ids lead to look-ups of this EAN and storefront for this event that found nothing."""
    with Deployment(
        kafka=kafka, folder=tmp_path / "proof", partitions=1, catalogue="eans = 5", settings=FAST_MISS
    ) as deployed:
        [place, *_], _ = deployed.places()
        ean, (storefront, _) = "4006381333931", deployed.targets[place.target_id]
        deployed.connector()
        produced = deployed.produce([price_change(replace(place, ean=ean), "12.34")])
        deployed.settle(produced)

        [result] = deployed.results()
        assert (result["status"], result["ean"], result["sent"]) == ("NOT_FOUND", ean, None)
        calls = {call["call_id"]: call for call in deployed.calls()}
        looks = [calls[call_id] for call_id in result["lookup_call_ids"]]
        for look in looks:
            assert (look["method"], look["http_status"]) == ("GET", 200)
            assert look["event_ids"] == [result["event_id"]]
            assert look["answered_at"] <= result["decided_at"]
        asked = [(dict(parse_qsl(urlsplit(look["path"]).query)), look["listed"]) for look in looks]
        assert {query["storefront"] for query, _ in asked} == {storefront}
        of_ean = [(query["offset"], listed) for query, listed in asked if query.get("ean") == ean]
        assert of_ean == [("0", 0), ("0", 0)], "it is looked for twice before it is told, and nothing is listed"
        others = [listed for query, listed in asked if query.get("fulfillment_type") == "fulfilled_by_kaufland"]
        assert others == [None], "whether the seller has any offer of the other way says nothing of this EAN"


@pytest.mark.kafka
def test_check_passes_when_everything_is_in_order_and_reports_what_is_not(kafka: Stack, tmp_path: Path) -> None:
    with Deployment(kafka=kafka, folder=tmp_path / "check", partitions=2, catalogue="eans = 5") as deployed:
        config = deployed.config("check")

        assert "Ready to run." in deployed.command("check", "--config", str(config))

        deployed.write_secrets("main", "wrong-client-key-000000000000000", "wrong-secret-key-" + "0" * 47)
        said = deployed.command("check", "--config", str(config), code=1)
        assert "Settings > API Access" in said
        assert "1 of " in said


@pytest.mark.kafka
def test_a_health_port_that_is_taken_ends_the_run_with_what_to_do(kafka: Stack, tmp_path: Path) -> None:
    with (
        Deployment(kafka=kafka, folder=tmp_path / "port", partitions=2, catalogue="eans = 5") as deployed,
        socket.create_server(("127.0.0.1", 0)) as taken,
    ):
        config = deployed.config("one")
        config.write_text(config.read_text().replace("port = 0", f"port = {taken.getsockname()[1]}"))

        said = deployed.command("run", "--config", str(config), code=1)

        assert "Address already in use" in said
        assert "[health]" in said
        assert "Traceback" not in said


@pytest.mark.kafka
def test_a_dry_run_decides_beside_the_live_group_and_writes_nothing(kafka: Stack, tmp_path: Path) -> None:
    with Deployment(kafka=kafka, folder=tmp_path / "dry", partitions=2, catalogue="eans = 20") as deployed:
        [place, *_], _ = deployed.places()
        deployed.command("topics", "--create", "--dry-run", "--config", str(deployed.config("one")))
        dry_results = f"{deployed.prefix}.dry-run.offer-results.v1"

        live = deployed.connector("one")
        known = deployed.produce([price_change(place, "12.34")])
        deployed.settle(known)
        calls = [call.kind for call in deployed.marketplace.journal().write_calls]
        dry = deployed.connector("one", "--dry-run")
        deployed.wait_for("a decision on what is known", lambda: len(deployed.results(dry_results)) == 1)
        assert dry.stop() == 0
        assert live.stop() == 0
        new = deployed.produce([price_change(place, "56.78")])
        dry = deployed.connector("one", "--dry-run")
        deployed.wait_for("a decision on what is new", lambda: len(deployed.results(dry_results)) == 2)

        assert dry.stop() == 0
        assert [call.kind for call in deployed.marketplace.journal().write_calls] == calls
        assert deployed.marketplace.units()[place.unit_id]["listing_price"] == 1234
        assert len(deployed.results()) == 1, "the live group's results, state and positions are its own"
        deployed.connector("one")
        deployed.settle([*known, *new])

        assert deployed.marketplace.units()[place.unit_id]["listing_price"] == 5678
        first, second = deployed.results(dry_results)
        assert (first["status"], second["status"]) == ("UNCHANGED", "DRY_RUN")
        assert [row["result_id"] for row in deployed.results()] == [first["result_id"], second["result_id"]]


@pytest.mark.slow
def test_one_event_is_applied_on_the_embedded_broker(tmp_path: Path) -> None:
    with (
        embedded() as backbone,
        Deployment(kafka=backbone, folder=tmp_path, partitions=2, catalogue="eans = 20") as deployed,
    ):
        [place, *_], _ = deployed.places()
        connector = deployed.connector()

        produced = deployed.produce([price_change(place, "12.34")])
        deployed.settle(produced)

        assert [row["status"] for row in deployed.results()] == ["APPLIED"]
        assert deployed.marketplace.units()[place.unit_id]["listing_price"] == 1234
        assert connector.stop() == 0
