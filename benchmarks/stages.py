"""Microseconds per event by stage, in one process and without the marketplace: where the time of an event goes.

The codecs are timed; the remainder is the engine with the flow's turns. Times are the thread's processor time, which
depends little on other load. Consuming and producing are measured on the real broker with the same bytes, with as many
events per transaction as a checkpoint has under load.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.inprocess import InProcessEngine, codecs, made_up_offers, stored_states
from benchmarks.report import ReportSection
from connector.offers.codec import OfferCodecs
from devstack.stack import Stack
from streams.flow import Output, Record

EVENTS_A_TRANSACTION: Final = 500
_TIMED: Final = {
    "decode_changed": "decode the event",
    "decode_state": "decode the state",
    "encode_result": "encode the result",
    "encode_state": "encode the state",
}
_REST: Final = "engine and turns of the flow"


class StageTimer:
    """Measures the processor time of the codecs that handle an event. Replaces the methods of ``codecs``."""

    def __init__(self, codecs: OfferCodecs) -> None:
        self.spent_s = dict.fromkeys(_TIMED.values(), 0.0)
        for name, stage in _TIMED.items():
            setattr(codecs, name, self._timed(stage, getattr(codecs, name)))

    def _timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begin_s = time.thread_time()
            made = function(*arguments)
            self.spent_s[stage] += time.thread_time() - begin_s
            return made

        return timed


def measure(kafka: Stack, count: int) -> ReportSection:
    """Measures ``count`` events that repeat current values and ``count`` events that are applied, one column each."""
    offers = list(made_up_offers(count))
    made = codecs()
    timer = StageTimer(made)
    world = InProcessEngine(offers, made, stored_states(offers))
    repeated = world.records(0, **_shown(offers[0].values))
    changed = world.records(1)
    columns = [_column(kafka, world, timer, records) for records in (repeated, changed)]
    rows = [(stage, *(f"{column[stage]:,.1f}" for column in columns)) for stage in columns[0]]
    sums = ("sum", *(f"{sum(column.values()):,.1f}" for column in columns))
    return ReportSection(
        title="µs per event by stage",
        head=("stage", "repeats what is true", "applied"),
        rows=[*rows, sums],
        notes=[
            "processor time of the one thread that does it; in the connector, produce and commit have a thread of "
            "their own, and calls to the marketplace have theirs"
        ],
    )


def _shown(values: dict[str, int]) -> dict[str, Any]:
    return {
        "price": f"{values['listing_price'] / 100:.2f} EUR",
        "stock": values["amount"],
        "handling_time_days": values["handling_time"],
    }


def _column(kafka: Stack, world: InProcessEngine, timer: StageTimer, records: Sequence[Record]) -> dict[str, float]:
    count = len(records)
    timer.spent_s = dict.fromkeys(timer.spent_s, 0.0)
    world.outputs.clear()
    begin_s = time.thread_time()
    world.handle(records)
    total_s = time.thread_time() - begin_s
    spent = {**timer.spent_s, _REST: total_s - sum(timer.spent_s.values())}
    topic = kafka.create_topic("stages", 1)
    produce_s = _produce(kafka, topic, world.outputs, len(world.outputs) * EVENTS_A_TRANSACTION // count)
    consume_s = _consume(kafka, topic, len(world.outputs)) * count / len(world.outputs)
    kafka.delete_topic(topic)
    everything = {"consume": consume_s, **spent, "produce and commit": produce_s}
    return {stage: seconds * 1e6 / count for stage, seconds in everything.items()}


def _produce(kafka: Stack, topic: str, outputs: Sequence[Output], at_once: int) -> float:
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "transactional.id": topic,
            "compression.type": "lz4",
            "retry.backoff.ms": 5,
        }
    )
    producer.init_transactions(30)
    begin_s = time.thread_time()
    for start in range(0, len(outputs), at_once):
        producer.begin_transaction()
        for output in outputs[start : start + at_once]:
            producer.produce(topic, output.value, output.key, headers=list(output.headers), on_delivery=_ignore)
        producer.commit_transaction(30)
    return time.thread_time() - begin_s


def _ignore(error: object, message: object) -> None:
    """A delivery callback that does nothing: the cost of delivery reports is part of producing."""


def _consume(kafka: Stack, topic: str, count: int) -> float:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": topic, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    seen, begin_s = 0, time.thread_time()
    while seen < count:
        for message in consumer.consume(500, 1.0):
            if message.error() is None:
                message.key(), message.value(), message.headers(), message.offset(), message.timestamp()
                seen += 1
    spent_s = time.thread_time() - begin_s
    consumer.close()
    return spent_s
