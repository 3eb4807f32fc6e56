"""Overrides of single offers: a floor of the price, a reserve of the stock, fields that are held. Pure.

They are kept as a spreadsheet, a line for each EAN, or for each EAN and target. A file is used as a whole or not.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from connector.mappings.contents import cells_of, refuse_faults, table
from connector.marketplace.offers import Field
from streams.frozen import quick

COLUMNS: Final = ("ean", "target", "floor_price", "currency", "buffer", "hold", "reason")
NOTHING: Final[frozenset[Field]] = frozenset()
_AMOUNT: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")
"""1.234 is not one: who writes it may mean 1,234."""
_SHORTENED: Final = re.compile(r"[0-9]{1,13}|[0-9]([.,][0-9]+)?[eE]\+?[0-9]+")
"""What a spreadsheet makes of an EAN that it takes for a number: without leading zeros, or 4.00638E+12."""
_HOLDS: Final[Mapping[str, frozenset[Field]]] = {
    "no": NOTHING,
    "yes": frozenset(Field),
    "all": frozenset(Field),
    **{field.value: frozenset({field}) for field in Field},
}


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One line. None, and no field to hold: the line says nothing about that."""

    line: int
    target_id: str = ""  # empty = every target
    floor: Decimal | None = None  # the lowest price, in major units of ``currency``
    currency: str = ""  # of the floor
    buffer: int | None = None  # pieces that are never offered
    hold: frozenset[Field] = NOTHING
    holds_nothing: bool = False  # it says "no": what the line of every target holds does not hold here
    reason: str = ""

    @property
    def because(self) -> str:
        """Where it comes from and why, for people."""
        return f"line {self.line}, {self.reason or 'no reason given'}"


class Overrides:
    """The overrides in use. Of two lines that say something about an offer, the one that names its target wins."""

    def __init__(self, by_ean: Mapping[str, Sequence[Override]]) -> None:
        self._by_ean = by_ean

    def __bool__(self) -> bool:
        return bool(self._by_ean)

    @property
    def eans(self) -> frozenset[str]:
        return frozenset(self._by_ean)

    def concerns(self, ean: str) -> bool:
        return ean in self._by_ean

    def floor(self, ean: str, target_id: str | None, currency: str) -> Override | None:
        """Returns the line that has the floor of a price in this currency; None if none has."""
        return self._first(ean, target_id, lambda one: one.floor is not None and one.currency == currency)

    def buffer(self, ean: str, target_id: str | None) -> Override | None:
        """Returns the line that has the reserve of the stock; None if none has."""
        return self._first(ean, target_id, lambda one: one.buffer is not None)

    def hold(self, ean: str, target_id: str | None, field: Field) -> Override | None:
        """Returns the line that holds a field; None if none does."""
        found = self._first(ean, target_id, lambda one: field in one.hold or one.holds_nothing)
        return None if found is None or found.holds_nothing else found

    def changed_buffers(self, other: "Overrides") -> int:
        """Returns how many EANs have other reserves of their stock in ``other``."""
        both = self._by_ean.keys() | other._by_ean.keys()  # noqa: SLF001 - of the same class
        return sum(self._buffers(ean) != other._buffers(ean) for ean in both)  # noqa: SLF001

    def _buffers(self, ean: str) -> dict[str, int]:
        return {one.target_id: one.buffer for one in self._by_ean.get(ean, ()) if one.buffer is not None}

    def _first(self, ean: str, target_id: str | None, says: Callable[[Override], bool]) -> Override | None:
        found = None
        for one in self._by_ean.get(ean, ()):
            if says(one) and (one.target_id == target_id or (not one.target_id and found is None)):
                found = one
        return found


NO_OVERRIDES: Final = Overrides({})


