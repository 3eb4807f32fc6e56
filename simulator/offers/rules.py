"""Parses and validates the queries and bodies of the endpoints about units. Pure.

Documented rules of ``POST /units/bulk``: at most 150 units, one storefront, no unit twice; breaking one refuses the
whole call. Not documented: an empty list, and whether a malformed item refuses the call or only the item. Chosen: an
empty list, or an item without ``id_unit`` and ``unit_data``, refuses the call; an invalid value in ``unit_data``
refuses its item.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import orjson

from simulator.problems import ProblemDetails, ProblemType, RequestFieldError, invalid
from simulator.reference import (
    BY_MERCHANT,
    CONDITION_CODES,
    CONDITIONS,
    CURRENCIES,
    DEFAULT_PAGE,
    FULFILLMENT_TYPES,
    INT32_MAX,
    INT64_MAX,
    LIST_EMBEDDABLES,
    MAX_AMOUNT,
    MAX_BULK_UNITS,
    MAX_GUARANTEE_YEARS,
    MAX_HANDLING_TIME_DAYS,
    MAX_NOTE_CHARACTERS,
    MAX_PAGE,
    MAX_STATUS_UNITS,
    PRODUCT_EMBEDDABLES,
    UNIT_EMBEDDABLES,
    WRITEABLE_STATUSES,
    WRITEABLE_VAT_INDICATORS,
    price_ceiling,
)

T = TypeVar("T")
Change = Mapping[str, object]
"""New values of fields of a unit, by their names in requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strictness:
    """Switches for rules that the documentation leaves open."""

    listing_price_required: bool = False  # refuse a change that carries no listing price
    max_amount: int = MAX_AMOUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """The query of ``GET /units``."""

    storefront: str
    limit: int = DEFAULT_PAGE
    offset: int = 0
    ean: str | None = None
    id_offer: str | None = None
    id_product: int | None = None
    fulfillment_types: frozenset[str] = frozenset({BY_MERCHANT})
    embedded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitQuery:
    """The query of the other endpoints about units."""

    storefront: str
    embedded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductQuery:
    """The query of ``GET /products/ean/{ean}``."""

    storefront: str
    ean: str


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One item of ``POST /units/bulk``."""

    unit_id: int
    data: Mapping[str, object]  # not yet validated


# ---- queries --------------------------------------------------------------------------------------------------------


class Query:
    """Parses the values of a query string and collects the errors."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            self._values.setdefault(name, []).append(value)
        self.errors: list[RequestFieldError] = []

    def text(self, name: str) -> str | None:
        values = self._values.get(name)
        return values[-1] if values else None

    def number(self, name: str, low: int, high: int) -> int | None:
        """Returns an integer from ``low`` to ``high``, or None if it is missing or invalid; records the error."""
        text = self.text(name)
        if text is None:
            return None
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) < 20 and low <= int(text) <= high:
            return int(text)
        self.errors.append(RequestFieldError(name, f"must be an integer from {low} to {high}"))
        return None

    def choices(self, name: str, allowed: Sequence[str]) -> frozenset[str] | None:
        """Returns a set of values, given comma-separated or by repeating the name: the document leaves this open."""
        if name not in self._values:
            return None
        chosen = frozenset(part for value in self._values[name] for part in value.split(","))
        if unknown := sorted(chosen - set(allowed)):
            self.errors.append(RequestFieldError(name, f"has unknown values {unknown}, known are {sorted(allowed)}"))
        return chosen

    def storefront(self) -> str:
        """Returns the required storefront; records an error if it is missing ("" is returned) or unknown."""
        text = self.text("storefront")
        if text is None:
            self.errors.append(RequestFieldError("storefront", "is required"))
        elif text not in CURRENCIES:
            self.errors.append(RequestFieldError("storefront", f"must be one of {sorted(CURRENCIES)}"))
        return text or ""

    def optional_storefront(self) -> str | None:
        return self.storefront() if "storefront" in self._values else None

    def one_of(self, name: str, allowed: Sequence[str]) -> str | None:
        """Returns a value and records an error if it is not one of ``allowed``."""
        text = self.text(name)
        if text is not None and text not in allowed:
            self.errors.append(RequestFieldError(name, f"must be one of {sorted(allowed)}"))
        return text

    def instant(self, name: str) -> datetime | None:
        """Returns a time with a UTC offset, such as ``2026-01-31T12:00:00Z``."""
        text = self.text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or "T" not in text:
            self.errors.append(RequestFieldError(name, "must be a moment as 2026-01-31T12:00:00Z"))
            return None
        return moment

    def ean(self) -> str | None:
        """Returns the EAN and records an error unless it has 13 or 14 digits."""
        text = self.text("ean")
        if text is not None and not (text.isascii() and text.isdigit() and len(text) in (13, 14)):
            self.errors.append(RequestFieldError("ean", "must have 13 or 14 digits"))
        return text


