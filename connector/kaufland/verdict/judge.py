"""Turns a response or transport failure into replies and into limits for the account, by the verdict table. Pure.

Rules:

- Only an error in the marketplace's own envelope refuses an item; any other (a proxy's error page) refuses nothing.
- A write whose response is missing, truncated or unreadable is lost and not repeated from here; a read is retried.
- A call that is not idempotent is repeated only on proof that nothing was executed.
- A bad item does not affect others: a call refused as a whole is split before any item is refused.
- A failure that the item did not cause does not count as an attempt.
- Responses with personal data are never quoted; error messages describe the request and may be.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from connector.kaufland.http.limits import http_date_s, quota, retry_after_s
from connector.kaufland.http.signing import WINDOW_S
from connector.kaufland.offers import mapping
from connector.kaufland.offers.models import BulkEntry, ErrorAnswer, UnitAnswer
from connector.kaufland.reference import KauflandReference
from connector.kaufland.verdict.table import (
    BROKEN_OFF,
    BUSY,
    CLASS_ROWS,
    DONE,
    FORBIDDEN,
    MISSING_ITEM,
    NEVER_LEFT,
    ODD_REFUSAL,
    REDIRECTED,
    REFUSED,
    STATUS_ROWS,
    THROTTLED,
    TRANSPORT_ROWS,
    TYPE_ROWS,
    UNAUTHORIZED,
    UNKNOWN_STATUS,
    UNKNOWN_TRANSPORT,
    UNREADABLE,
    ItemOutcome,
    Split,
    VerdictRow,
    row_of,
    short_type,
)
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Accepted, Gone, Refused, Update
from connector.marketplace.orders import Taken, UnreadableRow
from streams.flow import Lost, NotSent, Reply, Retry, Settled

ALONE_FROM_ATTEMPT = 4
"""From this attempt on, an item whose calls fail as a whole is sent alone, since one item may cause the failures. Not
sooner: with every fifth call failing, splitting each of them at once would turn one call into a hundred."""

# ---- input and output of ``judge`` ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse:
    """An HTTP response.

    ``body`` is None if it was truncated, too large, or not decodable; ``cut`` then names the exception, or is TooLarge.
    """

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes | None = field(repr=False)  # may hold personal data
    cut: str | None = None
    signed_at_s: int = 0  # the timestamp in the request's signature
    wall_s: float = 0.0  # when it was read: Unix seconds by the server's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFailure:
    """No response was received. ``left``: whether at least one byte of the request was written to the socket."""

    error: str  # class name
    left: bool
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Replies in the order of the items, limits for the account, and fields of the call log."""

    replies: tuple[Reply, ...]
    outcome: str  # for the call log: the row's name, or how an update, parcel or read ended
    slow_down: bool = False
    close_account_s: float | None = None
    closed_because: str = ""
    reserve_s: float | None = None  # how long the rest of a quota is reserved for the most urgent wants
    failed: bool = False
    problem_type: str | None = None
    details: tuple[tuple[int | None, str | None], ...] = ()  # per item of a bulk response: status and code


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The call that is judged: each item's attempt (1 = the first) and, for updates of offers, the updates."""

    kind: CallKind
    attempts: Sequence[int]
    updates: Sequence[Update] = ()
    in_bulk: bool = False  # whether the response has an entry for each update, even for a single one
    quota_limit: int | None = None  # the configured limit, for responses with quota headers but no limit


Read = Callable[[ApiResponse], Reply | UnreadableRow | None]
"""Turns the successful response to a read into a reply; an UnreadableRow or None if it does not conform to the API."""


def judge(
    question: Question, heard: ApiResponse | TransportFailure, reference: KauflandReference, read: Read
) -> Verdict:
    """Returns the verdict on one call. Never raises because of the content of a response."""
    if isinstance(heard, TransportFailure):
        return _of_failure(question, heard)
    error = mapping.read_error(heard.body) if 400 <= heard.status < 600 else None
    row = row_of(question.kind, heard.status, error)
    if row is DONE:
        return _with_pace(_of_success(question, heard, reference, read), question, heard)
    return _with_pace(_of_row(question, row, heard, error), question, heard)


# ---- a call as a whole ----------------------------------------------------------------------------------------------


