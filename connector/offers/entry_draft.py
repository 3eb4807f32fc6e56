"""The working copy of an entry during one turn: it changes in place; ``result`` then makes the entry. Pure."""

from connector.contracts.codes import Code
from connector.contracts.problem import Problem
from connector.marketplace.offers import Field
from connector.offers.events import HeldField, ListingAct
from connector.offers.ledger import Asked, FieldOutcome, KnownUnit, LedgerEntry
from streams.frozen import replace

_GIVE_WAY = frozenset((None, Code.OUT_OF_ORDER, Code.DRY_RUN, Code.CLAMPED, Code.BUFFER_OVERRIDDEN))


class EntryDraft:
    """An entry's open fields, and the fields that end in this turn.

    ``unit`` is the unit that the entry means, once it is identified in this turn.
    """

    __slots__ = (
        "ended",
        "ends",
        "entry",
        "held",
        "listing",
        "one_by_one",
        "open",
        "passed",
        "problem",
        "proved_again",
        "sent",
        "since_us",
        "unit",
    )

    def __init__(self, entry: LedgerEntry) -> None:
        self.entry = entry
        self.open = list(entry.open)
        self.ended = entry.ended  # before this turn
        self.ends: list[FieldOutcome] = []
        self.problem = entry.problem
        self.since_us = entry.since_us
        self.held = entry.held
        self.passed = entry.passed
        self.sent = entry.sent
        self.one_by_one = entry.one_by_one
        self.proved_again = entry.proved_again
        self.listing = entry.listing
        self.unit: KnownUnit | None = None

    def asked(self, field: Field) -> Asked | None:
        """Returns what the event asks for a field that has not ended; None if it asks nothing for it."""
        for asked in self.open:
            if asked.field is field:
                return asked
        return None

    def end(self, end: FieldOutcome, problem: Problem | None) -> None:
        """Ends a field.

        The entry keeps its first problem, but OUT_OF_ORDER and DRY_RUN give way to a problem of another kind.
        """
        if self.problem is None or (problem is not None and self._is_only_late()):
            self.problem = problem or self.problem
        self.ends.append(end)
        self.open = [asked for asked in self.open if asked.field is not end.field]

    def ask(self, asked: Asked) -> None:
        """Has the entry ask for another value of an open field."""
        of = asked.field
        self.open = [asked if one.field is of else one for one in self.open]
        self.entry = replace(self.entry, asked=tuple(asked if one.field is of else one for one in self.entry.asked))

    def inherit_listing(self, of: "EntryDraft") -> None:
        """Takes over the listing of an entry that this one replaces, unless it has another.

        A deletion goes on only as what an event may ask it with: a stock of 0 alone. Any other value keeps the unit.
        """
        mine, theirs = self.listing, of.listing
        if theirs is None or (mine is not None and mine.wish != theirs.wish):
            return
        if theirs.wish == ListingAct.DELETE and not self._asks_for_zero_alone:
            return
        if mine is None or theirs.was_sent:
            self.listing = theirs

    @property
    def _asks_for_zero_alone(self) -> bool:
        return [(asked.field, asked.value) for asked in self.entry.asked] == [(Field.STOCK, 0)]

    def lost_further(self, field: Field, winner: str, newer: str) -> None:
        """Notes that the event that the field was lost to has lost it in turn; both are result ids."""
        if any(_is_lost_to(end, field, winner) for end in self.ended):
            self.ended = tuple(_won_by(end, newer) if _is_lost_to(end, field, winner) else end for end in self.ended)
        self.ends = [_won_by(end, newer) if _is_lost_to(end, field, winner) else end for end in self.ends]

    def held_field(self, field: Field) -> HeldField | None:
        """Returns by what a field is held, as changed in this turn so far; None if it is not."""
        return next((held for held in self.held if held.field == field), None)

    def hold(self, held: HeldField) -> None:
        """Notes by what a field is held."""
        self.held = (*(other for other in self.held if other.field != held.field), held)

    def let_go(self, field: Field) -> None:
        """Notes that a field is held no longer."""
        self.held = tuple(other for other in self.held if other.field != field)

    def _is_only_late(self) -> bool:
        """Whether no field has ended so far with another code than those that give way, and CLAMPED."""
        return all(end.code in _GIVE_WAY for end in (*self.entry.ended, *self.ends))

    def result(self) -> LedgerEntry:
        """Returns the entry after the turn; the same object if nothing changed."""
        entry = self.entry
        if not self.ends and self.ended is entry.ended and (
            self.since_us, self.held, self.passed, self.sent, self.one_by_one, self.proved_again, self.listing,
        ) == (
            entry.since_us, entry.held, entry.passed, entry.sent, entry.one_by_one, entry.proved_again, entry.listing,
        ):  # fmt: skip
            return entry
        held = self.held
        if held and self.ends:
            held = tuple(one for one in held if any(asked.field == one.field for asked in self.open))
        return replace(
            entry,
            ended=(*self.ended, *self.ends),
            problem=self.problem,
            since_us=self.since_us,
            held=held,
            passed=self.passed,
            sent=self.sent,
            one_by_one=self.one_by_one,
            proved_again=self.proved_again,
            listing=self.listing,
            resolved=self.unit or entry.resolved,
        )


def _is_lost_to(end: FieldOutcome, field: Field, winner: str) -> bool:
    return end.field is field and (end.winner or end.superseded_by) == winner


def _won_by(end: FieldOutcome, winner: str) -> FieldOutcome:
    return replace(end, winner=winner)
