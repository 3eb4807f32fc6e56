"""The lane of one order."""

from dataclasses import replace
from decimal import Decimal

import pytest

from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import Contact, OrderUnit, Unreadable
from connector.orders.events import Trouble, command_id
from connector.orders.lane_step import Listed
from connector.orders.order_lane import GONE_TRIES, STALE_TRIES
from connector.orders.policy import OrderPolicy
from streams.flow import GaveUp, Lost, Restored, Settled, Woken
from tests.harness.order_harness import DAY, SECOND, START_US, TOPICS, Desk, flow_of, found, row_of, unit

LANE = "main/M1"
LATER_US = START_US + 60 * SECOND
STRANGE = Unreadable(where="orders/M1", sha256="ab" * 32, fault="order_units.0.price: not a number", order_id="M1")


def listed(*units: OrderUnit) -> Listed:
    return Listed(rows=tuple(map(row_of, units)))


def written(*units: OrderUnit, desk: Desk | None = None) -> Desk:
    """A desk with the order written as it is."""
    desk = desk or Desk()
    desk.tell("M1", listed(*units))
    desk.reply(Settled(answer=found(*units)), LANE)
    return desk


def test_a_row_that_is_not_known_makes_its_order_undone_and_read() -> None:
    desk = Desk()

    desk.tell("M1", listed(unit()))

    assert desk.stored[LANE].undone
    assert desk.want(LANE).body.order_id == "M1"
    assert desk.want(LANE).since_us == desk.now_us
    assert desk.orders == []


def test_what_is_written_is_always_the_whole_order() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit(1)))

    desk.reply(Settled(answer=found(unit(1), unit(2, status="sent"))), LANE)

    (order,) = desk.orders
    assert (order["account"], order["order_id"], order["status"]) == ("main", "M1", "PARTLY_SENT")
    assert [one["order_unit_id"] for one in order["units"]] == [1, 2]
    assert (order["units_open"], order["observed_at"]) == ([1], desk.now_us)
    assert not desk.stored[LANE].undone
    assert desk.outputs[0].key == b"M1"


def test_rows_as_they_were_read_are_no_news() -> None:
    desk = written(unit(1), unit(2))

    desk.tell("M1", listed(unit(1), unit(2)))

    assert desk.wanting() == []


@pytest.mark.parametrize(
    "news",
    [unit(1, at_us=LATER_US), unit(1, status="sent"), unit(3)],
    ids=["a later change", "another status in the same second", "a unit that was not there"],
)
def test_a_row_that_differs_is_read_again(news: OrderUnit) -> None:
    desk = written(unit(1), unit(2))

    desk.tell("M1", listed(news))

    assert desk.wanting() == [LANE]


def test_fees_that_only_the_list_shows_are_in_the_order_and_are_remembered() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit(1, eco_fee=19, packaging_fee=2), unit(2)))
    desk.reply(Settled(answer=found(unit(1), unit(2))), LANE)
    desk.tell("M1", listed(unit(2, status="sent", at_us=LATER_US)))

    desk.reply(Settled(answer=found(unit(1), unit(2, status="sent", at_us=LATER_US))), LANE)

    assert [[one["eco_fee"] for one in order["units"]] for order in desk.orders] == [[Decimal("0.19"), None]] * 2
    assert desk.orders[-1]["units"][0]["packaging_fee"] == Decimal("0.02")


def test_a_fee_that_the_list_shows_late_is_written() -> None:
    desk = written(unit(1))

    desk.tell("M1", listed(unit(1, eco_fee=19)))
    desk.reply(Settled(answer=found(unit(1))), LANE)

    assert desk.orders[-1]["units"][0]["eco_fee"] == Decimal("0.19")


def test_what_could_not_be_read_of_an_order_is_said_in_it() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit(1)))

    desk.reply(Settled(answer=found(unit(1, vat=None), notes=("order unit 1: vat: decimal_type",))), LANE)

    assert desk.orders[-1]["notes"] == ["order unit 1: vat: decimal_type"]


def test_a_row_older_than_what_was_read_is_no_news() -> None:
    desk = written(unit(1, status="sent", at_us=LATER_US))

    desk.tell("M1", listed(unit(1, status="open")))

    assert desk.wanting() == []


