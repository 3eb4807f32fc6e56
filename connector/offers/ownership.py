"""Decides when a lane claims and releases units: of several EANs that lead to one offer, one may write to it. Pure."""

from collections.abc import Sequence

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.offers.entry_draft import EntryDraft
from connector.offers.events import FieldStatus
from connector.offers.ledger import Asked, KnownUnit
from connector.offers.look_ups import LookUps, rank_unproven
from connector.offers.offer_draft import OfferDraft
from connector.offers.plan import PlanDraft
from connector.offers.refusal import refuse


class Ownership:
    """Plans the claims and releases of one turn."""

    def __init__(self, draft: OfferDraft, plan: PlanDraft, look_ups: LookUps) -> None:
        self._draft = draft
        self._plan = plan
        self._look_ups = look_ups

    def may_write(self, row: EntryDraft, asked: Asked, group: Sequence[KnownUnit]) -> bool:
        """Whether this EAN owns every unit that a write would change.

        Plans a claim if the owner of a unit is not known, and ends the field as REJECTED if it is another EAN. False
        also while claims on the units are being released.
        """
        free = True
        releasing = self._names_being_released()
        for unit in group:
            is_shared = bool(releasing) and any((unit.account, name) in releasing for name in unit.names)
            if unit.release_at_us is not None or is_shared:
                free = False
            elif unit.owner == self._draft.before.ean or not (unit.other_eans or unit.owner):
                continue
            elif self._is_others(unit):
                fault = refuse(Code.ALIAS_EAN, ean=self._draft.before.ean, unit_id=unit.unit_id, first=unit.owner)
                self._draft.end(row, asked.field, FieldStatus.REJECTED, fault)
                return False
            else:
                self._claim(unit, rank_unproven(self._draft, row, asked), row.since_us)
                free = False
        return free

    def plan_releases(self) -> None:
        """Plans the releases of claims that are due, and the wake-ups for those that are not."""
        for unit in self._draft.before.units:
            if unit.release_at_us is None:
                continue
            if self._draft.now_us >= unit.release_at_us:
                self._plan.release(unit, unit.release_at_us)
            else:
                self._plan.wake(unit.release_at_us)

    def _names_being_released(self) -> set[tuple[str, str]]:
        """Returns account and name of each claim whose release is planned but not done."""
        lane = self._draft.before
        return {
            (unit.account, name)
            for unit in lane.units
            if unit.release_at_us is not None
            for name in lane.released_with(unit)
        }

    def _is_others(self, unit: KnownUnit) -> bool:
        """Whether another EAN was found to be the owner less than ``owner_recheck_s`` ago."""
        again_us = (unit.owner_asked_us or 0) + us(self._draft.terms.policy.owner_recheck_s)
        return unit.owner is not None and self._draft.now_us < again_us

    def _claim(self, unit: KnownUnit, rank: int, since_us: int) -> None:
        """Plans a claim. If another EAN was the owner, first plans a look-up, as the unit's names may have changed."""
        refused = unit.owner is not None and unit.owner_asked_us is not None
        is_old = refused and unit.proved_at_us <= (unit.owner_asked_us or 0)
        if is_old and not self._look_ups.failed(unit.account, unit.storefront):
            self._plan.look_up(unit.account, unit.storefront, rank, since_us, unit.condition)
        else:
            self._plan.claim(unit, rank, since_us)
