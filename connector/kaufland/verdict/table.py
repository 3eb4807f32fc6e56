"""The verdict table: what each response and each transport failure means for an item. Pure.

A row is looked up by problem type if that is known, else by HTTP status, else by the class of the status, as the
marketplace's documentation requires (https://sellerapi.kaufland.com/?page=error-responses). For 401, 429 and statuses
below 400, only the status matters. ``KIND_ROWS`` has the exceptions for single kinds of calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from connector.kaufland.verdict.error_body import ErrorAnswer
from connector.marketplace.call_kinds import CallKind

_OF_OFFERS = frozenset({CallKind.LOOK_UP, CallKind.UPDATE, CallKind.DELETE})


class ItemOutcome(StrEnum):
    """The outcome of an item according to a row."""

    DONE = "done"  # success; the body has the details
    REFUSED = "refused"
    GONE = "gone"
    RETRY = "retry"
    LOST = "lost"  # whether a write was executed is unknown; a read is retried


class Split(StrEnum):
    """When the items of a shared call that got this row are sent again one by one."""

    NEVER = "never"
    AT_ONCE = "at_once"
    LATE = "late"  # from attempt ALONE_FROM_ATTEMPT on


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerdictRow:
    """One row of the table, compared by identity."""

    name: str
    end: ItemOutcome
    counts: bool = True  # whether a retry counts as an attempt of the item
    parted: Split = Split.NEVER
    failed: bool = False  # whether the call failed for reasons other than its items: counts toward an outage
    slow_down: bool = False  # whether the account's rate is halved
    close_s: float | None = None  # how long the account is closed; then a probe call is made
    code: str = "MARKETPLACE_REFUSED"  # of a refusal
    untouched: bool = False  # whether this proves that nothing was executed


# ---- rows -----------------------------------------------------------------------------------------------------------

DONE = VerdictRow(name="done", end=ItemOutcome.DONE)
ACCEPTED_FOR_LATER = VerdictRow(
    name="accepted_for_later", end=ItemOutcome.LOST
)  # 202: it is unknown whether it will be applied
REFUSED = VerdictRow(name="refused", end=ItemOutcome.REFUSED, parted=Split.AT_ONCE)
NOT_CONFIGURED = VerdictRow(name="storefront_not_configured", end=ItemOutcome.REFUSED, code="STOREFRONT_NOT_CONFIGURED")
ALREADY_EXISTS = VerdictRow(name="already_exists", end=ItemOutcome.REFUSED, parted=Split.AT_ONCE)
OFFER_ID_TAKEN = VerdictRow(name="offer_id_taken", end=ItemOutcome.REFUSED, code="OFFER_ID_TAKEN")
NO_PRODUCT = VerdictRow(name="no_product", end=ItemOutcome.REFUSED, code="PRODUCT_NOT_IN_CATALOGUE")
GONE = VerdictRow(name="gone", end=ItemOutcome.GONE, parted=Split.AT_ONCE)
BUSY = VerdictRow(name="busy", end=ItemOutcome.RETRY, parted=Split.LATE)  # locked
DUPLICATE = VerdictRow(
    name="busy", end=ItemOutcome.RETRY, parted=Split.LATE
)  # another change of the resource is in progress, or was made
BULK_REFUSED = VerdictRow(name="bulk_refused", end=ItemOutcome.RETRY, parted=Split.AT_ONCE)
TOO_MANY_BATCHES = VerdictRow(name="too_many_batches", end=ItemOutcome.RETRY, slow_down=True)
THROTTLED = VerdictRow(  # "not processed", according to https://sellerapi.kaufland.com/?page=rate-limits
    name="throttled", end=ItemOutcome.RETRY, counts=False, slow_down=True, untouched=True
)
UNAUTHORIZED = VerdictRow(name="unauthorized", end=ItemOutcome.RETRY, counts=False, close_s=5.0, untouched=True)
INACTIVE = VerdictRow(name="inactive_account", end=ItemOutcome.RETRY, counts=False, close_s=60.0, untouched=True)
FORBIDDEN = VerdictRow(name="forbidden", end=ItemOutcome.RETRY, parted=Split.AT_ONCE, failed=True)
BARRED = VerdictRow(
    name="barred", end=ItemOutcome.RETRY, counts=False, failed=True, close_s=30.0
)  # a 403 without the marketplace's error envelope
TIMED_OUT = VerdictRow(name="server_timed_out", end=ItemOutcome.RETRY, counts=False, failed=True)
GATEWAY_TIMED_OUT = VerdictRow(  # the server behind the gateway may still be executing the write
    name="gateway_timed_out", end=ItemOutcome.LOST, counts=False, failed=True
)
DOWN = VerdictRow(name="down", end=ItemOutcome.RETRY, counts=False, failed=True)
SERVER_ERROR = VerdictRow(name="server_error", end=ItemOutcome.RETRY, parted=Split.LATE, failed=True)
REDIRECTED = VerdictRow(name="redirected", end=ItemOutcome.RETRY, counts=False, failed=True)  # never followed
ODD_SUCCESS = VerdictRow(name="odd_success", end=ItemOutcome.LOST, failed=True)
ODD_REFUSAL = VerdictRow(name="odd_refusal", end=ItemOutcome.RETRY, parted=Split.LATE, failed=True)
UNKNOWN_STATUS = VerdictRow(name="unknown_status", end=ItemOutcome.LOST, failed=True)
UNREADABLE = VerdictRow(name="unreadable", end=ItemOutcome.LOST, failed=True)
WITHOUT_WORDS = VerdictRow(name="refused_without_words", end=ItemOutcome.RETRY, parted=Split.LATE, failed=True)
MISSING_ITEM = VerdictRow(name="missing_item", end=ItemOutcome.LOST)

STATUS_ROWS: Mapping[int, VerdictRow] = MappingProxyType(
    {
        200: DONE,
        201: DONE,
        202: ACCEPTED_FOR_LATER,
        204: DONE,
        207: DONE,
        400: REFUSED,
        401: UNAUTHORIZED,
        403: FORBIDDEN,
        404: GONE,
        408: TIMED_OUT,
        409: DUPLICATE,
        410: GONE,
        413: REFUSED,
        422: REFUSED,
        423: BUSY,
        429: THROTTLED,
        500: SERVER_ERROR,
        502: DOWN,
        503: DOWN,
        504: GATEWAY_TIMED_OUT,
    }
)
"""Every status of the API's document, and those of proxies and gateways in between."""

