"""One record, durable when the call returns: for what is written rarely, and not by the runner."""

from typing import Final

from confluent_kafka import KafkaError, Producer

from streams.clock import uptime_s
from streams.errors import SinkFailed
from streams.kafka.refusals import TOPIC, Need, not_permitted
from streams.kafka.settings import Connection
from streams.kafka.words import Words

_PIECE_S: Final = 0.5


def post(
    connection: Connection, topic: str, key: bytes, value: bytes | None, *, partition: int = 0, timeout_s: float = 10.0
) -> None:
    """Opens a producer and closes it; ``value`` None = a tombstone. Blocks.

    Raises NotPermitted where this principal may not write it, and SinkFailed where the broker did not take it in time.
    """
    refused: list[KafkaError] = []  # a fatal error first: the reports that follow it only say "purged"
    words = Words(connection.bootstrap_servers)

    def heard(error: KafkaError) -> None:
        words.heard(error)
        if error.fatal():
            refused.append(error)

    ours = connection.producer(acks="all", enable_idempotence=True)
    producer = Producer({**words.quiet, **ours, "error_cb": heard})
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
