"""Storefronts, currencies, bounds and enums of the marketplace. Constants only.

Source: OpenAPI document 2.27.0 with the units part of 2.44.0. It names no maximum of an amount other than its type,
int32.
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
"""Storefront to its currency."""

PRICE_CEILINGS: Final[Mapping[str, int]] = MappingProxyType(
    {"EUR": 100_000_000, "CZK": 2_500_000_000, "PLN": 450_000_000}
)
"""Highest price in minor units: 1 million EUR, 25 million CZK, 4.5 million PLN. The CZK value exceeds the schema's
int32, so ``price_ceiling`` returns the maximum of int32 there."""

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1
MAX_AMOUNT: Final = INT32_MAX
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
"""The integers that a new unit may give instead of a condition's name."""

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
CARRIERS: Final[Mapping[str, bool]] = MappingProxyType(
    {
        "Austrian Post": False,
        "Cargo International": True,
        "Czech Post": False,
        "Deutsche Post": False,
        "DHL": False,
        "DPD": False,
        "DPD Austria": False,
        "Fedex": False,
        "GLS": False,
        "Hermes": False,
        "InPost": False,
        "Packeta": False,
        "UPS": False,
        "Other": False,
        "Other Hauler": True,
    }
)
"""Exact name to whether it is a hauler: an excerpt of the marketplace's list of over a hundred."""
CARRIERS_WITHOUT_TRACKING: Final = frozenset({"Other", "Other Hauler"})
"""The only carriers with which a tracking number may be omitted, according to the documentation of order files."""

VAT_PCT: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "de": (19, 7),
        "cz": (21, 12),
        "sk": (23, 19),
        "pl": (23, 8),
        "at": (20, 10),
        "fr": (20, 10),
        "it": (22, 10),
        "es": (21, 10),
        "nl": (21, 9),
    }
)
"""Storefront to its standard and its first reduced VAT rate, in per cent."""

MAX_ORDER_UNITS: Final = 20
ORDER_UNIT_EMBEDDABLES: Final = (
    "delivery_attempt_timestamp_iso",
    "return_unit",
    "tickets",
    "delivery",
    "kss_delivery",
    "shipping_group",
)
ORDER_EMBEDDABLES: Final = ("order_invoices", "delivery", "kss_delivery")
MAX_SUBSCRIPTION_PAGE: Final = 30
MAX_CALLBACK_URL_CHARACTERS: Final = 255
EVENT_NAMES: Final = (
    "order_new",
    "order_unit_new",
    "order_unit_status_changed",
    "item_changed",
    "category_changed",
    "return_new",
    "return_status_changed",
    "return_unit_status_changed",
    "item_unit_new",
    "item_unit_changed",
    "item_unit_deleted",
    "item_unit_out_of_stock",
    "item_unit_not_available",
    "item_unit_available",
    "item_unit_live",
    "item_unit_not_live",
    "buy_box_changed",
)

UNIT_EMBEDDABLES: Final = ("eco_participation", "battery_participation", "")
PRODUCT_EMBEDDABLES: Final = ("category", "category_basic", "units")
LIST_EMBEDDABLES: Final = ("products", *UNIT_EMBEDDABLES)


def price_ceiling(storefront: str) -> int:
    """Returns the highest price of a storefront, in minor units."""
    return min(PRICE_CEILINGS[CURRENCIES[storefront]], INT32_MAX)
