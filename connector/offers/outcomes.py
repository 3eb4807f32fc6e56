"""What an answer teaches: facts about units, and how the fields that were sent ended. Look-ups yield facts. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import assert_never

from connector.contracts.codes import Code, explain, known
from connector.contracts.problem import Problem, ProblemError
from connector.marketplace.offers import Accepted, Field, Found, Gone, Refused, Unit
from connector.offers.entry_draft import EntryDraft
from connector.offers.events import Announced, FieldStatus, Miss, Sent
from connector.offers.field_knowledge import (
    accepted,
    doubted,
    given_up,
    group_of,
    not_applied,
    observed,
    renewed,
    written_before,
)
from connector.offers.gtin import GtinError, normal_form
from connector.offers.guards import Refusal, refuse
from connector.offers.identity import (
    ANY_CONDITION,
    LOOKUP_FAILED,
    READ_BACK,
    Proven,
    recheck_after_us,
    renew_misses,
    resolve,
)
from connector.offers.ledger import Asked, Fact, FieldOutcome, KnownUnit, LedgerEntry, OfferLane
from connector.offers.locations import total_for
from connector.offers.owners import OfferClaim, OfferRelease, Owner, ReleasedClaims
from connector.offers.policy import OfferPolicy, OfferTerms, us
from connector.offers.stock import offered
from connector.offers.wants import Carried, OfferLookUp, OfferUpdate
from streams.flow import Answered, GaveUp, Lost, Settled
from streams.frozen import replace


def learn(lane: OfferLane, answered: Answered, terms: OfferTerms, now_us: int) -> OfferLane:
    match answered.want.body:
        case OfferLookUp() as look_up:
            return _of_look_up(lane, look_up, answered, terms, now_us)
        case OfferUpdate() as update:
            return _of_update(lane, update, answered, terms, now_us)
        case OfferClaim() as claim:
            return _of_claim(lane, claim, answered, now_us)
        case OfferRelease() as release:
            return _of_release(lane, release, answered)
        case other:
            raise TypeError(f"an offer lane never wants {other!r}")


# ---- look-ups -------------------------------------------------------------------------------------------------------


def _of_look_up(lane: OfferLane, look_up: OfferLookUp, answered: Answered, terms: OfferTerms, now_us: int) -> OfferLane:
    match answered.reply:
        case Settled(answer=Found(units=units)):
            return _found(lane, look_up, units, answered, terms, now_us)
        case Settled(answer=Gone()):
            return _found(lane, look_up, (), answered, terms, now_us)
        case Settled(answer=Refused() as refused):
            refusal = _refusal(refused, Code.LOOKUP_REFUSED, ean=lane.ean, storefront=look_up.storefront)
            return _not_looked(_looked(lane, look_up, answered, terms), look_up, refusal, terms, now_us)
        case GaveUp(reason=reason):
            refusal = refuse(Code.GAVE_UP, reason=reason)
            return _not_looked(_looked(lane, look_up, answered, terms), look_up, refusal, terms, now_us)
        case Lost():
            return lane
        case Settled(answer=other):
            raise TypeError(f"a look-up is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _found(
    lane: OfferLane,
    look_up: OfferLookUp,
    shown: Sequence[Unit],
    answered: Answered,
    terms: OfferTerms,
    now_us: int,
) -> OfferLane:
    account, storefront = look_up.account, look_up.storefront
    own = [unit for unit in shown if unit.storefront == storefront and _is_of(lane.ean, unit)]
    before = lane = _looked(lane, look_up, answered, terms)
    release_at_us = now_us + us(terms.policy.read_back_s)
    lane = replace(lane, units=_units_after(lane, account, storefront, own, answered, release_at_us))
    meaning = _meaning(lane, account, storefront, terms)
    misses = renew_misses(
        before, lane, account, storefront, meaning, now_us, terms.policy, answered.sent_us, _calls_of(answered)
    )
    return replace(lane, misses=misses)


def _looked(lane: OfferLane, look_up: OfferLookUp, answered: Answered, terms: OfferTerms) -> OfferLane:
    """Every event that the look-up was for remembers its call, for the result to name it."""
    meant = {entry.result_id for entry in _meaning(lane, look_up.account, look_up.storefront, terms)}
    entries = tuple(
        replace(entry, lookup_call_ids=(*entry.lookup_call_ids, *_calls_of(answered))[-_CALLS_NAMED:])
        if entry.result_id in meant
        else entry
        for entry in lane.entries
    )
    return replace(lane, entries=entries) if meant else lane


def _calls_of(answered: Answered) -> tuple[str, ...]:
    match answered.reply:
        case Settled(answer=Found(call_ids=call_ids)) if call_ids:
            return call_ids
        case _:
            return (answered.call_id,)


_CALLS_NAMED = 6
"""What is looked for again for months must not name every look."""


def _is_of(ean: str, unit: Unit) -> bool:
    """An answer that says its EANs must name ours; one that does not say is believed."""
    return not unit.eans or any(_same(ean, other) for other in unit.eans)


def _same(ean: str, other: str) -> bool:
    try:
        return normal_form(other) == ean
    except GtinError:
        return False


def _units_after(
    lane: OfferLane, account: str, storefront: str, shown: Sequence[Unit], answered: Answered, release_at_us: int
) -> tuple[KnownUnit, ...]:
    """``release_at_us``: when a claim on a unit that is not shown any more may be released; by then this is durable."""
    at_us = answered.answered_us or answered.sent_us
    known = {u.unit_id: u for u in lane.units if u.account == account and u.storefront == storefront}
    renamed = {
        before.offer_id
        for unit in shown
        if (before := known.get(unit.unit_id)) is not None and before.offer_id != unit.offer_id
    }
    units = [
        _to_be_looked_up(u, renamed) if u.account == account else u
        for u in lane.units
        if u.account != account or u.storefront != storefront
    ]
    gone = {unit_id: u for unit_id, u in known.items() if all(s.unit_id != unit_id for s in shown)}
    for unit in shown:
        prior = known.get(unit.unit_id) or _taken_over(unit, gone)
        claimed = known.get(unit.unit_id)
        other_eans = _other_eans(lane.ean, unit)
        is_renamed = claimed is not None and claimed.offer_id != unit.offer_id
        if is_renamed:
            claimed = None  # it is claimed anew, once what was claimed under the other names is released
        owner = claimed.owner if claimed is not None and (other_eans or claimed.owner == lane.ean) else None
        units.append(
            KnownUnit(
                account=account,
                storefront=storefront,
                condition=unit.condition.value,
                unit_id=unit.unit_id,
                offer_id=unit.offer_id,
                status=unit.status,
                fulfilled_by_marketplace=unit.fulfilled_by_marketplace,
                proved_at_us=at_us,
                facts=observed(
                    prior.facts if prior is not None else {}, unit.values, unit.read_at_us or answered.sent_us, at_us
                ),
                other_eans=other_eans,
                owner=owner,
                owner_asked_us=claimed.owner_asked_us if claimed is not None else None,
                claims=prior.claims if prior is not None else (),
                release_at_us=_release_at_us(prior, release_at_us if is_renamed else None),
            )
        )
    units += (_no_longer_shown(old, release_at_us) for old in gone.values() if _is_to_be_kept(old))
    return tuple(units)


def _to_be_looked_up(unit: KnownUnit, renamed: set[str | None]) -> KnownUnit:
    """Units that shared an offer id share the next one, too, as a rule: what is known of their links is void."""
    return replace(unit, proved_at_us=0) if unit.offer_id is not None and unit.offer_id in renamed else unit


def _release_at_us(prior: KnownUnit | None, from_us: int | None) -> int | None:
    """When its claims are to be released: as it was planned, or from then on."""
    if prior is None or not prior.claims or prior.release_at_us is not None:
        return prior.release_at_us if prior is not None else None
    return from_us


def _other_eans(ean: str, unit: Unit) -> tuple[str, ...]:
    return tuple(sorted({other for other in unit.eans if not _same(ean, other)}))


def _is_to_be_kept(unit: KnownUnit) -> bool:
    """Of a unit that is not shown any more: for the orders that it accepted, or until its claims are released."""
    return bool(unit.claims) or any(fact.order is not None for fact in unit.facts.values())


def _no_longer_shown(unit: KnownUnit, release_at_us: int) -> KnownUnit:
    return replace(unit, proved_at_us=0, release_at_us=_release_at_us(unit, release_at_us))


def _taken_over(unit: Unit, gone: dict[int, KnownUnit]) -> KnownUnit | None:
    """A unit made again under another number keeps the orders of the one whose offer id it has."""
    for old in gone.values():
        if unit.offer_id is not None and (old.offer_id, old.condition) == (unit.offer_id, unit.condition.value):
            return gone.pop(old.unit_id)
    return None


def _meaning(lane: OfferLane, account: str, storefront: str, terms: OfferTerms) -> list[LedgerEntry]:
    """The undone events of this storefront."""
    meant = []
    for entry in lane.entries:
        target = terms.routing.find(entry.target_id)
        if entry.open and target is not None and (target.account, target.storefront) == (account, storefront):
            meant.append(entry)
    return meant


def _not_looked(lane: OfferLane, look_up: OfferLookUp, fault: Refusal, terms: OfferTerms, now_us: int) -> OfferLane:
    """What needs this storefront's units fails, less what was announced; what only needs its links goes on without."""
    account, storefront = look_up.account, look_up.storefront
    meant = {
        e.result_id
        for e in _meaning(lane, account, storefront, terms)
        if e.announced is Announced.NONE and not _is_proven(lane, e, terms, now_us)
    }
    lane = _end_replays(_end_entries(lane, meant, FieldStatus.FAILED, fault), account, storefront, fault, terms)
    failed = Miss(
        account=account,
        storefront=storefront,
        condition=ANY_CONDITION,
        code=LOOKUP_FAILED,
        since_us=now_us,
        next_check_at_us=now_us + us(terms.policy.lookup_failed_s),
    )
    rest = (
        replace(m, next_check_at_us=max(m.next_check_at_us, now_us + recheck_after_us(m, now_us, terms.policy)))
        if (m.account, m.storefront) == (account, storefront)
        else m
        for m in _without(lane, account, storefront, _SCHEDULED)
    )
    return replace(lane, misses=(*rest, failed))


