"""Alerts whose causes need a real broker: an open transaction, a refused partition, a topic that is gone."""

import time
from collections.abc import Callable

from confluent_kafka import Producer

from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.test_backbone import into
from tests.faults.test_unreadable_state import put_state
from tests.faults.workload import SHORT, wall_us
from tests.harness.alert_rules import Page, holding, scraped


def delete(deployment: WatchedDeployment, dataset: str) -> None:
    topic, admin = deployment.topic(dataset), deployment.kafka.admin()
    admin.delete_topics([topic])[topic].result(30)


def leave_a_transaction_open(deployment: WatchedDeployment, partition: int) -> Producer:
    """Returns a producer that has written a record to the input and has not ended its transaction."""
    producer = Producer(
        {
            "bootstrap.servers": deployment.kafka.bootstrap_servers,
            "transactional.id": f"{deployment.prefix}-upstream",
            "transaction.timeout.ms": 600_000,
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(deployment.topic("offer-changes"), b"", b"4006381333931", partition=partition)
    producer.flush(30)
    return producer


def test_a_refused_partition_an_open_transaction_and_topics_that_are_gone_fire_their_alerts(deploy: Deploy) -> None:
    """ConnectorPartitionBroken, ConnectorUpstreamTransactionOpen, ConnectorSideInputUnreadable, ConnectorCheckpointOld.

    How long a transaction must be open is tested in ``tests/unit/connector/console/test_alerts_over_hours.py``.
    """
    deployment = deploy(
        partitions=2,
        storefronts=("de",),
        catalogue="eans = 20",
        settings=FAST_MISS,
        reconcile={"interval": "5s", "settle": "1s"},
        processing=SHORT,
    )
    [broken, fine, *_], _ = deployment.places()
    put_state(deployment, broken.ean, 0, b"\0", {})
    connector, times = deployment.connector(), wall_us()
    held_back = "stream_partition_held_back_age_seconds"

    with connector.health() as health:

        def page() -> Page:
            return scraped(health.get("/metrics").text)

        def alerts(later_s: float = 0.0) -> set[str]:
            return holding(page(), [page()], time.time() + later_s)

        def wait_for(what: str, true: Callable[[], bool]) -> None:
            deployment.wait_for(what, true, progress=alerts)

        read = deployment.produce([change(fine, next(times), stock=5)], into(1))
        deployment.wait_for_results(read)
        wait_for("the refusal", lambda: alerts() == {"ConnectorPartitionBroken", "ConnectorNotReady"})

        upstream = leave_a_transaction_open(deployment, 1)
        wait_for("records held back", lambda: any(n == held_back and value > 0 for (n, _), value in page().items()))
        upstream.abort_transaction(30)

        delete(deployment, "units")
        wait_for("the side input to be missed", lambda: "ConnectorSideInputUnreadable" in alerts())

        delete(deployment, "offer-results")
        deployment.produce([change(fine, next(times), stock=6)], into(1))
        wait_for("a failed checkpoint", lambda: _value(page(), "stream_checkpoints_failed_total") > 0)
        assert "ConnectorCheckpointOld" not in alerts()
        assert "ConnectorCheckpointOld" in alerts(later_s=120)


def _value(page: Page, name: str) -> float:
    return sum(value for (found, _), value in page.items() if found == name)
