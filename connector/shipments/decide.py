"""Decides, for each order unit of each undone event, whether it ends now or which call it needs next. Pure.

Decisions depend on facts about order units only: which event confirmed a unit, and with which parcels. So an event that
comes again ends the same way without a call. Only the draft, the working copy of this turn, is changed. What all lanes
of the process share is handed in and only read: the flow notes which lane reads an account's carriers.
"""

from collections.abc import Sequence

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.marketplace.orders import SENT, UnitStatus
from connector.shipments.carrier_choice import carrier_codes
from connector.shipments.coded_status import CodedStatus, coded, rejected
from connector.shipments.events import ShipmentStatus, ShippedUnit
from connector.shipments.guards import check_account
from connector.shipments.ledger import find_parcel, numbers_of, parcel_slot, with_parcels
from connector.shipments.parcel_outcome import outcome_of
from connector.shipments.plan import RANK, RECHECK_RANK, PlannedParcel, PlannedRead, PlannedSend, ShipmentPlan
from connector.shipments.shared import ShipmentShared
from connector.shipments.shipment_draft import ShipmentDraft, ShipmentEntry, uncertain_parcel
from streams.frozen import replace


def decide(draft: ShipmentDraft, shared: ShipmentShared) -> ShipmentPlan:
    """Ends in the draft what can end now, and returns the plan for the rest."""
    decision = _Decision(draft, shared)
    decision.admit_events()
    decision.decide_units()
    return decision.plan()


