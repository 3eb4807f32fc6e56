"""Callers with a real server on 127.0.0.1: requests, deadlines, and the replies to every kind of bad response."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.contracts.call_log_row import MarketplaceCalled
from connector.kaufland.account import AccountState, KauflandAccount
from connector.kaufland.adapter import Kaufland, kaufland
from connector.kaufland.call_log import MAX_BODIES_S, CallLog
from connector.kaufland.call_options import UpdateMode
from connector.kaufland.caller import KauflandCaller
from connector.kaufland.http.address import address
from connector.kaufland.http.client import MAX_ANSWER_BYTES
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.offers.fulfillment import FAULT_FOR_S
from connector.marketplace.offers import Accepted, Field, Found, Gone, LookUp, Marketplace, Refused, Update
from streams.clock import uptime_s
from streams.flow import Answer, Call, Item, Lost, NotSent, Now, Retry, Settled
from streams.ports import Clock
from tests.harness.counted import counted_validations
from tests.harness.effort import examples
from tests.unit.connector.kaufland.answering_server import AnsweringServer, Received, Script, answer, answering
from tests.unit.connector.kaufland.independent_check import faults_of
from tests.unit.connector.kaufland.wants import EAN, SOON_S, RealClock, WrongClock, call, look_up, page, unit, update

CLIENT_KEY = "c0ffee" + "0" * 26
SECRET_KEY = "canary5ecret" + "a" * 52

Rows = list[MarketplaceCalled]


class Edge:
    """An adapter, its server, and the rows of its call log."""

    def __init__(self, server: AnsweringServer, adapter: Kaufland, rows: Rows) -> None:
        self.server = server
        self.adapter = adapter
        self.rows = rows

    def call(self, *bodies: LookUp | Update, **changed: Any) -> Answer:
        """Makes one call with these bodies; ``changed``: other attributes of the call."""
        return self.adapter.call(replace(call(*bodies), **changed) if changed else call(*bodies))

    def answers(self, script: Script | bytes) -> None:
        """Sets how the server responds from now on."""
        self.server.script = (lambda _request, _sock: script) if isinstance(script, bytes) else script


MakeEdge = Callable[..., Edge]


@pytest.fixture
def make_edge() -> Iterator[MakeEdge]:
    with ExitStack() as stack:

        def make(
            *,
            credentials: Credentials | None = None,
            clock: Clock | None = None,
            mode: UpdateMode = UpdateMode.BATCH,
            playground: bool = False,
            base_url: str | None = None,
        ) -> Edge:
            server = stack.enter_context(answering(lambda _request, _sock: answer(500)))
            rows: Rows = []

            def encode(row: MarketplaceCalled) -> bytes:
                rows.append(row)
                return b"row"

            account = KauflandAccount(
                name="main",
                credentials=credentials or Credentials.of(CLIENT_KEY, SECRET_KEY),
                address=address(base_url or server.base_url, dev=True, playground=playground),
                mode=mode,
            )
            log = CallLog(topic="calls", encode=encode, instance_id="i-1")
            adapter = kaufland([account], clock=clock or RealClock(), log=log)
            stack.callback(adapter.close)
            return Edge(server, adapter, rows)

        yield make


@pytest.fixture
def edge(make_edge: MakeEdge) -> Edge:
    return make_edge()


def accepting(request: Received, _sock: socket.socket) -> bytes:
    """Accepts every update."""
    entries = [
        {"id_unit": e["id_unit"], "status_code": 200, "unit": unit(e["id_unit"], **e["unit_data"])}
        for e in json.loads(request.body)
    ]
    return answer(207, {"data": entries})


def faults(request: Received, *, secret_key: str = SECRET_KEY) -> list[str]:
    """Returns the faults for which the marketplace would refuse the request."""
    return faults_of(
        method=request.method,
        scheme="http",
        target=request.target,
        headers=request.headers,
        body=request.body,
        client_key=CLIENT_KEY,
        secret_key=secret_key,
        now_s=time.time(),
    )


# ---- requests -------------------------------------------------------------------------------------------------------


def test_the_adapter_is_a_marketplace(edge: Edge) -> None:
    marketplace: Marketplace = edge.adapter

    assert marketplace.reference().bulk_limit == 150


def test_every_request_passes_an_independently_written_check(edge: Edge) -> None:
    edge.answers(accepting)
    edge.call(update(4101, price=1999, stock=7, handling_time=2), update(4102, stock=0))
    edge.answers(answer(200, page()))
    edge.call(look_up())

    bulk, listing = edge.server.received
    assert faults(bulk) == faults(listing) == []
    assert faults(bulk, secret_key="another") == ["signature"]
    assert (bulk.method, bulk.target) == ("POST", "/v2/units/bulk?storefront=de")
    assert bulk.body == (
        b'[{"id_unit":4101,"unit_data":{"listing_price":1999,"amount":7,"handling_time":2}},'
        b'{"id_unit":4102,"unit_data":{"amount":0}}]'
    )
    assert (listing.method, listing.body) == ("GET", b"")
    assert "content-type" not in listing.headers
    assert bulk.headers["user-agent"].startswith("kaufland-stream-connector/")


def test_a_patch_is_sent_in_mode_single(make_edge: MakeEdge) -> None:
    edge = make_edge(mode=UpdateMode.SINGLE)
    edge.answers(answer(200, {"data": unit(4101, amount=3)}))

    (reply,) = edge.call(update(4101, stock=3)).replies

    (request,) = edge.server.received
    assert (request.method, request.target, request.body) == ("PATCH", "/v2/units/4101?storefront=de", b'{"amount":3}')
    assert faults(request) == []
    assert isinstance(reply, Settled)
    assert isinstance(reply.answer, Accepted)


@pytest.mark.parametrize("count", [1, 149, 150])
def test_a_bulk_holds_up_to_150_units(edge: Edge, count: int) -> None:
    edge.answers(accepting)

    outcome = edge.call(*(update(number + 1, stock=number) for number in range(count)))

    assert len(edge.server.received) == 1
    assert [reply.answer.unit.values[Field.STOCK] for reply in outcome.replies] == list(range(count))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "bodies",
    [
        [update(n + 1) for n in range(151)],
        [update(1), update(1)],
        [replace(update(1), storefront="at")],
        [look_up(), look_up()],
    ],
)
def test_a_call_against_the_engines_rules_is_not_sent_and_stops_the_process(edge: Edge, bodies: list[Any]) -> None:
    outcome = edge.call(*bodies)

    assert outcome.stop is not None
    assert len(outcome.replies) == len(bodies)
    assert edge.server.received == []


def test_a_value_out_of_bounds_is_refused_and_the_others_are_sent(edge: Edge) -> None:
    edge.answers(accepting)

    first, second, third = edge.call(update(1, stock=1), update(2, price=0), update(3, stock=3)).replies

    assert isinstance(second, Settled)
    assert second.answer.code == "VALUE_OUT_OF_BOUNDS"
    assert [reply.answer.unit.unit_id for reply in (first, third)] == [1, 3]  # type: ignore[union-attr]
    assert b'"id_unit":2' not in edge.server.received[0].body


def test_each_update_of_a_call_is_validated_once(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    edge.answers(accepting)
    validated = counted_validations(monkeypatch)

    edge.call(*(update(number + 1, stock=number) for number in range(150)))

    assert validated == [{"amount": number} for number in range(150)]


def test_a_storefront_that_is_not_known_is_refused_with_those_that_are(edge: Edge) -> None:
    outcome = edge.call(replace(update(1), storefront="ro"), kind="update:ro")

    (reply,) = outcome.replies
    assert isinstance(reply, Settled)
    assert (reply.answer.code, reply.answer.http_status) == ("STOREFRONT_UNKNOWN", 0)
    assert "known are: at, cz, de" in reply.answer.message
    assert edge.server.received == []


def test_no_call_is_sent_if_all_items_are_refused(edge: Edge) -> None:
    outcome = edge.call(update(2, price=0))

    assert isinstance(outcome.replies[0], Settled)
    assert outcome.sent_s is None
    assert edge.server.received == []


def test_calls_of_a_thread_share_one_connection(edge: Edge) -> None:
    edge.answers(accepting)
    for number in range(5):
        edge.call(update(number + 1))

    assert {request.connection for request in edge.server.received} == {1}


def test_each_thread_has_a_connection_of_its_own(edge: Edge) -> None:
    edge.answers(accepting)
    callers = [edge.adapter.caller() for _ in range(3)]
    threads = [threading.Thread(target=caller.call, args=(call(update(1)),)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)

    assert {request.connection for request in edge.server.received} == {1, 2, 3}


def test_the_answer_carries_the_times_of_the_socket(edge: Edge) -> None:
    edge.answers(accepting)
    before_s = uptime_s()

    outcome = edge.call(update(1))

    assert outcome.sent_s is not None
    assert outcome.answered_s is not None
    assert before_s <= outcome.sent_s <= outcome.answered_s <= uptime_s()
    assert abs(outcome.sent_us / 1e6 - time.time()) < 60


# ---- lease, deadline, addresses -------------------------------------------------------------------------------------


def test_a_call_after_the_lease_is_never_sent(edge: Edge) -> None:
    outcome = edge.call(update(1), send_by_s=uptime_s() - 0.001)

    assert outcome.replies == (NotSent(),)
    assert (outcome.sent_s, outcome.failed, outcome.log) == (None, False, ())
    assert edge.server.received == []


def test_the_lease_is_checked_at_the_first_byte_and_not_before_connecting(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = socket.getaddrinfo

    def slowly(*where: Any, **how: Any) -> Any:
        threading.Event().wait(0.1)
        return resolved(*where, **how)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    edge.answers(accepting)

    outcome = edge.call(update(1), send_by_s=uptime_s() + 0.05)

    assert outcome.replies == (NotSent(),)
    assert edge.server.received == []


def drip(head: bytes, every_s: float) -> Script:
    """Sends a byte every ``every_s``, for longer than any call may take."""

    def script(_request: Received, sock: socket.socket) -> None:
        sock.sendall(head)
        stop_at = uptime_s() + 2 * SOON_S
        while uptime_s() < stop_at:
            sock.sendall(b" ")
            if threading.Event().wait(every_s):
                break

    return script


def call_that_left(edge: Edge, body: LookUp | Update, deadline_s: float) -> tuple[Call, Answer]:
    """Makes a call and returns it with its answer; tries again with more time until a byte of the request was sent.

    On a busy machine, the deadline may pass before the first byte.
    """
    wanted = call(body, deadline_s=deadline_s)
    outcome = edge.adapter.call(wanted)
    return (wanted, outcome) if outcome.sent_s is not None else call_that_left(edge, body, 2 * deadline_s)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 207 X\r\nX:", b"HTTP/1.1 207 X\r\nContent-Length: 99999\r\n\r\n"])
@pytest.mark.parametrize(("body", "ends"), [(update(1), Lost), (look_up(), Retry)])
def test_a_slow_response_does_not_extend_the_deadline(
    edge: Edge, head: bytes, body: LookUp | Update, ends: type[Any]
) -> None:
    edge.answers(drip(head, 0.02))

    wanted, outcome = call_that_left(edge, body, deadline_s=0.25)

    assert uptime_s() - wanted.give_up_at_s < SOON_S
    assert isinstance(outcome.replies[0], ends)
    assert outcome.failed


def test_a_server_that_never_answers_does_not_extend_the_deadline(make_edge: MakeEdge) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1)
    edge = make_edge(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v2")
    wanted = call(update(1), deadline_s=0.2)

    outcome = edge.adapter.call(wanted)
    listener.close()

    assert uptime_s() - wanted.give_up_at_s < SOON_S
    assert isinstance(outcome.replies[0], Lost)


def test_a_refused_connection_means_not_sent(make_edge: MakeEdge) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    edge = make_edge(base_url=f"http://127.0.0.1:{port}/v2")

    outcome = edge.call(update(1), account="main")

    assert isinstance(outcome.replies[0], NotSent)
    assert (outcome.failed, outcome.sent_s) == (True, None)
    assert edge.rows[0].transport_error == "ConnectError"


def test_a_request_for_another_address_is_stopped_before_anything_is_opened(make_edge: MakeEdge) -> None:
    edge = make_edge()
    caller = edge.adapter.caller()
    known = edge.adapter._shared.accounts["main"]
    client = caller.client(known)
    client._base = "https://sellerapi.kaufland.com/v2"

    outcome = caller.call(call(update(1)))

    assert outcome.stop is not None
    assert "ForbiddenAddress" in outcome.stop


def test_an_account_that_is_not_configured_stops(edge: Edge) -> None:
    assert edge.call(update(1), account="other").stop == "account 'other' is not configured"


def test_a_redirect_is_never_followed(edge: Edge) -> None:
    edge.answers(answer(307, Location=f"{edge.server.base_url}/elsewhere"))

    outcome = edge.call(update(1))

    assert isinstance(outcome.replies[0], Retry)
    assert len(edge.server.received) == 1


# ---- responses ------------------------------------------------------------------------------------------------------


def test_a_low_quota_reserves_the_rest_from_the_moment_of_the_answer(edge: Edge) -> None:
    low: dict[str, Any] = {"X-RateLimit-Remaining": "1", "X-RateLimit-Limit": "100", "X-RateLimit-Reset": "30"}
    edge.answers(lambda _r, _s: answer(200, {"data": []}, **low))

    outcome = edge.call(look_up())

    assert outcome.answered_s is not None
    assert outcome.reserve_until_s == outcome.answered_s + 30.0


def closes(_request: Received, _sock: socket.socket) -> None:
    """Closes the connection without a response."""


def resets(_request: Received, sock: socket.socket) -> None:
    """Ends the connection with a TCP reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    sock.close()  # without shutdown and lingering: sends a reset


