"""Produces a few records and waits until they are durable: for rare writes outside the runner."""

from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import KafkaError, Producer

from streams.clock import uptime_s
from streams.errors import SinkFailed
from streams.kafka.authorization import TOPIC, RequiredAccess, not_permitted
from streams.kafka.client_messages import ClientErrors
from streams.kafka.settings import KafkaConnection

_FLUSH_S: Final = 0.5


def produce_record(
    connection: KafkaConnection,
    topic: str,
    key: bytes,
    value: bytes | None,
    *,
    partition: int = 0,
    timeout_s: float = 10.0,
) -> None:
    """Produces one record; ``value`` None is a tombstone. See ``produce_records``."""
    produce_records(connection, topic, [(key, value)], partition=partition, timeout_s=timeout_s)


def produce_records(
    connection: KafkaConnection,
    topic: str,
    rows: Iterable[tuple[bytes, bytes | None]],
    *,
    partition: int,
    timeout_s: float,
    **ours: Any,
) -> None:
    """Produces records in order and waits for all acknowledgements, with a producer of its own.

    ``rows``: keys and values; ``ours``: further producer properties, as for ``KafkaConnection.producer``. Raises
    NotPermitted if this principal may not write to the topic, and SinkFailed if not all records were acknowledged in
    time; some of them may have been written.
    """
    refused: list[KafkaError] = []  # a fatal error first: the delivery reports that follow it only say "purged"
    errors = ClientErrors(connection.bootstrap_servers)

    def on_error(error: KafkaError) -> None:
        errors.on_error(error)
        if error.fatal():
            refused.append(error)

    configuration = connection.producer(acks="all", enable_idempotence=True, **ours)
    producer = Producer({**errors.quiet_config, **configuration, "error_cb": on_error})
    for key, value in rows:
        producer.produce(
            topic,
            value,
            key,
            partition=partition,
            on_delivery=lambda error, _: refused.append(error) if error is not None else None,
        )
    left, until_s = 1, uptime_s() + timeout_s
    while left and not errors.is_permanent and uptime_s() < until_s:
        left = producer.flush(_FLUSH_S)
    denied = next(
        filter(None, (not_permitted(error, RequiredAccess("Write", TOPIC, topic)) for error in refused)), None
    )
    if denied is not None:
        raise denied
    if refused:
        raise SinkFailed(f"{topic} cannot be written: {refused[0].str()}")
    if left:
        raise SinkFailed(f"{topic} cannot be written: {errors.text or 'no acknowledgement in time'}")
