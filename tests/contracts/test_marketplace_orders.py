"""The Kaufland adapter against the simulator, which is written independently, over real sockets: both interpret orders,
parcels and returns in the same way.

Every answer of the simulator is checked against the marketplace's OpenAPI document, except in tests of undocumented
answers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import orjson
import pytest

from connector.kaufland.account import KauflandAccount
from connector.kaufland.adapter import kaufland
from connector.kaufland.http.address import address
from connector.kaufland.http.credentials import Credentials
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Gone, LookUp, Refused
from connector.marketplace.orders import (
    AddParcel,
    CarriersFound,
    Discount,
    OrderBody,
    OrderFound,
    OrderPage,
    PageRow,
    ReadCarriers,
    ReadOrder,
    ReadOrderPage,
    ReadOrderSummary,
    ReadOrderUnit,
    ReadReturn,
    ReadReturnPage,
    ReturnFound,
    ReturnPage,
    SendUnit,
    Taken,
    UnitStatus,
)
from simulator.faults.mishaps import InjectedFault, LoseAnswer, Match
from simulator.orders.buyers import CANARY
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from streams.clock import SystemClock
from streams.flow import Call, Item, Lost, Reply, Retry, Settled
from tests.unit.simulator.openapi import inspect

SMALL: dict[str, Any] = {
    "catalogue": {"eans": 60, "storefronts": ("de", "cz"), "conditions": ("NEW", "USED___GOOD"), "by_marketplace": 0.3}
}


class Stall:
    """A simulator and the adapter that calls it."""

    def __init__(self, simulator: Simulator, *, contacts: bool = False) -> None:
        self.simulator = simulator
        seller = simulator.sellers["demo"]
        account = KauflandAccount(
            name="main",
            credentials=Credentials.of(seller.client_key, seller.secret_key),
            address=address(simulator.url, dev=True),
            contacts=contacts,
        )
        self.adapter = kaufland([account], clock=SystemClock())

    def reply(self, kind: str, body: OrderBody | LookUp) -> Reply:
        by_s = time.monotonic() + 60
        item = Item(body=body, attempt=1)
        call = Call(id="c", account="main", kind=kind, items=(item,), send_by_s=by_s, give_up_at_s=by_s)
        (reply,) = self.adapter.call(call).replies
        return reply

    def answer(self, kind: CallKind, body: OrderBody) -> Any:
        reply = self.reply(kind, body)
        assert isinstance(reply, Settled), reply
        return reply.answer

    def order(self, order_id: str) -> OrderFound:
        found = self.answer(CallKind.ORDER, ReadOrder(order_id=order_id))
        assert isinstance(found, OrderFound)
        return found

    def truth(self) -> dict[str, dict[str, Any]]:
        """Returns the simulator's own orders by id."""
        return {order["id_order"]: order for order in self.simulator.orders()}

    def unit(self, status: UnitStatus = UnitStatus.NEED_TO_BE_SENT) -> int:
        """Returns the id of an order unit with this status."""
        for order_id in self.truth():
            for unit in self.order(order_id).units:
                if unit.status is status:
                    return unit.order_unit_id
        raise AssertionError(f"the simulator has no order unit that is {status}")

    def change(self, path: str, **body: Any) -> None:
        answered = httpx.post(f"{self.simulator.control_url}{path}", json=body, trust_env=False)
        assert answered.status_code < 300, answered.text

    def pages(self, changed_from_us: int) -> list[PageRow]:
        rows: list[PageRow] = []
        for offset in range(0, 10_000, 100):
            page = self.answer(CallKind.ORDER_PAGE, ReadOrderPage(changed_from_us=changed_from_us, offset=offset))
            assert isinstance(page, OrderPage)
            assert page.unreadable == ()
            rows += page.rows
            if page.is_last:
                return rows
        raise AssertionError("the list has no end")


Open = Callable[..., Stall]


@pytest.fixture
def open_stall() -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(*, contacts: bool = False, documented: bool = True, orders: dict[str, Any] | None = None) -> Stall:
            plan = {"at_start": 12, "confirm_delay_s": 0.0, "units_min": 2, "units_max": 3, **(orders or {})}
            scenario = Scenario.model_validate({**SMALL, "orders": plan})
            simulator = Simulator(scenario, inspector=inspect if documented else None)
            stall = Stall(stack.enter_context(simulator), contacts=contacts)
            stack.callback(stall.adapter.close)
            return stall

        yield opened


@pytest.fixture
def stall(open_stall: Open) -> Stall:
    return open_stall()


# ---- offers ---------------------------------------------------------------------------------------------------------


