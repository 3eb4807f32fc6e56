"""Judges the successful responses to updates: of one unit, and entry by entry in bulk. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from connector.kaufland.http.exchange import ApiResponse
from connector.kaufland.offers import answers
from connector.kaufland.offers.models import BulkEntry, UnitAnswer
from connector.kaufland.reference import KauflandReference
from connector.kaufland.verdict.error_body import field_errors
from connector.kaufland.verdict.judge import Verdict
from connector.kaufland.verdict.table import DONE, MISSING_ITEM, THROTTLED, ItemOutcome, VerdictRow, row_of_entry
from connector.marketplace.offers import Accepted, CreateUnit, Gone, Refused, Update
from streams.flow import Lost, Reply, Retry, Settled


def of_patch(response: ApiResponse, update: Update, reference: KauflandReference) -> Verdict | None:
    """Judges the response to the update of a single unit; None if it cannot be read, or is about another unit."""
    if response.status == 204:
        return Verdict(replies=(Settled(answer=Accepted(unit=None, http_status=204)),), outcome="accepted")
    unit = answers.read_unit(response.body)
    if unit is None or unit.id_unit != update.unit_id:
        return None
    return Verdict(replies=(_accepted(unit, update, response.status, reference),), outcome="accepted")


def of_creation(response: ApiResponse, asked: CreateUnit, reference: KauflandReference) -> Verdict | None:
    """Judges the response to a creation; None if it does not show the unit that was asked for."""
    unit = answers.read_unit(response.body)
    if unit is None or unit.id_offer not in (None, asked.offer_id):
        return None
    created = Accepted(unit=answers.unit_of(unit, asked.storefront, reference), http_status=response.status)
    return Verdict(replies=(Settled(answer=created),), outcome="accepted")


def of_deletion(response: ApiResponse) -> Verdict | None:
    """Judges the response to a deletion: 204 is the only success status in the API's document."""
    if response.status != 204:
        return None
    return Verdict(replies=(Settled(answer=Accepted(unit=None, http_status=204)),), outcome="accepted")


def of_bulk(response: ApiResponse, updates: Sequence[Update], reference: KauflandReference) -> Verdict | None:
    """Judges a bulk response entry by entry; None if it cannot be read."""
    entries = answers.read_bulk(response.body)
    if entries is None:
        return None
    judged = [_of_entry(entries.get(u.unit_id), u, reference) for u in updates]
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
    row = row_of_entry(status, entry.key)
    return _Judged(reply=_entry_reply(row, status, entry, update, reference), row=row, status=status, code=row.name)


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
    return Settled(answer=Accepted(unit=answers.unit_of(unit, update.storefront, reference), http_status=status))


def _refused(code: str, status: int, entry: BulkEntry) -> Refused:
    """Returns the refusal of an item, with the marketplace's error message."""
    return Refused(
        code=code,
        http_status=status,
        type=entry.key or None,
        message=entry.message,
        errors=field_errors(entry.errors),
    )
