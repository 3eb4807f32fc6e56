"""Makes and releases claims on units by records of the claims topic. Does I/O; worker threads share it."""

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Final, Protocol

from connector.offers.call_bodies import OfferClaim, OfferRelease, ReleasedClaims
from connector.offers.owners import Owners, key_of, value_of
from streams.errors import StreamError
from streams.flow import Answer, Call, Caller, NotSent, Reply, Retry, Settled
from streams.ports import Clock

_AGAIN_S: Final = 1.0
"""Seconds until a call is tried again that the broker did not answer in time."""


class ClaimsTopic(Protocol):
    """The claims topic, which has one partition.

    Its methods raise SourceFailed or SinkFailed if the broker does not answer within ``timeout_s``.
    """

    def read(self, timeout_s: float) -> tuple[bool, Iterable[tuple[int, bytes, bytes | None]]]:
        """Returns whether the topic was recreated, and its records since the last call (offset, key, value).

        After a recreation, those are all its records.
        """
        ...

    def write(self, rows: Sequence[tuple[bytes, bytes]], timeout_s: float) -> None:
        """Writes records (key, value); they are durable when it returns."""
        ...


class Claims:
    """A thread-safe ``Caller`` for the kinds ``claim`` and ``release``; makes one call at a time.

    It reads the topic before it writes, so that no claim is written twice: the offset of a claim decides who owns the
    name. It reads again after it has written, so that every claimant sees the claim with the lowest offset.
    """

    def __init__(self, topic: ClaimsTopic, clock: Clock) -> None:
        self._topic = topic
        self._clock = clock
        self._owners = Owners()
        self._lock = Lock()

    def call(self, call: Call) -> Answer:
        """Claims or releases what the items name.

        An item is settled with the unit's ``Owner`` or with ``ReleasedClaims``. It is to be retried if the broker does
        not answer in time, and counts as not sent if an earlier call takes until ``send_by_s``.
        """
        began = self._clock.now()
        if not self._lock.acquire(timeout=max(0.0, min(call.send_by_s, call.give_up_at_s) - began.mono_s)):
            return Answer(call=call, replies=(NotSent(),) * len(call.items))
        try:
            return self._call(call)
        finally:
            self._lock.release()

    def _call(self, call: Call) -> Answer:
        sent = self._clock.now()
        if sent.mono_s >= call.send_by_s:
            return Answer(call=call, replies=(NotSent(),) * len(call.items))
        try:
            replies = self._settled([item.body for item in call.items], call.give_up_at_s)
        except StreamError as error:
            again = Retry(reason=str(error), after_s=_AGAIN_S, counts=False)
            replies = (again,) * len(call.items)
        answered = self._clock.now()
        return Answer(
            call=call,
            replies=replies,
            sent_s=sent.mono_s,
            answered_s=answered.mono_s,
            sent_us=sent.wall_us,
            answered_us=answered.wall_us,
        )

    def _settled(self, bodies: Sequence[OfferClaim | OfferRelease], by_s: float) -> tuple[Reply, ...]:
        self._read(by_s)
        for _ in range(max(len(body.names) for body in bodies)):
            rows = self._unwritten(bodies)
            if not rows:
                break
            self._topic.write(tuple(rows.items()), self._left_s(by_s))
            self._read(by_s)
        return tuple(
            Settled(answer=self._owners.owner(body) if isinstance(body, OfferClaim) else ReleasedClaims())
            for body in bodies
        )

    def _unwritten(self, bodies: Sequence[OfferClaim | OfferRelease]) -> dict[bytes, bytes]:
        """Returns the next record to write for each body, by key; bodies of one offer share records."""
        rows: dict[bytes, bytes] = {}
        for body in bodies:
            name = self._owners.unwritten(body)
            if name is not None:
                rows.setdefault(key_of(body, name), value_of(body, self._owners.accepted(body, name)))
        return rows

    def _read(self, by_s: float) -> None:
        """Applies the topic's new records; forgets all earlier ones if the topic was recreated."""
        anew, records = self._topic.read(self._left_s(by_s))
        if anew:
            self._owners = Owners()
        for offset, key, value in records:
            self._owners.take(offset, key, value)

    def _left_s(self, by_s: float) -> float:
        return max(0.1, by_s - self._clock.now().mono_s)


class CallerByKind:
    """A ``Caller`` that passes each call to the caller for its kind, and other kinds to ``otherwise``."""

    def __init__(self, kinds: Mapping[str, Caller], otherwise: Caller) -> None:
        self._kinds = kinds
        self._otherwise = otherwise

    def call(self, call: Call) -> Answer:
        return self._kinds.get(call.kind, self._otherwise).call(call)
