"""Drives the order flow against a marketplace whose orders change; lanes are stored as Avro after every turn.

A crash loses everything that was not checkpointed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import schemas
from connector.contracts.codec import SchemaIds
from connector.contracts.headers import Stamp
from connector.contracts.topics import ALL_FEATURES, named
from connector.marketplace.offers import Currency, Gone
from connector.marketplace.orders import (
    Contact,
    OrderFound,
    OrderPage,
    OrderUnit,
    PageRow,
    ReadOrder,
    ReadOrderPage,
    ReadReturn,
    ReadReturnPage,
    Return,
    ReturnFound,
    ReturnPage,
    ReturnUnit,
    UnitStatus,
    UnreadableRow,
)
from connector.orders.codec import OrderCodecs
from connector.orders.events import Command, OrderLaneState, PollState, SchedulerCommand
from connector.orders.flow import OrderFlow
from connector.orders.policy import OrderPolicy
from connector.reconciliation.sweep_lane import SweepTerms
from streams.avro.codec import Decoder
from streams.flow import (
    Answered,
    Arrived,
    Cause,
    GaveUp,
    Lost,
    Now,
    Output,
    Restored,
    Settled,
    Stored,
    Told,
    Turn,
    Want,
    Woken,
)

SECOND = 1_000_000
DAY = 24 * 3600 * SECOND
START_US = 1_790_000_000 * SECOND
TOPICS = named("shop", ALL_FEATURES)
EUR = Currency(code="EUR", exponent=2, ceiling=100_000_000)
CZK = Currency(code="CZK", exponent=2, ceiling=2_500_000_000)

RECORDS = (
    "order_observed",
    "order_contact",
    "return_observed",
    "sales_order_requested",
    "scheduler_state",
    "scheduler_command",
)
IDS = SchemaIds(values={name: number for number, name in enumerate(RECORDS, start=1)})
BY_TOPIC = {
    TOPICS.orders: "order_observed",
    TOPICS.order_changes: "order_observed",
    TOPICS.order_contacts: "order_contact",
    TOPICS.returns: "return_observed",
    TOPICS.sales_orders: "sales_order_requested",
}
TEXTS = {IDS.values[name]: schemas.text(name, schemas.newest(name)) for name in RECORDS}
DECODERS = {topic: Decoder(schemas.load(name, schemas.newest(name)), TEXTS.get) for topic, name in BY_TOPIC.items()}


@cache
def codecs() -> OrderCodecs:
    return OrderCodecs(IDS, TEXTS.get)


def flow_of(policy: OrderPolicy | None = None, sweeps: SweepTerms | None = None, **switches: Any) -> OrderFlow:
    return OrderFlow(
        policy=policy or OrderPolicy(accounts=frozenset({"main"}), **switches),
        currencies={"EUR": EUR, "CZK": CZK},
        codecs=codecs(),
        topics=TOPICS,
        stamp=Stamp(source="/shop", instance_id="shop-0", config_digest="0"),
        sweeps=sweeps,
    )


def unit(number: int = 1, order_id: str = "M1", status: str = "open", at_us: int = START_US, **other: Any) -> OrderUnit:
    known = UnitStatus(status.upper()) if status.upper() in UnitStatus.__members__ else UnitStatus.UNKNOWN
    given: dict[str, Any] = {
        "order_unit_id": number,
        "order_id": order_id,
        "storefront": "de",
        "status": known,
        "status_raw": status,
        "created_us": at_us,
        "changed_us": at_us,
        "price": 1999,
        "revenue_gross": 1799,
        "revenue_net": 1512,
        "shipping_rate": 0,
        "vat": "19.00",
        "currency": "EUR",
        "ean": "4006381333931",
    }
    return OrderUnit(**{**given, **other})


def found(*units: OrderUnit, contact: Contact | None = None, **other: Any) -> OrderFound:
    given: dict[str, Any] = {
        "order_id": units[0].order_id if units else "M1",
        "storefront": "de",
        "created_us": min((u.created_us for u in units), default=START_US),
        "fulfillment_type": "fulfilled_by_merchant",
        "units": units,
        "contact": contact,
    }
    return OrderFound(**{**given, **other})


def row_of(one: OrderUnit) -> PageRow:
    return PageRow(
        order_id=one.order_id,
        order_unit_id=one.order_unit_id,
        status_raw=one.status_raw,
        changed_us=one.changed_us,
        created_us=one.created_us,
        offer_id=one.offer_id,
        eco_fee=one.eco_fee,
        packaging_fee=one.packaging_fee,
    )


@dataclass(slots=True)
class ScriptedOrders:
    """The marketplace's orders and clock. Times are in whole seconds, as the API shows them."""

    page_size: int = 100
    now_us: int = START_US
    units: dict[int, OrderUnit] = field(default_factory=dict)
    returns: list[Return] = field(default_factory=list)
    return_units: tuple[ReturnUnit, ...] = ()  # of each return
    unreadable_rows: dict[int, UnreadableRow] = field(default_factory=dict)  # by order unit
    unreadable_orders: dict[str, UnreadableRow] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    contact: Contact | None = None
    reads: list[str] = field(default_factory=list)

    @property
    def second_us(self) -> int:
        return self.now_us // SECOND * SECOND

    def create(self, order_id: str, units: int = 1, status: str = "open", **other: Any) -> list[int]:
        """Creates an order; returns the ids of its order units."""
        numbers = [len(self.units) + n for n in range(1, units + 1)]
        for number in numbers:
            self.units[number] = unit(number, order_id, status, self.second_us, **other)
        return numbers

    def change(self, number: int, status: str) -> None:
        known = UnitStatus(status.upper()) if status.upper() in UnitStatus.__members__ else UnitStatus.UNKNOWN
        self.units[number] = replace(self.units[number], status=known, status_raw=status, changed_us=self.second_us)

    def order(self, order_id: str) -> list[OrderUnit]:
        return [one for one in self.units.values() if one.order_id == order_id]

    def answer(self, body: Any) -> Any:
        """Returns the marketplace's answer to the body of a call."""
        match body:
            case ReadOrderPage():
                return self._page(body)
            case ReadReturnPage():
                return ReturnPage(returns=tuple(self.returns), unreadable=(), is_last=True)
            case ReadReturn(return_id=return_id):
                (one,) = (one for one in self.returns if one.return_id == return_id)
                return ReturnFound(returned=one, units=self.return_units)
            case ReadOrder(order_id=order_id):
                self.reads.append(order_id)
                if order_id in self.gone:
                    return Gone(http_status=404)
                if order_id in self.unreadable_orders:
                    return replace(found(*self.order(order_id)), units=(), unreadable=self.unreadable_orders[order_id])
                return found(*self.order(order_id), contact=self.contact)
            case _:
                raise AssertionError(body)

    def _page(self, body: ReadOrderPage) -> OrderPage:
        """Returns a page, the newest change first; the order within a second is not specified."""
        listed = [one for one in self.units.values() if one.changed_us >= body.changed_from_us]
        listed.sort(key=lambda one: -one.changed_us)
        shown = listed[body.offset : body.offset + self.page_size]
        rows = tuple(row_of(one) for one in shown if one.order_unit_id not in self.unreadable_rows)
        strange = [
            self.unreadable_rows[one.order_unit_id] for one in shown if one.order_unit_id in self.unreadable_rows
        ]
        is_last = body.offset + self.page_size >= len(listed)
        return OrderPage(rows=rows, unreadable=tuple(strange), is_last=is_last)


