"""Compares the rows of order units that the list shows with those of the order as it was last read. Pure."""

from collections.abc import Iterable, Sequence

from connector.marketplace.orders import OrderFound, OrderUnit, PageRow
from connector.orders.events import SeenRow, UnitFees
from streams.frozen import replace


def seen_row(row: PageRow) -> SeenRow:
    """Returns the fields of a list's row by which a change is detected."""
    return SeenRow(order_unit_id=row.order_unit_id, status_raw=row.status_raw, changed_at_us=row.changed_us)


def newest_by_unit(rows: Iterable[SeenRow]) -> dict[int, SeenRow]:
    """Returns the newest row of each unit; of two with the same time, the later one in ``rows``."""
    newest: dict[int, SeenRow] = {}
    for row in rows:
        known = newest.get(row.order_unit_id)
        if known is None or row.changed_at_us >= known.changed_at_us:
            newest[row.order_unit_id] = row
    return newest


def sorted_rows(rows: Iterable[SeenRow]) -> tuple[SeenRow, ...]:
    """Returns the rows by ascending unit id."""
    return tuple(sorted(rows, key=lambda row: row.order_unit_id))


def renewed_fees(fees: Sequence[UnitFees], rows: Iterable[PageRow]) -> tuple[UnitFees, ...]:
    """Returns the fees of an order's units, updated by ``rows`` of the list; units without fees are left out."""
    known = {one.order_unit_id: one for one in fees}
    for row in rows:
        if row.eco_fee is None and row.packaging_fee is None:
            known.pop(row.order_unit_id, None)
        else:
            known[row.order_unit_id] = UnitFees(
                order_unit_id=row.order_unit_id, eco_fee=row.eco_fee, packaging_fee=row.packaging_fee
            )
    return tuple(sorted(known.values(), key=lambda one: one.order_unit_id))


def with_fees(found: OrderFound, fees: Iterable[UnitFees]) -> OrderFound:
    """Returns the order as it was read, with the fees that only the list shows."""
    known = {one.order_unit_id: one for one in fees}

    def whole(unit: OrderUnit) -> OrderUnit:
        of_list = known.get(unit.order_unit_id)
        if of_list is None:
            return unit
        return replace(
            unit,
            eco_fee=of_list.eco_fee if unit.eco_fee is None else unit.eco_fee,
            packaging_fee=of_list.packaging_fee if unit.packaging_fee is None else unit.packaging_fee,
        )

    return replace(found, units=tuple(map(whole, found.units))) if known else found


def is_news(known: SeenRow | None, row: SeenRow) -> bool:
    """Whether a row of the list differs from what is known of its unit."""
    if known is None or row.changed_at_us > known.changed_at_us:
        return True
    return row.changed_at_us == known.changed_at_us and row.status_raw != known.status_raw


def not_shown_yet(rows: Sequence[SeenRow], read: Sequence[SeenRow]) -> tuple[SeenRow, ...]:
    """Returns those of ``rows`` whose change the order as it was ``read`` does not show yet."""
    shown = {row.order_unit_id: row.changed_at_us for row in read}
    return tuple(row for row in rows if shown.get(row.order_unit_id, -1) < row.changed_at_us)
