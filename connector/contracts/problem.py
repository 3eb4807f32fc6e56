"""The problem in a result: why an event was not applied. Used by every flow. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemError:
    """The marketplace's error message about one field."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an event was not applied, and what to do. Results APPLIED, UNCHANGED and SUPERSEDED have none.

    ``http_status``, ``type``, ``marketplace_message`` and ``errors`` quote the marketplace's response.
    """

    message: str
    advice: str
    http_status: int | None = None
    type: str | None = None
    marketplace_message: str | None = None
    errors: tuple[ProblemError, ...] = ()
