"""Exchange rates between two currencies, with their time and source. Pure.

They are kept as a spreadsheet, a line for each pair in one direction. A file is used as a whole or not.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeAlias

from connector.mappings.contents import cells_of, refuse_faults, table

COLUMNS: Final = ("from", "to", "rate", "at", "source")
SOURCE_LENGTH: Final = 100
_CODE: Final = re.compile(r"[A-Z]{3}")
_RATE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
"""1,5 is not one: with a comma between decimals, who reads it may take it for a thousand."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Pair: TypeAlias = tuple[str, str]
"""The currency that is converted, and the one that it is converted to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How much of one currency a unit of another is worth, as its source published it."""

    value: Decimal
    at_us: int
    source: str


class Rates:
    """The rates in use. A rate applies in its own direction only: none is inverted, and none follows from others."""

    def __init__(self, by_pair: Mapping[Pair, Rate]) -> None:
        self._by_pair = by_pair

    def __bool__(self) -> bool:
        return bool(self._by_pair)

    @property
    def pairs(self) -> Collection[Pair]:
        return self._by_pair.keys()

    def find(self, of: str, to: str) -> Rate | None:
        """Returns the rate that converts ``of`` to ``to``; None if there is none."""
        return self._by_pair.get((of, to))


NO_RATES: Final = Rates({})


def parse_rates(content: bytes) -> Rates:
    """Parses a file of rates: CSV with the header ``from,to,rate,at,source``.

    Raises ValueError that names the first faults with their lines.
    """
    names, rows = table(content, COLUMNS, COLUMNS)
    found: dict[Pair, Rate] = {}
    faults = []
    for line, cells in rows:
        try:
            pair, rate = _rate(names, cells)
        except ValueError as error:
            faults.append(f"line {line}: {error}")
            continue
        if pair in found:
            faults.append(f"line {line}: {'/'.join(pair)} is listed twice")
        found[pair] = rate
    refuse_faults(faults)
    return Rates(found)


def _rate(names: Sequence[str], cells: Sequence[str]) -> tuple[Pair, Rate]:
    row = cells_of(names, cells)
    of, to = (_currency(row, name) for name in ("from", "to"))
    if of == to:
        raise ValueError(f"both currencies are {of}")
    written = row.get("rate", "")
    if _RATE.fullmatch(written) is None or not Decimal(written):
        raise ValueError(
            f"rate {written!r} is not a number above 0 such as 4.2731: with a point before at most nine decimals"
        )
    source = row.get("source", "")
    if not 0 < len(source) <= SOURCE_LENGTH:
        raise ValueError(f"source {source!r} does not say in 1 to {SOURCE_LENGTH} characters who published the rate")
    return (of, to), Rate(value=Decimal(written), at_us=_moment_us(row.get("at", "")), source=source)


def _currency(row: Mapping[str, str], name: str) -> str:
    code = row.get(name, "")
    if _CODE.fullmatch(code) is None:
        raise ValueError(f"{name} {code!r} is not a currency such as EUR")
    return code


def _moment_us(written: str) -> int:
    """Returns a point in time with its time zone in microseconds since the Unix epoch."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at.year < 2000:
        raise ValueError(f"at {written!r} is not a time with its zone such as 2026-03-31T16:00:00+02:00")
    return (at - _EPOCH) // timedelta(microseconds=1)
