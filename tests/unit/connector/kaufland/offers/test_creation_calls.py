"""Creations and deletions of units: their requests by the API's own document, and the replies to every response."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.call_options import CallOptions, UpdateMode
from connector.kaufland.http.exchange import TransportFailure, Unsendable
from connector.kaufland.offers import requests
from connector.kaufland.offers.calls import OfferCalls
from connector.kaufland.prepared_call import PreparedCall
from connector.kaufland.reference import load_reference
from connector.kaufland.verdict.judge import judge
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Accepted, Condition, CreateUnit, DeleteUnit, Field, Gone, Refused
from streams.flow import Call, Item, Lost, NotSent, Reply, Retry, Settled
from tests.unit.connector.kaufland.api_document import request_schema
from tests.unit.connector.kaufland.verdict.test_judge import heard
from tests.unit.connector.kaufland.wants import EAN, RealClock, unit

REFERENCE = load_reference()
CALLS = OfferCalls(REFERENCE, RealClock())
OPTIONS = CallOptions(mode=UpdateMode.BATCH, quotas={}, contacts=False)
VALUES = {Field.PRICE: 1234, Field.STOCK: 5, Field.HANDLING_TIME: 2}
CREATE = CreateUnit(
    storefront="de", ean=EAN, condition=Condition.NEW, offer_id="mine-1", values=VALUES, event_ids=("e1",)
)
DELETE = DeleteUnit(storefront="de", unit_id=7)
CREATED = {"data": unit(77, id_offer="mine-1", listing_price=1234, amount=5, handling_time=2)}
CONDITIONS = st.sampled_from([one for one in Condition if one is not Condition.UNKNOWN])


def prepared(body: CreateUnit | DeleteUnit) -> PreparedCall | tuple[Reply, ...]:
    kind = CallKind.CREATE if isinstance(body, CreateUnit) else CallKind.DELETE
    call = Call(id="c", account="main", kind=kind, items=(Item(body=body, attempt=1),), send_by_s=1, give_up_at_s=1)
    return CALLS.create(call, OPTIONS) if isinstance(body, CreateUnit) else CALLS.delete(call, OPTIONS)


def reply(body: CreateUnit | DeleteUnit, response: Any) -> Reply:
    made = prepared(body)
    assert isinstance(made, PreparedCall)
    [found] = judge(made.question, response, made.on_success).replies
    return found


def error(kind: str, *fields: str) -> dict[str, Any]:
    errors = [{"field": name, "message": "x"} for name in fields]
    return {"type": f"/problems/{kind}", "message": "no", "errors": errors}


@given(
    values=st.fixed_dictionaries(
        {
            Field.PRICE: st.integers(1, 100_000_000),
            Field.STOCK: st.integers(0, 2**31 - 1),
            Field.HANDLING_TIME: st.integers(0, 100),
        }
    ),
    condition=CONDITIONS,
    offer_id=st.text(min_size=1, max_size=40),
    group=st.none() | st.integers(1, 2**31 - 1),
    note=st.none() | st.text(max_size=250),
    vat=st.sampled_from([None, "standard_rate", "reduced_rate_1", "reduced_rate_2", "super_reduced_rate", "zero_rate"]),
)
def test_every_creation_is_valid_by_the_apis_own_document(
    values: dict[Field, int],
    condition: Condition,
    offer_id: str,
    group: int | None,
    note: str | None,
    vat: str | None,
) -> None:
    body = CreateUnit(
        storefront="de",
        ean=EAN,
        condition=condition,
        offer_id=offer_id,
        values=values,
        shipping_group=group,
        warehouse=group,
        vat_indicator=vat,
        note=note,
    )

    request = requests.create(body, REFERENCE.condition_name(condition))

    sent = orjson.loads(request.body)
    assert request_schema("UnitRequest").is_valid(sent)
    assert (request.method, request.target) == ("POST", "/units?storefront=de")
    assert (sent["ean"], sent["id_offer"]) == (EAN, offer_id)
    assert "minimum_price" not in sent, "it would switch smart pricing on"


@pytest.mark.parametrize(
    "changed", [{Field.PRICE: 0}, {Field.STOCK: -1}, {Field.HANDLING_TIME: 101}, {Field.STOCK: 2**31}]
)
def test_values_out_of_the_apis_bounds_create_nothing(changed: dict[Field, int]) -> None:
    body = CreateUnit(storefront="de", ean=EAN, condition=Condition.NEW, offer_id="o", values={**VALUES, **changed})

    with pytest.raises(Unsendable):
        requests.create(body, "NEW")
    [refusal] = prepared(body) if isinstance(prepared(body), tuple) else [None]  # type: ignore[misc]
    assert isinstance(refusal, Settled)


@pytest.mark.parametrize("status", [200, 201])
def test_a_creation_is_accepted_with_the_unit_that_came_back(status: int) -> None:
    answer = reply(CREATE, heard(status, CREATED))

    assert isinstance(answer, Settled)
    assert isinstance(answer.answer, Accepted)
    assert answer.answer.unit is not None
    assert answer.answer.unit.unit_id == 77


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (heard(400, error("validation-error", "ean")), "PRODUCT_NOT_IN_CATALOGUE"),
        (heard(400, error("validation-error", "id_product")), "PRODUCT_NOT_IN_CATALOGUE"),
        (heard(400, error("validation-error", "listing_price")), "MARKETPLACE_REFUSED"),
        (heard(400, error("already-exists", "id_offer")), "OFFER_ID_TAKEN"),
        (heard(409, error("already-exists")), "OFFER_ID_TAKEN"),
        (heard(403, error("forbidden")), "MARKETPLACE_REFUSED"),
        (heard(400, error("storefront-not-configured")), "STOREFRONT_NOT_CONFIGURED"),
    ],
)
def test_a_refused_creation_says_why(response: Any, code: str) -> None:
    answer = reply(CREATE, response)

    assert isinstance(answer, Settled)
    assert isinstance(answer.answer, Refused)
    assert answer.answer.code == code


@pytest.mark.parametrize(
    "response",
    [
        heard(500, error("server-error")),
        heard(502, b"<html>"),
        heard(503, error("service-unavailable")),
        heard(504),
        heard(409, error("duplicate-action")),
        heard(400, b"<html>"),
        heard(404, b"<html>"),
        heard(202, CREATED),
        heard(200, b'{"data": ['),
        heard(201, b""),
        heard(200, {"data": unit(77, id_offer="another")}),
        TransportFailure(error="ReadTimeout", text="", left=True),
        TransportFailure(error="ReadError", text="", left=True),
    ],
)
def test_whatever_proves_nothing_leaves_the_outcome_of_a_creation_unknown(response: Any) -> None:
    assert isinstance(reply(CREATE, response), Lost)


def test_only_what_proves_that_nothing_was_created_has_it_sent_again() -> None:
    for response in (heard(429, error("too-many-requests")), heard(401, error("unauthorized"))):
        again = reply(CREATE, response)
        assert isinstance(again, Retry)
        assert again.refused
    assert isinstance(reply(CREATE, TransportFailure(error="ConnectError", text="", left=False)), NotSent)


def test_a_deletion_is_done_with_204_and_a_unit_that_is_not_there_is_gone() -> None:
    made = prepared(DELETE)
    assert isinstance(made, PreparedCall)
    assert (made.request.method, made.request.target, made.request.body) == ("DELETE", "/units/7?storefront=de", b"")
    assert reply(DELETE, heard(204)) == Settled(answer=Accepted(unit=None, http_status=204))
    for gone in (heard(404, error("not-found")), heard(404, b"<html>")):
        answer = reply(DELETE, gone)
        assert isinstance(answer, Settled)
        assert isinstance(answer.answer, Gone)
    assert isinstance(reply(DELETE, heard(504)), Lost)
    assert isinstance(reply(DELETE, heard(500, error("server-error"))), Retry)
