"""Records that are durable when the call returns: for what is written rarely, and not by the runner."""

from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import KafkaError, Producer

from streams.clock import uptime_s
from streams.errors import SinkFailed
from streams.kafka.authorization import TOPIC, Need, not_permitted
from streams.kafka.client_messages import Words
from streams.kafka.settings import Connection

_PIECE_S: Final = 0.5


def post(
    connection: Connection, topic: str, key: bytes, value: bytes | None, *, partition: int = 0, timeout_s: float = 10.0
) -> None:
    """One record; ``value`` None = a tombstone. As ``post_all``."""
    post_all(connection, topic, [(key, value)], partition=partition, timeout_s=timeout_s)


def post_all(
    connection: Connection,
    topic: str,
    rows: Iterable[tuple[bytes, bytes | None]],
    *,
    partition: int,
    timeout_s: float,
    **ours: Any,
) -> None:
    """Opens a producer and closes it. ``rows``: keys and values, in this order; ``ours``: as ``Connection.producer``.

    Blocks. Raises NotPermitted where this principal may not write them, and SinkFailed where the broker did not take
    all of them in time; some may be there.
    """
    refused: list[KafkaError] = []  # a fatal error first: the reports that follow it only say "purged"
    words = Words(connection.bootstrap_servers)

    def heard(error: KafkaError) -> None:
        words.heard(error)
        if error.fatal():
            refused.append(error)

    configuration = connection.producer(acks="all", enable_idempotence=True, **ours)
    producer = Producer({**words.quiet, **configuration, "error_cb": heard})
    for key, value in rows:
        producer.produce(
            topic,
            value,
            key,
            partition=partition,
            on_delivery=lambda error, _: refused.append(error) if error is not None else None,
        )
    left, until_s = 1, uptime_s() + timeout_s
    while left and not words.is_hopeless and uptime_s() < until_s:
        left = producer.flush(_PIECE_S)
    denied = next(filter(None, (not_permitted(error, Need("Write", TOPIC, topic)) for error in refused)), None)
    if denied is not None:
        raise denied
    if refused:
        raise SinkFailed(f"{topic} cannot be written: {refused[0].str()}")
    if left:
        raise SinkFailed(f"{topic} cannot be written: {words.says or 'no answer in time'}")