def list_query(text: str, storefronts: frozenset[str]) -> ListQuery | ProblemDetails:
    """Parses the query of ``GET /units``. ``storefronts`` are those of the seller."""
    query = Query(text)
    storefront = query.storefront()
    limit = query.number("limit", 0, MAX_PAGE)
    chosen = ListQuery(
        storefront=storefront,
        limit=DEFAULT_PAGE if limit is None else limit,
        offset=query.number("offset", 0, INT32_MAX) or 0,
        ean=query.ean(),
        id_offer=query.text("id_offer"),
        id_product=query.number("id_product", 1, INT64_MAX),
        fulfillment_types=query.choices("fulfillment_type", FULFILLMENT_TYPES) or frozenset({BY_MERCHANT}),
        embedded=query.choices("embedded", LIST_EMBEDDABLES) or frozenset(),
    )
    return unless_wrong(query, storefronts, chosen, storefront)


def unit_query(text: str, storefronts: frozenset[str], *, reads: bool) -> UnitQuery | ProblemDetails:
    """Parses the query of the other endpoints about units. Only reads may embed products."""
    query = Query(text)
    storefront = query.storefront()
    embedded = query.choices("embedded", LIST_EMBEDDABLES if reads else UNIT_EMBEDDABLES) or frozenset()
    return unless_wrong(query, storefronts, UnitQuery(storefront=storefront, embedded=embedded), storefront)


def product_query(ean: str, text: str, storefronts: frozenset[str]) -> ProductQuery | ProblemDetails:
    """Parses path and query of ``GET /products/ean/{ean}``; what is embedded is checked, and left out of the answer."""
    query = Query(text)
    storefront = query.storefront()
    query.choices("embedded", PRODUCT_EMBEDDABLES)
    if not (ean.isascii() and ean.isdigit() and len(ean) in (13, 14, 15)):
        query.errors.append(RequestFieldError("ean", "must have 13, 14 or 15 digits"))
    return unless_wrong(query, storefronts, ProductQuery(storefront=storefront, ean=ean), storefront)


def unless_wrong(query: Query, storefronts: frozenset[str], chosen: T, storefront: str | None) -> T | ProblemDetails:
    """Returns ``chosen``, or a refusal if the query has errors or the storefront is not among the seller's.

    ``storefront`` None = the query names none.
    """
    if query.errors:
        return invalid(*query.errors)
    if storefront is not None and storefront not in storefronts:
        return ProblemDetails(
            status=400,
            type=ProblemType.STOREFRONT_NOT_CONFIGURED,
            message=f"Storefront {storefront} is not configured for this seller",
        )
    return chosen


# ---- bodies ---------------------------------------------------------------------------------------------------------


def parse(body: bytes) -> object | ProblemDetails:
    """Parses JSON, or returns a 400."""
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ProblemDetails(status=400, type=ProblemType.BAD_REQUEST, message="Request body is not valid JSON")
    return parsed


def change_of(body: bytes) -> Change | ProblemDetails:
    """Parses the body of ``PATCH /units/{id_unit}``, without validating its values."""
    data = parse(body)
    if isinstance(data, ProblemDetails):
        return data
    if not isinstance(data, dict):
        return invalid(RequestFieldError("body", "must be an object"))
    return data


