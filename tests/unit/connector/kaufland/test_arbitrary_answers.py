"""Arbitrary responses about offers, orders and returns: they are read or refused, and quote no personal data."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from connector.kaufland.account_check import read_storefronts
from connector.kaufland.offers import answers as offer_answers
from connector.kaufland.orders.models import OrderAnswer, OrderUnitAnswer, OrderUnitRow
from connector.kaufland.returns.models import ReturnRow
from connector.kaufland.verdict.error_body import read_error
from connector.marketplace.orders import (
    OrderFound,
    OrderPage,
    OrderSummaryFound,
    ReturnFound,
    ReturnPage,
    UnreadableRow,
)
from tests.unit.connector.kaufland.arbitrary_json import json_values
from tests.unit.connector.kaufland.orders.test_answers import read_order, read_page, read_summary, read_unit
from tests.unit.connector.kaufland.returns.test_answers import read_return, read_returns
from tests.unit.connector.kaufland.sold import CANARY, one_return, order, order_unit, page, raw, return_row, return_unit


@given(body=st.none() | st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v).encode()))
def test_any_body_is_read_or_refused(body: bytes | None) -> None:
    offer_answers.read_page(body)
    offer_answers.read_unit(body)
    offer_answers.read_bulk(body)
    read_error(body)
    read_storefronts(body)


@pytest.mark.parametrize("body", [None, b"", b"{", b"null", b"\xff", b"[" * 100_000, b"9" * 5_000])
def test_a_body_that_is_not_json_is_unreadable(body: bytes | None) -> None:
    assert (read_unit(body), read_summary(body), read_order(body), read_page(body), read_returns(body)) == (None,) * 5


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just(CANARY) | st.text(max_size=5), inner),
    max_leaves=6,
)


Place = tuple[str | int, ...]


def planted(whole: Any, place: Place, value: Any) -> Any:
    """Returns a copy of ``whole`` with the value at that path."""
    spoilt = copy.deepcopy(whole)
    inner = spoilt
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return spoilt


ORDER = {"data": order(order_unit())}


ROWS = page(order_unit(), return_row())


RETURN = {"data": one_return(return_unit())}


PLACES: list[tuple[Any, Place]] = [
    *((RETURN, ("data", name)) for name in one_return()),
    *((RETURN, ("data", "return_units", 0, name)) for name in return_unit()),
    (RETURN, ("data", "return_units", 0)),
    *((ORDER, ("data", name)) for name in order()),
    *((ORDER, ("data", "order_units", 0, name)) for name in order_unit()),
    (ORDER, ("data", "order_units", 0, "product", "eans", 0)),
    (ORDER, ("data", "order_units", 0)),
    (ORDER, ("data",)),
    *((ROWS, ("data", 0, name)) for name in order_unit()),
    *((ROWS, ("data", 1, name)) for name in return_row()),
    (ROWS, ("data", 0)),
    (ROWS, ("data",)),
    (ROWS, ("pagination",)),
]


def set_apart(found: Any) -> list[UnreadableRow]:
    """Returns the unreadable rows of whatever was read."""
    match found:
        case UnreadableRow():
            return [found]
        case ReturnFound(unreadable=UnreadableRow() as whole):
            return [whole]
        case OrderFound(unreadable=UnreadableRow() as whole) | OrderSummaryFound(unreadable=UnreadableRow() as whole):
            return [whole]
        case OrderPage() | ReturnPage():
            return list(found.unreadable)
        case _:
            return []


@given(planting=st.sampled_from(PLACES), value=anything, contacts=st.booleans())
def test_any_answer_is_read_or_quarantined_without_quoting_it(
    planting: tuple[Any, Place], value: Any, contacts: bool
) -> None:
    body = raw(planted(*planting, value))

    answers = (
        read_unit(body),
        read_summary(body),
        read_order(body, contacts=contacts),
        read_page(body),
        read_returns(body),
        read_return(body),
    )

    assert CANARY not in repr(answers[2].notes if answers[2] is not None else None)
    for unreadable in (row for found in answers for row in set_apart(found)):
        assert CANARY not in repr(unreadable)
        assert len(unreadable.sha256) == 64


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (OrderUnitAnswer, order_unit(storefront=CANARY)),
        (OrderAnswer, order(order_unit(storefront=CANARY))),
        (OrderAnswer, order(ts_created_iso=CANARY)),
        (OrderUnitRow, order_unit(id_order=CANARY)),
        (ReturnRow, return_row(storefront=CANARY)),
    ],
)
def test_an_exception_quotes_no_value(model: type[BaseModel], data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as wrong:
        model.model_validate(data)

    assert CANARY not in str(wrong.value)


def test_no_fact_names_the_buyer() -> None:
    answers = (
        read_unit(raw({"data": order_unit()})),
        read_summary(raw({"data": order()})),
        read_order(raw({"data": order()}), contacts=True),
        read_page(raw(page(order_unit()))),
        read_returns(raw(page(return_row()))),
    )

    assert None not in answers
    assert CANARY not in repr(answers), "a contact is handed on, and shows nothing of itself"