def test_an_order_whose_content_is_the_same_is_not_written_again() -> None:
    desk = written(unit(1))
    strange = replace(STRANGE, where="order-units?offset=0, row 1")

    desk.tell("M1", Listed(unreadable=(strange,)))
    desk.reply(Settled(answer=found(unit(1))), LANE)

    assert len(desk.orders) == 1


def test_what_is_listed_while_a_read_is_under_way_is_read_again_after_it() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit(1)))
    desk.tell("M1", listed(unit(1, status="sent", at_us=LATER_US)))

    desk.reply(Settled(answer=found(unit(1))), LANE)

    assert [order["status"] for order in desk.orders] == ["OPEN"]
    assert desk.stored[LANE].undone
    desk.reply(Settled(answer=found(unit(1, status="sent", at_us=LATER_US))), LANE)
    assert [order["status"] for order in desk.orders] == ["OPEN", "SENT"]
    assert not desk.stored[LANE].undone


def test_an_answer_older_than_the_last_one_is_not_written_and_read_again() -> None:
    desk = written(unit(1, status="sent", at_us=LATER_US))
    desk.tell("M1", listed(unit(2, at_us=LATER_US)))

    desk.reply(Settled(answer=found(unit(1), unit(2, at_us=LATER_US))), LANE)

    assert [order["status"] for order in desk.orders] == ["SENT"]
    assert desk.wanting() == [LANE]
    desk.reply(Settled(answer=found(unit(1, status="sent", at_us=LATER_US), unit(2, at_us=LATER_US))), LANE)
    assert [order["status"] for order in desk.orders] == ["SENT", "PARTLY_SENT"]


def test_the_order_is_believed_in_the_end_when_the_list_goes_on_to_differ() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit(1), unit(2)))

    reads = 0
    while desk.stored[LANE].undone and reads < 100:
        if not desk.wanting():
            desk.pass_s(61, answering=False)
        desk.reply(Settled(answer=found(unit(1))), LANE)
        reads += 1

    assert reads == STALE_TRIES + 1
    assert len(desk.orders) == 1
    desk.tell("M1", listed(unit(1), unit(2)))
    assert desk.wanting() == []


def test_a_lost_answer_is_asked_for_again() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))

    desk.reply(Lost(reason="no answer"), LANE)

    assert desk.wanting() == [LANE]


def test_a_read_that_was_given_up_stays_undone_and_is_tried_ever_more_slowly() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))
    waits: list[int] = []

    for _ in range(9):
        desk.reply(GaveUp(reason="503 eight times"), LANE)
        assert desk.stored[LANE].undone
        assert desk.wanting() == []
        waits.append((desk.wakes[LANE] - desk.now_us) // SECOND)
        desk.pass_s(waits[-1], answering=False)

    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    desk.reply(Settled(answer=found(unit())), LANE)
    assert len(desk.orders) == 1
    assert desk.order_state().trouble is None


def test_news_end_a_wait() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))
    desk.reply(GaveUp(reason="503 eight times"), LANE)

    desk.tell("M1", listed(unit(status="sent", at_us=LATER_US)))

    assert desk.wanting() == [LANE]
    assert desk.want(LANE).since_us == desk.now_us, "as old as the first change that is not written"


def test_a_new_owner_goes_on_with_what_is_undone() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))
    desk.wants.clear()

    desk.hear(LANE, Restored())

    assert desk.wanting() == [LANE]


# ---- what cannot be read --------------------------------------------------------------------------------------------


def test_an_order_that_cannot_be_read_is_quarantined_once_and_read_again_until_it_can() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))
    waits: list[int] = []

    for _ in range(6):
        desk.reply(Settled(answer=found(unreadable=STRANGE)), LANE)
        assert desk.stored[LANE].undone
        waits.append((desk.wakes[LANE] - desk.now_us) // (3600 * SECOND))
        desk.pass_s(waits[-1] * 3600, answering=False)

    (letter,) = desk.letters
    assert waits == [1, 2, 4, 8, 16, 24]
    assert (letter["key"], letter["code"]) == ("M1", "ORDER_UNREADABLE")
    assert (letter["where"], letter["value.sha256"]) == ("orders/M1", "ab" * 32)
    assert (letter["instance"], letter["attempts"], letter["account"]) == ("shop-0", "1", "main")
    assert "order_units.0.price" in letter["__connect.errors.exception.message"]
    desk.reply(Settled(answer=found(unit())), LANE)
    assert len(desk.orders) == 1
    assert not desk.stored[LANE].undone


def test_another_fault_of_the_same_order_is_another_dead_letter() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))
    desk.reply(Settled(answer=found(unreadable=STRANGE)), LANE)
    desk.pass_s(3600, answering=False)

    desk.reply(Settled(answer=found(unreadable=replace(STRANGE, sha256="cd" * 32))), LANE)

    assert [letter["value.sha256"] for letter in desk.letters] == ["ab" * 32, "cd" * 32]


