"""Calls about orders, parcels and returns with a real server: requests, replies; personal data is not kept."""

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.contracts.call_log_row import MarketplaceCalled
from connector.kaufland.account import KauflandAccount
from connector.kaufland.adapter import Kaufland, kaufland
from connector.kaufland.call_log import CallLog
from connector.kaufland.call_options import CallOptions
from connector.kaufland.call_preparation import CallPreparation
from connector.kaufland.http.address import address
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.http.exchange import ApiResponse
from connector.kaufland.prepared_call import PreparedCall
from connector.kaufland.reference import load_reference
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Refused
from connector.marketplace.orders import (
    CarriersFound,
    Contact,
    OrderBody,
    OrderFound,
    OrderPage,
    ReadCarriers,
    ReadOrder,
    ReturnFound,
    ReturnPage,
    SendUnit,
    SubscriptionPage,
    Taken,
    UnitFound,
)
from streams.flow import Answer, Lost, Reply, Retry, Settled
from tests.harness.effort import examples
from tests.unit.connector.kaufland.answering_server import AnsweringServer, Received, Script, answer, answering
from tests.unit.connector.kaufland.independent_check import faults_of
from tests.unit.connector.kaufland.sold import (
    BODIES,
    CANARY,
    OF_ORDERS,
    SUCCESS,
    order,
    order_call,
    order_unit,
    page,
    return_row,
)
from tests.unit.connector.kaufland.wants import RealClock

CLIENT_KEY, SECRET_KEY = "c0ffee" + "0" * 26, "5" * 64
PERSONAL = [kind for kind in OF_ORDERS if kind.personal]
WRITES = [CallKind.SEND, CallKind.PARCEL]


class LoggedAdapter:
    """An adapter, its server, and the rows of its call log."""

    def __init__(self, server: AnsweringServer, adapter: Kaufland, rows: list[MarketplaceCalled]) -> None:
        self.server = server
        self.adapter = adapter
        self.rows = rows

    def call(self, kind: CallKind, body: OrderBody | None = None) -> Answer:
        return self.adapter.call(order_call(kind, body))

    def reply(self, kind: CallKind, body: OrderBody | None = None) -> Reply:
        """Makes one call and returns its only reply."""
        (reply,) = self.call(kind, body).replies
        return reply

    def answers(self, script: Script | bytes) -> None:
        """Sets how the server responds from now on."""
        self.server.script = (lambda _request, _sock: script) if isinstance(script, bytes) else script


MakeDesk = Callable[..., LoggedAdapter]


@pytest.fixture
def make_desk() -> Iterator[MakeDesk]:
    with ExitStack() as stack:

        def make(**settings_: Any) -> LoggedAdapter:
            server = stack.enter_context(answering(lambda _request, _sock: answer(500)))
            rows: list[MarketplaceCalled] = []

            def encode(row: MarketplaceCalled) -> bytes:
                rows.append(row)
                return repr(row).encode()

            account = KauflandAccount(
                name="main",
                credentials=Credentials.of(CLIENT_KEY, SECRET_KEY),
                address=address(server.base_url, dev=True),
                **settings_,
            )
            log = CallLog(topic="calls", encode=encode, instance_id="i-1")
            adapter = kaufland([account], clock=RealClock(), log=log)
            stack.callback(adapter.close)
            return LoggedAdapter(server, adapter, rows)

        yield make


@pytest.fixture
def desk(make_desk: MakeDesk) -> LoggedAdapter:
    return make_desk()


def good(kind: CallKind) -> bytes:
    """Returns a successful response to this kind of call."""
    return answer(204) if kind in WRITES else answer(200, SUCCESS[kind])


# ---- requests -------------------------------------------------------------------------------------------------------

FILTER = "ts_updated_from_iso=2026-01-01T00%3A00%3A04Z"
LEAVES: dict[CallKind, tuple[str, str]] = {
    CallKind.SEND: ("PATCH", "/v2/order-units/11/send"),
    CallKind.PARCEL: ("POST", "/v2/shipments"),
    CallKind.ORDER_UNIT: ("GET", "/v2/order-units/11"),
    CallKind.ORDER: ("GET", "/v2/orders/MB7UWLD"),
    CallKind.ORDER_PAGE: ("GET", f"/v2/order-units?{FILTER}&sort=ts_updated%3Adesc&limit=100&offset=100"),
    CallKind.CARRIERS: ("GET", "/v2/carriers"),
    CallKind.RETURN_PAGE: ("GET", f"/v2/returns?{FILTER}&sort=ts_updated%3Adesc&limit=100&offset=0"),
    CallKind.RETURN: ("GET", "/v2/returns/7?embedded=return_units"),
    CallKind.SUBSCRIPTIONS: ("GET", "/v2/subscriptions?limit=30&offset=0"),
}