def half_a_body(_request: Received, sock: socket.socket) -> None:
    """Sends a response that ends in the middle of its body."""
    sock.sendall(answer(207, {"data": [unit(1)]})[:-40])


GOOD = b'{"data": [{"id_unit": 1, "status_code": 200}, {"id_unit": 2, "status_code": 200}]}'

BROKEN: dict[str, Script] = {
    "closed": closes,
    "reset": resets,
    "half a body": half_a_body,
    "not HTTP": lambda _r, _s: b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "wrong JSON": lambda _r, _s: answer(200, raw=b'{"data": [}'),
    "no JSON": lambda _r, _s: answer(207, raw=b"<html>fine</html>"),
    "empty": lambda _r, _s: answer(200),
    "too large": lambda _r, _s: answer(200, raw=GOOD + b" " * MAX_ANSWER_BYTES),
    "not decodable": lambda _r, _s: answer(200, raw=b"not gzip", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_loses_a_write_and_repeats_a_look_up(edge: Edge, name: str) -> None:
    edge.answers(BROKEN[name])

    write, read = edge.call(update(1), update(2)), edge.call(look_up())

    assert [type(reply) for reply in (*write.replies, *read.replies)] == [Lost, Lost, Retry]
    assert write.failed
    assert read.failed
    assert len(edge.rows) == 2


def test_after_a_broken_answer_the_next_call_has_a_fresh_connection(edge: Edge) -> None:
    edge.answers(half_a_body)
    edge.call(update(1))
    edge.answers(accepting)

    assert isinstance(edge.call(update(1)).replies[0], Settled)
    assert [request.connection for request in edge.server.received] == [1, 2]


def test_a_connection_that_the_server_closed_while_idle_is_not_used(edge: Edge) -> None:
    edge.answers(accepting)
    edge.call(update(1))
    closed = threading.Event()

    def answer_and_close(request: Received, sock: socket.socket) -> None:
        sock.sendall(accepting(request, sock))
        sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    edge.answers(answer_and_close)
    edge.call(update(2))
    assert closed.wait(SOON_S)
    edge.answers(accepting)

    assert isinstance(edge.call(update(3)).replies[0], Settled)


def test_units_are_found_with_their_eans(edge: Edge) -> None:
    edge.answers(answer(200, page(unit(1, product={"eans": [EAN]}), unit(2, product={"eans": ["4006381333948"]}))))

    (reply,) = edge.call(look_up()).replies

    assert isinstance(reply, Settled)
    assert isinstance(reply.answer, Found)
    assert [found.unit_id for found in reply.answer.units] == [1]


def test_a_list_of_several_pages_takes_a_call_for_each(edge: Edge) -> None:
    def paged(request: Received, _sock: socket.socket) -> bytes:
        offset = int(request.target.rpartition("offset=")[2])
        last = min(offset + 100, 150)
        return answer(200, page(*(unit(n + 1) for n in range(offset, last)), total=150, offset=offset))

    edge.answers(paged)

    (first,), (second,) = edge.call(look_up()).replies, edge.call(look_up()).replies

    assert isinstance(first, Retry)
    assert (first.after_s, first.counts) == (0.0, False)
    assert isinstance(second, Settled)
    assert len(second.answer.units) == 150


def both_ways(
    own: list[dict[str, Any]], others: list[dict[str, Any]], *, refuses: bytes | None = None
) -> Callable[[Received, socket.socket], bytes]:
    """Returns the script of a marketplace: the merchant fulfils the units in ``own``, the marketplace the ``others``.

    ``refuses``: its response to a request for the others.
    """

    def respond(request: Received, _sock: socket.socket) -> bytes:
        if "fulfillment_type=fulfilled_by_kaufland" not in request.target:
            return answer(200, page(*own))
        if refuses is not None:
            return refuses
        return answer(200, page(*(others if "ean=" in request.target else others[:1]), total=len(others)))

    return respond


def look_until_settled(edge: Edge, body: LookUp) -> tuple[Found, int]:
    """Repeats a look-up until it settles; returns its answer and the number of calls. No retry counts as an attempt."""
    for calls in range(1, 5):
        (reply,) = edge.call(body).replies
        if isinstance(reply, Settled):
            assert isinstance(reply.answer, Found), reply
            return reply.answer, calls
        assert isinstance(reply, Retry)
        assert (reply.after_s, reply.counts) == (0.0, False)
    raise AssertionError("there is no end to it")


def test_a_unit_that_the_marketplace_fulfils_is_found_and_known_as_such(edge: Edge) -> None:
    edge.answers(both_ways([], [unit(7, fulfillment_type="fulfilled_by_kaufland")]))

    (first, calls), (again, later) = (look_until_settled(edge, look_up("NEW")) for _ in range(2))

    assert [(u.unit_id, u.fulfilled_by_marketplace) for u in first.units] == [(7, True)]
    assert again.units == first.units
    assert (calls, later) == (3, 2)
    assert all(not faults(request) for request in edge.server.received)


def test_a_look_up_whose_calls_are_made_by_different_threads_names_all_of_them(edge: Edge) -> None:
    edge.answers(both_ways([], [unit(7, fulfillment_type="fulfilled_by_kaufland")]))
    callers = [edge.adapter.caller() for _ in range(3)]

    replies = [
        caller.call(replace(call(look_up("NEW")), id=f"call-{number}")).replies[0]
        for number, caller in enumerate(callers, 1)
    ]

    assert [isinstance(reply, Retry) for reply in replies] == [True, True, False]
    assert isinstance(replies[-1], Settled)
    assert replies[-1].answer.call_ids == ("call-1", "call-2", "call-3")


def test_a_unit_that_an_earlier_call_of_its_look_up_showed_says_when_that_call_left(edge: Edge) -> None:
    edge.answers(both_ways([unit(1)], [unit(7, condition="USED___GOOD", fulfillment_type="fulfilled_by_kaufland")]))

    found, calls = look_until_settled(edge, look_up("USED_GOOD"))

    own, other = found.units
    assert calls == 3
    assert own.values
    assert (own.read_at_us or 0) < (other.read_at_us or 0)


def test_the_question_whether_there_is_any_other_offer_lists_nothing_for_the_event(edge: Edge) -> None:
    edge.answers(both_ways([], [unit(7, fulfillment_type="fulfilled_by_kaufland"), unit(8)]))

    look_until_settled(edge, look_up("NEW"))

    assert [("ean=" in row.path, row.listed) for row in edge.rows] == [(True, 0), (False, None), (True, 2)]


@pytest.mark.parametrize(
    ("refusal", "asked_again"),
    [
        (answer(500), True),
        (answer(200, {"data": "odd"}), True),
        (answer(400, {"type": "/problems/validation-error", "message": "deprecated", "errors": []}), False),
    ],
    ids=["500", "odd", "400"],
)
def test_only_a_refusal_of_the_other_fulfilment_type_is_remembered_for_an_hour(
    make_edge: MakeEdge, refusal: bytes, *, asked_again: bool
) -> None:
    clock = LateFaultClock()
    edge = make_edge(clock=clock)
    others = [unit(7, fulfillment_type="fulfilled_by_kaufland")]
    edge.answers(both_ways([], others, refuses=refusal))
    look_until_settled(edge, look_up("NEW"))
    edge.answers(both_ways([], others))

    clock.behind_s = 0.0
    found, _ = look_until_settled(edge, look_up("NEW"))

    assert [u.unit_id for u in found.units] == ([7] if asked_again else [])


class LateFaultClock(RealClock):
    """A clock behind the real one by more than a fault of one call is remembered."""

    behind_s = FAULT_FOR_S + 1

    def now(self) -> Now:
        now = super().now()
        return replace(now, mono_s=now.mono_s - self.behind_s)


def test_a_seller_without_such_units_pays_one_call_an_hour_for_all_that_is_not_there(edge: Edge) -> None:
    edge.answers(both_ways([], []))

    found = [look_until_settled(edge, look_up("NEW")) for _ in range(5)]

    assert [calls for _, calls in found] == [2, 1, 1, 1, 1]
    assert all(one.units == () and len(one.call_ids) == calls for one, calls in found)


@pytest.mark.parametrize(
    "refusal",
    [
        answer(400, {"type": "/problems/validation-error", "message": "deprecated", "errors": []}),
        answer(404, {"type": "/problems/not-found", "message": "no", "errors": []}),
        answer(403, {"type": "/problems/forbidden", "message": "no", "errors": []}),
        answer(500, {"type": "/problems/server-error", "message": "no", "errors": []}),
        answer(200, {"data": "odd"}),
    ],
    ids=["400", "404", "403", "500", "odd"],
)
def test_an_invalid_answer_for_the_other_fulfilment_type_leaves_the_offer_not_found(edge: Edge, refusal: bytes) -> None:
    edge.answers(both_ways([], [], refuses=refusal))

    found = [look_until_settled(edge, look_up("NEW")) for _ in range(2)]

    assert [(one.units, calls, len(one.call_ids)) for one, calls in found] == [((), 2, 2), ((), 1, 1)]


@pytest.mark.parametrize("refusal", [answer(429), answer(503), answer(401)], ids=["429", "503", "401"])
def test_the_other_fulfilment_type_is_looked_up_later_while_the_marketplace_is_down(edge: Edge, refusal: bytes) -> None:
    edge.answers(both_ways([], [], refuses=refusal))
    edge.call(look_up("NEW"))

    (reply,) = edge.call(look_up("NEW")).replies

    assert isinstance(reply, Retry)
    assert not reply.counts


def test_an_unknown_unit_is_gone_and_a_refused_one_is_refused(edge: Edge) -> None:
    entries = [
        {"id_unit": 1, "status_code": 404, "message": "Unit not found", "errors": []},
        {"id_unit": 2, "status_code": 400, "message": "no", "errors": [{"field": "amount", "message": "x"}]},
    ]
    edge.answers(answer(207, {"data": entries}))

    gone, refused = edge.call(update(1), update(2)).replies

    assert gone == Settled(answer=Gone(http_status=404, message="Unit not found"))
    assert isinstance(refused, Settled)
    assert isinstance(refused.answer, Refused)
    assert refused.answer.errors[0].field is Field.STOCK


# ---- keys and clock -------------------------------------------------------------------------------------------------

UNAUTHORIZED = {"type": "/problems/corrupted-signature", "message": "signature", "errors": []}


def believing(request: Received, sock: socket.socket) -> bytes:
    """Responds as the marketplace does: refuses requests that are not correctly signed."""
    return accepting(request, sock) if faults(request) == [] else answer(401, UNAUTHORIZED)


@pytest.mark.parametrize("off_s", [-3600, -301, 301, 3600])
def test_a_wrong_clock_is_diagnosed_once_and_corrected_from_then_on(make_edge: MakeEdge, off_s: int) -> None:
    edge = make_edge(clock=WrongClock(off_s))
    edge.answers(believing)

    first, second = edge.call(update(1)), edge.call(update(1))

    assert first.closed_because.startswith("CLOCK_SKEW")
    assert isinstance(first.replies[0], Retry)
    assert isinstance(second.replies[0], Settled)
    skew_s = edge.adapter.skew_s("main")
    assert skew_s is not None
    assert abs(skew_s + off_s) < 60


def test_a_step_of_the_wall_clock_in_mid_run_is_not_noticed(make_edge: MakeEdge) -> None:
    clock = WrongClock(0)
    edge = make_edge(clock=clock)
    edge.answers(believing)
    edge.call(update(1))

    clock.off_s = 3600

    assert isinstance(edge.call(update(1)).replies[0], Settled)


def test_a_wrong_secret_closes_the_account_until_its_file_is_corrected(make_edge: MakeEdge, tmp_path: Path) -> None:
    (tmp_path / "client").write_text(CLIENT_KEY)
    (tmp_path / "secret").write_text("b" * 64)
    edge = make_edge(credentials=Credentials.from_files(tmp_path / "client", tmp_path / "secret"))
    edge.answers(believing)

    refused, again = edge.call(update(1)), edge.call(update(1))
    (tmp_path / "secret").write_text(SECRET_KEY)
    healed = edge.call(update(1))

    for outcome in (refused, again):
        assert outcome.close_account_s is not None
        assert outcome.closed_because.startswith("WRONG_SIGNATURE")
        assert isinstance(outcome.replies[0], Retry)
        assert not outcome.replies[0].counts
    assert isinstance(healed.replies[0], Settled)


def test_files_are_not_read_while_the_account_is_not_refused(make_edge: MakeEdge, tmp_path: Path) -> None:
    (tmp_path / "client").write_text(CLIENT_KEY)
    (tmp_path / "secret").write_text(SECRET_KEY)
    edge = make_edge(credentials=Credentials.from_files(tmp_path / "client", tmp_path / "secret"))
    edge.answers(believing)
    edge.call(update(1))

    (tmp_path / "secret").write_text("b" * 64)

    assert isinstance(edge.call(update(1)).replies[0], Settled)


def test_no_key_is_in_an_answer_a_log_or_a_crash(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        edge.answers(answer(401, UNAUTHORIZED))
        refused = edge.call(update(1))
        edge.answers(BROKEN["not HTTP"])
        broken = edge.call(update(1))
        crashed = edge.call(replace(update(1), storefront="at"))
        health = edge.adapter.check("main")

    shown = f"{refused} {broken} {crashed} {health} {caplog.text} {edge.rows} {edge.adapter._shared}"
    assert crashed.stop is not None
    assert "canary" not in shown
    assert CLIENT_KEY not in shown


# ---- the call log ---------------------------------------------------------------------------------------------------


def test_each_attempt_has_a_row(edge: Edge) -> None:
    edge.answers(accepting)

    outcome = edge.call(update(4101, stock=1), update(4102, stock=2))

    (output,) = outcome.log
    (row,) = edge.rows
    assert (output.topic, output.key, output.value) == ("calls", b"main", b"row")
    assert (row.call_id, row.account, row.storefront, row.kind) == ("call-1", "main", "de", "update:de")
    assert (row.method, row.path, row.attempt) == ("POST", "/units/bulk?storefront=de", 1)
    assert (row.http_status, row.outcome, row.tokens_left, row.instance_id) == (207, "accepted", 3, "i-1")
    assert row.request_sha256 == sha256(edge.server.received[0].body).hexdigest()
    assert row.response_sha256 is not None
    assert [(i.unit_id, i.event_ids, i.event_count, i.status_code) for i in row.items] == [
        (4101, ("e4101",), 1, 200),
        (4102, ("e4102",), 1, 200),
    ]
    assert row.answered_at_us is not None
    assert 0 <= row.duration_us < 5_000_000
    assert (row.request_body, row.response_body) == (None, None)
    assert row.request_bytes == len(edge.server.received[0].body)
    assert row.response_bytes is not None
    assert row.response_bytes > 0
    assert (row.waited_us, row.limit_per_second) == (None, None)


def test_a_row_says_how_long_the_oldest_item_waited_and_which_limit_was_in_force(edge: Edge) -> None:
    edge.answers(accepting)
    asked = call(update(4101, stock=1), update(4102, stock=2))
    first, second = asked.items
    waiting = replace(first, since_us=1_000_000), replace(second, since_us=2_000_000)

    edge.adapter.call(replace(asked, items=waiting, limit_per_s=3.33333))

    (row,) = edge.rows
    assert row.waited_us == row.sent_at_us - 1_000_000
    assert row.limit_per_second == Decimal("3.3333")


def test_a_call_whose_turn_comes_after_its_lease_does_not_leave(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[float] = []

    def never(_account: AccountState, now_s: float, limit_per_s: float) -> float:
        asked_for.append(limit_per_s)
        return now_s + 1e9

    monkeypatch.setattr(AccountState, "leave", never)
    edge.answers(accepting)
    asked = call(update(4101, stock=1))

    limited, unlimited = (edge.adapter.call(replace(asked, limit_per_s=limit)) for limit in (3.5, None))

    assert limited.replies == (NotSent(),)
    assert isinstance(unlimited.replies[0], Settled)
    assert asked_for == [3.5]
    assert len(edge.server.received) == 1


@pytest.mark.parametrize(
    ("units", "listed"),
    [((), 0), ((unit(1), unit(2, storefront="at")), 2)],
    ids=["nothing", "one of another storefront"],
)
def test_a_look_ups_row_proves_what_was_asked_and_how_much_was_listed(
    edge: Edge, units: tuple[Any, ...], listed: int
) -> None:
    edge.answers(answer(200, page(*units)))

    edge.call(replace(look_up(), event_ids=("e1", "e2"), event_count=2))

    (row,) = edge.rows
    asked = urlsplit(row.path)
    assert (row.method, row.http_status, asked.path) == ("GET", 200, "/units")
    assert dict(parse_qsl(asked.query)) == {
        "storefront": "de", "ean": EAN, "embedded": "products", "limit": "100", "offset": "0",
    }  # fmt: skip
    assert (row.event_ids, row.event_count, row.items) == (("e1", "e2"), 2, ())
    assert row.listed == listed


def test_unknown_fields_of_a_look_ups_log_row_are_null(edge: Edge) -> None:
    edge.answers(answer(500, {}))
    edge.call(look_up())
    edge.answers(accepting)
    edge.call(update(1))

    assert [row.listed for row in edge.rows] == [None, None]


def test_a_row_names_the_first_twenty_events_behind_a_unit(edge: Edge) -> None:
    edge.answers(accepting)
    edge.call(replace(update(1), event_ids=tuple(str(n) for n in range(30)), event_count=30))

    assert edge.rows[0].items[0].event_ids == tuple(str(n) for n in range(20))
    assert edge.rows[0].items[0].event_count == 30


def test_exact_bodies_are_logged_only_while_the_switch_is_on(make_edge: MakeEdge) -> None:
    edge = make_edge()
    edge.answers(accepting)

    assert edge.adapter.log_bodies(10**9) == MAX_BODIES_S
    edge.call(update(1))
    edge.adapter.log_bodies(0)
    edge.call(update(1))

    with_bodies, without = edge.rows
    assert with_bodies.request_body == edge.server.received[0].body
    assert with_bodies.response_body is not None
    assert sha256(with_bodies.response_body).hexdigest() == with_bodies.response_sha256
    assert without.request_body is None


# ---- check ----------------------------------------------------------------------------------------------------------


def test_check_lists_the_storefronts_of_a_valid_account(edge: Edge) -> None:
    def marketplace(request: Received, _sock: socket.socket) -> bytes:
        assert faults(request) == []
        ping = request.target == "/v2/status/ping"
        return answer(200, {"data": {"message": "Never tell me the odds"} if ping else ["DE", "at"]})

    edge.answers(marketplace)

    health = edge.adapter.check("main")

    assert (health.reachable, health.authenticated, health.storefronts) == (True, True, ("de", "at"))
    assert health.clock_skew_s is not None
    assert abs(health.clock_skew_s) < 60
    assert health.detail["address"] == edge.server.base_url


@pytest.mark.parametrize(
    ("script", "reachable", "says"),
    [  # created when the test runs, since a response has the time of its creation
        (lambda: answer(401, UNAUTHORIZED), True, "WRONG_SIGNATURE"),
        (lambda: answer(403, {**UNAUTHORIZED, "type": "/problems/inactive-account"}), True, "inactive-account"),
        (lambda: answer(500), True, "HTTP 500"),
        (lambda: b"nonsense\r\n\r\n", False, "RemoteProtocolError"),
    ],
    ids=["wrong signature", "inactive account", "failing", "no HTTP"],
)
def test_check_reports_why_an_account_is_refused(
    edge: Edge, script: Callable[[], bytes], reachable: bool, says: str
) -> None:
    edge.answers(script())

    health = edge.adapter.check("main")

    assert (health.reachable, health.authenticated) == (reachable, False)
    assert says in health.message


def test_check_warns_of_a_clock_that_is_far_off(make_edge: MakeEdge) -> None:
    edge = make_edge(clock=WrongClock(120))
    edge.answers(answer(200, {"data": {"message": "x"}}))

    assert "synchronise it (NTP)" in edge.adapter.check("main").detail["clock"]


def test_close_may_be_called_twice(edge: Edge) -> None:
    edge.answers(accepting)
    edge.call(update(1))

    edge.adapter.close()
    edge.adapter.close()


# ---- arbitrary responses --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def any_edge() -> Iterator[tuple[AnsweringServer, KauflandCaller]]:
    with answering(lambda _request, _sock: answer(500)) as server:
        account = KauflandAccount(
            name="main",
            credentials=Credentials.of(CLIENT_KEY, SECRET_KEY),
            address=address(server.base_url, dev=True),
        )
        adapter = kaufland([account], clock=RealClock())
        yield server, adapter.caller()
        adapter.close()


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200), status=st.integers(100, 999), whole=st.booleans(), write=st.booleans())
def test_any_response_gives_one_reply_per_item_and_stops_nothing(
    any_edge: tuple[AnsweringServer, KauflandCaller], raw: bytes, status: int, whole: bool, write: bool
) -> None:
    server, caller = any_edge

    def script(_request: Received, sock: socket.socket) -> None:
        sock.sendall(answer(status, raw=raw, Connection="close") if whole else raw)

    server.script = script
    wanted: Call = call(update(1), update(2)) if write else call(look_up())

    outcome = caller.call(wanted)

    assert outcome.stop is None
    assert len(outcome.replies) == len(wanted.items)
    assert not write or not any(isinstance(reply, Settled) for reply in outcome.replies)


def test_an_item_of_a_kind_that_is_not_known_stops(edge: Edge) -> None:
    unknown = replace(call(update(1)), kind="create:de", items=(Item(body=update(1), attempt=1),))

    assert edge.adapter.call(unknown).stop is not None


def test_an_account_is_refused_from_a_401_until_an_accepted_call(edge: Edge) -> None:
    edge.answers(answer(401, UNAUTHORIZED))
    edge.call(update(1))

    assert edge.adapter.refused() == {"main": True}

    edge.answers(believing)
    edge.call(update(1))

    assert edge.adapter.refused() == {"main": False}
