"""Every order unit of every undone event is settled, as far as what is known allows; what is left is the plan. Pure.

The facts are the order units': confirmed by whom, with which parcels. What an event comes to is read from them, so an
event that comes again comes to the same without a call. Nothing but the ledger is kept from turn to turn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from connector.contracts.codes import Code
from connector.contracts.problem import Problem
from connector.marketplace.orders import SENT, UnitStatus
from connector.shipments.carriers import Unmatched
from connector.shipments.events import (
    MarketplaceWords,
    OpenUnit,
    ParcelState,
    ShipmentStatus,
    ShippedUnit,
    UndoneShipment,
)
from connector.shipments.guards import CodedStatus, check_account, coded, rejected
from connector.shipments.ledger import (
    UNTRACKED,
    ShipmentLane,
    ShipmentTerms,
    carrier_of,
    find_parcel,
    numbers_of,
    order_of,
    over,
    parcel_slot,
    parcels_of,
    with_parcels,
)
from connector.shipments.policy import ShipmentPolicy, us
from streams.frozen import replace

RANK = 2
"""Harm of waiting: after stock to zero and stock down, before price."""
RECHECK_RANK = 7


@dataclass(frozen=True, slots=True)
class UnitOutcome:
    """How one order unit of an event ended; ``open_unit`` has the calls that were made for it."""

    event: UndoneShipment
    order_unit_id: int | None
    open_unit: OpenUnit | None
    status: ShipmentStatus
    code: Code | None
    problem: Problem | None
    words: MarketplaceWords | None


@dataclass(frozen=True, slots=True)
class PlannedSend:
    """A unit that may be confirmed now."""

    event: UndoneShipment
    order_unit_id: int
    carrier_code: str
    tracking_numbers: tuple[str, ...]
    since_us: int


@dataclass(frozen=True, slots=True)
class PlannedParcel:
    """A parcel that may be added now, once."""

    event: UndoneShipment
    order_unit_id: int
    carrier_code: str
    tracking_number: str
    since_us: int


@dataclass(frozen=True, slots=True)
class PlannedRead:
    """Something that must be read. ``order_unit_id`` None: the order, or the account's carriers."""

    account: str
    rank: int
    since_us: int
    order_unit_id: int | None = None


@dataclass(frozen=True, slots=True)
class ShipmentPlan:
    """What a settled lane still has to do, and what it has to say."""

    ends: tuple[UnitOutcome, ...] = ()
    sends: tuple[PlannedSend, ...] = ()
    posts: tuple[PlannedParcel, ...] = ()
    units: tuple[PlannedRead, ...] = ()
    orders: tuple[PlannedRead, ...] = ()
    carriers: tuple[PlannedRead, ...] = ()
    wake_at_us: int | None = None


class ShipmentEntry:
    """An event on the draft, with what is still open of it."""

    __slots__ = ("event", "is_remembered", "open", "was_ended")

    def __init__(self, event: UndoneShipment) -> None:
        self.event = event
        self.open = {unit.order_unit_id: unit for unit in event.units}
        self.was_ended = False
        self.is_remembered = True  # once it is over

    @property
    def is_unread(self) -> bool:
        """Its order must be read, for its units are not known."""
        return not self.open and not self.was_ended

    def choose_anew(self) -> None:
        """Its items get other units once the order was read again; a unit that has its result counts as found.

        A call that is under way for one of the units loses nothing: the order is read after it, and what was sent for
        the event is found again.
        """
        answered = tuple(identifier for identifier in self.event.order_unit_ids if identifier not in self.open)
        self.event = replace(self.event, order_unit_ids=(), answered=answered)
        self.open = {}
        self.was_ended = False

    def result(self) -> UndoneShipment:
        units = tuple(self.open.values())
        return self.event if units == self.event.units else replace(self.event, units=units)