def test_an_offer_that_the_marketplace_fulfils_is_found_and_known_as_such(stall: Stall) -> None:
    rows = map(orjson.loads, httpx.get(f"{stall.simulator.control_url}units", trust_env=False).content.splitlines())
    theirs = next(row for row in rows if row["fulfillment_type"] == "fulfilled_by_kaufland")
    condition = {"NEW": "NEW", "USED___GOOD": "USED_GOOD"}[theirs["condition"]]
    body = LookUp(storefront=theirs["storefront"], ean=theirs["eans"][0], conditions=frozenset({condition}))

    reply: Any = stall.reply(f"lookup:{theirs['storefront']}", body)
    while isinstance(reply, Retry):
        reply = stall.reply(f"lookup:{theirs['storefront']}", body)

    units = {unit.unit_id: unit for unit in reply.answer.units}
    assert units[theirs["id_unit"]].fulfilled_by_marketplace


# ---- orders ---------------------------------------------------------------------------------------------------------


def test_every_order_is_read_as_the_simulator_knows_it(stall: Stall) -> None:
    truth = stall.truth()

    for order_id, known in truth.items():
        found = stall.order(order_id)
        assert found.unreadable is None
        assert found.storefront == known["storefront"]
        assert {unit.order_unit_id: unit.status_raw for unit in found.units} == {
            unit["id_order_unit"]: unit["status"] for unit in known["order_units"]
        }
    assert len(truth) == 12


def test_shipping_sees_the_units_of_an_order_as_the_order_and_each_alone_show_them(stall: Stall) -> None:
    order_id = next(iter(stall.truth()))
    whole = stall.order(order_id).units

    found = stall.answer(CallKind.ORDER, ReadOrderSummary(order_id=order_id))
    alone = [stall.answer(CallKind.ORDER_UNIT, ReadOrderUnit(order_unit_id=unit.order_unit_id)).unit for unit in whole]

    assert found.unreadable is None
    assert list(found.units) == alone
    assert [(u.order_unit_id, u.status, u.offer_id, u.eans[0]) for u in alone] == [
        (unit.order_unit_id, unit.status, unit.offer_id, unit.ean) for unit in whole
    ]


def test_amounts_and_timestamps_of_a_unit_are_consistent(stall: Stall) -> None:
    unit = stall.order(next(iter(stall.truth()))).units[0]

    assert unit.vat is not None
    assert unit.price > unit.revenue_gross - unit.shipping_rate > 0
    assert unit.created_us <= unit.changed_us
    assert unit.condition in ("NEW", "USED_GOOD")
    assert (unit.delivery_time_min_days or 0) <= (unit.delivery_time_max_days or 0)
    assert unit.is_marketplace_deemed_supplier is False


