"""Verifies the marketplace's notifications and decides which of them trigger a poll.

A notification only means that something changed; its content is not used. It is signed like a request, with the
seller's secret, over the URL that the marketplace calls. Which URL it signs exactly, and whether its timestamp is that
of the event or of the delivery, is not documented; so an old timestamp is no reason to refuse a notification (they are
redelivered for half a day). A notification cannot cause anything that polling would not do on its own. Pure.
Source: https://sellerapi.kaufland.com/?page=push-notifications
"""

import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError

from connector.kaufland.http.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from connector.kaufland.push.models import Notification

MAX_BODY_BYTES = 64 * 1024
REMEMBERED = 10_000
"""The number of message ids kept per account: enough for a day with a notification every nine seconds."""

_CHALLENGE = re.compile(r"[A-Za-z0-9._~=+/-]{1,512}")


class NotificationOutcome(StrEnum):
    """The outcome of a notification."""

    ACCEPTED = "accepted"  # triggers a poll
    REPEATED = "repeated"  # a message with its id was received before
    REFUSED = "refused"  # not signed with this seller's secret
    UNREADABLE = "unreadable"
    UNKNOWN_ACCOUNT = "unknown_account"  # there is no such account


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAccount:
    """An account's callback URL, and a function that returns its current secret key."""

    url: str
    secret: Callable[[], str]


class NotificationReceiver:
    """Verifies and deduplicates notifications. Used by one thread."""

    def __init__(self, subscribers: Mapping[str, PushAccount]) -> None:
        self._subscribers = subscribers
        self._known: dict[str, OrderedDict[str, None]] = {name: OrderedDict() for name in subscribers}

    def challenge(self, account: str, mode: str | None, challenge: str | None) -> str | None:
        """Returns the response to a verification of the callback URL, or None if the request is not a valid one."""
        if account not in self._subscribers or mode != "subscribe" or challenge is None:
            return None
        return challenge if _CHALLENGE.fullmatch(challenge) else None

    def notified(self, account: str, headers: Mapping[str, str], body: bytes) -> NotificationOutcome:
        """Returns the outcome of a notification. ``headers``: names in lower case.

        Its id is remembered only if its signature is valid.
        """
        subscriber = self._subscribers.get(account)
        if subscriber is None:
            return NotificationOutcome.UNKNOWN_ACCOUNT
        if not _is_signed(subscriber, headers, body):
            return NotificationOutcome.REFUSED
        try:
            notification = Notification.model_validate_json(body)
        except ValidationError:
            return NotificationOutcome.UNREADABLE
        return (
            NotificationOutcome.ACCEPTED
            if self._is_new(account, str(notification.id_message))
            else NotificationOutcome.REPEATED
        )

    def _is_new(self, account: str, id_message: str) -> bool:
        known = self._known[account]
        if id_message in known:
            known.move_to_end(id_message)
            return False
        known[id_message] = None
        if len(known) > REMEMBERED:
            known.popitem(last=False)
        return True


def _is_signed(subscriber: PushAccount, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the notification is signed with the account's secret key."""
    timestamp = headers.get(TIMESTAMP_HEADER.lower(), "")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        return False
    wanted = sign(subscriber.secret(), method="POST", uri=subscriber.url, body=body, timestamp_s=int(timestamp))
    return hmac.compare_digest(wanted.encode(), headers.get(SIGNATURE_HEADER.lower(), "").encode())
