"""The life cycle of an order unit: any sequence of operations results only in permitted transitions."""

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from simulator.journal import Deed
from simulator.orders.orders import SENT_ALREADY, SimulatedParcel, SimulatedUnitStatus
from simulator.orders.rules import FurtherParcel
from tests.harness.effort import examples
from tests.unit.simulator.order_bench import OrderBench, body

WAYS = {
    None: {"open"},
    "open": {"need_to_be_sent", "cancelled"},
    "need_to_be_sent": {"sent", "cancelled"},
    "sent": {"received", "sent_and_autopaid", "returned"},
    "received": {"returned"},
    "sent_and_autopaid": {"returned"},
    "returned": {"returned_paid"},
}
"""The model: the transitions as the marketplace is described; a return may arrive before the receipt is known."""


class OrderUnitLife(RuleBasedStateMachine):
    units = Bundle("units")

    def __init__(self) -> None:
        super().__init__()
        self.bench = OrderBench(confirm_delay_s=1.0, delivery_s=2.0, autopaid=0.5, returned=0.5, change_within_s=1.0)
        self.sent: Counter[int] = Counter()
        self.parcels: Counter[int] = Counter()

    @rule(target=units, pieces=st.integers(1, 3))
    def order(self, pieces: int) -> Any:
        made = self.bench.act(self.bench.trade.make, pieces=pieces)
        return made.units[0]

    @rule(wait_s=st.sampled_from([0.0, 0.5, 1.0, 5.0]))
    def wait(self, wait_s: float) -> None:
        self.bench.wait(wait_s)

    @rule(unit=units)
    def send(self, unit: Any) -> None:
        before = unit.status
        answer = self.bench.send(unit.id)
        assert (answer.status == 204) == (before == SimulatedUnitStatus.NEED_TO_BE_SENT)
        if answer.status == 204:
            self.sent[unit.id] += 1
        elif before in SENT_ALREADY:
            assert (answer.problem, body(answer)["message"]) == (
                "/problems/duplicate-action",
                "Order unit is already sent",
            )
        else:
            assert answer.problem == "/problems/action-not-allowed"

    @rule(unit=units, number=st.sampled_from(["T2", "T3"]))
    def add_parcel(self, unit: Any, number: str) -> None:
        further = FurtherParcel(
            id_order_unit=unit.id, parcel=SimulatedParcel(carrier_code="GLS", tracking_numbers=(number,))
        )
        answer = self.bench.act(self.bench.endpoints.add_parcel, "demo", further, "{}", call_id=2)
        assert (answer.status == 204) == (unit.status in SENT_ALREADY)
        self.parcels[unit.id] += answer.status == 204

    @rule(unit=units)
    def cancel(self, unit: Any) -> None:
        before = unit.status
        done = self.bench.act(self.bench.trade.cancel, unit)
        assert done == (before in ("open", "need_to_be_sent"))
        assert unit.cancel_reason == ("BuyerCancelled" if unit.status == "cancelled" else None)

    @rule(unit=units)
    def advance(self, unit: Any) -> None:
        has_ended = unit.status in ("cancelled", "returned_paid")
        assert self.bench.act(self.bench.trade.advance, unit) == (not has_ended)

    @rule()
    def advance_returns(self) -> None:
        for one in self.bench.trade.returns:
            self.bench.act(self.bench.trade.advance_return, one)

    @invariant()
    def every_step_is_one_of_the_ways_and_in_the_journal(self) -> None:
        status: dict[int, str | None] = {}
        for row in self.bench.rows:
            assert row.old == status.get(row.id_order_unit)
            assert row.deed is Deed.PARCEL or row.new in WAYS[row.old]
            status[row.id_order_unit] = row.new
        assert status == {unit.id: unit.status for order in self.bench.book for unit in order.units}

    @invariant()
    def calls_are_counted_as_they_were_made(self) -> None:
        deeds = Counter((row.id_order_unit, row.deed) for row in self.bench.rows if row.call_id is not None)
        for order in self.bench.book:
            for unit in order.units:
                assert unit.sends == self.sent[unit.id] == deeds[unit.id, Deed.SEND] <= 1
                assert deeds[unit.id, Deed.PARCEL] == self.parcels[unit.id]
                assert len(unit.parcels) == self.sent[unit.id] + self.parcels[unit.id]

    @invariant()
    def the_last_update_is_the_moment_of_the_last_step(self) -> None:
        moments = {row.id_order_unit: row.wall_us for row in self.bench.rows if row.deed is not Deed.PARCEL}
        assert moments == {unit.id: unit.updated_us for order in self.bench.book for unit in order.units}


OrderUnitLife.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
TestOrderUnitLife = OrderUnitLife.TestCase