def _of_failure(question: Question, failure: TransportFailure) -> Verdict:
    """Judges a call without a response."""
    row = TRANSPORT_ROWS.get(failure.error, UNKNOWN_TRANSPORT)
    reason = f"{failure.error}: {failure.text}" if failure.text else failure.error
    if not failure.left:
        replies: tuple[Reply, ...] = tuple(NotSent(reason=reason) for _ in question.attempts)
        return Verdict(replies=replies, outcome="never_left", failed=True)
    if row is NEVER_LEFT:  # an error of connecting, yet bytes were sent
        row = BROKEN_OFF
    return Verdict(
        replies=tuple(_reply(row, question, attempt, reason) for attempt in question.attempts),
        outcome=row.name,
        failed=row.failed,
    )


def _of_row(question: Question, row: VerdictRow, heard: ApiResponse, error: ErrorAnswer | None) -> Verdict:
    """Judges a response as a whole by one row, which applies to every item of the call."""
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
    row: VerdictRow,
    question: Question,
    attempt: int,
    reason: str,
    heard: ApiResponse | None = None,
    error: ErrorAnswer | None = None,
) -> Reply:
    """Returns the reply to one item. No item of a shared call is refused before the call is split (see ``Split``)."""
    company = len(question.attempts) > 1
    if company and row.parted is Split.AT_ONCE:
        return Retry(reason=reason, alone=True, counts=False)
    if row.end is ItemOutcome.LOST and question.kind.writes:
        return Lost(reason=reason)
    if heard is not None and error is not None and row.end is ItemOutcome.REFUSED:
        return Settled(answer=_refused(row.code, heard.status, error))
    if heard is not None and row.end is ItemOutcome.GONE and question.kind.names_one:
        return Settled(answer=Gone(http_status=heard.status, message=error.message if error is not None else ""))
    if question.kind.once and not row.untouched:
        return Lost(reason=reason)
    late = company and row.parted is Split.LATE
    counts = row.counts and not late  # in a shared call it is not known which item caused the failure
    alone = late and attempt >= ALONE_FROM_ATTEMPT
    return Retry(reason=reason, alone=alone, counts=counts, refused=row.untouched)


def _refused(code: str, status: int, error: ErrorAnswer | BulkEntry) -> Refused:
    """Returns the refusal of an item, with the marketplace's error message."""
    return Refused(
        code=code,
        http_status=status,
        type=error.type if isinstance(error, ErrorAnswer) else error.key or None,
        message=error.message,
        errors=mapping.field_errors(error),
    )


# ---- success --------------------------------------------------------------------------------------------------------


def _of_success(question: Question, heard: ApiResponse, reference: KauflandReference, read: Read) -> Verdict:
    """Judges a response with a success status by the kind of the call."""
    match question.kind:
        case CallKind.UPDATE if question.in_bulk:
            return _of_bulk(question, heard, reference)
        case CallKind.UPDATE:
            return _of_patch(question, heard, reference)
        case CallKind.SEND | CallKind.PARCEL:
            return _of_parcel(question, heard)
        case _:
            return _of_read(question, heard, read)


def _of_read(question: Question, heard: ApiResponse, read: Read) -> Verdict:
    """Judges the response to a read; ``read`` turns it into the reply."""
    reply = read(heard)
    if reply is None or isinstance(reply, UnreadableRow):
        return _unreadable(question, heard, reply.fault if reply is not None else None)
    return Verdict(replies=(reply,) * len(question.attempts), outcome="answered")


def _of_parcel(question: Question, heard: ApiResponse) -> Verdict:
    """204 is the only success status in the API's document; no other shows that the parcel was accepted."""
    if heard.status != 204:
        return _unreadable(question, heard)
    return Verdict(replies=(Settled(answer=Taken(http_status=204)),), outcome="accepted")


def _of_patch(question: Question, heard: ApiResponse, reference: KauflandReference) -> Verdict:
    """Judges the response to the update of a single unit; one about another unit is unreadable."""
    update = question.updates[0]
    if heard.status == 204:
        return Verdict(replies=(Settled(answer=Accepted(unit=None, http_status=204)),), outcome="accepted")
    unit = mapping.read_unit(heard.body)
    if unit is None or unit.id_unit != update.unit_id:
        return _unreadable(question, heard)
    return Verdict(replies=(_accepted(unit, update, heard.status, reference),), outcome="accepted")


def _of_bulk(question: Question, heard: ApiResponse, reference: KauflandReference) -> Verdict:
    """Judges a bulk response entry by entry."""
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
    """The verdict on one entry of a bulk response."""

    reply: Reply
    row: VerdictRow = field(default=DONE)
    status: int | None = None
    code: str | None = None


