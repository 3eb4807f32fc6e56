"""The call log: one row for each HTTP attempt, and a switch that adds the exact bodies for a limited time. Pure.

Only calls about offers, parcels and carriers are logged with bodies, never a call whose response holds personal data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256

from connector.contracts.call_log_row import CallItem, MarketplaceCalled
from connector.kaufland.call_spans import span_of, trace_of
from connector.kaufland.http.address import Address
from connector.kaufland.http.exchange import ApiResponse, Exchange, TransportFailure
from connector.kaufland.prepared_call import PreparedCall
from connector.kaufland.verdict.judge import Verdict
from connector.marketplace.offers import Update
from streams.flow import Call, Headers, Output
from streams.trace_context import TRACEPARENT, Sampling

MAX_BODIES_S = 3600.0
"""The longest time, in seconds, for which the switch can be turned on."""


class BodySwitch:
    """Whether bodies go into the call log. Initially off; turned on for a limited time. Thread-safe."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def turn_on(self, for_s: float, now_s: float) -> float:
        """Turns the switch on for ``for_s`` seconds, at most MAX_BODIES_S; zero or less turns it off.

        ``now_s`` is on the monotonic clock. Returns the number of seconds granted.
        """
        granted_s = min(max(for_s, 0.0), MAX_BODIES_S)
        self._until_s = now_s + granted_s
        return granted_s

    def is_on(self, now_s: float) -> bool:
        """Whether bodies are logged. ``now_s`` is on the monotonic clock."""
        return now_s < self._until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLog:
    """The call log's topic, and how its rows are encoded; records are keyed by account."""

    topic: str
    encode: Callable[[MarketplaceCalled], bytes]
    instance_id: str
    headers: Callable[[MarketplaceCalled], Headers] | None = None  # of the record, including those of CloudEvents
    sampling: Sampling | None = None  # None: calls are not traced

    def output(
        self,
        call: Call,
        prepared: PreparedCall,
        exchange: Exchange,
        outcome: ApiResponse | TransportFailure,
        verdict: Verdict,
        *,
        address: Address,
        with_bodies: bool,
    ) -> Output:
        """Returns the record of one attempt. ``with_bodies``: whether the switch is on.

        Its trace context is that of the call. Without tracing, it is that of the first event that has one.
        """
        row = _row(call, prepared, exchange, outcome, verdict, self.instance_id)
        if with_bodies and not prepared.question.kind.personal:
            response = outcome.body if isinstance(outcome, ApiResponse) else None
            row = replace(row, request_body=prepared.request.body, response_body=response)
        headers = self.headers(row) if self.headers is not None else ()
        trace, span = (prepared.traces or (None,))[0], None
        if self.sampling is not None:
            own = trace_of(call.id, prepared.traces, self.sampling)
            trace, span = own.context.traceparent, span_of(call, prepared, exchange, outcome, verdict, own, address)
        if trace is not None:
            headers = (*headers, (TRACEPARENT, trace.encode()))
        return Output(topic=self.topic, key=row.account.encode(), value=self.encode(row), headers=headers, span=span)


def _row(
    call: Call,
    prepared: PreparedCall,
    exchange: Exchange,
    outcome: ApiResponse | TransportFailure,
    verdict: Verdict,
    instance_id: str,
) -> MarketplaceCalled:
    """Returns the row of one attempt, without bodies."""
    answer = outcome if isinstance(outcome, ApiResponse) else None
    began = exchange.sent or exchange.began
    return MarketplaceCalled(
        call_id=call.id,
        account=call.account,
        storefront=prepared.storefront,
        kind=call.kind,
        method=prepared.request.method,
        path=prepared.request.target,
        attempt=max(prepared.question.attempts),
        sent_at_us=began.wall_us,
        answered_at_us=exchange.ended.wall_us if answer is not None else None,
        duration_us=round((exchange.ended.mono_s - began.mono_s) * 1e6),
        http_status=answer.status if answer is not None else None,
        outcome=verdict.outcome,
        problem_type=verdict.problem_type,
        transport_error=outcome.error if isinstance(outcome, TransportFailure) else outcome.cut,
        tokens_left=call.tokens_left,
        request_sha256=sha256(prepared.request.body).hexdigest(),
        response_sha256=_digest(answer),
        items=_items(prepared.updates, verdict),
        event_ids=prepared.event_ids,
        event_count=prepared.event_count,
        listed=_listed(prepared, answer),
        instance_id=instance_id,
        waited_us=_waited_us(call, began.wall_us),
        limit_per_second=None if call.limit_per_s is None else round(Decimal(call.limit_per_s), 4),
        request_bytes=len(prepared.request.body),
        response_bytes=len(answer.body) if answer is not None and answer.body is not None else None,
    )


def _waited_us(call: Call, left_us: int) -> int | None:
    """Returns for how long the oldest item had waited when the request left; None if no item says since when."""
    since_us = min((item.since_us for item in call.items if item.since_us > 0), default=None)
    return None if since_us is None else max(0, left_us - since_us)


def _listed(prepared: PreparedCall, answer: ApiResponse | None) -> int | None:
    """Returns how many units the response to a look-up lists; None for other calls and without a response of 200."""
    if prepared.count_listed is None or answer is None or answer.status != 200:
        return None
    return prepared.count_listed(answer.body)


def _items(updates: Sequence[Update], verdict: Verdict) -> tuple[CallItem, ...]:
    """Returns the items of a call log row, one for each update."""
    details = verdict.details or ((None, None),) * len(updates)
    return tuple(
        CallItem(
            unit_id=update.unit_id,
            event_ids=update.event_ids[:20],
            event_count=update.event_count,
            status_code=status,
            code=code,
        )
        for update, (status, code) in zip(updates, details, strict=True)
    )


def _digest(answer: ApiResponse | None) -> str | None:
    """Returns the SHA-256 of a response's body, or None if there is none."""
    return sha256(answer.body).hexdigest() if answer is not None and answer.body is not None else None
