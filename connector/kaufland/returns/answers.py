"""Reads responses about returns as answers of the port. Pure.

Functions return None if the response as a whole does not conform to the API's document. A single invalid row becomes an
``UnreadableRow``; an invalid side field becomes null, with a note. Times are microseconds since the Unix epoch, UTC. No
personal data is read.
"""

from connector.kaufland.bodies.json_body import data_of, exact
from connector.kaufland.bodies.pagination import is_last_page, rows_of
from connector.kaufland.bodies.row_validation import tolerant
from connector.kaufland.returns.models import ReturnAnswer, ReturnRow, ReturnUnitAnswer
from connector.marketplace.orders import (
    ReadReturn,
    ReadReturnPage,
    Return,
    ReturnFound,
    ReturnPage,
    ReturnUnit,
    UnreadableRow,
)


def return_page(body: bytes | None, asked: ReadReturnPage) -> ReturnPage | None:
    """Reads a page of the list of returns."""
    answer = exact(body)
    is_last = is_last_page(answer, asked.offset)
    if is_last is None:
        return None
    rows, unreadable = rows_of(ReturnRow, data_of(answer), "returns", asked.offset, ReturnRow.SIDE)
    return ReturnPage(returns=tuple(_return(row) for row in rows), unreadable=unreadable, is_last=is_last)


def one_return(body: bytes | None, asked: ReadReturn) -> ReturnFound | None:
    """Reads a return; an unreadable return unit is left out, with a note. None for a response about another return."""
    data = data_of(exact(body))
    if not isinstance(data, dict):
        return None
    found = tolerant(ReturnAnswer, ReturnAnswer.SIDE, data, f"returns/{asked.return_id}")
    if isinstance(found, UnreadableRow):
        nothing = Return(return_id=asked.return_id, storefront="", status_raw="", created_us=0, changed_us=None)
        return ReturnFound(returned=nothing, unreadable=found)
    if found.row.id_return != asked.return_id:
        return None
    units: list[ReturnUnit] = []
    notes = [f"{'.'.join(map(str, fault.place))}: {fault.kind}" for fault in found.faults]
    if found.row.return_units is None and not notes:
        notes.append("return_units: missing")
    for place, raw in enumerate(found.row.return_units or ()):
        unit = tolerant(ReturnUnitAnswer, ReturnUnitAnswer.SIDE, raw, f"return_units.{place}")
        if isinstance(unit, UnreadableRow):
            notes.append(f"return_units.{place}: {unit.fault}")
        elif unit.row.id_return != asked.return_id:
            notes.append(f"return_units.{place}: id_return: another return's")
        else:
            notes += [f"return unit {unit.row.id_return_unit}: {fault.place[0]}: {fault.kind}" for fault in unit.faults]
            units.append(_return_unit(unit.row))
    return ReturnFound(returned=_return(found.row), units=tuple(units), notes=tuple(notes))


def _return_unit(unit: ReturnUnitAnswer) -> ReturnUnit:
    return ReturnUnit(
        return_unit_id=unit.id_return_unit,
        order_unit_id=unit.id_order_unit,
        status_raw=unit.status,
        reason=unit.reason,
        has_note=isinstance(unit.note, str) and bool(unit.note.strip()),
    )


def _return(row: ReturnRow | ReturnAnswer) -> Return:
    return Return(
        return_id=row.id_return,
        storefront=row.storefront,
        status_raw=row.status,
        created_us=row.ts_created_iso,
        changed_us=row.ts_updated_iso,
        tracking_provider=row.tracking_provider,
    )
