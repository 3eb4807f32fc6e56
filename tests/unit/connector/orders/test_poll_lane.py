"""The lane of an account: when it polls, what it reads, and which lanes it sends rows to."""

from dataclasses import replace
from typing import Any

import pytest

from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import OrderPage, Return, ReturnPage, UnreadableRow
from connector.orders.page_cursor import PAGE_OVERLAP
from connector.orders.policy import OrderPolicy
from connector.orders.wants import RANK
from streams.flow import GaveUp, Lost, Restored, Settled, Woken
from tests.harness.order_harness import DAY, SECOND, START_US, TOPICS, OrderHarness, flow_of, row_of, unit

EMPTY = Settled(answer=OrderPage(rows=(), unreadable=(), is_last=True))
STRANGE = UnreadableRow(where="order-units?offset=0, row 2", sha256="ab" * 32, fault="id_order: missing")


def page(*units: Any, unreadable: tuple[UnreadableRow, ...] = (), is_last: bool = True) -> Settled:
    return Settled(answer=OrderPage(rows=tuple(map(row_of, units)), unreadable=unreadable, is_last=is_last))


def opened(**switches: Any) -> OrderHarness:
    return OrderHarness(flow=flow_of(**switches)).open()


# ---- when -----------------------------------------------------------------------------------------------------------


def test_account_lanes_are_in_the_first_partition_only() -> None:
    flow = flow_of(OrderPolicy(accounts=frozenset({"b", "a"})))

    assert list(flow.standing(0)) == ["a", "b"]
    assert list(flow.standing(1)) == []


def test_the_first_poll_looks_back_as_far_as_is_configured() -> None:
    harness = opened(lookback_days=7)

    want = harness.want()

    assert want.body.changed_from_us == harness.now_us - 7 * DAY
    assert (want.body.offset, want.kind, want.priority, want.since_us) == (0, "order-page", RANK, harness.now_us)


def test_polls_follow_the_interval_with_a_jitter_of_a_tenth_per_account() -> None:
    def beat(account: str) -> list[float]:
        harness = OrderHarness(flow=flow_of(OrderPolicy(accounts=frozenset({account}), interval_s=100))).open()
        waits = []
        for _ in range(20):
            begun_us = harness.now_us
            harness.reply(EMPTY, account)
            waits.append((harness.wakes[account] - begun_us) / SECOND)
            harness.now_us = harness.wakes[account]
            harness.hear(account, Woken())
        return waits

    assert all(90 <= wait <= 110 for wait in beat("main") + beat("other"))
    assert len(set(beat("main"))) > 10
    assert beat("main") != beat("other")
    assert beat("main") == beat("main"), "no chance is in it"


def test_an_account_may_have_an_interval_of_its_own() -> None:
    policy = OrderPolicy(accounts=frozenset({"main", "rare"}), interval_s=60, intervals_s={"rare": 3600})
    harness = OrderHarness(flow=flow_of(policy)).open()

    for account in ("main", "rare"):
        harness.reply(EMPTY, account)

    assert harness.wakes["main"] - harness.now_us <= 66 * SECOND
    assert harness.wakes["rare"] - harness.now_us >= 3240 * SECOND


def test_a_poll_is_as_old_as_the_moment_it_became_due() -> None:
    harness = opened()
    harness.reply(EMPTY)
    due_us = harness.wakes["main"]

    harness.now_us = due_us + 5 * SECOND
    harness.hear("main", Woken())

    assert harness.want().since_us == due_us


def test_a_shorter_interval_takes_effect_at_once() -> None:
    harness = opened(interval_s=86_400)
    harness.reply(EMPTY)

    shorter = OrderHarness(flow=flow_of(interval_s=60), stored=harness.stored, now_us=harness.now_us).open()

    assert shorter.wakes["main"] - shorter.now_us <= 66 * SECOND


def test_a_poll_can_be_requested() -> None:
    harness = opened()
    harness.reply(EMPTY)
    assert harness.wanting() == []

    harness.ask()

    assert harness.wanting() == ["main"]


