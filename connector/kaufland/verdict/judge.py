"""Turns a response or transport failure into replies and into limits for the account, by the verdict table. Pure.

Rules:

- Only an error in the marketplace's own envelope refuses an item; any other (a proxy's error page) refuses nothing.
- A write whose response is missing, truncated or unreadable is lost and not repeated from here; a read is retried.
- A call that is not idempotent is repeated only on proof that nothing was executed.
- A bad item does not affect others: a call refused as a whole is split before any item is refused.
- A failure that the item did not cause does not count as an attempt.
- Responses with personal data are never quoted; error messages describe the request and may be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from connector.kaufland.http.exchange import ApiResponse, TransportFailure
from connector.kaufland.http.limits import quota, retry_after_s
from connector.kaufland.verdict.diagnosis import CLOCK_SKEW, diagnosis
from connector.kaufland.verdict.error_body import ErrorAnswer, field_errors, read_error
from connector.kaufland.verdict.table import (
    BROKEN_OFF,
    DONE,
    NEVER_LEFT,
    TRANSPORT_ROWS,
    UNAUTHORIZED,
    UNKNOWN_TRANSPORT,
    UNREADABLE,
    ItemOutcome,
    Split,
    VerdictRow,
    row_of,
)
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Gone, Refused
from connector.marketplace.orders import UnreadableRow
from streams.flow import Lost, NotSent, Reply, Retry, Settled

ALONE_FROM_ATTEMPT = 4
"""From this attempt on, an item whose calls fail as a whole is sent alone, since one item may cause the failures. Not
sooner: with every fifth call failing, splitting each of them at once would turn one call into a hundred."""

# ---- input and output of ``judge`` ----------------------------------------------------------------------------------


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
    """The call that is judged: its kind, and each item's attempt (1 = the first)."""

    kind: CallKind
    attempts: Sequence[int]
    quota_limit: int | None = None  # the configured limit, for responses with quota headers but no limit


JudgeSuccess: TypeAlias = Callable[[ApiResponse], Verdict | UnreadableRow | None]
"""Judges a response with a success status; an UnreadableRow or None if it does not conform to the API's document."""


def judge(question: Question, response: ApiResponse | TransportFailure, on_success: JudgeSuccess) -> Verdict:
    """Returns the verdict on one call. Never raises because of the content of a response."""
    if isinstance(response, TransportFailure):
        return _of_failure(question, response)
    error = read_error(response.body) if 400 <= response.status < 600 else None
    row = row_of(question.kind, response.status, error)
    if row is DONE:
        return _with_pace(_of_success(question, response, on_success), question, response)
    return _with_pace(_of_row(question, row, response, error), question, response)


def answered(reply: Reply) -> Verdict:
    """Returns the verdict on a read of one item whose response was read as ``reply``."""
    return Verdict(replies=(reply,), outcome="answered")


# ---- a call as a whole ----------------------------------------------------------------------------------------------


def _of_failure(question: Question, failure: TransportFailure) -> Verdict:
    """Judges a call without a response."""
    row = TRANSPORT_ROWS.get(failure.error, UNKNOWN_TRANSPORT)
    reason = f"{failure.error}: {failure.text}" if failure.text else failure.error
    if not failure.left:
        replies: tuple[Reply, ...] = tuple(NotSent(reason=reason) for _ in question.attempts)
        return Verdict(replies=replies, outcome="never_left", failed=True, closed_because=reason)
    if row is NEVER_LEFT:  # an error of connecting, yet bytes were sent
        row = BROKEN_OFF
    return Verdict(
        replies=tuple(_reply(row, question, attempt, reason) for attempt in question.attempts),
        outcome=row.name,
        failed=row.failed,
        closed_because=reason,
    )


def _of_row(question: Question, row: VerdictRow, response: ApiResponse, error: ErrorAnswer | None) -> Verdict:
    """Judges a response as a whole by one row, which applies to every item of the call."""
    reason = f"HTTP {response.status}" + (f" {error.type or ''} {error.message}" if error is not None else "")
    verdict = Verdict(
        replies=tuple(_reply(row, question, attempt, reason, response, error) for attempt in question.attempts),
        outcome=row.name,
        slow_down=row.slow_down,
        close_account_s=row.close_s,
        closed_because=reason if row.close_s is not None else "",
        failed=row.failed,
        problem_type=error.type if error is not None else None,
    )
    if row is UNAUTHORIZED:
        return _diagnosed(verdict, response, error)
    return verdict


