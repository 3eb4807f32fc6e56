"""The lane of one order: when the order is read, written, dead-lettered and deleted."""

from dataclasses import replace
from decimal import Decimal

import pytest

from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import Contact, OrderUnit, UnreadableRow
from connector.orders.events import Trouble, command_id
from connector.orders.lane_step import ListedRows
from connector.orders.order_lane import GONE_ATTEMPTS, STALE_ATTEMPTS
from connector.orders.policy import OrderPolicy
from streams.flow import GaveUp, Lost, Restored, Settled, Woken
from tests.harness.order_harness import DAY, SECOND, START_US, TOPICS, OrderHarness, flow_of, found, row_of, unit

LANE = "main/M1"
LATER_US = START_US + 60 * SECOND
STRANGE = UnreadableRow(where="orders/M1", sha256="ab" * 32, fault="order_units.0.price: not a number", order_id="M1")


def listed(*units: OrderUnit) -> ListedRows:
    return ListedRows(rows=tuple(map(row_of, units)))


def written(*units: OrderUnit, harness: OrderHarness | None = None) -> OrderHarness:
    """Returns a harness in which the order was read and written with these units."""
    harness = harness or OrderHarness()
    harness.tell("M1", listed(*units))
    harness.reply(Settled(answer=found(*units)), LANE)
    return harness


def test_a_row_that_is_not_known_makes_its_order_undone_and_read() -> None:
    harness = OrderHarness()

    harness.tell("M1", listed(unit()))

    assert harness.stored[LANE].undone
    assert harness.want(LANE).body.order_id == "M1"
    assert harness.want(LANE).since_us == harness.now_us
    assert harness.orders == []


def test_what_is_written_is_always_the_whole_order() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit(1)))

    harness.reply(Settled(answer=found(unit(1), unit(2, status="sent"))), LANE)

    (order,) = harness.orders
    assert (order["account"], order["order_id"], order["status"]) == ("main", "M1", "PARTLY_SENT")
    assert [one["order_unit_id"] for one in order["units"]] == [1, 2]
    assert (order["units_open"], order["observed_at"]) == ([1], harness.now_us)
    assert not harness.stored[LANE].undone
    assert harness.outputs[0].key == b"M1"


def test_rows_that_were_already_read_change_nothing() -> None:
    harness = written(unit(1), unit(2))

    harness.tell("M1", listed(unit(1), unit(2)))

    assert harness.wanting() == []


@pytest.mark.parametrize(
    "news",
    [unit(1, at_us=LATER_US), unit(1, status="sent"), unit(3)],
    ids=["a later change", "another status in the same second", "a unit that was not there"],
)
def test_a_row_that_differs_is_read_again(news: OrderUnit) -> None:
    harness = written(unit(1), unit(2))

    harness.tell("M1", listed(news))

    assert harness.wanting() == [LANE]


def test_fees_that_only_the_list_shows_are_in_the_order_and_are_remembered() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit(1, eco_fee=19, packaging_fee=2), unit(2)))
    harness.reply(Settled(answer=found(unit(1), unit(2))), LANE)
    harness.tell("M1", listed(unit(2, status="sent", at_us=LATER_US)))

    harness.reply(Settled(answer=found(unit(1), unit(2, status="sent", at_us=LATER_US))), LANE)

    assert [[one["eco_fee"] for one in order["units"]] for order in harness.orders] == [[Decimal("0.19"), None]] * 2
    assert harness.orders[-1]["units"][0]["packaging_fee"] == Decimal("0.02")


def test_a_fee_that_the_list_shows_late_is_written() -> None:
    harness = written(unit(1))

    harness.tell("M1", listed(unit(1, eco_fee=19)))
    harness.reply(Settled(answer=found(unit(1))), LANE)

    assert harness.orders[-1]["units"][0]["eco_fee"] == Decimal("0.19")


def test_unreadable_fields_of_an_order_are_noted_in_it() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit(1)))

    harness.reply(Settled(answer=found(unit(1, vat=None), notes=("order unit 1: vat: decimal_type",))), LANE)

    assert harness.orders[-1]["notes"] == ["order unit 1: vat: decimal_type"]


def test_a_row_older_than_the_last_read_changes_nothing() -> None:
    harness = written(unit(1, status="sent", at_us=LATER_US))

    harness.tell("M1", listed(unit(1, status="open")))

    assert harness.wanting() == []


