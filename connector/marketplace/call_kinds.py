"""The kinds of calls that flows ask of a marketplace, and the groups of endpoints that share a limit. Pure.

The texts are labels of metrics and fields of topics. A call carries units of one storefront only, so the ``kind`` of
a look-up or an update names it, too: ``update:de``.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class CallKind(StrEnum):
    """What a call asks for. Updates may share a call; every other kind carries one item a call."""

    LOOK_UP = "lookup"
    UPDATE = "update"
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
        """The kind as wants and calls spell it where it names a storefront: ``update:de``."""
        return f"{self}:{storefront}"

    @classmethod
    def of(cls, kind: str) -> "CallKind":
        """The kind of a want or call, less its storefront. Raises ValueError for a kind that is no marketplace's."""
        return cls(kind.partition(":")[0])

    @property
    def writes(self) -> bool:
        return self in _WRITES

    @property
    def once(self) -> bool:
        """Each call adds something: it is repeated only on proof that nothing was executed."""
        return self is CallKind.PARCEL

    @property
    def names_one(self) -> bool:
        """Asks about one thing by its id, so a 404 means that this one does not exist. Lists do not."""
        return self not in _LISTS

    @property
    def personal(self) -> bool:
        """Its answers hold personal data: facts are read from them, and they are never kept, logged or quoted."""
        return self in _PERSONAL


def storefront_of(kind: str) -> str:
    """The storefront that a kind names, empty = none."""
    return kind.partition(":")[2]


OF_ORDERS = tuple(kind for kind in CallKind if kind not in (CallKind.LOOK_UP, CallKind.UPDATE))
"""The kinds of ``connector.marketplace.orders``."""

_WRITES = frozenset({CallKind.UPDATE, CallKind.SEND, CallKind.PARCEL})
_LISTS = frozenset(
    {CallKind.LOOK_UP, CallKind.ORDER_PAGE, CallKind.CARRIERS, CallKind.RETURN_PAGE, CallKind.SUBSCRIPTIONS}
)
_PERSONAL = frozenset(
    {
        CallKind.ORDER_UNIT,
        CallKind.ORDER,
        CallKind.ORDER_PAGE,
        CallKind.RETURN_PAGE,
        CallKind.RETURN,
        CallKind.SUBSCRIPTIONS,  # each has a mail address
    }
)


# ---- groups of endpoints, for accounts whose limits are per group ---------------------------------------------------

UNITS_READ = "units_read"
UNITS_WRITE = "units_write"
ORDERS = "orders"
SHIPMENTS = "shipments"
RETURNS = "returns"

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        CallKind.LOOK_UP: UNITS_READ,
        CallKind.UPDATE: UNITS_WRITE,
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
    """The group of a want's kind; None = the kind is no marketplace's."""
    return GROUPS.get(kind.partition(":")[0])