def _reply(
    row: VerdictRow,
    question: Question,
    attempt: int,
    reason: str,
    response: ApiResponse | None = None,
    error: ErrorAnswer | None = None,
) -> Reply:
    """Returns the reply to one item. No item of a shared call is refused before the call is split (see ``Split``)."""
    company = len(question.attempts) > 1
    if company and row.parted is Split.AT_ONCE:
        return Retry(reason=reason, alone=True, counts=False)
    if row.end is ItemOutcome.LOST and question.kind.writes:
        return Lost(reason=reason)
    if response is not None and error is not None and row.end is ItemOutcome.REFUSED:
        return Settled(
            answer=Refused(
                code=row.code,
                http_status=response.status,
                type=error.type,
                message=error.message,
                errors=field_errors(error.errors),
            )
        )
    if response is not None and row.end is ItemOutcome.GONE and question.kind.addresses_one_resource:
        return Settled(answer=Gone(http_status=response.status, message=error.message if error is not None else ""))
    if question.kind.once and not row.untouched:
        return Lost(reason=reason)
    late = company and row.parted is Split.LATE
    counts = row.counts and not late  # in a shared call it is not known which item caused the failure
    alone = late and attempt >= ALONE_FROM_ATTEMPT
    return Retry(reason=reason, alone=alone, counts=counts, refused=row.untouched)


def _of_success(question: Question, response: ApiResponse, on_success: JudgeSuccess) -> Verdict:
    """Judges a response with a success status as the kind of the call requires."""
    verdict = on_success(response)
    if verdict is None or isinstance(verdict, UnreadableRow):
        return _unreadable(question, response, verdict.fault if verdict is not None else None)
    return verdict


def _unreadable(question: Question, response: ApiResponse, fault: str | None = None) -> Verdict:
    """Judges a success status whose body cannot be used; a truncated body does not count as an attempt."""
    what = f"cut off by {response.cut}" if response.cut is not None else "not what the API promises"
    what = f"{what}: {fault}" if fault is not None else what
    reason = f"HTTP {response.status}, and the body is {what}"
    row = replace(UNREADABLE, counts=response.cut is None)
    return Verdict(
        replies=tuple(_reply(row, question, attempt, reason) for attempt in question.attempts),
        outcome=UNREADABLE.name,
        failed=True,
    )


# ---- the account ----------------------------------------------------------------------------------------------------

CLOCK_MEASURED_S = 1.0
"""How long the account closes after a 401 caused by clock skew: its ``Date`` header gave the server's time, with which
the next request is signed."""


def _diagnosed(verdict: Verdict, response: ApiResponse, error: ErrorAnswer | None) -> Verdict:
    """Adds the cause of a 401; after a clock skew, the account is closed for CLOCK_MEASURED_S only."""
    cause = diagnosis(response, error)
    because = f"{cause} ({error.message})" if error is not None else cause
    if cause.startswith(CLOCK_SKEW):
        return replace(verdict, closed_because=because, close_account_s=CLOCK_MEASURED_S)
    return replace(verdict, closed_because=because)


def _with_pace(verdict: Verdict, question: Question, response: ApiResponse) -> Verdict:
    """Applies the headers ``Retry-After`` (of 429 and 503) and quotas. They can prolong a closure, never shorten it."""
    wait_s = retry_after_s(response.headers, wall_s=response.wall_s) if response.status in (429, 503) else None
    because = f"Retry-After of an answer {response.status}"
    left = quota(response.headers, wall_s=response.wall_s, limit=question.quota_limit)
    if left is not None and left.used_up and left.reset_s and (wait_s is None or left.reset_s > wait_s):
        wait_s, because = left.reset_s, "quota used up"
    if left is not None and left.reserve_s is not None:
        verdict = replace(verdict, reserve_s=left.reserve_s)
    if wait_s is not None and (verdict.close_account_s is None or wait_s > verdict.close_account_s):
        return replace(verdict, close_account_s=wait_s, closed_because=verdict.closed_because or because)
    return verdict
