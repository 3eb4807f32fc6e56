"""Drives the offer flow without an engine: events and answers in, results and wants out, with a fake codec."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from connector.contracts.event_traces import EventTraces
from connector.contracts.headers import Stamp
from connector.contracts.result_ids import result_id
from connector.contracts.topics import Topics, named
from connector.controls.in_force import CommandSource, NoControls
from connector.mappings.in_use import MappingSource
from connector.marketplace.offers import (
    Accepted,
    Condition,
    Currency,
    Field,
    Found,
    Gone,
    LookUp,
    Reference,
    Refused,
    Unit,
)
from connector.offers.cold_start import NO_COLD_STARTS, ColdStarts
from connector.offers.events import (
    OfferChanged,
    OfferDrifted,
    OfferFieldResult,
    OfferNotFound,
    OfferResult,
    OfferState,
    OfferWithdrawn,
    Price,
)
from connector.offers.flow import OfferFlow
from connector.offers.ledger import OfferLane
from connector.offers.policy import OfferPolicy
from connector.routing.table import Routing, Target
from streams.flow import (
    Answered,
    Arrived,
    Assignment,
    BadRecord,
    Cause,
    GaveUp,
    Lost,
    NotYet,
    Now,
    Output,
    Record,
    Settled,
    Want,
    Woken,
)

EAN = "4006381333931"
OTHER_EAN = "4006381333948"
START_US = 1_760_000_000_000_000
SECOND = 1_000_000
TOPICS = named("shop")
CLUSTER = "cluster"

REFERENCE = Reference(
    storefronts={
        "de": Currency(code="EUR", exponent=2, ceiling=100_000_000),
        "at": Currency(code="EUR", exponent=2, ceiling=100_000_000),
        "cz": Currency(code="CZK", exponent=2, ceiling=2_500_000_000),
    },
    max_stock=2**31 - 1,
    max_handling_time_days=99,
    bulk_limit=150,
)

DE = Target(id="shop-de", account="main", storefront="de", currency="EUR")
AT = Target(id="shop-at", account="main", storefront="at", currency="EUR")
CZ = Target(id="shop-cz", account="main", storefront="cz", currency="CZK")


class PlainCodecs:
    """Values as pickles, keys as UTF-8."""

    def decode_changed(self, record: Record) -> OfferChanged | OfferWithdrawn | BadRecord | NotYet:
        return pickle.loads(record.value or b"")  # type: ignore[no-any-return]

    def glance_state(self, value: bytes) -> BadRecord | NotYet | None:
        return None

    def decode_state(self, value: bytes) -> OfferState | BadRecord | NotYet:
        return pickle.loads(value)  # type: ignore[no-any-return]

    def encode_state(self, value: OfferState, /) -> bytes:
        return pickle.dumps(value)

    def encode_result(self, value: OfferResult, /) -> bytes:
        return pickle.dumps(value)

    def encode_not_found(self, value: OfferNotFound, /) -> bytes:
        return pickle.dumps(value)

    def encode_field_result(self, value: OfferFieldResult, /) -> bytes:
        return pickle.dumps(value)

    def encode_drift(self, value: OfferDrifted, /) -> bytes:
        return pickle.dumps(value)

    def result_key(self, key: str, /) -> bytes:
        return key.encode()

    def not_found_key(self, key: str, /) -> bytes:
        return key.encode()


class RecordingCodecs(PlainCodecs):
    """Records results before they are encoded."""

    def __init__(self) -> None:
        self.results: list[OfferResult] = []

    def encode_result(self, value: OfferResult, /) -> bytes:
        self.results.append(value)
        return b""


def flow_of(
    *targets: Target,
    policy: OfferPolicy | None = None,
    codecs: Any = None,
    reference: Reference = REFERENCE,
    commands: CommandSource | None = None,
    mappings: MappingSource | None = None,
    policy_in_use: Callable[[], OfferPolicy] | None = None,
    cold: ColdStarts = NO_COLD_STARTS,
    traces: EventTraces | None = None,
    topics: Topics = TOPICS,
) -> OfferFlow:
    return OfferFlow(
        policy=policy if policy is not None else OfferPolicy(),
        routing=Routing.of(targets or (DE,)),
        reference=reference,
        codecs=codecs if codecs is not None else PlainCodecs(),
        topics=topics,
        cluster_id=CLUSTER,
        stamp=Stamp(source="/shop", instance_id="shop-0", config_digest="0"),
        update_limit=reference.bulk_limit,
        commands=commands if commands is not None else NoControls(),
        mappings=mappings,
        policy_in_use=policy_in_use,
        cold=cold,
        traces=traces,
    )


def unit(
    unit_id: int,
    storefront: str = "de",
    condition: Condition = Condition.NEW,
    offer_id: str | None = None,
    *,
    price: int = 1000,
    stock: int = 3,
    days: int = 2,
    status: str = "AVAILABLE",
    eans: tuple[str, ...] = (),
    by_marketplace: bool = False,
) -> Unit:
    return Unit(
        unit_id=unit_id,
        storefront=storefront,
        condition=condition,
        offer_id=offer_id,
        status=status,
        values={Field.PRICE: price, Field.STOCK: stock, Field.HANDLING_TIME: days},
        currency="EUR",
        eans=eans,
        fulfilled_by_marketplace=by_marketplace,
    )


@dataclass(slots=True)
class OfferHarness:
    """One lane. ``reload``: store and load it after every turn, as an engine may do."""

    flow: OfferFlow
    ean: str = EAN
    reload: bool = True
    now_us: int = START_US
    lane: OfferLane = field(init=False)
    wants: tuple[Want, ...] = ()
    wake_at_us: int | None = None
    outputs: list[Output] = field(default_factory=list)
    results: list[OfferResult] = field(default_factory=list)
    not_found: dict[str, OfferNotFound | None] = field(default_factory=dict)
    drifts: list[OfferDrifted] = field(default_factory=list)
    offset: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        self.lane = self.flow.load(self.ean, None)

    # -- causes

    def hear(self, cause: Cause) -> None:
        """Runs a turn and records its wants, timer and outputs."""
        turn = self.flow.turn(self.lane, cause, Now(mono_s=self.now_us / 1e6, wall_us=self.now_us))
        self.lane, self.wants, self.wake_at_us = turn.lane, turn.wants, turn.wake_at_us
        for output in turn.outputs:
            self.outputs.append(output)
            if output.topic == TOPICS.offer_results:
                self.results.append(pickle.loads(output.value or b""))
            elif output.topic == TOPICS.drift:
                self.drifts.append(pickle.loads(output.value or b""))
            elif output.topic == TOPICS.offers_not_found:
                key = (output.key or b"").decode()
                self.not_found[key] = pickle.loads(output.value) if output.value is not None else None
        if self.reload:
            self.restart()

    def restart(self) -> None:
        self.lane = self.flow.load(self.ean, self.flow.store(self.lane).value)

    def event(self, **said: Any) -> str:
        """Delivers an event and returns its result id. ``at``: its time in seconds from the start; by default now."""
        event = self.make(**said)
        self.hear(Arrived(lane=event.key, event=event))
        return result_id(CLUSTER, TOPICS.offer_changes, 0, event.offset)

    def make(
        self, *, at: float | None = None, price: str | Price | None = None, offset: int | None = None, **said: Any
    ) -> OfferChanged:
        """Returns an event. ``at``: its time in seconds from the start; by default now."""
        if offset is None:
            offset = self.offset
            self.offset += 1
        occurred_at_us = self.now_us if at is None else START_US + int(at * SECOND)
        money = Price(amount=Decimal(price), currency="EUR") if isinstance(price, str) else price
        given: dict[str, Any] = {
            "event_id": f"e{offset}",
            "occurred_at_us": occurred_at_us,
            "source": "test",
            "ean": self.ean,
            "target_id": "shop-de",
            "condition": "NEW",
            "key": self.ean,
            "input_topic": TOPICS.offer_changes,
            "partition": 0,
            "offset": offset,
            "record_time_us": max(self.now_us, occurred_at_us),  # the event is never dated after its record
            "price": money,
        }
        return OfferChanged(**{**given, **said})

    def tombstone(self, *, at: float | None = None, offset: int | None = None) -> str:
        """Delivers a tombstone and returns its result id."""
        if offset is None:
            offset = self.offset
            self.offset += 1
        time_us = self.now_us if at is None else START_US + int(at * SECOND)
        event = OfferWithdrawn(
            key=self.ean, input_topic=TOPICS.offer_changes, partition=0, offset=offset, record_time_us=time_us
        )
        self.hear(Arrived(lane=self.ean, event=event))
        return result_id(CLUSTER, TOPICS.offer_changes, 0, offset)

    def pass_s(self, seconds: float) -> None:
        """Advances the time and wakes the lane when due, as the engine would."""
        until_us = self.now_us + int(seconds * SECOND)
        while self.wake_at_us is not None and self.wake_at_us <= until_us:
            self.now_us = max(self.now_us, self.wake_at_us)
            self.wake_at_us = None
            self.hear(Woken())
            if self.wake_at_us is not None and self.wake_at_us <= self.now_us:
                break
        self.now_us = until_us

    # -- answers

    def want(self, kind: str) -> Want:
        found = [want for want in self.wants if want.kind == kind]
        assert found, f"{kind} is not wanted, but {[w.kind for w in self.wants]}"
        return found[0]

    def reply(self, want: Want, reply: Settled | Lost | GaveUp) -> None:
        """Answers a want, a tenth of a second later."""
        sent_us = self.now_us
        self.now_us += SECOND // 10
        self.calls += 1
        answered_us = None if isinstance(reply, Lost) else self.now_us
        self.hear(
            Answered(
                want=want, reply=reply, call_id=f"c{self.calls}", attempts=1, sent_us=sent_us, answered_us=answered_us
            )
        )

    def found(self, *units: Unit, storefront: str = "de") -> None:
        """Answers the look-up of a storefront with these units."""
        want = self.want(f"lookup:{storefront}")
        assert isinstance(want.body, LookUp)
        assert want.body.ean == self.ean
        self.reply(want, Settled(answer=Found(units=units)))

    def accept(
        self, storefront: str = "de", shows: Mapping[Field, int] | None = None, status: str = "AVAILABLE", **more: Any
    ) -> Want:
        """Answers the update of a storefront as accepted; ``shows`` are values that differ from those sent."""
        want = self.want(f"update:{storefront}")
        body = want.body
        returned = replace(
            unit(body.unit_id, storefront, offer_id=more.get("offer_id"), status=status),
            values={**body.values, **(shows or {})},
        )
        self.reply(want, Settled(answer=Accepted(unit=returned, http_status=200)))
        return want

    def refuse(self, refused: Refused, storefront: str = "de") -> None:
        self.reply(self.want(f"update:{storefront}"), Settled(answer=refused))

    def gone(self, storefront: str = "de") -> None:
        """Answers the update of a storefront with 404."""
        self.reply(self.want(f"update:{storefront}"), Settled(answer=Gone(http_status=404)))

    def lose(self, storefront: str = "de") -> Want:
        """Answers the update of a storefront as lost: its outcome is unknown."""
        want = self.want(f"update:{storefront}")
        self.reply(want, Lost(reason="no answer"))
        return want

    def give_up(self, kind: str) -> None:
        """Answers a want as given up after repeated failures."""
        self.reply(self.want(kind), GaveUp(reason="503 eight times"))

    # -- outputs

    @property
    def last(self) -> OfferResult:
        return self.results[-1]

    @property
    def statuses(self) -> list[str]:
        return [result.status.value for result in self.results]

    def of(self, identifier: str) -> list[OfferResult]:
        return [result for result in self.results if result.result_id == identifier]

    @property
    def kinds(self) -> list[str]:
        return sorted(want.kind for want in self.wants)

    def known(self, *units: Unit, targets: tuple[str, ...] = ("de",)) -> "OfferHarness":
        """Makes the units known, by an event that requests their present values."""
        first = units[0]
        self.event(
            price=str(Decimal(first.values[Field.PRICE]).scaleb(-2)),
            stock=first.values[Field.STOCK],
            target_id=f"shop-{first.storefront}",
            condition=first.condition.value,
            offer_id=first.offer_id,
        )
        for storefront in targets:
            self.found(*(u for u in units if u.storefront == storefront), storefront=storefront)
        assert self.statuses[-1] == "UNCHANGED", self.statuses
        self.results.clear()
        return self


def here(*at: int) -> Assignment:
    return Assignment(topic=TOPICS.offer_changes, partition=at[0] if at else 0, epoch=1)
