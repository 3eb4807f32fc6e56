"""The row of the call log: one HTTP attempt, with the fields of the Avro record ``MarketplaceCalled``. Pure."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CallItem:
    """One unit in a call. ``event_ids`` are the first 20 events that led to its update; ``event_count`` counts all."""

    unit_id: int
    event_ids: tuple[str, ...] = ()
    event_count: int = 0
    status_code: int | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketplaceCalled:
    """One HTTP attempt. The Avro schema documents each field."""

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
    event_ids: tuple[str, ...] = ()  # for a look-up: the first 20 events that wait for it
    event_count: int = 0
    listed: int | None = None  # for a look-up: the number of matching units according to the response
    request_body: bytes | None = None
    response_body: bytes | None = None
    instance_id: str
    waited_us: int | None = None
    limit_per_second: Decimal | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