_OF_OTHER_PATHS = (
    "contacts/contact-not-found contacts/invalid-contact-info contacts/manufacturer-not-found "
    "contacts/product-not-found default-required has-units import-files/file-too-large insufficient-funds last-element "
    "order-units/cancel-error order-units/cancel-not-allowed order-units/cancel-not-possible "
    "order-units/missing-payment order-units/shipping-rate-not-defined returns/return-address-not-set "
    "returns/return-address-unsupported-country returns/unit-wrong-status "
    "shipping-groups/region-duplicate-countries shipping-groups/region-storefront-missing "
    "shipping-labels/warehouse-missing subscriptions/unverified-callback-url tickets/attachments-upload-failure "
    "tickets/fbk-action-restriction tickets/finally-closed tickets/internal-action-restriction "
    "tickets/non-closable-by-seller vouchers/not-editable vouchers/status-change-not-allowed "
    "vouchers/terms-not-accepted vouchers/unresolvable-eans warehouses/default-warehouse-setup-forbidden "
    "warehouses/missing-tax-information warehouses/warehouse-country-immutable"
)

TYPE_ROWS: Mapping[str, VerdictRow] = MappingProxyType(
    {
        "action-not-allowed": REFUSED,
        "already-exists": ALREADY_EXISTS,
        "bad-request": REFUSED,
        "corrupted-signature": UNAUTHORIZED,
        "duplicate-action": DUPLICATE,
        "forbidden": FORBIDDEN,
        "inactive-account": INACTIVE,
        "invalid-credentials": UNAUTHORIZED,
        "missing-or-invalid-request-header": UNAUTHORIZED,
        "not-found": GONE,
        "server-error": SERVER_ERROR,
        "service-unavailable": DOWN,
        "storefront-not-configured": NOT_CONFIGURED,
        "unauthorized": UNAUTHORIZED,
        "units/bulk-duplicate-units": BULK_REFUSED,
        "units/bulk-invalid-operation": BULK_REFUSED,
        "units/bulk-too-many-batches": TOO_MANY_BATCHES,
        "units/bulk-too-many-butches": TOO_MANY_BATCHES,  # as the document of 2.27.0 spells it
        "units/bulk-too-many-units": BULK_REFUSED,
        "units/default-warehouse-forbidden": REFUSED,
        "units/default-warehouse-not-found": REFUSED,
        "validation-error": REFUSED,
        **dict.fromkeys(_OF_OTHER_PATHS.split(), REFUSED),  # not expected for units, but refusals all the same
    }
)
"""Every problem type of the API's document, without ``/problems/``. ``about:blank`` does not count as a type."""

CLASS_ROWS: Mapping[int, VerdictRow] = MappingProxyType(
    {2: ODD_SUCCESS, 3: REDIRECTED, 4: ODD_REFUSAL, 5: SERVER_ERROR}  # by the status's hundreds
)

