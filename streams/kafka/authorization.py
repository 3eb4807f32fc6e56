"""Turns an authorization error of the broker into a message that names operation, resource and remedy."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from confluent_kafka import KafkaError

from streams.errors import NotPermitted


class RequiredAccess(NamedTuple):
    """An operation on a resource, as in Kafka's ACLs."""

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
        # what an idempotent producer gets whose principal may not write to any topic
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: TOPIC,
    }
)


def member_access(topic: str, group: str) -> tuple[RequiredAccess, RequiredAccess]:
    """Returns the operations that a member of a consumer group performs."""
    return RequiredAccess("Read", TOPIC, topic), RequiredAccess("Read", GROUP, group)


def reader_access(topic: str, group: str) -> tuple[RequiredAccess, RequiredAccess]:
    """Returns the operations of a manually assigned consumer: the client looks up its group's coordinator as well."""
    return RequiredAccess("Read", TOPIC, topic), RequiredAccess("Describe", GROUP, group)


def not_permitted(problem: KafkaError, *needs: RequiredAccess) -> NotPermitted | None:
    """Returns the error that names the denied operations, or None if ``problem`` is not about authorization.

    Of ``needs``, only those are named that the error code can refer to.
    """
    about = _ABOUT.get(problem.code())
    if about is None:
        return None
    named = [str(need) for need in needs if need.resource == about] or [f"an operation on a {about}"]
    denied = ", ".join(named)
    return NotPermitted(
        f"the broker denies this principal {denied} ({problem.name()}). Remedy: add ACLs that allow {denied}"
    )
