"""The lane of an account: when it polls, what it asks for, and whom it tells."""

from dataclasses import replace
from typing import Any

import pytest

from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import OrderPage, Return, ReturnPage, Unreadable
from connector.orders.lane_step import RANK
from connector.orders.page_cursor import LAP
from connector.orders.policy import OrderPolicy
from streams.flow import GaveUp, Lost, Restored, Settled, Woken
from tests.harness.order_harness import DAY, SECOND, START_US, TOPICS, Desk, flow_of, row_of, unit

EMPTY = Settled(answer=OrderPage(rows=(), unreadable=(), is_last=True))
STRANGE = Unreadable(where="order-units?offset=0, row 2", sha256="ab" * 32, fault="id_order: missing")


def page(*units: Any, unreadable: tuple[Unreadable, ...] = (), is_last: bool = True) -> Settled:
    return Settled(answer=OrderPage(rows=tuple(map(row_of, units)), unreadable=unreadable, is_last=is_last))


def opened(**switches: Any) -> Desk:
    return Desk(flow=flow_of(**switches)).open()


# ---- when -----------------------------------------------------------------------------------------------------------


def test_the_accounts_live_in_the_first_partition_alone() -> None:
    flow = flow_of(OrderPolicy(accounts=frozenset({"b", "a"})))

    assert list(flow.standing(0)) == ["a", "b"]
    assert list(flow.standing(1)) == []


def test_the_first_poll_looks_back_as_far_as_is_configured() -> None:
    desk = opened(lookback_days=7)

    want = desk.want()

    assert want.body.changed_from_us == desk.now_us - 7 * DAY
    assert (want.body.offset, want.kind, want.rank, want.since_us) == (0, "order-page", RANK, desk.now_us)


def test_polls_follow_each_other_by_the_interval_give_or_take_a_tenth_and_each_account_at_its_own_beat() -> None:
    def beat(account: str) -> list[float]:
        desk = Desk(flow=flow_of(OrderPolicy(accounts=frozenset({account}), interval_s=100))).open()
        waits = []
        for _ in range(20):
            begun_us = desk.now_us
            desk.reply(EMPTY, account)
            waits.append((desk.wakes[account] - begun_us) / SECOND)
            desk.now_us = desk.wakes[account]
            desk.hear(account, Woken())
        return waits

    assert all(90 <= wait <= 110 for wait in beat("main") + beat("other"))
    assert len(set(beat("main"))) > 10
    assert beat("main") != beat("other")
    assert beat("main") == beat("main"), "no chance is in it"


def test_an_account_may_have_an_interval_of_its_own() -> None:
    policy = OrderPolicy(accounts=frozenset({"main", "rare"}), interval_s=60, intervals_s={"rare": 3600})
    desk = Desk(flow=flow_of(policy)).open()

    for account in ("main", "rare"):
        desk.reply(EMPTY, account)

    assert desk.wakes["main"] - desk.now_us <= 66 * SECOND
    assert desk.wakes["rare"] - desk.now_us >= 3240 * SECOND


def test_a_poll_is_as_old_as_the_moment_it_became_due() -> None:
    desk = opened()
    desk.reply(EMPTY)
    due_us = desk.wakes["main"]

    desk.now_us = due_us + 5 * SECOND
    desk.hear("main", Woken())

    assert desk.want().since_us == due_us


def test_a_shorter_interval_holds_at_once() -> None:
    desk = opened(interval_s=86_400)
    desk.reply(EMPTY)

    shorter = Desk(flow=flow_of(interval_s=60), stored=desk.stored, now_us=desk.now_us).open()

    assert shorter.wakes["main"] - shorter.now_us <= 66 * SECOND


def test_a_poll_can_be_asked_for() -> None:
    desk = opened()
    desk.reply(EMPTY)
    assert desk.wanting() == []

    desk.ask()

    assert desk.wanting() == ["main"]


def test_a_command_that_is_read_again_asks_for_nothing() -> None:
    desk = opened()
    desk.ask(offset=4)
    desk.answer_all()

    desk.ask(offset=4)

    assert desk.wanting() == []


