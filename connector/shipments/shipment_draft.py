"""The working copy of a lane during one turn: it changes in place; ``result`` then makes the lane's value.

Pure: a draft exists during one turn only.
"""

from collections.abc import Iterable

from connector.marketplace.orders import UnitStatus
from connector.shipments.coded_status import CodedStatus
from connector.shipments.events import (
    MarketplaceWords,
    OpenUnit,
    ParcelState,
    ShipmentStatus,
    ShippedUnit,
    UndoneShipment,
)
from connector.shipments.ledger import (
    ShipmentLane,
    find_parcel,
    order_of,
    parcels_of,
    with_parcels,
    with_seen,
)
from connector.shipments.plan import UnitOutcome
from connector.shipments.policy import ShipmentTerms
from streams.frozen import replace


class ShipmentEntry:
    """An undone event, with its order units that have no result yet."""

    __slots__ = ("event", "is_remembered", "open", "was_ended")

    def __init__(self, event: UndoneShipment) -> None:
        self.event = event
        self.open = {unit.order_unit_id: unit for unit in event.units}
        self.was_ended = False
        self.is_remembered = True  # among the lane's seen events, once it has ended

    @property
    def is_unread(self) -> bool:
        """Whether its order must be read, because its units are not known."""
        return not self.open and not self.was_ended

    def choose_again(self) -> None:
        """Has the order read and units chosen for the event's items again. A unit with a result stays chosen.

        A call in flight for one of the units is not lost: the order is read after it has ended, and a unit that was
        sent for the event is chosen again.
        """
        answered = tuple(identifier for identifier in self.event.order_unit_ids if identifier not in self.open)
        self.event = replace(self.event, order_unit_ids=(), answered=answered)
        self.open = {}
        self.was_ended = False

    def result(self) -> UndoneShipment:
        """Returns the event as the lane stores it."""
        units = tuple(self.open.values())
        return self.event if units == self.event.units else replace(self.event, units=units)


class ShipmentDraft:
    """The lane before the turn, with the turn's changes to ``entries`` and ``units``.

    ``entries`` are sorted by time, sequence and offset. ``ends`` collects the outcomes of this turn.
    """

    def __init__(self, lane: ShipmentLane, terms: ShipmentTerms, now_us: int) -> None:
        self.lane = lane
        self.terms = terms
        self.now_us = now_us
        self.account = lane.account
        self.entries = [ShipmentEntry(event) for event in sorted(lane.undone, key=order_of)]
        self.units = {unit.order_unit_id: unit for unit in lane.units}
        self.no_carriers: CodedStatus | None = None  # why the account's carriers could not be read in this turn
        self.ends: list[UnitOutcome] = []

    def add(self, entry: ShipmentEntry) -> None:
        self.entries = sorted([*self.entries, entry], key=lambda one: order_of(one.event))

    def entries_of(self, order_unit_id: int) -> list[ShipmentEntry]:
        """Returns the entries that have the unit open, in the order of their events."""
        return [entry for entry in self.entries if order_unit_id in entry.open]

    def entries_at(self, order_unit_id: int, input_offset: int) -> list[ShipmentEntry]:
        """Returns the entry of the event with this offset, if it has the unit open; otherwise an empty list."""
        return [entry for entry in self.entries_of(order_unit_id) if entry.event.input_offset == input_offset]

    # ---- ends -------------------------------------------------------------------------------------------------------

    def end(
        self,
        entry: ShipmentEntry,
        order_unit_id: int,
        what: CodedStatus | ShipmentStatus,
        words: MarketplaceWords | None = None,
    ) -> None:
        """Ends one unit of an event.

        ``words``: the marketplace's answer for the result, if it is not the refusal of the unit's send.
        """
        open_unit = entry.open.pop(order_unit_id)
        self.note_if_tried(entry.event, order_unit_id)
        self._ended(entry, order_unit_id, open_unit, what, words or open_unit.refused)

    def end_each(self, entries: Iterable[ShipmentEntry], order_unit_id: int, what: CodedStatus) -> None:
        """Ends one unit of several events."""
        for entry in entries:
            self.end(entry, order_unit_id, what)

    def end_all(self, entry: ShipmentEntry, what: CodedStatus, words: MarketplaceWords | None = None) -> None:
        """Ends each open unit of an event; if none has ended then, each unit that it names, or the event as a whole."""
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
        self.ends.append(UnitOutcome(entry.event, order_unit_id, open_unit, status, code, problem, words))

    # ---- parcels ----------------------------------------------------------------------------------------------------

    def note_if_tried(self, event: UndoneShipment, order_unit_id: int) -> None:
        """Notes the event's parcels on the unit if its send may have been executed, so that none is posted again."""
        unit = self.units.get(order_unit_id)
        if unit is not None and unit.confirmed_by is None and unit.tried_by == event.event_id:
            self.note_parcels(event, unit)

    def note_parcels(self, event: UndoneShipment, unit: ShippedUnit) -> None:
        """Notes the event's parcels as possibly sent with the unit."""
        noted = (
            uncertain_parcel(event, number, None, self.now_us)
            for number in parcels_of(event)
            if find_parcel(unit, number) is None
        )
        self.units[unit.order_unit_id] = with_parcels(unit, *noted)

    def was_cancelled_unsent(self, order_unit_id: int) -> bool:
        unit = self.units[order_unit_id]
        return unit.status is UnitStatus.CANCELLED and unit.confirmed_by is None

    # ---- the lane ---------------------------------------------------------------------------------------------------

    def result(self) -> ShipmentLane:
        """Returns the lane after the turn; the same object if nothing changed."""
        undone = tuple(entry.result() for entry in self.entries if entry.open or entry.is_unread)
        units = tuple(self.units.values())
        lane = self.lane
        if undone != lane.undone or units != lane.units or self.account != lane.account:
            lane = replace(lane, undone=undone, units=units, account=self.account)
        for entry in self.entries:
            if entry.was_ended and not entry.open and entry.is_remembered:
                lane = with_seen(lane, entry.event)
        return lane


def uncertain_parcel(event: UndoneShipment, tracking_number: str, carrier_code: str | None, now_us: int) -> ParcelState:
    """Returns a parcel that may have been part of an executed send of the event."""
    return ParcelState(
        tracking_number=tracking_number,
        carrier_code=carrier_code,
        added_by=event.event_id,
        added_at_us=now_us,
        with_send=True,
        certain=False,
    )
