"""The verdict on calls about orders, parcels and returns: the expected reply for every status and problem type."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.http.exchange import ApiResponse, TransportFailure
from connector.kaufland.verdict.table import STATUS_ROWS, TRANSPORT_ROWS, TYPE_ROWS
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import CarriersFound, UnreadableRow
from streams.flow import Lost, NotSent, Reply, Retry, Settled
from tests.unit.connector.kaufland.sold import CANARY
from tests.unit.connector.kaufland.verdict.test_judge import SERVED_S, AskedCall, ask, heard, judged, problem

K = CallKind
SENDING = [K.SEND, K.PARCEL]
ONES = [K.ORDER_UNIT, K.ORDER]
LISTS = [K.ORDER_PAGE, K.CARRIERS, K.RETURN_PAGE]
KINDS = [*SENDING, *ONES, *LISTS]
FOUND = Settled(answer=CarriersFound(codes=("DHL",)))

R, L, REF, GONE = "Retry", "Lost", "Refused", "Gone"


def one(kind: CallKind, answer: ApiResponse | TransportFailure, found: Reply | UnreadableRow | None = FOUND) -> Reply:
    """Returns the reply to a call of one item."""
    (reply,) = judged(ask(AskedCall(kind)), answer, found).replies
    return reply


def end(reply: Reply) -> str:
    """Returns the name of the reply's class or, if it is settled, of its answer's class."""
    return type(reply.answer if isinstance(reply, Settled) else reply).__name__


# status -> replies to (send, parcel, order and order unit, lists): with the marketplace's error envelope, and without
WITH_WORDS: dict[int, tuple[str, str, str, str]] = {
    400: (REF, REF, REF, REF),
    401: (R, R, R, R),
    403: (REF, REF, R, R),
    404: (GONE, GONE, GONE, R),
    405: (R, L, R, R),
    408: (R, L, R, R),
    409: (REF, REF, R, R),
    410: (GONE, GONE, GONE, R),
    413: (REF, REF, REF, REF),
    418: (R, L, R, R),
    422: (REF, REF, REF, REF),
    423: (R, L, R, R),
    429: (R, R, R, R),
    500: (R, L, R, R),
    502: (R, L, R, R),
    503: (R, L, R, R),
    504: (L, L, R, R),
    599: (R, L, R, R),
}
WITHOUT_WORDS: dict[int, tuple[str, str, str, str]] = {
    200: (L, L, R, R),
    201: (L, L, R, R),
    202: (L, L, R, R),
    206: (L, L, R, R),
    207: (L, L, R, R),
    301: (R, L, R, R),
    302: (R, L, R, R),
    400: (R, L, R, R),
    401: (R, R, R, R),
    403: (R, L, R, R),
    404: (R, L, R, R),
    405: (R, L, R, R),
    408: (R, L, R, R),
    409: (R, L, R, R),
    410: (R, L, R, R),
    413: (R, L, R, R),
    422: (R, L, R, R),
    423: (R, L, R, R),
    429: (R, R, R, R),
    500: (R, L, R, R),
    502: (R, L, R, R),
    503: (R, L, R, R),
    504: (L, L, R, R),
    999: (L, L, R, R),
}
COLUMNS = {
    K.SEND: 0,
    K.PARCEL: 1,
    K.ORDER_UNIT: 2,
    K.ORDER: 2,
    K.ORDER_PAGE: 3,
    K.CARRIERS: 3,
    K.RETURN_PAGE: 3,
    K.RETURN: 2,
}


def cells(table: dict[int, tuple[str, str, str, str]]) -> Iterable[tuple[CallKind, int, str]]:
    """Returns kind, status and expected reply of every cell of a table."""
    return [(kind, status, row[COLUMNS[kind]]) for status, row in table.items() for kind in KINDS]


def test_the_tables_hold_every_status_that_we_have_a_row_for() -> None:
    assert set(STATUS_ROWS) <= {*WITHOUT_WORDS, 204}
    assert {status for status in STATUS_ROWS if status >= 400} <= set(WITH_WORDS)


@pytest.mark.parametrize(("kind", "status", "ends"), cells(WITH_WORDS))
def test_every_status_with_an_error_body_ends_as_in_the_table(kind: CallKind, status: int, ends: str) -> None:
    assert end(one(kind, heard(status, problem()))) == ends


@pytest.mark.parametrize("body", [None, b"<html>", [], {"error": "x"}])
@pytest.mark.parametrize(("kind", "status", "ends"), cells(WITHOUT_WORDS))
def test_every_status_without_them_refuses_nothing(kind: CallKind, status: int, ends: str, body: Any) -> None:
    assert end(one(kind, heard(status, body), None)) == ends


# problem type -> replies to (send, parcel, order and order unit, lists); any other type is a refusal for all of them
TYPES: dict[str, tuple[str, str, str, str]] = {
    "corrupted-signature": (R, R, R, R),
    "duplicate-action": (REF, REF, R, R),
    "forbidden": (REF, REF, R, R),
    "inactive-account": (R, R, R, R),
    "invalid-credentials": (R, R, R, R),
    "missing-or-invalid-request-header": (R, R, R, R),
    "not-found": (GONE, GONE, GONE, R),
    "server-error": (R, L, R, R),
    "service-unavailable": (R, L, R, R),
    "unauthorized": (R, R, R, R),
    "units/bulk-duplicate-units": (REF, REF, R, R),
    "units/bulk-invalid-operation": (REF, REF, R, R),
    "units/bulk-too-many-batches": (R, L, R, R),
    "units/bulk-too-many-butches": (R, L, R, R),
    "units/bulk-too-many-units": (REF, REF, R, R),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TYPE_ROWS)
def test_every_problem_type_ends_as_in_the_table(kind: CallKind, name: str) -> None:
    ends = TYPES.get(name, (REF,) * 4)[COLUMNS[kind]]

    assert end(one(kind, heard(400, problem(name)))) == ends


@pytest.mark.parametrize("kind", SENDING)
@pytest.mark.parametrize("status", [400, 403, 409, 422])
def test_a_refusal_has_the_marketplaces_message_which_is_not_interpreted(kind: CallKind, status: int) -> None:
    body = {**problem("duplicate-action"), "message": "Order unit was already sent"}

    reply = one(kind, heard(status, body))

    assert reply == Settled(
        answer=Refused(
            code="MARKETPLACE_REFUSED",
            http_status=status,
            type="/problems/duplicate-action",
            message="Order unit was already sent",
        )
    )


@pytest.mark.parametrize("kind", [*SENDING, *ONES])
def test_a_404_with_an_error_body_means_gone(kind: CallKind) -> None:
    assert one(kind, heard(404, {"message": "no"})) == Settled(answer=Gone(http_status=404, message="no"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_storefront_that_is_not_configured_has_its_own_code(kind: CallKind) -> None:
    reply = one(kind, heard(400, problem("storefront-not-configured")))

    assert isinstance(reply, Settled)
    assert reply.answer.code == "STOREFRONT_NOT_CONFIGURED"


# ---- success --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*ONES, *LISTS])
def test_a_read_is_answered_by_what_was_found(kind: CallKind) -> None:
    assert one(kind, heard(200, {"data": []})) == FOUND


@pytest.mark.parametrize("kind", [*ONES, *LISTS])
def test_an_unreadable_answer_is_retried_and_only_its_fault_is_named(kind: CallKind) -> None:
    unreadable = UnreadableRow(where="order-units/11", sha256="0" * 64, fault="price: int_type")

    verdict = judged(ask(AskedCall(kind)), heard(200, {"data": CANARY}), unreadable)

    (reply,) = verdict.replies
    assert isinstance(reply, Retry)
    assert reply.counts
    assert reply.reason == "HTTP 200, and the body is not what the API promises: price: int_type"
    assert verdict.failed


@pytest.mark.parametrize("kind", [*ONES, *LISTS])
def test_an_answer_that_was_cut_off_costs_a_read_no_attempt(kind: CallKind) -> None:
    reply = one(kind, replace(heard(200), body=None, cut="ReadError"), None)

    assert isinstance(reply, Retry)
    assert not reply.counts


# ---- calls that are not idempotent ----------------------------------------------------------------------------------


@given(
    status=st.integers(100, 999),
    name=st.sampled_from(["", *TYPE_ROWS, "something-new"]),
    words=st.booleans(),
)
def test_a_parcel_goes_again_only_on_proof_that_nothing_was_executed(status: int, name: str, words: bool) -> None:
    reply = one(K.PARCEL, heard(status, problem(name) if words else b"<html>"))

    if isinstance(reply, Retry):
        believed = words and name in TYPES and TYPES[name][1] == R and 400 <= status < 600
        assert status in (401, 429) or believed
        assert reply.refused
        assert not reply.counts


@pytest.mark.parametrize("error", [*TRANSPORT_ROWS, "SomethingNew"])
def test_an_unanswered_parcel_is_lost_and_one_without_a_connection_not_sent(error: str) -> None:
    assert isinstance(one(K.PARCEL, TransportFailure(error=error, left=True)), Lost)
    assert isinstance(one(K.PARCEL, TransportFailure(error=error, left=False)), NotSent)


def test_only_a_new_unit_and_a_parcel_may_be_made_once() -> None:
    assert [kind for kind in CallKind if kind.once] == [K.CREATE, K.PARCEL]
    assert all(kind.writes for kind in CallKind if kind.once)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_call_reports_an_outage(kind: CallKind) -> None:
    verdict = judged(ask(AskedCall(kind)), heard(503, b"<html>", retry_after="7"), None)

    assert verdict.failed
    assert verdict.close_account_s == 7.0


# ---- privacy --------------------------------------------------------------------------------------------------------


def test_the_representation_of_an_answer_hides_its_body() -> None:
    answer = ApiResponse(status=200, headers={}, body=CANARY.encode(), signed_at_s=SERVED_S)

    assert CANARY not in repr(answer)


@given(
    kind=st.sampled_from([kind for kind in KINDS if kind.personal]),
    status=st.integers(100, 999).filter(lambda status: status // 100 in (1, 2, 3, 9)),
    cut=st.booleans(),
)
def test_no_text_of_an_answer_with_personal_data_is_in_a_verdict(kind: CallKind, status: int, cut: bool) -> None:
    body = {"data": {"buyer": CANARY}, "message": CANARY, "type": CANARY, "errors": [{"message": CANARY}]}
    answer = heard(status, body)

    verdict = judged(ask(AskedCall(kind)), replace(answer, cut="ReadError" if cut else None), None)

    assert CANARY not in repr(verdict)
