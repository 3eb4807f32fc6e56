"""Produces records and waits until they are durable: for rare writes outside the runner."""

from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.clock import uptime_s
from streams.errors import NotPermitted, SinkFailed
from streams.kafka.authorization import TOPIC, RequiredAccess, not_permitted
from streams.kafka.client_messages import ClientErrors
from streams.kafka.settings import KafkaConnection
from streams.records import NewRecord

_FLUSH_S: Final = 0.5


def produce_record(
    connection: KafkaConnection,
    topic: str,
    key: bytes,
    value: bytes | None,
    *,
    partition: int = 0,
    timeout_s: float = 10.0,
) -> int:
    """Produces one record and returns its offset; ``value`` None is a tombstone. See ``produce_records``."""
    return produce_records(connection, topic, [(key, value)], partition=partition, timeout_s=timeout_s)


def produce_records(
    connection: KafkaConnection,
    topic: str,
    rows: Iterable[tuple[bytes, bytes | None]],
    *,
    partition: int,
    timeout_s: float,
    **ours: Any,
) -> int:
    """Produces records in order and waits for all acknowledgements, with a producer of its own.

    ``rows``: keys and values; ``ours``: further producer properties, as for ``KafkaConnection.producer``. Returns the
    offset of the last one. Raises like ``RecordWriter.write``.
    """
    with RecordWriter(connection, **ours) as writer:
        writer.write(
            (NewRecord(topic=topic, partition=partition, key=key, value=value) for key, value in rows),
            timeout_s=timeout_s,
        )
        return writer.last_offset


class RecordWriter:
    """An idempotent producer for records that are written in groups. Not thread-safe. A context manager."""

    def __init__(self, connection: KafkaConnection, **ours: Any) -> None:
        """``ours``: further producer properties, as for ``KafkaConnection.producer``."""
        self._refused: list[tuple[str, KafkaError]] = []  # a fatal error first: the reports after it only say "purged"
        self._topic = ""
        self.last_offset = -1  # of the record that was acknowledged last
        self._errors = ClientErrors(connection.bootstrap_servers)
        configuration = connection.producer(acks="all", enable_idempotence=True, **ours)
        self._producer = Producer({**self._errors.quiet_config, **configuration, "error_cb": self._on_error})

    def write(self, records: Iterable[NewRecord], *, timeout_s: float) -> None:
        """Produces records in order and waits for all acknowledgements.

        Raises NotPermitted if this principal may not write to a topic, and SinkFailed if not all records were
        acknowledged within ``timeout_s`` after the last one was handed to the client; some of them may have been
        written. A writer that has failed cannot be used again.
        """
        for record in records:
            self._topic = record.topic
            self._produce(record)
        left, until_s = 1, uptime_s() + timeout_s
        while left and not self._errors.is_permanent and uptime_s() < until_s:
            left = self._flush()
        self._raise_refused()
        if left:
            raise SinkFailed(f"{self._topic} cannot be written: {self._errors.text or 'no acknowledgement in time'}")

    def _flush(self) -> int:
        """Returns how many records are still to be acknowledged; 0 after a fatal error.

        The client (confluent-kafka 2.16) raises a fatal error, such as that of an idempotent producer that may write to
        no topic, out of ``flush``. If delivery reports follow it in the same call, it raises SystemError instead, with
        the fatal error as its cause or without any.
        """
        try:
            return int(self._producer.flush(_FLUSH_S))
        except (KafkaException, SystemError) as error:
            fatal = error if isinstance(error, KafkaException) else error.__cause__
            if not isinstance(fatal, KafkaException):
                write = RequiredAccess("Write", TOPIC, self._topic)
                raise NotPermitted(
                    f"the broker denies this principal {write}, or the client has failed for a reason that it does not "
                    f"report. Remedy: add ACLs that allow {write}"
                ) from error
            self._refused.insert(0, (self._topic, fatal.args[0]))
            return 0

    def _produce(self, record: NewRecord) -> None:
        self._producer.produce(
            record.topic,
            record.value,
            record.key,
            partition=record.partition,
            headers=list(record.headers),
            timestamp=0 if record.time_us is None else record.time_us // 1_000,  # 0: the client sets the time
            on_delivery=partial(self._on_delivery, record.topic),
        )

    def _on_error(self, error: KafkaError) -> None:
        self._errors.on_error(error)
        if error.fatal():
            self._refused.append((self._topic, error))

    def _on_delivery(self, topic: str, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused.append((topic, error))
        else:
            self.last_offset = message.offset() or 0

    def _raise_refused(self) -> None:
        denied = (not_permitted(error, RequiredAccess("Write", TOPIC, topic)) for topic, error in self._refused)
        if (refusal := next(filter(None, denied), None)) is not None:
            raise refusal
        if self._refused:
            topic, error = self._refused[0]
            raise SinkFailed(f"{topic} cannot be written: {error.str()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes the producer. Discards what is queued: after a failure, nothing may be written later."""
        self._producer.purge()
        self._producer.close()
