"""What commands ask of a broker: who it is, what its topics are like, and, only when told to, to create some."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined] # documented there
from confluent_kafka.cimpl import NewTopic

from streams.clock import uptime_s
from streams.errors import SourceFailed
from streams.kafka.words import Words
from streams.topics import Described, Wanted

_DEFAULT_REPLICATION = -1
"""The broker's own default (KIP-464)."""

_AGAIN_S = 0.1


class Administration:
    """A client for questions. Nothing is opened before the first of them; safe to drop without closing."""

    def __init__(self, properties: Mapping[str, Any], timeout_s: float = 5.0) -> None:
        quiet = {"log_level": 2, "reconnect.backoff.ms": 1000}  # whoever asks is told by the error, once
        self._words = Words(properties.get("bootstrap.servers", ""))
        ours: dict[str, Any] = {"socket.timeout.ms": int(timeout_s * 1000), "error_cb": self._words.heard, **quiet}
        self._client = AdminClient({**ours, **properties})
        self._timeout_s = timeout_s

    def cluster_id(self) -> str:
        """Raises BrokerDown where no broker answers in time, SourceFailed where none can be used."""
        try:
            return str(self._client.list_topics(timeout=self._timeout_s).cluster_id)
        except KafkaException as error:
            raise self._failure(error) from error

    def describe(self, names: Sequence[str]) -> dict[str, Described]:
        """Those of the named topics that exist. Raises as ``cluster_id``."""
        try:
            listed = self._client.list_topics(timeout=self._timeout_s).topics
        except KafkaException as error:
            raise self._failure(error) from error
        there = [name for name in names if name in listed and listed[name].error is None]
        configs = self._configs(there)
        return {
            name: Described(partitions=len(listed[name].partitions), config=configs.get(name, {})) for name in there
        }

    def create(self, wanted: Sequence[Wanted]) -> dict[str, str]:
        """Create what is missing; the answer names each topic that could not be created, and why.

        A created topic can be described when this returns: every partition has a leader, or the patience was over.
        """
        topics = [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=topic.replication or _DEFAULT_REPLICATION,
                config=dict(topic.config),
            )
            for topic in wanted
        ]
        refused = {}
        for name, future in self._client.create_topics(topics, request_timeout=self._timeout_s).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    refused[name] = _text(error)
        self._await_leaders([topic.name for topic in wanted if topic.name not in refused])
        return refused

    def _failure(self, error: KafkaException) -> SourceFailed:
        self._client.poll(0)  # hands over what the client has reported meanwhile
        return self._words.failure(error, "what the cluster describes")

    def _await_leaders(self, names: Sequence[str]) -> None:
        patient_until_s = uptime_s() + self._timeout_s
        while not self._are_led(names) and uptime_s() < patient_until_s:
            time.sleep(_AGAIN_S)

    def _are_led(self, names: Sequence[str]) -> bool:
        try:
            listed = self._client.list_topics(timeout=self._timeout_s).topics
        except KafkaException:
            return False
        found = [listed[name] for name in names if name in listed]
        led = (part.error is None and part.leader >= 0 for topic in found for part in topic.partitions.values())
        return len(found) == len(names) and all(topic.error is None for topic in found) and all(led)

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Effective settings; a topic whose settings may not be read is left out."""
        if not names:
            return {}
        asked = {name: ConfigResource(ResourceType.TOPIC, name) for name in names}
        answers = self._client.describe_configs(list(asked.values()), request_timeout=self._timeout_s)
        found = {}
        for resource, future in answers.items():
            try:
                found[resource.name] = {name: str(entry.value) for name, entry in future.result().items()}
            except KafkaException:
                continue
        return found


def _text(error: KafkaException) -> str:
    return str(error.args[0].str()) if error.args and isinstance(error.args[0], KafkaError) else str(error)
