"""Responses about returns: read row by row, and without personal data."""

from typing import Any

import pytest

from connector.kaufland.returns import answers
from connector.marketplace.orders import (
    ReadReturn,
    ReadReturnPage,
    Return,
    ReturnFound,
    ReturnPage,
    ReturnUnit,
    UnreadableRow,
)
from tests.unit.connector.kaufland.sold import (
    CANARY,
    CREATED_US,
    digest_of,
    one_return,
    page,
    raw,
    return_row,
    return_unit,
)


def read_returns(body: bytes | None, offset: int = 0) -> ReturnPage | None:
    return answers.return_page(body, ReadReturnPage(changed_from_us=0, offset=offset))


def read_return(body: bytes | None) -> ReturnFound | None:
    return answers.one_return(body, ReadReturn(return_id=7))


def test_returns_are_read_and_unreadable_ones_quarantined() -> None:
    bad = return_row(8, storefront=None)

    found = read_returns(raw(page(return_row(ts_updated_iso=None, status="odd"), bad)))

    assert found == ReturnPage(
        returns=(
            Return(
                return_id=7,
                storefront="de",
                status_raw="odd",
                created_us=CREATED_US,
                changed_us=None,
                tracking_provider="DHL",
            ),
        ),
        unreadable=(
            UnreadableRow(where="returns?offset=0, row 2", sha256=digest_of(bad), fault="storefront: string_type"),
        ),
        is_last=True,
    )


def test_a_return_has_its_units_and_not_the_senders_note() -> None:
    found = read_return(raw({"data": one_return(return_unit(), return_unit(72, note=None, reason="dislike"))}))

    assert found is not None
    assert found.returned.status_raw == "package_sent"
    assert found.units == (
        ReturnUnit(return_unit_id=71, order_unit_id=11, status_raw="return_arrived", reason="defect", has_note=True),
        ReturnUnit(return_unit_id=72, order_unit_id=11, status_raw="return_arrived", reason="dislike"),
    )
    assert found.notes == ()
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    ("data", "units", "notes"),
    [
        (one_return(return_unit(reason=5)), 1, ("return unit 71: reason: string_type",)),
        (one_return(return_unit(id_order_unit="x"), return_unit(72)), 1, ("return_units.0: id_order_unit: int_type",)),
        (one_return(return_unit(id_return=8)), 0, ("return_units.0: id_return: another return's",)),
        (one_return(return_units="x"), 0, ("return_units: list_type",)),
        (return_row(), 0, ("return_units: missing",)),
    ],
)
def test_unreadable_parts_of_a_return_are_noted_and_affect_nothing_else(
    data: dict[str, Any], units: int, notes: tuple[str, ...]
) -> None:
    found = read_return(raw({"data": data}))

    assert found is not None
    assert found.unreadable is None
    assert (len(found.units), found.notes) == (units, notes)


def test_a_return_without_an_id_is_unreadable_and_one_with_another_id_refused() -> None:
    broken = read_return(raw({"data": one_return(status=None)}))

    assert broken is not None
    assert broken.unreadable is not None
    assert broken.unreadable.fault == "status: string_type"
    assert read_return(raw({"data": one_return(id_return=8)})) is None
    assert read_return(raw({"data": []})) is None
