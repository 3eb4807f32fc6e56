"""Validates librdkafka properties by constructing the clients that will use them.

A client without brokers is constructed within milliseconds and does not connect. It rejects unknown names, invalid
values, and TLS files that it cannot read.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from streams.kafka.settings import KafkaConnection

_COMBINATION: Final = "Failed to create"
"""How the client's message begins if each property is valid by itself but their combination is not."""

_SILENT: Final = logging.getLogger("librdkafka.property_check")


def property_errors(properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields each invalid property with the client's message; the name is "" if only the combination is invalid."""
    found = [(name, says) for name, value in properties.items() for says in _refusals({name: value}, whole=False)]
    yield from found
    if not found:
        yield from (("", says) for says in _refusals(properties, whole=True))


def _refusals(properties: Mapping[str, Any], *, whole: bool) -> Iterator[str]:
    """Yields at most one message. For a single property, skips errors that may come from its missing companions."""
    connection = KafkaConnection(bootstrap_servers="", client_id="property-check", properties=properties)
    for build in (_consumer, _producer, _admin):
        try:
            build(connection)
        except (KafkaException, TypeError, ValueError) as error:
            says = _text(error)
            if whole or not says.startswith(_COMBINATION):
                yield (
                    says.removeprefix("Failed to create ").partition(": ")[2] if says.startswith(_COMBINATION) else says
                )
                return


def _consumer(connection: KafkaConnection) -> None:
    Consumer(_offline(connection.consumer(group_id="property-check"))).close()


def _producer(connection: KafkaConnection) -> None:
    Producer(_offline(connection.producer()))


def _admin(connection: KafkaConnection) -> None:
    AdminClient(_offline(connection.admin()))


def _offline(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Removes the brokers, and silences the client's warning about that."""
    _SILENT.disabled = True
    return {**{name: value for name, value in configuration.items() if name != "bootstrap.servers"}, "logger": _SILENT}


def _text(error: Exception) -> str:
    problem: Any = error.args[0] if error.args else error
    return str(problem.str() if isinstance(error, KafkaException) else problem).strip()
