"""The order flow tells the shipment flow of its process which orders have a unit that may be sent."""

from connector.contracts.headers import Stamp
from connector.contracts.released_orders import MOST, ReleasedOrders
from connector.marketplace.call_kinds import CallKind
from connector.orders.flow import OrderFlow
from connector.orders.lane_step import ListedRows
from connector.orders.policy import OrderPolicy
from streams.flow import Settled
from tests.harness.order_harness import EUR, TOPICS, OrderHarness, codecs, found, row_of, unit


def desk_with(released: ReleasedOrders) -> OrderHarness:
    """Returns an order flow in its harness that notes released orders here."""
    return OrderHarness(
        flow=OrderFlow(
            policy=OrderPolicy(accounts=frozenset({"main"})),
            currencies={"EUR": EUR},
            codecs=codecs(),
            topics=TOPICS,
            stamp=Stamp(source="/shop", instance_id="shop-0", config_digest="0"),
            released=released,
        )
    )


def test_an_order_is_noted_when_it_is_read_with_a_unit_that_may_be_sent() -> None:
    released = ReleasedOrders()
    harness = desk_with(released)

    for order_id, status in (("M1", "open"), ("M2", "need_to_be_sent"), ("M3", "sent")):
        row = unit(1, order_id=order_id, status=status)
        harness.tell(order_id, ListedRows(rows=(row_of(row),)))
        assert harness.want(f"main/{order_id}").kind == CallKind.ORDER
        harness.reply(Settled(answer=found(row)), f"main/{order_id}")

    noted = {order_id: released.noted_at_us("main", order_id) for order_id in ("M1", "M2", "M3")}
    assert noted == {"M1": None, "M2": harness.now_us, "M3": None}
    assert released.noted_at_us("other", "M2") is None


def test_only_so_many_orders_are_remembered_the_newest() -> None:
    released = ReleasedOrders()
    released.note("main", "first", 1)
    released.note("main", "again", 2)
    for number in range(MOST - 1):
        released.note("main", f"M{number}", 3)
    released.note("main", "again", 4)

    released.note("main", "last", 5)

    assert released.noted_at_us("main", "first") is None
    assert (released.noted_at_us("main", "again"), released.noted_at_us("main", "last")) == (4, 5)