def test_a_poll_that_is_asked_for_while_one_is_under_way_follows_it_at_once() -> None:
    desk = opened()

    desk.ask()
    desk.reply(EMPTY)

    assert desk.wanting() == ["main"]
    desk.reply(EMPTY)
    assert desk.wanting() == []


def test_a_command_may_ask_for_older_changes_and_never_for_fewer() -> None:
    desk = opened(overlap_s=300)
    desk.reply(page(unit(at_us=START_US)))
    desk.answer("main/M1")

    desk.ask(changed_from_us=START_US - 9 * DAY)
    assert desk.want().body.changed_from_us == START_US - 9 * DAY
    desk.reply(page(unit(at_us=START_US)))

    desk.ask(changed_from_us=START_US + 9 * DAY)
    assert desk.want().body.changed_from_us == START_US - 300 * SECOND
    assert desk.poll_state().orders.cursor_us == START_US


def test_what_a_command_asked_for_is_kept_until_a_list_has_shown_it() -> None:
    desk = opened()
    desk.reply(page(unit(at_us=START_US)))
    desk.answer("main/M1")
    desk.ask()
    desk.ask(changed_from_us=START_US - DAY)
    desk.checkpoint()

    desk.crash()

    assert desk.want().body.changed_from_us == START_US - DAY
    desk.reply(page(unit(at_us=START_US)))
    assert desk.poll_state().asked_from_us is None


# ---- pages ----------------------------------------------------------------------------------------------------------


def test_the_next_page_begins_a_few_rows_before_the_end_of_the_last() -> None:
    desk = opened()
    first_from_us = desk.want().body.changed_from_us

    desk.reply(page(*(unit(number, "M1", at_us=START_US) for number in range(100)), is_last=False))

    assert desk.want().body.offset == 100 - LAP
    assert desk.want().body.changed_from_us == first_from_us
    assert desk.want().since_us == desk.poll_state().orders.listing.since_us + 1  # type: ignore[union-attr]


def test_pages_of_a_handful_of_rows_come_to_their_end_too() -> None:
    desk = Desk()
    desk.market.page_size = 3
    for number in range(40):
        desk.market.create(f"M{number}")

    desk.open().answer_all()

    assert len({order["order_id"] for order in desk.orders}) == 40


@pytest.mark.parametrize(
    "last",
    [
        page(unit(at_us=START_US - 60 * DAY), is_last=False),
        page(is_last=False),
    ],
    ids=["older than asked for", "empty"],
)
def test_a_list_also_ends_with_a_page_that_shows_its_end(last: Settled) -> None:
    desk = opened()

    desk.reply(last)

    assert desk.want("main/M1") if last.answer.rows else True
    assert "main" not in desk.wanting()
    assert desk.poll_state().polled_at_us == desk.now_us


def test_each_order_is_told_its_rows_in_the_turn_that_takes_the_page() -> None:
    desk = opened()

    desk.reply(page(unit(1, "M1"), unit(2, "M2"), unit(3, "M1"), is_last=False))

    assert [row.order_unit_id for row in desk.order_state("M1").told] == [1, 3]
    assert [row.order_unit_id for row in desk.order_state("M2").told] == [2]
    assert desk.poll_state().orders.cursor_us is None


def test_the_next_cursor_is_the_newest_change_of_the_first_page_and_is_taken_with_the_last() -> None:
    desk = opened()
    desk.reply(page(unit(1, at_us=START_US + 5), unit(2, at_us=START_US), is_last=False))
    assert desk.poll_state().orders.cursor_us is None

    desk.reply(page(unit(3, at_us=START_US + 99)))

    assert desk.poll_state().orders.cursor_us == START_US + 5


def test_a_poll_begins_an_overlap_before_the_cursor_by_the_marketplaces_own_clock() -> None:
    desk = opened(overlap_s=120)
    desk.reply(page(unit(at_us=START_US)))
    desk.now_us += 40 * DAY
    desk.hear("main", Woken())

    assert desk.want().body.changed_from_us == START_US - 120 * SECOND