_SCHEDULED = frozenset((LOOKUP_FAILED, READ_BACK))


def _without(lane: OfferLane, account: str, storefront: str, codes: frozenset[str]) -> tuple[Miss, ...]:
    return tuple(m for m in lane.misses if m.account != account or m.storefront != storefront or m.code not in codes)


def _is_proven(lane: OfferLane, entry: LedgerEntry, terms: OfferTerms, now_us: int) -> bool:
    target = terms.routing.find(entry.target_id)
    return target is not None and isinstance(resolve(lane, target.account, target.storefront, entry, now_us), Proven)


def _end_entries(lane: OfferLane, result_ids: set[str], status: FieldStatus, fault: Refusal) -> OfferLane:
    if not result_ids:
        return lane
    entries = tuple(_end_open(e, status, fault) if e.result_id in result_ids else e for e in lane.entries)
    return replace(lane, entries=entries)


def _end_replays(lane: OfferLane, account: str, storefront: str, fault: Refusal, terms: OfferTerms) -> OfferLane:
    """An announced event that was read again: this processing of it fails, and what was announced stands as before."""
    entries: list[LedgerEntry] = []
    meant = {entry.result_id for entry in _meaning(lane, account, storefront, terms) if entry.asked_again}
    for entry in lane.entries:
        if entry.result_id not in meant:
            entries.append(entry)
            continue
        replay = replace(entry, announced=Announced.NONE, asked_again=False)
        entries += [_end_open(replay, FieldStatus.FAILED, fault), replace(entry, asked_again=False)]
    return replace(lane, entries=tuple(entries)) if meant else lane