def test_an_order_whose_content_is_the_same_is_not_written_again() -> None:
    harness = written(unit(1))
    strange = replace(STRANGE, where="order-units?offset=0, row 1")

    harness.tell("M1", ListedRows(unreadable=(strange,)))
    harness.reply(Settled(answer=found(unit(1))), LANE)

    assert len(harness.orders) == 1


def test_what_is_listed_while_a_read_is_under_way_is_read_again_after_it() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit(1)))
    harness.tell("M1", listed(unit(1, status="sent", at_us=LATER_US)))

    harness.reply(Settled(answer=found(unit(1))), LANE)

    assert [order["status"] for order in harness.orders] == ["OPEN"]
    assert harness.stored[LANE].undone
    harness.reply(Settled(answer=found(unit(1, status="sent", at_us=LATER_US))), LANE)
    assert [order["status"] for order in harness.orders] == ["OPEN", "SENT"]
    assert not harness.stored[LANE].undone


def test_an_answer_older_than_the_last_one_is_not_written_and_read_again() -> None:
    harness = written(unit(1, status="sent", at_us=LATER_US))
    harness.tell("M1", listed(unit(2, at_us=LATER_US)))

    harness.reply(Settled(answer=found(unit(1), unit(2, at_us=LATER_US))), LANE)

    assert [order["status"] for order in harness.orders] == ["SENT"]
    assert harness.wanting() == [LANE]
    harness.reply(Settled(answer=found(unit(1, status="sent", at_us=LATER_US), unit(2, at_us=LATER_US))), LANE)
    assert [order["status"] for order in harness.orders] == ["SENT", "PARTLY_SENT"]


def test_an_order_that_stays_older_than_the_list_is_written_after_some_reads() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit(1), unit(2)))

    reads = 0
    while harness.stored[LANE].undone and reads < 100:
        if not harness.wanting():
            harness.pass_s(61, answering=False)
        harness.reply(Settled(answer=found(unit(1))), LANE)
        reads += 1

    assert reads == STALE_ATTEMPTS + 1
    assert len(harness.orders) == 1
    harness.tell("M1", listed(unit(1), unit(2)))
    assert harness.wanting() == []


def test_a_lost_answer_is_asked_for_again() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))

    harness.reply(Lost(reason="no answer"), LANE)

    assert harness.wanting() == [LANE]


def test_a_read_that_was_given_up_stays_undone_and_is_tried_ever_more_slowly() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))
    waits: list[int] = []

    for _ in range(9):
        harness.reply(GaveUp(reason="503 eight times"), LANE)
        assert harness.stored[LANE].undone
        assert harness.wanting() == []
        waits.append((harness.wakes[LANE] - harness.now_us) // SECOND)
        harness.pass_s(waits[-1], answering=False)

    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    harness.reply(Settled(answer=found(unit())), LANE)
    assert len(harness.orders) == 1
    assert harness.order_state().trouble is None


def test_a_new_row_ends_a_wait() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))
    harness.reply(GaveUp(reason="503 eight times"), LANE)

    harness.tell("M1", listed(unit(status="sent", at_us=LATER_US)))

    assert harness.wanting() == [LANE]
    assert harness.want(LANE).since_us == harness.now_us, "as old as the first change that is not written"


def test_a_new_owner_goes_on_with_what_is_undone() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))
    harness.wants.clear()

    harness.hear(LANE, Restored())

    assert harness.wanting() == [LANE]


# ---- what cannot be read --------------------------------------------------------------------------------------------


def test_an_order_that_cannot_be_read_is_quarantined_once_and_read_again_until_it_can() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))
    waits: list[int] = []

    for _ in range(6):
        harness.reply(Settled(answer=found(unreadable=STRANGE)), LANE)
        assert harness.stored[LANE].undone
        waits.append((harness.wakes[LANE] - harness.now_us) // (3600 * SECOND))
        harness.pass_s(waits[-1] * 3600, answering=False)

    (letter,) = harness.letters
    assert waits == [1, 2, 4, 8, 16, 24]
    assert (letter["key"], letter["code"]) == ("M1", "ORDER_UNREADABLE")
    assert (letter["where"], letter["value.sha256"]) == ("orders/M1", "ab" * 32)
    assert (letter["instance"], letter["attempts"], letter["account"]) == ("shop-0", "1", "main")
    assert "order_units.0.price" in letter["__connect.errors.exception.message"]
    harness.reply(Settled(answer=found(unit())), LANE)
    assert len(harness.orders) == 1
    assert not harness.stored[LANE].undone


def test_another_fault_of_the_same_order_is_another_dead_letter() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))
    harness.reply(Settled(answer=found(unreadable=STRANGE)), LANE)
    harness.pass_s(3600, answering=False)

    harness.reply(Settled(answer=found(unreadable=replace(STRANGE, sha256="cd" * 32))), LANE)

    assert [letter["value.sha256"] for letter in harness.letters] == ["ab" * 32, "cd" * 32]