def test_a_command_that_is_read_again_has_no_effect() -> None:
    harness = opened()
    harness.ask(offset=4)
    harness.answer_all()

    harness.ask(offset=4)

    assert harness.wanting() == []


def test_a_poll_requested_during_another_follows_it_at_once() -> None:
    harness = opened()

    harness.ask()
    harness.reply(EMPTY)

    assert harness.wanting() == ["main"]
    harness.reply(EMPTY)
    assert harness.wanting() == []


def test_a_command_can_request_older_changes_but_never_fewer() -> None:
    harness = opened(overlap_s=300)
    harness.reply(page(unit(at_us=START_US)))
    harness.answer("main/M1")

    harness.ask(changed_from_us=START_US - 9 * DAY)
    assert harness.want().body.changed_from_us == START_US - 9 * DAY
    harness.reply(page(unit(at_us=START_US)))

    harness.ask(changed_from_us=START_US + 9 * DAY)
    assert harness.want().body.changed_from_us == START_US - 300 * SECOND
    assert harness.poll_state().orders.cursor_us == START_US


def test_a_requested_start_is_kept_until_a_list_has_covered_it() -> None:
    harness = opened()
    harness.reply(page(unit(at_us=START_US)))
    harness.answer("main/M1")
    harness.ask()
    harness.ask(changed_from_us=START_US - DAY)
    harness.checkpoint()

    harness.crash()

    assert harness.want().body.changed_from_us == START_US - DAY
    harness.reply(page(unit(at_us=START_US)))
    assert harness.poll_state().asked_from_us is None


# ---- pages ----------------------------------------------------------------------------------------------------------


def test_the_next_page_begins_a_few_rows_before_the_end_of_the_last() -> None:
    harness = opened()
    first_from_us = harness.want().body.changed_from_us

    harness.reply(page(*(unit(number, "M1", at_us=START_US) for number in range(100)), is_last=False))

    assert harness.want().body.offset == 100 - PAGE_OVERLAP
    assert harness.want().body.changed_from_us == first_from_us
    assert harness.want().since_us == harness.poll_state().orders.listing.since_us + 1  # type: ignore[union-attr]


def test_lists_of_very_small_pages_end_too() -> None:
    harness = OrderHarness()
    harness.market.page_size = 3
    for number in range(40):
        harness.market.create(f"M{number}")

    harness.open().answer_all()

    assert len({order["order_id"] for order in harness.orders}) == 40


@pytest.mark.parametrize(
    "last",
    [
        page(unit(at_us=START_US - 60 * DAY), is_last=False),
        page(is_last=False),
    ],
    ids=["older than asked for", "empty"],
)
def test_a_list_also_ends_with_a_page_that_shows_its_end(last: Settled) -> None:
    harness = opened()

    harness.reply(last)

    assert harness.want("main/M1") if last.answer.rows else True
    assert "main" not in harness.wanting()
    assert harness.poll_state().polled_at_us == harness.now_us


def test_each_order_lane_gets_its_rows_in_the_turn_of_the_page() -> None:
    harness = opened()

    harness.reply(page(unit(1, "M1"), unit(2, "M2"), unit(3, "M1"), is_last=False))

    assert [row.order_unit_id for row in harness.order_state("M1").told] == [1, 3]
    assert [row.order_unit_id for row in harness.order_state("M2").told] == [2]
    assert harness.poll_state().orders.cursor_us is None


def test_the_next_cursor_is_the_newest_change_of_the_first_page_and_is_taken_with_the_last() -> None:
    harness = opened()
    harness.reply(page(unit(1, at_us=START_US + 5), unit(2, at_us=START_US), is_last=False))
    assert harness.poll_state().orders.cursor_us is None

    harness.reply(page(unit(3, at_us=START_US + 99)))

    assert harness.poll_state().orders.cursor_us == START_US + 5


def test_a_poll_begins_an_overlap_before_the_cursor_by_the_marketplaces_own_clock() -> None:
    harness = opened(overlap_s=120)
    harness.reply(page(unit(at_us=START_US)))
    harness.now_us += 40 * DAY
    harness.hear("main", Woken())

    assert harness.want().body.changed_from_us == START_US - 120 * SECOND


