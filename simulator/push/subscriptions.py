"""Push subscriptions, their messages in flight, and the schedule of retries. Pure.

Documented: one subscription per event and storefront; a message is retried after 1, 15, 30 and 60 minutes, then the
subscription is disabled; missed messages are not sent again. Chosen: a message is signed with the time of its event, so
a late retry carries an old timestamp.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

import orjson

from simulator.call_context import ChangeNotice
from simulator.chance import draw, happens
from simulator.exchange import Moment
from simulator.journal import PushRow

ACCEPTED: Final = frozenset({200, 201, 202, 204})
"""Statuses that acknowledge a message."""
_FIRST_SUBSCRIPTION_ID: Final = 11_001


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTerms:
    """How messages are sent. ``time_scale`` multiplies every wait between attempts."""

    retry_after_s: tuple[float, ...] = (60.0, 900.0, 1800.0, 3600.0)
    time_scale: float = 1.0
    answer_within_s: float = 5.0
    verify_within_s: float = 15.0
    duplicated: float = 0.0  # share of messages that are sent twice
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class PushSubscription:
    """A seller's subscription of one event on one storefront."""

    id: int
    seller: str
    storefront: str
    event_name: str
    callback_url: str
    fallback_email: str
    is_active: bool = True

    def body(self) -> dict[str, object]:
        """Returns the subscription as responses show it."""
        return {
            "id_subscription": self.id,
            "callback_url": self.callback_url,
            "fallback_email": self.fallback_email,
            "event_name": self.event_name,
            "is_active": self.is_active,
            "storefront": self.storefront,
        }


@dataclass(slots=True, kw_only=True)
class PushMessage:
    """One message in flight to one subscriber."""

    subscription: PushSubscription
    id_message: str
    resource: str
    body: bytes
    timestamp_s: int  # of the event, by the server's clock
    attempt: int = 1


class Subscriptions:
    """All subscriptions and messages in flight. Owned by one thread."""

    def __init__(self, terms: PushTerms) -> None:
        self.terms = terms
        self._subscriptions: dict[int, PushSubscription] = {}
        self._next_id = _FIRST_SUBSCRIPTION_ID
        self._due: list[tuple[int, int, PushMessage]] = []
        self._messages = 0
        self._queued = 0

    # ---- subscriptions ----------------------------------------------------------------------------------------------

    def add(
        self, *, seller: str, storefront: str, event_name: str, callback_url: str, fallback_email: str
    ) -> PushSubscription:
        one = PushSubscription(
            id=self._next_id,
            seller=seller,
            storefront=storefront,
            event_name=event_name,
            callback_url=callback_url,
            fallback_email=fallback_email,
        )
        self._next_id += 1
        self._subscriptions[one.id] = one
        return one

    def own(self, seller: str, subscription_id: int) -> PushSubscription | None:
        one = self._subscriptions.get(subscription_id)
        return one if one is not None and one.seller == seller else None

    def owned(self, seller: str) -> list[PushSubscription]:
        return [one for one in self._subscriptions.values() if one.seller == seller]

    def has(self, seller: str, storefront: str, event_name: str) -> bool:
        return any(one.storefront == storefront and one.event_name == event_name for one in self.owned(seller))

    def remove(self, one: PushSubscription) -> None:
        """Ends the subscription; its messages in flight are dropped when they fall due."""
        one.is_active = False
        del self._subscriptions[one.id]

    def challenge(self) -> str:
        """Returns the text that a callback address must answer with to be verified."""
        return f"{draw(self.terms.seed, 'challenge', self._next_id, self._queued):016x}"

    # ---- messages ---------------------------------------------------------------------------------------------------

    def hear(self, notices: Sequence[ChangeNotice], now: Moment) -> None:
        """Queues a message for each subscriber of these changes, due now. ``now`` is by the server's clock."""
        if not self._subscriptions:
            return
        for notice in notices:
            for one in self._subscribers(notice):
                self._begin(one, notice, now)

    def _subscribers(self, notice: ChangeNotice) -> Iterable[PushSubscription]:
        return [
            one
            for one in self._subscriptions.values()
            if one.is_active
            and (one.seller, one.storefront, one.event_name) == (notice.seller, notice.storefront, notice.event_name)
        ]

    def _begin(self, one: PushSubscription, notice: ChangeNotice, now: Moment) -> None:
        self._messages += 1
        id_message = f"{draw(self.terms.seed, 'message', self._messages):016x}"
        body = {
            "event_name": notice.event_name,
            "id_message": id_message,
            "resource": notice.resource,
            "storefront": notice.storefront,
        }
        copies = 2 if happens(self.terms.duplicated, self.terms.seed, "twice", self._messages) else 1
        for _ in range(copies):
            push = PushMessage(
                subscription=one,
                id_message=id_message,
                resource=notice.resource,
                body=orjson.dumps(body),
                timestamp_s=now.wall_us // 1_000_000,
            )
            self._queue(push, now.mono_us)

    def _queue(self, push: PushMessage, due_us: int) -> None:
        self._queued += 1
        heappush(self._due, (due_us, self._queued, push))

    def due(self, now_us: int, limit: int) -> list[PushMessage]:
        """Removes and returns at most ``limit`` messages that are due; drops those of ended subscriptions."""
        pushes: list[PushMessage] = []
        while self._due and self._due[0][0] <= now_us and len(pushes) < limit:
            _, _, push = heappop(self._due)
            if push.subscription.is_active:
                pushes.append(push)
        return pushes

    def answered(self, push: PushMessage, status: int, now_us: int) -> PushRow:
        """Schedules a retry of a failed attempt or disables its subscription; returns the row for the journal.

        ``status`` is that of the response, 0 = no response in time.
        """
        waits_s = self.terms.retry_after_s
        failed = status not in ACCEPTED
        is_last = failed and push.attempt > len(waits_s)
        row = PushRow(
            id_subscription=push.subscription.id,
            id_message=push.id_message,
            event_name=push.subscription.event_name,
            resource=push.resource,
            attempt=push.attempt,
            status=status,
            is_last=is_last,
            mono_us=now_us,
        )
        if is_last:
            push.subscription.is_active = False
        elif failed:
            wait_s = waits_s[push.attempt - 1] * self.terms.time_scale
            push.attempt += 1
            self._queue(push, now_us + round(wait_s * 1e6))
        return row
