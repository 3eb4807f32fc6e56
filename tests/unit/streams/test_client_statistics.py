"""What is kept of librdkafka's statistics, and that a real client reports it under these names."""

import json
from typing import Any

from confluent_kafka import Consumer, Producer

from devstack.embedded_broker import CLIENT_PROPERTIES, EmbeddedBroker
from devstack.waiting import until
from streams.client_statistics import CONSUMER, ClientReading, ClientReadings, reading

STATISTICS: dict[str, Any] = {
    "type": "consumer",
    "brokers": {
        "10.0.0.1:9092/bootstrap": {"nodeid": -1, "outbuf_cnt": 1, "rtt": {"cnt": 4, "p99": 9_000_000}},
        "10.0.0.1:9092/1": {
            "nodeid": 1,
            "outbuf_cnt": 2,
            "waitresp_cnt": 3,
            "req_timeouts": 4,
            "disconnects": 5,
            "rtt": {"cnt": 8, "p99": 2_500},
            "throttle": {"max": 120},
        },
        "10.0.0.2:9092/2": {"nodeid": 2, "disconnects": 1, "rtt": {"cnt": 0, "p99": 0}, "throttle": {"max": 0}},
    },
    "topics": {"in": {"partitions": {"0": {"fetchq_cnt": 7}, "1": {"fetchq_cnt": 4}, "-1": {"fetchq_cnt": 0}}}},
    "cgrp": {"rebalance_cnt": 6},
}


def test_the_reading_has_the_sums_and_the_worst_over_all_brokers() -> None:
    assert reading(STATISTICS) == ClientReading(
        round_trips_s={"1": 0.0025},
        requests_waiting=6,
        throttled_s=0.12,
        records_queued=11,
        timeouts=4,
        disconnects=6,
        rebalances=6,
    )


def test_a_producer_tells_its_queue_and_since_when_its_transaction_is_in_which_state() -> None:
    found = reading({"type": "producer", "msg_cnt": 9, "eos": {"txn_state": "InTransaction", "txn_stateage": 1_500}})

    assert (found.records_queued, found.rebalances) == (9, None)
    assert found.transaction == ("InTransaction", 1.5)
    assert reading({"type": "producer", "eos": {"txn_state": "Init"}}).transaction is None


def test_statistics_without_anything_are_a_reading_too() -> None:
    assert reading({}) == ClientReading()


def test_a_reading_replaces_the_one_before_of_the_same_client() -> None:
    readings = ClientReadings()
    readings.put(CONSUMER, ClientReading(timeouts=1))
    seen = readings.all()
    readings.put(CONSUMER, ClientReading(timeouts=2))

    assert (seen[CONSUMER].timeouts, readings.all()[CONSUMER].timeouts) == (1, 2)


def test_real_clients_report_each_of_these_numbers() -> None:
    reports: dict[str, dict[str, Any]] = {}

    def keep(text: str) -> None:
        found = json.loads(text)
        if reading(found).round_trips_s:  # of the last interval: an idle producer sends nothing for minutes
            reports[found["type"]] = found

    with EmbeddedBroker() as broker:
        broker.create_topic("in", 1)
        common = {
            "bootstrap.servers": broker.bootstrap_servers,
            "statistics.interval.ms": 100,
            "stats_cb": keep,
            **CLIENT_PROPERTIES,
        }
        consumer = Consumer({**common, "group.id": "g"})
        consumer.subscribe(["in"])
        producer = Producer({**common, "transactional.id": "one"})
        producer.init_transactions(30)
        try:
            producer.begin_transaction()
            producer.produce("in", b"1")

            def has_told() -> bool:
                consumer.poll(0.05)
                producer.poll(0.05)
                return len(reports) == 2 and bool(reports["consumer"]["topics"])

            until("both clients have reported", has_told, progress=lambda: len(reports))
        finally:
            producer.purge()
            consumer.close()

    for report in reports.values():
        for one in report["brokers"].values():
            assert {
                "nodeid",
                "outbuf_cnt",
                "waitresp_cnt",
                "req_timeouts",
                "disconnects",
                "rtt",
                "throttle",
            } <= one.keys()
    [topic] = reports["consumer"]["topics"].values()
    assert all("fetchq_cnt" in part for part in topic["partitions"].values())
    assert "rebalance_cnt" in reports["consumer"]["cgrp"]
    assert "msg_cnt" in reports["producer"]
    assert reading(reports["producer"]).transaction is not None