def test_a_cursor_never_falls_and_an_empty_list_leaves_it() -> None:
    desk = opened()
    desk.reply(page(unit(at_us=START_US)))
    for reply in (EMPTY, page(unit(2, at_us=START_US - 9))):
        desk.ask()
        desk.reply(reply)

    assert desk.poll_state().orders.cursor_us == START_US


def test_the_cursor_of_a_first_list_without_orders_is_where_it_began() -> None:
    desk = opened()
    began_us = desk.want().body.changed_from_us

    desk.reply(EMPTY)

    assert desk.poll_state().orders.cursor_us == began_us


def test_a_change_from_far_in_the_future_shuts_nothing_out() -> None:
    desk = opened()

    desk.reply(page(unit(1, at_us=START_US + 400 * DAY), unit(2, at_us=START_US)))

    assert desk.poll_state().orders.cursor_us == START_US


def test_an_account_is_undone_while_a_list_is_under_way_and_a_new_owner_begins_that_again() -> None:
    desk = opened()
    desk.reply(page(unit(at_us=START_US), is_last=False))
    assert desk.stored["main"].undone
    desk.checkpoint()

    desk.crash()

    assert desk.want().body.offset == 0
    desk.reply(EMPTY)
    assert not desk.stored["main"].undone


def test_a_lane_that_slept_goes_on_with_the_page_it_had_come_to() -> None:
    desk = opened()
    desk.reply(page(*(unit(number, at_us=START_US) for number in range(100)), is_last=False))
    wanted = desk.want()

    desk.hear("main", Woken())

    assert desk.want() == wanted


# ---- failures -------------------------------------------------------------------------------------------------------


def test_a_page_that_was_given_up_is_asked_for_again_ever_more_slowly_where_the_list_stands() -> None:
    desk = opened()
    desk.reply(page(*(unit(number, at_us=START_US) for number in range(100)), is_last=False))
    desk.answer("main/M1")
    wanted = desk.want()
    waits: list[int] = []

    for _ in range(6):
        desk.reply(GaveUp(reason="503 eight times"))
        waits.append((desk.wakes["main"] - desk.now_us) // SECOND)
        desk.now_us = desk.wakes["main"]
        desk.hear("main", Woken())
        assert desk.want().body == wanted.body

    assert waits == [60, 120, 240, 480, 900, 900]
    report = desk.flow.polls()["main"]
    assert (report.failures, report.problem, report.is_polling) == (6, "503 eight times", True)
    desk.reply(EMPTY)
    assert desk.flow.polls()["main"].problem is None


def test_a_poll_that_is_asked_for_ends_the_wait() -> None:
    desk = opened()
    desk.reply(GaveUp(reason="503 eight times"))
    assert desk.wanting() == []

    desk.ask()

    assert desk.wanting() == ["main"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Refused(code="X", http_status=400, type="/problems/bad", message="offset"), "HTTP 400 /problems/bad: offset"),
        (Gone(http_status=404, message="gone"), "HTTP 404 gone"),
    ],
)
def test_a_list_that_is_refused_begins_again_later(answer: Any, said: str) -> None:
    desk = opened()
    desk.reply(page(*(unit(number, at_us=START_US) for number in range(100)), is_last=False))

    desk.reply(Settled(answer=answer))

    assert desk.flow.polls()["main"].problem == said
    desk.now_us = desk.wakes["main"]
    desk.hear("main", Woken())
    assert desk.want().body.offset == 0


def test_a_lost_page_is_asked_for_again() -> None:
    desk = opened()
    wanted = desk.want()

    desk.reply(Lost(reason="no answer"))

    assert desk.want() == wanted


# ---- what cannot be read --------------------------------------------------------------------------------------------


def test_a_row_that_names_no_order_is_quarantined_once_and_the_cursor_moves_on() -> None:
    desk = opened()

    for _ in range(3):
        desk.reply(page(unit(at_us=START_US), unreadable=(STRANGE,)))
        desk.ask()

    (letter,) = desk.letters
    assert (letter["key"], letter["code"], letter["where"]) == ("main", "ORDER_ROW_UNREADABLE", STRANGE.where)
    assert letter["value.sha256"] == STRANGE.sha256
    assert desk.poll_state().orders.cursor_us == START_US