@pytest.mark.parametrize("kind", OF_ORDERS)
def test_every_request_passes_an_independently_written_check(desk: LoggedAdapter, kind: CallKind) -> None:
    desk.answers(good(kind))

    desk.call(kind)

    (request,) = desk.server.received
    assert (request.method, request.target) == LEAVES[kind]
    assert bool(request.body) is (kind in WRITES)
    assert not faults_of(
        method=request.method,
        scheme="http",
        target=request.target,
        headers=request.headers,
        body=request.body,
        client_key=CLIENT_KEY,
        secret_key=SECRET_KEY,
        now_s=time.time(),
    )


def test_order_calls_with_invalid_values_are_refused_without_a_request(desk: LoggedAdapter) -> None:
    reply = desk.reply(CallKind.SEND, SendUnit(order_unit_id=11, carrier_code="", tracking_numbers=("T",)))

    assert isinstance(reply, Settled)
    assert isinstance(reply.answer, Refused)
    assert (reply.answer.code, reply.answer.http_status) == ("VALUE_OUT_OF_BOUNDS", 0)
    assert desk.server.received == []
    assert desk.rows == []


@pytest.mark.parametrize("kind", OF_ORDERS)
def test_a_body_that_does_not_belong_to_its_kind_stops(desk: LoggedAdapter, kind: CallKind) -> None:
    other: OrderBody = ReadOrder(order_id="A") if kind is not CallKind.ORDER else ReadCarriers()

    assert desk.call(kind, other).stop is not None
    assert desk.server.received == []


def test_a_call_of_two_items_stops(desk: LoggedAdapter) -> None:
    call = order_call(CallKind.SEND)

    assert desk.adapter.call(replace(call, items=call.items * 2)).stop is not None


# ---- replies --------------------------------------------------------------------------------------------------------

FOUND: dict[CallKind, type[Any]] = {
    CallKind.SEND: Taken,
    CallKind.PARCEL: Taken,
    CallKind.ORDER_UNIT: UnitFound,
    CallKind.ORDER: OrderFound,
    CallKind.ORDER_PAGE: OrderPage,
    CallKind.CARRIERS: CarriersFound,
    CallKind.RETURN_PAGE: ReturnPage,
    CallKind.RETURN: ReturnFound,
    CallKind.SUBSCRIPTIONS: SubscriptionPage,
}


@pytest.mark.parametrize("kind", OF_ORDERS)
def test_a_good_answer_settles_its_item(desk: LoggedAdapter, kind: CallKind) -> None:
    desk.answers(good(kind))

    reply = desk.reply(kind)

    assert isinstance(reply, Settled)
    assert isinstance(reply.answer, FOUND[kind])


def closes(_request: Received, _sock: socket.socket) -> None:
    """Closes the connection without a response."""


def half(_request: Received, sock: socket.socket) -> None:
    """Sends a response that ends in the middle of its body."""
    sock.sendall(b'HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n{"data')


@pytest.mark.parametrize("script", [closes, half])
@pytest.mark.parametrize("kind", OF_ORDERS)
def test_a_broken_answer_loses_a_parcel_and_repeats_a_read(desk: LoggedAdapter, kind: CallKind, script: Script) -> None:
    desk.answers(script)

    assert isinstance(desk.reply(kind), Lost if kind in WRITES else Retry)


@pytest.mark.parametrize("kind", PERSONAL)
def test_a_deeply_nested_answer_does_not_raise(kind: CallKind) -> None:
    prepared = CallPreparation(load_reference(), RealClock()).prepare(order_call(kind), CallOptions(contacts=True))
    assert isinstance(prepared, PreparedCall)

    for depth in range(700, 1010):
        nested = b"[" * depth + b"]" * depth
        prepared.on_success(ApiResponse(status=200, headers={}, body=b'{"data":[{"id_order":%b}]}' % nested))
        prepared.on_success(ApiResponse(status=200, headers={}, body=b'{"data":{"id_order":%b}}' % nested))


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        (CallKind.SEND, "shipments"),
        (CallKind.PARCEL, "shipments"),
        (CallKind.CARRIERS, "shipments"),
        (CallKind.ORDER, "orders"),
        (CallKind.ORDER_UNIT, "orders"),
        (CallKind.ORDER_PAGE, "orders"),
        (CallKind.RETURN_PAGE, "returns"),
        (CallKind.RETURN, "returns"),
        (CallKind.SUBSCRIPTIONS, "orders"),
    ],
)
def test_the_quota_of_its_own_group_stands_in_for_an_answer_that_does_not_say_its_limit(
    make_desk: MakeDesk, kind: CallKind, group: str
) -> None:
    own, others = make_desk(quotas={group: 1000}), make_desk(quotas={"units_read": 1000, "units_write": 1000})
    for desk in (own, others):
        desk.answers(answer(429, X_RateLimit_Remaining="5"))

    assert own.call(kind).reserve_until_s is not None
    assert others.call(kind).reserve_until_s is None


