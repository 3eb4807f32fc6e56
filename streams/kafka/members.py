"""Looks up the members of a consumer group that have a given client id, and their committed offsets."""

from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.errors import BrokerDown
from streams.kafka.client_messages import ClientErrors
from streams.kafka.settings import KafkaConnection
from streams.kafka.takeover import SameIdMember, SameIdMembers

_NONE: Final = SameIdMembers(members=(), stable=True)


class GroupMembers:
    """Opens a client for each request: one that is kept might know only brokers that are gone."""

    def __init__(self, connection: KafkaConnection, group: str, timeout_s: float = 5.0) -> None:
        self._connection = connection
        self._group = group
        self._timeout_s = timeout_s

    def under(self, client_id: str) -> SameIdMembers:
        """Returns the members with this client id. Raises BrokerDown if no broker answers.

        Returns no members for a new group, for a group that may not be described, and for a broker that cannot
        describe groups: these are reported elsewhere, or need no report.
        """
        errors = ClientErrors(self._connection.bootstrap_servers)
        client = AdminClient({**errors.quiet_config, **self._connection.admin()})
        try:
            described = client.describe_consumer_groups([self._group], request_timeout=self._timeout_s)[
                self._group
            ].result()
            found = [member for member in described.members if member.client_id == client_id]
            members = tuple(
                SameIdMember(
                    member_id=member.member_id,
                    host=member.host,
                    static=member.group_instance_id == client_id,
                    commits=self._commits(client, _partitions_of(member)),
                )
                for member in found
            )
        except KafkaException as error:
            client.poll(0)  # delivers the errors that the client has reported meanwhile
            failure = errors.failure(error, f"group {self._group}")
            if isinstance(failure, BrokerDown):
                raise failure from error
            return _NONE
        return SameIdMembers(members=members, stable=described.state == ConsumerGroupState.STABLE)

    def _commits(
        self, client: AdminClient, assigned: Iterable[TopicPartition]
    ) -> tuple[tuple[str, int, int, str], ...]:
        """Returns topic, partition, offset and metadata of each committed position."""
        places = [TopicPartition(one.topic, one.partition) for one in assigned]
        if not places:
            return ()
        asked = ConsumerGroupTopicPartitions(self._group, places)
        answer: Any = client.list_consumer_group_offsets([asked], request_timeout=self._timeout_s)
        found = answer[self._group].result().topic_partitions
        return tuple(
            (one.topic, one.partition, one.offset, one.metadata or "")
            for one in sorted(found, key=lambda one: (one.topic, one.partition))
            if one.error is None and one.offset >= 0
        )


def _partitions_of(member: Any) -> Iterable[TopicPartition]:
    return member.assignment.topic_partitions if member.assignment is not None else ()
