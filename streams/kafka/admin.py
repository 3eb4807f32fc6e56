"""Admin requests of the commands: the cluster's id, topics, group members, and the creation of topics."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined] # documented there
from confluent_kafka.cimpl import NewTopic

from streams.clock import uptime_s
from streams.errors import SourceFailed
from streams.kafka.authorization import GROUP, TOPIC, RequiredAccess, not_permitted
from streams.kafka.client_messages import ClientErrors
from streams.kafka.offset_metadata import committed_by
from streams.kafka.topic_start import have_started
from streams.topics import TopicDescription, TopicToCreate

_DEFAULT_REPLICATION = -1
"""The broker's own default (KIP-464)."""

_NO_SUCH_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION})
_AGAIN_S = 0.1
_NOT_ANSWERED = frozenset({KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError.REQUEST_TIMED_OUT})  # noqa: SLF001
_COORDINATOR_AWAY = _NOT_ANSWERED | {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
_GROUP_S = 30.0
"""How long a group is asked for while its coordinator starts, as it does for the first group of a new cluster."""
_CREATE_S = 60.0
"""How long a topic's creation is asked for while no answer comes: a busy controller may take longer than a request."""


class ClusterAdmin:
    """An admin client. It connects with its first request, and need not be closed.

    ``describes``: False for a broker without DescribeTopics (the embedded one); such a broker has no ACLs either.
    """

    def __init__(self, properties: Mapping[str, Any], timeout_s: float = 5.0, *, describes: bool = True) -> None:
        # No reconnect.backoff.ms: librdkafka waits for it before its first connection to a broker as well.
        quiet = {"log_level": 2}  # the caller gets the error, so the log need not repeat it
        self._errors = ClientErrors(properties.get("bootstrap.servers", ""))
        ours: dict[str, Any] = {"socket.timeout.ms": int(timeout_s * 1000), "error_cb": self._errors.on_error, **quiet}
        self._client = AdminClient({**ours, **properties})
        self._timeout_s = timeout_s
        self._describes = describes

    def cluster_id(self) -> str:
        """Raises BrokerDown if no broker answers in time, SourceFailed if the connection is refused."""
        try:
            listed = self._errors.retry(
                self._client, lambda for_s: self._client.list_topics(timeout=for_s), self._timeout_s
            )
            return str(listed.cluster_id)
        except KafkaException as error:
            raise self._failure(error) from error

    def describe(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        """Describes those of the named topics that exist; ``TopicDescription.hidden`` = this principal may not see one.

        Requests each topic by name, because a list of all topics silently omits those that may not be described.
        Raises like ``cluster_id``.
        """
        try:
            found = self._by_name(names) if self._describes else self._listed(names)
        except KafkaException as error:
            raise self._failure(error) from error
        configs = self._configs([name for name, topic in found.items() if not topic.hidden])
        return {name: replace(topic, config=configs.get(name, {})) for name, topic in found.items()}

    def topic_ids(self, names: Sequence[str]) -> dict[str, str]:
        """Returns the id of those of the named topics that exist; an empty text where the broker tells none.

        A topic that this principal may not describe has an empty one as well. Raises like ``cluster_id``.
        """
        try:
            found = self._by_name(names) if self._describes else self._listed(names)
        except KafkaException as error:
            raise self._failure(error) from error
        return {name: topic.topic_id for name, topic in found.items()}

    def allowed_on_group(self, group: str) -> frozenset[str] | None:
        """Returns the operations on a consumer group that are allowed to this principal; None = not told.

        Waits for up to half a minute for a coordinator that does not answer yet.
        """
        if not self._describes:
            return None
        deadline_s = uptime_s() + _GROUP_S
        while True:
            asked = self._client.describe_consumer_groups(
                [group], include_authorized_operations=True, request_timeout=self._timeout_s
            )
            try:
                return _operations(asked[group].result())
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.GROUP_AUTHORIZATION_FAILED:
                    return frozenset()
                if code not in _COORDINATOR_AWAY or uptime_s() >= deadline_s:
                    return None
                time.sleep(_AGAIN_S)

    def members(self, group: str) -> int:
        """Returns the current number of members of a consumer group; 0 if the group does not exist.

        Raises like ``cluster_id``, and NotPermitted if this principal may not describe the group.
        """
        asked = self._client.describe_consumer_groups([group], request_timeout=self._timeout_s)
        try:
            return len(asked[group].result().members)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            raise not_permitted(error.args[0], RequiredAccess("Describe", GROUP, group)) or self._failure(
                error
            ) from error

    def committed_by(self, group: str, partitions: Mapping[str, int]) -> Mapping[str, int]:
        """Returns how many partitions each version has committed last; "" = versions that do not say so.

        A process commits each partition that it owns again and again, so this is the version of its owner, or of its
        last one while no process runs. ``partitions``: how many each topic has. What is not committed, or by another
        program, is left out. Raises like ``members``.
        """
        places = [TopicPartition(topic, number) for topic, count in partitions.items() for number in range(count)]
        if not places:
            return {}
        asked = ConsumerGroupTopicPartitions(group, places)
        answer: Any = self._client.list_consumer_group_offsets([asked], request_timeout=self._timeout_s)
        try:
            found = answer[group].result().topic_partitions
        except KafkaException as error:
            denial = not_permitted(error.args[0], RequiredAccess("Describe", GROUP, group))
            raise denial or self._failure(error) from error
        versions = (committed_by(place.metadata) for place in found if place.error is None and place.offset >= 0)
        return Counter(version for version in versions if version is not None)

    def _by_name(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        if not names:
            return {}
        answers = self._client.describe_topics(
            TopicCollection(list(dict.fromkeys(names))),
            include_authorized_operations=True,
            request_timeout=self._timeout_s,
        )
        found = {name: _described(future) for name, future in answers.items()}
        return {name: topic for name, topic in found.items() if topic is not None}

    def _listed(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        listed = self._client.list_topics(timeout=self._timeout_s).topics
        there = (listed[name] for name in names if name in listed)
        return {
            str(topic.topic): TopicDescription(partitions=len(topic.partitions))
            for topic in there
            if topic.error is None
        }

    def create(self, wanted: Sequence[TopicToCreate]) -> dict[str, str]:
        """Creates topics; returns the name of each topic that could not be created, with the reason.

        A request that is not answered in time is repeated for up to a minute. Waits until a broker
        serves every partition of the created topics, or until the timeout.
        """
        deadline_s = uptime_s() + _CREATE_S
        failed = self._create(wanted)
        while (again := [topic for topic in wanted if _not_answered(failed, topic)]) and uptime_s() < deadline_s:
            answered = {name: error for name, error in failed.items() if error.code() not in _NOT_ANSWERED}
            failed = {**answered, **self._create(again)}
        self._await_start([topic.name for topic in wanted if topic.name not in failed])
        return {
            name: str(not_permitted(error, RequiredAccess("Create", TOPIC, name)) or error.str())
            for name, error in failed.items()
        }

    def _create(self, wanted: Sequence[TopicToCreate]) -> dict[str, KafkaError]:
        """Requests topics; returns the name of each that does not exist afterwards, with the error."""
        topics = [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=topic.replication or _DEFAULT_REPLICATION,
                config=dict(topic.config),
            )
            for topic in wanted
        ]
        failed = {}
        for name, future in self._client.create_topics(topics, request_timeout=self._timeout_s).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    failed[name] = error.args[0]
        return failed

    def _failure(self, error: KafkaException) -> SourceFailed:
        self._client.poll(0)  # delivers the errors that the client has reported meanwhile
        return self._errors.failure(error, "the cluster's metadata")

    def _await_start(self, names: Sequence[str]) -> None:
        patient_until_s = uptime_s() + self._timeout_s
        while not have_started(self._client, names, self._timeout_s) and uptime_s() < patient_until_s:
            time.sleep(_AGAIN_S)

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Returns the effective configuration of each topic; omits topics whose configuration may not be read."""
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


def _described(answer: Future[Any]) -> TopicDescription | None:
    """Returns None if there is no such topic. Raises KafkaException."""
    try:
        topic = answer.result()
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return TopicDescription(partitions=0, allowed=frozenset())
        if code in _NO_SUCH_TOPIC:
            return None
        raise
    return TopicDescription(partitions=len(topic.partitions), topic_id=str(topic.topic_id), allowed=_operations(topic))


def _operations(described: Any) -> frozenset[str] | None:
    """Operation names as ``kafka-acls`` spells them (DescribeConfigs); None if the broker did not return any."""
    named = [operation.name for operation in described.authorized_operations or ()]
    return frozenset(name.title().replace("_", "") for name in named) or None


def _not_answered(failed: Mapping[str, KafkaError], topic: TopicToCreate) -> bool:
    return topic.name in failed and failed[topic.name].code() in _NOT_ANSWERED