def test_a_row_that_cannot_be_read_makes_its_order_read_once() -> None:
    desk = Desk()
    strange = replace(STRANGE, where="order-units?offset=100, row 3")

    desk.tell("M1", Listed(unreadable=(strange,)))
    desk.reply(Settled(answer=found(unit())), LANE)
    desk.tell("M1", Listed(unreadable=(strange,)))

    assert [(letter["code"], letter["where"]) for letter in desk.letters] == [
        ("ORDER_ROW_UNREADABLE", "order-units?offset=100, row 3")
    ]
    assert len(desk.orders) == 1
    assert desk.wanting() == []


def test_what_the_contract_cannot_carry_is_quarantined() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))

    desk.reply(Settled(answer=found(unit(currency="RON"))), LANE)

    (letter,) = desk.letters
    assert "currency 'RON' is not in the reference data" in letter["__connect.errors.exception.message"]
    assert desk.stored[LANE].undone
    assert desk.orders == []


def test_a_refused_read_is_quarantined_without_the_marketplaces_words() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))
    refused = Refused(code="MARKETPLACE_REFUSED", http_status=400, type="/problems/x", message="Jane Canary, Berlin")

    desk.reply(Settled(answer=refused), LANE)

    (letter,) = desk.letters
    assert "HTTP 400 /problems/x" in letter["__connect.errors.exception.message"]
    assert "Canary" not in str(letter)
    assert desk.stored[LANE].undone


def test_an_order_that_does_not_exist_is_given_up_after_a_while_with_a_dead_letter() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))

    for tries in range(1, GONE_TRIES + 1):
        assert desk.letters == []
        desk.reply(Settled(answer=Gone(http_status=404)), LANE)
        if tries < GONE_TRIES:
            desk.pass_s(3600, answering=False)

    assert [(letter["key"], letter["code"]) for letter in desk.letters] == [("M1", "ORDER_GONE")]
    assert not desk.stored[LANE].undone
    desk.tell("M1", listed(unit()))
    assert desk.wanting() == [], "the same row again"
    desk.tell("M1", listed(unit(at_us=LATER_US)))
    assert desk.wanting() == [LANE], "a change of it"


def test_a_new_order_that_is_found_only_later_is_not_given_up() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))
    desk.reply(Settled(answer=Gone(http_status=404)), LANE)
    assert desk.order_state().trouble is Trouble.GONE
    desk.pass_s(60, answering=False)

    desk.reply(Settled(answer=found(unit())), LANE)

    assert len(desk.orders) == 1
    assert desk.letters == []


# ---- what is remembered ---------------------------------------------------------------------------------------------


def test_an_incomplete_order_is_remembered_as_open_until_it_is_complete() -> None:
    desk = written(unit(1, status="need_to_be_sent"), unit(2, status="sent"), unit(3, status="sent"))
    assert desk.stored[LANE].open_since_us == START_US
    desk.pass_s(90 * 86_400)
    assert LANE in desk.stored

    sent = unit(1, status="sent", at_us=LATER_US)
    written(sent, unit(2, status="sent"), unit(3, status="sent"), desk=desk)

    assert desk.stored[LANE].open_since_us is None
    assert [order["complete"] for order in desk.orders] == [False, True]


def test_a_complete_order_is_forgotten_when_the_list_has_not_shown_it_for_a_while() -> None:
    desk = written(unit(status="sent"))

    desk.pass_s(86_399)
    assert LANE in desk.stored
    desk.pass_s(2)

    assert LANE not in desk.stored
    assert desk.stored == {}


