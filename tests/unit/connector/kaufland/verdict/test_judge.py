"""The verdict table: every status, problem type and transport failure has a row, and every item gets one reply."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.http.exchange import ApiResponse, TransportFailure
from connector.kaufland.http.limits import MAX_WAIT_S, RESET_UNSAID_S
from connector.kaufland.offers import verdicts as offer_verdicts
from connector.kaufland.orders import verdicts as order_verdicts
from connector.kaufland.reference import load_reference
from connector.kaufland.verdict.judge import (
    ALONE_FROM_ATTEMPT,
    CLOCK_MEASURED_S,
    JudgeSuccess,
    Question,
    Verdict,
    answered,
    judge,
)
from connector.kaufland.verdict.table import STATUS_ROWS, TRANSPORT_ROWS, TYPE_ROWS
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Field, Found, Gone, Refused
from connector.marketplace.orders import UnreadableRow
from streams.flow import Lost, NotSent, Reply, Retry, Settled
from tests.unit.connector.kaufland.arbitrary_json import json_values
from tests.unit.connector.kaufland.wants import unit, update

REFERENCE = load_reference()
DATA = Path(__file__).parents[4] / "data/kaufland"
DOCUMENTS = [json.loads((DATA / name).read_text()) for name in ("openapi.json", "openapi-2.44.0.merge-patch.json")]
SERVED = "Thu, 01 Jan 2026 00:00:00 GMT"
SERVED_S = 1767225600

FOUND = Settled(answer=Found(units=()))


def heard(status: int, body: Any = None, *, signed_at_s: int = SERVED_S, **headers: str) -> ApiResponse:
    """Returns a response; header names with underscores for hyphens."""
    named = {"date": SERVED, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
    return ApiResponse(status=status, headers=named, body=raw, signed_at_s=signed_at_s, wall_s=SERVED_S)


def problem(name: str = "", *, errors: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    """Returns the marketplace's error envelope of a problem type."""
    full = f"/problems/{name}" if name else "about:blank"
    return {"type": full, "message": f"it is {name}", "errors": list(errors)}


@dataclass(frozen=True)
class AskedCall:
    """A kind of call; ``in_bulk``: whether updates are sent in bulk."""

    kind: CallKind
    in_bulk: bool = False


LOOK_UP, PATCH, BULK = AskedCall(CallKind.LOOK_UP), AskedCall(CallKind.UPDATE), AskedCall(CallKind.UPDATE, in_bulk=True)
WRITES = [PATCH, BULK]
KINDS = [*(AskedCall(kind) for kind in CallKind), BULK]
REPEATABLE = [asked for asked in KINDS if not asked.kind.once]


@dataclass(frozen=True)
class JudgedCall:
    """A call's question, and the judge of its successful response; None for a read, whose result the test chooses."""

    question: Question
    on_success: JudgeSuccess | None = None


def ask(asked: AskedCall, count: int = 1, attempt: int = 1) -> JudgedCall:
    """Returns a call with ``count`` items; updates are of the units 1, 2, ..."""
    updates = tuple(update(number + 1) for number in range(count))
    on_success: JudgeSuccess | None
    match asked.kind:
        case CallKind.UPDATE if asked.in_bulk:
            on_success = partial(offer_verdicts.of_bulk, updates=updates, reference=REFERENCE)
        case CallKind.UPDATE:
            on_success = partial(offer_verdicts.of_patch, update=updates[0], reference=REFERENCE)
        case CallKind.SEND | CallKind.PARCEL:
            on_success = order_verdicts.of_parcel
        case _:
            on_success = None
    return JudgedCall(Question(kind=asked.kind, attempts=(attempt,) * count), on_success)


def judged(
    call: JudgedCall, answer: ApiResponse | TransportFailure, found: Reply | UnreadableRow | None = FOUND
) -> Verdict:
    """Returns the verdict; ``found``: what is read of the successful response to a read."""
    read = found if found is None or isinstance(found, UnreadableRow) else answered(found)
    return judge(call.question, answer, call.on_success if call.on_success is not None else lambda _: read)


def one(asked: AskedCall, answer: ApiResponse | TransportFailure) -> Reply:
    """Returns the reply to a call of one item."""
    (reply,) = judged(ask(asked), answer).replies
    return reply


# ---- the table is complete ------------------------------------------------------------------------------------------


def statuses_of_the_document() -> set[int]:
    """Returns every HTTP status in the API's documents."""
    return {
        int(status)
        for document in DOCUMENTS
        for operations in document["paths"].values()
        if isinstance(operations, dict)
        for operation in operations.values()
        if isinstance(operation, dict)
        for status in operation.get("responses", {})
    }


