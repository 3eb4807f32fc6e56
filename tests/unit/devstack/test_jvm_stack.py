"""The JVM broker has ports and data of its own, and keeps its data after a kill."""

import json
import os
import urllib.request
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from devstack import jvm_stack
from devstack.stack import Stack, create_topics

pytestmark = pytest.mark.kafka


def test_the_stack_answers_as_a_broker_and_as_a_registry(kafka: Stack) -> None:
    topic = kafka.create_topic("answers", partitions=3)

    metadata = kafka.admin().list_topics(topic, timeout=10)
    with urllib.request.urlopen(f"{kafka.registry_url}/subjects", timeout=10) as reply:
        subjects = json.load(reply)

    assert len(metadata.topics[topic].partitions) == 3
    assert isinstance(subjects, list)


def test_a_killed_broker_comes_back_on_the_same_port_with_what_it_acknowledged(own_kafka: jvm_stack.JvmStack) -> None:
    addresses: dict[str, str | int | float | bool] = {"bootstrap.servers": own_kafka.bootstrap_servers, "log_level": 0}
    create_topics(AdminClient(addresses), NewTopic("kept", 1))
    producer = Producer({**addresses, "enable.idempotence": True})
    for number in range(100):
        producer.produce("kept", str(number).encode())
    assert producer.flush(10) == 0

    own_kafka.broker.kill()
    own_kafka.broker.restart()

    reader = Consumer({**addresses, "group.id": "reader"})
    assert reader.get_watermark_offsets(TopicPartition("kept", 0), timeout=10) == (0, 100)
    reader.close()


def test_ctrl_c_does_not_reach_the_broker(tmp_path: Path) -> None:
    process = jvm_stack.JvmProcess("a sleeper", ("sleep", "60"), tmp_path / "log")

    process.start(lambda: True)

    assert process._child is not None
    assert os.getpgid(process._child.pid) != os.getpgid(0), "a terminal signals a whole process group"
    process.kill()


def test_a_machine_without_java_gets_a_message_about_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(jvm_stack.StackUnavailable, match="Java 17 runtime and Maven"):
        jvm_stack.JvmStack(tmp_path)
