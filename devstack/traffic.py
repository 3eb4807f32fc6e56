"""Mixed traffic of offer changes, generated from a seed, including the mistakes that real producers make.

Keys follow a Zipf distribution: a few offers change often. Each message carries its ``MessageKind``, so that every
result can be compared with what was sent. A tombstone is followed by a full event for every place of its EAN, so that
the final state does not depend on timing.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import accumulate
from random import Random
from typing import Any, Final, TypeAlias

Payload: TypeAlias = dict[str, Any]
"""One OfferChanged event as the producer kit accepts it: field name -> value, times as ``*_us`` integers."""


class MessageKind(StrEnum):
    """What a message is meant to be."""

    UPDATE = "update"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out of order"
    SAME_VALUE = "same value again"
    UNKNOWN_EAN = "unknown EAN"
    AMBIGUOUS = "ambiguous offer"
    CONFLICT = "conflicting ids"
    BAD_CURRENCY = "wrong currency"
    BAD_GTIN = "wrong check digit"
    FUTURE = "dated in the future"
    WRONG_KEY = "key contradicts the EAN"
    UNDECODABLE = "undecodable"
    TOMBSTONE = "tombstone"


WEIGHTS: Final[Mapping[MessageKind, float]] = {
    MessageKind.UPDATE: 78.0,
    MessageKind.DUPLICATE: 4.0,
    MessageKind.OUT_OF_ORDER: 5.0,
    MessageKind.SAME_VALUE: 6.0,
    MessageKind.UNKNOWN_EAN: 2.0,
    MessageKind.AMBIGUOUS: 1.5,
    MessageKind.CONFLICT: 0.6,
    MessageKind.BAD_CURRENCY: 1.0,
    MessageKind.BAD_GTIN: 0.4,
    MessageKind.FUTURE: 0.4,
    MessageKind.WRONG_KEY: 0.4,
    MessageKind.UNDECODABLE: 0.4,
    MessageKind.TOMBSTONE: 0.3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPlace:
    """The subject of an event: an EAN in a condition on a target, and the unit that it denotes."""

    target_id: str
    ean: str
    condition: str
    currency: str
    unit_id: int
    offer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One record to produce. Exactly one of ``payload`` and ``raw`` is set; neither for a tombstone."""

    kind: MessageKind
    key: str
    payload: Payload | None = None
    raw: bytes | None = None


