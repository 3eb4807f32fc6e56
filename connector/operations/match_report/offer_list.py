"""Reads a list of offers from CSV: a header with the column ``ean``, then a row for each offer. Pure.

Further columns are those of an event: ``target_id``, ``condition``, ``offer_id`` and ``unit_id``. Every other column is
an attribute. Cells are separated by commas, semicolons or tabs, whichever the header has most of.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from connector.offers.gtin import GtinError, normal_form
from connector.offers.match import NamedOffer
from streams.errors import SettingsError

SELECTORS = ("ean", "target_id", "condition", "offer_id", "unit_id")
_SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableOffer:
    """A row or a record that names no offer. ``place``: where it was read."""

    place: str
    message: str


def read_offers(lines: Iterable[str]) -> Iterator[NamedOffer | UnreadableOffer]:
    """Yields the offer of each row, with the EAN in its normal form if it has one.

    ``lines`` are decoded with ``surrogateescape``; a row with bytes that are not UTF-8 is unreadable. Raises
    SettingsError if the header has no column ``ean``, or a column twice.
    """
    rest = iter(lines)
    first = next(rest, "").removeprefix("\ufeff")
    separator = max(_SEPARATORS, key=first.count)
    columns = _columns(next(csv.reader([first], delimiter=separator), []))
    rows = csv.reader(rest, delimiter=separator, strict=True)
    while True:
        line = rows.line_num + 2  # after the header, counted from 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield UnreadableOffer(place=f"line {line}", message=str(error))
            continue
        if any(cell.strip() for cell in cells):
            yield _offer(f"line {line}", columns, [cell.strip() for cell in cells])


def _columns(header: Sequence[str]) -> list[str]:
    names = [name.strip() for name in header]
    known = [name.lower() if name.lower() in SELECTORS else name for name in names]
    if "ean" not in known:
        raise SettingsError(f"the list has no column ean; its first line is {', '.join(names) or 'empty'}")
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise SettingsError(f"the list has the column {twice[0] or 'without a name'} twice")
    return known


def _offer(place: str, columns: Sequence[str], cells: Sequence[str]) -> NamedOffer | UnreadableOffer:
    if len(cells) != len(columns):
        return UnreadableOffer(place=place, message=f"it has {len(cells)} cells, the header has {len(columns)}")
    row = dict(zip(columns, cells, strict=True))
    try:
        return _named(place, row)
    except ValueError as error:
        return UnreadableOffer(place=place, message=str(error))


def _named(place: str, row: Mapping[str, str]) -> NamedOffer:
    """Returns the offer of a row. Raises ValueError."""
    for cell in row.values():
        try:
            cell.encode()
        except UnicodeEncodeError:
            raise ValueError("it is not UTF-8") from None
    unit_id = row.get("unit_id") or None
    if unit_id is not None and not (unit_id.isascii() and unit_id.isdigit()):
        raise ValueError(f"unit_id {unit_id!r} is not a number")
    return NamedOffer(
        ean=_normal(row["ean"]),
        target_id=row.get("target_id") or None,
        condition=row.get("condition") or None,
        offer_id=row.get("offer_id") or None,
        unit_id=int(unit_id) if unit_id is not None else None,
        attributes={name: cell for name, cell in row.items() if name not in SELECTORS and cell},
        place=place,
    )


def _normal(ean: str) -> str:
    try:
        return normal_form(ean)
    except GtinError:
        return ean  # the report says what is wrong with it
