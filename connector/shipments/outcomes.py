"""Applies the answer to a call: changes the draft and, after carriers were read, the process's carrier tables.

An answer brings facts about order units, or a refusal. It ends an event only if no further call can help; otherwise
``decide`` determines what follows.
"""

from collections.abc import Iterable

from connector.marketplace.orders import ReadCarriers, ReadOrderSummary, ReadOrderUnit
from connector.shipments.call_bodies import ParcelPost, UnitSend
from connector.shipments.carrier_tables import CarrierTables
from connector.shipments.ledger import numbers_of, parcel_slot, send_slot
from connector.shipments.parcel_answers import apply_post, note_parcel
from connector.shipments.read_answers import apply_carriers, apply_order, apply_unit
from connector.shipments.send_answers import apply_send, note_may_be_sent
from connector.shipments.shipment_draft import ShipmentDraft
from streams.flow import Answered
from streams.frozen import replace


def apply_answer(draft: ShipmentDraft, answered: Answered, carriers: CarrierTables) -> None:
    """Applies the reply to a call: an answer, a lost one, or that the call was given up.

    ``carriers`` are changed by the answer to ``ReadCarriers`` only. Raises TypeError for a call that a shipment lane
    never makes.
    """
    match answered.want.body:
        case UnitSend() as send:
            _note_call(draft, send.order_unit_id, send.input_offset, answered)
            apply_send(draft, send, answered)
        case ParcelPost() as post:
            _note_call(draft, post.order_unit_id, post.input_offset, answered)
            apply_post(draft, post, answered)
        case ReadOrderSummary():
            apply_order(draft, answered)
        case ReadOrderUnit() as read:
            apply_unit(draft, read.order_unit_id, answered)
        case ReadCarriers():
            apply_carriers(draft, answered, carriers)
        case other:
            raise TypeError(f"a shipment lane never wants {other!r}")


def _note_call(draft: ShipmentDraft, identifier: int, input_offset: int, answered: Answered) -> None:
    """Adds the call to the unit of the event that it was made for, so that the result names it."""
    for entry in draft.entries_at(identifier, input_offset):
        open_unit = entry.open[identifier]
        entry.open[identifier] = replace(
            open_unit,
            call_ids=(*open_unit.call_ids, answered.call_id),
            attempts=open_unit.attempts + answered.attempts,
            answered_at_us=answered.answered_us,
        )


def restore(draft: ShipmentDraft, announced: Iterable[str]) -> None:
    """Applies the previous owner's announced calls, by slot: without a stored answer, they may have been executed."""
    slots = frozenset(announced)
    for entry in draft.entries:
        for order_unit_id in draft.units:  # not only open ones: the event's units may be about to be chosen again
            if send_slot(order_unit_id, entry.event.input_offset) in slots:
                note_may_be_sent(draft, entry, order_unit_id)
            for number in numbers_of(entry.event):
                if parcel_slot(order_unit_id, number) in slots:
                    unit = draft.units[order_unit_id]
                    note_parcel(draft, unit, number, None, entry.event.event_id, certain=False)
