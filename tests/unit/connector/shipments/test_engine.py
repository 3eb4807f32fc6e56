"""The shipment flow in the real engine: announced calls, reads after a crash, and what is never sent again."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import CarriersFound, OrderSummaryFound, Taken, UnitFound
from connector.shipments.events import ShipmentDispatched
from streams.flow import Call, Lost, Record, Reply, Settled
from streams.policy import Pace
from tests.harness.engine_driver import EngineDriver
from tests.harness.shipment_harness import CARRIERS, ORDER, TOPICS, PlainReading, ShipmentHarness, result_of, unit


class ShipmentDriver(EngineDriver):
    """An engine driver that answers like a marketplace with two units ready to be sent; counts the executed calls."""

    def __init__(self, **said: Any) -> None:
        super().__init__(flow=PlainReading(), paces={"main": Pace()}, **said)
        self.sent: dict[int, str] = {}
        self.parcels: list[tuple[int, str]] = []

    def carry_out(self, call: Call) -> Reply:
        body = call.items[0].body
        match call.kind:
            case CallKind.ORDER:
                units = tuple(unit(each, "sent" if each in self.sent else "need_to_be_sent") for each in (1, 2))
                found: Any = OrderSummaryFound(order_id=ORDER, units=units)
            case CallKind.CARRIERS:
                found = CarriersFound(codes=CARRIERS)
            case CallKind.ORDER_UNIT:
                status = "sent" if body.order_unit_id in self.sent else "need_to_be_sent"
                found = UnitFound(unit=unit(body.order_unit_id, status))
            case CallKind.SEND:
                assert body.order_unit_id not in self.sent
                self.sent[body.order_unit_id] = ",".join(body.tracking_numbers)
                found = Taken(http_status=204)
            case _:
                self.parcels.append((body.order_unit_id, body.tracking_number))
                found = Taken(http_status=204)
        return Settled(answer=found)

    def dispatch(self, at: Any, event: ShipmentDispatched) -> None:
        offset = self.next_offset
        self.next_offset += 1
        self.flows[TOPICS.shipments].events[offset] = event  # type: ignore[attr-defined]
        self.arrive(Record(at=at, offset=offset, key=ORDER.encode(), value=b"", time_us=self.now.wall_us))

    def work(self, seconds: float, *, until: Callable[[Call], bool] = lambda _: False) -> Call | None:
        """Executes and answers calls; stops at the first for which ``until`` is true, and leaves it in flight."""
        end_s = self.now.mono_s + seconds
        while self.now.mono_s < end_s:
            while self.calls:
                if until(self.calls[0]):
                    return self.calls[0]
                self.answer(self.calls[0], self.carry_out(self.calls[0]))
            self.step(0.05)
        return None

    @property
    def rows(self) -> list[tuple[int | None, str]]:
        return [(row["order_unit_id"], row["status"]) for row in self._results()]

    def _results(self) -> Iterator[dict[str, Any]]:
        for checkpoint in self.written:
            for outputs in checkpoint.outputs.values():
                yield from (result_of(output) for output in outputs if output.topic == TOPICS.shipment_results)


def assigned(driver: ShipmentDriver, **said: Any) -> Any:
    return driver.opened(topic=TOPICS.shipments, **said)


def successor(driver: ShipmentDriver, at: Any) -> tuple[ShipmentDriver, Any]:
    """Returns a new process after a kill. It has the durable state and the offset metadata, nothing else."""
    heir = ShipmentDriver(instance="two")
    heir.flows[TOPICS.shipments].events |= driver.flows[TOPICS.shipments].events  # type: ignore[attr-defined]
    heir.sent, heir.parcels, heir.now = driver.sent, driver.parcels, driver.now
    again = heir.assign(topic=TOPICS.shipments, mark=driver.marks[at], state=dict(driver.state))
    heir.run(driver.policy.lease_s + driver.policy.call_deadline_s + driver.policy.grace_s + 1, answer=None)
    return heir, again


def test_an_order_is_confirmed_unit_by_unit() -> None:
    driver = ShipmentDriver()
    at = assigned(driver)

    driver.dispatch(at, ShipmentHarness().make(1, 2, of=("T1", "GLS:T2")))
    driver.work(3)

    assert driver.sent == {1: "T1", 2: "T1"}
    assert sorted(driver.parcels) == [(1, "T2"), (2, "T2")]
    assert sorted(driver.rows) == [(1, "CONFIRMED"), (2, "CONFIRMED")]
    assert driver.stops == []


@pytest.mark.parametrize("kind", [CallKind.SEND, CallKind.PARCEL])
def test_a_write_is_sent_only_after_its_record_is_durable(kind: CallKind) -> None:
    driver = ShipmentDriver()
    at = assigned(driver)

    driver.dispatch(at, ShipmentHarness().make(1, of=("T1", "GLS:T2")))
    call = driver.work(3, until=lambda call: call.kind == kind)

    assert call is not None
    assert len(driver.state[ORDER].announced) == 1


@pytest.mark.parametrize("happened", [True, False])
def test_a_send_in_flight_when_the_process_is_killed_is_read_back(happened: bool) -> None:
    driver = ShipmentDriver()
    at = assigned(driver)
    driver.dispatch(at, ShipmentHarness().make(1, of=("T1", "GLS:T2")))
    call = driver.work(3, until=lambda call: call.kind == CallKind.SEND)
    assert call is not None
    if happened:
        driver.carry_out(call)

    heir, _ = successor(driver, at)
    heir.work(3)

    assert heir.sent == {1: "T1"}
    assert heir.parcels == [(1, "T2")]
    assert heir.rows == [(1, "CONFIRMED_TRACKING_UNVERIFIED" if happened else "CONFIRMED")]


@pytest.mark.parametrize("happened", [True, False])
def test_a_parcel_in_flight_when_the_process_is_killed_is_never_posted_again(happened: bool) -> None:
    driver = ShipmentDriver()
    at = assigned(driver)
    driver.dispatch(at, ShipmentHarness().make(1, of=("T1", "GLS:T2")))
    call = driver.work(3, until=lambda call: call.kind == CallKind.PARCEL)
    assert call is not None
    if happened:
        driver.carry_out(call)

    heir, _ = successor(driver, at)
    heir.work(3)

    assert heir.parcels == ([(1, "T2")] if happened else [])
    assert heir.rows == [(1, "OUTCOME_UNKNOWN")]


def test_a_lost_send_is_read_back_after_its_grace() -> None:
    driver = ShipmentDriver()
    at = assigned(driver)
    driver.dispatch(at, ShipmentHarness().make(1))
    call = driver.work(3, until=lambda call: call.kind == CallKind.SEND)
    assert call is not None

    lost_at_s = driver.now.mono_s
    driver.answer(call, Lost(reason="no answer"))
    reading = driver.work(20, until=lambda call: call.kind == CallKind.ORDER_UNIT)

    assert reading is not None
    assert driver.now.mono_s - lost_at_s >= driver.policy.grace_s
    driver.work(3)
    assert driver.rows == [(1, "CONFIRMED")]