def _end_open(entry: LedgerEntry, status: FieldStatus, fault: Refusal) -> LedgerEntry:
    row = EntryDraft(entry)
    for asked in entry.open:
        row.end(FieldOutcome(field=asked.field, status=status, code=fault.code), fault.problem)
    return row.result()


# ---- claims ---------------------------------------------------------------------------------------------------------


def _of_claim(lane: OfferLane, claim: OfferClaim, answered: Answered, now_us: int) -> OfferLane:
    match answered.reply:
        case Settled(answer=Owner() as owner):
            return _changed(lane, claim, lambda unit: _owned(_claimed(unit, claim, lane, now_us), owner, claim, now_us))
        case Lost() | GaveUp():  # it is still wanted, and may stand
            return _changed(lane, claim, lambda unit: _claimed(unit, claim, lane, now_us))
        case Settled(answer=other):
            raise TypeError(f"a claim is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _claimed(unit: KnownUnit, claim: OfferClaim, lane: OfferLane, now_us: int) -> KnownUnit:
    """A unit whose claim may stand. One that was withdrawn or got another offer id meanwhile lets go at once."""
    claims = (*unit.claims, *(name for name in claim.names if name not in unit.claims))
    kept = lane.managed and unit.names == claim.names
    return replace(unit, claims=claims, release_at_us=unit.release_at_us if kept else now_us)


def _owned(unit: KnownUnit, owner: Owner, claim: OfferClaim, now_us: int) -> KnownUnit:
    if unit.names != claim.names:
        return unit
    return replace(
        unit,
        owner=owner.ean,
        owner_asked_us=now_us,
        facts=written_before(unit, owner.accepted) if owner.ean == claim.ean else unit.facts,
    )


def _of_release(lane: OfferLane, release: OfferRelease, answered: Answered) -> OfferLane:
    match answered.reply:
        case Settled(answer=ReleasedClaims()):
            lane = _changed(lane, release, _let_go)
            kept = tuple(u for u in lane.units if u.proved_at_us or _is_to_be_kept(u))
            return replace(lane, units=kept)
        case Lost() | GaveUp():
            return lane  # it is still wanted
        case Settled(answer=other):
            raise TypeError(f"a release is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)


def _let_go(unit: KnownUnit) -> KnownUnit:
    return replace(unit, owner=None, owner_asked_us=None, claims=(), release_at_us=None)


def _changed(lane: OfferLane, about: OfferClaim | OfferRelease, change: Callable[[KnownUnit], KnownUnit]) -> OfferLane:
    """With a change of the unit that the claim or release is about."""
    named = (about.account, about.unit_id)
    units = tuple(change(unit) if (unit.account, unit.unit_id) == named else unit for unit in lane.units)
    return replace(lane, units=units)


# ---- updates --------------------------------------------------------------------------------------------------------


def _of_update(lane: OfferLane, update: OfferUpdate, answered: Answered, terms: OfferTerms, now_us: int) -> OfferLane:
    unit = next((u for u in lane.units if u.unit_id == update.unit_id and u.account == update.account), None)
    if unit is None:
        raise ValueError(f"an answer for unit {update.unit_id}, which the lane {lane.ean} never knew")
    ledger = UpdateAnswerDraft(lane, unit, update, answered, terms.policy)
    match answered.reply:
        case Settled(answer=Accepted(unit=shown)):
            ledger.accept(shown)
        case Settled(answer=Refused() as refused):
            ledger.refuse(refused)
        case Settled(answer=Gone()):
            ledger.gone()
        case Lost():
            ledger.lose(now_us, us(terms.policy.read_back_s))
        case GaveUp(reason=reason):
            ledger.give_up(reason, now_us)
        case Settled(answer=other):
            raise TypeError(f"an update is never answered by {other!r}")
        case unreachable:
            assert_never(unreachable)
    return ledger.lane()


class UpdateAnswerDraft:
    """The working copy of one answer to an update: rows and facts change in place; the lane is made at the end."""

    def __init__(
        self, lane: OfferLane, unit: KnownUnit, update: OfferUpdate, answered: Answered, policy: OfferPolicy
    ) -> None:
        self._lane = lane
        self._policy = policy
        self._unit = unit
        self._update = update
        self._answered = answered
        self._at_us = answered.answered_us or answered.sent_us
        self._units = {(u.account, u.unit_id): u for u in lane.units}
        self._facts: dict[tuple[str, int], dict[Field, Fact]] = {}  # of the units whose facts change
        self._misses = lane.misses
        self._before = {c.field: self._known(c.field) for c in update.carried}
        self._rows = {entry.result_id: EntryDraft(entry) for entry in lane.entries}
        for row in self._carried_rows():
            row.unit, row.sent = unit, self._sent(row.entry)

    def lane(self) -> OfferLane:
        units = (
            replace(unit, facts=facts) if (facts := self._facts.get(key)) else unit for key, unit in self._units.items()
        )
        return replace(
            self._lane,
            units=tuple(units),
            misses=self._misses,
            entries=tuple(row.result() for row in self._rows.values()),
        )

    def accept(self, shown: Unit | None) -> None:
        values = shown.values if shown is not None else {}
        for carried in self._update.carried:
            field = carried.field
            got = values.get(field, carried.value)
            for facts in self._group_facts(field):
                if got == carried.value:
                    facts[field] = accepted(facts.get(field), got, carried.order, carried.event_id, self._at_us)
                else:
                    facts[field] = not_applied(facts.get(field), got, carried.order, self._at_us)
            if got == carried.value:
                self._end(carried, FieldStatus.APPLIED)
            else:
                fault = refuse(Code.ACCEPTED_NOT_APPLIED, field=field, sent=carried.value, got=got)
                self._end(carried, FieldStatus.REJECTED, fault)
        if shown is not None:
            self._learn_the_rest(shown)

    def _learn_the_rest(self, shown: Unit) -> None:
        """What the answer shows beside the values that were sent."""
        sent = {c.field for c in self._update.carried}
        facts = self._facts_of(self._unit)
        for field, value in shown.values.items():
            if field not in sent and (fact := facts.get(field)) is not None:
                facts[field] = renewed(fact, value, self._answered.sent_us, self._at_us)
        renamed = shown.offer_id is not None and shown.offer_id != self._unit.offer_id
        if renamed or shown.status != self._unit.status:
            # a unit that got another offer id is looked up anew: its links and its owner may have changed
            proved_at_us = 0 if renamed else self._unit.proved_at_us
            self._put(replace(self._unit, status=shown.status, proved_at_us=proved_at_us))
        for row in self._carried_rows():
            if row.sent is not None:
                row.sent = replace(row.sent, unit_status=shown.status)

    def refuse(self, refused: Refused) -> None:
        """The named fields have ended; when none is named, the fields go on one by one, stock first."""
        named = {error.field for error in refused.errors if error.field is not None}
        blamed = [c for c in self._update.carried if c.field in named]
        if not blamed and len(self._update.values) == 1:
            blamed = list(self._update.carried)
        for carried in blamed:
            said = {"fields": carried.field, "storefront": self._unit.storefront}
            self._end(carried, FieldStatus.REJECTED, _refusal(refused, Code.MARKETPLACE_REFUSED, **said))
        if not blamed:
            for row in self._carried_rows():
                row.one_by_one = True

    def gone(self) -> None:
        """The unit must be proved again, once; what is remembered of its storefront is void."""
        for carried in self._update.carried:
            row = self._rows.get(carried.result_id)
            if row is not None and row.proved_again:
                self._end(carried, FieldStatus.FAILED, refuse(Code.UNIT_GONE, unit_id=self._update.unit_id))
        for row in self._carried_rows():
            row.proved_again = True
        place = (self._unit.account, self._unit.storefront)
        for unit in self._lane.units:
            if (unit.account, unit.storefront) == place:
                self._put(replace(unit, proved_at_us=0))
        self._misses = tuple(m for m in self._misses if (m.account, m.storefront) != place)

    def lose(self, now_us: int, read_back_us: int) -> None:
        """The newest value goes again, and the marketplace is asked once what it holds."""
        self._doubt(now_us)
        self._let_nothing_older_follow()
        read_back = Miss(
            account=self._unit.account,
            storefront=self._unit.storefront,
            condition=self._unit.condition,
            code=READ_BACK,
            since_us=now_us,
            next_check_at_us=now_us + read_back_us,
        )
        rest = _without(self._lane, self._unit.account, self._unit.storefront, frozenset((READ_BACK,)))
        self._misses = (*rest, read_back)

    def give_up(self, reason: str, now_us: int) -> None:
        """Any of the attempts may have been carried out."""
        self._doubt(now_us)
        self._let_nothing_older_follow()
        for carried in self._update.carried:
            self._end(carried, FieldStatus.FAILED, refuse(Code.GAVE_UP, reason=reason))

    # -- the small moves

    def _let_nothing_older_follow(self) -> None:
        """What was carried may have been accepted, unheard."""
        for carried in self._update.carried:
            for facts in self._group_facts(carried.field):
                facts[carried.field] = given_up(facts.get(carried.field), carried.order)

    def _doubt(self, now_us: int) -> None:
        for field in self._update.values:
            for facts in self._group_facts(field):
                facts[field] = doubted(facts.get(field), now_us)

    def _group_facts(self, field: Field) -> Iterator[dict[Field, Fact]]:
        """Of all units that a write of this field moves."""
        return map(self._facts_of, group_of(self._lane.units, self._unit, field))

    def _facts_of(self, unit: KnownUnit) -> dict[Field, Fact]:
        key = (unit.account, unit.unit_id)
        if key not in self._facts:
            self._facts[key] = dict(unit.facts)
        return self._facts[key]

    def _known(self, field: Field) -> int | None:
        fact = self._unit.facts.get(field)
        return fact.value if fact is not None else None

    def _put(self, unit: KnownUnit) -> None:
        self._units[unit.account, unit.unit_id] = unit

    def _carried_rows(self) -> list[EntryDraft]:
        """Of the events whose values left, as far as they still stand."""
        return [row for of in {c.result_id for c in self._update.carried} if (row := self._rows.get(of)) is not None]

    def _end(self, carried: Carried, status: FieldStatus, fault: Refusal | None = None) -> None:
        """Of the event that this value left for, if it still stands and still wants the field."""
        row = self._rows.get(carried.result_id)
        asked = next((asked for asked in row.open if asked.field is carried.field), None) if row is not None else None
        if row is None or asked is None or not self._is_still_meant(row.entry, asked, carried):
            return
        clamped = offered(self._policy, row.entry, asked, total_for(self._lane, row.entry, asked)).clamped
        end = FieldOutcome(
            field=carried.field,
            status=status,
            code=fault.code if fault is not None else Code.CLAMPED if clamped else None,
            before=self._before[carried.field],
            sent=carried.value,
        )
        row.end(end, fault.problem if fault is not None else None)

    def _is_still_meant(self, entry: LedgerEntry, asked: Asked, carried: Carried) -> bool:
        """A tombstone that came late takes older locations out of a total that has left: the rest must follow."""
        total = total_for(self._lane, entry, asked)
        return total is None or offered(self._policy, entry, asked, total).value == carried.value

    def _sent(self, entry: LedgerEntry) -> Sent:
        earlier = entry.sent
        answered = self._answered
        return Sent(
            account=self._unit.account,
            storefront=self._unit.storefront,
            offer_id=self._unit.offer_id,
            call_ids=(*(earlier.call_ids if earlier is not None else ()), answered.call_id),
            attempts=(earlier.attempts if earlier is not None else 0) + answered.attempts,
            sent_at_us=answered.sent_us,
            answered_at_us=answered.answered_us,
            unit_status=earlier.unit_status if earlier is not None else None,
            storefronts_moved=self._moved() or (earlier.storefronts_moved if earlier is not None else ()),
        )

    def _moved(self) -> tuple[str, ...]:
        """Storefronts whose linked stock moved as well."""
        if Field.STOCK not in self._update.values:
            return ()
        group = group_of(self._lane.units, self._unit, Field.STOCK)
        return tuple(sorted(unit.storefront for unit in group if unit.unit_id != self._unit.unit_id))


def _refusal(refused: Refused, otherwise: Code, **values: str) -> Refusal:
    """By the edge's own code where it is one of ours."""
    code = known(refused.code, otherwise)
    return Refusal(code, _in_its_words(explain(code, **values, message=refused.message), refused))


def _in_its_words(problem: Problem, refused: Refused) -> Problem:
    return replace(
        problem,
        http_status=refused.http_status,
        type=refused.type,
        marketplace_message=refused.message,
        errors=tuple(ProblemError(field=error.name, message=error.message) for error in refused.errors),
    )
