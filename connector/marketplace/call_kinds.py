"""The kinds of marketplace calls, and the groups of endpoints that share a rate limit. Pure.

The values appear as metric labels and in topic records. Look-ups and updates carry units of one storefront per call,
so the ``kind`` of their wants and calls also names the storefront: ``update:de``.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class CallKind(StrEnum):
    """What a call asks for. Several updates may share one call; every other kind carries one item per call."""

    LOOK_UP = "lookup"
    UPDATE = "update"
    CREATE = "create"
    DELETE = "delete"
    UNIT_PAGE = "unit-page"
    PRODUCT = "product"
    SEND = "send"
    PARCEL = "parcel"
    ORDER_UNIT = "order-unit"
    ORDER = "order"
    ORDER_PAGE = "order-page"
    CARRIERS = "carriers"
    RETURN_PAGE = "return-page"
    RETURN = "return"
    SUBSCRIPTIONS = "subscriptions"

    def on(self, storefront: str) -> str:
        """Returns the ``kind`` of a want or call for one storefront: ``update:de``."""
        return f"{self}:{storefront}"

    @classmethod
    def of(cls, kind: str) -> "CallKind":
        """Returns the kind of a want or call without its storefront. Raises ValueError for an unknown kind."""
        return cls(kind.partition(":")[0])

    @property
    def writes(self) -> bool:
        """Whether the call changes something on the marketplace."""
        return self in _WRITES

    @property
    def once(self) -> bool:
        """Whether the call is not idempotent: it is repeated only on proof that nothing was executed."""
        return self in _ONCE

    @property
    def addresses_one_resource(self) -> bool:
        """Whether the call addresses one resource by its id, so that a 404 means this resource does not exist.

        False for calls that read a list.
        """
        return self not in _LISTS

    @property
    def personal(self) -> bool:
        """Whether responses hold personal data; such a response is parsed, but never stored, logged or quoted."""
        return self in _PERSONAL


def storefront_of(kind: str) -> str:
    """Returns the storefront that a kind names, or an empty string if it names none."""
    return kind.partition(":")[2]


_WRITES = frozenset({CallKind.UPDATE, CallKind.CREATE, CallKind.DELETE, CallKind.SEND, CallKind.PARCEL})
_ONCE = frozenset({CallKind.CREATE, CallKind.PARCEL})
_LISTS = frozenset(
    {
        CallKind.LOOK_UP,
        CallKind.UNIT_PAGE,
        CallKind.ORDER_PAGE,
        CallKind.CARRIERS,
        CallKind.RETURN_PAGE,
        CallKind.SUBSCRIPTIONS,
    }
)
_PERSONAL = frozenset(
    {
        CallKind.ORDER_UNIT,
        CallKind.ORDER,
        CallKind.ORDER_PAGE,
        CallKind.RETURN_PAGE,
        CallKind.RETURN,
        CallKind.SUBSCRIPTIONS,  # each subscription has an e-mail address
    }
)


# ---- groups of endpoints, for accounts with one rate limit per group -----------------------------------------------

UNITS_READ = "units_read"
UNITS_WRITE = "units_write"
PRODUCTS = "products"
ORDERS = "orders"
SHIPMENTS = "shipments"
RETURNS = "returns"

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        CallKind.LOOK_UP: UNITS_READ,
        CallKind.UNIT_PAGE: UNITS_READ,
        CallKind.PRODUCT: PRODUCTS,
        CallKind.UPDATE: UNITS_WRITE,
        CallKind.CREATE: UNITS_WRITE,
        CallKind.DELETE: UNITS_WRITE,
        CallKind.SEND: SHIPMENTS,
        CallKind.PARCEL: SHIPMENTS,
        CallKind.CARRIERS: SHIPMENTS,
        CallKind.ORDER_UNIT: ORDERS,
        CallKind.ORDER: ORDERS,
        CallKind.ORDER_PAGE: ORDERS,
        CallKind.RETURN_PAGE: RETURNS,
        CallKind.RETURN: RETURNS,
        CallKind.SUBSCRIPTIONS: ORDERS,
    }
)


def group_of(kind: str) -> str | None:
    """Returns the group of a want's or call's kind, or None if it is not a marketplace kind."""
    return GROUPS.get(kind.partition(":")[0])