def test_a_cursor_never_falls_and_an_empty_list_leaves_it() -> None:
    harness = opened()
    harness.reply(page(unit(at_us=START_US)))
    for reply in (EMPTY, page(unit(2, at_us=START_US - 9))):
        harness.ask()
        harness.reply(reply)

    assert harness.poll_state().orders.cursor_us == START_US


def test_the_cursor_of_a_first_list_without_orders_is_where_it_began() -> None:
    harness = opened()
    began_us = harness.want().body.changed_from_us

    harness.reply(EMPTY)

    assert harness.poll_state().orders.cursor_us == began_us


def test_a_change_dated_far_in_the_future_hides_no_other() -> None:
    harness = opened()

    harness.reply(page(unit(1, at_us=START_US + 400 * DAY), unit(2, at_us=START_US)))

    assert harness.poll_state().orders.cursor_us == START_US


def test_an_account_is_undone_while_a_list_is_under_way_and_a_new_owner_begins_that_again() -> None:
    harness = opened()
    harness.reply(page(unit(at_us=START_US), is_last=False))
    assert harness.stored["main"].undone
    harness.checkpoint()

    harness.crash()

    assert harness.want().body.offset == 0
    harness.reply(EMPTY)
    assert not harness.stored["main"].undone


def test_a_lane_that_slept_goes_on_with_the_page_it_had_come_to() -> None:
    harness = opened()
    harness.reply(page(*(unit(number, at_us=START_US) for number in range(100)), is_last=False))
    wanted = harness.want()

    harness.hear("main", Woken())

    assert harness.want() == wanted


# ---- failures -------------------------------------------------------------------------------------------------------


def test_a_page_that_was_given_up_is_asked_for_again_ever_more_slowly_where_the_list_stands() -> None:
    harness = opened()
    harness.reply(page(*(unit(number, at_us=START_US) for number in range(100)), is_last=False))
    harness.answer("main/M1")
    wanted = harness.want()
    waits: list[int] = []

    for _ in range(6):
        harness.reply(GaveUp(reason="503 eight times"))
        waits.append((harness.wakes["main"] - harness.now_us) // SECOND)
        harness.now_us = harness.wakes["main"]
        harness.hear("main", Woken())
        assert harness.want().body == wanted.body

    assert waits == [60, 120, 240, 480, 900, 900]
    report = harness.flow.polls()["main"]
    assert (report.failures, report.problem, report.is_polling) == (6, "503 eight times", True)
    harness.reply(EMPTY)
    assert harness.flow.polls()["main"].problem is None


def test_a_requested_poll_ends_the_wait() -> None:
    harness = opened()
    harness.reply(GaveUp(reason="503 eight times"))
    assert harness.wanting() == []

    harness.ask()

    assert harness.wanting() == ["main"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Refused(code="X", http_status=400, type="/problems/bad", message="offset"), "HTTP 400 /problems/bad: offset"),
        (Gone(http_status=404, message="gone"), "HTTP 404 gone"),
    ],
)
def test_a_list_that_is_refused_begins_again_later(answer: Any, said: str) -> None:
    harness = opened()
    harness.reply(page(*(unit(number, at_us=START_US) for number in range(100)), is_last=False))

    harness.reply(Settled(answer=answer))

    assert harness.flow.polls()["main"].problem == said
    harness.now_us = harness.wakes["main"]
    harness.hear("main", Woken())
    assert harness.want().body.offset == 0


def test_a_lost_page_is_asked_for_again() -> None:
    harness = opened()
    wanted = harness.want()

    harness.reply(Lost(reason="no answer"))

    assert harness.want() == wanted


# ---- what cannot be read --------------------------------------------------------------------------------------------


def test_a_row_that_names_no_order_is_quarantined_once_and_the_cursor_moves_on() -> None:
    harness = opened()

    for _ in range(3):
        harness.reply(page(unit(at_us=START_US), unreadable=(STRANGE,)))
        harness.ask()

    (letter,) = harness.letters
    assert (letter["key"], letter["code"], letter["where"]) == ("main", "ORDER_ROW_UNREADABLE", STRANGE.where)
    assert letter["value.sha256"] == STRANGE.sha256
    assert harness.poll_state().orders.cursor_us == START_US


