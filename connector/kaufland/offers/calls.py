"""Prepares calls about offers: the request, and how its response is judged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from connector.kaufland.call_options import CallOptions, UpdateMode
from connector.kaufland.http.exchange import Unsendable
from connector.kaufland.offers import answers, requests, verdicts
from connector.kaufland.offers.look_up_calls import LookUpCalls
from connector.kaufland.offers.requests import UnitChange
from connector.kaufland.prepared_call import PreparedCall, RequestAndJudge, prepare_item, refused_here, settling
from connector.kaufland.reference import KauflandReference, UnknownStorefront
from connector.kaufland.verdict.judge import Question
from connector.marketplace.call_kinds import CallKind, storefront_of
from connector.marketplace.offers import CreateUnit, DeleteUnit, LookUp, ReadProduct, ReadUnitPage, Update
from streams.flow import Call, Item, Reply
from streams.ports import Clock

B = TypeVar("B", LookUp, Update, CreateUnit, DeleteUnit, ReadUnitPage, ReadProduct)


class OfferCalls:
    """Prepares look-ups, updates, creations and deletions, pages of units and look-ups of products. Thread-safe."""

    def __init__(self, reference: KauflandReference, clock: Clock) -> None:
        self._reference = reference
        self._look_ups = LookUpCalls(reference, clock)

    def look_up(self, call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares the next call of a look-up; returns a refusal if the storefront is unknown."""
        try:
            storefront = self._storefront(call)
        except UnknownStorefront as unknown:
            return (refused_here("STOREFRONT_UNKNOWN", unknown),) * len(call.items)
        (item,) = call.items
        body = _of(item, LookUp, storefront)
        key = (call.account, storefront, body.ean)
        next_call = self._look_ups.next_call(key, body)
        return PreparedCall(
            request=next_call.request,
            question=Question(kind=CallKind.LOOK_UP, attempts=(item.attempt,), quota_limit=options.quota(call.kind)),
            items=call.items,
            on_success=lambda response: self._look_ups.judged(call.id, key, next_call, response),
            storefront=storefront,
            otherwise=partial(self._look_ups.unanswered, call.id, key) if next_call.is_optional else None,
            count_listed=answers.listed if next_call.lists_units else None,
            event_ids=body.event_ids,
            event_count=body.event_count,
            traces=body.traces,
        )

    def update(self, call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares a call of updates; returns refusals alone if none of its items can be sent."""
        try:
            storefront = self._storefront(call)
        except UnknownStorefront as unknown:
            return (refused_here("STOREFRONT_UNKNOWN", unknown),) * len(call.items)
        items, changes, held_back = _sendable(call.items, storefront)
        if not items:
            return tuple(held_back[place] for place in range(len(call.items)))
        batch = options.mode is UpdateMode.BATCH
        updates = tuple(change.update for change in changes)
        self._one_call(updates, batch=batch)
        return PreparedCall(
            request=requests.bulk(storefront, changes) if batch else requests.patch(changes[0]),
            question=Question(
                kind=CallKind.UPDATE,
                attempts=tuple(item.attempt for item in items),
                quota_limit=options.quota(call.kind),
            ),
            items=items,
            on_success=(
                partial(verdicts.of_bulk, updates=updates, reference=self._reference)
                if batch
                else partial(verdicts.of_patch, update=updates[0], reference=self._reference)
            ),
            storefront=storefront,
            held_back=held_back,
            updates=updates,
            traces=tuple(dict.fromkeys([trace for update in updates for trace in update.traces])),
        )

    def create(self, call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares the creation of a unit; returns a refusal if the API would not take it."""
        (item,) = call.items
        body = _of(item, CreateUnit, item.body.storefront)
        condition = self._reference.condition_name(body.condition)
        judge = partial(verdicts.of_creation, asked=body, reference=self._reference)
        return self._of_one_unit(call, options, body, lambda: (requests.create(body, condition), judge))

    def delete(self, call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares the deletion of a unit."""
        (item,) = call.items
        body = _of(item, DeleteUnit, item.body.storefront)
        return self._of_one_unit(call, options, body, lambda: (requests.delete(body), verdicts.of_deletion))

    def _of_one_unit(
        self, call: Call, options: CallOptions, body: CreateUnit | DeleteUnit, pair: Callable[[], RequestAndJudge]
    ) -> PreparedCall | tuple[Reply, ...]:
        """Prepares a call that names its events; returns a refusal if the storefront is unknown."""
        try:
            storefront = self._reference.storefront(body.storefront)
        except UnknownStorefront as unknown:
            return (refused_here("STOREFRONT_UNKNOWN", unknown),)
        prepared = prepare_item(call, options, lambda *_: pair())
        if not isinstance(prepared, PreparedCall):
            return prepared
        return replace(
            prepared,
            storefront=storefront,
            event_ids=body.event_ids,
            event_count=body.event_count,
            traces=body.traces,
        )

    def unit_page(self, call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares the read of a page of all units; returns a refusal if the storefront is unknown."""
        (item,) = call.items
        body = _of(item, ReadUnitPage, item.body.storefront)
        try:
            storefront = self._reference.storefront(body.storefront)
        except UnknownStorefront as unknown:
            return (refused_here("STOREFRONT_UNKNOWN", unknown),)
        read = settling(partial(answers.unit_page, asked=body, reference=self._reference))
        prepared = prepare_item(call, options, lambda *_: (requests.unit_page(body), read))
        if not isinstance(prepared, PreparedCall):
            return prepared
        return replace(prepared, storefront=storefront, count_listed=answers.listed)

    def product(self, call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares a look-up in the catalogue; returns a refusal if the storefront is unknown or the EAN is none."""
        (item,) = call.items
        body = _of(item, ReadProduct, item.body.storefront)
        try:
            storefront = self._reference.storefront(body.storefront)
        except UnknownStorefront as unknown:
            return (refused_here("STOREFRONT_UNKNOWN", unknown),)
        prepared = prepare_item(call, options, lambda *_: (requests.product(body), settling(answers.product)))
        return replace(prepared, storefront=storefront) if isinstance(prepared, PreparedCall) else prepared

    def _storefront(self, call: Call) -> str:
        """Returns the storefront of a call. Raises UnknownStorefront."""
        return self._reference.storefront(storefront_of(call.kind))

    def _one_call(self, updates: Sequence[Update], *, batch: bool) -> None:
        """Raises ValueError if one call cannot carry these updates."""
        if len({update.unit_id for update in updates}) < len(updates):
            raise ValueError("a unit is twice in one call")
        if len(updates) > self._reference.reference.bulk_limit:
            raise ValueError(f"{len(updates)} units in one call")
        if not batch and len(updates) > 1:
            raise ValueError(f"{len(updates)} units in one call of mode single")


def _sendable(
    items: Sequence[Item], storefront: str
) -> tuple[tuple[Item, ...], tuple[UnitChange, ...], dict[int, Reply]]:
    """Returns the items that can be sent, their changes, and refusals for the others by their place in the call."""
    sendable: list[Item] = []
    changes: list[UnitChange] = []
    held_back: dict[int, Reply] = {}
    for place, item in enumerate(items):
        update = _of(item, Update, storefront)
        try:
            changes.append(requests.unit_change(update))
        except Unsendable as wrong:
            held_back[place] = refused_here("VALUE_OUT_OF_BOUNDS", wrong)
        else:
            sendable.append(item)
    return tuple(sendable), tuple(changes), held_back


def _of(item: Item, body_type: type[B], storefront: str) -> B:
    """Returns an item's body. Raises ValueError if it does not belong to a call of this kind."""
    body = item.body
    if not isinstance(body, body_type) or body.storefront != storefront:
        raise ValueError("the item does not belong into a call of this kind")
    return body