def test_a_row_that_cannot_be_read_makes_its_order_read_once() -> None:
    harness = OrderHarness()
    strange = replace(STRANGE, where="order-units?offset=100, row 3")

    harness.tell("M1", ListedRows(unreadable=(strange,)))
    harness.reply(Settled(answer=found(unit())), LANE)
    harness.tell("M1", ListedRows(unreadable=(strange,)))

    assert [(letter["code"], letter["where"]) for letter in harness.letters] == [
        ("ORDER_ROW_UNREADABLE", "order-units?offset=100, row 3")
    ]
    assert len(harness.orders) == 1
    assert harness.wanting() == []


def test_an_order_that_the_schema_cannot_hold_is_quarantined() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))

    harness.reply(Settled(answer=found(unit(currency="RON"))), LANE)

    (letter,) = harness.letters
    assert "currency 'RON' is not in the reference data" in letter["__connect.errors.exception.message"]
    assert harness.stored[LANE].undone
    assert harness.orders == []


def test_a_refused_read_is_quarantined_without_the_marketplaces_words() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))
    refused = Refused(code="MARKETPLACE_REFUSED", http_status=400, type="/problems/x", message="Jane Canary, Berlin")

    harness.reply(Settled(answer=refused), LANE)

    (letter,) = harness.letters
    assert "HTTP 400 /problems/x" in letter["__connect.errors.exception.message"]
    assert "Canary" not in str(letter)
    assert harness.stored[LANE].undone


def test_an_order_that_does_not_exist_is_given_up_after_a_while_with_a_dead_letter() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))

    for tries in range(1, GONE_ATTEMPTS + 1):
        assert harness.letters == []
        harness.reply(Settled(answer=Gone(http_status=404)), LANE)
        if tries < GONE_ATTEMPTS:
            harness.pass_s(3600, answering=False)

    assert [(letter["key"], letter["code"]) for letter in harness.letters] == [("M1", "ORDER_GONE")]
    assert not harness.stored[LANE].undone
    harness.tell("M1", listed(unit()))
    assert harness.wanting() == [], "the same row again"
    harness.tell("M1", listed(unit(at_us=LATER_US)))
    assert harness.wanting() == [LANE], "a change of it"


def test_a_new_order_that_is_found_only_later_is_not_given_up() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))
    harness.reply(Settled(answer=Gone(http_status=404)), LANE)
    assert harness.order_state().trouble is Trouble.GONE
    harness.pass_s(60, answering=False)

    harness.reply(Settled(answer=found(unit())), LANE)

    assert len(harness.orders) == 1
    assert harness.letters == []


# ---- how long an order is remembered --------------------------------------------------------------------------------


def test_an_incomplete_order_is_remembered_as_open_until_it_is_complete() -> None:
    harness = written(unit(1, status="need_to_be_sent"), unit(2, status="sent"), unit(3, status="sent"))
    assert harness.stored[LANE].open_since_us == START_US
    harness.pass_s(90 * 86_400)
    assert LANE in harness.stored

    sent = unit(1, status="sent", at_us=LATER_US)
    written(sent, unit(2, status="sent"), unit(3, status="sent"), harness=harness)

    assert harness.stored[LANE].open_since_us is None
    assert [order["complete"] for order in harness.orders] == [False, True]


def test_a_complete_order_is_forgotten_when_the_list_has_not_shown_it_for_a_while() -> None:
    harness = written(unit(status="sent"))

    harness.pass_s(86_399)
    assert LANE in harness.stored
    harness.pass_s(2)

    assert LANE not in harness.stored
    assert harness.stored == {}