def _of_entry(entry: BulkEntry | None, update: Update, reference: KauflandReference) -> _Judged:
    """Judges the entry of one update; without an entry, or with that of another unit, the update is lost."""
    if entry is None:
        return _Judged(reply=Lost(reason="the answer lacks this unit"), row=MISSING_ITEM, code="MISSING_IN_ANSWER")
    status = int(entry.status_code)
    if entry.unit is not None and entry.unit.id_unit != update.unit_id:
        return _Judged(
            reply=Lost(reason="answered with another unit"), row=MISSING_ITEM, status=status, code="MIXED_UP"
        )
    row = _entry_row(status, entry)
    return _Judged(reply=_entry_reply(row, status, entry, update, reference), row=row, status=status, code=row.name)


def _entry_row(status: int, entry: BulkEntry) -> VerdictRow:
    """Returns the row of an entry; for an error, by its problem type if that is known, else by its status."""
    by_status = STATUS_ROWS.get(status) or CLASS_ROWS.get(status // 100, UNKNOWN_STATUS)
    if by_status in (UNAUTHORIZED, FORBIDDEN):
        return REFUSED  # the call itself was authorized, so this refers to the unit
    if by_status in (REDIRECTED, ODD_REFUSAL):
        return UNKNOWN_STATUS if by_status is REDIRECTED else BUSY
    return TYPE_ROWS.get(short_type(entry.key) or "", by_status) if status >= 400 else by_status


def _entry_reply(row: VerdictRow, status: int, entry: BulkEntry, update: Update, reference: KauflandReference) -> Reply:
    """Returns the reply to an item according to the row of its entry."""
    match row.end:
        case ItemOutcome.DONE:
            return (
                _accepted(entry.unit, update, status, reference)
                if entry.unit is not None
                else Settled(answer=Accepted(unit=None, http_status=status))
            )
        case ItemOutcome.REFUSED:
            return Settled(answer=_refused(row.code, status, entry))
        case ItemOutcome.GONE:
            return Settled(answer=Gone(http_status=status, message=entry.message))
        case ItemOutcome.RETRY:
            return Retry(reason=f"{status} {entry.key} {entry.message}".strip(), counts=row.counts)
        case ItemOutcome.LOST:
            return Lost(reason=f"{status} {entry.message}".strip())


def _accepted(unit: UnitAnswer, update: Update, status: int, reference: KauflandReference) -> Settled:
    return Settled(answer=Accepted(unit=mapping.unit_of(unit, update.storefront, reference), http_status=status))


def _unreadable(question: Question, heard: ApiResponse, fault: str | None = None) -> Verdict:
    """Judges a success status whose body cannot be used; a truncated body does not count as an attempt."""
    what = f"cut off by {heard.cut}" if heard.cut is not None else "not what the API promises"
    what = f"{what}: {fault}" if fault is not None else what
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
    """Returns why a signed request was rejected with 401. ``signed_off_s``: its timestamp minus the server's time."""
    if signed_off_s is not None and abs(signed_off_s) > WINDOW_S - 1:  # Date counts whole seconds
        ahead = "ahead of" if signed_off_s > 0 else "behind"
        return (
            f"CLOCK_SKEW: the signed time was {abs(signed_off_s):.0f} s {ahead} the marketplace's clock, "
            f"{WINDOW_S} s are allowed; synchronise this machine's clock (NTP)"
        )
    unspecific = "UNAUTHORIZED: the keys are not accepted; compare them with the seller portal"
    return _DIAGNOSES.get(short_type(problem_type) or "", unspecific)


CLOCK_MEASURED_S = 1.0
"""How long the account closes after a 401 caused by clock skew: its ``Date`` header gave the server's time, with which
the next request is signed."""


def _diagnosed(verdict: Verdict, heard: ApiResponse, error: ErrorAnswer | None) -> Verdict:
    """Adds the cause of a 401; after a clock skew, the account is closed for CLOCK_MEASURED_S only."""
    served_s = http_date_s(heard.headers.get("date"))
    off_s = heard.signed_at_s - served_s if served_s is not None else None
    because = diagnosis(error.type if error is not None else None, off_s)
    if error is not None:
        because = f"{because} ({error.message})"
    if because.startswith("CLOCK_SKEW"):
        return replace(verdict, closed_because=because, close_account_s=CLOCK_MEASURED_S)
    return replace(verdict, closed_because=because)


def _with_pace(verdict: Verdict, question: Question, heard: ApiResponse) -> Verdict:
    """Applies the headers ``Retry-After`` (of 429 and 503) and quotas. They can prolong a closure, never shorten it."""
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
