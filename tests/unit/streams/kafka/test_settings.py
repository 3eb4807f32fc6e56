"""The configuration of clients: each gets only those of the operator's properties that its kind understands."""

import logging
import subprocess
import sys
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from streams.kafka.properties import CONSUMER_ONLY, PRODUCER_ONLY
from streams.kafka.settings import KafkaConnection

# The library's own table goes to a C stream; a process of its own keeps that apart from this one's.
TABLE = """
import ctypes, glob, os, confluent_kafka
beside = os.path.dirname(confluent_kafka.__file__)
[library] = glob.glob(f"{beside}/../confluent_kafka.libs/librdkafka*") or ["librdkafka.so.1"]
ctypes.CDLL(library).rd_kafka_conf_properties_show(ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stdout"))
ctypes.CDLL(None).fflush(None)
"""


def names_of(kind: str) -> set[str]:
    """Properties that the library lists for this kind of client only, without callbacks."""
    shown = subprocess.run([sys.executable, "-c", TABLE], capture_output=True, text=True, check=True).stdout
    rows = (row.split("|") for row in shown.splitlines() if row.count("|") >= 5)
    return {name.strip() for name, of, *_ in rows if of.strip() == kind and not name.strip().endswith("_cb")}


def test_the_two_lists_are_those_of_the_library() -> None:
    assert names_of("C") == CONSUMER_ONLY
    assert names_of("P") == PRODUCER_ONLY


def complaints(caplog: pytest.LogCaptureFixture, client: Any) -> list[str]:
    """Returns the warnings about a configuration, which the client logs on construction and delivers when polled."""
    caplog.clear()
    client.poll(0.1)
    return [line for line in caplog.messages if "CONFWARN" in line]


def test_no_client_complains_of_what_is_meant_for_another_kind(caplog: pytest.LogCaptureFixture) -> None:
    connection = KafkaConnection(
        bootstrap_servers="127.0.0.1:1", client_id="test", properties={"fetch.wait.max.ms": 10, "batch.size": 500_000}
    )

    assert complaints(caplog, Consumer(connection.consumer(group_id="group"))) == []
    assert complaints(caplog, Producer(connection.producer())) == []
    assert complaints(caplog, AdminClient(connection.admin())) == []
    assert complaints(caplog, Producer({**connection.producer(), "fetch.wait.max.ms": 10})), "or nothing is heard"


def test_a_property_is_passed_to_the_clients_that_support_it_and_overrides_ours() -> None:
    properties = {"fetch.wait.max.ms": 10, "linger.ms": 7, "ssl.ca.location": "ca.pem"}
    connection = KafkaConnection(bootstrap_servers="nowhere:1", client_id="test", properties=properties)

    consumer, producer, admin = connection.consumer(), connection.producer(linger_ms=20), connection.admin()

    assert properties.keys() & consumer.keys() == {"fetch.wait.max.ms", "ssl.ca.location"}
    assert properties.keys() & producer.keys() == {"linger.ms", "ssl.ca.location"}
    assert properties.keys() & admin.keys() == {"ssl.ca.location"}
    assert producer["linger.ms"] == 7


def test_an_unknown_property_is_refused_by_every_client() -> None:
    connection = KafkaConnection(bootstrap_servers="nowhere:1", client_id="test", properties={"fetch.wait.most": 10})

    for make in (
        lambda: Producer(connection.producer()),
        lambda: Consumer(connection.consumer(group_id="group")),
        lambda: AdminClient(connection.admin()),
    ):
        with pytest.raises(KafkaException, match="No such configuration property"):
            make()


def test_every_kind_of_client_logs_through_the_application(capfd: pytest.CaptureFixture[str]) -> None:
    connection = KafkaConnection(bootstrap_servers="127.0.0.1:1", client_id="me")
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("librdkafka").addHandler(handler)
    try:
        for client in (Consumer(connection.consumer(group_id="g")), Producer(connection.producer())):
            before = len(said)
            while len(said) == before:
                client.poll(0.05)
    finally:
        logging.getLogger("librdkafka").removeHandler(handler)

    assert all("Connection refused" in line for line in said)
    assert "logger" in connection.admin()
    assert capfd.readouterr().err == ""
