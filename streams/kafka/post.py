"""One record, durable when the call returns: for what is written rarely, and not by the runner."""

from confluent_kafka import KafkaError, Producer

from streams.errors import SinkFailed
from streams.kafka.settings import Connection


def post(
    connection: Connection, topic: str, key: bytes, value: bytes, *, partition: int = 0, timeout_s: float = 10.0
) -> None:
    """Opens a producer and closes it. Blocks. Raises SinkFailed where the broker did not take it in time."""
    refused: list[KafkaError] = []
    producer = Producer(connection.producer(acks="all", enable_idempotence=True))
    producer.produce(
        topic,
        value,
        key,
        partition=partition,
        on_delivery=lambda error, _: refused.append(error) if error is not None else None,
    )
    if producer.flush(timeout_s) or refused:
        raise SinkFailed(f"{topic} cannot be written: {refused[0] if refused else 'no answer in time'}")
