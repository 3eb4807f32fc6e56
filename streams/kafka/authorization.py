"""An authorisation error of the broker, as a sentence that names the operation, the resource and the remedy."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from confluent_kafka import KafkaError

from streams.errors import NotPermitted


class AclOperation(NamedTuple):
    """What was about to be done, in the words of Kafka's ACLs."""

    operation: str  # such as Read
    resource: str  # topic, group, or transactional id
    name: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.resource} {self.name}"


TOPIC: Final = "topic"
GROUP: Final = "group"
TRANSACTIONAL_ID: Final = "transactional id"

_ABOUT: Final[Mapping[int, str]] = MappingProxyType(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED: TOPIC,
        KafkaError.GROUP_AUTHORIZATION_FAILED: GROUP,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: TRANSACTIONAL_ID,
        # said to an idempotent producer whose principal may write to no topic at all
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: TOPIC,
    }
)


def member_operations(topic: str, group: str) -> tuple[AclOperation, AclOperation]:
    """What a member of a group needs."""
    return AclOperation("Read", TOPIC, topic), AclOperation("Read", GROUP, group)


def reader_operations(topic: str, group: str) -> tuple[AclOperation, AclOperation]:
    """What a consumer needs that is assigned by hand: the client asks for its group's coordinator all the same."""
    return AclOperation("Read", TOPIC, topic), AclOperation("Describe", GROUP, group)


def not_permitted(problem: KafkaError, *needs: AclOperation) -> NotPermitted | None:
    """None where the error is about something else. Of the needs, those are named that the error can be about."""
    about = _ABOUT.get(problem.code())
    if about is None:
        return None
    named = [str(need) for need in needs if need.resource == about] or [f"an operation on a {about}"]
    denied = ", ".join(named)
    return NotPermitted(
        f"the broker denies this principal {denied} ({problem.name()}). Remedy: add ACLs that allow {denied}"
    )