@dataclass(slots=True)
class OrderHarness:
    """All lanes of a partition. ``checkpoint`` makes outputs durable; ``crash`` restores the last checkpoint."""

    flow: OrderFlow = field(default_factory=flow_of)
    market: ScriptedOrders = field(default_factory=ScriptedOrders)
    now_us: int = START_US + 3_600 * SECOND  # the connector's clock, one hour ahead of the marketplace's
    stored: dict[str, Stored] = field(default_factory=dict)
    wants: dict[str, tuple[Want, ...]] = field(default_factory=dict)
    wakes: dict[str, int] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    durable_states: dict[str, Stored] = field(default_factory=dict)
    durable_outputs: list[Output] = field(default_factory=list)
    offset: int = 0

    # -- causes

    def open(self) -> "OrderHarness":
        for key in self.flow.standing(0):
            self.hear(key, Woken())
        return self

    def hear(self, key: str, cause: Cause) -> None:
        """Runs a turn of a lane and records its outputs, state, wants and timer."""
        told: list[tuple[str, Cause]] = [(key, cause)]
        for lane_key, lane_cause in told:
            turn = self._turn(lane_key, lane_cause)
            told.extend((tell.lane, tell) for tell in turn.tells)

    def _turn(self, key: str, cause: Cause) -> Turn[Any]:
        before = self.stored.get(key)
        lane = self.flow.load(key, before.value if before is not None else None)
        turn = self.flow.turn(lane, cause, Now(mono_s=self.now_us / 1e6, wall_us=self.now_us))
        after = self.flow.store(turn.lane)
        if after.value is None:
            assert not after.undone
            assert not turn.wants
            assert turn.wake_at_us is None
            self.stored.pop(key, None)
        else:
            self.stored[key] = after
        self.wants[key] = turn.wants
        self.wakes.pop(key, None)
        if turn.wake_at_us is not None:
            self.wakes[key] = turn.wake_at_us
        assert not after.undone or turn.wants or turn.wake_at_us is not None, f"nothing will ever wake {key}"
        self.outputs.extend(turn.outputs)
        return turn

    def ask(self, changed_from_us: int | None = None, account: str = "main", offset: int | None = None) -> None:
        """Delivers a poll command of the scheduler topic."""
        if offset is None:
            offset = self.offset
            self.offset += 1
        command = SchedulerCommand(
            command=Command.POLL_NOW,
            changed_from_us=changed_from_us,
            asked_at_us=self.now_us,
            key=account,
            input_topic=TOPICS.scheduler,
            partition=0,
            offset=offset,
        )
        self.hear(account, Arrived(lane=account, event=command))

    def tell(self, order_id: str, message: Any) -> None:
        self.hear(f"main/{order_id}", Told(lane=f"main/{order_id}", message=message))

    def pass_s(self, seconds: float, *, answering: bool = True) -> None:
        """Advances the time here and at the marketplace, wakes lanes when due, and answers what they want."""
        until_us = self.now_us + int(seconds * SECOND)
        while self.wakes and min(self.wakes.values()) <= until_us:
            key = min(self.wakes, key=self.wakes.__getitem__)
            self._advance(max(0, self.wakes.pop(key) - self.now_us))
            self.hear(key, Woken())
            if answering:
                self.answer_all()
        self._advance(until_us - self.now_us)

    def _advance(self, by_us: int) -> None:
        self.now_us += by_us
        self.market.now_us += by_us

    # -- answers

    def want(self, key: str = "main", slot: str | None = None) -> Want:
        wants = [want for want in self.wants.get(key, ()) if slot is None or want.slot == slot]
        assert wants, f"{key} wants nothing, but {self.wanting()} do"
        return wants[0]

    def wanting(self) -> list[str]:
        return [key for key, wants in self.wants.items() if wants]

    def reply(self, reply: Settled | Lost | GaveUp, key: str = "main", slot: str | None = None) -> None:
        want = self.want(key, slot)
        answered = Answered(
            want=want, reply=reply, call_id="c", attempts=1, sent_us=self.now_us, answered_us=self.now_us
        )
        self.hear(key, answered)

    def answer(self, key: str = "main", slot: str | None = None) -> None:
        """Answers the want with the marketplace's current state."""
        self.reply(Settled(answer=self.market.answer(self.want(key, slot).body)), key, slot)

    def answer_all(self, between: Callable[[], None] = lambda: None) -> None:
        """Answers until nothing is wanted. ``between`` is called before each answer."""
        for _ in range(20_000):
            wanting = self.wanting()
            if not wanting:
                return
            between()
            self.answer(wanting[0])
        raise AssertionError("there is no end to what is wanted")

    # -- durability

    def checkpoint(self) -> None:
        self.durable_states = dict(self.stored)
        self.durable_outputs.extend(self.outputs)
        self.outputs.clear()

    def crash(self) -> None:
        """Starts a new owner from the last checkpoint: restores lanes with pending work, and opens the gate."""
        self.stored = dict(self.durable_states)
        self.outputs.clear()
        self.wants.clear()
        self.wakes.clear()
        for key, stored in list(self.stored.items()):
            if stored.undone:
                self.hear(key, Restored())
            else:
                self.hear(key, Woken())  # engines store timers; here a turn sets it again
        self.open()

    # -- outputs

    def said(self, topic: str) -> list[dict[str, Any]]:
        outputs = (*self.durable_outputs, *self.outputs)
        values: list[Any] = [DECODERS[topic].decode(o.value or b"") for o in outputs if o.topic == topic]
        return values

    @property
    def orders(self) -> list[dict[str, Any]]:
        return self.said(TOPICS.orders)

    @property
    def letters(self) -> list[dict[str, str]]:
        """Returns the dead letters' keys and headers as text."""
        outputs = [o for o in (*self.durable_outputs, *self.outputs) if o.topic == TOPICS.scheduler_dlq]
        assert all(output.value is None for output in outputs)
        return [{name: value.decode() for name, value in o.headers} | {"key": (o.key or b"").decode()} for o in outputs]

    def poll_state(self, account: str = "main") -> PollState:
        state = self.flow.load(account, self.stored[account].value).state.poll
        assert state is not None
        return state

    def order_state(self, order_id: str = "M1") -> OrderLaneState:
        state = self.flow.load("main/" + order_id, self.stored["main/" + order_id].value).state.order
        assert state is not None
        return state
