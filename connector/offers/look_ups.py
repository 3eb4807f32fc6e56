"""Plans look-ups of unproven units, of linked units, of units that the marketplace fulfils, and to read back values."""

from collections.abc import Sequence
from dataclasses import replace

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.marketplace.offers import Field
from connector.offers.entry_draft import EntryDraft
from connector.offers.event_order import Recency
from connector.offers.events import Announced, Miss
from connector.offers.identity import (
    LOOKUP_FAILED,
    READ_BACK,
    UNPROVEN,
    Identity,
    Missing,
    Proven,
    Unclear,
    Unproven,
    Waiting,
    asks_again_at_us,
    find_miss,
    find_note,
    looked,
)
from connector.offers.ledger import Asked, KnownUnit, LedgerEntry
from connector.offers.offer_draft import OfferDraft
from connector.offers.plan import RECHECK_RANK, PlanDraft, rank_missed, rank_of
from connector.routing.table import Target
from streams.flow import BACKGROUND


def rank_unproven(draft: OfferDraft, row: EntryDraft, asked: Asked) -> int:
    """Returns the rank of a field as if nothing were known of the value that the marketplace holds."""
    value = draft.offered(row.entry, asked, draft.total(row, asked)).value
    return rank_of(asked.field, value, None, row.entry)