def parse_overrides(content: bytes, currencies: Mapping[str, str], normal_form: Callable[[str], str]) -> Overrides:
    """Parses a file of overrides: CSV with a header, separated by comma, semicolon or tab.

    ``currencies``: that of each target. ``normal_form`` of an EAN raises ValueError for a text that is none. Raises
    ValueError that names the first faults with their lines.
    """
    names, rows = table(content, COLUMNS, ("ean",))
    parsing = _Parsing(names, currencies, normal_form)
    for line, cells in rows:
        parsing.add(line, cells)
    return parsing.result()


class _Parsing:
    """The overrides of the rows that were added, and the faults of the others."""

    def __init__(self, names: Sequence[str], currencies: Mapping[str, str], normal_form: Callable[[str], str]) -> None:
        self._names = names
        self._currencies = currencies
        self._known = frozenset(currencies.values())
        self._normal_form = normal_form
        self._by_ean: dict[str, tuple[Override, ...]] = {}
        self._words: dict[str, str] = {}
        self._faults: list[str] = []

    def add(self, line: int, cells: Sequence[str]) -> None:
        """Adds a row."""
        try:
            self._add(line, cells)
        except ValueError as error:
            self._faults.append(f"line {line}: {error}")

    def _add(self, line: int, cells: Sequence[str]) -> None:
        row = cells_of(self._names, cells)
        ean = self._ean(row.get("ean", ""))
        override = self._override(line, row)
        before = self._by_ean.get(ean, ())
        for other in before:
            if other.target_id == override.target_id:
                raise ValueError(f"EAN and target are those of line {other.line}")
        self._by_ean[ean] = (*before, override)

    def _ean(self, written: str) -> str:
        try:
            return self._normal_form(written)
        except ValueError as error:
            if _SHORTENED.fullmatch(written) is None:
                raise
            raise ValueError(f"{error}. If a spreadsheet has shortened it, format the column ean as text") from None

    def result(self) -> Overrides:
        """Returns the overrides. Raises ValueError if any row has a fault."""
        refuse_faults(self._faults)
        return Overrides(self._by_ean)

    def _override(self, line: int, row: Mapping[str, str]) -> Override:
        target_id = row.get("target", "")
        if target_id and target_id not in self._currencies:
            raise ValueError(f"target {target_id!r} is not configured; known: {', '.join(sorted(self._currencies))}")
        floor = row.get("floor_price", "")
        currency = self._same(row.get("currency", "").upper()) if floor else ""
        names = row.get("hold", "")
        return Override(
            line=line,
            target_id=self._same(target_id),
            floor=self._floor(target_id, floor, currency) if floor else None,
            currency=currency,
            buffer=_buffer(row.get("buffer", "")),
            hold=_held(names.lower().split()) if names else NOTHING,
            holds_nothing=names.lower() == "no",
            reason=self._same(row.get("reason", "")),
        )

    def _same(self, word: str) -> str:
        """Returns the object that stands for all equal texts."""
        return self._words.setdefault(word, word)

    def _floor(self, target_id: str, amount: str, currency: str) -> Decimal:
        if _AMOUNT.fullmatch(amount) is None:
            raise ValueError(
                f"floor_price {amount!r} is not a number such as 1999.99: with a point before at most two decimals, "
                "and nothing between thousands"
            )
        floor = Decimal(amount)
        if floor <= 0:
            raise ValueError(f"floor_price {amount!r} is not above 0")
        expected = {self._currencies[target_id]} if target_id else self._known
        if currency not in expected:
            raise ValueError(f"currency {currency!r} is not that of the target: {', '.join(sorted(expected))}")
        return floor


def _buffer(pieces: str) -> int | None:
    if not pieces:
        return None
    if not (pieces.isascii() and pieces.isdigit() and len(pieces) < 10):
        raise ValueError(f"buffer {pieces!r} is not a number of pieces, 0 or more")
    return int(pieces)


def _held(names: Iterable[str]) -> frozenset[Field]:
    held = NOTHING
    for name in names:
        if name not in _HOLDS:
            raise ValueError(f"hold {name!r} is none of: {', '.join(_HOLDS)}")
        held |= _HOLDS[name]
    return held
