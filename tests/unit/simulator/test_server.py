"""The server's behaviour on the wire: limits, clocks, keys, and every fault."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from devstack.waiting import until
from simulator.control import PolicyChange
from simulator.faults.mishaps import (
    Alter,
    ApplyLate,
    CallMishap,
    Delay,
    Drip,
    Garble,
    HalfBody,
    InjectedFault,
    LoseAnswer,
    Match,
    Outage,
    Refuse,
    Reset,
    Respond,
)
from simulator.simulator import Simulator
from tests.unit.simulator.caller import SigningCaller
from tests.unit.simulator.conftest import Start, caller_of, units

PING = "/status/ping"


def wait_for(condition: Callable[[], Any]) -> None:
    until("it", lambda: bool(condition()), every_s=0.005)


def hit(simulator: Simulator, mishap: CallMishap, **match: Any) -> None:
    simulator.set_fault(InjectedFault(name="mishap", mishap=mishap, match=Match(**match)))


def held_back(caller: SigningCaller) -> None:
    with contextlib.suppress(httpx.TransportError):
        caller.call("GET", PING)


# ---- authentication -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Shop-Client-Key", "Shop-Timestamp", "Shop-Signature", "User-Agent", "Accept"])
def test_a_call_without_a_required_header_is_refused(caller: SigningCaller, name: str) -> None:
    answer = caller.call("GET", PING, drop=(name,))

    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/missing-or-invalid-request-header"


def test_headers_of_version_1_are_refused(caller: SigningCaller) -> None:
    assert caller.call("GET", PING, headers={"HM-Client-Key": "x"}).status_code == 401


def test_the_signature_is_checked_over_the_bytes_that_arrived(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]
    path = f"/units/{unit.id}?storefront=de"
    headers = caller.signed("PATCH", f"{caller.base_url}{path}", b'{"amount": 5}', int(time.time()))

    spaced = caller.call("PATCH", path, content=b'{"amount": 5}', headers=headers)
    compact = caller.call("PATCH", path, content=b'{"amount":5}', headers=headers)

    assert spaced.status_code == 200
    assert compact.json()["type"] == "/problems/corrupted-signature"


@pytest.mark.parametrize(("window_s", "skew_s"), [(300, 300), (900, 900)])
def test_a_timestamp_is_taken_inside_the_clock_window_and_refused_outside(
    start: Start, window_s: int, skew_s: int
) -> None:
    with caller_of(start(server={"clock_window_s": window_s})) as caller:
        # A second may pass before the check, so each edge is tested with a margin on the side where that matters.
        assert caller.call("GET", PING, skew_s=-skew_s + 1).status_code == 200
        assert caller.call("GET", PING, skew_s=skew_s).status_code == 200
        assert caller.call("GET", PING, skew_s=-skew_s - 1).status_code == 401
        assert caller.call("GET", PING, skew_s=skew_s + 2).status_code == 401


def test_a_server_with_another_clock_shows_it_and_judges_by_it(start: Start) -> None:
    with caller_of(start(server={"clock_offset_s": 3600})) as caller:
        refused = caller.call("GET", PING)
        shown_s = parsedate_to_datetime(refused.headers["Date"]).timestamp()

        assert refused.status_code == 401
        assert 3540 < shown_s - time.time() < 3660
        assert caller.call("GET", PING, skew_s=shown_s - time.time()).status_code == 200


def test_each_seller_sees_only_its_own_units(start: Start) -> None:
    simulator = start(sellers=[{"name": "one"}, {"name": "two", "storefronts": ["de"], "eans": 5}])
    with caller_of(simulator, "one") as one, caller_of(simulator, "two") as two:
        foreign = simulator.stocks["one"].units[0]

        assert two.call("GET", f"/units/{foreign.id}?storefront={foreign.storefront}").status_code == 404
        assert two.call("GET", "/info/storefront").json()["data"] == ["de"]
        assert one.call("GET", "/units?storefront=de").json()["pagination"]["total"] > 100


def test_new_keys_end_the_old_ones_at_once(caller: SigningCaller, simulator: Simulator) -> None:
    simulator.change_keys("demo", "n" * 32, "s" * 64)

    old = caller.call("GET", PING)
    caller.client_key, caller.secret_key = "n" * 32, "s" * 64

    assert old.json()["type"] == "/problems/invalid-credentials"
    assert caller.call("GET", PING).status_code == 200


def test_an_inactive_account_is_refused(start: Start) -> None:
    with caller_of(start(sellers=[{"name": "demo", "active": False}])) as caller:
        assert caller.call("GET", PING).json()["type"] == "/problems/inactive-account"


# ---- rate limits ----------------------------------------------------------------------------------------------------


def test_over_the_limit_a_call_is_not_done_and_answers_429(start: Start) -> None:
    simulator = start(limits={"requests_per_second": 5})
    unit = units(simulator)[0]
    with caller_of(simulator) as caller:
        answers = [caller.patch(unit.id, {"amount": amount}) for amount in range(8)]

        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        assert answers[-1].json() == {"type": "about:blank", "message": "Too many requests", "errors": []}
        assert "Retry-After" not in answers[-1].headers
        assert simulator.journal.accepted(unit.id, "amount", linked=False) == (0, 1, 2, 3, 4)
        assert simulator.journal.worst_second("demo") == 8


def test_a_429_names_the_wait_when_told_to(start: Start) -> None:
    with caller_of(start(limits={"requests_per_second": 1, "retry_after": True})) as caller:
        caller.call("GET", PING)

        assert caller.call("GET", PING).headers["Retry-After"] == "1"


def test_each_seller_has_a_window_of_its_own(start: Start) -> None:
    simulator = start(sellers=[{"name": "one"}, {"name": "two"}], limits={"requests_per_second": 1})
    with caller_of(simulator, "one") as one, caller_of(simulator, "two") as two:
        assert [one.call("GET", PING).status_code, two.call("GET", PING).status_code] == [200, 200]
        assert one.call("GET", PING).status_code == 429


def test_a_call_with_a_wrong_signature_takes_a_place_in_the_window(start: Start) -> None:
    with caller_of(start(limits={"requests_per_second": 1})) as caller:
        assert caller.call("GET", PING, headers={"Shop-Signature": "0"}).status_code == 401
        assert caller.call("GET", PING).status_code == 429


def test_groups_have_limits_of_their_own_beside_the_one_for_all(start: Start) -> None:
    groups = {"writes": {"requests_per_second": 1, "kinds": ["bulk", "patch"]}}
    simulator = start(limits={"requests_per_second": 3, "groups": groups})
    unit = units(simulator)[0]
    with caller_of(simulator) as caller:
        assert caller.patch(unit.id, {"amount": 1}).status_code == 200
        assert caller.patch(unit.id, {"amount": 2}).status_code == 429
        assert caller.call("GET", PING).status_code == 200
        assert caller.call("GET", PING).status_code == 429


def test_rate_headers_are_sent_only_when_told_to(start: Start) -> None:
    with caller_of(start()) as caller:
        assert not [name for name in caller.call("GET", PING).headers if "ratelimit" in name]
    with caller_of(start(limits={"headers": True, "requests_per_second": 10})) as caller:
        headers = caller.call("GET", PING).headers
        assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("10", "9")
        assert 0 <= int(headers["X-RateLimit-Reset"]) - time.time() <= 2


def test_the_limit_can_be_changed_while_it_runs(caller: SigningCaller, simulator: Simulator) -> None:
    simulator.change_policy(PolicyChange(requests_per_second=1))
    caller.call("GET", PING)

    assert caller.call("GET", PING).status_code == 429


# ---- mishaps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retry_after", [None, "2", "-1", "86400000", "soon"])
def test_a_fault_can_answer_429_with_and_without_retry_after(
    caller: SigningCaller, simulator: Simulator, retry_after: str | None
) -> None:
    hit(simulator, Respond(status=429, retry_after=retry_after), times=2)

    answers = [caller.call("GET", PING) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers.get("Retry-After") == retry_after
    assert [call.faults for call in simulator.journal.calls] == [("mishap",), ("mishap",), ()]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_leaves_the_unit_unchanged(caller: SigningCaller, simulator: Simulator, status: int) -> None:
    hit(simulator, Respond(status=status))
    unit = units(simulator)[0]

    assert caller.patch(unit.id, {"amount": 5}).status_code == status
    assert simulator.journal.history(unit.id) == ()


def test_wrong_json_comes_after_the_change_was_made(caller: SigningCaller, simulator: Simulator) -> None:
    hit(simulator, Garble())
    unit = units(simulator)[0]

    answer = caller.patch(unit.id, {"amount": 5})

    assert (answer.status_code, answer.text) == (200, '{"data": [')
    assert simulator.journal.accepted(unit.id, "amount", linked=False) == (5,)


def test_a_page_of_markup_can_be_answered(caller: SigningCaller, simulator: Simulator) -> None:
    hit(simulator, Respond(status=502, body="<html>", content_type="text/html"))

    answer = caller.call("GET", PING)

    assert (answer.text, answer.headers["Content-Type"]) == ("<html>", "text/html")


def test_a_slow_call_waits_before_it_is_done(caller: SigningCaller, simulator: Simulator) -> None:
    hit(simulator, Delay(wait_s=0.3))
    started_s = time.monotonic()

    assert caller.call("GET", PING).status_code == 200
    assert time.monotonic() - started_s >= 0.3


def test_other_calls_pass_a_slow_one(simulator: Simulator) -> None:
    hit(simulator, Delay(wait_s=30), path="/status/ping")
    with caller_of(simulator, timeout_s=20) as slow, caller_of(simulator) as quick:
        held = threading.Thread(target=held_back, args=(slow,))
        held.start()
        wait_for(lambda: simulator.journal.calls)

        assert quick.call("GET", "/info/storefront").status_code == 200
        simulator.close()
        held.join()


def test_a_slow_response_outlasts_the_timeout_of_each_read(simulator: Simulator) -> None:
    hit(simulator, Drip(interval_s=0.002))
    with caller_of(simulator, timeout_s=0.3) as caller:
        started_s = time.monotonic()

        answer = caller.call("GET", PING)

    assert answer.json() == {"data": {"message": "Never tell me the odds"}}
    assert time.monotonic() - started_s > 0.3  # more than the time-out of each read


def test_a_dripping_answer_ends_when_the_caller_has_gone(simulator: Simulator) -> None:
    hit(simulator, Drip(interval_s=1.0))
    began_s = time.monotonic()
    with caller_of(simulator, timeout_s=0.01) as caller, contextlib.suppress(httpx.ReadTimeout):
        caller.call("GET", PING)

    wait_for(lambda: simulator.journal.calls[-1].answered_us)
    assert time.monotonic() - began_s < 60  # the whole would take three times that


def test_a_reset_call_is_not_done(caller: SigningCaller, simulator: Simulator) -> None:
    hit(simulator, Reset())
    unit = units(simulator)[0]

    with pytest.raises(httpx.ReadError):
        caller.patch(unit.id, {"amount": 5})

    assert simulator.journal.history(unit.id) == ()
    assert simulator.journal.calls[-1].status == 0


def test_half_a_body_comes_after_the_change_was_made(caller: SigningCaller, simulator: Simulator) -> None:
    hit(simulator, HalfBody())
    unit = units(simulator)[0]

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        caller.patch(unit.id, {"amount": 5})

    assert simulator.journal.accepted(unit.id, "amount", linked=False) == (5,)


@pytest.mark.parametrize(
    ("reset", "error"), [(False, httpx.RemoteProtocolError), (True, httpx.ReadError)], ids=["end", "reset"]
)
def test_a_lost_answer_comes_after_the_change_was_made(
    caller: SigningCaller, simulator: Simulator, reset: bool, error: type[Exception]
) -> None:
    hit(simulator, LoseAnswer(reset=reset), times=1)
    unit = units(simulator)[0]

    with pytest.raises(error):
        caller.patch(unit.id, {"amount": 5})

    lost = simulator.journal.calls[-1]
    assert simulator.journal.accepted(unit.id, "amount", linked=False) == (5,)
    assert (lost.status, lost.applied_us is not None) == (0, True)
    assert caller.call("GET", f"/units/{unit.id}?storefront=de").json()["data"]["amount"] == 5


def test_a_late_change_is_made_though_the_caller_has_gone(simulator: Simulator) -> None:
    hit(simulator, ApplyLate(after_s=0.3))
    unit = units(simulator)[0]
    with caller_of(simulator, timeout_s=0.1) as caller, pytest.raises(httpx.ReadTimeout):
        caller.patch(unit.id, {"amount": 5})
    assert simulator.journal.history(unit.id) == ()

    wait_for(lambda: simulator.journal.accepted(unit.id, "amount", linked=False) == (5,))

    late = simulator.journal.calls[0]
    assert late.applied_us is not None
    assert late.applied_us - late.mono_us >= 300_000


def test_a_late_change_overlaps_the_write_that_came_meanwhile(simulator: Simulator) -> None:
    hit(simulator, ApplyLate(after_s=0.3), times=1)
    unit = units(simulator)[0]
    with caller_of(simulator, timeout_s=0.1) as caller:
        with pytest.raises(httpx.ReadTimeout):
            caller.patch(unit.id, {"amount": 5})
        caller.patch(unit.id, {"amount": 6})

    wait_for(lambda: simulator.journal.accepted(unit.id, "amount", linked=False) == (6, 5))

    assert [(one.unit_id, one.first_call_id, one.second_call_id) for one in simulator.journal.overlaps()] == [
        (unit.id, 1, 2)
    ]


def test_an_outage_resets_calls_and_new_connections(simulator: Simulator) -> None:
    with caller_of(simulator) as caller:
        caller.call("GET", PING)
        hit(simulator, Outage())
        for _ in range(2):  # on the open connection, then on a new one
            with pytest.raises(httpx.NetworkError):
                caller.call("GET", PING)
        simulator.clear_faults()

        assert caller.call("GET", PING).status_code == 200
    assert [call.faults for call in simulator.journal.calls] == [(), ("mishap",), ()]


def test_named_units_are_refused_in_a_bulk_and_by_patch(caller: SigningCaller, simulator: Simulator) -> None:
    good, bad = units(simulator)[:2]
    simulator.set_fault(
        InjectedFault(
            name="brand",
            mishap=Refuse(status=403, type="/problems/forbidden", message="Brand is protected", field="amount"),
            match=Match(unit_ids=frozenset({bad.id})),
        )
    )

    bulk = caller.bulk([{"id_unit": unit.id, "unit_data": {"amount": 5}} for unit in (good, bad)]).json()["data"]
    patch = caller.patch(bad.id, {"amount": 5})

    assert [entry["status_code"] for entry in bulk] == [200, 403]
    assert bulk[1]["errors"] == [{"field": "amount", "message": "Brand is protected"}]
    assert (patch.status_code, patch.json()["type"]) == (403, "/problems/forbidden")
    assert caller.patch(bad.id, {"handling_time": 3}).status_code == 200


def test_an_internal_error_of_an_item_has_a_key_in_a_bulk(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]
    simulator.set_fault(InjectedFault(name="broken", mishap=Refuse(status=500, key="internal", message="broken")))

    bulk = caller.bulk([{"id_unit": unit.id, "unit_data": {"amount": 5}}])
    patch = caller.patch(unit.id, {"amount": 5})

    assert bulk.json()["data"] == [{"id_unit": unit.id, "status_code": 500, "key": "internal", "message": "broken"}]
    assert (patch.status_code, patch.json()["message"]) == (500, "broken")


def test_an_accepted_value_may_be_another_one(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]
    simulator.set_fault(InjectedFault(name="clamp", mishap=Alter(field="amount", value=1)))

    assert caller.patch(unit.id, {"amount": 5}).json()["data"]["amount"] == 1
    row = simulator.journal.history(unit.id)[0]
    assert (row.sent, row.new) == (5, 1)


# ---- the wire -------------------------------------------------------------------------------------------------------


def raw(simulator: Simulator, data: bytes) -> bytes:
    """Sends raw bytes, such as no client library would send, and returns what is received."""
    host, port = simulator.url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


@pytest.mark.parametrize("data", [b"hello\r\n\r\n", b"GET /v2/units HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00", b""])
def test_bytes_that_are_no_request_end_the_connection(simulator: Simulator, data: bytes) -> None:
    assert raw(simulator, data).startswith(b"HTTP/1.1 400" if data else b"")
    assert simulator.journal.calls == ()


def test_requests_sent_at_once_are_answered_one_after_another(simulator: Simulator) -> None:
    one = b"GET /_simulator/health HTTP/1.1\r\nHost: x\r\n\r\n"

    assert raw(simulator, one * 3).count(b"HTTP/1.1 200") == 3


def test_a_request_behind_a_slow_one_waits_for_it(caller: SigningCaller, simulator: Simulator) -> None:
    hit(simulator, Delay(wait_s=0.05))
    headers = caller.signed("GET", f"{caller.base_url}{PING}", b"", int(time.time()))
    host = caller.base_url.split("/")[2]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    one = f"GET /v2{PING} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode()

    assert raw(simulator, one * 2).count(b"Never tell me the odds") == 2


def test_a_body_in_pieces_is_put_together(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]
    path = f"/units/{unit.id}?storefront=de"
    content = b'{"amount":5}'
    headers = caller.signed("PATCH", f"{caller.base_url}{path}", content, int(time.time()))

    answer = httpx.patch(
        f"{caller.base_url}{path}", content=iter([content[:3], content[3:]]), headers=headers, trust_env=False
    )

    assert answer.status_code == 200


def test_an_oversized_body_is_refused(simulator: Simulator) -> None:
    head = b"POST /v2/units/bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"

    assert raw(simulator, head + b" " * 5_000_000).startswith(b"HTTP/1.1 413")


def test_an_expect_header_is_answered_with_continue(simulator: Simulator) -> None:
    host, port = simulator.url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"POST /v2/units HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(b"{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")
