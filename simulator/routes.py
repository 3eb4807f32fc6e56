"""Maps method and path to an endpoint, and endpoints to groups. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simulator.exchange import Endpoint

BASE_PATH: Final = "/v2"
_MAX_ID_DIGITS: Final = 18

_FIXED: Final[Mapping[tuple[str, str], Endpoint]] = {
    ("GET", "/status/ping"): Endpoint.PING,
    ("GET", "/info/storefront"): Endpoint.STOREFRONTS,
    ("GET", "/units"): Endpoint.LIST,
    ("POST", "/units"): Endpoint.CREATE,
    ("POST", "/units/bulk"): Endpoint.BULK,
    ("POST", "/units/status"): Endpoint.STATUS,
    ("GET", "/carriers"): Endpoint.CARRIERS,
    ("GET", "/order-units"): Endpoint.ORDER_UNITS,
    ("GET", "/orders"): Endpoint.ORDERS,
    ("POST", "/shipments"): Endpoint.SHIPMENT,
    ("GET", "/returns"): Endpoint.RETURNS,
    ("GET", "/return-units"): Endpoint.RETURN_UNITS,
    ("GET", "/subscriptions"): Endpoint.SUBSCRIPTIONS,
    ("POST", "/subscriptions"): Endpoint.SUBSCRIBE,
}
_BY_ID: Final[Mapping[tuple[str, str], Endpoint]] = {
    ("GET", "/units/{}"): Endpoint.UNIT,
    ("PATCH", "/units/{}"): Endpoint.PATCH,
    ("DELETE", "/units/{}"): Endpoint.DELETE,
    ("GET", "/order-units/{}"): Endpoint.ORDER_UNIT,
    ("PATCH", "/order-units/{}/send"): Endpoint.SEND,
    ("GET", "/returns/{}"): Endpoint.RETURN,
    ("GET", "/return-units/{}"): Endpoint.RETURN_UNIT,
    ("GET", "/subscriptions/{}"): Endpoint.SUBSCRIPTION,
    ("PATCH", "/subscriptions/{}"): Endpoint.RESUBSCRIBE,
    ("DELETE", "/subscriptions/{}"): Endpoint.UNSUBSCRIBE,
}
_BY_TEXT: Final[Mapping[tuple[str, str], Endpoint]] = {("GET", "/orders/{}"): Endpoint.ORDER}

_PRODUCT: Final = "/products/ean/"

GROUPS: Final[Mapping[str, frozenset[Endpoint]]] = MappingProxyType(
    {
        "units_read": frozenset({Endpoint.LIST, Endpoint.UNIT, Endpoint.STATUS}),
        "units_write": frozenset({Endpoint.PATCH, Endpoint.BULK, Endpoint.CREATE, Endpoint.DELETE}),
        "products": frozenset({Endpoint.PRODUCT}),
        "orders": frozenset({Endpoint.ORDERS, Endpoint.ORDER, Endpoint.ORDER_UNITS, Endpoint.ORDER_UNIT}),
        "shipments": frozenset({Endpoint.SEND, Endpoint.SHIPMENT, Endpoint.CARRIERS}),
        "returns": frozenset({Endpoint.RETURNS, Endpoint.RETURN, Endpoint.RETURN_UNITS, Endpoint.RETURN_UNIT}),
    }
)
"""The endpoints that a limit of this name covers when it lists none of its own. The marketplace documents no groups:
these exist to test a client against limits per group."""


def route(method: str, path: str) -> tuple[Endpoint, str]:
    """Returns the endpoint and the id in the path ("" = none). Fixed paths take precedence over paths with an id."""
    inner = inner_path(path)
    if kind := _FIXED.get((method, inner)):
        return kind, ""
    if method == "GET" and (ean := inner.removeprefix(_PRODUCT)) != inner and ean and "/" not in ean:
        return Endpoint.PRODUCT, ean
    _, _, rest = inner.partition("/")
    head, _, tail = rest.partition("/")
    key, _, act = tail.partition("/")
    pattern = method, f"/{head}/{{}}" + (f"/{act}" if act else "")
    if key and (kind := _BY_TEXT.get(pattern)):
        return kind, key
    is_id = key.isascii() and key.isdigit() and len(key) <= _MAX_ID_DIGITS
    if is_id and (kind := _BY_ID.get(pattern)):
        return kind, key
    return Endpoint.UNKNOWN, ""


def inner_path(path: str) -> str:
    """Returns the path without base path and trailing slash, "" outside the base path.

    The documentation spells paths both with and without the trailing slash.
    """
    return path.removeprefix(BASE_PATH).rstrip("/") if path.startswith(f"{BASE_PATH}/") else ""