class ShipmentDraft:
    """The working copy of one turn: entries and units change in place; the lane is made once, at the end."""

    def __init__(self, lane: ShipmentLane, terms: ShipmentTerms, now_us: int) -> None:
        self.lane = lane
        self.terms = terms
        self.now_us = now_us
        self.account = lane.account
        self.entries = [ShipmentEntry(event) for event in sorted(lane.undone, key=order_of)]
        self.units = {unit.order_unit_id: unit for unit in lane.units}
        self.no_carriers: CodedStatus | None = None  # why the account's table cannot be had in this turn
        self._ends: list[UnitOutcome] = []
        self._sends: list[PlannedSend] = []
        self._posts: dict[str, PlannedParcel] = {}
        self._looks: list[PlannedRead] = []
        self._orders: dict[str, PlannedRead] = {}
        self._carriers: dict[str, PlannedRead] = {}
        self._wake_at_us: int | None = None

    def put(self, entry: ShipmentEntry) -> None:
        self.entries = sorted([*self.entries, entry], key=lambda one: order_of(one.event))

    # -- ends

    def end(
        self,
        entry: ShipmentEntry,
        order_unit_id: int,
        what: CodedStatus | ShipmentStatus,
        words: MarketplaceWords | None = None,
    ) -> None:
        """``words``: the marketplace's, where they are not those that the unit was refused with."""
        open_unit = entry.open.pop(order_unit_id)
        self.remember_tried(entry.event, order_unit_id)
        self._ended(entry, order_unit_id, open_unit, what, words or open_unit.refused)

    def end_all(self, entry: ShipmentEntry, what: CodedStatus, words: MarketplaceWords | None = None) -> None:
        """Of an event whose units are not known: each that it names, or one entry for it as a whole."""
        for order_unit_id in list(entry.open):
            self.end(entry, order_unit_id, what, words)
        if not entry.was_ended:
            named: tuple[int | None, ...] = tuple(dict.fromkeys(entry.event.order_unit_ids)) or (None,)
            for each in named:
                self._ended(entry, each, None, what, words)

    def _ended(
        self,
        entry: ShipmentEntry,
        order_unit_id: int | None,
        open_unit: OpenUnit | None,
        what: CodedStatus | ShipmentStatus,
        words: MarketplaceWords | None,
    ) -> None:
        entry.was_ended = True
        status, code, problem = (
            (what.status, what.code, what.problem) if isinstance(what, CodedStatus) else (what, None, None)
        )
        self._ends.append(UnitOutcome(entry.event, order_unit_id, open_unit, status, code, problem, words))

    def remember_tried(self, event: UndoneShipment, order_unit_id: int) -> None:
        """An event that ends while its send may have been carried out: its parcels may be there, and are not posted."""
        unit = self.units.get(order_unit_id)
        if unit is not None and unit.confirmed_by is None and unit.tried_by == event.event_id:
            self._note_parcels(event, unit)

    def _note_parcels(self, event: UndoneShipment, unit: ShippedUnit) -> None:
        """They may have left with the unit's send."""
        noted = (
            ParcelState(
                tracking_number=number,
                carrier_code=None,
                added_by=event.event_id,
                added_at_us=self.now_us,
                with_send=True,
                certain=False,
            )
            for number in parcels_of(event)
            if find_parcel(unit, number) is None
        )
        self.units[unit.order_unit_id] = with_parcels(unit, *noted)

    def entries_of(self, order_unit_id: int) -> list[ShipmentEntry]:
        """Undone events of a unit, in their order."""
        return [entry for entry in self.entries if order_unit_id in entry.open]

    # -- settling

    def settle(self) -> None:
        for entry in self.entries:
            if entry.event.items and any(map(self._was_cancelled_unsent, entry.open)):
                entry.choose_anew()
            if entry.open or entry.is_unread:
                self._admit(entry)
        for order_unit_id in dict.fromkeys(identifier for entry in self.entries for identifier in entry.open):
            self._unit(self.units[order_unit_id])

    def _was_cancelled_unsent(self, order_unit_id: int) -> bool:
        unit = self.units[order_unit_id]
        return unit.status is UnitStatus.CANCELLED and unit.confirmed_by is None

    def _admit(self, entry: ShipmentEntry) -> None:
        account, since_us = entry.event.account, entry.event.received_at_us
        if (found := check_account(account, self.terms.policy)) is not None:
            self.end_all(entry, found)
        elif entry.is_unread:
            self._orders.setdefault(account, PlannedRead(account, RANK, since_us))

    def _unit(self, unit: ShippedUnit) -> None:
        entries = self.entries_of(unit.order_unit_id)
        if unit.status in SENT and unit.confirmed_by is None and unit.tried_by is not None:
            adopted = self._adopted(unit, entries)
            if adopted is None:
                return
            unit = self.units[unit.order_unit_id] = adopted
            entries = self.entries_of(unit.order_unit_id)
        if unit.confirmed_by is not None:
            for entry in entries:
                self._sent_by_us(unit, entry)
        elif unit.status in SENT:
            for entry in entries:
                self._sent_by_another(unit, entry)
        elif unit.status is UnitStatus.CANCELLED:
            for entry in entries:
                found = rejected(Code.ORDER_UNIT_CANCELLED, unit=unit.order_unit_id)
                self.end(entry, unit.order_unit_id, found)
        else:
            self._to_be_sent(unit, entries)

    def _adopted(self, unit: ShippedUnit, entries: Sequence[ShipmentEntry]) -> ShippedUnit | None:
        """A unit that is sent, after a send of ours that nobody answered: that one sent it. None: not yet."""
        noted = tuple(parcel for parcel in unit.parcels if parcel.with_send)
        entry = next((entry for entry in entries if entry.event.event_id == unit.tried_by), None)
        if not noted and entry is not None:
            group = self._group(entry, unit.order_unit_id)
            if group is None and unit.order_unit_id in entry.open:
                return None
            noted = tuple(
                ParcelState(
                    tracking_number=number,
                    carrier_code=code,
                    added_by=entry.event.event_id,
                    added_at_us=self.now_us,
                    with_send=True,
                    certain=False,
                )
                for code, numbers in (() if group is None else (group,))
                for number in numbers
            )
        unit = self.units[unit.order_unit_id]  # an event that has just ended may have left its parcels
        unit = replace(unit, confirmed_by=unit.tried_by, tried_by=None, sent_at_us=unit.checked_at_us)
        return with_parcels(unit, *noted)

    # -- units that are sent

    def _sent_by_another(self, unit: ShippedUnit, entry: ShipmentEntry) -> None:
        code = Code.NOTHING_LEFT_TO_SEND if entry.event.nothing_left else Code.SENT_BY_ANOTHER
        shows = unit.status_raw or unit.status.value
        found = coded(ShipmentStatus.ALREADY_CONFIRMED, code, unit=unit.order_unit_id, status=shows)
        if not entry.event.nothing_left:  # so that the same parcel, told by another event, finds this unit
            self._note_parcels(entry.event, self.units[unit.order_unit_id])
        self.end(entry, unit.order_unit_id, found)

    def _sent_by_us(self, unit: ShippedUnit, entry: ShipmentEntry) -> None:
        """Parcels that the unit lacks are added; when none is lacking, what there is says how the event ended."""
        identifier = unit.order_unit_id
        if entry.event.nothing_left:
            self.end(entry, identifier, coded(ShipmentStatus.ALREADY_CONFIRMED, Code.NOTHING_LEFT_TO_SEND))
            return
        refused = entry.open[identifier].parcels_refused
        numbers = numbers_of(entry.event)
        lacking = [number for number in numbers if find_parcel(unit, number) is None and number not in refused]
        if not lacking:
            known = [parcel for key in parcels_of(entry.event) if (parcel := find_parcel(unit, key)) is not None]
            self.end(entry, identifier, _outcome(unit, entry, known, self.terms.policy))
            return
        codes = self._codes(entry, identifier)
        if codes is None:
            return
        if self.terms.policy.dry_run:
            what = f"parcel {', '.join(lacking)} of order unit {identifier}"
            self.end(entry, identifier, coded(ShipmentStatus.DRY_RUN, Code.PARCELS_DRY_RUN, what=what))
            return
        for number in lacking:
            post = PlannedParcel(entry.event, identifier, codes[number], number, entry.event.received_at_us)
            self._posts.setdefault(parcel_slot(identifier, number), post)

    # -- units that are not

    def _to_be_sent(self, unit: ShippedUnit, entries: Sequence[ShipmentEntry]) -> None:
        """The first of its events that may goes on; the others wait for what becomes of it."""
        since_us = min(entry.event.received_at_us for entry in entries)
        if any(entry.open[unit.order_unit_id].read_first for entry in entries):
            account = entries[0].event.account
            self._looks.append(PlannedRead(account, RANK, since_us, unit.order_unit_id))
            return
        if unit.status is not UnitStatus.NEED_TO_BE_SENT:
            self._wait(unit, entries)
            return
        for entry in entries:
            if not self._send(unit, entry, since_us):
                return

    def _send(self, unit: ShippedUnit, entry: ShipmentEntry, since_us: int) -> bool:
        """False: the unit's other events must wait for this one."""
        identifier = unit.order_unit_id
        if (words := entry.open[identifier].refused) is not None:
            message = words.message or f"HTTP {words.http_status}"
            self.end(entry, identifier, rejected(Code.SEND_REFUSED, unit=identifier, message=message))
            return True
        group = self._group(entry, identifier)
        if group is None:
            return identifier not in entry.open
        if self.terms.policy.dry_run:
            what = f"the confirmation of order unit {identifier}"
            self.end(entry, identifier, coded(ShipmentStatus.DRY_RUN, Code.PARCELS_DRY_RUN, what=what))
            return True
        self._sends.append(PlannedSend(entry.event, identifier, group[0], tuple(filter(None, group[1])), since_us))
        return False

    def _wait(self, unit: ShippedUnit, entries: Sequence[ShipmentEntry]) -> None:
        """A unit that is open, or whose status we do not know, is read again until it is ready, or too late."""
        policy, identifier = self.terms.policy, unit.order_unit_id
        for entry in entries:
            until_us = entry.event.received_at_us + us(policy.wait_open_s)
            if self.now_us < until_us:
                self._wake(until_us)
            else:
                self.end(entry, identifier, self._too_late(unit, entry))
        waiting = self.entries_of(identifier)
        newest_us = max((entry.event.received_at_us for entry in waiting), default=0)
        waited_s = (unit.checked_at_us - newest_us) / us(1.0)
        due_us = unit.checked_at_us + us(policy.recheck_after_s(waited_s))
        if waiting and self._was_released(unit, waiting[0].event.account):
            due_us = min(due_us, self.now_us)
        if waiting and self.now_us < due_us:
            self._wake(due_us)
            if self.terms.released is not None:  # to hear of it sooner costs a turn, and no call
                self._wake(self.now_us + us(policy.recheck_s))
        elif waiting:
            self._looks.append(PlannedRead(waiting[0].event.account, RECHECK_RANK, due_us, identifier))

    def _was_released(self, unit: ShippedUnit, account: str) -> bool:
        """Whether the order was seen with a unit that may be sent, since this one was read."""
        released = self.terms.released
        noted_us = released.noted_at_us(account, self.lane.order_id) if released is not None else None
        return noted_us is not None and noted_us > unit.checked_at_us

    def _too_late(self, unit: ShippedUnit, entry: ShipmentEntry) -> CodedStatus:
        return coded(
            ShipmentStatus.WAITING_TOO_LONG,
            Code.ORDER_UNIT_OPEN,
            unit=unit.order_unit_id,
            waited_s=(self.now_us - entry.event.received_at_us) // 1_000_000,
            status=unit.status_raw or unit.status.value,
        )

    # -- carriers

    def _group(self, entry: ShipmentEntry, order_unit_id: int) -> tuple[str, tuple[str, ...]] | None:
        """What goes with the send: the first parcel's carrier, and all its parcels. None: not yet, or never."""
        codes = self._codes(entry, order_unit_id)
        if codes is None:
            return None
        first = next(iter(codes.values()))
        return first, tuple(number for number, code in codes.items() if code == first)

    def _codes(self, entry: ShipmentEntry, order_unit_id: int) -> dict[str, str] | None:
        """Parcel -> carrier code. None: the table must be read first, or the unit has ended."""
        event, codes = entry.event, {}
        for number in parcels_of(event):
            name = carrier_of(event, number)
            code = self.terms.carriers.code(event.account, name, self.now_us)
            if code is Unmatched.NOT_YET:
                self._need_carriers(entry, order_unit_id)
                return None
            if code is Unmatched.UNKNOWN:
                self.end(entry, order_unit_id, rejected(Code.CARRIER_UNKNOWN, carrier=name or "(none)"))
                return None
            if number == UNTRACKED and not self.terms.policy.may_go_untracked(code):
                self.end(entry, order_unit_id, self._needs_tracking(name, code))
                return None
            codes[number] = code
        return codes

    def _needs_tracking(self, name: str, code: str) -> CodedStatus:
        allowed = ", ".join(sorted(self.terms.policy.untracked_carriers)) or "none"
        return rejected(Code.TRACKING_NUMBER_REQUIRED, carrier=name, code=code, allowed=allowed)

    def _need_carriers(self, entry: ShipmentEntry, order_unit_id: int) -> None:
        event = entry.event
        if self.no_carriers is not None:
            self.end(entry, order_unit_id, self.no_carriers)
            return
        until_us = self.terms.carriers.wait_until_us(event.account, self.lane.order_id, self.now_us)
        if until_us is None:
            self._carriers.setdefault(event.account, PlannedRead(event.account, RANK, event.received_at_us))
        else:
            self._wake(until_us)

    # -- what comes of it

    def _wake(self, at_us: int) -> None:
        self._wake_at_us = at_us if self._wake_at_us is None else min(at_us, self._wake_at_us)

    def result(self) -> ShipmentLane:
        """The very same lane where nothing changed."""
        entries = [entry for entry in self.entries if entry.open or entry.is_unread]
        undone = tuple(entry.result() for entry in entries)
        units = tuple(self.units.values())
        lane = self.lane
        if undone != lane.undone or units != lane.units or self.account != lane.account:
            lane = replace(lane, undone=undone, units=units, account=self.account)
        for entry in self.entries:
            if entry.was_ended and not entry.open and entry.is_remembered:
                lane = over(lane, entry.event)
        return lane

    def plan(self) -> ShipmentPlan:
        return ShipmentPlan(
            tuple(self._ends),
            tuple(self._sends),
            tuple(self._posts.values()),
            tuple(self._looks),
            tuple(self._orders.values()),
            tuple(self._carriers.values()),
            self._wake_at_us,
        )