class LookUps:
    """Plans the look-ups of one turn."""

    def __init__(self, draft: OfferDraft, plan: PlanDraft) -> None:
        self._draft = draft
        self._plan = plan
        self._lane = draft.before
        self._now_us = draft.now_us
        self._unproven: list[tuple[EntryDraft, Target, Identity]] = []
        self._why: dict[str, tuple[Code, str | None]] = {}  # by result id: of missing offers, why none is created

    # -- entries whose unit is not proven

    def asked_again(self, row: EntryDraft, target: Target, identity: Identity) -> Identity:
        """Returns the identity, or Unproven or Waiting if the event may trigger another look-up.

        An event that arrived after the last look-up does not always have to rely on it.
        """
        miss = self._miss_of(row, target)
        if miss is None:
            return identity
        at_us = asks_again_at_us(miss.looked_at_us, row.entry, none_left=self._rank(row) == 0)
        if at_us is None:
            return identity
        return UNPROVEN if self._now_us >= at_us else Waiting(at_us)

    def unproven(self, row: EntryDraft, target: Target, identity: Identity) -> None:
        """Notes an entry that is Unproven, Waiting or Missing; ``plan_unproven`` plans what it needs."""
        self._unproven.append((row, target, identity))

    def plan_unproven(self) -> None:
        """Plans the look-ups and wake-ups of the noted entries that are still open."""
        for row, target, identity in self._unproven:
            if row.open:
                self._await(row, target, identity)

    def missing(self) -> list[tuple[EntryDraft, Target, Missing]]:
        """Returns the open entries whose offer was looked up for good and not found."""
        if not self._unproven:
            return []
        return [(row, target, one) for row, target, one in self._unproven if isinstance(one, Missing) and row.open]

    def explain(self, result_id: str, code: Code, hint: str | None) -> None:
        """Notes why no unit is created for a missing offer. ``hint`` None: one may be, so nothing is announced yet."""
        self._why[result_id] = code, hint

    def to_announce(self) -> list[tuple[str, Missing]]:
        """Returns, by result id, the open entries for which a result NOT_FOUND is due."""
        found = []
        for row, _, missing in self.missing():
            code, hint = self._why.get(row.entry.result_id, (missing.code, ""))
            if hint is not None and _is_to_be_announced(row.entry, missing.miss):
                found.append((row.entry.result_id, replace(missing, code=code, hint=hint)))
        return found

    def _await(self, row: EntryDraft, target: Target, identity: Identity) -> None:
        match identity:
            case Unproven():
                rank, since_us = self._rank(row), row.since_us
                if self._awaits_sweep(row, target, rank):
                    return
                miss = self._miss_of(row, target)
                if miss is not None:
                    rank, since_us = rank_missed(row, miss, none_left=rank == 0)
                self._plan.look_up(target.account, target.storefront, rank, since_us, row.entry.condition)
            case Waiting(until_us):
                self._plan.wake(until_us)
            case Missing(miss, _):
                self._plan.wake(miss.next_check_at_us)
            case Proven() | Unclear():  # never passed to ``unproven``
                pass

    def _awaits_sweep(self, row: EntryDraft, target: Target, rank: int) -> bool:
        """Whether an event waits for a sweep instead of a look-up; a stock of zero and a comparison never do."""
        note = find_note(self._lane, (target.account, target.storefront))
        if note is None or rank == 0 or row.entry.is_compared or self._now_us >= note.next_check_at_us:
            return False
        self._plan.wake(note.next_check_at_us)
        return True

    def _miss_of(self, row: EntryDraft, target: Target) -> Miss | None:
        return find_miss(self._lane.misses, target.account, target.storefront, row.entry.condition or "")

    def _rank(self, row: EntryDraft) -> int:
        return min(rank_unproven(self._draft, row, asked) for asked in row.open)

    # -- units that are proven

    def waits_for_fulfilment(self, row: EntryDraft, value: int, members: Sequence[KnownUnit]) -> bool:
        """Whether stock waits for another look-up of units that the marketplace fulfils; plans that look-up.

        The seller may have begun to fulfil a unit since it was looked up, so a later event triggers a look-up.
        """
        for member in members:
            at_us = asks_again_at_us(member.proved_at_us, row.entry, none_left=value == 0)
            if at_us is None or self.failed(member.account, member.storefront):
                continue
            if self._now_us < at_us:
                self._plan.wake(at_us)
            else:
                rank = BACKGROUND if value == 0 else BACKGROUND + 1
                self._plan.look_up(member.account, member.storefront, rank, row.since_us)
            return True
        return False

    def waits_for_links(self, unit: KnownUnit, rank: int, since_us: int) -> bool:
        """Whether stock waits until every storefront of the account was looked up, because units may share it.

        Plans the look-ups. The wait ends ``link_wait_s`` after the unit itself was looked up. Storefronts whose sweep
        is awaited are not looked up, unless the stock is zero.
        """
        unknown = [
            storefront
            for storefront in self._draft.terms.routing.storefronts_of(unit.account)
            if not looked(self._lane, unit.account, storefront) and not self.failed(unit.account, storefront)
        ]
        awaited = [] if rank == 0 else self._awaited(unit.account, unknown)
        for storefront in unknown:
            if storefront not in awaited:
                self._plan.look_up(unit.account, storefront, rank, since_us)
        if awaited:
            return True
        patience_us = unit.proved_at_us + us(self._draft.terms.policy.link_wait_s)
        if not unknown or self._now_us >= patience_us:
            return False
        self._plan.wake(patience_us)
        return True

    def _awaited(self, account: str, storefronts: Sequence[str]) -> list[str]:
        """Returns those of the storefronts whose sweep is awaited, and has the lane woken when it was for too long."""
        found = [(storefront, find_note(self._lane, (account, storefront))) for storefront in storefronts]
        waits = [(at, note) for at, note in found if note is not None and self._now_us < note.next_check_at_us]
        for _, note in waits:
            self._plan.wake(note.next_check_at_us)
        return [at for at, _ in waits]

    def newer_may_be_linked(self, order: Recency, unit: KnownUnit) -> bool:
        """Whether a newer stock of the account waits for its first look-up, which may show that it is the same stock.

        The wait needs no limit: the newer event wants that look-up, and ends if it fails. If a previous owner of the
        partition wrote the newer stock, but its look-up did not become durable, sending the older stock first would
        undo that write.
        """
        return unit.offer_id is not None and any(
            target.account == unit.account
            and any(asked.field is Field.STOCK and self._draft.order_of(row, asked) > order for asked in row.open)
            and not looked(self._lane, target.account, target.storefront)
            for row, target, _ in self._unproven
        )

    def failed(self, account: str, storefront: str) -> bool:
        """Whether a look-up of the storefront failed so recently that it is not repeated for linked units alone."""
        return any(
            m.code == LOOKUP_FAILED
            and m.storefront == storefront
            and m.account == account
            and self._now_us < m.next_check_at_us
            for m in self._lane.misses
        )

    def plan_read_backs(self) -> None:
        """Plans the due look-ups that read back values after a lost answer, and the wake-ups for the others."""
        for miss in self._lane.misses:
            if miss.code == READ_BACK:
                if self._now_us >= miss.next_check_at_us:
                    self._plan.look_up(miss.account, miss.storefront, RECHECK_RANK, miss.since_us)
                else:
                    self._plan.wake(miss.next_check_at_us)


def _is_to_be_announced(entry: LedgerEntry, miss: Miss) -> bool:
    """Whether a NOT_FOUND result is due: for the first time, or once more after the event was read again."""
    if entry.asked_again:
        return (miss.looked_at_us or 0) >= entry.received_at_us
    return entry.announced is not Announced.NOT_FOUND
