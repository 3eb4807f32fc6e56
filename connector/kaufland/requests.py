"""A call of the engine prepared for sending: its request, and how its response is read. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from connector.kaufland.offers.mapping import ApiRequest
from connector.kaufland.verdict.judge import Question, Read
from connector.marketplace.call_kinds import group_of
from connector.marketplace.offers import Refused
from streams.flow import Call, Item, Reply, Settled


class UpdateMode(StrEnum):
    BATCH = "batch"  # POST /units/bulk, for one unit too
    SINGLE = "single"  # PATCH /units/{id_unit}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What of an account's settings decides what its calls say and what of their answers is kept."""

    mode: UpdateMode = UpdateMode.BATCH
    quotas: Mapping[str, int] = field(default_factory=dict)  # requests of a quota window, by group
    contacts: bool = False

    def quota(self, kind: str) -> int | None:
        """Of the group that a call's kind belongs to."""
        return self.quotas.get(group_of(kind) or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """One call, ready to leave: the request, and which items are in it. ``held_back``: items that may not leave."""

    request: ApiRequest
    question: Question
    items: Sequence[Item]
    storefront: str | None  # None = the endpoint has none
    read: Read
    held_back: Mapping[int, Reply] = field(default_factory=dict)  # by the item's place in the call
    # what the item comes to where the marketplace will not answer this: refused, or (False) a fault of this one call
    otherwise: Callable[[bool], Reply] | None = None
    lists: bool = True  # a look-up whose answer is the list of units that it asks for
    event_ids: tuple[str, ...] = ()  # that wait for it, where the question has no updates that name them
    event_count: int = 0


PrepareCall: TypeAlias = Callable[[Call, CallOptions], PreparedCall | tuple[Reply, ...]]
"""Makes the Ask of a call; replies alone when nothing may leave. Raises ValueError for what is our bug."""


def refused_here(code: str, why: ValueError) -> Settled:
    """A refusal before anything was sent; its status is 0."""
    return Settled(answer=Refused(code=code, http_status=0, type=None, message=str(why)))
