"""Faults as values: which calls they match, and what happens to those calls. Pure."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from simulator.exchange import HttpResponse
from simulator.problems import ProblemDetails, ProblemType, RequestFieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which calls a fault applies to. A field that is not set matches all. Seconds count from when the fault was set.

    The first ``skip`` matching calls pass; the fault applies to every ``every``-th of the rest, of these to a random
    ``share``, and to at most ``times`` calls.
    """

    method: str | None = None
    path: str | None = None  # without the base path; "*" at the end matches any rest
    seller: str | None = None
    unit_ids: frozenset[int] = frozenset()  # the call carries at least one of them
    from_s: float = 0.0
    until_s: float | None = None
    skip: int = 0
    times: int | None = None
    every: int = 1
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Send this response without carrying out the request: repeated 429, some 5xx, an absurd Retry-After, bad JSON."""

    status: int
    type: str = ProblemType.ABOUT_BLANK
    message: str = "Scenario"
    retry_after: str | None = None
    body: str | None = None  # sent verbatim instead of the error envelope
    content_type: str = "application/json"

    def answer(self) -> HttpResponse:
        headers = () if self.retry_after is None else (("Retry-After", self.retry_after),)
        if self.body is None:
            return ProblemDetails(status=self.status, type=self.type, message=self.message).answer(headers)
        return HttpResponse(
            status=self.status, body=self.body.encode(), headers=headers, content_type=self.content_type
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Garble:
    """Carry out the request, then respond with its status and this body."""

    body: str = '{"data": ['


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Wait, then carry out the request and respond."""

    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """Carry out the request, then send the response a few bytes at a time."""

    interval_s: float = 1.0
    bytes_at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Reset the connection without carrying out the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfBody:
    """Carry out the request, send the head and this share of the body, and close."""

    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseAnswer:
    """Carry out the request, and close without sending a byte."""

    reset: bool = False  # close by a reset


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyLate:
    """Carry out the request only after this time, even if the caller has disconnected; respond if it has not."""

    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Reset the connections of matching calls, and if the match has no filter also new connections: a server outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Refuse the matched units; if ``field`` is set, only changes that carry it. ``key`` gives a bulk item the form of
    an internal error, which has no list of fields."""

    status: int = 400
    type: str = ProblemType.VALIDATION_ERROR
    message: str = "Refused by the scenario"
    field: str | None = None
    name_field: bool = True  # False = the refusal does not name the field
    key: str | None = None

    def problem(self) -> ProblemDetails:
        named = self.field is not None and self.name_field
        errors = (RequestFieldError(self.field or "", self.message),) if named else ()
        return ProblemDetails(status=self.status, type=self.type, message=self.message, errors=errors, key=self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alter:
    """Accept ``field`` of the matched units, but store another value."""

    field: str
    value: Any


CallMishap: TypeAlias = Respond | Garble | Delay | Drip | Reset | HalfBody | LoseAnswer | ApplyLate | Outage


UnitMishap: TypeAlias = Refuse | Alter


Mishap: TypeAlias = CallMishap | UnitMishap


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """A fault: what happens and to which calls. The journal lists its ``name`` with the calls it was applied to."""

    name: str
    mishap: Mishap
    match: Match = field(default_factory=Match)
    seed: int = 0
