"""A call of the engine prepared for sending: its HTTP request, and how its response is read. Pure."""

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
    """The endpoint that updates of units are sent to."""

    BATCH = "batch"  # POST /units/bulk, even for one unit
    SINGLE = "single"  # PATCH /units/{id_unit}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The settings of an account that affect the content of its requests and what is read of the responses."""

    mode: UpdateMode = UpdateMode.BATCH
    quotas: Mapping[str, int] = field(default_factory=dict)  # requests per quota window, by group of endpoints
    contacts: bool = False  # whether names and addresses of orders are read

    def quota(self, kind: str) -> int | None:
        """Returns the quota of the group that a call's kind belongs to, or None if none is configured."""
        return self.quotas.get(group_of(kind) or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """One call ready to be sent: the request, and the items that it carries.

    ``held_back``: the replies of items that must not be sent, by the item's place in the call.
    """

    request: ApiRequest
    question: Question
    items: Sequence[Item]
    storefront: str | None  # None if the endpoint has none
    read: Read
    held_back: Mapping[int, Reply] = field(default_factory=dict)
    # the reply to use when this optional call yields no answer: True = the marketplace refused it, False = it failed
    otherwise: Callable[[bool], Reply] | None = None
    lists: bool = True  # whether the response to a look-up lists the requested units
    event_ids: tuple[str, ...] = ()  # of the events waiting for the call, if no update in ``question`` names them
    event_count: int = 0


PrepareCall: TypeAlias = Callable[[Call, CallOptions], PreparedCall | tuple[Reply, ...]]
"""Prepares a call; returns the replies instead if nothing may be sent. Raises ValueError for a bug on our side."""


def refused_here(code: str, why: ValueError) -> Settled:
    """Returns the refusal of an item that was not sent; its HTTP status is 0."""
    return Settled(answer=Refused(code=code, http_status=0, type=None, message=str(why)))