def test_what_the_list_goes_on_to_show_is_not_forgotten_and_seldom_stored() -> None:
    desk = written(unit(status="sent"))
    stored = []

    for _ in range(6 * 24):
        desk.pass_s(1800)
        desk.tell("M1", listed(unit(status="sent")))
        stored.append(desk.stored[LANE])
        assert desk.wanting() == []

    assert len(desk.orders) == 1
    assert len({one.value for one in stored}) < 8


def test_an_order_that_was_forgotten_is_written_anew() -> None:
    desk = written(unit(status="sent"))
    desk.pass_s(90_000)

    written(unit(status="returned", at_us=LATER_US), desk=desk)

    assert [order["status"] for order in desk.orders] == ["SENT", "RETURNED"]


# ---- contacts and sales orders --------------------------------------------------------------------------------------

CONTACT = Contact(buyer={"email": "canary@example.org"}, billing={"city": "Canaryville"}, shipping={})


def test_who_bought_is_nowhere_by_default() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))

    desk.reply(Settled(answer=found(unit(), contact=CONTACT)), LANE)

    assert [output.topic for output in desk.outputs] == [TOPICS.orders]
    assert b"anary" not in b"".join([*(o.value or b"" for o in desk.outputs), desk.stored[LANE].value or b""])


def test_who_bought_goes_into_its_own_topic_when_that_is_on_and_nowhere_else() -> None:
    desk = Desk(flow=flow_of(contacts=True))
    desk.tell("M1", listed(unit()))

    desk.reply(Settled(answer=found(unit(), contact=CONTACT)), LANE)

    (contact,) = desk.said(TOPICS.order_contacts)
    assert (contact["order_id"], contact["buyer"]) == ("M1", {"email": "canary@example.org"})
    assert (contact["billing_address"], contact["shipping_address"]) == ({"city": "Canaryville"}, {})
    for output in desk.outputs:
        holds = b"anary" in (output.value or b"")
        assert holds == (output.topic == TOPICS.order_contacts)
        assert not any(b"anary" in value for _, value in output.headers)
    assert b"anary" not in (desk.stored[LANE].value or b"")
    assert "anary" not in repr(found(unit(), contact=CONTACT))


def test_a_sales_order_is_requested_once_with_the_default_customer() -> None:
    desk = Desk(flow=flow_of(create_sales_orders=True, customer_number="K-7"))

    written(unit(status="open"), desk=desk)
    written(unit(status="sent", at_us=LATER_US), desk=desk)

    (requested,) = desk.said(TOPICS.sales_orders)
    assert (requested["order_id"], requested["customer_number"]) == ("M1", "K-7")
    assert requested["command_id"] == command_id("main", "M1")
    assert [one["status"] for one in requested["units"]] == ["OPEN"]
    assert len(desk.orders) == 2


def test_a_sales_order_is_not_requested_again_within_four_hundred_days() -> None:
    desk = written(unit(status="sent"), desk=Desk(flow=flow_of(create_sales_orders=True)))

    desk.pass_s(399 * 86_400)
    written(unit(status="returned", at_us=START_US + 399 * DAY), desk=desk)

    assert len(desk.said(TOPICS.sales_orders)) == 1
    desk.pass_s(2 * 86_400)
    assert LANE not in desk.stored


def test_no_sales_order_is_requested_of_what_is_cancelled_nor_when_that_is_off() -> None:
    cancelled = written(unit(status="cancelled"), desk=Desk(flow=flow_of(create_sales_orders=True)))
    off = written(unit())

    assert cancelled.said(TOPICS.sales_orders) == off.said(TOPICS.sales_orders) == []


def test_the_number_of_a_sales_order_never_changes() -> None:
    """The seller's own systems tell repeats by it: this value may not move with any release."""
    assert command_id("main", "MB7UWLD") == "b43c25b3-7b8e-5259-a2e3-77167781fe6a"


def test_a_lane_of_an_account_that_is_polled_no_more_rests() -> None:
    desk = Desk()
    desk.tell("M1", listed(unit()))

    other = Desk(flow=flow_of(OrderPolicy(accounts=frozenset({"other"}))), stored=desk.stored)
    other.hear(LANE, Restored())
    other.hear(LANE, Woken())

    assert other.wanting() == []
    assert other.stored[LANE].undone
