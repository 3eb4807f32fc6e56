"""Parses the contents of mapping files. Pure."""

import csv
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

FAULTS_SHOWN: Final = 10

Row: TypeAlias = tuple[int, list[str]]
"""A line number and the cells of that line."""


def text(content: bytes) -> str:
    """Returns a file's content as text. Raises ValueError unless it is UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line}: it is not UTF-8. Save it as UTF-8; a spreadsheet calls that CSV UTF-8"
        ) from None


def carriers(content: bytes) -> Mapping[str, str]:
    """Parses aliases of carriers in TOML: ``"DHL Paket" = "DHL"``. Raises ValueError that names the first fault."""
    try:
        table = tomllib.loads(text(content))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is not TOML: {error}") from None
    for alias, code in table.items():
        if not alias.strip() or not isinstance(code, str) or not code.strip():
            raise ValueError(f"{alias!r} = {code!r}: expected the seller's name of a carrier = the marketplace's code")
    return table


def table(content: bytes, columns: Sequence[str], needed: Sequence[str]) -> tuple[list[str], Iterator[Row]]:
    """Parses CSV with a header, separated by comma, semicolon or tab, as spreadsheets write it.

    Returns the names of the header, of ``columns`` and with all that are ``needed``, and the rows with their line
    numbers, without empty lines and comments. Raises ValueError for another header; the rows raise it for a line that
    is not CSV.
    """
    rows = _rows(text(content).removeprefix("\ufeff").splitlines())
    _, header = next(rows, (0, []))
    names = [name.strip().lower() for name in header]
    if not {*needed} <= {*names} <= {*columns} or len(set(names)) < len(names):
        others = [name for name in columns if name not in needed]
        beside = f" and other columns of: {', '.join(columns)}" if others else ""
        raise ValueError(f"its first line is not a header with {', '.join(needed)}{beside}")
    return names, rows


def cells_of(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Returns the cells of a row by the names of the header. Raises ValueError if there are more than names."""
    if len(cells) > len(names) and any(map(str.strip, cells[len(names) :])):
        raise ValueError(f"it has {len(cells)} cells, the header has {len(names)}")
    return dict(zip(names, map(str.strip, cells), strict=False))


def refuse_faults(faults: Sequence[str]) -> None:
    """Raises ValueError that names the first of some faults, if there are any."""
    if faults:
        shown = "; ".join(faults[:FAULTS_SHOWN])
        more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise ValueError(f"{shown}{more}")


def _rows(lines: Sequence[str]) -> Iterator[Row]:
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    reader = csv.reader(lines, delimiter=next((one for one in ";\t" if one in first), ","), strict=True)
    number = 0
    try:
        for cells in reader:
            number += 1
            if reader.line_num > number:
                raise ValueError(f"line {number}: a quoted cell does not end in its line")
            if any(cells) and not cells[0].startswith("#"):
                yield number, cells
    except csv.Error as error:
        raise ValueError(f"line {number + 1}: {error}") from None