def test_a_row_that_names_its_order_makes_that_one_undone_and_the_cursor_moves_on() -> None:
    harness = opened()

    harness.reply(page(unit(1, "M1", at_us=START_US), unreadable=(replace(STRANGE, order_id="M2"),)))

    assert harness.stored["main/M2"].undone
    assert harness.poll_state().orders.cursor_us == START_US
    assert [letter["key"] for letter in harness.letters] == ["M2"]


# ---- reports --------------------------------------------------------------------------------------------------------


def test_polls_report_their_progress() -> None:
    harness = opened()
    before = harness.flow.polls()

    harness.reply(page(unit(at_us=START_US)))

    report = harness.flow.polls()["main"]
    assert (report.polled_at_us, report.cursor_us, report.failures) == (harness.now_us, START_US, 0)
    assert (report.problem, report.is_polling, report.due_at_us) == (None, False, harness.wakes["main"])
    assert before["main"].polled_at_us is None, "a reader's mapping never changes"


def test_a_new_owner_reports_what_its_predecessor_knew() -> None:
    harness = opened()
    harness.reply(page(unit(at_us=START_US)))

    other = OrderHarness(stored=harness.stored, now_us=harness.now_us + SECOND).open()

    assert other.flow.polls()["main"].polled_at_us == harness.now_us


# ---- returns --------------------------------------------------------------------------------------------------------


def returned(number: int = 1, status: str = "label_generated", at_us: int | None = START_US) -> Return:
    return Return(
        return_id=number,
        storefront="de",
        status_raw=status,
        created_us=START_US,
        changed_us=at_us,
    )


def shown(*returns: Return, unreadable: tuple[UnreadableRow, ...] = ()) -> Settled:
    return Settled(answer=ReturnPage(returns=returns, unreadable=unreadable, is_last=True))


def test_returns_are_not_read_by_default() -> None:
    assert [want.slot for want in opened().wants["main"]] == ["orders"]


def test_returns_are_written_when_they_differ_and_have_a_cursor_of_their_own() -> None:
    harness = opened(returns=True)
    assert {want.kind for want in harness.wants["main"]} == {"order-page", "return-page"}

    for status in ("label_generated", "label_generated", "package_sent"):
        harness.market.returns = [returned(status=status)]
        harness.reply(shown(returned(status=status)), slot="returns")
        if harness.wants.get("main/return/1"):
            harness.answer("main/return/1")
        harness.reply(EMPTY, slot="orders")
        harness.ask()

    rows = harness.said(TOPICS.returns)
    assert [row["status_raw"] for row in rows] == ["label_generated", "package_sent"]
    assert rows[0]["return_id"] == 1
    assert {o.key for o in harness.outputs if o.topic == TOPICS.returns} == {b"1"}
    assert harness.poll_state().returns.cursor_us == START_US
    assert harness.poll_state().orders.cursor_us != START_US


def test_a_return_that_cannot_be_read_is_quarantined_once() -> None:
    harness = opened(returns=True)

    for _ in range(2):
        harness.reply(shown(returned(), unreadable=(STRANGE,)), slot="returns")
        harness.reply(EMPTY, slot="orders")
        harness.ask()

    assert [(letter["key"], letter["code"]) for letter in harness.letters] == [("main", "RETURN_ROW_UNREADABLE")]


def test_returns_that_fail_hold_up_no_orders() -> None:
    harness = opened(returns=True)

    harness.reply(GaveUp(reason="503 eight times"), slot="returns")
    harness.reply(page(unit(at_us=START_US)), slot="orders")

    assert harness.poll_state().orders.cursor_us == START_US
    assert harness.poll_state().polled_at_us == harness.now_us


def test_a_new_owner_begins_returns_again_too() -> None:
    harness = opened(returns=True)
    harness.reply(EMPTY, slot="orders")
    assert harness.stored["main"].undone

    harness.hear("main", Restored())

    assert {want.slot for want in harness.wants["main"]} == {"orders", "returns"}
