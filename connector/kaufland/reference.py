"""Storefronts, currencies, conditions and bounds as data: ``reference.json``, overlaid by an optional file.

The shipped table follows the Seller API's document (2.44.0): the storefronts and their currency, the highest
``listing_price``, the conditions of ``UnitCondition`` and ``BuyboxCondition``, a handling time of 0 to 100 days, and
150 units per call. The document has no highest ``amount``; the table allows what fits into an int32. The integer codes
of conditions are those of the feed files. A new storefront is added by changing the data only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from connector.marketplace.offers import Condition, Currency, Reference

StorefrontCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class UnknownStorefront(ValueError):
    """The storefront is not in the table; the message lists those that are."""


class _ReferenceModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class _StorefrontRow(_ReferenceModel):
    currency: CurrencyCode


class _CurrencyRow(_ReferenceModel):
    exponent: int = Field(ge=0, le=4)
    ceiling: int = Field(ge=1)


class _ConditionRow(_ReferenceModel):
    name: str = Field(min_length=1)
    code: int
    text: str = Field(min_length=1)


class _Table(_ReferenceModel):
    """The content of ``reference.json``; its parts are checked against each other."""

    storefronts: dict[StorefrontCode, _StorefrontRow] = Field(min_length=1)
    currencies: dict[CurrencyCode, _CurrencyRow]
    conditions: dict[str, _ConditionRow]
    max_stock: int = Field(ge=0)
    max_handling_time_days: int = Field(ge=0, le=100)
    bulk_limit: int = Field(ge=1, le=150)  # 150 is the API's limit

    @model_validator(mode="after")
    def _hangs_together(self) -> "_Table":
        for code, storefront in self.storefronts.items():
            if storefront.currency not in self.currencies:
                raise ValueError(f"storefront {code!r} has currency {storefront.currency!r}, which is not listed")
        known = {condition.value for condition in Condition if condition is not Condition.UNKNOWN}
        if set(self.conditions) != known:
            raise ValueError(f"conditions must be exactly {sorted(known)}, got {sorted(self.conditions)}")
        spellings = [s for row in self.conditions.values() for s in (row.name, str(row.code), row.text)]
        if len(set(spellings)) != len(spellings):
            raise ValueError("two conditions share a spelling")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class _LookUpTable:
    """One version of the reference data, in the form in which it is looked up."""

    reference: Reference
    conditions: Mapping[str, Condition]  # by every spelling, in lower case
    condition_names: Mapping[Condition, str]  # as requests spell them


class KauflandReference:
    """The reference data, as all threads share it; ``replace`` changes it while the process runs."""

    def __init__(self, table: _LookUpTable) -> None:
        self._table = table

    @property
    def table(self) -> _LookUpTable:
        """The present version."""
        return self._table

    @property
    def reference(self) -> Reference:
        """The part that flows use, as of now."""
        return self._table.reference

    def replace(self, other: "KauflandReference") -> None:
        """Takes over the data of another one. Any thread."""
        self._table = other.table

    def storefront(self, code: str) -> str:
        """Returns the code as requests spell it. Raises UnknownStorefront."""
        folded = code.strip().lower()
        if folded not in self.reference.storefronts:
            known = ", ".join(sorted(self.reference.storefronts))
            raise UnknownStorefront(f"storefront {code!r} is not known; known are: {known}")
        return folded

    def condition(self, text: str | int | None) -> Condition:
        """Returns the condition for any of the API's spellings: name, integer code or text; UNKNOWN if not listed."""
        if text is None:
            return Condition.UNKNOWN
        return self._table.conditions.get(str(text).lower(), Condition.UNKNOWN)

    def condition_name(self, condition: Condition) -> str:
        """Returns the condition as requests spell it."""
        return self._table.condition_names[condition]


def read_reference(shipped: bytes, over: bytes | None = None) -> KauflandReference:
    """Builds the table; entries of ``over`` are added to those of ``shipped`` or replace them.

    Raises ValueError that names each invalid entry.
    """
    table = _object(shipped, "the shipped reference data")
    if over is not None:
        table = _laid_over(table, _object(over, "the reference data"))
    try:
        checked = _Table.model_validate(table)
    except ValidationError as wrong:
        faults = "; ".join(f"{'.'.join(str(p) for p in e['loc']) or 'table'}: {e['msg']}" for e in wrong.errors())
        raise ValueError(f"reference data refused: {faults}") from None
    return _built(checked)


def _object(raw: bytes, name: str) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as wrong:
        raise ValueError(f"{name} is not JSON: {wrong}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a JSON object, got {type(value).__name__}")  # noqa: TRY004
    return value


def _laid_over(table: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the table with entries of ``over`` added or replaced; tables in it are merged, not replaced."""
    merged = dict(table)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _built(table: _Table) -> KauflandReference:
    currencies = {
        code: Currency(code=code, exponent=row.exponent, ceiling=row.ceiling) for code, row in table.currencies.items()
    }
    spellings = {
        str(spelling).lower(): Condition(ours)
        for ours, row in table.conditions.items()
        for spelling in (row.name, row.code, row.text)
    }
    reference = Reference(
        storefronts={code: currencies[row.currency] for code, row in table.storefronts.items()},
        max_stock=table.max_stock,
        max_handling_time_days=table.max_handling_time_days,
        bulk_limit=table.bulk_limit,
    )
    names = {Condition(ours): row.name for ours, row in table.conditions.items()}
    return KauflandReference(_LookUpTable(reference=reference, conditions=spellings, condition_names=names))


def load_reference(over: Path | None = None) -> KauflandReference:
    """Reads the shipped table, with the entries of the file ``over`` laid over it.

    Raises ValueError for an invalid file, OSError for one that cannot be read.
    """
    return read_reference(_shipped(), over.read_bytes() if over is not None else None)


def parse_reference(over: bytes, since: KauflandReference) -> KauflandReference:
    """Returns the shipped table with the entries of ``over``, to be used instead of ``since`` in a running process.

    Raises ValueError if it is not valid, or changes what only a restart can: values of lanes are in minor units of
    their storefront's currency.
    """
    found = read_reference(_shipped(), over)
    for code, before in since.reference.storefronts.items():
        after = found.reference.storefronts.get(code)
        if after is None or (after.code, after.exponent) != (before.code, before.exponent):
            raise ValueError(f"storefront {code!r} has another currency, or is gone: this needs a restart")
    if found.reference.bulk_limit != since.reference.bulk_limit:
        raise ValueError("bulk_limit is another: this needs a restart")
    return found


def _shipped() -> bytes:
    return (resources.files(__package__) / "reference.json").read_bytes()
