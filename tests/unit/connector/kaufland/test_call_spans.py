"""The span of a call: below its event or linked to several, and what it says."""

import socket
from dataclasses import replace

import pytest

from connector.kaufland.account import KauflandAccount
from connector.kaufland.adapter import Kaufland, kaufland
from connector.kaufland.call_log import CallLog
from connector.kaufland.http.address import address
from connector.kaufland.http.credentials import Credentials
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import AddParcel, ReadOrderUnit, SendUnit
from streams.flow import Output
from streams.span import Span
from streams.trace_context import Sampling, parse
from tests.unit.connector.kaufland.answering_server import AnsweringServer, Script, answer, answering
from tests.unit.connector.kaufland.test_caller import CLIENT_KEY, SECRET_KEY, accepting
from tests.unit.connector.kaufland.wants import RealClock, call, look_up, page, update

FIRST = Sampling().begins("first")
SECOND = Sampling().begins("second")
UNSAMPLED = Sampling(ratio=0).begins("third")


def adapter_of(server: AnsweringServer, sampling: Sampling | None) -> Kaufland:
    account = KauflandAccount(
        name="main",
        credentials=Credentials.of(CLIENT_KEY, SECRET_KEY),
        address=address(server.base_url, dev=True, playground=False),
    )
    log = CallLog(topic="calls", encode=lambda _row: b"row", instance_id="i-1", sampling=sampling)
    return kaufland([account], clock=RealClock(), log=log)


def logged(script: Script | bytes, *bodies: object, kind: str | None = None, sampling: Sampling | None) -> Output:
    """Returns the row that a call with these bodies leaves in the call log."""
    with answering(script if callable(script) else lambda _request, _sock: script) as server:
        adapter = adapter_of(server, sampling)
        made = call(*bodies)  # type: ignore[arg-type]
        [output] = adapter.call(made if kind is None else replace(made, kind=kind)).log
        adapter.close()
        return output


def span_of(output: Output) -> Span:
    assert output.span is not None
    return output.span


def traceparent(output: Output) -> str | None:
    value = dict(output.headers).get("traceparent")
    return None if value is None else value.decode()


def test_a_call_for_one_event_is_below_its_span() -> None:
    output = logged(answer(200, page()), replace(look_up(), traces=(FIRST.traceparent,)), sampling=Sampling(ratio=0))
    span = span_of(output)

    assert (span.parent, span.links, span.context.trace_id) == (FIRST, (), FIRST.trace_id)
    assert traceparent(output) == span.context.traceparent
    assert (span.name, span.error) == ("GET /units", "")
    url = span.attributes["url.full"]
    assert isinstance(url, str)
    assert url.startswith("http://127.0.0.1:")
    assert {name: span.attributes[name] for name in ("http.request.method", "http.response.status_code")} == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
    }
    assert span.end_us >= span.start_us
    assert not any(key in str(span) for key in (CLIENT_KEY, SECRET_KEY))


def test_a_call_that_carries_many_events_is_linked_to_all_of_them() -> None:
    bodies = (
        replace(update(1, price=1999), traces=(FIRST.traceparent, SECOND.traceparent)),
        replace(update(2, price=1999), traces=(FIRST.traceparent, UNSAMPLED.traceparent)),
    )
    span = span_of(logged(accepting, *bodies, sampling=Sampling(ratio=0)))

    assert (span.parent, span.links) == (None, (FIRST, SECOND, UNSAMPLED))
    assert span.context.trace_id not in (FIRST.trace_id, SECOND.trace_id)
    assert span.attributes["connector.call.items"] == 2
    assert "1999" not in str(span), "the content of a call is not in its span"


def test_a_call_of_which_no_event_is_recorded_has_no_span_but_a_context() -> None:
    output = logged(answer(200, page()), replace(look_up(), traces=(UNSAMPLED.traceparent,)), sampling=Sampling())

    assert output.span is None
    assert (parse(traceparent(output)) or FIRST).trace_id == UNSAMPLED.trace_id


def test_without_tracing_the_row_carries_the_context_of_its_event() -> None:
    known = replace(look_up(), traces=(FIRST.traceparent,))

    passed_on = logged(answer(200, page()), known, sampling=None)

    assert (passed_on.span, traceparent(passed_on)) == (None, FIRST.traceparent)
    assert traceparent(logged(answer(200, page()), look_up(), sampling=None)) is None


@pytest.mark.parametrize(
    ("body", "kind", "name"),
    [
        (
            SendUnit(order_unit_id=31, carrier_code="DHL", tracking_numbers=("T1",), traces=(FIRST.traceparent,)),
            CallKind.SEND,
            "PATCH /order-units/{id}/send",
        ),
        (
            AddParcel(order_unit_id=31, carrier_code="DHL", tracking_number="T1", traces=(FIRST.traceparent,)),
            CallKind.PARCEL,
            "POST /shipments",
        ),
        (ReadOrderUnit(order_unit_id=31), CallKind.ORDER_UNIT, "GET /order-units/{id}"),
    ],
)
def test_calls_for_shipments_are_named_by_their_path_without_ids(
    body: SendUnit | AddParcel | ReadOrderUnit, kind: CallKind, name: str
) -> None:
    span = span_of(logged(answer(500), body, kind=kind.value, sampling=Sampling()))

    assert (span.name, span.error) == (name, "500")
    assert span.parent == (None if isinstance(body, ReadOrderUnit) else FIRST)


def test_a_connection_that_breaks_is_named_by_its_error() -> None:
    def cut(_request: object, sock: socket.socket) -> bytes:
        sock.shutdown(socket.SHUT_RDWR)
        return b""

    span = span_of(logged(cut, look_up(), sampling=Sampling()))

    assert span.error
    assert span.attributes["error.type"] == span.error
    assert "http.response.status_code" not in span.attributes


def test_a_retry_says_so() -> None:
    with answering(lambda _request, _sock: answer(200, page())) as server:
        adapter = adapter_of(server, Sampling())
        made = call(look_up())
        [output] = adapter.call(replace(made, items=(replace(made.items[0], attempt=3),))).log
        adapter.close()

    assert span_of(output).attributes["http.request.resend_count"] == 2