def test_a_row_that_names_its_order_makes_that_one_undone_and_the_cursor_moves_on() -> None:
    desk = opened()

    desk.reply(page(unit(1, "M1", at_us=START_US), unreadable=(replace(STRANGE, order_id="M2"),)))

    assert desk.stored["main/M2"].undone
    assert desk.poll_state().orders.cursor_us == START_US
    assert [letter["key"] for letter in desk.letters] == ["M2"]


# ---- for people -----------------------------------------------------------------------------------------------------


def test_polls_tell_how_they_go() -> None:
    desk = opened()
    before = desk.flow.polls()

    desk.reply(page(unit(at_us=START_US)))

    report = desk.flow.polls()["main"]
    assert (report.polled_at_us, report.cursor_us, report.failures) == (desk.now_us, START_US, 0)
    assert (report.problem, report.is_polling, report.due_at_us) == (None, False, desk.wakes["main"])
    assert before["main"].polled_at_us is None, "a reader's mapping never changes"


def test_a_new_owner_tells_what_its_predecessor_knew() -> None:
    desk = opened()
    desk.reply(page(unit(at_us=START_US)))

    other = Desk(stored=desk.stored, now_us=desk.now_us + SECOND).open()

    assert other.flow.polls()["main"].polled_at_us == desk.now_us


# ---- returns --------------------------------------------------------------------------------------------------------


def returned(number: int = 1, status: str = "label_generated", at_us: int | None = START_US) -> Return:
    return Return(
        return_id=number,
        storefront="de",
        status_raw=status,
        created_us=START_US,
        changed_us=at_us,
    )


def shown(*returns: Return, unreadable: tuple[Unreadable, ...] = ()) -> Settled:
    return Settled(answer=ReturnPage(returns=returns, unreadable=unreadable, is_last=True))


def test_returns_are_not_read_by_default() -> None:
    assert [want.slot for want in opened().wants["main"]] == ["orders"]


def test_returns_are_written_when_they_differ_and_have_a_cursor_of_their_own() -> None:
    desk = opened(returns=True)
    assert {want.kind for want in desk.wants["main"]} == {"order-page", "return-page"}

    for status in ("label_generated", "label_generated", "package_sent"):
        desk.market.returns = [returned(status=status)]
        desk.reply(shown(returned(status=status)), slot="returns")
        if desk.wants.get("main/return/1"):
            desk.answer("main/return/1")
        desk.reply(EMPTY, slot="orders")
        desk.ask()

    rows = desk.said(TOPICS.returns)
    assert [row["status_raw"] for row in rows] == ["label_generated", "package_sent"]
    assert rows[0]["return_id"] == 1
    assert {o.key for o in desk.outputs if o.topic == TOPICS.returns} == {b"1"}
    assert desk.poll_state().returns.cursor_us == START_US
    assert desk.poll_state().orders.cursor_us != START_US


def test_a_return_that_cannot_be_read_is_quarantined_once() -> None:
    desk = opened(returns=True)

    for _ in range(2):
        desk.reply(shown(returned(), unreadable=(STRANGE,)), slot="returns")
        desk.reply(EMPTY, slot="orders")
        desk.ask()

    assert [(letter["key"], letter["code"]) for letter in desk.letters] == [("main", "RETURN_ROW_UNREADABLE")]


def test_returns_that_fail_hold_up_no_orders() -> None:
    desk = opened(returns=True)

    desk.reply(GaveUp(reason="503 eight times"), slot="returns")
    desk.reply(page(unit(at_us=START_US)), slot="orders")

    assert desk.poll_state().orders.cursor_us == START_US
    assert desk.poll_state().polled_at_us == desk.now_us


def test_a_new_owner_begins_returns_again_too() -> None:
    desk = opened(returns=True)
    desk.reply(EMPTY, slot="orders")
    assert desk.stored["main"].undone

    desk.hear("main", Restored())

    assert {want.slot for want in desk.wants["main"]} == {"orders", "returns"}