class _Decision:
    """Collects the plan of one turn."""

    def __init__(self, draft: ShipmentDraft, shared: ShipmentShared) -> None:
        self._draft = draft
        self._shared = shared
        self._policy = draft.terms.policy
        self._now_us = draft.now_us
        self._sends: list[PlannedSend] = []
        self._posts: dict[str, PlannedParcel] = {}
        self._reads: list[PlannedRead] = []
        self._orders: dict[str, PlannedRead] = {}
        self._carriers: dict[str, PlannedRead] = {}
        self._wake_at_us: int | None = None

    def admit_events(self) -> None:
        """Ends events whose account may not ship, and plans to read the order of those whose units are not known.

        If a unit that was chosen for an event was cancelled before it was sent, units are chosen again.
        """
        for entry in self._draft.entries:
            if entry.event.items and any(map(self._draft.was_cancelled_unsent, entry.open)):
                entry.choose_again()
            if entry.open or entry.is_unread:
                self._admit(entry)

    def _admit(self, entry: ShipmentEntry) -> None:
        account, since_us = entry.event.account, entry.event.received_at_us
        if (problem := check_account(account, self._policy)) is not None:
            self._draft.end_all(entry, problem)
        elif entry.is_unread:
            self._orders.setdefault(account, PlannedRead(account, RANK, since_us))

    def decide_units(self) -> None:
        """Decides every order unit that some event has open."""
        draft = self._draft
        for order_unit_id in dict.fromkeys(identifier for entry in draft.entries for identifier in entry.open):
            self._unit(draft.units[order_unit_id])

    def _unit(self, unit: ShippedUnit) -> None:
        draft = self._draft
        entries = draft.entries_of(unit.order_unit_id)
        if unit.status in SENT and unit.confirmed_by is None and unit.tried_by is not None:
            adopted = self._adopted(unit, entries)
            if adopted is None:
                return
            unit = draft.units[unit.order_unit_id] = adopted
            entries = draft.entries_of(unit.order_unit_id)
        if unit.confirmed_by is not None:
            for entry in entries:
                self._sent_by_us(unit, entry)
        elif unit.status in SENT:
            for entry in entries:
                self._sent_by_another(unit, entry)
        elif unit.status is UnitStatus.CANCELLED:
            for entry in entries:
                draft.end(entry, unit.order_unit_id, rejected(Code.ORDER_UNIT_CANCELLED, unit=unit.order_unit_id))
        else:
            self._to_be_sent(unit, entries)

    def _adopted(self, unit: ShippedUnit, entries: Sequence[ShipmentEntry]) -> ShippedUnit | None:
        """Returns a unit that is sent as confirmed by the send whose answer was lost, with that send's parcels.

        None: the event's carriers must be read first.
        """
        noted = tuple(parcel for parcel in unit.parcels if parcel.with_send)
        entry = next((entry for entry in entries if entry.event.event_id == unit.tried_by), None)
        if not noted and entry is not None:
            group = self._send_group(entry, unit.order_unit_id)
            if group is None and unit.order_unit_id in entry.open:
                return None
            code, numbers = group if group is not None else ("", ())
            noted = tuple(uncertain_parcel(entry.event, number, code, self._now_us) for number in numbers)
        unit = self._draft.units[unit.order_unit_id]  # ending the event may have noted parcels on the unit
        unit = replace(unit, confirmed_by=unit.tried_by, tried_by=None, sent_at_us=unit.checked_at_us)
        return with_parcels(unit, *noted)

    # ---- units that are sent ----------------------------------------------------------------------------------------

    def _sent_by_another(self, unit: ShippedUnit, entry: ShipmentEntry) -> None:
        """Ends an event as ALREADY_CONFIRMED on a unit that was not sent by this connector."""
        code = Code.NOTHING_LEFT_TO_SEND if entry.event.nothing_left else Code.SENT_BY_ANOTHER
        shows = unit.status_raw or unit.status.value
        found = coded(ShipmentStatus.ALREADY_CONFIRMED, code, unit=unit.order_unit_id, status=shows)
        if not entry.event.nothing_left:  # so that another event with the same parcel finds this unit
            self._draft.note_parcels(entry.event, self._draft.units[unit.order_unit_id])
        self._draft.end(entry, unit.order_unit_id, found)

    def _sent_by_us(self, unit: ShippedUnit, entry: ShipmentEntry) -> None:
        """Adds the event's parcels that the unit lacks; if it lacks none, the event ends."""
        identifier, open_unit = unit.order_unit_id, entry.open[unit.order_unit_id]
        if entry.event.nothing_left:
            self._draft.end(entry, identifier, coded(ShipmentStatus.ALREADY_CONFIRMED, Code.NOTHING_LEFT_TO_SEND))
            return
        lacking = [
            number
            for number in numbers_of(entry.event)
            if find_parcel(unit, number) is None and number not in open_unit.parcels_refused
        ]
        if not lacking:
            self._draft.end(entry, identifier, outcome_of(unit, entry.event, open_unit, self._policy))
            return
        codes = self._codes(entry, identifier)
        if codes is None:
            return
        if self._policy.dry_run:
            self._dry_run(entry, identifier, f"parcel {', '.join(lacking)} of order unit {identifier}")
            return
        for number in lacking:
            post = PlannedParcel(entry.event, identifier, codes[number], number, entry.event.received_at_us)
            self._posts.setdefault(parcel_slot(identifier, number), post)

    # ---- units that are still to be sent ----------------------------------------------------------------------------

    def _to_be_sent(self, unit: ShippedUnit, entries: Sequence[ShipmentEntry]) -> None:
        """Plans the send for the first event that may send the unit; its other events wait for the outcome."""
        since_us = min(entry.event.received_at_us for entry in entries)
        if any(entry.open[unit.order_unit_id].read_first for entry in entries):
            self._reads.append(PlannedRead(entries[0].event.account, RANK, since_us, unit.order_unit_id))
            return
        if unit.status is not UnitStatus.NEED_TO_BE_SENT:
            self._wait(unit, entries)
            return
        for entry in entries:
            if not self._send(unit, entry, since_us):
                return

    def _send(self, unit: ShippedUnit, entry: ShipmentEntry, since_us: int) -> bool:
        """Ends the event or plans its send. Returns True if the event has ended, so that the next one may send."""
        identifier = unit.order_unit_id
        if (words := entry.open[identifier].refused) is not None:
            message = words.message or f"HTTP {words.http_status}"
            self._draft.end(entry, identifier, rejected(Code.SEND_REFUSED, unit=identifier, message=message))
            return True
        group = self._send_group(entry, identifier)
        if group is None:
            return identifier not in entry.open
        if self._policy.dry_run:
            self._dry_run(entry, identifier, f"the confirmation of order unit {identifier}")
            return True
        self._sends.append(PlannedSend(entry.event, identifier, group[0], tuple(filter(None, group[1])), since_us))
        return False

    def _dry_run(self, entry: ShipmentEntry, order_unit_id: int, what: str) -> None:
        self._draft.end(entry, order_unit_id, coded(ShipmentStatus.DRY_RUN, Code.PARCELS_DRY_RUN, what=what))

    # ---- units that are not ready -----------------------------------------------------------------------------------

    def _wait(self, unit: ShippedUnit, entries: Sequence[ShipmentEntry]) -> None:
        """Plans to read the unit again until it is ready to be sent; ends events that have waited too long."""
        identifier = unit.order_unit_id
        for entry in entries:
            until_us = entry.event.received_at_us + us(self._policy.wait_open_s)
            if self._now_us < until_us:
                self._wake(until_us)
            else:
                self._draft.end(entry, identifier, self._too_late(unit, entry))
        if waiting := self._draft.entries_of(identifier):
            self._read_again(unit, waiting)

    def _read_again(self, unit: ShippedUnit, waiting: Sequence[ShipmentEntry]) -> None:
        """Plans to read the unit when it is due, or now if the order flow has seen its order with a unit to be sent."""
        account = waiting[0].event.account
        newest_us = max(entry.event.received_at_us for entry in waiting)
        waited_s = (unit.checked_at_us - newest_us) / us(1.0)
        due_us = unit.checked_at_us + us(self._policy.recheck_after_s(waited_s))
        if self._was_released(unit, account):
            due_us = min(due_us, self._now_us)
        if self._now_us >= due_us:
            self._reads.append(PlannedRead(account, RECHECK_RANK, due_us, unit.order_unit_id))
            return
        self._wake(due_us)
        if self._shared.released is not None:  # only another turn notices a release; it makes no call
            self._wake(self._now_us + us(self._policy.recheck_s))

    def _was_released(self, unit: ShippedUnit, account: str) -> bool:
        """Whether the order flow has seen the order with a unit to be sent since this unit was read."""
        released = self._shared.released
        noted_us = released.noted_at_us(account, self._draft.lane.order_id) if released is not None else None
        return noted_us is not None and noted_us > unit.checked_at_us

    def _too_late(self, unit: ShippedUnit, entry: ShipmentEntry) -> CodedStatus:
        return coded(
            ShipmentStatus.WAITING_TOO_LONG,
            Code.ORDER_UNIT_OPEN,
            unit=unit.order_unit_id,
            waited_s=(self._now_us - entry.event.received_at_us) // 1_000_000,
            status=unit.status_raw or unit.status.value,
        )

    # ---- carriers ---------------------------------------------------------------------------------------------------

    def _send_group(self, entry: ShipmentEntry, order_unit_id: int) -> tuple[str, tuple[str, ...]] | None:
        """Returns the first parcel's carrier code and the keys of all parcels with it, which are sent together.

        None as in ``_codes``.
        """
        codes = self._codes(entry, order_unit_id)
        if codes is None:
            return None
        first = next(iter(codes.values()))
        return first, tuple(number for number, code in codes.items() if code == first)

    def _codes(self, entry: ShipmentEntry, order_unit_id: int) -> dict[str, str] | None:
        """Returns carrier codes by tracking number. None: the carriers must be read first, or the unit has ended."""
        codes = carrier_codes(entry.event, self._shared.carriers, self._policy, self._now_us)
        if codes is None:
            self._read_carriers(entry, order_unit_id)
        elif isinstance(codes, CodedStatus):
            self._draft.end(entry, order_unit_id, codes)
        else:
            return codes
        return None

    def _read_carriers(self, entry: ShipmentEntry, order_unit_id: int) -> None:
        """Plans to read the account's carriers, or to wait for the lane that reads them.

        Ends the event on this unit if the carriers could not be read in this turn.
        """
        draft, account = self._draft, entry.event.account
        if draft.no_carriers is not None:
            draft.end(entry, order_unit_id, draft.no_carriers)
            return
        until_us = self._shared.carriers.wait_until_us(account, draft.lane.order_id, self._now_us)
        if until_us is None:
            self._carriers.setdefault(account, PlannedRead(account, RANK, entry.event.received_at_us))
        else:
            self._wake(until_us)

    # ---- the plan ---------------------------------------------------------------------------------------------------

    def _wake(self, at_us: int) -> None:
        self._wake_at_us = at_us if self._wake_at_us is None else min(at_us, self._wake_at_us)

    def plan(self) -> ShipmentPlan:
        return ShipmentPlan(
            ends=tuple(self._draft.ends),
            sends=tuple(self._sends),
            posts=tuple(self._posts.values()),
            units=tuple(self._reads),
            orders=tuple(self._orders.values()),
            carriers=tuple(self._carriers.values()),
            wake_at_us=self._wake_at_us,
        )
