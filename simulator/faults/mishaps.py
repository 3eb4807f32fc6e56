"""Faults as values: which calls they match, and what happens to those. Pure."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from simulator.exchange import HttpResponse
from simulator.problems import ProblemDetails, ProblemType, RequestFieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which calls. What is not named matches all. Times count from the moment the fault was set."""

    method: str | None = None
    path: str | None = None  # without the base path; "*" at the end stands for any rest
    seller: str | None = None
    unit_ids: frozenset[int] = frozenset()  # any of them in the call
    from_s: float = 0.0
    until_s: float | None = None
    skip: int = 0  # let so many matching calls pass first
    times: int | None = None  # and then hit at most so many
    every: int = 1  # and of those left every nth
    share: float = 1.0  # and of those a random share


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Answer this instead of doing anything: a 429 storm, a share of 5xx, an absurd Retry-After, wrong JSON."""

    status: int
    type: str = ProblemType.ABOUT_BLANK
    message: str = "Scenario"
    retry_after: str | None = None
    body: str | None = None  # word for word instead of the error envelope
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
    """Do what was asked, then answer its status with these bytes as the body."""

    body: str = '{"data": ['


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Wait, then do what was asked and answer."""

    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """Do what was asked, then send the answer a few bytes at a time."""

    interval_s: float = 1.0
    bytes_at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Do nothing; the connection is reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfBody:
    """Do what was asked, send a share of the body, and close."""

    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseAnswer:
    """Do what was asked, and close without a byte."""

    reset: bool = False  # by a reset instead of an orderly end


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyLate:
    """Do what was asked only after this time, even if the caller has long gone; then answer, if it has not."""

    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """As if the server were gone: calls are reset, new connections too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Refuse the units matched, and when ``field`` is named only if they carry it. ``key`` gives a bulk item the form
    of an internal error, which has no list of fields."""

    status: int = 400
    type: str = ProblemType.VALIDATION_ERROR
    message: str = "Refused by the scenario"
    field: str | None = None
    name_field: bool = True  # False = the refusal does not say which field it was
    key: str | None = None

    def problem(self) -> ProblemDetails:
        named = self.field is not None and self.name_field
        errors = (RequestFieldError(self.field or "", self.message),) if named else ()
        return ProblemDetails(status=self.status, type=self.type, message=self.message, errors=errors, key=self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alter:
    """Accept ``field`` of the units matched, and store another value."""

    field: str
    value: Any


CallMishap: TypeAlias = Respond | Garble | Delay | Drip | Reset | HalfBody | LoseAnswer | ApplyLate | Outage


UnitMishap: TypeAlias = Refuse | Alter


Mishap: TypeAlias = CallMishap | UnitMishap


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """``name`` is what the journal says when it has struck."""

    name: str
    mishap: Mishap
    match: Match = field(default_factory=Match)
    seed: int = 0
