"""Look-ups and updates of offers as requests. Pure; half-read lists are kept in ``pages``."""

from collections.abc import Sequence
from typing import TypeVar

from connector.kaufland import mapping
from connector.kaufland.asks import Ask, Terms, UpdateMode, refused_here
from connector.kaufland.mapping import Unsendable
from connector.kaufland.pages import More, Moved, Pages
from connector.kaufland.reference import ReferenceData, UnknownStorefront
from connector.kaufland.rows import CallKind
from connector.kaufland.verdict import Heard, Question
from connector.marketplace import Found, LookUp, Update
from streams.flow import Call, Item, Reply, Retry, Settled
from streams.ports import Clock

B = TypeVar("B", LookUp, Update)


class OfferAsks:
    """Kinds ``lookup:<storefront>`` and ``update:<storefront>``. Any thread."""

    def __init__(self, reference: ReferenceData, pages: Pages, clock: Clock) -> None:
        self._reference = reference
        self._pages = pages
        self._clock = clock

    def look_up(self, call: Call, terms: Terms) -> Ask | tuple[Reply, ...]:
        try:
            storefront = self._storefront(call)
        except UnknownStorefront as unknown:
            return (refused_here("STOREFRONT_UNKNOWN", unknown),) * len(call.items)
        (item,) = call.items
        body = _of(item, LookUp, storefront)
        offset = self._pages.offset((call.account, storefront, body.ean), self._clock.now().mono_s)
        return Ask(
            request=mapping.look_up(body, offset=offset),
            question=Question(kind=CallKind.LOOK_UP, attempts=(item.attempt,), quota_limit=terms.quotas.get("look_up")),
            items=call.items,
            storefront=storefront,
            read=lambda heard: self._found(call.account, body, offset, heard),
        )

    def update(self, call: Call, terms: Terms) -> Ask | tuple[Reply, ...]:
        try:
            storefront = self._storefront(call)
        except UnknownStorefront as unknown:
            return (refused_here("STOREFRONT_UNKNOWN", unknown),) * len(call.items)
        items, updates, held_back = _sendable(call.items, storefront)
        if not items:
            return tuple(held_back[place] for place in range(len(call.items)))
        batch = terms.mode is UpdateMode.BATCH
        self._one_call(updates, batch=batch)
        return Ask(
            request=mapping.bulk(storefront, updates) if batch else mapping.patch(updates[0]),
            question=Question(
                kind=CallKind.BULK if batch else CallKind.PATCH,
                attempts=tuple(item.attempt for item in items),
                updates=updates,
                quota_limit=terms.quotas.get("update"),
            ),
            items=items,
            storefront=storefront,
            read=_never,
            held_back=held_back,
        )

    def _storefront(self, call: Call) -> str:
        """Raises UnknownStorefront."""
        return self._reference.current.storefront(call.kind.partition(":")[2])

    def _one_call(self, updates: Sequence[Update], *, batch: bool) -> None:
        """Raises ValueError for what one call cannot carry."""
        if len({update.unit_id for update in updates}) < len(updates):
            raise ValueError("a unit is twice in one call")
        if len(updates) > self._reference.current.reference.bulk_limit:
            raise ValueError(f"{len(updates)} units in one call")
        if not batch and len(updates) > 1:
            raise ValueError(f"{len(updates)} units in one call of mode single")

    def _found(self, account: str, body: LookUp, offset: int, heard: Heard) -> Reply | None:
        page = mapping.read_page(heard.body)
        if page is None:
            return None
        units = mapping.units_of(page, body, self._reference.current)
        now_s = self._clock.now().mono_s
        match self._pages.take((account, body.storefront, body.ean), page, units, offset=offset, now_s=now_s):
            case More():
                return Retry(reason="the list has another page", after_s=0.0, counts=False)
            case Moved():
                return Retry(reason="the list changed while it was read")
            case None:
                return None
            case found:
                return Settled(answer=Found(units=found))


def _never(_heard: Heard) -> None:
    """Answers to updates are read by the verdict, item by item."""


def _sendable(items: Sequence[Item], storefront: str) -> tuple[tuple[Item, ...], tuple[Update, ...], dict[int, Reply]]:
    """Items that may leave, their updates, and replies for the others: one bad value spoils no other item."""
    sendable: list[Item] = []
    updates: list[Update] = []
    held_back: dict[int, Reply] = {}
    for place, item in enumerate(items):
        update = _of(item, Update, storefront)
        try:
            mapping.unit_data(update)
        except Unsendable as wrong:
            held_back[place] = refused_here("VALUE_OUT_OF_BOUNDS", wrong)
        else:
            sendable.append(item)
            updates.append(update)
    return tuple(sendable), tuple(updates), held_back


def _of(item: Item, body_type: type[B], storefront: str) -> B:
    body = item.body
    if not isinstance(body, body_type) or body.storefront != storefront:
        raise ValueError("the item does not belong into a call of this kind")
    return body
