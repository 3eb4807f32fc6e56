"""Successful responses to updates: of one unit, and in bulk entry by entry."""

from typing import Any

import pytest

from connector.marketplace.offers import Accepted, Field, Gone, Refused
from streams.flow import Lost, Retry, Settled
from tests.unit.connector.kaufland.verdict.test_judge import BULK, PATCH, ask, heard, judged, one
from tests.unit.connector.kaufland.wants import unit


def test_a_patch_is_accepted_with_the_unit_that_came_back() -> None:
    reply = one(PATCH, heard(200, {"data": unit(1, amount=3)}))

    assert isinstance(reply, Settled)
    assert isinstance(reply.answer, Accepted)
    assert reply.answer.unit is not None
    assert reply.answer.unit.values[Field.STOCK] == 3
    assert one(PATCH, heard(204)) == Settled(answer=Accepted(unit=None, http_status=204))


ENTRIES: list[tuple[dict[str, Any], type[Any]]] = [
    ({"status_code": 200, "unit": unit(1)}, Accepted),
    ({"status_code": 200.0, "unit": unit(1)}, Accepted),
    ({"status_code": 200}, Accepted),
    ({"status_code": 400, "message": "no", "errors": [{"field": "amount", "message": "x"}]}, Refused),
    ({"status_code": 403, "message": "not yours", "errors": []}, Refused),
    ({"status_code": 404, "message": "Unit not found", "errors": []}, Gone),
    ({"status_code": 409, "message": "busy", "errors": []}, Retry),
    ({"status_code": 418, "message": "odd", "errors": []}, Retry),
    ({"status_code": 429, "message": "slow", "errors": []}, Retry),
    ({"status_code": 500, "key": "internal", "message": "oops"}, Retry),
    ({"status_code": 503, "key": "internal", "message": "oops"}, Retry),
    ({"status_code": 202, "unit": unit(1)}, Lost),
    ({"status_code": 302}, Lost),
    ({"status_code": 200, "unit": unit(2)}, Lost),
    ({"status_code": "200", "unit": unit(1)}, Lost),
    ({"status_code": 200, "unit": {"id_unit": 1, "amount": "many"}}, Lost),
]


@pytest.mark.parametrize(("entry", "ends"), ENTRIES)
def test_each_item_of_a_bulk_answer_is_judged_by_itself(entry: dict[str, Any], ends: type[Any]) -> None:
    others = [{"id_unit": number, "status_code": 200, "unit": unit(number)} for number in (3, 2)]
    body = {"data": [*others, {"id_unit": 1, **entry}, {"id_unit": 77, "status_code": 200, "unit": unit(77)}]}

    first, second, third = judged(ask(BULK, 3), heard(207, body)).replies

    assert isinstance(first.answer if isinstance(first, Settled) else first, ends)
    assert isinstance(second, Settled)
    assert second.answer.unit.unit_id == 2
    assert isinstance(third, Settled)
    assert third.answer.unit.unit_id == 3


def test_an_item_that_the_answer_lacks_is_lost_alone() -> None:
    body = {"data": [{"id_unit": 2, "status_code": 200, "unit": unit(2)}]}

    verdict = judged(ask(BULK, 2), heard(207, body))

    assert isinstance(verdict.replies[0], Lost)
    assert isinstance(verdict.replies[1], Settled)
    assert not verdict.failed
    assert verdict.details == ((None, "MISSING_IN_ANSWER"), (200, "done"))


def test_a_throttled_item_slows_the_account_down_and_costs_no_attempt() -> None:
    body = {"data": [{"id_unit": 1, "status_code": 429, "message": "", "errors": []}]}

    verdict = judged(ask(BULK), heard(207, body))

    assert verdict.slow_down
    assert isinstance(verdict.replies[0], Retry)
    assert not verdict.replies[0].counts
