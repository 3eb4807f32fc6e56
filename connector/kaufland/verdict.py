"""Answer or transport failure -> replies, and word for the account's valve. One table, every row named. Pure.

A row is found by problem type where we know it, else by HTTP status, else by the status's class: so the marketplace's
documentation wants its answers read (https://sellerapi.kaufland.com/?page=error-responses). 401, 429 and success go by
status alone. Laws of the table:

- Final words about an item are the marketplace's own: an error without its envelope (a proxy's page) refuses nothing.
- A write whose answer is missing, cut or unreadable is lost, never repeated from here; a read is asked again.
- One bad item spoils no other: a call refused as a whole is taken apart before anyone is refused.
- What is not an item's fault costs it no attempt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from connector.kaufland import mapping
from connector.kaufland.limits import http_date_s, quota, retry_after_s
from connector.kaufland.models import BulkEntry, ErrorAnswer, UnitAnswer
from connector.kaufland.reference import KauflandReference
from connector.kaufland.signing import WINDOW_S
from connector.marketplace import Accepted, Gone, Refused, Update
from streams.flow import Lost, NotSent, Reply, Retry, Settled

ALONE_FROM_ATTEMPT = 4
"""From this attempt on an item goes alone when its calls fail as a whole: one item may be what fails them. Not sooner:
with one call in five failing, taking each apart at once would make a hundred calls of one."""


class CallKind(StrEnum):
    LOOK_UP = "look_up"
    PATCH = "patch"
    BULK = "bulk"

    @property
    def writes(self) -> bool:
        return self is not CallKind.LOOK_UP


class End(StrEnum):
    """What a row makes of an item."""

    DONE = "done"  # success: the body says the rest
    REFUSED = "refused"
    GONE = "gone"
    RETRY = "retry"
    LOST = "lost"  # a read is asked again


class Parted(StrEnum):
    """When a call of several items that met this row goes on one by one."""

    NEVER = "never"
    AT_ONCE = "at_once"
    LATE = "late"  # from ALONE_FROM_ATTEMPT on


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One row of the table, compared by identity. ``close_s``: nothing but a probe for so long."""

    name: str
    end: End
    counts: bool = True
    parted: Parted = Parted.NEVER
    failed: bool = False
    slow_down: bool = False
    close_s: float | None = None
    code: str = "MARKETPLACE_REFUSED"


# ---- rows -----------------------------------------------------------------------------------------------------------

DONE = Row(name="done", end=End.DONE)
ACCEPTED_FOR_LATER = Row(name="accepted_for_later", end=End.LOST)  # 202: whether it will be applied is open
REFUSED = Row(name="refused", end=End.REFUSED, parted=Parted.AT_ONCE)
NOT_CONFIGURED = Row(name="storefront_not_configured", end=End.REFUSED, code="STOREFRONT_NOT_CONFIGURED")
GONE = Row(name="gone", end=End.GONE, parted=Parted.AT_ONCE)
BUSY = Row(name="busy", end=End.RETRY, parted=Parted.LATE)  # locked, or another change of it is under way
TAKE_APART = Row(name="bulk_refused", end=End.RETRY, parted=Parted.AT_ONCE)
TOO_MANY_BATCHES = Row(name="too_many_batches", end=End.RETRY, slow_down=True)
THROTTLED = Row(name="throttled", end=End.RETRY, counts=False, slow_down=True)
UNAUTHORIZED = Row(name="unauthorized", end=End.RETRY, counts=False, close_s=5.0)
INACTIVE = Row(name="inactive_account", end=End.RETRY, counts=False, close_s=60.0)
FORBIDDEN = Row(name="forbidden", end=End.RETRY, parted=Parted.AT_ONCE, failed=True)
BARRED = Row(name="barred", end=End.RETRY, counts=False, failed=True, close_s=30.0)  # 403, not the marketplace's words
TIMED_OUT = Row(name="server_timed_out", end=End.RETRY, counts=False, failed=True)
GATEWAY_TIMED_OUT = Row(  # what stands behind the gateway may still be executing the write
    name="gateway_timed_out", end=End.LOST, counts=False, failed=True
)
DOWN = Row(name="down", end=End.RETRY, counts=False, failed=True)
SERVER_ERROR = Row(name="server_error", end=End.RETRY, parted=Parted.LATE, failed=True)
REDIRECTED = Row(name="redirected", end=End.RETRY, counts=False, failed=True)  # never followed
ODD_SUCCESS = Row(name="odd_success", end=End.LOST, failed=True)
ODD_REFUSAL = Row(name="odd_refusal", end=End.RETRY, parted=Parted.LATE, failed=True)
UNKNOWN_STATUS = Row(name="unknown_status", end=End.LOST, failed=True)
UNREADABLE = Row(name="unreadable", end=End.LOST, failed=True)
WITHOUT_WORDS = Row(name="refused_without_words", end=End.RETRY, parted=Parted.LATE, failed=True)
MISSING_ITEM = Row(name="missing_item", end=End.LOST)

