"""The lists of order units and orders, compared with plain lists that are filtered and sorted for each query."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.orders.orders import SimulatedOrderUnit, SimulatedUnitStatus
from simulator.orders.rules import LiveQuery, order_units_query, orders_query
from tests.harness.effort import examples
from tests.unit.simulator.order_bench import EPOCH_S, STOREFRONTS, OrderBench, body

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["make", "move", "wait", "back"]),
        st.integers(0, 30),
        st.sampled_from(list(SimulatedUnitStatus)),
    ),
    min_size=4,
    max_size=25,
)
MERCHANT = "fulfilled_by_merchant"
MARKETPLACE = "fulfilled_by_kaufland"
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "storefront": st.sampled_from(STOREFRONTS),
        "status": st.lists(st.sampled_from(list(SimulatedUnitStatus)), min_size=1, max_size=3).map(",".join),
        "fulfillment_type": st.sampled_from([MERCHANT, MARKETPLACE, f"{MERCHANT},{MARKETPLACE}"]),
        "sort": st.sampled_from(["ts_created:desc", "ts_updated:desc"]),
        "ts_created_from_iso": st.integers(-2, 12),
        "ts_updated_from_iso": st.integers(-2, 12),
    },
)


def history(steps: list[tuple[str, int, SimulatedUnitStatus]]) -> OrderBench:
    """Returns orders that are created and changed over time; the clock may also be set back."""
    bench = OrderBench(confirm_delay_s=100.0)
    for step, number, status in steps:
        units = [unit for order in bench.book for unit in order.units]
        match step:
            case "make":
                bench.act(bench.trade.make)
            case "move" if units:
                bench.act(bench.book.move, units[number % len(units)], status)
            case "wait":
                bench.now_s += number / 10
            case "back":
                bench.now_s = max(bench.now_s - 0.5, 0)
            case _:
                pass
    return bench


def iso(second: int) -> str:
    return datetime.fromtimestamp(EPOCH_S + second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def query_text(filters: dict[str, Any], **page: int) -> str:
    values = {name: iso(value) if isinstance(value, int) else value for name, value in filters.items()}
    return "&".join(f"{name}={value}" for name, value in (values | page).items())


def fits(unit: SimulatedOrderUnit, filters: dict[str, Any]) -> bool:
    """The model: whether a unit matches the filters as they are documented."""
    statuses, ways = filters.get("status"), filters.get("fulfillment_type", MERCHANT)
    created_s, updated_s = unit.order.created_us // 10**6 - EPOCH_S, unit.updated_us // 10**6 - EPOCH_S
    return (
        filters.get("storefront", unit.order.storefront) == unit.order.storefront
        and (statuses is None or unit.status in statuses.split(","))
        and unit.order.fulfillment_type in ways.split(",")
        and created_s > filters.get("ts_created_from_iso", -(10**9))
        and updated_s > filters.get("ts_updated_from_iso", -(10**9))
    )


def read(query: LiveQuery | object) -> LiveQuery:
    assert isinstance(query, LiveQuery), query
    return query


@settings(max_examples=examples(150), deadline=None)
@given(steps=STEPS, filters=FILTERS, limit=st.integers(1, 7))
def test_all_pages_of_order_units_together_are_the_filtered_and_sorted_list(
    steps: list[tuple[str, int, SimulatedUnitStatus]], filters: dict[str, Any], limit: int
) -> None:
    bench = history(steps)
    units = [unit for order in bench.book for unit in order.units if fits(unit, filters)]
    by_updated = filters.get("sort") == "ts_updated:desc"
    units.sort(key=lambda unit: (unit.updated_us if by_updated else unit.order.created_us, unit.id), reverse=True)

    rows: list[int] = []
    for offset in range(0, len(units) + 1, limit):
        query = read(order_units_query(query_text(filters, limit=limit, offset=offset), frozenset(STOREFRONTS)))
        page = body(bench.endpoints.order_units("demo", query))
        rows += [row["id_order_unit"] for row in page["data"]]
        assert page["pagination"] == {"offset": offset, "limit": limit, "total": len(units)}

    assert rows == [unit.id for unit in units]


@settings(max_examples=examples(60), deadline=None)
@given(steps=STEPS, after_s=st.none() | st.integers(-2, 12))
def test_orders_are_listed_by_the_last_update_of_their_units(
    steps: list[tuple[str, int, SimulatedUnitStatus]], after_s: int | None
) -> None:
    bench = history(steps)
    text = f"limit=100&fulfillment_type={MERCHANT},{MARKETPLACE}"
    text += "" if after_s is None else f"&ts_units_updated_from_iso={iso(after_s)}"

    page = body(bench.endpoints.orders("demo", read(orders_query(text, frozenset(STOREFRONTS)))))

    wanted = {
        order.id: len(order.units)
        for order in bench.book
        if after_s is None or max(unit.updated_us for unit in order.units) // 10**6 - EPOCH_S > after_s
    }
    assert {row["id_order"]: row["order_units_count"] for row in page["data"]} == wanted


def test_a_row_that_changes_between_two_pages_moves_to_the_front_and_shifts_the_others() -> None:
    bench = OrderBench(confirm_delay_s=100.0)
    for _ in range(4):
        bench.now_s += 1
        bench.act(bench.trade.make, pieces=1)
    first, second = (
        LiveQuery(limit=2, offset=offset, by_updated=True, fulfillment_types=frozenset({MERCHANT, MARKETPLACE}))
        for offset in (0, 2)
    )
    oldest, second_oldest, *_ = (order.units[0] for order in bench.book)

    before = body(bench.endpoints.order_units("demo", first))["data"]
    bench.now_s += 1
    bench.act(bench.book.move, oldest, SimulatedUnitStatus.NEED_TO_BE_SENT)
    after = body(bench.endpoints.order_units("demo", second))["data"]

    assert before[1]["id_order_unit"] == after[0]["id_order_unit"]  # seen twice
    assert after[1]["id_order_unit"] == second_oldest.id
    assert oldest.id not in {row["id_order_unit"] for row in before + after}  # on neither page


def test_another_sellers_orders_are_never_listed() -> None:
    bench = OrderBench()
    bench.act(bench.trade.make)

    assert body(bench.endpoints.order_units("other", LiveQuery()))["data"] == []
    assert body(bench.endpoints.orders("other", LiveQuery()))["data"] == []
