"""The engine and the offer flow in this process, with real bytes and without I/O: for stages and memory.

Records are Avro, as in the topics; calls are answered immediately as the marketplace would; a checkpoint is durable as
soon as the engine emits it.
"""

import cProfile
import pstats
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from itertools import chain
from typing import Any, Final, Protocol

import schemas
from benchmarks.load import Offer
from benchmarks.stand import PARTITIONS, SELLER, STOREFRONT, known_state, state_writer
from connector.contracts.codec import SchemaIds
from connector.contracts.headers import Stamp
from connector.contracts.topics import named
from connector.controls.in_force import NoControls
from connector.kaufland.reference import load_reference
from connector.marketplace.offers import Accepted, Condition, Field, Unit, Update
from connector.offers.codec import OfferCodecs
from connector.offers.flow import OfferFlow
from connector.offers.policy import OfferPolicy
from connector.offers.producer_kit import ProducerKit
from connector.routing.table import Routing, Target
from streams.clock import uptime_s
from streams.dead_letter import DeadLetters
from streams.engine.engine import Engine
from streams.flow import Answer, Assignment, Call, Now, Output, Record, Settled, Stored
from streams.messages import Arrivals, Assigned, Checkpoint, Effect, Input, OwnedPartition, Tick, Written
from streams.partitioner import partition_for
from streams.policy import Pace, Policy, Share

CHANGED_ID, RESULT_ID, NOT_FOUND_ID, STATE_ID = range(1, 5)
BATCH: Final = 500
LONGEST_WAIT_S: Final = 300.0
"""How long the engine may take to restore its partitions or to settle a batch; far longer than a busy machine needs."""
_TOP: Final = 28
TOPICS: Final = named("bench")


def made_up_offers(count: int) -> Iterator[Offer]:
    """Yields offers like the simulator's, with valid EANs."""
    for number in range(count):
        yield Offer(
            ean=_gtin13(f"4{number:011d}"),
            unit_id=100_000 + number,
            target_id="main-de",
            offer_id=f"SKU-{number:07d}",
            currency="EUR",
            values={"listing_price": 1_999, "amount": 7, "handling_time": 2},
        )


def _gtin13(first_twelve: str) -> str:
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first_twelve))
    return first_twelve + str(-total % 10)


def codecs() -> OfferCodecs:
    ids = SchemaIds(
        values={
            "offer_result": RESULT_ID,
            "offer_not_found": NOT_FOUND_ID,
            "offer_state": STATE_ID,
        }
    )
    return OfferCodecs(ids, {CHANGED_ID: schemas.text("offer_changed", schemas.newest("offer_changed"))}.get)


def stored_states(offers: Iterable[Offer]) -> dict[int, dict[str, Stored]]:
    """Returns partition -> EAN -> state record, as a restore reads them."""
    write = state_writer(STATE_ID)
    states: dict[int, dict[str, Stored]] = {partition: {} for partition in range(PARTITIONS)}
    for offer in offers:
        partition = partition_for(offer.ean.encode(), PARTITIONS)
        states[partition][offer.ean] = Stored(value=write(known_state(offer, partition)))
    return states


class EngineClock(Protocol):
    """The time of an engine in this process."""

    def now(self) -> Now: ...

    def wait(self, for_s: float) -> None: ...


class RealTime:
    """The machine's clock."""

    def now(self) -> Now:
        return now()

    def wait(self, for_s: float) -> None:
        time.sleep(for_s)


class SteppedTime:
    """A clock that moves on by a millisecond whenever it is read, and by as long as is waited: every run is alike."""

    def __init__(self) -> None:
        self._us = now().wall_us

    def now(self) -> Now:
        self._us += 1_000
        return Now(mono_s=self._us / 1e6, wall_us=self._us)

    def wait(self, for_s: float) -> None:
        self._us += round(for_s * 1e6)


REAL_TIME: Final = RealTime()