@dataclass(slots=True)
class Traffic:
    """An endless source of messages about ``places``; the same seed and the same times give the same messages.

    ``ambiguous`` are places that several units match; their events omit the ids that would identify one.
    """

    places: Sequence[OfferPlace]
    ambiguous: Sequence[OfferPlace] = ()
    seed: int = 0
    zipf: float = 1.0
    weights: dict[MessageKind, float] = field(default_factory=lambda: dict(WEIGHTS))
    _random: Random = field(init=False)
    _cumulative: list[float] = field(init=False)
    _by_ean: dict[str, list[OfferPlace]] = field(init=False)
    _owed: deque[tuple[MessageKind, OfferPlace]] = field(init=False)
    _last: dict[int, Payload] = field(init=False)
    _count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if not self.places:
            raise ValueError("traffic needs at least one place")
        self._random = Random(self.seed)  # noqa: S311 - traffic, not secrets
        order = list(self.places)
        self._random.shuffle(order)
        self.places = order
        self._cumulative = list(accumulate(1.0 / (rank + 1) ** self.zipf for rank in range(len(order))))
        self._by_ean = {}
        for place in order:
            self._by_ean.setdefault(place.ean, []).append(place)
        self._owed = deque()
        self._last = {}
        if not self.ambiguous:
            self.weights[MessageKind.AMBIGUOUS] = 0.0

    def messages(self, count: int, now_us: Iterator[int]) -> Iterator[Message]:
        """Yields ``count`` messages, and the full events that must follow a tombstone; ``now_us`` gives the times."""
        for _ in range(count):
            yield self.next(next(now_us))
        while self._owed:
            yield self.next(next(now_us))

    def next(self, now_us: int) -> Message:
        """Returns the next message, dated relative to ``now_us`` (microseconds since the epoch)."""
        self._count += 1
        if self._owed:
            kind, place = self._owed.popleft()
            return self._event(kind, place, now_us, full=True)
        kinds = list(self.weights)
        kind = self._random.choices(kinds, weights=list(self.weights.values()))[0]
        place = self._random.choices(self.places, cum_weights=self._cumulative)[0]
        return self._message(kind, place, now_us)

    def _message(self, kind: MessageKind, place: OfferPlace, now_us: int) -> Message:
        match kind:
            case MessageKind.UPDATE | MessageKind.BAD_CURRENCY:
                return self._event(kind, place, now_us)
            case MessageKind.DUPLICATE | MessageKind.SAME_VALUE | MessageKind.OUT_OF_ORDER:
                return self._again(kind, place, now_us)
            case MessageKind.UNDECODABLE:
                return Message(kind=kind, key=place.ean, raw=b"\x00\x00\x00\x00\x01" + self._random.randbytes(7))
            case MessageKind.TOMBSTONE:
                self._owed.extend((MessageKind.UPDATE, p) for p in self._by_ean[place.ean])
                return Message(kind=kind, key=place.ean)
            case MessageKind.AMBIGUOUS:
                several = self._random.choice(self.ambiguous)
                return self._changed(kind, several, now_us, offer_id=None, unit_id=None)
            case _:
                return self._mistaken(kind, place, now_us)

    def _mistaken(self, kind: MessageKind, place: OfferPlace, now_us: int) -> Message:
        wrong: Payload = {}
        if kind is MessageKind.CONFLICT:
            others = (self._random.choice(self.places) for _ in range(50))
            wrong = {"offer_id": None, "unit_id": next(p.unit_id for p in others if p.ean != place.ean)}
        elif kind is MessageKind.UNKNOWN_EAN:
            ean = gtin13(f"299{self._random.randrange(200):09d}")
            wrong = {"key": ean, "ean": ean, "offer_id": None, "unit_id": None}
        elif kind is MessageKind.BAD_GTIN:
            ean = place.ean[:-1] + str((int(place.ean[-1]) + 1) % 10)
            wrong = {"key": ean, "ean": ean}
        elif kind is MessageKind.FUTURE:
            wrong = {"occurred_at_us": now_us + 3_600_000_000}
        elif kind is MessageKind.WRONG_KEY:
            wrong = {"key": "0" + place.ean}
        return self._changed(kind, place, now_us, **wrong)

    def _event(self, kind: MessageKind, place: OfferPlace, now_us: int, *, full: bool = False) -> Message:
        message = self._changed(kind, place, now_us, full=full)
        if kind is MessageKind.UPDATE and message.payload is not None:
            self._last[place.unit_id] = message.payload
        return message

    def _again(self, kind: MessageKind, place: OfferPlace, now_us: int) -> Message:
        last = self._last.get(place.unit_id)
        if last is None:
            return self._event(MessageKind.UPDATE, place, now_us)
        payload = dict(last)
        if kind is MessageKind.SAME_VALUE:
            payload |= {"event_id": self._event_id(), "occurred_at_us": now_us}
            self._last[place.unit_id] = payload
        elif kind is MessageKind.OUT_OF_ORDER:
            late = self._changed(kind, place, now_us).payload or {}
            payload = late | {"occurred_at_us": last["occurred_at_us"] - 1_000 - self._random.randrange(900_000)}
        return Message(kind=kind, key=place.ean, payload=payload)

    def _changed(
        self,
        kind: MessageKind,
        place: OfferPlace,
        now_us: int,
        *,
        key: str | None = None,
        full: bool = False,
        **other: Any,
    ) -> Message:
        carried = self._values(place, full=full)
        if kind is MessageKind.BAD_CURRENCY:
            carried["price"] = (Decimal("19.99"), "CHF")
        pick = self._random.random()
        payload: Payload = {
            "event_id": self._event_id(),
            "occurred_at_us": now_us,
            "sequence": self._count if self._random.random() < 0.5 else None,
            "source": "demo-traffic",
            "target_id": place.target_id,
            "condition": place.condition,
            "ean": place.ean,
            "offer_id": place.offer_id if pick < 0.2 else None,
            "unit_id": place.unit_id if 0.2 <= pick < 0.3 else None,
            "attributes": {"brand": f"brand-{int(place.ean[-4:-1]) % 40}"},
            **carried,
            **other,
        }
        return Message(kind=kind, key=key if key is not None else place.ean, payload=payload)

    def _values(self, place: OfferPlace, *, full: bool) -> Payload:
        which = 7 if full else self._random.choices((1, 2, 4, 3, 7), weights=(40, 40, 5, 10, 5))[0]
        stock = 0 if self._random.random() < 0.1 else self._random.randrange(1, 500)
        cents = self._random.randrange(199, 99_999)
        values: Payload = {}
        if which & 1:
            values["stock"] = stock
        if which & 2:
            values["price"] = (Decimal(cents).scaleb(-2), place.currency)
        if which & 4:
            values["handling_time_days"] = self._random.randrange(0, 10)
        return values

    def _event_id(self) -> str:
        return f"evt-{self.seed}-{self._count:07d}-{self._random.randrange(16**6):06x}"


def gtin13(first_twelve: str) -> str:
    """Appends the GS1 check digit (weights 1 and 3 from the left) to twelve digits."""
    total = sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(first_twelve))
    return first_twelve + str(-total % 10)
