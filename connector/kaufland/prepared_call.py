"""A call of the engine prepared for sending: its HTTP request, and how its response is judged. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from connector.kaufland.call_options import CallOptions
from connector.kaufland.http.exchange import ApiRequest, ApiResponse, Unsendable
from connector.kaufland.verdict.judge import JudgeSuccess, Question, Verdict, answered
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import ProductFound, Refused, UnitPage, Update
from connector.marketplace.orders import OrderAnswer, UnreadableRow
from streams.flow import Call, Item, Reply, Settled


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """One call ready to be sent: the request, and the items that it carries.

    ``held_back``: the replies of items that must not be sent, by the item's place in the call.
    """

    request: ApiRequest
    question: Question
    items: Sequence[Item]
    on_success: JudgeSuccess
    storefront: str | None = None  # None if the endpoint has none
    held_back: Mapping[int, Reply] = field(default_factory=dict)
    # the reply to use when this optional call yields no answer: True = the marketplace refused it, False = it failed
    otherwise: Callable[[bool], Reply] | None = None

    # ---- for the call log
    updates: tuple[Update, ...] = ()  # of the items, if they are updates
    count_listed: Callable[[bytes | None], int | None] | None = None  # counts the units that a look-up's response lists
    event_ids: tuple[str, ...] = ()  # of the events waiting for the call, if no update names them
    event_count: int = 0
    traces: tuple[str, ...] = ()  # ``traceparent`` of the events behind the call, each once


PrepareCall: TypeAlias = Callable[[Call, CallOptions], PreparedCall | tuple[Reply, ...]]
"""Prepares a call; returns the replies instead if nothing may be sent. Raises ValueError for a bug on our side."""

RequestAndJudge: TypeAlias = tuple[ApiRequest, JudgeSuccess]
ReadBody: TypeAlias = Callable[[bytes | None], OrderAnswer | UnitPage | ProductFound | UnreadableRow | None]


def prepare_item(
    call: Call, options: CallOptions, pair: Callable[[CallKind, Any], RequestAndJudge | None]
) -> PreparedCall | tuple[Reply, ...]:
    """Prepares a call of one item; returns a refusal if it cannot be sent.

    ``pair`` returns the request of an item's body and the judge of its response. It raises Unsendable; it returns None
    if the body does not belong to a call of this kind.
    """
    (item,) = call.items
    kind = CallKind(call.kind)
    try:
        paired = pair(kind, item.body)
    except Unsendable as wrong:
        return (refused_here("VALUE_OUT_OF_BOUNDS", wrong),)
    if paired is None:
        raise ValueError("the item does not belong into a call of this kind")
    request, on_success = paired
    return PreparedCall(
        request=request,
        question=Question(kind=kind, attempts=(item.attempt,), quota_limit=options.quota(call.kind)),
        items=call.items,
        on_success=on_success,
    )


def settling(read_body: ReadBody) -> JudgeSuccess:
    """Returns the judge of a read: what ``read_body`` finds in the response settles the item."""

    def judged(response: ApiResponse) -> Verdict | UnreadableRow | None:
        try:
            found = read_body(response.body)
        except RecursionError:  # nested deeper than any response of the API: not a valid one
            return None
        return found if found is None or isinstance(found, UnreadableRow) else answered(Settled(answer=found))

    return judged


def refused_here(code: str, why: ValueError) -> Settled:
    """Returns the refusal of an item that was not sent; its HTTP status is 0."""
    return Settled(answer=Refused(code=code, http_status=0, type=None, message=str(why)))