def test_an_order_that_is_still_listed_is_kept_and_rarely_stored() -> None:
    harness = written(unit(status="sent"))
    stored = []

    for _ in range(6 * 24):
        harness.pass_s(1800)
        harness.tell("M1", listed(unit(status="sent")))
        stored.append(harness.stored[LANE])
        assert harness.wanting() == []

    assert len(harness.orders) == 1
    assert len({one.value for one in stored}) < 8


def test_an_order_that_was_forgotten_is_written_anew() -> None:
    harness = written(unit(status="sent"))
    harness.pass_s(90_000)

    written(unit(status="returned", at_us=LATER_US), harness=harness)

    assert [order["status"] for order in harness.orders] == ["SENT", "RETURNED"]


# ---- contacts and sales orders --------------------------------------------------------------------------------------

CONTACT = Contact(buyer={"email": "canary@example.org"}, billing={"city": "Canaryville"}, shipping={})


def test_contacts_are_not_written_by_default() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))

    harness.reply(Settled(answer=found(unit(), contact=CONTACT)), LANE)

    assert [output.topic for output in harness.outputs] == [TOPICS.orders, TOPICS.order_changes]
    assert [replace(output, topic="") for output in harness.outputs[1:]] == [replace(harness.outputs[0], topic="")]
    assert b"anary" not in b"".join([*(o.value or b"" for o in harness.outputs), harness.stored[LANE].value or b""])


def test_contacts_are_written_to_their_own_topic_only() -> None:
    harness = OrderHarness(flow=flow_of(contacts=True))
    harness.tell("M1", listed(unit()))

    harness.reply(Settled(answer=found(unit(), contact=CONTACT)), LANE)

    (contact,) = harness.said(TOPICS.order_contacts)
    assert (contact["order_id"], contact["buyer"]) == ("M1", {"email": "canary@example.org"})
    assert (contact["billing_address"], contact["shipping_address"]) == ({"city": "Canaryville"}, {})
    for output in harness.outputs:
        holds = b"anary" in (output.value or b"")
        assert holds == (output.topic == TOPICS.order_contacts)
        assert not any(b"anary" in value for _, value in output.headers)
    assert b"anary" not in (harness.stored[LANE].value or b"")
    assert "anary" not in repr(found(unit(), contact=CONTACT))


def test_a_sales_order_is_requested_once_with_the_default_customer() -> None:
    harness = OrderHarness(flow=flow_of(create_sales_orders=True, customer_number="K-7"))

    written(unit(status="open"), harness=harness)
    written(unit(status="sent", at_us=LATER_US), harness=harness)

    (requested,) = harness.said(TOPICS.sales_orders)
    assert (requested["order_id"], requested["customer_number"]) == ("M1", "K-7")
    assert requested["command_id"] == command_id("main", "M1")
    assert [one["status"] for one in requested["units"]] == ["OPEN"]
    assert len(harness.orders) == 2


def test_a_sales_order_is_not_requested_again_within_four_hundred_days() -> None:
    harness = written(unit(status="sent"), harness=OrderHarness(flow=flow_of(create_sales_orders=True)))

    harness.pass_s(399 * 86_400)
    written(unit(status="returned", at_us=START_US + 399 * DAY), harness=harness)

    assert len(harness.said(TOPICS.sales_orders)) == 1
    harness.pass_s(2 * 86_400)
    assert LANE not in harness.stored


def test_no_sales_order_is_requested_of_what_is_cancelled_nor_when_that_is_off() -> None:
    cancelled = written(unit(status="cancelled"), harness=OrderHarness(flow=flow_of(create_sales_orders=True)))
    off = written(unit())

    assert cancelled.said(TOPICS.sales_orders) == off.said(TOPICS.sales_orders) == []


def test_the_number_of_a_sales_order_never_changes() -> None:
    """The seller's systems detect repeated requests by it, so no release may change this value."""
    assert command_id("main", "MB7UWLD") == "b43c25b3-7b8e-5259-a2e3-77167781fe6a"


def test_a_lane_of_an_account_that_is_no_longer_polled_does_nothing() -> None:
    harness = OrderHarness()
    harness.tell("M1", listed(unit()))

    other = OrderHarness(flow=flow_of(OrderPolicy(accounts=frozenset({"other"}))), stored=harness.stored)
    other.hear(LANE, Restored())
    other.hear(LANE, Woken())

    assert other.wanting() == []
    assert other.stored[LANE].undone
