"""Prepares calls about returns: the request, and how its response is judged. Pure."""

from functools import partial
from typing import Any

from connector.kaufland.call_options import CallOptions
from connector.kaufland.prepared_call import PreparedCall, RequestAndJudge, prepare_item, settling
from connector.kaufland.returns import answers, requests
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import ReadReturn, ReadReturnPage
from streams.flow import Call, Reply


def prepare(call: Call, options: CallOptions) -> PreparedCall | tuple[Reply, ...]:
    """Prepares a call; returns a refusal if its item cannot be sent."""
    return prepare_item(call, options, _pair)


def _pair(kind: CallKind, body: Any) -> RequestAndJudge | None:
    """Returns the request and the judge of its response; None if kind and body do not match."""
    match kind, body:
        case CallKind.RETURN_PAGE, ReadReturnPage():
            return requests.return_page(body), settling(partial(answers.return_page, asked=body))
        case CallKind.RETURN, ReadReturn():
            return requests.one_return(body), settling(partial(answers.one_return, asked=body))
        case _:
            return None
