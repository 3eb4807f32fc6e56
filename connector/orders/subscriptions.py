"""Watches the marketplace's push subscriptions by reading them regularly. Not pure: it keeps what it read.

If an address fails for half a day, the marketplace disables its subscription and reports that by mail only. From then
on, missing notifications look like a lack of orders. Nothing here changes a subscription; `connector push repair` does.
What was read is kept in this process only; a new owner of the partition reads it again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Gone, Refused, Subscription
from connector.marketplace.orders import ReadSubscriptions, SubscriptionPage
from connector.orders.wants import RANK
from streams.flow import Answered, Cause, GaveUp, Restored, Settled, Want
from streams.frozen import replace

EVERY_S: Final = 900.0
"""Seconds between two readings; a reading is one call for up to thirty subscriptions."""
SLOT: Final = "subscriptions"

_US: Final = 1_000_000
_MOST: Final = 1_000  # subscriptions; a longer list is cut


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """An account's subscriptions that notify this connector, as last read."""

    account: str
    read_at_us: int | None = None  # None: never read
    active: int = 0
    disabled: tuple[Subscription, ...] = ()
    problem: str | None = None  # why the last reading failed

    @property
    def none_there(self) -> bool:
        """Whether no subscription, active or disabled, notifies this connector."""
        return self.read_at_us is not None and not self.active and not self.disabled


Changed = Callable[[PushReport], None]
"""Called with a report that differs from the one before it."""


@dataclass(slots=True)
class _SubscriptionRead:
    due_at_us: int = 0
    found: tuple[Subscription, ...] = ()


class PushWatch:
    """The subscriptions of all accounts. Used by the engine's thread only, except ``reports``.

    ``urls`` are the addresses at which this connector is notified, by account; other accounts are not watched.
    ``changed`` is called with each report that differs from the one before it.
    """

    def __init__(self, urls: Mapping[str, str], changed: Changed) -> None:
        self._urls = urls
        self._changed = changed
        self._readings = {account: _SubscriptionRead() for account in urls}
        self._reports: Mapping[str, PushReport] = MappingProxyType({})

    def reports(self) -> Mapping[str, PushReport]:
        """Returns the last reports, by account. Thread-safe."""
        return self._reports

    def turn(self, account: str, cause: Cause, now_us: int) -> tuple[tuple[Want, ...], int | None]:
        """Returns the calls wanted now, and when to wake the lane; called in each turn of an account's lane."""
        reading = self._readings.get(account)
        if reading is None:
            return (), None
        if isinstance(cause, Restored):
            reading.due_at_us, reading.found = 0, ()
        if isinstance(cause, Answered) and cause.want.kind == CallKind.SUBSCRIPTIONS:
            self._apply_answer(account, reading, cause, now_us)
        # the bound keeps a clock that was set back from delaying the next reading
        reading.due_at_us = min(reading.due_at_us, now_us + _us(EVERY_S))
        if now_us < reading.due_at_us:
            return (), reading.due_at_us
        body = ReadSubscriptions(offset=len(reading.found))
        want = Want(
            slot=SLOT,
            account=account,
            kind=CallKind.SUBSCRIPTIONS,
            priority=RANK,
            since_us=(reading.due_at_us or now_us) + len(reading.found),
            body=body,
        )
        return (want,), None

    def _apply_answer(self, account: str, reading: _SubscriptionRead, answered: Answered, now_us: int) -> None:
        match answered.reply:
            case Settled(answer=SubscriptionPage() as page):
                if answered.want.body != ReadSubscriptions(offset=len(reading.found)):
                    return  # a page of a reading that has been restarted since
                found = (*reading.found, *page.rows)
                if not page.is_last and len(found) < _MOST:
                    reading.found = found
                    return
                self._report(_read(account, self._urls[account], found, now_us))
            case Settled(answer=Refused() as refused):
                self._failed(account, f"HTTP {refused.http_status} {refused.type or refused.code}: {refused.message}")
            case Settled(answer=Gone() as gone):
                self._failed(account, f"HTTP {gone.http_status} {gone.message}")
            case GaveUp(reason=reason):
                self._failed(account, reason)
            case _:
                return
        reading.due_at_us, reading.found = now_us + _us(EVERY_S), ()

    def _failed(self, account: str, problem: str) -> None:
        self._report(replace(self._reports.get(account, PushReport(account=account)), problem=problem))

    def _report(self, report: PushReport) -> None:
        before = self._reports.get(report.account)
        self._reports = MappingProxyType({**self._reports, report.account: report})
        if before is None or replace(before, read_at_us=report.read_at_us) != report:
            self._changed(report)


def _read(account: str, url: str, found: tuple[Subscription, ...], now_us: int) -> PushReport:
    ours = tuple(one for one in found if one.url == url)
    return PushReport(
        account=account,
        read_at_us=now_us,
        active=sum(one.is_active for one in ours),
        disabled=tuple(one for one in ours if not one.is_active),
    )


def _us(seconds: float) -> int:
    return round(seconds * _US)
