"""Turns look-ups and updates of offers into requests. Pure; partly read lists are kept in ``pages``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, assert_never

from connector.kaufland.offers import mapping
from connector.kaufland.offers.both_ways import LookUpProgress, LookUpStep
from connector.kaufland.offers.mapping import ApiRequest, UnitChange, Unsendable
from connector.kaufland.offers.pages import Key, More, Moved, Pages
from connector.kaufland.reference import ReferenceData, UnknownStorefront
from connector.kaufland.requests import CallOptions, PreparedCall, UpdateMode, refused_here
from connector.kaufland.verdict.judge import ApiResponse, Question
from connector.marketplace.call_kinds import CallKind, storefront_of
from connector.marketplace.offers import Found, LookUp, Unit, Update
from streams.flow import Call, Item, Reply, Retry, Settled
from streams.ports import Clock

B = TypeVar("B", LookUp, Update)


@dataclass(frozen=True, slots=True)
class _LookUpCall:
    """One call of a look-up."""

    way: LookUpStep
    request: ApiRequest
    read: Callable[[ApiResponse], Reply | None]
    begins: bool = False  # whether it is the first one


class OfferRequests:
    """Prepares calls of the kinds ``lookup:<storefront>`` and ``update:<storefront>``. Thread-safe."""

    def __init__(self, reference: ReferenceData, pages: Pages, both_ways: LookUpProgress, clock: Clock) -> None:
        self._reference = reference
        self._pages = pages
        self._both_ways = both_ways
        self._clock = clock
        # call ids of look-ups in progress; thread-safe, since only one look-up of a key is in progress at a time
        self._calls: dict[Key, tuple[str, ...]] = {}

    def look_up(self, call: Call, terms: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares the next call of a look-up; returns a refusal if the storefront is unknown."""
        try:
            storefront = self._storefront(call)
        except UnknownStorefront as unknown:
            return (refused_here("STOREFRONT_UNKNOWN", unknown),) * len(call.items)
        (item,) = call.items
        body = _of(item, LookUp, storefront)
        key = (call.account, storefront, body.ean)
        ask = self._ask_of(key, body)
        return PreparedCall(
            request=ask.request,
            question=Question(kind=CallKind.LOOK_UP, attempts=(item.attempt,), quota_limit=terms.quota(call.kind)),
            items=call.items,
            storefront=storefront,
            read=lambda heard: self._named(call.id, key, ask.read(heard), begins=ask.begins),
            otherwise=None if ask.way is LookUpStep.MERCHANT else partial(self._unanswered, call.id, key),
            lists=ask.way is not LookUpStep.ANY_OF_MARKETPLACE,
            event_ids=body.event_ids,
            event_count=body.event_count,
        )

    def _ask_of(self, key: Key, body: LookUp) -> _LookUpCall:
        now = self._clock.now()
        now_s, asked_us = now.mono_s, now.wall_us
        way = self._both_ways.way(key, now_s)
        match way:
            case LookUpStep.ANY_OF_MARKETPLACE:
                return _LookUpCall(way, mapping.any_by_marketplace(body.storefront), partial(self._probed, key))
            case LookUpStep.MARKETPLACE:
                offset = self._pages.offset(_other(key), now_s)
                request = mapping.look_up(body, offset=offset, by_marketplace=True)
                return _LookUpCall(way, request, partial(self._others, key, body, offset, asked_us))
            case LookUpStep.MERCHANT:
                offset = self._pages.offset(key, now_s)
                request = mapping.look_up(body, offset=offset)
                return _LookUpCall(way, request, partial(self._own, key, body, offset, asked_us), offset == 0)
            case unreachable:
                assert_never(unreachable)

    def update(self, call: Call, terms: CallOptions) -> PreparedCall | tuple[Reply, ...]:
        """Prepares a call of updates; returns refusals alone if none of its items can be sent."""
        try:
            storefront = self._storefront(call)
        except UnknownStorefront as unknown:
            return (refused_here("STOREFRONT_UNKNOWN", unknown),) * len(call.items)
        items, changes, held_back = _sendable(call.items, storefront)
        if not items:
            return tuple(held_back[place] for place in range(len(call.items)))
        batch = terms.mode is UpdateMode.BATCH
        updates = tuple(change.update for change in changes)
        self._one_call(updates, batch=batch)
        return PreparedCall(
            request=mapping.bulk(storefront, changes) if batch else mapping.patch(changes[0]),
            question=Question(
                kind=CallKind.UPDATE,
                attempts=tuple(item.attempt for item in items),
                updates=updates,
                in_bulk=batch,
                quota_limit=terms.quota(call.kind),
            ),
            items=items,
            storefront=storefront,
            read=_never,
            held_back=held_back,
        )

    def _storefront(self, call: Call) -> str:
        """Returns the storefront of a call. Raises UnknownStorefront."""
        return self._reference.current.storefront(storefront_of(call.kind))

    def _one_call(self, updates: Sequence[Update], *, batch: bool) -> None:
        """Raises ValueError if one call cannot carry these updates."""
        if len({update.unit_id for update in updates}) < len(updates):
            raise ValueError("a unit is twice in one call")
        if len(updates) > self._reference.current.reference.bulk_limit:
            raise ValueError(f"{len(updates)} units in one call")
        if not batch and len(updates) > 1:
            raise ValueError(f"{len(updates)} units in one call of mode single")

    def _own(self, key: Key, body: LookUp, offset: int, asked_us: int, heard: ApiResponse) -> Reply | None:
        """Reads a page of units that the merchant fulfils."""
        found = self._page(key, body, offset, asked_us, heard)
        if not isinstance(found, tuple):
            return found
        return _settled(self._both_ways.first(key, body, found, self._clock.now().mono_s))

    def _probed(self, key: Key, heard: ApiResponse) -> Reply | None:
        """Reads whether the marketplace fulfils any unit on the storefront."""
        page = mapping.read_page(heard.body)
        if page is None:
            return None
        has_any = bool(page.data) or (page.pagination is not None and page.pagination.total > 0)
        return _settled(self._both_ways.probed(key, has_any=has_any, now_s=self._clock.now().mono_s))

    def _others(self, key: Key, body: LookUp, offset: int, asked_us: int, heard: ApiResponse) -> Reply | None:
        """Reads a page of units that the marketplace fulfils."""
        found = self._page(_other(key), body, offset, asked_us, heard)
        return _settled(self._both_ways.whole(key, found)) if isinstance(found, tuple) else found

    def _unanswered(self, call_id: str, key: Key, refused: bool) -> Reply:
        units = self._both_ways.unanswered(key, self._clock.now().mono_s, refused=refused)
        return Settled(answer=Found(units=units, call_ids=(*self._calls.pop(key, ()), call_id)))

    def _named(self, call_id: str, key: Key, reply: Reply | None, *, begins: bool) -> Reply | None:
        """Adds the ids of all answered calls of a look-up to its final reply; remembers them until then."""
        if reply is None:
            return None
        call_ids = (*(() if begins else self._calls.get(key, ())), call_id)
        match reply:
            case Settled(answer=Found() as found):
                self._calls.pop(key, None)
                return Settled(answer=replace(found, call_ids=call_ids))
            case _:
                self._calls[key] = call_ids
                return reply

    def _page(
        self, key: Key, body: LookUp, offset: int, asked_us: int, heard: ApiResponse
    ) -> tuple[Unit, ...] | Reply | None:
        """Returns all units of a list after its last page, a Retry before, or None if the page cannot be read."""
        page = mapping.read_page(heard.body)
        if page is None:
            return None
        units = tuple(
            replace(unit, read_at_us=asked_us) for unit in mapping.units_of(page, body, self._reference.current)
        )
        match self._pages.take(key, page, units, offset=offset, now_s=self._clock.now().mono_s):
            case More():
                return Retry(reason="the list has another page", after_s=0.0, counts=False)
            case Moved():
                return Retry(reason="the list changed while it was read")
            case found:
                return found


def _settled(units: tuple[Unit, ...] | None) -> Reply:
    """Returns the result of a look-up; without a result, a Retry that makes its next call."""
    if units is None:
        return Retry(reason="it may be fulfilled by the marketplace", after_s=0.0, counts=False)
    return Settled(answer=Found(units=units))


def _other(key: Key) -> Key:
    """Returns the key for the pages of units that the marketplace fulfils."""
    account, storefront, ean = key
    return account, storefront, f"{ean}/{mapping.BY_MARKETPLACE}"


def _never(_heard: ApiResponse) -> None:
    """Reads nothing: ``judge`` reads the responses to updates, item by item."""


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
            changes.append(mapping.unit_change(update))
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
