"""HTTP requests and responses as values, independent of sockets. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LINES: Final = "application/x-ndjson"
"""Content type of newline-delimited JSON."""


class Endpoint(StrEnum):
    """The endpoint that a call addresses, by its method and path."""

    PING = "ping"  # GET /status/ping
    STOREFRONTS = "storefronts"  # GET /info/storefront
    LIST = "list"  # GET /units
    UNIT = "unit"  # GET /units/{id_unit}
    PATCH = "patch"  # PATCH /units/{id_unit}
    BULK = "bulk"  # POST /units/bulk
    STATUS = "status"  # POST /units/status
    CREATE = "create"  # POST /units
    DELETE = "delete"  # DELETE /units/{id_unit}
    PRODUCT = "product"  # GET /products/ean/{ean}
    CARRIERS = "carriers"  # GET /carriers
    ORDER_UNITS = "order_units"  # GET /order-units
    ORDER_UNIT = "order_unit"  # GET /order-units/{id_order_unit}
    ORDERS = "orders"  # GET /orders
    ORDER = "order"  # GET /orders/{id_order}
    SEND = "send"  # PATCH /order-units/{id_order_unit}/send
    SHIPMENT = "shipment"  # POST /shipments
    RETURNS = "returns"  # GET /returns
    RETURN = "return"  # GET /returns/{id_return}
    RETURN_UNITS = "return_units"  # GET /return-units
    RETURN_UNIT = "return_unit"  # GET /return-units/{id_return_unit}
    SUBSCRIPTIONS = "subscriptions"  # GET /subscriptions
    SUBSCRIBE = "subscribe"  # POST /subscriptions
    SUBSCRIPTION = "subscription"  # GET /subscriptions/{id_subscription}
    RESUBSCRIBE = "resubscribe"  # PATCH /subscriptions/{id_subscription}
    UNSUBSCRIBE = "unsubscribe"  # DELETE /subscriptions/{id_subscription}
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request. ``target`` and ``body`` are kept byte for byte, because signatures cover those bytes."""

    method: str
    target: str  # path and query as sent
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""
    scheme: str = "http"
    peer_port: int = 0  # the caller's port

    @property
    def uri(self) -> str:
        """The absolute URI that the caller addressed and signed."""
        return f"{self.scheme}://{self.headers.get('host', '')}{self.target}"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One HTTP response. An empty body is sent without a content type."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    problem: str | None = None  # the problem type in the body, for the journal
    item_statuses: tuple[int, ...] = ()  # of the items of a 207, for the journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time in microseconds: ``mono_us`` (monotonic) for order and durations, ``wall_us`` since the epoch."""

    mono_us: int
    wall_us: int
