"""Generates the load of the measurements: changes of existing units whose price identifies the event.

The price of event ``n`` is ``BASE_CENTS + n`` minor units, so each write in the simulator's journal can be attributed
to its event.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import Any

from confluent_kafka import Producer

from connector.offers.producer_kit import ProducerKit

BASE_CENTS = 200_000
"""Higher than every price of the simulator's catalogue (below 1,000.00)."""

ZIPF = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One unit that events can change."""

    ean: str
    unit_id: int
    target_id: str
    offer_id: str | None
    currency: str
    values: dict[str, int]  # as the marketplace shows them


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadEvent:
    """One encoded event and the time at which to produce it."""

    event_id: str
    offer: Offer
    price_cents: int
    intended_s: float  # on the monotonic clock
    key: bytes
    value: bytes


class Events:
    """Generates events with increasing numbers. ``schema_id`` is that of the input topic's values."""

    def __init__(self, offers: Sequence[Offer], schema_id: int, seed: int = 1) -> None:
        self._offers = list(offers)
        self._kit = ProducerKit(schema_id)
        self._random = Random(seed)
        self._random.shuffle(self._offers)
        self._weights = list(accumulate(1 / (rank + 1) ** ZIPF for rank in range(len(self._offers))))
        self._number = 0
        self._last: list[LoadEvent] = []

    def each_once(self, count: int) -> list[LoadEvent]:
        """Returns events with new values for all fields of ``count`` different offers, all due now."""
        if count > len(self._offers):
            raise ValueError(f"there are {len(self._offers)} offers, not {count}")
        now_s = time.monotonic()
        self._last = [self._event(offer, now_s, full=True) for offer in self._offers[:count]]
        return self._last

    def again(self) -> list[LoadEvent]:
        """Returns new events with the values of the last ``each_once``."""
        now_s = time.monotonic()
        return [self._event(event.offer, now_s, full=True, cents=event.price_cents) for event in self._last]

    def paced(self, rate: float, duration_s: float) -> list[LoadEvent]:
        """Returns price changes at a constant rate (events/s), Zipf distributed over the offers.

        The first is due shortly after all have been generated.
        """
        count = int(rate * duration_s)
        chosen = self._random.choices(self._offers, cum_weights=self._weights, k=count)
        begin_s = time.monotonic() + 0.5 + count * 200e-6
        return [self._event(offer, begin_s + index / rate) for index, offer in enumerate(chosen)]

    def _event(self, offer: Offer, intended_s: float, *, full: bool = False, cents: int | None = None) -> LoadEvent:
        self._number += 1
        price_cents = BASE_CENTS + self._number if cents is None else cents
        values: dict[str, Any] = {"price": (Decimal(price_cents).scaleb(-2), offer.currency)}
        if full:
            values |= {"stock": price_cents % 500 + 1, "handling_time_days": price_cents % 9 + 1}
        event_id = f"bench-{self._number}"
        key, value = self._kit.message(
            {
                "event_id": event_id,
                "occurred_at_us": int((time.time() - time.monotonic() + intended_s) * 1e6),
                "source": "benchmark",
                "target_id": offer.target_id,
                "ean": offer.ean,
                "unit_id": offer.unit_id,
                **values,
            }
        )
        return LoadEvent(
            event_id=event_id, offer=offer, price_cents=price_cents, intended_s=intended_s, key=key, value=value
        )


def produce(bootstrap_servers: str, topic: str, events: Iterable[LoadEvent]) -> float:
    """Produces each event at its intended time, or immediately if that has passed. Returns the largest delay (s)."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 2,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    worst_s = 0.0
    for batch in _due_together(events):
        for event in batch:
            producer.produce(topic, event.value, event.key)
        worst_s = max(worst_s, time.monotonic() - batch[0].intended_s)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all events")
    return worst_s


def _due_together(events: Iterable[LoadEvent]) -> Iterator[list[LoadEvent]]:
    """Waits until events are due and yields them, those of 2 ms together."""
    batch: list[LoadEvent] = []
    for event in events:
        if batch and event.intended_s > batch[0].intended_s + 0.002:
            yield batch
            batch = []
        if not batch:
            time.sleep(max(0.0, event.intended_s - time.monotonic()))
        batch.append(event)
    if batch:
        yield batch
