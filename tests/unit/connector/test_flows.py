"""Which flows run, and what they read beside their input, by the features that are on."""

from typing import Any

import schemas
from connector.contracts.codec import SchemaIds
from connector.contracts.headers import Stamp
from connector.flows import FlowDependencies, RunningFlow, running_flows, state_decoders
from connector.kaufland.reference import load_reference
from connector.orders.flow import OrderFlow
from connector.routing.table import Routing
from connector.settings import convert, model

SETTINGS = model.Settings(
    kafka=model.KafkaSettings(bootstrap_servers="broker:9092", group="g", start="latest", instance_id="i"),
    registry=model.RegistrySettings(url="http://registry"),
    accounts={"main": model.AccountSettings()},
    targets={"shop-de": model.TargetSettings(account="main", storefront="de")},
)
IDS = SchemaIds(values={name: number for number, name in enumerate(sorted(schemas.NAMES), 1)})


def running(**sections: Any) -> dict[str, RunningFlow]:
    settings = SETTINGS.model_copy(update=sections)
    topics = convert.topics(settings)
    return running_flows(
        FlowDependencies(
            settings=settings,
            topics=topics,
            ids=IDS,
            lookup=lambda _: None,
            routing=Routing.of(()),
            reference=load_reference().reference,
            cluster_id="c",
            stamp=Stamp(source="/s", instance_id="i", config_digest="0"),
            partitions={topics.offer_changes: 8},
        )
    )


def standing(flows: dict[str, RunningFlow]) -> list[str]:
    (line,) = (line for line in flows.values() if isinstance(line.flow, OrderFlow))
    return list(line.flow.standing(0))


def test_only_offers_run_by_default_and_nothing_is_read_beside_them() -> None:
    (offers,) = running().values()

    assert offers.flow.topic == "kaufland.offer-changes.v1"
    assert offers.side_inputs is None


def test_reconciliation_runs_the_scheduler_without_polling_orders() -> None:
    flows = running(reconcile=model.ReconcileSettings(enabled=True))

    assert standing(flows) == ["main/units/de"]
    beside = flows["kaufland.offer-changes.v1"].side_inputs
    assert beside is not None
    assert [(one.topic, one.partition) for one in beside.inputs(3)] == [("kaufland.units.v1", 3)]


def test_orders_alone_are_polled_and_nothing_is_swept() -> None:
    flows = running(orders=model.OrderSettings(enabled=True))

    assert standing(flows) == ["main"]
    assert flows["kaufland.offer-changes.v1"].side_inputs is None


def test_orders_and_sweeps_share_the_scheduler() -> None:
    flows = running(orders=model.OrderSettings(enabled=True), reconcile=model.ReconcileSettings(enabled=True))

    assert standing(flows) == ["main", "main/units/de"]


def test_the_state_of_the_scheduler_is_decoded_wherever_it_is_written() -> None:
    def decoded(**sections: Any) -> set[str]:
        topics = convert.topics(SETTINGS.model_copy(update=sections))
        return set(state_decoders(topics, IDS, lambda _: None))

    assert "kaufland.scheduler-state.v1" in decoded(reconcile=model.ReconcileSettings(enabled=True))
    assert "kaufland.scheduler-state.v1" in decoded(orders=model.OrderSettings(enabled=True))
    assert "kaufland.scheduler-state.v1" not in decoded()
