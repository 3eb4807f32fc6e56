"""The verdict table: what each response and each transport failure means for an item. Pure.

A row is found by problem type where we know it, else by HTTP status, else by the status's class: as the marketplace's
documentation asks (https://sellerapi.kaufland.com/?page=error-responses). 401, 429 and success go by
status alone. Where a kind of call reads a row in its own way, ``KIND_ROWS`` says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from connector.kaufland.offers.models import ErrorAnswer
from connector.marketplace.call_kinds import CallKind

_OF_OFFERS = frozenset({CallKind.LOOK_UP, CallKind.UPDATE})


class ItemOutcome(StrEnum):
    """What a row makes of an item."""

    DONE = "done"  # success: the body says the rest
    REFUSED = "refused"
    GONE = "gone"
    RETRY = "retry"
    LOST = "lost"  # a read is asked again


class Split(StrEnum):
    """When a call of several items that met this row goes on one by one."""

    NEVER = "never"
    AT_ONCE = "at_once"
    LATE = "late"  # after some attempts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerdictRow:
    """One row of the table, compared by identity. ``close_s``: nothing but a probe for so long."""

    name: str
    end: ItemOutcome
    counts: bool = True
    parted: Split = Split.NEVER
    failed: bool = False
    slow_down: bool = False
    close_s: float | None = None
    code: str = "MARKETPLACE_REFUSED"
    untouched: bool = False  # proof that nothing was executed


# ---- rows -----------------------------------------------------------------------------------------------------------

DONE = VerdictRow(name="done", end=ItemOutcome.DONE)
ACCEPTED_FOR_LATER = VerdictRow(
    name="accepted_for_later", end=ItemOutcome.LOST
)  # 202: whether it will be applied is open
REFUSED = VerdictRow(name="refused", end=ItemOutcome.REFUSED, parted=Split.AT_ONCE)
NOT_CONFIGURED = VerdictRow(name="storefront_not_configured", end=ItemOutcome.REFUSED, code="STOREFRONT_NOT_CONFIGURED")
GONE = VerdictRow(name="gone", end=ItemOutcome.GONE, parted=Split.AT_ONCE)
BUSY = VerdictRow(name="busy", end=ItemOutcome.RETRY, parted=Split.LATE)  # locked
DUPLICATE = VerdictRow(
    name="busy", end=ItemOutcome.RETRY, parted=Split.LATE
)  # another change of it is under way, or was made
TAKE_APART = VerdictRow(name="bulk_refused", end=ItemOutcome.RETRY, parted=Split.AT_ONCE)
TOO_MANY_BATCHES = VerdictRow(name="too_many_batches", end=ItemOutcome.RETRY, slow_down=True)
THROTTLED = VerdictRow(  # "not processed", says https://sellerapi.kaufland.com/?page=rate-limits
    name="throttled", end=ItemOutcome.RETRY, counts=False, slow_down=True, untouched=True
)
UNAUTHORIZED = VerdictRow(name="unauthorized", end=ItemOutcome.RETRY, counts=False, close_s=5.0, untouched=True)
INACTIVE = VerdictRow(name="inactive_account", end=ItemOutcome.RETRY, counts=False, close_s=60.0, untouched=True)
FORBIDDEN = VerdictRow(name="forbidden", end=ItemOutcome.RETRY, parted=Split.AT_ONCE, failed=True)
BARRED = VerdictRow(
    name="barred", end=ItemOutcome.RETRY, counts=False, failed=True, close_s=30.0
)  # 403, not the marketplace's words
TIMED_OUT = VerdictRow(name="server_timed_out", end=ItemOutcome.RETRY, counts=False, failed=True)
GATEWAY_TIMED_OUT = VerdictRow(  # what stands behind the gateway may still be executing the write
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
"""Every status of the API's document, and those that stand between it and us."""

_OF_OTHER_PATHS = (
    "already-exists contacts/contact-not-found contacts/invalid-contact-info contacts/manufacturer-not-found "
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
        "units/bulk-duplicate-units": TAKE_APART,
        "units/bulk-invalid-operation": TAKE_APART,
        "units/bulk-too-many-batches": TOO_MANY_BATCHES,
        "units/bulk-too-many-butches": TOO_MANY_BATCHES,  # as the document of 2.27.0 spells it
        "units/bulk-too-many-units": TAKE_APART,
        "units/default-warehouse-forbidden": REFUSED,
        "units/default-warehouse-not-found": REFUSED,
        "validation-error": REFUSED,
        **dict.fromkeys(_OF_OTHER_PATHS.split(), REFUSED),  # not to be expected of units; a refusal all the same
    }
)
"""Every problem type of the API's document, without ``/problems/``; ``about:blank`` is no type."""

CLASS_ROWS: Mapping[int, VerdictRow] = MappingProxyType(
    {2: ODD_SUCCESS, 3: REDIRECTED, 4: ODD_REFUSAL, 5: SERVER_ERROR}  # by the status's hundreds
)

_SENDING: Mapping[VerdictRow, VerdictRow] = MappingProxyType(
    {DUPLICATE: REFUSED, FORBIDDEN: REFUSED, TAKE_APART: REFUSED}
)

KIND_ROWS: Mapping[CallKind, Mapping[VerdictRow, VerdictRow]] = MappingProxyType(
    {CallKind.SEND: _SENDING, CallKind.PARCEL: _SENDING}
)
"""How a kind reads a row that carries the marketplace's words. An order unit is sent once: another attempt changes
nothing about a refusal as duplicate or as forbidden, so whoever asked reads its status back."""

# ---- transport ------------------------------------------------------------------------------------------------------

NEVER_LEFT = VerdictRow(name="never_left", end=ItemOutcome.RETRY, counts=False, failed=True)
BROKEN_OFF = VerdictRow(name="broken_off", end=ItemOutcome.LOST, counts=False, failed=True)
OUR_FAULT = VerdictRow(name="our_request", end=ItemOutcome.LOST, failed=True)  # counts, so that it ends

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
"""By class name: every subclass of ``httpx.TransportError``, those that are only roots of others included."""

UNKNOWN_TRANSPORT = VerdictRow(name="unknown_transport", end=ItemOutcome.LOST, failed=True)


# ---- the row of an answer -------------------------------------------------------------------------------------------


def row_of(kind: CallKind, status: int, error: ErrorAnswer | None) -> VerdictRow:
    """The row of an answer as a whole; ``error`` None = the body is not the marketplace's envelope."""
    by_status = STATUS_ROWS.get(status) or CLASS_ROWS.get(status // 100, UNKNOWN_STATUS)
    if status < 400 or by_status in (UNAUTHORIZED, THROTTLED):
        return by_status
    if error is None:
        return _without_words(kind, by_status)
    row = TYPE_ROWS.get(short_type(error.type) or "", by_status)
    return KIND_ROWS.get(kind, {}).get(row, row)


def _without_words(kind: CallKind, by_status: VerdictRow) -> VerdictRow:
    if by_status is FORBIDDEN:
        return BARRED
    if by_status is GONE and kind in _OF_OFFERS:
        return GONE  # ends nothing: the unit is proved again
    return WITHOUT_WORDS if by_status in (REFUSED, GONE) else by_status


def short_type(problem_type: str | None) -> str | None:
    """``/problems/units/bulk-duplicate-units`` -> ``units/bulk-duplicate-units``; None for ``about:blank``."""
    if problem_type is None or "/problems/" not in problem_type:
        return None
    return problem_type.partition("/problems/")[2].strip("/")
