"""Why an event was not applied, as results of every flow say it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemError:
    """The marketplace's own words about one field."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why, and what to do. None of APPLIED, UNCHANGED and SUPERSEDED."""

    message: str
    advice: str
    http_status: int | None = None
    type: str | None = None
    marketplace_message: str | None = None
    errors: tuple[ProblemError, ...] = ()