STATUS_ROWS: Mapping[int, Row] = MappingProxyType(
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
        409: BUSY,
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

TYPE_ROWS: Mapping[str, Row] = MappingProxyType(
    {
        "action-not-allowed": REFUSED,
        "bad-request": REFUSED,
        "corrupted-signature": UNAUTHORIZED,
        "duplicate-action": BUSY,
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

_CLASS_ROWS: Mapping[int, Row] = MappingProxyType(
    {2: ODD_SUCCESS, 3: REDIRECTED, 4: ODD_REFUSAL, 5: SERVER_ERROR}  # by the status's hundreds
)

# ---- transport ------------------------------------------------------------------------------------------------------

_NEVER_LEFT = Row(name="never_left", end=End.RETRY, counts=False, failed=True)
_BROKEN_OFF = Row(name="broken_off", end=End.LOST, counts=False, failed=True)
_OUR_FAULT = Row(name="our_request", end=End.LOST, failed=True)  # counts, so that it ends

TRANSPORT_ROWS: Mapping[str, Row] = MappingProxyType(
    {
        "ConnectError": _NEVER_LEFT,
        "ConnectTimeout": _NEVER_LEFT,
        "PoolTimeout": _NEVER_LEFT,
        "ProxyError": _NEVER_LEFT,
        "UnsupportedProtocol": _NEVER_LEFT,
        "CloseError": _BROKEN_OFF,
        "ReadError": _BROKEN_OFF,
        "ReadTimeout": _BROKEN_OFF,
        "RemoteProtocolError": _BROKEN_OFF,
        "WriteError": _BROKEN_OFF,
        "WriteTimeout": _BROKEN_OFF,
        "LocalProtocolError": _OUR_FAULT,
        "NetworkError": _BROKEN_OFF,
        "ProtocolError": _BROKEN_OFF,
        "TimeoutException": _BROKEN_OFF,
        "TransportError": _BROKEN_OFF,
    }
)
"""By class name: every subclass of ``httpx.TransportError``, those that are only roots of others included."""

UNKNOWN_TRANSPORT = Row(name="unknown_transport", end=End.LOST, failed=True)


# ---- what is judged, and what comes of it ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer. ``body`` None = it was cut off, too large, or not decodable; ``cut`` names the exception then."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes | None
    cut: str | None = None
    signed_at_s: int = 0  # the timestamp that was signed
    wall_s: float = 0.0  # when it was read, as the server would say


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No answer. ``left``: at least one byte of the request went to the socket."""

    error: str  # class name
    left: bool
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Replies in the items' order, word for the account's valve, and what the call log says."""

    replies: tuple[Reply, ...]
    outcome: str  # the row's name
    slow_down: bool = False
    close_account_s: float | None = None
    closed_because: str = ""
    reserve_s: float | None = None  # what is left of a quota is for the most harmful, for so long
    failed: bool = False
    problem_type: str | None = None
    details: tuple[tuple[int | None, str | None], ...] = ()  # per item: status code and code, of a bulk answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked: the updates (or None for a look-up) and each item's attempt, 1 for the first."""

    kind: CallKind
    attempts: Sequence[int]
    updates: Sequence[Update] = ()
    quota_limit: int | None = None  # the configured one, for answers with quota headers that do not say it


OnPage = Callable[[Heard], Reply | None]
"""Makes a reply of a look-up's successful answer; None = it cannot be read."""


def judge(question: Question, heard: Heard | Failed, reference: KauflandReference, on_page: OnPage) -> Verdict:
    """The verdict on one call; never raises for what an answer may hold."""
    if isinstance(heard, Failed):
        return _of_failure(question, heard)
    error = mapping.read_error(heard.body) if heard.status >= 400 else None
    row = row_of(heard.status, error)
    if row is DONE:
        return _with_pace(_of_success(question, heard, reference, on_page), question, heard)
    return _with_pace(_of_row(question, row, heard, error), question, heard)


def row_of(status: int, error: ErrorAnswer | None) -> Row:
    """The row of an answer as a whole; ``error`` None = the body is not the marketplace's envelope."""
    by_status = STATUS_ROWS.get(status) or _CLASS_ROWS.get(status // 100, UNKNOWN_STATUS)
    if status < 400 or by_status in (UNAUTHORIZED, THROTTLED):
        return by_status
    if error is None:
        return BARRED if status == 403 else WITHOUT_WORDS if by_status is REFUSED else by_status
    return TYPE_ROWS.get(short_type(error.type) or "", by_status)


def short_type(problem_type: str | None) -> str | None:
    """``/problems/units/bulk-duplicate-units`` -> ``units/bulk-duplicate-units``; None for ``about:blank``."""
    if problem_type is None or "/problems/" not in problem_type:
        return None
    return problem_type.partition("/problems/")[2].strip("/")


# ---- a call as a whole ----------------------------------------------------------------------------------------------


def _of_failure(question: Question, failure: Failed) -> Verdict:
    row = TRANSPORT_ROWS.get(failure.error, UNKNOWN_TRANSPORT)
    reason = f"{failure.error}: {failure.text}" if failure.text else failure.error
    if not failure.left:
        replies: tuple[Reply, ...] = tuple(NotSent(reason=reason) for _ in question.attempts)
        return Verdict(replies=replies, outcome="never_left", failed=True)
    if row is _NEVER_LEFT:  # it says so, but bytes went out
        row = _BROKEN_OFF
    return Verdict(
        replies=tuple(_reply(row, question, attempt, reason) for attempt in question.attempts),
        outcome=row.name,
        failed=row.failed,
    )


def _of_row(question: Question, row: Row, heard: Heard, error: ErrorAnswer | None) -> Verdict:
    reason = f"HTTP {heard.status}" + (f" {error.type or ''} {error.message}" if error is not None else "")
    verdict = Verdict(
        replies=tuple(_reply(row, question, attempt, reason, heard, error) for attempt in question.attempts),
        outcome=row.name,
        slow_down=row.slow_down,
        close_account_s=row.close_s,
        closed_because=reason if row.close_s is not None else "",
        failed=row.failed,
        problem_type=error.type if error is not None else None,
    )
    if row is UNAUTHORIZED:
        return _diagnosed(verdict, heard, error)
    return verdict


def _reply(
    row: Row,
    question: Question,
    attempt: int,
    reason: str,
    heard: Heard | None = None,
    error: ErrorAnswer | None = None,
) -> Reply:
    """One row, one item. In company nobody is refused before the call was taken apart (see ``Parted``)."""
    company = len(question.attempts) > 1
    if company and row.parted is Parted.AT_ONCE:
        return Retry(reason=reason, alone=True, counts=False)
    if row.end is End.LOST and question.kind.writes:
        return Lost(reason=reason)
    if heard is not None and error is not None and row.end is End.REFUSED:
        return Settled(answer=_refused(row.code, heard.status, error))
    if heard is not None and row.end is End.GONE and question.kind.writes:
        return Settled(answer=Gone(http_status=heard.status, message=error.message if error is not None else ""))
    late = company and row.parted is Parted.LATE
    counts = row.counts and not late  # in company it is not known whose fault it is
    return Retry(reason=reason, alone=late and attempt >= ALONE_FROM_ATTEMPT, counts=counts)


def _refused(code: str, status: int, error: ErrorAnswer | BulkEntry) -> Refused:
    return Refused(
        code=code,
        http_status=status,
        type=error.type if isinstance(error, ErrorAnswer) else error.key or None,
        message=error.message,
        errors=mapping.field_errors(error),
    )


# ---- success --------------------------------------------------------------------------------------------------------


def _of_success(question: Question, heard: Heard, reference: KauflandReference, on_page: OnPage) -> Verdict:
    match question.kind:
        case CallKind.LOOK_UP:
            reply = on_page(heard)
            if reply is None:
                return _unreadable(question, heard)
            return Verdict(replies=(reply,) * len(question.attempts), outcome="answered")
        case CallKind.PATCH:
            return _of_patch(question, heard, reference)
        case CallKind.BULK:
            return _of_bulk(question, heard, reference)


def _of_patch(question: Question, heard: Heard, reference: KauflandReference) -> Verdict:
    update = question.updates[0]
    if heard.status == 204:
        return Verdict(replies=(Settled(answer=Accepted(unit=None, http_status=204)),), outcome="accepted")
    unit = mapping.read_unit(heard.body)
    if unit is None or unit.id_unit != update.unit_id:
        return _unreadable(question, heard)
    return Verdict(replies=(_accepted(unit, update, heard.status, reference),), outcome="accepted")


def _of_bulk(question: Question, heard: Heard, reference: KauflandReference) -> Verdict:
    entries = mapping.read_bulk(heard.body)
    if entries is None:
        return _unreadable(question, heard)
    judged = [_of_entry(entries.get(u.unit_id), u, reference) for u in question.updates]
    settled = [isinstance(item.reply, Settled) and isinstance(item.reply.answer, Accepted) for item in judged]
    return Verdict(
        replies=tuple(item.reply for item in judged),
        outcome="accepted" if all(settled) else "partly_accepted" if any(settled) else "none_accepted",
        slow_down=any(item.row is THROTTLED for item in judged),
        failed=all(item.row.failed for item in judged),
        details=tuple((item.status, item.code) for item in judged),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    reply: Reply
    row: Row = field(default=DONE)
    status: int | None = None
    code: str | None = None


def _of_entry(entry: BulkEntry | None, update: Update, reference: KauflandReference) -> _Judged:
    if entry is None:
        return _Judged(reply=Lost(reason="the answer lacks this unit"), row=MISSING_ITEM, code="MISSING_IN_ANSWER")
    status = int(entry.status_code)
    if entry.unit is not None and entry.unit.id_unit != update.unit_id:
        return _Judged(
            reply=Lost(reason="answered with another unit"), row=MISSING_ITEM, status=status, code="MIXED_UP"
        )
    row = _entry_row(status, entry)
    return _Judged(reply=_entry_reply(row, status, entry, update, reference), row=row, status=status, code=row.name)


def _entry_row(status: int, entry: BulkEntry) -> Row:
    by_status = STATUS_ROWS.get(status) or _CLASS_ROWS.get(status // 100, UNKNOWN_STATUS)
    if by_status in (UNAUTHORIZED, FORBIDDEN):
        return REFUSED  # the call itself was allowed, so this is said of the unit
    if by_status in (REDIRECTED, ODD_REFUSAL):
        return UNKNOWN_STATUS if by_status is REDIRECTED else BUSY
    return TYPE_ROWS.get(short_type(entry.key) or "", by_status) if status >= 400 else by_status


def _entry_reply(row: Row, status: int, entry: BulkEntry, update: Update, reference: KauflandReference) -> Reply:
    match row.end:
        case End.DONE:
            return (
                _accepted(entry.unit, update, status, reference)
                if entry.unit is not None
                else Settled(answer=Accepted(unit=None, http_status=status))
            )
        case End.REFUSED:
            return Settled(answer=_refused(row.code, status, entry))
        case End.GONE:
            return Settled(answer=Gone(http_status=status, message=entry.message))
        case End.RETRY:
            return Retry(reason=f"{status} {entry.key} {entry.message}".strip(), counts=row.counts)
        case End.LOST:
            return Lost(reason=f"{status} {entry.message}".strip())


def _accepted(unit: UnitAnswer, update: Update, status: int, reference: KauflandReference) -> Settled:
    return Settled(answer=Accepted(unit=mapping.unit_of(unit, update.storefront, reference), http_status=status))


def _unreadable(question: Question, heard: Heard) -> Verdict:
    what = f"cut off by {heard.cut}" if heard.cut is not None else "not what the API promises"
    reason = f"HTTP {heard.status}, and the body is {what}"
    row = replace(UNREADABLE, counts=heard.cut is None)
    return Verdict(
        replies=tuple(_reply(row, question, attempt, reason) for attempt in question.attempts),
        outcome=UNREADABLE.name,
        failed=True,
    )


# ---- the account ----------------------------------------------------------------------------------------------------

_DIAGNOSES: Mapping[str, str] = MappingProxyType(
    {
        "invalid-credentials": "WRONG_CLIENT_KEY: the marketplace does not know this client key; it was renewed in the "
        "seller portal, or belongs to another environment",
        "corrupted-signature": "WRONG_SIGNATURE: our clock is right, so the secret key does not belong to the client "
        "key, or something between here and the marketplace changed address or body",
        "missing-or-invalid-request-header": "HEADER_REFUSED: a header is missing or malformed; something between here "
        "and the marketplace may have removed it",
    }
)


def diagnosis(problem_type: str | None, signed_off_s: float | None) -> str:
    """Why a signed request was not believed. ``signed_off_s``: its timestamp less the server's time."""
    if signed_off_s is not None and abs(signed_off_s) > WINDOW_S - 1:  # Date counts whole seconds
        ahead = "ahead of" if signed_off_s > 0 else "behind"
        return (
            f"CLOCK_SKEW: the signed time was {abs(signed_off_s):.0f} s {ahead} the marketplace's clock, "
            f"{WINDOW_S} s are allowed; synchronise this machine's clock (NTP)"
        )
    unspecific = "UNAUTHORIZED: the keys are not accepted; compare them with the seller portal"
    return _DIAGNOSES.get(short_type(problem_type) or "", unspecific)


CLOCK_MEASURED_S = 1.0
"""After a 401 for the clock: its answer told the time, the next request is signed by it."""


def _diagnosed(verdict: Verdict, heard: Heard, error: ErrorAnswer | None) -> Verdict:
    served_s = http_date_s(heard.headers.get("date"))
    off_s = heard.signed_at_s - served_s if served_s is not None else None
    because = diagnosis(error.type if error is not None else None, off_s)
    if error is not None:
        because = f"{because} ({error.message})"
    if because.startswith("CLOCK_SKEW"):
        return replace(verdict, closed_because=because, close_account_s=CLOCK_MEASURED_S)
    return replace(verdict, closed_because=because)


def _with_pace(verdict: Verdict, question: Question, heard: Heard) -> Verdict:
    """What the headers add: ``Retry-After`` of 429 and 503, and quotas. They can close for longer, never open."""
    wait_s = retry_after_s(heard.headers, wall_s=heard.wall_s) if heard.status in (429, 503) else None
    because = f"Retry-After of an answer {heard.status}"
    left = quota(heard.headers, wall_s=heard.wall_s, limit=question.quota_limit)
    if left is not None and left.used_up and left.reset_s and (wait_s is None or left.reset_s > wait_s):
        wait_s, because = left.reset_s, "quota used up"
    if left is not None and left.reserve_s is not None:
        verdict = replace(verdict, reserve_s=left.reserve_s)
    if wait_s is not None and (verdict.close_account_s is None or wait_s > verdict.close_account_s):
        return replace(verdict, close_account_s=wait_s, closed_because=verdict.closed_because or because)
    return verdict