_SENDING: Mapping[VerdictRow, VerdictRow] = MappingProxyType(
    {DUPLICATE: REFUSED, FORBIDDEN: REFUSED, BULK_REFUSED: REFUSED}
)

KIND_ROWS: Mapping[CallKind, Mapping[VerdictRow, VerdictRow]] = MappingProxyType(
    {
        CallKind.SEND: _SENDING,
        CallKind.PARCEL: _SENDING,
        CallKind.CREATE: {ALREADY_EXISTS: OFFER_ID_TAKEN, FORBIDDEN: REFUSED},
        CallKind.DELETE: {FORBIDDEN: REFUSED},
    }
)
"""Rows that are replaced for a kind of call if the response has the marketplace's error envelope. An order unit is sent
only once: retrying a refusal as duplicate or forbidden is pointless, so the flow reads the unit's status instead."""

# ---- transport ------------------------------------------------------------------------------------------------------

NEVER_LEFT = VerdictRow(name="never_left", end=ItemOutcome.RETRY, counts=False, failed=True)
BROKEN_OFF = VerdictRow(name="broken_off", end=ItemOutcome.LOST, counts=False, failed=True)
OUR_FAULT = VerdictRow(name="our_request", end=ItemOutcome.LOST, failed=True)  # counts, so that retries end

TRANSPORT_ROWS: Mapping[str, VerdictRow] = MappingProxyType(
    {
        "ConnectError": NEVER_LEFT,
        "ConnectTimeout": NEVER_LEFT,
        "PoolTimeout": NEVER_LEFT,
        "ProxyError": NEVER_LEFT,
        "UnsupportedProtocol": NEVER_LEFT,
        "CloseError": BROKEN_OFF,
        "ReadError": BROKEN_OFF,
        "ReadTimeout": BROKEN_OFF,
        "RemoteProtocolError": BROKEN_OFF,
        "WriteError": BROKEN_OFF,
        "WriteTimeout": BROKEN_OFF,
        "LocalProtocolError": OUR_FAULT,
        "NetworkError": BROKEN_OFF,
        "ProtocolError": BROKEN_OFF,
        "TimeoutException": BROKEN_OFF,
        "TransportError": BROKEN_OFF,
    }
)
"""By class name: every subclass of ``httpx.TransportError``, including those that are only base classes."""

UNKNOWN_TRANSPORT = VerdictRow(name="unknown_transport", end=ItemOutcome.LOST, failed=True)


# ---- the row of a response ------------------------------------------------------------------------------------------


def row_of(kind: CallKind, status: int, error: ErrorAnswer | None) -> VerdictRow:
    """Returns the row of a response as a whole. ``error``: None if the body is not the marketplace's error envelope."""
    by_status = _by_status(status)
    if status < 400 or by_status in (UNAUTHORIZED, THROTTLED):
        return by_status
    if error is None:
        return _without_words(kind, by_status)
    row = TYPE_ROWS.get(short_type(error.type) or "", by_status)
    if kind is CallKind.CREATE and row is REFUSED and _names_product(error):
        return NO_PRODUCT
    return KIND_ROWS.get(kind, {}).get(row, row)


def _names_product(error: ErrorAnswer) -> bool:
    """Whether a refusal is about the product: the document names no problem type for one that the catalogue lacks."""
    return any(one.field in ("ean", "id_product") for one in error.errors)


def row_of_entry(status: int, problem_type: str) -> VerdictRow:
    """Returns the row of an entry of a bulk response; for an error, by its problem type if that is known."""
    by_status = _by_status(status)
    if by_status in (UNAUTHORIZED, FORBIDDEN):
        return REFUSED  # the call itself was authorized, so this refers to the unit
    if by_status is REDIRECTED:
        return UNKNOWN_STATUS
    if by_status is ODD_REFUSAL:
        return BUSY
    return TYPE_ROWS.get(short_type(problem_type) or "", by_status) if status >= 400 else by_status


def _by_status(status: int) -> VerdictRow:
    return STATUS_ROWS.get(status) or CLASS_ROWS.get(status // 100, UNKNOWN_STATUS)


def _without_words(kind: CallKind, by_status: VerdictRow) -> VerdictRow:
    """Returns the row of an error without the marketplace's error envelope; it refuses no item."""
    if by_status is FORBIDDEN:
        return BARRED
    if by_status is GONE and kind in _OF_OFFERS:
        return GONE  # not final: the unit is looked up again
    return WITHOUT_WORDS if by_status in (REFUSED, GONE) else by_status


def short_type(problem_type: str | None) -> str | None:
    """``/problems/units/bulk-duplicate-units`` -> ``units/bulk-duplicate-units``; None without ``/problems/``."""
    if problem_type is None or "/problems/" not in problem_type:
        return None
    return problem_type.partition("/problems/")[2].strip("/")