class InProcessEngine:
    """An engine with all partitions open; it runs in real time unless it is given another clock."""

    def __init__(
        self,
        offers: Sequence[Offer],
        with_codecs: OfferCodecs,
        states: Mapping[int, Mapping[str, Stored]],
        clock: EngineClock = REAL_TIME,
    ) -> None:
        self._clock = clock
        self.applied = 0
        self.outputs: list[Output] = []
        self._offset: dict[int, int] = dict.fromkeys(range(PARTITIONS), 0)
        self._kit = ProducerKit(CHANGED_ID)
        self._offers = offers
        self._at = {
            partition: Assignment(topic=TOPICS.offer_changes, partition=partition, epoch=1)
            for partition in range(PARTITIONS)
        }
        self.engine = _engine(with_codecs)
        owned = {
            at: OwnedPartition(
                mark=None, start=0, end=0, state_topic_id="s", partitions=PARTITIONS, state=dict(states[partition])
            )
            for partition, at in self._at.items()
        }
        self.feed(Assigned(parts=owned))
        self._until(lambda: all(one.phase == "open" for one in self.engine.snapshot(self._clock.now()).partitions))

    def records(self, number: int, **values: Any) -> list[Record]:
        """Returns one event for each offer. ``number`` makes the price new; ``values`` override fields of the event."""
        made = []
        for index, offer in enumerate(self._offers):
            partition = partition_for(offer.ean.encode(), PARTITIONS)
            key, value = self._kit.message(
                {
                    "event_id": f"bench-{number}-{index}",
                    "occurred_at_us": self._clock.now().wall_us,
                    "ean": offer.ean,
                    "target_id": offer.target_id,
                    "unit_id": offer.unit_id,
                    **(values or {"price": (Decimal(200_000 + number).scaleb(-2), offer.currency)}),
                }
            )
            offset = self._offset[partition]
            self._offset[partition] += 1
            made.append(
                Record(at=self._at[partition], offset=offset, key=key, value=value, time_us=self._clock.now().wall_us)
            )
        return made

    def handle(self, records: Sequence[Record]) -> None:
        """Feeds records in batches as the source does, and returns when everything is settled and durable."""
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            positions = {record.at: record.offset + 1 for record in batch}
            self.feed(Arrivals(records=batch, positions=positions))
        self._until(lambda: self._is_done(self.engine.snapshot(self._clock.now())))

    def feed(self, message: Input) -> None:
        """Feeds one input and all inputs that follow from its effects."""
        todo: list[Input] = [message]
        for one in todo:
            for effect in self.engine.feed(one, self._clock.now()):
                todo.extend(self._answer(effect))

    def _answer(self, effect: Effect) -> list[Input]:
        match effect:
            case Checkpoint():
                self.outputs.extend(chain.from_iterable(effect.outputs.values()))
                return [Written(serial=effect.serial, marks=effect.marks, sent_at_s=self._clock.now().mono_s)]
            case Call():
                self.applied += len(effect.items)
                return [_accepted(effect, self._clock.now())]
            case _:
                return []

    def _is_done(self, snapshot: Any) -> bool:
        return not (snapshot.lanes_undone or snapshot.outputs_kept or snapshot.lanes_awake)

    def _until(self, true: Callable[[], bool]) -> None:
        end_s = self._clock.now().mono_s + LONGEST_WAIT_S
        while not true():
            if self._clock.now().mono_s > end_s:
                raise RuntimeError(f"the engine did not come to rest within {LONGEST_WAIT_S:.0f} s")
            self._clock.wait(max(0.0, min(0.01, self.engine.wake_at_s() - self._clock.now().mono_s)))
            self.feed(Tick())


def now() -> Now:
    return Now(mono_s=uptime_s(), wall_us=time.time_ns() // 1000)


def _engine(with_codecs: OfferCodecs) -> Engine:
    flow = OfferFlow(
        policy=OfferPolicy(),
        routing=Routing.of([Target(id="main-de", account=SELLER, storefront=STOREFRONT, currency="EUR")]),
        reference=load_reference().reference,
        codecs=with_codecs,
        topics=TOPICS,
        cluster_id="bench",
        stamp=Stamp(source="/benchmark", instance_id="bench", config_digest="0" * 12),
        update_limit=150,
        commands=NoControls(),
    )
    return Engine(
        flows={TOPICS.offer_changes: flow},
        shares={TOPICS.offer_changes: Share(weight=1.0, partitions=PARTITIONS)},
        accounts={SELLER: Pace(per_second=1_000_000.0)},
        policy=Policy(),
        instance="bench",
        boot_us=1,
        dead_letters=DeadLetters(topics={TOPICS.offer_changes: "dlq"}, instance="bench", connector="bench"),
    )


def _accepted(call: Call, at: Now) -> Answer:
    sent_s, sent_us = at.mono_s, at.wall_us
    replies = tuple(Settled(answer=_unit_as_updated(item.body)) for item in call.items)
    return Answer(
        call=call, replies=replies, sent_s=sent_s, answered_s=sent_s, sent_us=sent_us, answered_us=sent_us + 1_000
    )


def _unit_as_updated(update: Update) -> Accepted:
    values = {Field.PRICE: 1_999, Field.STOCK: 7, Field.HANDLING_TIME: 2, **update.values}
    unit = Unit(
        unit_id=update.unit_id,
        storefront=update.storefront,
        condition=Condition.NEW,
        offer_id=None,
        status="AVAILABLE",
        values=values,
    )
    return Accepted(unit=unit, http_status=200)


def profiled(count: int) -> str:
    """Returns a profile by function of ``count`` applied events. cProfile adds overhead: only the shares are valid."""
    offers = list(made_up_offers(count))
    world = InProcessEngine(offers, codecs(), stored_states(offers))
    records = world.records(1)
    profile, out = cProfile.Profile(), StringIO()
    profile.runcall(world.handle, records)
    pstats.Stats(profile, stream=out).strip_dirs().sort_stats("tottime").print_stats(_TOP)
    lines = out.getvalue().splitlines()
    return "\n".join(lines[next(number for number, line in enumerate(lines) if line.lstrip().startswith("ncalls")) :])
