"""Generated orders: the same plan gives the same history."""

from collections import Counter
from typing import Any

import pytest

from simulator.journal import Deed, WriteCause
from simulator.orders.orders import Defect
from simulator.orders.trade import order_id
from tests.unit.simulator.order_bench import OrderBench, body


def statuses(bench: OrderBench) -> Counter[str]:
    return Counter(unit.status for order in bench.book for unit in order.units)


def history(bench: OrderBench) -> list[tuple[Any, ...]]:
    return [(row.id_order, row.id_order_unit, row.deed, row.new) for row in bench.rows]


def test_orders_at_the_start_are_confirmed_and_spread_over_the_time_before() -> None:
    bench = OrderBench(at_start=10, at_start_over_s=100.0, confirm_delay_s=5.0)

    created = [order.created_us // 10**6 for order in bench.book]

    assert created == [1_750_000_000 - age for age in range(100, 0, -10)]
    assert set(statuses(bench)) == {"need_to_be_sent"}
    assert {unit.updated_us - order.created_us for order in bench.book for unit in order.units} == {5_000_000}


def test_new_orders_come_at_their_rate_until_there_are_enough() -> None:
    bench = OrderBench(at_start=2, per_second=10.0, total=25)

    counts = []
    for _ in range(4):
        bench.wait(1.0)
        counts.append(len(bench.book))

    assert counts == [12, 22, 25, 25]


def test_an_order_has_as_many_units_as_the_plan_allows_one_piece_each() -> None:
    bench = OrderBench(at_start=200, units_min=2, units_max=4, same_offer=0.5)

    assert {len(order.units) for order in bench.book} == {2, 3, 4}
    assert any(len({unit.unit_id for unit in order.units}) < len(order.units) for order in bench.book)


def test_a_unit_is_open_until_it_is_confirmed() -> None:
    bench = OrderBench(confirm_delay_s=2.0)
    bench.act(bench.trade.make, pieces=1)

    bench.wait(1.9)
    assert statuses(bench) == {"open": 1}
    bench.wait(0.1)
    assert statuses(bench) == {"need_to_be_sent": 1}


def test_shares_of_units_are_cancelled_shipped_by_hand_received_and_sent_back() -> None:
    bench = OrderBench(
        at_start=400,
        confirm_delay_s=1.0,
        cancelled=0.2,
        changed=0.5,
        change_within_s=5.0,
        delivery_s=1.0,
        autopaid=0.3,
        returned=0.5,
    )
    for _ in range(40):
        bench.wait(0.5)

    counts, units = statuses(bench), sum(statuses(bench).values())
    assert 0.14 < counts["cancelled"] / units < 0.26
    assert 0.3 < (counts["received"] + counts["sent_and_autopaid"]) / units < 0.5
    assert counts["sent_and_autopaid"] > 50
    assert len(list(bench.trade.returns)) > 100


def test_the_same_seed_gives_the_same_history_and_another_one_another() -> None:
    def run(seed: int) -> list[tuple[Any, ...]]:
        bench = OrderBench(seed=seed, at_start=20, cancelled=0.5, changed=0.5, change_within_s=3.0)
        for _ in range(10):
            bench.wait(0.5)
        return history(bench)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_order_units_refer_to_real_offers_at_their_prices() -> None:
    bench = OrderBench(at_start=20)

    for order in bench.book:
        shown = body(bench.endpoints.order("demo", order.id, frozenset()))["data"]["order_units"]
        for unit, row in zip(order.units, shown, strict=True):
            offer = bench.trade.market.catalogue.unit(unit.unit_id)
            assert offer is not None
            assert (row["id_offer"], row["price"], tuple(row["product"]["eans"])) == (
                offer.id_offer,
                offer.listing_price,
                offer.product.eans,
            )
            assert offer.storefront == row["storefront"] == order.storefront


def test_sales_lower_the_stock_of_all_linked_offers_and_end_when_nothing_is_left() -> None:
    bench = OrderBench(eans=1, sales_lower_stock=True)
    stock = {unit.amount for unit in bench.trade.market.catalogue if unit.status == "AVAILABLE"}
    (amount,) = stock

    context = bench.context()
    bench.trade.make(context, pieces=2)
    assert {unit.amount for unit in bench.trade.market.catalogue} == {amount - 2}
    assert {(write[2], write[6]) for write in context.writes} == {("amount", WriteCause.MARKETPLACE)}

    while bench.act(bench.trade.make, pieces=1) is not None:
        pass
    assert {unit.amount for unit in bench.trade.market.catalogue} == {0}
    assert sum(len(order.units) for order in bench.book) == amount


def test_an_order_takes_no_more_than_there_is_in_stock() -> None:
    bench = OrderBench(eans=1, sales_lower_stock=True, same_offer=1.0)
    for unit in bench.trade.market.catalogue:
        unit.amount = 2

    order = bench.act(bench.trade.make, pieces=5)

    assert len(order.units) == 2


def test_without_the_switch_sales_leave_the_stock_alone() -> None:
    bench = OrderBench()
    before = [unit.amount for unit in bench.trade.market.catalogue]

    bench.act(bench.trade.make)

    assert [unit.amount for unit in bench.trade.market.catalogue] == before


def test_an_order_is_of_one_seller_storefront_and_way_of_fulfilment() -> None:
    bench = OrderBench(at_start=100, same_offer=0.0)

    for order in bench.book:
        offers = [bench.trade.market.catalogue.unit(unit.unit_id) for unit in order.units]
        assert {offer.fulfillment_type for offer in offers if offer} == {order.fulfillment_type}
    de, at = (next(unit for unit in bench.trade.market.catalogue if unit.storefront == name) for name in ("de", "at"))
    with pytest.raises(ValueError, match="one seller"):
        bench.act(bench.trade.make, unit_ids=[de.id, at.id])
    with pytest.raises(ValueError, match="one seller"):
        bench.act(bench.trade.make, unit_ids=[1])


def test_a_share_of_units_gets_an_unknown_status() -> None:
    bench = OrderBench(at_start=100, unusual=0.3, unusual_status="in_clarification")

    counts = statuses(bench)

    assert set(counts) == {"need_to_be_sent", "in_clarification"}
    (unit, *_) = (unit for order in bench.book for unit in order.units if unit.status == "in_clarification")
    assert bench.send(unit.id).problem == "/problems/action-not-allowed"


@pytest.mark.parametrize("defect", list(Defect))
def test_a_malformed_row_is_the_one_of_the_order_that_was_named(defect: Defect) -> None:
    bench = OrderBench(at_start=3, units_min=2, units_max=2, defects=((1, defect),))

    orders = [body(bench.endpoints.order("demo", order.id, frozenset()))["data"]["order_units"] for order in bench.book]

    def is_broken(row: dict[str, Any]) -> bool:
        return not (
            isinstance(row.get("id_order_unit"), int)
            and isinstance(row.get("price"), int)
            and "status" in row
            and row["ts_updated_iso"].startswith("20")
            and row["delivery_time_expires_iso"].endswith("Z")
            and isinstance(row["vat"], int)
            and isinstance(row["shipping_rate"], int)
        )

    assert [[is_broken(row) for row in rows] for rows in orders] == [[False, False], [True, False], [False, False]]


def test_every_personal_field_bears_the_canary_of_its_order() -> None:
    bench = OrderBench(at_start=2)

    for order in bench.book:
        shown = body(bench.endpoints.order("demo", order.id, frozenset()))["data"]
        personal = [shown["buyer"]["email"]]
        for name in ("billing_address", "shipping_address"):
            personal += [value for field, value in shown[name].items() if field != "country"]
        assert len(set(personal)) == 19
        assert all(value.startswith(f"Canary-{order.number}-") for value in personal)


def test_no_two_orders_have_one_id() -> None:
    ids = {order_id(number) for number in range(20_000)}

    assert len(ids) == 20_000
    assert {len(one) for one in ids} == {7}


def test_each_order_unit_begins_with_one_row_of_its_own() -> None:
    bench = OrderBench(at_start=5)

    created = [row.id_order_unit for row in bench.rows if row.deed is Deed.CREATED]

    assert created == [unit.id for order in bench.book for unit in order.units]
    assert Counter(bench.events)["order_new"] == 5
    assert Counter(bench.events)["order_unit_new"] == len(created)