def test_every_status_of_the_document_has_a_row() -> None:
    assert statuses_of_the_document() <= set(STATUS_ROWS)


def test_every_problem_type_of_the_documents_has_a_row() -> None:
    types = {
        name.removeprefix("/problems/")
        for document in DOCUMENTS
        for name in document["components"]["schemas"].get("ProblemType", {}).get("enum", ())
        if name != "about:blank"
    }

    assert len(types) >= 54
    assert types <= set(TYPE_ROWS)


def subclasses(of: type[Exception]) -> Iterator[type[Exception]]:
    """Yields a class and all its subclasses that httpx defines."""
    yield of
    for child in of.__subclasses__():
        if child.__module__.startswith("httpx"):
            yield from subclasses(child)


def test_every_transport_failure_has_a_row() -> None:
    assert {failure.__name__ for failure in subclasses(httpx.TransportError)} == set(TRANSPORT_ROWS)


# ---- transport ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", KINDS)
@pytest.mark.parametrize("error", [*TRANSPORT_ROWS, "SomethingNew"])
def test_a_call_without_a_connection_is_not_sent_and_counts_as_failed(asked: AskedCall, error: str) -> None:
    verdict = judged(ask(asked), TransportFailure(error=error, left=False, text="refused"))

    assert isinstance(verdict.replies[0], NotSent)
    assert verdict.failed


@pytest.mark.parametrize("asked", [asked for asked in KINDS if asked.kind.writes])
@pytest.mark.parametrize("error", [*TRANSPORT_ROWS, "SomethingNew"])
def test_a_write_that_left_and_was_not_answered_is_lost(asked: AskedCall, error: str) -> None:
    verdict = judged(ask(asked), TransportFailure(error=error, left=True))

    assert isinstance(verdict.replies[0], Lost)
    assert verdict.failed


@pytest.mark.parametrize("error", ["ReadTimeout", "ReadError", "RemoteProtocolError", "WriteError", "ConnectError"])
def test_a_look_up_that_was_not_answered_is_asked_again_at_no_cost_of_its_own(error: str) -> None:
    reply = one(LOOK_UP, TransportFailure(error=error, left=True))

    assert isinstance(reply, Retry)
    assert not reply.counts


# ---- rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", KINDS)
@pytest.mark.parametrize("body", [None, problem(), problem("bad-request"), b"<html>"])
def test_a_429_costs_no_attempt_and_halves_the_rate(asked: AskedCall, body: Any) -> None:
    verdict = judged(ask(asked), heard(429, body))

    (reply,) = verdict.replies
    assert isinstance(reply, Retry)
    assert reply == Retry(reason=reply.reason, counts=False, refused=True)
    assert verdict.slow_down
    assert not verdict.failed
    assert verdict.close_account_s is None