def test_a_voucher_is_shown_beside_the_price(open_stall: Open) -> None:
    stall = open_stall(orders={"discounted": 1.0})

    unit = stall.order(next(iter(stall.truth()))).units[0]

    assert unit.discounts == (Discount(usage_type="voucher", amount=unit.price // 10),)


def test_the_list_shows_every_unit_that_the_merchant_fulfils_on_every_storefront_over_its_pages(
    open_stall: Open,
) -> None:
    stall = open_stall(orders={"at_start": 90})

    rows = stall.pages(0)

    everything = {
        (order_id, unit["id_order_unit"], unit["status"])
        for order_id, order in stall.truth().items()
        for unit in order["order_units"]
        if order["fulfillment_type"] == "fulfilled_by_merchant"
    }
    orders = [stall.order(order_id) for order_id in stall.truth()]
    assert {(row.order_id, row.order_unit_id, row.status_raw) for row in rows} == everything
    assert len(rows) == len(everything) > 100
    assert [row.changed_us for row in rows] == sorted((row.changed_us for row in rows), reverse=True)
    assert {order.storefront for order in orders} == {"de", "cz"}
    assert {order.fulfillment_type for order in orders} == {"fulfilled_by_merchant", "fulfilled_by_kaufland"}


def test_a_change_in_the_second_of_the_filter_is_listed(stall: Stall) -> None:
    newest = stall.pages(0)[0]

    shown = stall.pages(newest.changed_us)

    assert newest in shown
    assert stall.pages(newest.changed_us + 1_000_001) == []


def test_a_missing_order_and_a_missing_order_unit_are_gone(stall: Stall) -> None:
    assert isinstance(stall.answer(CallKind.ORDER, ReadOrder(order_id="NOSUCH1")), Gone)
    assert isinstance(stall.answer(CallKind.ORDER_UNIT, ReadOrderUnit(order_unit_id=1)), Gone)


def test_a_buyer_is_passed_on_only_for_accounts_with_contacts_enabled(open_stall: Open) -> None:
    told, kept = (stall.order(next(iter(stall.truth()))) for stall in (open_stall(contacts=True), open_stall()))

    assert kept.contact is None
    assert told.contact is not None
    assert told.contact.buyer["email"].startswith(CANARY)
    assert told.contact.billing["street"].startswith(CANARY)
    assert told.contact.shipping["street"].startswith(CANARY)
    assert CANARY not in repr(told)


def malformed(open_stall: Open, defect: str) -> tuple[Stall, str]:
    """Returns a simulator and the id of an order whose first unit has this defect."""
    rows = [{"order": 3, "defect": defect}]
    stall = open_stall(contacts=True, documented=False, orders={"undocumented": True, "malformed": rows})
    return stall, list(stall.truth())[3]


@pytest.mark.parametrize("defect", ["no_id", "price_text", "price_float", "no_status"])
def test_a_malformed_unit_quarantines_its_order_and_affects_no_other_row(open_stall: Open, defect: str) -> None:
    stall, order_id = malformed(open_stall, defect)

    found = stall.order(order_id)
    page = stall.answer(CallKind.ORDER_PAGE, ReadOrderPage(changed_from_us=0, offset=0))

    assert found.unreadable is not None
    assert found.units == ()
    assert CANARY not in repr(found)
    assert [row.order_id for row in page.unreadable] == ([] if defect.startswith("price") else [order_id])
    units = sum(len(order["order_units"]) for order in stall.truth().values())
    assert len(page.rows) + len(page.unreadable) == units


@pytest.mark.parametrize("defect", ["bad_time", "vat_text", "no_zone", "shipping_null"])
def test_an_invalid_side_field_affects_neither_the_order_nor_its_shipment(open_stall: Open, defect: str) -> None:
    stall, order_id = malformed(open_stall, defect)
    first = next(iter(stall.truth()[order_id]["order_units"]))["id_order_unit"]

    found = stall.order(order_id)
    summary = stall.answer(CallKind.ORDER, ReadOrderSummary(order_id=order_id))

    assert found.unreadable is None
    assert len(found.units) == len(stall.truth()[order_id]["order_units"])
    assert [note.startswith(f"order unit {first}: ") for note in found.notes] == [True]
    assert summary.unreadable is None
    assert stall.answer(
        CallKind.SEND, SendUnit(order_unit_id=first, carrier_code="DHL", tracking_numbers=("T1",))
    ) == Taken(http_status=204)


@pytest.mark.parametrize("defect", ["price_text", "price_float"])
def test_an_order_with_unreadable_amounts_can_still_be_shipped(open_stall: Open, defect: str) -> None:
    stall, order_id = malformed(open_stall, defect)

    summary = stall.answer(CallKind.ORDER, ReadOrderSummary(order_id=order_id))

    assert summary.unreadable is None
    assert {unit.order_unit_id for unit in summary.units} == {
        unit["id_order_unit"] for unit in stall.truth()[order_id]["order_units"]
    }


def test_an_unknown_status_is_passed_on(open_stall: Open) -> None:
    stall = open_stall(documented=False)
    unit_id = stall.unit()
    stall.change(f"order-units/{unit_id}", status="in_clarification")

    found = stall.answer(CallKind.ORDER_UNIT, ReadOrderUnit(order_unit_id=unit_id))

    assert (found.unit.status, found.unit.status_raw) == (UnitStatus.UNKNOWN, "in_clarification")


# ---- parcels --------------------------------------------------------------------------------------------------------


def test_a_unit_is_sent_once_and_then_takes_further_parcels(stall: Stall) -> None:
    unit_id = stall.unit()
    send = SendUnit(order_unit_id=unit_id, carrier_code="DHL", tracking_numbers=("T1", "T2"))
    further = AddParcel(order_unit_id=unit_id, carrier_code="GLS", tracking_number="T3")

    too_early = stall.answer(CallKind.PARCEL, further)
    first, again = stall.answer(CallKind.SEND, send), stall.answer(CallKind.SEND, send)
    added = stall.answer(CallKind.PARCEL, further)

    assert isinstance(too_early, Refused)
    assert first == added == Taken(http_status=204)
    assert isinstance(again, Refused)
    assert stall.answer(CallKind.ORDER_UNIT, ReadOrderUnit(order_unit_id=unit_id)).unit.status is UnitStatus.SENT
    (known,) = [u for order in stall.truth().values() for u in order["order_units"] if u["id_order_unit"] == unit_id]
    assert known["sends"] == 1
    assert [parcel["tracking_numbers"] for parcel in known["parcels"]] == [("T1", "T2"), ("T3",)]


def test_only_some_carriers_take_a_parcel_without_a_tracking_number(stall: Stall) -> None:
    unit_id = stall.unit()

    refused = stall.answer(CallKind.SEND, SendUnit(order_unit_id=unit_id, carrier_code="DHL", tracking_numbers=()))
    send = SendUnit(order_unit_id=unit_id, carrier_code="Other Hauler", tracking_numbers=())
    taken = stall.answer(CallKind.SEND, send)

    assert isinstance(refused, Refused)
    assert taken == Taken(http_status=204)


def test_a_unit_that_is_still_open_is_refused(open_stall: Open) -> None:
    stall = open_stall(orders={"confirm_delay_s": 3600.0, "at_start_over_s": 0.0})
    unit_id = stall.unit(UnitStatus.OPEN)

    refused = stall.answer(CallKind.SEND, SendUnit(order_unit_id=unit_id, carrier_code="DHL", tracking_numbers=("T1",)))

    assert isinstance(refused, Refused)
    assert refused.message


def test_a_missing_unit_is_gone_and_a_misspelt_carrier_is_refused(stall: Stall) -> None:
    unit_id = stall.unit()

    gone = stall.answer(CallKind.SEND, SendUnit(order_unit_id=1, carrier_code="DHL", tracking_numbers=("T1",)))
    refused = stall.answer(CallKind.SEND, SendUnit(order_unit_id=unit_id, carrier_code="dhl", tracking_numbers=("T1",)))

    assert isinstance(gone, Gone)
    assert isinstance(refused, Refused)
    assert [error.name for error in refused.errors] == ["carrier_code"]


@pytest.mark.parametrize("kind", [CallKind.SEND, CallKind.PARCEL])
def test_a_lost_answer_leaves_the_executed_write_unknown(stall: Stall, kind: CallKind) -> None:
    unit_id = stall.unit()
    send = SendUnit(order_unit_id=unit_id, carrier_code="DHL", tracking_numbers=("T1",))
    if kind is CallKind.PARCEL:
        assert stall.answer(CallKind.SEND, send) == Taken(http_status=204)
    stall.simulator.set_fault(InjectedFault(name="lost", match=Match(times=1), mishap=LoseAnswer()))
    body = send if kind is CallKind.SEND else AddParcel(order_unit_id=unit_id, carrier_code="GLS", tracking_number="T2")

    assert isinstance(stall.reply(kind, body), Lost)
    assert stall.answer(CallKind.ORDER_UNIT, ReadOrderUnit(order_unit_id=unit_id)).unit.status is UnitStatus.SENT


def test_the_listed_carriers_are_those_that_a_send_accepts(stall: Stall) -> None:
    found = stall.answer(CallKind.CARRIERS, ReadCarriers())

    assert isinstance(found, CarriersFound)
    assert {"DHL", "GLS", "Other"} <= set(found.codes)


# ---- returns --------------------------------------------------------------------------------------------------------


def test_a_return_is_listed(stall: Stall) -> None:
    unit_id = stall.unit()
    stall.answer(CallKind.SEND, SendUnit(order_unit_id=unit_id, carrier_code="DHL", tracking_numbers=("T1",)))
    stall.change(f"order-units/{unit_id}/return")

    page = stall.answer(CallKind.RETURN_PAGE, ReadReturnPage(changed_from_us=0, offset=0))

    assert isinstance(page, ReturnPage)
    (one,) = page.returns
    assert one.status_raw == "return_requested"
    assert one.changed_us is not None
    assert (page.unreadable, page.is_last) == ((), True)


def test_a_return_names_the_order_unit_and_the_reason_without_the_buyers_note(stall: Stall) -> None:
    unit_id = stall.unit()
    stall.answer(CallKind.SEND, SendUnit(order_unit_id=unit_id, carrier_code="DHL", tracking_numbers=("T1",)))
    stall.change(f"order-units/{unit_id}/return")
    (listed,) = stall.answer(CallKind.RETURN_PAGE, ReadReturnPage(changed_from_us=0, offset=0)).returns

    found = stall.answer(CallKind.RETURN, ReadReturn(return_id=listed.return_id))

    assert isinstance(found, ReturnFound)
    assert found.returned == listed
    (one,) = found.units
    assert (one.order_unit_id, one.status_raw, one.has_note) == (unit_id, "need_to_be_returned", True)
    assert one.reason
    assert CANARY not in repr(found)
    assert isinstance(stall.answer(CallKind.RETURN, ReadReturn(return_id=1)), Gone)
