"""Applies the answer to a call: changes the draft and, after a reading of the carriers, the shared carrier tables.

An answer yields facts about order units, and refusals. It ends an event only if no further call can help; otherwise
``decide`` says what follows.
"""

from collections.abc import Iterable

from connector.marketplace.orders import ReadCarriers, ReadOrderSummary, ReadOrderUnit
from connector.shipments.call_bodies import ParcelPost, UnitSend
from connector.shipments.ledger import numbers_of, parcel_slot, send_slot
from connector.shipments.parcel_answers import apply_post, note_parcel
from connector.shipments.read_answers import apply_carriers, apply_order, apply_unit
from connector.shipments.send_answers import apply_send, note_may_be_sent
from connector.shipments.shipment_draft import ShipmentDraft
from streams.flow import Answered
from streams.frozen import replace


def apply_answer(draft: ShipmentDraft, answered: Answered) -> None:
    """Applies one answer, lost answers and calls that were given up included."""
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
            apply_carriers(draft, answered)
        case other:
            raise TypeError(f"a shipment lane never wants {other!r}")


def _note_call(draft: ShipmentDraft, identifier: int, input_offset: int, answered: Answered) -> None:
    for entry in draft.entries_at(identifier, input_offset):
        open_unit = entry.open[identifier]
        entry.open[identifier] = replace(
            open_unit,
            call_ids=(*open_unit.call_ids, answered.call_id),
            attempts=open_unit.attempts + answered.attempts,
        )


def restore(draft: ShipmentDraft, announced: Iterable[str]) -> None:
    """For a new owner: calls that the previous one announced, without a stored answer, may have been carried out."""
    slots = frozenset(announced)
    for entry in draft.entries:
        for order_unit_id in draft.units:  # also of an event whose units are being chosen again
            if send_slot(order_unit_id, entry.event.input_offset) in slots:
                note_may_be_sent(draft, entry, order_unit_id)
            for number in numbers_of(entry.event):
                if parcel_slot(order_unit_id, number) in slots:
                    unit = draft.units[order_unit_id]
                    note_parcel(draft, unit, number, None, entry.event.event_id, certain=False)