def bulk_items(body: bytes) -> list[BulkItem] | ProblemDetails:
    """Parses the body of ``POST /units/bulk``, in the order of the call. A refusal is of the whole call."""
    entries = parse(body)
    if isinstance(entries, ProblemDetails):
        return entries
    if not isinstance(entries, list) or not entries:
        return invalid(RequestFieldError("body", f"must be a list of 1 to {MAX_BULK_UNITS} units"))
    if len(entries) > MAX_BULK_UNITS:
        return ProblemDetails(
            status=400,
            type=ProblemType.BULK_TOO_MANY_UNITS,
            message=f"Request holds {len(entries)} units, at most {MAX_BULK_UNITS} are allowed",
        )
    if errors := [error for place, entry in enumerate(entries) if (error := _entry_error(place, entry))]:
        return invalid(*errors)
    return _without_duplicates([BulkItem(entry["id_unit"], entry["unit_data"]) for entry in entries])


def _entry_error(place: int, entry: object) -> RequestFieldError | None:
    if not isinstance(entry, dict) or entry.keys() != {"id_unit", "unit_data"}:
        return RequestFieldError(f"[{place}]", "must hold id_unit and unit_data, and nothing else")
    if not is_integer(entry["id_unit"], 1, INT64_MAX):
        return RequestFieldError(f"[{place}].id_unit", "must be a positive integer")
    if not isinstance(entry["unit_data"], dict):
        return RequestFieldError(f"[{place}].unit_data", "must be an object")
    return None


def _without_duplicates(items: list[BulkItem]) -> list[BulkItem] | ProblemDetails:
    times = Counter(item.unit_id for item in items)
    if len(times) == len(items):
        return items
    return ProblemDetails(
        status=400,
        type=ProblemType.BULK_DUPLICATE_UNITS,
        message="Request holds units more than once",
        errors=tuple(RequestFieldError("id_unit", str(unit_id)) for unit_id, count in times.items() if count > 1),
    )


def status_ids(body: bytes) -> list[int] | ProblemDetails:
    """Parses the body of ``POST /units/status``: ids in the order of the call, without duplicates."""
    data = parse(body)
    if isinstance(data, ProblemDetails):
        return data
    if not isinstance(data, dict) or data.keys() != {"unit_ids"} or not isinstance(data["unit_ids"], list):
        return invalid(RequestFieldError("unit_ids", "must be a list of integers, and the only field"))
    ids = data["unit_ids"]
    if not 1 <= len(ids) <= MAX_STATUS_UNITS or not all(is_integer(unit_id, 1, INT64_MAX) for unit_id in ids):
        return invalid(RequestFieldError("unit_ids", f"must hold 1 to {MAX_STATUS_UNITS} positive integers"))
    return list(dict.fromkeys(ids))


# ---- fields of a unit -----------------------------------------------------------------------------------------------

Rule = Callable[[object], str | None]
"""Returns what is wrong with a value, or None."""


def is_integer(value: object, low: int, high: int) -> bool:
    """Whether the value is an int from ``low`` to ``high``; ``True`` and ``1.0`` are not."""
    return type(value) is int and low <= value <= high


def _integer(low: int, high: int, *, nullable: bool = False) -> Rule:
    expected = f"must be an integer from {low} to {high}" + (" or null" if nullable else "")

    def check(value: object) -> str | None:
        if type(value) is int and low <= value <= high:
            return None
        return None if nullable and value is None else expected

    return check


def _one_of(allowed: Sequence[str]) -> Rule:
    return lambda value: None if value in allowed else f"must be one of {list(allowed)}"


def _text(max_characters: int) -> Rule:
    def check(value: object) -> str | None:
        fits = isinstance(value, str) and len(value) <= max_characters
        return None if fits else f"must be a text of at most {max_characters} characters"

    return check


def _price(ceiling: int) -> Rule:
    def check(value: object) -> str | None:
        if type(value) is not int:
            return "must be an integer"
        if value < 1:
            return "must be greater than 0"
        return None if value <= ceiling else f"must not be greater than {ceiling}"

    return check


