"""Prepares calls that list push subscriptions: the request, and how its response is judged. Pure."""

from functools import partial
from typing import Any

from connector.kaufland.call_options import CallOptions
from connector.kaufland.prepared_call import PreparedCall, RequestAndJudge, prepare_item, settling
from connector.kaufland.push import answers, requests
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import ReadSubscriptions
from streams.flow import Call, Reply


def prepare(call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
    """Prepares a call."""
    return prepare_item(call, options, _pair)


def _pair(kind: CallKind, body: Any) -> RequestAndJudge | None:
    """Returns the request and the judge of its response; None if kind and body do not match."""
    match kind, body:
        case CallKind.SUBSCRIPTIONS, ReadSubscriptions():
            read = partial(answers.subscription_page, offset=body.offset)
            return requests.subscription_page(body.offset), settling(read)
        case _:
            return None
