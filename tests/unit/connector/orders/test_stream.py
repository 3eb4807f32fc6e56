"""The order flow in the real engine: with threads and an in-memory broker, and step by step in virtual time."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from connector.orders.events import Command, SchedulerCommand
from connector.orders.flow import OrderFlow
from devstack.memory import MemoryBroker, MemorySink, MemorySource
from devstack.waiting import until
from streams.clock import SystemClock
from streams.dead_letter import DeadLetters
from streams.engine.engine import Engine
from streams.engine.snapshot import Snapshot
from streams.flow import Answer, Call, NotSent, Now, Output, Settled
from streams.messages import Input, Notice
from streams.policy import Pace, Policy, Share
from streams.runner import Runner, RunnerSettings
from tests.harness.engine_driver import EngineDriver
from tests.harness.order_harness import DECODERS, START_US, TOPICS, ScriptedOrders, codecs, flow_of

PATIENCE_S = 120.0


class ErrorPrinter:
    def on_input(self, message: Input, now: Now) -> None: ...

    def on_effect(self, effect: object, now: Now) -> None:
        if isinstance(effect, Notice) and effect.level == "error":
            print(effect)

    def on_snapshot(self, snapshot: Snapshot) -> None: ...


@dataclass
class MarketplaceCaller:
    """The caller of one process; it notes which process polls."""

    name: str
    market: ScriptedOrders
    lock: threading.Lock
    polled_by: list[str]
    clock: SystemClock = field(default_factory=SystemClock)

    def call(self, call: Call) -> Answer:
        sent = self.clock.now()
        if sent.mono_s >= call.send_by_s:
            return Answer(call=call, replies=tuple(NotSent() for _ in call.items))
        with self.lock:
            if call.kind == "order-page":
                self.polled_by.append(self.name)
            replies = tuple(Settled(answer=self.market.answer(item.body)) for item in call.items)
        answered = self.clock.now()
        return Answer(
            call=call,
            replies=replies,
            sent_s=sent.mono_s,
            answered_s=answered.mono_s,
            sent_us=sent.wall_us,
            answered_us=answered.wall_us,
        )


@dataclass
class PollingGroup:
    """An in-memory broker, a marketplace, and the processes of a consumer group."""

    broker: MemoryBroker = field(default_factory=MemoryBroker)
    market: ScriptedOrders = field(default_factory=lambda: ScriptedOrders(now_us=time.time_ns() // 1000))
    lock: threading.Lock = field(default_factory=threading.Lock)
    polled_by: list[str] = field(default_factory=list)
    running: dict[str, tuple[Runner, threading.Thread, OrderFlow]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.broker.create_topic(TOPICS.scheduler, 1)
        self.broker.create_topic(TOPICS.scheduler_state, 1)
        for topic in (TOPICS.orders, TOPICS.order_changes, TOPICS.scheduler_dlq):
            self.broker.create_topic(topic, 3)

    def start(self, name: str) -> OrderFlow:
        flow = flow_of(interval_s=5)
        engine = Engine(
            flows={flow.topic: flow},
            shares={flow.topic: Share(weight=1.0, partitions=1)},
            accounts={"main": Pace(per_second=500.0)},
            policy=Policy(session_s=6.0, lease_s=2.0, call_deadline_s=1.0, grace_s=0.2, drained_wait_s=0.1),
            instance=name,
            boot_us=time.time_ns() // 1000,
            dead_letters=DeadLetters(topics={flow.topic: TOPICS.scheduler_dlq}, instance=name),
        )
        runner = Runner(
            engine=engine,
            source=MemorySource(self.broker, group="g", topics={flow.topic: flow.state_topic}, start="earliest"),
            sink=MemorySink(self.broker, instance_id=name),
            caller_factory=lambda: MarketplaceCaller(name, self.market, self.lock, self.polled_by),
            fetch=lambda _need: None,
            clock=SystemClock(),
            observer=ErrorPrinter(),
            settings=RunnerSettings(max_workers=8, drain_s=5.0),
        )
        thread = threading.Thread(target=runner.run)
        self.running[name] = (runner, thread, flow)
        thread.start()
        return flow

    def stop(self, name: str) -> None:
        runner, thread, _ = self.running.pop(name)
        runner.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()

    def poll_now(self) -> None:
        command = SchedulerCommand(
            command=Command.POLL_NOW,
            asked_at_us=time.time_ns() // 1000,
            key="main",
            input_topic=TOPICS.scheduler,
            partition=0,
            offset=0,
        )
        self.broker.append(
            [
                Output(
                    topic=TOPICS.scheduler,
                    key=codecs().command_key("main"),
                    value=codecs().encode_command(command),
                )
            ]
        )

    def statuses(self) -> dict[str, list[str]]:
        """Returns the statuses of each order in the order topic, oldest first."""
        found: dict[str, list[str]] = {}
        for partition in range(3):
            for kept in self.broker.records(TOPICS.orders, partition):
                order: Any = DECODERS[TOPICS.orders].decode(kept.value or b"")
                found.setdefault(order["order_id"], []).append(order["status"])
        return found

    def change(self, status: str) -> None:
        with self.lock:
            self.market.now_us = max(self.market.now_us + 2_000_000, time.time_ns() // 1000)
            for number in list(self.market.units):
                self.market.change(number, status)

    def wait_for(self, statuses: list[str], orders: int) -> None:
        def so() -> bool:
            return len(self.statuses()) == orders and all(s == statuses for s in self.statuses().values())

        until(f"{orders} orders of {statuses}", so, progress=self.statuses, still_s=PATIENCE_S, every_s=0.01)


@pytest.fixture
def group() -> Iterator[PollingGroup]:
    group = PollingGroup()
    yield group
    for name in list(group.running):
        group.stop(name)


def test_another_process_takes_over_the_orders_without_a_repeat(group: PollingGroup) -> None:
    for number in range(120):
        group.market.create(f"M{number}", units=1 + number % 2)
    first = group.start("first")
    group.wait_for(["OPEN"], 120)
    group.start("second")
    group.change("need_to_be_sent")
    group.poll_now()
    group.wait_for(["OPEN", "NEED_TO_BE_SENT"], 120)
    assert set(group.polled_by) == {"first"}
    assert first.polls()["main"].cursor_us is not None

    group.stop("first")
    taken_over_at = len(group.polled_by)
    group.change("sent")
    group.poll_now()
    group.wait_for(["OPEN", "NEED_TO_BE_SENT", "SENT"], 120)

    assert set(group.polled_by[taken_over_at:]) == {"second"}


def test_polls_follow_by_the_clock_alone_and_what_is_open_is_stored_as_open() -> None:
    market = ScriptedOrders(now_us=START_US)
    market.create("M1", units=2, status="need_to_be_sent")
    flow = flow_of(interval_s=60)
    driver = EngineDriver(flow=flow)
    at = driver.opened(topic=flow.topic)

    def pass_s(seconds: float) -> int:
        until_s, calls = driver.now.mono_s + seconds, 0
        while driver.now.mono_s < until_s:
            while driver.calls:
                calls += driver.calls[0].kind == "order-page"
                driver.answer(driver.calls[0], Settled(answer=market.answer(driver.calls[0].items[0].body)))
            driver.step(min(max(driver.engine.wake_at_s() - driver.now.mono_s, 0.001), 5.0))
        return calls

    polls = pass_s(600)

    assert 9 <= polls <= 11
    assert len(driver.topics[TOPICS.orders]) == 1
    assert driver.state["main/M1"].open_since_us == START_US
    market.now_us += 60_000_000
    market.change(1, "sent")
    market.change(2, "cancelled")
    pass_s(120)
    assert len(driver.topics[TOPICS.orders]) == 2
    assert driver.state["main/M1"].open_since_us is None
    driver.revoke(at)
    driver.run(6, answer=None)
    assert at in driver.died
