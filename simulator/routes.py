"""From method and path to the kind of a call, and the groups that kinds belong to. Tables. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simulator.exchange import Kind

BASE_PATH: Final = "/v2"
_MAX_ID_DIGITS: Final = 18

_FIXED: Final[Mapping[tuple[str, str], Kind]] = {
    ("GET", "/status/ping"): Kind.PING,
    ("GET", "/info/storefront"): Kind.STOREFRONTS,
    ("GET", "/units"): Kind.LIST,
    ("POST", "/units"): Kind.CREATE,
    ("POST", "/units/bulk"): Kind.BULK,
    ("POST", "/units/status"): Kind.STATUS,
    ("GET", "/carriers"): Kind.CARRIERS,
    ("GET", "/order-units"): Kind.ORDER_UNITS,
    ("GET", "/orders"): Kind.ORDERS,
    ("POST", "/shipments"): Kind.SHIPMENT,
    ("GET", "/returns"): Kind.RETURNS,
    ("GET", "/return-units"): Kind.RETURN_UNITS,
    ("GET", "/subscriptions"): Kind.SUBSCRIPTIONS,
    ("POST", "/subscriptions"): Kind.SUBSCRIBE,
}
_BY_ID: Final[Mapping[tuple[str, str], Kind]] = {
    ("GET", "/units/{}"): Kind.UNIT,
    ("PATCH", "/units/{}"): Kind.PATCH,
    ("DELETE", "/units/{}"): Kind.DELETE,
    ("GET", "/order-units/{}"): Kind.ORDER_UNIT,
    ("PATCH", "/order-units/{}/send"): Kind.SEND,
    ("GET", "/returns/{}"): Kind.RETURN,
    ("GET", "/return-units/{}"): Kind.RETURN_UNIT,
    ("GET", "/subscriptions/{}"): Kind.SUBSCRIPTION,
    ("PATCH", "/subscriptions/{}"): Kind.RESUBSCRIBE,
    ("DELETE", "/subscriptions/{}"): Kind.UNSUBSCRIBE,
}
_BY_TEXT: Final[Mapping[tuple[str, str], Kind]] = {("GET", "/orders/{}"): Kind.ORDER}

GROUPS: Final[Mapping[str, frozenset[Kind]]] = MappingProxyType(
    {
        "units_read": frozenset({Kind.LIST, Kind.UNIT, Kind.STATUS}),
        "units_write": frozenset({Kind.PATCH, Kind.BULK, Kind.CREATE, Kind.DELETE}),
        "orders": frozenset({Kind.ORDERS, Kind.ORDER, Kind.ORDER_UNITS, Kind.ORDER_UNIT}),
        "shipments": frozenset({Kind.SEND, Kind.SHIPMENT, Kind.CARRIERS}),
        "returns": frozenset({Kind.RETURNS, Kind.RETURN, Kind.RETURN_UNITS, Kind.RETURN_UNIT}),
    }
)
"""What a limit of this name holds when it names no kinds of its own. The marketplace documents no groups: these are for
trying a client against limits per group."""


def route(method: str, path: str) -> tuple[Kind, str]:
    """The kind of a call and the id in its path, "" = none. Fixed paths win over those with an id."""
    inner = inner_path(path)
    if kind := _FIXED.get((method, inner)):
        return kind, ""
    _, _, rest = inner.partition("/")
    head, _, tail = rest.partition("/")
    key, _, act = tail.partition("/")
    pattern = method, f"/{head}/{{}}" + (f"/{act}" if act else "")
    if key and (kind := _BY_TEXT.get(pattern)):
        return kind, key
    is_id = key.isascii() and key.isdigit() and len(key) <= _MAX_ID_DIGITS
    if is_id and (kind := _BY_ID.get(pattern)):
        return kind, key
    return Kind.UNKNOWN, ""


def inner_path(path: str) -> str:
    """Without base path and trailing slash; both spellings are found in the documentation."""
    return path.removeprefix(BASE_PATH).rstrip("/") if path.startswith(f"{BASE_PATH}/") else ""
