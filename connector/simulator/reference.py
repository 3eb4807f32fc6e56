"""Storefronts, currencies, bounds and enums of the marketplace. Tables, no rule. Pure.

Source: OpenAPI document 2.27.0 with the units part of 2.44.0; ``MAX_AMOUNT`` is noted by readers of the documentation
and is in no schema.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CURRENCIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "de": "EUR",
        "cz": "CZK",
        "sk": "EUR",
        "pl": "PLN",
        "at": "EUR",
        "fr": "EUR",
        "it": "EUR",
        "es": "EUR",
        "nl": "EUR",
    }
)
"""Storefront to its one currency."""

PRICE_CEILINGS: Final[Mapping[str, int]] = MappingProxyType(
    {"EUR": 100_000_000, "CZK": 2_500_000_000, "PLN": 450_000_000}
)
"""Highest price in minor units: 1 million EUR, 25 million CZK, 4.5 million PLN. The CZK one does not fit the int32 of
the schema, so there the schema is the lower bound."""

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1
MAX_AMOUNT: Final = 99_999
MAX_HANDLING_TIME_DAYS: Final = 100
MAX_NOTE_CHARACTERS: Final = 250
MAX_GUARANTEE_YEARS: Final = 99
MAX_BULK_UNITS: Final = 150
MAX_STATUS_UNITS: Final = 20
MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 30

CONDITIONS: Final = (
    "NEW",
    "USED___AS_NEW",
    "USED___VERY_GOOD",
    "USED___GOOD",
    "USED___ACCEPTABLE",
    "REFURBISHED___AS_NEW",
    "REFURBISHED___VERY_GOOD",
    "REFURBISHED___GOOD",
    "REFURBISHED___ACCEPTABLE",
)
CONDITION_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        100: "NEW",
        110: "REFURBISHED___AS_NEW",
        120: "REFURBISHED___VERY_GOOD",
        130: "REFURBISHED___GOOD",
        140: "REFURBISHED___ACCEPTABLE",
        200: "USED___AS_NEW",
        300: "USED___VERY_GOOD",
        400: "USED___GOOD",
        500: "USED___ACCEPTABLE",
    }
)
"""The integers that a new unit may give instead of a name."""

BY_MERCHANT: Final = "fulfilled_by_merchant"
BY_MARKETPLACE: Final = "fulfilled_by_kaufland"
FULFILLMENT_TYPES: Final = (BY_MERCHANT, BY_MARKETPLACE)

WRITEABLE_STATUSES: Final = ("AVAILABLE", "ONHOLD")
WRITEABLE_VAT_INDICATORS: Final = (
    "standard_rate",
    "reduced_rate_1",
    "reduced_rate_2",
    "super_reduced_rate",
    "zero_rate",
)
UNIT_EMBEDDABLES: Final = ("eco_participation", "battery_participation", "")
LIST_EMBEDDABLES: Final = ("products", *UNIT_EMBEDDABLES)


def price_ceiling(storefront: str) -> int:
    """Highest price of a storefront in minor units."""
    return min(PRICE_CEILINGS[CURRENCIES[storefront]], INT32_MAX)
