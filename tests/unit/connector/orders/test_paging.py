"""Lists that change while they are read, with crashes in between: no change is lost, and final states are correct."""

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.orders.results import observed
from tests.harness.effort import examples
from tests.harness.order_harness import EUR, SECOND, OrderHarness, ScriptedOrders, flow_of, found

STATUSES = ("open", "need_to_be_sent", "sent", "received", "cancelled", "returned")

Move = tuple[str, int, int]
"""A step of a history: what happens, a number that selects the object, and the seconds that pass before it."""

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["create", "change", "change", "change", "nothing", "checkpoint", "crash"]),
        st.integers(0, 1000),
        st.integers(0, 3),
    ),
    max_size=40,
)


def happen(harness: OrderHarness, move: Move) -> bool:
    """Applies a step. Returns True if it was a crash."""
    what, number, seconds = move
    market = harness.market
    harness.now_us += seconds * SECOND
    market.now_us += seconds * SECOND
    if what == "create":
        market.create(f"M{len(market.units)}", units=1 + number % 3)
    elif what == "change" and market.units:
        market.change(1 + number % len(market.units), STATUSES[number % len(STATUSES)])
    elif what == "checkpoint":
        harness.checkpoint()
        nothing_is_passed(harness)
    elif what == "crash":
        harness.crash()
        return True
    return False


def nothing_is_passed(harness: OrderHarness) -> None:
    """Asserts that every order changed before the durable cursor is undone, or durably written with that change."""
    states = {key: harness.flow.load(key, stored.value).state for key, stored in harness.durable_states.items()}
    poll = states["main"].poll if "main" in states else None
    if poll is None or poll.orders.cursor_us is None:
        return
    written: dict[str, int] = {}
    for order in harness.said("shop.orders.v1")[: len(harness.durable_outputs)]:
        written[order["order_id"]] = order["changed_at"]
    for unit in harness.market.units.values():
        state = states.get(f"main/{unit.order_id}")
        undone = state is not None and state.order is not None and state.order.undone_since_us is not None
        if unit.changed_us < poll.orders.cursor_us and not undone:
            assert written.get(unit.order_id, -1) >= unit.changed_us, f"{unit} was passed"


def last_states_are_right(harness: OrderHarness) -> None:
    last = {order["order_id"]: order["content_sha256"] for order in harness.orders}
    currencies = {"EUR": EUR}
    orders = {one.order_id for one in harness.market.units.values()}
    assert last == {
        order_id: observed("main", found(*harness.market.order(order_id)), currencies, 0).content_sha256
        for order_id in orders
    }


@settings(max_examples=examples(150), deadline=None)
@given(MOVES, st.integers(1, 12), st.integers(0, 30), st.integers(0, 3))
def test_every_change_before_the_end_of_a_poll_is_delivered_despite_moving_rows_and_crashes(
    moves: list[Move], page_size: int, orders: int, overlap_s: int
) -> None:
    harness = OrderHarness(flow=flow_of(overlap_s=overlap_s), market=ScriptedOrders(page_size=page_size))
    for number in range(orders):
        harness.market.create(f"M{number}")
        harness.market.now_us += (number % 3) * SECOND
    left = list(moves)
    harness.open()

    for _ in range(5_000):
        wanting = harness.wanting()
        if wanting:
            if left and happen(harness, left.pop(0)):
                continue
            if wanting := harness.wanting():
                harness.answer(wanting[len(left) % len(wanting)])
        elif left:
            happen(harness, left.pop(0))
            harness.ask()
        else:
            break
    harness.ask()
    harness.answer_all()
    harness.checkpoint()

    nothing_is_passed(harness)
    last_states_are_right(harness)


@settings(max_examples=examples(15), deadline=None)
@given(st.integers(0, 10_000), st.integers(90, 110))
def test_pages_of_a_hundred_rows_lose_and_repeat_nothing(seed: int, orders: int) -> None:
    harness = OrderHarness()
    for number in range(orders):
        harness.market.create(f"M{number}", units=1 + (number + seed) % 5)
        harness.market.now_us += ((number * seed) % 2) * SECOND
    changes = iter(range(seed, seed + 25))

    def move() -> None:
        number = next(changes, None)
        if number is not None:
            harness.market.now_us += SECOND
            harness.market.change(1 + number * 7919 % len(harness.market.units), STATUSES[number % len(STATUSES)])

    harness.open().answer_all(between=move)
    harness.ask()
    harness.answer_all()

    last_states_are_right(harness)


def test_rows_of_one_second_whose_order_changes_between_pages_are_all_read() -> None:
    """The API does not define the order of rows of one second; here, rows at the edge of a page change places."""
    harness = OrderHarness()
    for number in range(500):
        harness.market.create(f"M{number}", units=1)
    harness.open()

    edge = 0
    while harness.wanting():
        if harness.wanting()[0] == "main":
            items = list(harness.market.units.items())
            if edge:
                items[edge - 4 : edge + 4] = reversed(items[edge - 4 : edge + 4])
            harness.market.units = dict(items)
            edge = harness.want().body.offset + harness.market.page_size
        harness.answer(harness.wanting()[0])

    assert len(harness.orders) == 500


def test_an_order_is_written_once_however_often_lists_show_it() -> None:
    harness = OrderHarness()
    harness.market.create("M1", units=3, status="sent")

    harness.open().answer_all()
    harness.pass_s(3600)

    assert len(harness.orders) == 1
    assert harness.market.reads == ["M1"]