_PLAIN_RULES: Final[Mapping[str, Rule]] = {
    "handling_time": _integer(0, MAX_HANDLING_TIME_DAYS),
    "note": _text(MAX_NOTE_CHARACTERS),
    "status": _one_of(WRITEABLE_STATUSES),
    # The schema of requests allows int64 here, that of responses only int32: larger values are refused.
    "id_shipping_group": _integer(1, INT32_MAX),
    "id_warehouse": _integer(1, INT32_MAX),
    "vat_indicator": _one_of(WRITEABLE_VAT_INDICATORS),
    "eco_participation": _integer(1, INT32_MAX, nullable=True),
    "battery_participation": _integer(1, INT32_MAX, nullable=True),
    "manufacturer_guarantee_years": _integer(1, MAX_GUARANTEE_YEARS, nullable=True),
}
_PRICE_RULES: Final[Mapping[str, Rule]] = {storefront: _price(price_ceiling(storefront)) for storefront in CURRENCIES}
_PRICES: Final = ("listing_price", "minimum_price")


def change_problem(data: Mapping[str, object], storefront: str, strictness: Strictness) -> ProblemDetails | None:
    """Returns a refusal that lists all invalid fields, or None. A change is accepted as a whole or not at all."""
    errors = [
        RequestFieldError(name, f"{name} {wrong}")
        for name, value in data.items()
        if (wrong := _wrong(name, value, storefront, strictness))
    ]
    if strictness.listing_price_required and "listing_price" not in data:
        errors.append(RequestFieldError("listing_price", "listing_price must be greater than 0"))
    return invalid(*errors) if errors else None


def _wrong(name: str, value: object, storefront: str, strictness: Strictness) -> str | None:
    if name == "amount":
        fits = type(value) is int and 0 <= value <= strictness.max_amount
        return None if fits else f"must be an integer from 0 to {strictness.max_amount}"
    if name in _PRICES:
        return _PRICE_RULES[storefront](value)
    rule = _PLAIN_RULES.get(name)
    return rule(value) if rule else "is not a field that can be changed"


# ---- new units ------------------------------------------------------------------------------------------------------

_NEW_ONLY: Final = frozenset({"ean", "id_product", "id_offer", "condition"})
_NEW_REQUIRED: Final = ("listing_price", "handling_time", "id_offer")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUnit:
    """The body of ``POST /units``. At least one of ``ean`` and ``id_product`` is set."""

    ean: str | None
    id_product: int | None
    id_offer: str
    condition: str
    change: Change


def new_unit(body: bytes, storefront: str, strictness: Strictness) -> NewUnit | ProblemDetails:
    """Parses and validates the body of ``POST /units``."""
    data = parse(body)
    if isinstance(data, ProblemDetails):
        return data
    if not isinstance(data, dict):
        return invalid(RequestFieldError("body", "must be an object"))
    change = {name: value for name, value in data.items() if name not in _NEW_ONLY}
    refused = change_problem(change, storefront, strictness)
    errors = [*(refused.errors if refused else ()), *_new_errors(data)]
    if errors:
        return invalid(*errors)
    condition = data.get("condition", "NEW")
    return NewUnit(
        ean=data.get("ean"),
        id_product=data.get("id_product"),
        id_offer=data["id_offer"],
        condition=CONDITION_CODES.get(condition, condition),
        change=change,
    )


def _new_errors(data: Mapping[str, object]) -> list[RequestFieldError]:
    errors = [RequestFieldError(name, f"{name} is required") for name in _NEW_REQUIRED if name not in data]
    if "status" in data:
        errors.append(RequestFieldError("status", "status is not a field of a new unit"))
    if not ({"ean", "id_product"} & data.keys()):
        errors.append(RequestFieldError("ean", "ean or id_product is required"))
    checks: dict[str, Rule] = {
        "ean": lambda value: None if _is_ean(value) else "must have 13 or 14 digits",
        "id_product": _integer(1, INT64_MAX),
        "id_offer": _text(MAX_NOTE_CHARACTERS),
        "condition": _condition_wrong,
    }
    errors += [
        RequestFieldError(name, f"{name} {wrong}")
        for name, check in checks.items()
        if name in data and (wrong := check(data[name]))
    ]
    return errors


def _is_ean(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) in (13, 14)


def _condition_wrong(value: object) -> str | None:
    known = value in CONDITIONS if isinstance(value, str) else type(value) is int and value in CONDITION_CODES
    return None if known else "must be a known condition"
