"""Drives one lane of the shipment flow: events and answers in, results and wants out, with the real codec."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import schemas
from connector.contracts.codec import SchemaIds
from connector.contracts.headers import Stamp
from connector.contracts.released_orders import ReleasedOrders
from connector.controls.in_force import CommandSource, NoControls
from connector.mappings.in_use import MappingSource
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import (
    CarriersFound,
    OrderSummaryFound,
    OrderUnitSummary,
    Taken,
    UnitFound,
    UnitStatus,
    UnreadableRow,
)
from connector.shipments.carrier_tables import CarrierTables
from connector.shipments.codec import ShipmentCodecs
from connector.shipments.events import Parcel, ShipmentDispatched
from connector.shipments.flow import ShipmentFlow, ShipmentTopics
from connector.shipments.policy import ShipmentPolicy
from streams.avro.codec import Decoder
from streams.flow import (
    Answered,
    Arrived,
    Cause,
    Draining,
    GaveUp,
    Lost,
    Now,
    Output,
    Record,
    Restored,
    Settled,
    Want,
    Woken,
)

ORDER = "MB7UWLD"
START_US = 1_760_000_000_000_000
SECOND = 1_000_000
TOPICS = ShipmentTopics(
    shipments="shop.shipments.v1",
    shipment_results="shop.shipment-results.v1",
    shipment_state="shop.shipment-state.v1",
)
CLUSTER = "cluster"
IDS = SchemaIds(values={"shipment_result": 1, "shipment_state": 2})
CARRIERS = ("DHL", "DPD", "DPD Austria", "GLS", "Hermes", "Other", "Other Hauler")
REGISTRY = {
    number: schemas.text(name, schemas.newest(name)) for name, number in (("shipment_result", 1), ("shipment_state", 2))
}

STATUS = {
    "open": UnitStatus.OPEN,
    "need_to_be_sent": UnitStatus.NEED_TO_BE_SENT,
    "sent": UnitStatus.SENT,
    "received": UnitStatus.RECEIVED,
    "cancelled": UnitStatus.CANCELLED,
}
REFUSED = Refused(code="MARKETPLACE_REFUSED", http_status=400, type="/problems/bad-request", message="No.")
_results = Decoder(schemas.load("shipment_result", schemas.newest("shipment_result")), REGISTRY.get)


def policy(**changes: Any) -> ShipmentPolicy:
    return ShipmentPolicy(**{"accounts": frozenset({"main"}), **changes})


def flow_of(
    of: ShipmentPolicy | None = None,
    released: ReleasedOrders | None = None,
    commands: CommandSource | None = None,
    mappings: MappingSource | None = None,
) -> ShipmentFlow:
    of = of if of is not None else policy()
    return ShipmentFlow(
        policy=of,
        codecs=ShipmentCodecs(IDS, REGISTRY.get),
        topics=TOPICS,
        cluster_id=CLUSTER,
        stamp=Stamp(source="/shop", instance_id="shop-0", config_digest="0"),
        carriers=CarrierTables(of),
        commands=commands if commands is not None else NoControls(),
        released=released,
        mappings=mappings,
    )


def unit(
    order_unit_id: int, status: str = "need_to_be_sent", *, offer_id: str | None = None, eans: tuple[str, ...] = ()
) -> OrderUnitSummary:
    return OrderUnitSummary(
        order_unit_id=order_unit_id,
        storefront="de",
        status=STATUS.get(status, UnitStatus.UNKNOWN),
        status_raw=status,
        offer_id=offer_id,
        eans=eans,
    )


def parcels(*of: str) -> tuple[Parcel, ...]:
    """Parses ``carrier:number`` texts; without a carrier it is DHL."""
    split = [one.rpartition(":") for one in of]
    return tuple(Parcel(carrier=carrier or "DHL", tracking_number=number or None) for carrier, _, number in split)


def result_of(output: Output) -> dict[str, Any]:
    value = _results.decode(output.value or b"")
    assert isinstance(value, dict), value
    return value


@dataclass(slots=True)
class ShipmentHarness:
    """One lane, which is stored and loaded after every turn, as an engine may do."""

    flow: ShipmentFlow = field(default_factory=flow_of)
    now_us: int = START_US
    lane: Any = None
    wants: tuple[Want, ...] = ()
    wake_at_us: int | None = None
    outputs: list[Output] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    offset: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        if self.lane is None:
            self.lane = self.flow.load(ORDER, None)

    # -- causes

    def hear(self, cause: Cause) -> None:
        """Runs a turn, records its wants, timer and outputs, and stores and loads the lane."""
        turn = self.flow.turn(self.lane, cause, Now(mono_s=self.now_us / 1e6, wall_us=self.now_us))
        self.wants, self.wake_at_us = turn.wants, turn.wake_at_us
        self.outputs += turn.outputs
        self.results += map(result_of, turn.outputs)
        stored = self.flow.store(turn.lane)
        self.lane = self.flow.load(ORDER, stored.value)
        assert self.lane == turn.lane
        assert stored.undone == bool(turn.lane.undone)
        if stored.undone:
            assert self.wants or self.wake_at_us is not None or isinstance(cause, Draining), (
                "undone, and nothing will ever wake it"
            )

    def event(self, *units: int, of: Iterable[str] = ("T1",), **said: Any) -> ShipmentDispatched:
        event = self.make(*units, of=of, **said)
        self.hear(Arrived(lane=event.key, event=event))
        return event

    def again(self, event: ShipmentDispatched) -> None:
        """Delivers the same record again."""
        self.hear(Arrived(lane=event.key, event=event))

    def make(
        self, *units: int, of: Iterable[str] = ("T1",), at: float | None = None, **said: Any
    ) -> ShipmentDispatched:
        """Returns an event. ``at``: its time in seconds from the start; by default now."""
        offset = self.offset
        self.offset += 1
        given: dict[str, Any] = {
            "event_id": f"e{offset}",
            "occurred_at_us": self.now_us if at is None else START_US + int(at * SECOND),
            "source": "warehouse",
            "order_id": ORDER,
            "order_unit_ids": units,
            "parcels": parcels(*of),
            "key": ORDER,
            "input_topic": TOPICS.shipments,
            "partition": 0,
            "offset": offset,
            "record_time_us": self.now_us,
        }
        return ShipmentDispatched(**{**given, **said})

    def pass_s(self, seconds: float) -> None:
        """Advances the time and wakes the lane when due, as the engine would."""
        until_us = self.now_us + int(seconds * SECOND)
        while self.wake_at_us is not None and self.wake_at_us <= until_us and not self.wants:
            self.now_us = max(self.now_us, self.wake_at_us)
            self.hear(Woken())
        self.now_us = max(self.now_us, until_us)

    def restart(self, of: ShipmentPolicy | None = None, announced: Iterable[str] = ()) -> None:
        """Restores the lane in a new process, without what the old one's lanes shared."""
        self.flow = flow_of(of)
        self.hear(Restored(announced=frozenset(announced)))

    # -- answers

    def want(self, kind: CallKind) -> Want:
        found = [want for want in self.wants if want.kind == kind]
        assert found, f"{kind} is not wanted, but {self.kinds}"
        return found[0]

    def reply(self, want: Want, reply: Settled | Lost | GaveUp, *, attempts: int = 1) -> None:
        sent_us = self.now_us
        self.now_us += SECOND // 10
        self.calls += 1
        answered_us = None if isinstance(reply, Lost) else self.now_us
        call_id = f"c{self.calls}"
        self.hear(
            Answered(
                want=want, reply=reply, call_id=call_id, attempts=attempts, sent_us=sent_us, answered_us=answered_us
            )
        )

    def settled(self, kind: CallKind, answer: Any, **said: Any) -> Want:
        want = self.want(kind)
        self.reply(want, Settled(answer=answer), **said)
        return want

    def order(self, *units: OrderUnitSummary, unreadable: UnreadableRow | None = None) -> None:
        found = OrderSummaryFound(order_id=ORDER, units=units, unreadable=unreadable)
        self.settled(CallKind.ORDER, found)

    def carriers(self, *codes: str) -> None:
        self.settled(CallKind.CARRIERS, CarriersFound(codes=codes or CARRIERS))

    def shows(self, status: str) -> None:
        """Answers the look-up of an order unit with this status."""
        want = self.want(CallKind.ORDER_UNIT)
        self.reply(want, Settled(answer=UnitFound(unit=unit(want.body.order_unit_id, status))))

    def taken(self, kind: CallKind = CallKind.SEND) -> Want:
        return self.settled(kind, Taken(http_status=204))

    def refuse(self, kind: CallKind = CallKind.SEND, **said: Any) -> None:
        self.settled(kind, REFUSED, **said)

    def gone(self, kind: CallKind) -> None:
        self.settled(kind, Gone(http_status=404))

    def lose(self, kind: CallKind = CallKind.SEND) -> Want:
        want = self.want(kind)
        self.reply(want, Lost(reason="no answer"))
        return want

    def give_up(self, kind: CallKind) -> None:
        self.reply(self.want(kind), GaveUp(reason="503 eight times"))

    # -- starting points

    def ready(self, *units: int, of: Iterable[str] = ("T1",), named: bool = True) -> ShipmentDispatched:
        """Delivers an event and answers the look-ups of its order and the carriers: all units are ready to be sent."""
        event = self.event(*(units if named else ()), of=of)
        self.order(*map(unit, units))
        if any(want.kind == CallKind.CARRIERS for want in self.wants):
            self.carriers()
        return event

    def confirmed(self, *units: int, of: Iterable[str] = ("T1",)) -> ShipmentDispatched:
        """As ``ready``, then confirms every unit and clears the results."""
        event = self.ready(*units, of=of)
        for _ in units:
            self.taken()
        assert {r["status"] for r in self.results} == {"CONFIRMED"}
        self.results.clear()
        return event

    # -- outputs

    @property
    def kinds(self) -> list[str]:
        return sorted(want.kind for want in self.wants)

    @property
    def said(self) -> list[tuple[int | None, str, str | None]]:
        return [(r["order_unit_id"], r["status"], r["code"]) for r in self.results]

    @property
    def last(self) -> dict[str, Any]:
        return self.results[-1]


class PlainReading(ShipmentFlow):
    """The real flow, with events looked up by offset instead of decoded."""

    def __init__(self) -> None:
        super().__init__(
            policy=policy(),
            codecs=ShipmentCodecs(IDS, REGISTRY.get),
            topics=TOPICS,
            cluster_id=CLUSTER,
            stamp=Stamp(source="/shop", instance_id="shop-0", config_digest="0"),
            carriers=CarrierTables(policy()),
            commands=NoControls(),
        )
        self.events: dict[int, ShipmentDispatched] = {}

    def read(self, record: Record, now: Now) -> Arrived:
        event = replace(
            self.events[record.offset],
            occurred_at_us=record.time_us,
            offset=record.offset,
            partition=record.at.partition,
            record_time_us=record.time_us,
        )
        return Arrived(lane=event.key, event=event)
