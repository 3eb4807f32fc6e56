"""Follows a control topic: reads it as a whole, then reports each record within milliseconds.

A consumer of its own, outside any group, in a thread of its own. Whatever fails is logged once and tried again; the
commands read before stay in force meanwhile. Only the topic's first partition is read.
"""

from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.clock import uptime_s
from streams.control import ControlRead, ControlRecord
from streams.kafka.authorization import not_permitted, reader_access
from streams.kafka.client_messages import ClientErrors
from streams.kafka.live_clients import TrackedConsumer
from streams.kafka.message_headers import headers_of
from streams.kafka.reader_errors import MISSING_TOPIC, partition_numbers
from streams.kafka.settings import KafkaConnection
from streams.kafka.watermarks import watermark_offsets
from streams.messages import Notice
from streams.ports import Report, Stopping

_PARTITION: Final = 0
_BATCH: Final = 500
_POLL_S: Final = 0.2
_ASK_S: Final = 5.0
_AGAIN_S: Final = 2.0
_CHECK_EVERY_S: Final = 5.0
_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - the client's spelling


class ControlReader:
    """A ``ports.Follower``. ``reader`` is the group id that the broker sees; nothing is committed to it.

    ``prepare`` is called with each value before its record is reported; it may block, and must not raise.

    ``patience_s``: if the topic cannot be read for this long, it is reported as complete, so that a control topic that
    cannot be read does not keep partitions from sending.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        *,
        reader: str,
        prepare: Callable[[bytes], None] = lambda _value: None,
        patience_s: float = 30.0,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._reader = reader
        self._prepare = prepare
        self._patience_s = patience_s
        self._clock = clock
        self._problem = ""  # as last logged; empty = the topic can be read

    def follow(self, report: Report, stopping: Stopping) -> None:
        """See ``ports.Follower``. Starts again from the beginning after each failure."""
        began_s = self._clock()
        while not stopping.is_set():
            errors = ClientErrors(self._connection.bootstrap_servers)
            try:
                self._read(errors, report, stopping)
            except KafkaException as error:
                problem: KafkaError = error.args[0]
                missing = problem.code() in MISSING_TOPIC
                self._say(self._reason(error, errors), report)
                if missing or self._clock() - began_s >= self._patience_s:
                    report(ControlRead(complete=True))
                stopping.wait(_AGAIN_S)

    def _reason(self, error: KafkaException, errors: ClientErrors) -> str:
        problem: KafkaError = error.args[0]
        if problem.code() in MISSING_TOPIC:
            return f"{self._topic} does not exist; its commands are obeyed once it is created"
        denied = not_permitted(problem, *reader_access(self._topic, self._reader))
        return str(denied or errors.failure(error, self._topic))

    def _say(self, problem: str, report: Report) -> None:
        """Logs a problem, or that the topic can be read again, once."""
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            report(Notice(event="control_unreadable", level="error", fields={"topic": self._topic, "reason": problem}))
        else:
            report(Notice(event="control_readable", fields={"topic": self._topic}))

    def _read(self, errors: ClientErrors, report: Report, stopping: Stopping) -> None:
        """Reads the topic from its beginning and follows it until told to stop, or until it was created again."""
        configuration = self._connection.consumer(
            group_id=self._reader,
            enable_auto_commit=False,
            enable_partition_eof=True,
            isolation_level="read_committed",
            auto_offset_reset="error",
        )
        consumer = TrackedConsumer({**errors.quiet_config, **configuration})
        try:
            partition_numbers(consumer, errors, self._topic, _ASK_S)  # raises if the topic does not exist
            consumer.assign([TopicPartition(self._topic, _PARTITION, OFFSET_BEGINNING)])
            self._follow(consumer, report, stopping)
        except KafkaException:
            consumer.poll(0)  # delivers the errors that the client has reported meanwhile
            raise
        finally:
            consumer.close()

    def _follow(self, consumer: Consumer, report: Report, stopping: Stopping) -> None:
        anew, kept, check_s = True, list[ControlRecord](), self._clock() + _CHECK_EVERY_S
        reached = 0
        while not stopping.is_set():
            records, at_end = _split(self._polled(consumer))
            for record in records:
                if record.value is not None:
                    self._prepare(record.value)
            kept += records
            reached = max([reached, *(record.offset + 1 for record in records)])
            if at_end or (kept and not anew):
                self._say("", report)
                report(ControlRead(records=kept, anew=anew, complete=at_end))
                anew, kept = False, []
            if self._clock() >= check_s:
                check_s = self._clock() + _CHECK_EVERY_S
                if self._is_replaced_or_stuck(consumer, reached):
                    return

    def _polled(self, consumer: Consumer) -> Sequence[Message]:
        """Returns the messages that are there, as soon as there is one."""
        first = consumer.poll(_POLL_S)
        return () if first is None else (first, *consumer.consume(_BATCH, 0))

    def _is_replaced_or_stuck(self, consumer: Consumer, reached: int) -> bool:
        """Whether the topic ends before what was read, or has records that this consumer does not get."""
        [position] = consumer.position([TopicPartition(self._topic, _PARTITION)])
        _, end = watermark_offsets(consumer, TopicPartition(self._topic, _PARTITION), _ASK_S)
        return end < reached or 0 <= position.offset < end


def _split(messages: Sequence[Message]) -> tuple[list[ControlRecord], bool]:
    """Returns the records, and whether the end of the topic was reached after them. Raises KafkaException."""
    records, at_end = [], False
    for message in messages:
        error = message.error()
        if error is None:
            records.append(_record(message))
        elif error.code() == _EOF:
            at_end = True
        else:
            raise KafkaException(error)
    return records, at_end


def _record(message: Message) -> ControlRecord:
    return ControlRecord(
        key=(message.key() or b"").decode(errors="replace"),
        value=message.value(),
        offset=message.offset() or 0,
        time_us=message.timestamp()[1] * 1000,
        headers=headers_of(message),
    )