@pytest.mark.parametrize(
    ("value", "close_s"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("999999", MAX_WAIT_S),
        ("Thu, 01 Jan 2026 00:00:20 GMT", 20.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", None),
        ("Thu, 01 Jan 9999 00:00:20 GMT", MAX_WAIT_S),
        ("0", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("1e400", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_closes_the_account_within_bounds(status: int, value: str, close_s: float | None) -> None:
    assert judged(ask(BULK), heard(status, problem(), retry_after=value)).close_account_s == close_s


@pytest.mark.parametrize("asked", KINDS)
@pytest.mark.parametrize(
    ("problem_type", "says"),
    [
        ("invalid-credentials", "WRONG_CLIENT_KEY"),
        ("corrupted-signature", "WRONG_SIGNATURE"),
        ("missing-or-invalid-request-header", "HEADER_REFUSED"),
        ("unauthorized", "UNAUTHORIZED"),
        ("", "UNAUTHORIZED"),
    ],
)
def test_a_401_closes_the_account_and_names_the_key(asked: AskedCall, problem_type: str, says: str) -> None:
    verdict = judged(ask(asked), heard(401, problem(problem_type)))

    assert verdict.closed_because.startswith(says)
    assert verdict.close_account_s == 5.0
    assert isinstance(verdict.replies[0], Retry)
    assert not verdict.replies[0].counts


@pytest.mark.parametrize("off_s", [-301, 301, 3600])
@pytest.mark.parametrize("problem_type", ["corrupted-signature", "missing-or-invalid-request-header", "unauthorized"])
def test_a_401_for_a_wrong_clock_is_recognized_and_probed_at_once(off_s: int, problem_type: str) -> None:
    verdict = judged(ask(PATCH), heard(401, problem(problem_type), signed_at_s=SERVED_S + off_s))

    assert verdict.closed_because.startswith("CLOCK_SKEW")
    assert ("ahead" in verdict.closed_because) is (off_s > 0)
    assert verdict.close_account_s == CLOCK_MEASURED_S


@pytest.mark.parametrize("status", [401, 403])
def test_an_inactive_account_is_closed_and_no_offer_is_refused(status: int) -> None:
    verdict = judged(ask(BULK, 2), heard(status, problem("inactive-account")))

    assert verdict.close_account_s is not None
    assert all(isinstance(reply, Retry) and not reply.counts for reply in verdict.replies)


def test_a_403_without_an_error_body_refuses_no_offer() -> None:
    verdict = judged(ask(PATCH), heard(403, b"<html>blocked</html>"))

    assert isinstance(verdict.replies[0], Retry)
    assert verdict.close_account_s is not None


@pytest.mark.parametrize("asked", KINDS)
def test_a_storefront_that_is_not_configured_refuses_each_item_by_its_own_code(asked: AskedCall) -> None:
    reply = one(asked, heard(400, problem("storefront-not-configured")))

    assert isinstance(reply, Settled)
    assert reply.answer.code == "STOREFRONT_NOT_CONFIGURED"


@pytest.mark.parametrize("asked", WRITES)
@pytest.mark.parametrize("status", [404, 410])
def test_an_unknown_unit_is_gone(asked: AskedCall, status: int) -> None:
    reply = one(asked, heard(status, problem("not-found")))

    assert reply == Settled(answer=Gone(http_status=status, message="it is not-found"))


def test_a_404_of_a_look_up_proves_no_absence() -> None:
    assert isinstance(one(LOOK_UP, heard(404, problem("not-found"))), Retry)


@pytest.mark.parametrize("asked", WRITES)
@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_has_the_marketplaces_message(asked: AskedCall, status: int) -> None:
    body = problem("validation-error", errors=({"field": "listing_price", "message": "too high"},))

    reply = one(asked, heard(status, body))

    assert isinstance(reply, Settled)
    refused = reply.answer
    assert isinstance(refused, Refused)
    assert (refused.http_status, refused.type) == (status, "/problems/validation-error")
    assert refused.message == "it is validation-error"
    assert [(e.field, e.message) for e in refused.errors] == [(Field.PRICE, "too high")]


@pytest.mark.parametrize("asked", REPEATABLE)
@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("body", [None, b"", b"<html>", [], {"error": "x"}, {"message": 5}])
def test_without_an_error_body_nothing_is_refused(asked: AskedCall, status: int, body: Any) -> None:
    assert isinstance(one(asked, heard(status, body)), Retry)


@pytest.mark.parametrize(
    "problem_type",
    [
        "validation-error",
        "bad-request",
        "units/bulk-duplicate-units",
        "units/bulk-too-many-units",
        "units/bulk-invalid-operation",
        "not-found",
        "forbidden",
        "",
    ],
)
def test_a_refused_bulk_is_split_before_any_item_is_refused(problem_type: str) -> None:
    verdict = judged(ask(BULK, 150), heard(400, problem(problem_type)))

    assert len(verdict.replies) == 150
    assert all(isinstance(r, Retry) and r.alone and not r.counts for r in verdict.replies)


@pytest.mark.parametrize("asked", KINDS)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_a_server_error_tells_of_an_outage(asked: AskedCall, status: int) -> None:
    assert judged(ask(asked), heard(status, b"<html>")).failed


def test_a_server_error_splits_a_bulk_only_after_several_attempts_and_then_counts() -> None:
    first = judged(ask(BULK, 2), heard(500)).replies[0]
    late = judged(ask(BULK, 2, ALONE_FROM_ATTEMPT), heard(500)).replies[0]
    alone = judged(ask(BULK, 1, ALONE_FROM_ATTEMPT), heard(500)).replies[0]

    assert isinstance(first, Retry)
    assert isinstance(late, Retry)
    assert isinstance(alone, Retry)
    assert (first.alone, first.counts) == (False, False)
    assert (late.alone, late.counts) == (True, False)
    assert (alone.alone, alone.counts) == (False, True)


@pytest.mark.parametrize("asked", WRITES)
def test_a_gateway_that_timed_out_leaves_a_write_unknown(asked: AskedCall) -> None:
    assert isinstance(one(asked, heard(504)), Lost)
    assert isinstance(one(LOOK_UP, heard(504)), Retry)


@pytest.mark.parametrize("asked", REPEATABLE)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_no_answer(asked: AskedCall, status: int) -> None:
    verdict = judged(ask(asked), heard(status, location="https://elsewhere.example"))

    assert isinstance(verdict.replies[0], Retry)
    assert verdict.failed


@pytest.mark.parametrize("asked", WRITES)
@pytest.mark.parametrize("status", [101, 202, 203, 206, 600, 999])
def test_an_unexpected_success_leaves_a_write_unknown(asked: AskedCall, status: int) -> None:
    assert isinstance(one(asked, heard(status, {"data": unit(1)})), Lost)


# ---- success --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", WRITES)
@pytest.mark.parametrize("body", [None, b"", b'{"data": [', b"[]", b"null", {"data": 5}, {"data": unit(99)}])
def test_a_success_that_cannot_be_read_leaves_a_write_unknown_and_repeats_a_look_up(
    asked: AskedCall, body: Any
) -> None:
    verdict = judged(ask(asked), heard(200, body))

    assert isinstance(verdict.replies[0], Lost)
    assert verdict.failed
    assert isinstance(judged(ask(LOOK_UP), heard(200, body), found=None).replies[0], Retry)


def test_a_look_up_pays_for_a_wrong_body_and_not_for_one_that_was_cut_off() -> None:
    cut = replace(heard(200), body=None, cut="ReadError")

    wrong_reply = judged(ask(LOOK_UP), heard(200, b"{"), found=None).replies[0]
    cut_reply = judged(ask(LOOK_UP), cut, found=None).replies[0]

    assert isinstance(wrong_reply, Retry)
    assert isinstance(cut_reply, Retry)
    assert (wrong_reply.counts, cut_reply.counts) == (True, False)


# ---- quotas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "reserve_s", "close_s"),
    [
        ({"x_ratelimit_remaining": "20", "x_ratelimit_limit": "100", "x_ratelimit_reset": "30"}, None, None),
        ({"x_ratelimit_remaining": "19", "x_ratelimit_limit": "100", "x_ratelimit_reset": "30"}, 30.0, None),
        ({"x_ratelimit_remaining": "19", "x_ratelimit_limit": "100"}, RESET_UNSAID_S, None),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_limit": "100", "x_ratelimit_reset": "30"}, 30.0, 30.0),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(SERVED_S + 12)}, None, 12.0),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1e12"}, None, MAX_WAIT_S),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "-4"}, None, None),
        ({"x_ratelimit_remaining": "-1", "x_ratelimit_limit": "100"}, None, None),
        ({"x_ratelimit_remaining": "few"}, None, None),
        ({"x_ratelimit_reset": "30"}, None, None),
    ],
)
def test_quota_headers_are_obeyed_where_they_are_and_bounded(
    headers: dict[str, Any], reserve_s: float | None, close_s: float | None
) -> None:
    verdict = judged(ask(LOOK_UP), heard(200, {"data": []}, **headers))

    assert (verdict.reserve_s, verdict.close_account_s) == (reserve_s, close_s)
    assert not verdict.slow_down, "what was answered well refuses nothing, a probe's answer above all"
    assert verdict.replies == (FOUND,)


