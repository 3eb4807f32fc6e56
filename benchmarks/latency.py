"""The latency of one event while nothing else happens: from its append to the call, and to the result readable.

Events come one at a time: each is produced after the result of the one before was read and a random pause, so that no
timer of the connector is always met at the same moment. All times are of one machine's clock, and the marketplace
answers at once.
"""

import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.report import ReportSection, at_most
from benchmarks.stand import PARTITIONS, Stand
from devstack.audit import percentile

GOAL_MS: Final = 20.0
WARM_UP: Final = 20
LONGEST_PAUSE_S: Final = 0.1
_STEPS: Final = {
    "append to read by the connector": ("appended", "received_at"),
    "read to the call leaving": ("received_at", "sent_at"),
    "call leaving to its answer": ("sent_at", "answered_at"),
    "answer to decided": ("answered_at", "decided_at"),
    "decided to readable": ("decided_at", "readable"),
}
_TO_CALL: Final = "append to the call leaving"
_TOTALS: Final = {_TO_CALL: ("appended", "sent_at"), "append to the result readable": ("appended", "readable")}

Moments = Mapping[str, float]
"""What happened when to an event, in s since the epoch."""


def measure(stand: Stand, count: int, timeout_s: float) -> ReportSection:
    """Measures ``count`` events that each change all fields of an offer, after a few that warm up."""
    chance = Random(1)
    with stand.connectors():
        before, results = len(stand.deployment.results()), _Results(stand)
        servers = stand.deployment.kafka.bootstrap_servers
        producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random", "linger.ms": 0})
        times: list[dict[str, float]] = []
        for event in stand.events.each_once(WARM_UP + count):
            time.sleep(chance.uniform(0, LONGEST_PAUSE_S))
            begin_s = time.time()
            producer.produce(stand.input, event.value, event.key)
            producer.flush(timeout_s)
            times.append({"appended": begin_s, "readable": results.next_at_s(timeout_s)})
        results.close()
    rows = sorted(stand.deployment.results()[before:], key=lambda row: int(row["decided_at"]))
    for moments, row in zip(times, rows, strict=True):
        moments.update(_moments(row))
    spans = {what: _spans_ms(times[WARM_UP:], *ends) for what, ends in (_STEPS | _TOTALS).items()}
    return ReportSection(
        title=f"Latency of one event, idle, {count} events",
        head=("from, to", "p50 ms", "p99 ms"),
        rows=[(what, f"{percentile(ms, 0.5):.1f}", f"{percentile(ms, 0.99):.1f}") for what, ms in spans.items()],
        notes=[
            "appended: handed to its producer; each row has percentiles of its own, so they do not add up",
        ],
        goals=[at_most("p50 in ms from the append to the call leaving", percentile(spans[_TO_CALL], 0.5), GOAL_MS)],
    )


def _moments(row: Mapping[str, Any]) -> Moments:
    """Returns the times that a result names."""
    assert row["status"] == "APPLIED", row
    named = {"received_at": row["received_at"], "decided_at": row["decided_at"]}
    named |= {name: row["sent"][name] for name in ("sent_at", "answered_at")}
    return {name: at_us / 1e6 for name, at_us in named.items()}


def _spans_ms(times: Sequence[Moments], begin: str, end: str) -> list[float]:
    return sorted((moments[end] - moments[begin]) * 1e3 for moments in times)


class _Results:
    """Reads the topic of results from its end on, as a reader that waits for each of them."""

    def __init__(self, stand: Stand) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": stand.deployment.kafka.bootstrap_servers,
                "group.id": "latency",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,
            }
        )
        topic = stand.deployment.topic("offer-results")
        parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        for part in parts:
            part.offset = self._consumer.get_watermark_offsets(part, timeout=10, cached=False)[1]
        self._consumer.assign(parts)

    def next_at_s(self, timeout_s: float) -> float:
        """Waits for the next result and returns when it was read (s since the epoch)."""
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                return time.time()
        raise TimeoutError(f"no result within {timeout_s:.0f} s")

    def close(self) -> None:
        self._consumer.close()
