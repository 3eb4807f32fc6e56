"""What became of each event of an EAN, by the rule of docs/analytics.md: which row of a result_id counts. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connector.offers.events import FieldResult, FieldStatus, OfferResult, Origin, Status

_ANNOUNCED = frozenset({Status.NOT_FOUND, Status.HELD})
"""Statuses that are not final: a further row follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOutcome:
    """An event with its rows, oldest decision first. ``counts`` is the row that says how it ended."""

    counts: OfferResult
    rows: tuple[OfferResult, ...]

    @property
    def result_id(self) -> str:
        return self.counts.result_id

    @property
    def is_final(self) -> bool:
        """Whether no further row follows by itself."""
        return self.counts.status not in _ANNOUNCED

    def field(self, name: str) -> FieldResult | None:
        """Returns how one field of it ended; None if it does not carry the field."""
        return next((one for one in self.counts.fields if one.field == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LosingEvent:
    """An event that a newer one replaced in one field. ``chain``: who took its place, and so on, up to the winner."""

    outcome: EventOutcome
    chain: tuple[str, ...]  # result_ids
    code: str | None  # OUT_OF_ORDER: it was read after a newer event


def outcomes(results: Iterable[OfferResult], at_us: int) -> dict[str, EventOutcome]:
    """Returns the events by result_id, as their rows said at a time; an event without a row by then is left out."""
    rows: defaultdict[str, dict[tuple[object, ...], OfferResult]] = defaultdict(dict)
    for row in results:
        if row.decided_at_us <= at_us:
            rows[row.result_id][row.decided_at_us, row.origin, row.status] = row  # a row may be there twice
    return {result_id: _outcome(found.values()) for result_id, found in rows.items()}


def _outcome(rows: Iterable[OfferResult]) -> EventOutcome:
    ordered = tuple(sorted(rows, key=lambda row: (row.decided_at_us, row.origin is not Origin.LIVE)))
    counting = [row for row in ordered if row.origin is not Origin.REPLAY] or ordered
    return EventOutcome(counts=counting[-1], rows=ordered)


def losers_by_winner(events: Mapping[str, EventOutcome], field: str) -> dict[str, tuple[LosingEvent, ...]]:
    """Returns, for the result_id of each final winner of a field, the events that lost to it; oldest offset first.

    An event that names no successor lost to an event of another EAN of the product, or to a tombstone: its winner is
    the empty text.
    """
    found: defaultdict[str, list[LosingEvent]] = defaultdict(list)
    for outcome in events.values():
        ended = outcome.field(field)
        if ended is not None and ended.status is FieldStatus.SUPERSEDED:
            chain = _chain(ended, events, field)
            winner = chain[-1] if chain else ""
            found[winner].append(LosingEvent(outcome=outcome, chain=chain, code=ended.code))
    return {winner: tuple(sorted(losers, key=_place)) for winner, losers in found.items()}


def _chain(ended: FieldResult, events: Mapping[str, EventOutcome], field: str) -> tuple[str, ...]:
    chain: list[str] = []
    successor = ended.superseded_by
    while successor is not None and successor not in chain:
        chain.append(successor)
        following = events[successor].field(field) if successor in events else None
        is_lost = following is not None and following.status is FieldStatus.SUPERSEDED
        successor = following.superseded_by if following is not None and is_lost else None
    return tuple(chain)


def _place(loser: LosingEvent) -> tuple[int, int]:
    return loser.outcome.counts.input_partition, loser.outcome.counts.input_offset