def test_a_configured_quota_stands_in_for_an_answer_that_does_not_say_its_limit() -> None:
    question = JudgedCall(Question(kind=CallKind.LOOK_UP, attempts=(1,), quota_limit=25))

    assert judged(question, heard(200, {"data": []}, x_ratelimit_remaining="4")).reserve_s
    assert not judged(question, heard(200, {"data": []}, x_ratelimit_remaining="5")).reserve_s


# ---- arbitrary responses --------------------------------------------------------------------------------------------


@given(
    asked=st.sampled_from(KINDS),
    count=st.integers(1, 4),
    attempt=st.integers(1, 9),
    status=st.integers(100, 999),
    body=st.none() | st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()),
    headers=st.dictionaries(
        st.sampled_from(["date", "retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-limit"]),
        st.text(max_size=30) | st.integers().map(str) | st.floats().map(str),
    ),
)
def test_any_response_gives_one_reply_per_item(
    asked: AskedCall, count: int, attempt: int, status: int, body: bytes | None, headers: dict[str, str]
) -> None:
    many = count if asked is BULK else 1
    answer = ApiResponse(status=status, headers=headers, body=body, signed_at_s=SERVED_S, wall_s=SERVED_S)

    verdict = judged(ask(asked, many, attempt), answer, found=None)

    assert len(verdict.replies) == many
    assert verdict.outcome
    assert verdict.close_account_s is None or 0 < verdict.close_account_s <= MAX_WAIT_S
    if status < 400 and not 300 <= status < 400 and asked.kind.writes:
        assert not any(isinstance(reply, Retry) and not body for reply in verdict.replies)