def _outcome(
    unit: ShippedUnit, entry: ShipmentEntry, known: Iterable[ParcelState], policy: ShipmentPolicy
) -> CodedStatus | ShipmentStatus:
    """Of an event whose parcels the unit has, as far as they were not refused."""
    event_id, parcels, identifier = entry.event.event_id, list(known), unit.order_unit_id
    unheard = [parcel for parcel in parcels if not parcel.certain]
    posted = ", ".join(parcel.tracking_number for parcel in unheard if not parcel.with_send)
    if posted:
        return coded(
            ShipmentStatus.OUTCOME_UNKNOWN, Code.PARCEL_OUTCOME_UNKNOWN, tracking_number=posted, unit=identifier
        )
    if refused := entry.open[identifier].parcels_refused:
        words = entry.open[identifier].refused
        message = words.message if words is not None and words.message else "no reason given"
        return rejected(Code.PARCEL_REFUSED, unit=identifier, tracking_number=", ".join(refused), message=message)
    if unheard:
        return coded(ShipmentStatus.CONFIRMED_TRACKING_UNVERIFIED, Code.TRACKING_UNVERIFIED, unit=identifier)
    if unit.confirmed_by == event_id:
        return _with_carriers(ShipmentStatus.CONFIRMED, entry.event, parcels, policy)
    if any(parcel.added_by == event_id for parcel in parcels):
        return _with_carriers(ShipmentStatus.PARCEL_ADDED, entry.event, parcels, policy)
    return ShipmentStatus.ALREADY_CONFIRMED


def _with_carriers(
    status: ShipmentStatus, event: UndoneShipment, parcels: Iterable[ParcelState], policy: ShipmentPolicy
) -> CodedStatus | ShipmentStatus:
    """A success, with a word on carriers that the marketplace was told under its code for unknown ones."""
    unknown = {
        carrier: parcel.carrier_code
        for parcel in parcels
        if parcel.added_by == event.event_id and parcel.carrier_code is not None
        if policy.is_unknown(carrier := carrier_of(event, parcel.tracking_number), parcel.carrier_code)
    }
    if not unknown:
        return status
    return coded(
        status, Code.CARRIER_SENT_AS_OTHER, carrier=", ".join(unknown), code=", ".join(dict.fromkeys(unknown.values()))
    )
