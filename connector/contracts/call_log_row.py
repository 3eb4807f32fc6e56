"""The row of the call log: one HTTP attempt, one to one with the record ``MarketplaceCalled``. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallItem:
    """One unit in a call. ``event_ids`` are the first 20 of the events behind it, ``event_count`` counts them all."""

    unit_id: int
    event_ids: tuple[str, ...] = ()
    event_count: int = 0
    status_code: int | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketplaceCalled:
    """One HTTP attempt."""

    call_id: str
    account: str
    storefront: str | None = None
    kind: str
    method: str
    path: str
    attempt: int
    sent_at_us: int
    answered_at_us: int | None = None
    duration_us: int
    http_status: int | None = None
    outcome: str
    problem_type: str | None = None
    transport_error: str | None = None
    tokens_left: int
    request_sha256: str
    response_sha256: str | None = None
    items: tuple[CallItem, ...] = ()
    event_ids: tuple[str, ...] = ()  # of a look-up
    event_count: int = 0
    listed: int | None = None  # units, by a look-up's answer
    request_body: bytes | None = None
    response_body: bytes | None = None
    instance_id: str
