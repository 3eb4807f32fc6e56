"""The lane of one return: when the return is read, written, dead-lettered and deleted."""

from dataclasses import replace

import pytest

from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import Return, ReturnFound, ReturnUnit, UnreadableRow
from connector.orders.return_lane import TRIES
from streams.flow import GaveUp, Lost, Restored, Settled, Told, Woken
from tests.harness.order_harness import DAY, SECOND, START_US, TOPICS, OrderHarness, flow_of

LANE = "main/return/7"
ROW = Return(return_id=7, storefront="de", status_raw="package_sent", created_us=START_US, changed_us=START_US)
UNITS = (
    ReturnUnit(return_unit_id=72, order_unit_id=5, status_raw="need_to_be_returned", reason="defect", has_note=True),
    ReturnUnit(return_unit_id=71, order_unit_id=9, status_raw="return_arrived", reason="defect"),
)
FOUND = ReturnFound(returned=ROW, units=UNITS)
STRANGE = UnreadableRow(where="returns/7", sha256="ab" * 32, fault="status: string_type")
REFUSED = Refused(code="MARKETPLACE_REFUSED", http_status=400, type="/problems/x", message="Canary~ secret words")


def desk_with(row: Return = ROW) -> OrderHarness:
    harness = OrderHarness(flow=flow_of(returns=True))
    listed(harness, row)
    return harness


def listed(harness: OrderHarness, row: Return) -> None:
    harness.hear(LANE, Told(lane=LANE, message=row))


def test_a_return_that_is_listed_is_read_and_written_with_what_comes_back() -> None:
    harness = desk_with()
    assert harness.stored[LANE].undone
    assert (harness.want(LANE).kind, harness.want(LANE).body.return_id) == ("return", 7)
    assert harness.said(TOPICS.returns) == []

    harness.reply(Settled(answer=FOUND), LANE)

    (said,) = harness.said(TOPICS.returns)
    assert (said["order_unit_ids"], said["reason"], said["notes"]) == ([5, 9], "defect", [])
    assert said["units"] == [
        {
            "return_unit_id": 71,
            "order_unit_id": 9,
            "status_raw": "return_arrived",
            "reason": "defect",
            "has_note": False,
        },
        {
            "return_unit_id": 72,
            "order_unit_id": 5,
            "status_raw": "need_to_be_returned",
            "reason": "defect",
            "has_note": True,
        },
    ]
    assert not harness.stored[LANE].undone


def test_where_the_units_have_different_reasons_the_return_has_none() -> None:
    harness = desk_with()

    harness.reply(Settled(answer=replace(FOUND, units=(UNITS[0], replace(UNITS[1], reason="dislike")))), LANE)

    assert harness.said(TOPICS.returns)[0]["reason"] is None


def test_a_return_row_that_was_read_changes_nothing_and_a_different_one_does() -> None:
    harness = desk_with()
    harness.reply(Settled(answer=FOUND), LANE)

    listed(harness, ROW)
    assert harness.wanting() == []
    listed(harness, replace(ROW, changed_us=START_US + SECOND))
    assert harness.wanting() == [LANE]
    harness.reply(Settled(answer=replace(FOUND, returned=replace(ROW, changed_us=START_US + SECOND))), LANE)

    assert len(harness.said(TOPICS.returns)) == 2


def test_a_return_that_reads_as_it_was_written_is_not_written_again() -> None:
    harness = desk_with()
    harness.reply(Settled(answer=FOUND), LANE)
    listed(harness, replace(ROW, tracking_provider="DHL"))

    harness.reply(Settled(answer=FOUND), LANE)

    assert len(harness.said(TOPICS.returns)) == 1


def test_an_answer_older_than_the_list_is_repeated_and_finally_used() -> None:
    newer = replace(ROW, changed_us=START_US + SECOND)
    harness = desk_with(newer)

    for _ in range(TRIES - 1):
        harness.reply(Settled(answer=FOUND), LANE)
        assert harness.said(TOPICS.returns) == []
        harness.pass_s(61, answering=False)
    harness.reply(Settled(answer=FOUND), LANE)

    assert len(harness.said(TOPICS.returns)) == 1
    assert not harness.stored[LANE].undone


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Gone(http_status=404), "HTTP 404"),
        (REFUSED, "HTTP 400 /problems/x"),
        (ReturnFound(returned=ROW, unreadable=STRANGE), "status: string_type"),
    ],
)
def test_a_return_that_is_not_shown_is_written_as_far_as_it_is_listed_and_read_again(
    answer: Gone | Refused | ReturnFound, fault: str
) -> None:
    harness = desk_with()

    harness.reply(Settled(answer=answer), LANE)
    (said,) = harness.said(TOPICS.returns)
    harness.pass_s(61, answering=False)
    harness.reply(Settled(answer=answer), LANE)
    assert len(harness.said(TOPICS.returns)) == 1
    harness.pass_s(121, answering=False)
    harness.reply(Settled(answer=FOUND), LANE)

    assert (said["status_raw"], said["units"], said["notes"]) == ("package_sent", [], [f"return_units: {fault}"])
    assert [(letter["code"], letter["where"]) for letter in harness.letters] == [("RETURN_UNREADABLE", "returns/7")]
    assert "Canary" not in repr(harness.outputs)
    assert len(harness.said(TOPICS.returns)[1]["units"]) == 2


def test_a_return_that_is_never_shown_stays_as_it_is_until_the_list_shows_a_change() -> None:
    harness = desk_with()

    for _ in range(TRIES):
        harness.reply(Settled(answer=Gone(http_status=404)), LANE)
        harness.pass_s(3_601, answering=False)

    assert harness.wanting() == []
    listed(harness, ROW)
    assert harness.wanting() == []
    listed(harness, replace(ROW, status_raw="package_received"))
    assert harness.wanting() == [LANE]


def test_a_read_that_was_given_up_is_made_again_however_often() -> None:
    harness = desk_with()

    for _ in range(2 * TRIES):
        harness.reply(GaveUp(reason="503 eight times"), LANE)
        harness.pass_s(3_601, answering=False)
    harness.reply(Settled(answer=FOUND), LANE)

    assert len(harness.said(TOPICS.returns)) == 1


def test_a_new_owner_reads_what_its_predecessor_had_not() -> None:
    harness = desk_with()
    harness.checkpoint()
    harness.crash()
    assert harness.wanting()

    harness.hear(LANE, Restored())
    harness.reply(Lost(reason="no answer"), LANE)
    harness.reply(Settled(answer=FOUND), LANE)

    assert len(harness.said(TOPICS.returns)) == 1


def test_a_return_is_forgotten_when_the_list_has_not_shown_it_for_a_while() -> None:
    harness = desk_with()
    harness.reply(Settled(answer=FOUND), LANE)

    harness.now_us += 2 * DAY
    harness.hear(LANE, Woken())

    assert LANE not in harness.stored
