"""What is wrong with librdkafka's properties, found by building the clients that will be given them.

A client without brokers is built within milliseconds and connects to nobody. It refuses names that it does not know,
values that it cannot take, and files of TLS that it cannot read.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from streams.kafka.settings import KafkaConnection

_WHOLE: Final = "Failed to create"
"""How the client begins where each property is right by itself and all together are not."""

_SILENT: Final = logging.getLogger("librdkafka.trial")


def property_errors(properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Property and what the client says of it; "" for what is wrong with all of them together."""
    found = [(name, says) for name, value in properties.items() for says in _refusals({name: value}, whole=False)]
    yield from found
    if not found:
        yield from (("", says) for says in _refusals(properties, whole=True))


def _refusals(properties: Mapping[str, Any], *, whole: bool) -> Iterator[str]:
    """At most one. Of a property alone only what is said of itself: others may have to go with it."""
    connection = KafkaConnection(bootstrap_servers="", client_id="trial", properties=properties)
    for build in (_consumer, _producer, _admin):
        try:
            build(connection)
        except (KafkaException, TypeError, ValueError) as error:
            says = _text(error)
            if whole or not says.startswith(_WHOLE):
                yield says.removeprefix("Failed to create ").partition(": ")[2] if says.startswith(_WHOLE) else says
                return


def _consumer(connection: KafkaConnection) -> None:
    Consumer(_alone(connection.consumer(group_id="trial"))).close()


def _producer(connection: KafkaConnection) -> None:
    Producer(_alone(connection.producer()))


def _admin(connection: KafkaConnection) -> None:
    AdminClient(_alone(connection.admin()))


def _alone(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Without brokers, and without a word about that."""
    _SILENT.disabled = True
    return {**{name: value for name, value in configuration.items() if name != "bootstrap.servers"}, "logger": _SILENT}


def _text(error: Exception) -> str:
    problem: Any = error.args[0] if error.args else error
    return str(problem.str() if isinstance(error, KafkaException) else problem).strip()
