"""Look-ups of offers, each of one or more calls: which call is the next, and what its response adds.

A list may have several pages (``look_up_pages``), and what the marketplace fulfils itself is listed separately
(``fulfillment``).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

from connector.kaufland.http.exchange import ApiRequest, ApiResponse
from connector.kaufland.offers import answers, requests
from connector.kaufland.offers.fulfillment import LookUpProgress, LookUpStep
from connector.kaufland.offers.look_up_pages import LookUpKey, LookUpPages, More, Moved
from connector.kaufland.offers.models import BY_MARKETPLACE
from connector.kaufland.reference import KauflandReference
from connector.kaufland.verdict.judge import Verdict, answered
from connector.marketplace.offers import Found, LookUp, Unit
from streams.flow import Reply, Retry, Settled
from streams.ports import Clock


@dataclass(frozen=True, slots=True)
class LookUpCall:
    """One call of a look-up: its request, and how its response is read."""

    step: LookUpStep
    request: ApiRequest
    read: Callable[[ApiResponse], Reply | None]
    begins: bool = False  # whether it is the first one

    @property
    def is_optional(self) -> bool:
        """Whether the look-up ends with the units that the merchant fulfils if this call is not answered."""
        return self.step is not LookUpStep.MERCHANT

    @property
    def lists_units(self) -> bool:
        """Whether the response lists the units that are looked up."""
        return self.step is not LookUpStep.ANY_OF_MARKETPLACE


class LookUpCalls:
    """The calls of the look-ups in progress.

    Thread-safe, and shared by all threads, since each call of a look-up may be made by another one: an entry is
    replaced as a whole, and only one look-up of a key is in progress at a time.
    """

    def __init__(self, reference: KauflandReference, clock: Clock) -> None:
        self._reference = reference
        self._clock = clock
        self._pages = LookUpPages()
        self._progress = LookUpProgress()
        self._call_ids: dict[LookUpKey, tuple[str, ...]] = {}  # of the answered calls

    def next_call(self, key: LookUpKey, body: LookUp) -> LookUpCall:
        """Returns the next call of a look-up."""
        now = self._clock.now()
        now_s, asked_us = now.mono_s, now.wall_us
        step = self._progress.next_step(key, now_s)
        match step:
            case LookUpStep.ANY_OF_MARKETPLACE:
                return LookUpCall(step, requests.any_by_marketplace(body.storefront), partial(self._probed, key))
            case LookUpStep.MARKETPLACE:
                offset = self._pages.offset(_other(key), now_s)
                request = requests.look_up(body, offset=offset, by_marketplace=True)
                return LookUpCall(step, request, partial(self._others, key, body, offset, asked_us))
            case LookUpStep.MERCHANT:
                offset = self._pages.offset(key, now_s)
                request = requests.look_up(body, offset=offset)
                return LookUpCall(step, request, partial(self._own, key, body, offset, asked_us), offset == 0)
            case unreachable:
                assert_never(unreachable)

    def judged(self, call_id: str, key: LookUpKey, made: LookUpCall, response: ApiResponse) -> Verdict | None:
        """Judges the response to one call of a look-up.

        The final reply names all its answered calls; their ids are remembered until then.
        """
        reply = made.read(response)
        if reply is None:
            return None
        call_ids = (*(() if made.begins else self._call_ids.get(key, ())), call_id)
        match reply:
            case Settled(answer=Found() as found):
                self._call_ids.pop(key, None)
                return answered(Settled(answer=replace(found, call_ids=call_ids)))
            case _:
                self._call_ids[key] = call_ids
                return answered(reply)

    def unanswered(self, call_id: str, key: LookUpKey, refused: bool) -> Reply:
        """Ends a look-up after an optional call without an answer. ``refused``: whether the marketplace refused it."""
        units = self._progress.unanswered(key, self._clock.now().mono_s, refused=refused)
        return Settled(answer=Found(units=units, call_ids=(*self._call_ids.pop(key, ()), call_id)))

    def _own(self, key: LookUpKey, body: LookUp, offset: int, asked_us: int, response: ApiResponse) -> Reply | None:
        """Reads a page of units that the merchant fulfils."""
        found = self._page(key, body, offset, asked_us, response)
        if not isinstance(found, tuple):
            return found
        return _settled(self._progress.first(key, body, found, self._clock.now().mono_s))

    def _probed(self, key: LookUpKey, response: ApiResponse) -> Reply | None:
        """Reads whether the marketplace fulfils any unit on the storefront."""
        page = answers.read_page(response.body)
        if page is None:
            return None
        has_any = bool(page.data) or (page.pagination is not None and page.pagination.total > 0)
        return _settled(self._progress.probed(key, has_any=has_any, now_s=self._clock.now().mono_s))

    def _others(self, key: LookUpKey, body: LookUp, offset: int, asked_us: int, response: ApiResponse) -> Reply | None:
        """Reads a page of units that the marketplace fulfils."""
        found = self._page(_other(key), body, offset, asked_us, response)
        return _settled(self._progress.whole(key, found)) if isinstance(found, tuple) else found

    def _page(
        self, key: LookUpKey, body: LookUp, offset: int, asked_us: int, response: ApiResponse
    ) -> tuple[Unit, ...] | Reply | None:
        """Returns all units of a list after its last page, a Retry before, or None if the page cannot be read."""
        page = answers.read_page(response.body)
        if page is None:
            return None
        units = tuple(replace(unit, read_at_us=asked_us) for unit in answers.units_of(page, body, self._reference))
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


def _other(key: LookUpKey) -> LookUpKey:
    """Returns the key for the pages of units that the marketplace fulfils."""
    account, storefront, ean = key
    return account, storefront, f"{ean}/{BY_MARKETPLACE}"
