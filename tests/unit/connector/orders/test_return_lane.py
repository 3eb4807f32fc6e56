"""The lane of one return."""

from dataclasses import replace

import pytest

from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import Return, ReturnFound, ReturnUnit, Unreadable
from connector.orders.return_lane import TRIES
from streams.flow import GaveUp, Lost, Restored, Settled, Told, Woken
from tests.harness.order_harness import DAY, SECOND, START_US, TOPICS, Desk, flow_of

LANE = "main/return/7"
ROW = Return(return_id=7, storefront="de", status_raw="package_sent", created_us=START_US, changed_us=START_US)
UNITS = (
    ReturnUnit(return_unit_id=72, order_unit_id=5, status_raw="need_to_be_returned", reason="defect", has_note=True),
    ReturnUnit(return_unit_id=71, order_unit_id=9, status_raw="return_arrived", reason="defect"),
)
FOUND = ReturnFound(returned=ROW, units=UNITS)
STRANGE = Unreadable(where="returns/7", sha256="ab" * 32, fault="status: string_type")
REFUSED = Refused(code="MARKETPLACE_REFUSED", http_status=400, type="/problems/x", message="Canary~ secret words")


def desk_with(row: Return = ROW) -> Desk:
    desk = Desk(flow=flow_of(returns=True))
    listed(desk, row)
    return desk


def listed(desk: Desk, row: Return) -> None:
    desk.hear(LANE, Told(lane=LANE, message=row))


def test_a_return_that_is_listed_is_read_and_written_with_what_comes_back() -> None:
    desk = desk_with()
    assert desk.stored[LANE].undone
    assert (desk.want(LANE).kind, desk.want(LANE).body.return_id) == ("return", 7)
    assert desk.said(TOPICS.returns) == []

    desk.reply(Settled(answer=FOUND), LANE)

    (said,) = desk.said(TOPICS.returns)
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
    assert not desk.stored[LANE].undone


def test_where_the_units_have_different_reasons_the_return_has_none() -> None:
    desk = desk_with()

    desk.reply(Settled(answer=replace(FOUND, units=(UNITS[0], replace(UNITS[1], reason="dislike")))), LANE)

    assert desk.said(TOPICS.returns)[0]["reason"] is None


def test_a_row_as_it_was_read_is_no_news_and_another_one_is() -> None:
    desk = desk_with()
    desk.reply(Settled(answer=FOUND), LANE)

    listed(desk, ROW)
    assert desk.wanting() == []
    listed(desk, replace(ROW, changed_us=START_US + SECOND))
    assert desk.wanting() == [LANE]
    desk.reply(Settled(answer=replace(FOUND, returned=replace(ROW, changed_us=START_US + SECOND))), LANE)

    assert len(desk.said(TOPICS.returns)) == 2


def test_a_return_that_reads_as_it_was_written_is_not_written_again() -> None:
    desk = desk_with()
    desk.reply(Settled(answer=FOUND), LANE)
    listed(desk, replace(ROW, tracking_provider="DHL"))

    desk.reply(Settled(answer=FOUND), LANE)

    assert len(desk.said(TOPICS.returns)) == 1


def test_an_answer_older_than_the_list_is_asked_for_again_and_believed_in_the_end() -> None:
    newer = replace(ROW, changed_us=START_US + SECOND)
    desk = desk_with(newer)

    for _ in range(TRIES - 1):
        desk.reply(Settled(answer=FOUND), LANE)
        assert desk.said(TOPICS.returns) == []
        desk.pass_s(61, answering=False)
    desk.reply(Settled(answer=FOUND), LANE)

    assert len(desk.said(TOPICS.returns)) == 1
    assert not desk.stored[LANE].undone


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
    desk = desk_with()

    desk.reply(Settled(answer=answer), LANE)
    (said,) = desk.said(TOPICS.returns)
    desk.pass_s(61, answering=False)
    desk.reply(Settled(answer=answer), LANE)
    assert len(desk.said(TOPICS.returns)) == 1
    desk.pass_s(121, answering=False)
    desk.reply(Settled(answer=FOUND), LANE)

    assert (said["status_raw"], said["units"], said["notes"]) == ("package_sent", [], [f"return_units: {fault}"])
    assert [(letter["code"], letter["where"]) for letter in desk.letters] == [("RETURN_UNREADABLE", "returns/7")]
    assert "Canary" not in repr(desk.outputs)
    assert len(desk.said(TOPICS.returns)[1]["units"]) == 2


def test_a_return_that_is_never_shown_stays_as_it_is_until_the_list_shows_a_change() -> None:
    desk = desk_with()

    for _ in range(TRIES):
        desk.reply(Settled(answer=Gone(http_status=404)), LANE)
        desk.pass_s(3_601, answering=False)

    assert desk.wanting() == []
    listed(desk, ROW)
    assert desk.wanting() == []
    listed(desk, replace(ROW, status_raw="package_received"))
    assert desk.wanting() == [LANE]


def test_a_read_that_was_given_up_is_made_again_however_often() -> None:
    desk = desk_with()

    for _ in range(2 * TRIES):
        desk.reply(GaveUp(reason="503 eight times"), LANE)
        desk.pass_s(3_601, answering=False)
    desk.reply(Settled(answer=FOUND), LANE)

    assert len(desk.said(TOPICS.returns)) == 1


def test_a_new_owner_reads_what_its_predecessor_had_not() -> None:
    desk = desk_with()
    desk.checkpoint()
    desk.crash()
    assert desk.wanting()

    desk.hear(LANE, Restored())
    desk.reply(Lost(reason="no answer"), LANE)
    desk.reply(Settled(answer=FOUND), LANE)

    assert len(desk.said(TOPICS.returns)) == 1


def test_a_return_is_forgotten_when_the_list_has_not_shown_it_for_a_while() -> None:
    desk = desk_with()
    desk.reply(Settled(answer=FOUND), LANE)

    desk.now_us += 2 * DAY
    desk.hear(LANE, Woken())

    assert LANE not in desk.stored