# ---- personal data --------------------------------------------------------------------------------------------------


def test_contacts_are_handed_on_only_by_an_account_that_is_asked_for_them(make_desk: MakeDesk) -> None:
    silent, telling = make_desk(), make_desk(contacts=True)
    for desk in (silent, telling):
        desk.answers(good(CallKind.ORDER))

    kept, told = silent.reply(CallKind.ORDER), telling.reply(CallKind.ORDER)

    assert isinstance(kept, Settled)
    assert kept.answer.contact is None
    assert isinstance(told, Settled)
    assert isinstance(told.answer.contact, Contact)
    assert told.answer.contact.shipping["first_name"].startswith(CANARY)
    assert told.answer.units == kept.answer.units


@pytest.mark.parametrize("kind", OF_ORDERS)
def test_each_attempt_has_a_row_without_storefront_and_items(desk: LoggedAdapter, kind: CallKind) -> None:
    desk.answers(good(kind))

    outcome = desk.call(kind)

    (row,) = desk.rows
    method, target = LEAVES[kind]
    assert (row.kind, row.method, "/v2" + row.path) == (kind.value, method, target)
    assert (row.storefront, row.items, row.account) == (None, (), "main")
    assert row.http_status == (204 if kind in WRITES else 200)
    assert row.outcome == ("accepted" if kind in WRITES else "answered")
    assert len(outcome.log) == 1


def test_no_query_contains_personal_data() -> None:
    """A query has times, pages and embedded parts only; ids of orders and returns are in the path."""
    names = {name for _, target in LEAVES.values() for name, _ in parse_qsl(urlsplit(target).query)}

    assert names <= {"ts_updated_from_iso", "sort", "limit", "offset", "embedded", "fulfillment_type"}


@pytest.mark.parametrize("kind", OF_ORDERS)
def test_bodies_that_may_name_a_buyer_are_never_logged_even_while_the_switch_is_on(
    desk: LoggedAdapter, kind: CallKind
) -> None:
    desk.adapter.log_bodies(60)
    desk.answers(good(kind))
    desk.call(kind)
    desk.answers(answer(400, {"message": "no", "errors": []}))
    desk.call(kind)

    bodies = [(row.request_body, row.response_body) for row in desk.rows]
    assert (bodies == [(None, None)] * 2) is (kind in PERSONAL)


SPOILT: list[tuple[CallKind, Any]] = [
    (CallKind.ORDER_UNIT, {"data": order_unit(price="x")}),
    (CallKind.ORDER, {"data": order(order_unit(price="x"))}),
    (CallKind.ORDER, {"data": [order()]}),
    (CallKind.ORDER_PAGE, page(order_unit(status=5), offset=100)),
    (CallKind.ORDER_PAGE, {"data": [order_unit()], "pagination": CANARY}),
    (CallKind.RETURN_PAGE, page(return_row(id_return=CANARY))),
    *((kind, SUCCESS[kind]) for kind in PERSONAL),
]


@pytest.mark.parametrize(("kind", "body"), SPOILT)
def test_personal_data_is_in_no_reply_row_or_log_line(
    desk: LoggedAdapter, kind: CallKind, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk.adapter.log_bodies(60)
    outcomes: list[Answer] = []

    with caplog.at_level(logging.DEBUG):
        for status in (200, 202, 302, 500, 999):
            desk.answers(answer(status, body))
            outcomes.append(desk.call(kind))

    assert CANARY in json.dumps(body)
    assert CANARY not in repr(outcomes)
    assert CANARY not in repr(desk.rows)
    assert CANARY not in caplog.text


# ---- arbitrary responses --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def any_desk() -> Iterator[LoggedAdapter]:
    with answering(lambda _request, _sock: answer(500)) as server:
        account = KauflandAccount(
            name="main",
            credentials=Credentials.of(CLIENT_KEY, SECRET_KEY),
            address=address(server.base_url, dev=True),
            contacts=True,
        )
        adapter = kaufland([account], clock=RealClock())
        yield LoggedAdapter(server, adapter, [])
        adapter.close()


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(OF_ORDERS),
    raw=st.binary(max_size=200) | st.sampled_from([json.dumps(body).encode() for body in SUCCESS.values()]),
    status=st.integers(100, 999),
    whole=st.booleans(),
)
def test_any_response_to_an_order_call_gives_one_reply_and_stops_nothing(
    any_desk: LoggedAdapter, kind: CallKind, raw: bytes, status: int, whole: bool
) -> None:
    def script(_request: Received, sock: socket.socket) -> None:
        sock.sendall(answer(status, raw=raw, Connection="close") if whole else raw)

    any_desk.answers(script)

    outcome = any_desk.call(kind)

    assert outcome.stop is None
    assert len(outcome.replies) == 1
    assert CANARY not in repr(outcome)
    assert BODIES[kind] is outcome.call.items[0].body
