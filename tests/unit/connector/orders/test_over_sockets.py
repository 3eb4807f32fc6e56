"""The order flow against the simulator over HTTP, through the adapter that is used in production."""

import time
from dataclasses import dataclass
from typing import Any

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import OrderBody, ReadOrder, ReadOrderPage, ReadReturn, ReadReturnPage
from simulator.orders.buyers import CANARY
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from tests.contracts.test_marketplace_orders import SMALL, Stall
from tests.harness.order_harness import TOPICS, OrderHarness, ScriptedOrders, flow_of
from tests.unit.simulator.openapi import inspect

KINDS = {
    ReadOrder: CallKind.ORDER,
    ReadOrderPage: CallKind.ORDER_PAGE,
    ReadReturnPage: CallKind.RETURN_PAGE,
    ReadReturn: CallKind.RETURN,
}


@dataclass(slots=True)
class SocketMarketplace(ScriptedOrders):
    """A marketplace behind the production adapter; it has its own clock."""

    stall: Stall | None = None

    def answer(self, body: OrderBody) -> Any:
        assert self.stall is not None
        return self.stall.answer(KINDS[type(body)], body)


def desk_at(stall: Stall, **switches: Any) -> OrderHarness:
    return OrderHarness(flow=flow_of(**switches), market=SocketMarketplace(stall=stall), now_us=time.time_ns() // 1000)


def scenario(**orders: Any) -> Scenario:
    return Scenario.model_validate({**SMALL, "orders": {"at_start": 70, "units_max": 3, **orders}})


def statuses(rows: list[dict[str, Any]]) -> dict[str, dict[int, str]]:
    """Returns the last written statuses of each order, by order unit."""
    return {row["order_id"]: {one["order_unit_id"]: one["status_raw"] for one in row["units"]} for row in rows}


def truth(stall: Stall) -> dict[str, dict[int, str]]:
    return {
        order_id: {one["id_order_unit"]: one["status"] for one in order["order_units"]}
        for order_id, order in stall.truth().items()
        if order["fulfillment_type"] == "fulfilled_by_merchant"
    }


def test_every_order_of_the_simulator_comes_in_and_every_change_of_it() -> None:
    with Simulator(scenario(), inspector=inspect) as simulator:
        stall = Stall(simulator)
        harness = desk_at(stall).open()
        changed = list(stall.truth())[::7]

        def change() -> None:
            if changed and harness.now_us % 3 == 0:
                stall.change(f"orders/{changed.pop()}/cancel")
            harness.now_us += 1

        harness.answer_all(between=change)
        for order_id in changed:
            stall.change(f"orders/{order_id}/cancel")
        stall.change("orders", count=3, pieces=2)
        harness.ask()
        harness.answer_all()
        stall.adapter.close()

        assert statuses(harness.orders) == truth(stall)
        assert 40 < len(truth(stall)) < len(stall.truth()) == 73  # the marketplace fulfils the others itself
        assert harness.letters == []


def test_an_invalid_order_is_quarantined_and_read_once_it_is_valid() -> None:
    broken = [{"order": 4, "defect": "no_status"}]
    with Simulator(scenario(at_start=12, undocumented=True, malformed=broken)) as simulator:
        stall = Stall(simulator, contacts=True)
        harness = desk_at(stall, contacts=True).open()
        harness.answer_all()
        missing = truth(stall).keys() - statuses(harness.orders).keys()

        assert len(missing) == 1
        assert {letter["key"] for letter in harness.letters} == missing
        assert CANARY not in str(harness.letters)
        assert harness.poll_state().orders.cursor_us is not None
        for order_id in missing:
            for unit_id in truth(stall)[order_id]:
                stall.change(f"order-units/{unit_id}", defect=None)
        harness.pass_s(3_601)
        stall.adapter.close()

        assert statuses(harness.orders) == truth(stall)
        assert CANARY in str(harness.said(TOPICS.order_contacts))
        assert CANARY not in str(harness.orders)
