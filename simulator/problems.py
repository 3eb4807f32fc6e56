"""Error responses in the marketplace's format: a problem type, a message, and the invalid fields. Pure.

The body of a 429 is not documented. Chosen: the error envelope of all other errors, with the type ``about:blank``,
which RFC 9457 defines as adding nothing to the status code.
"""

from dataclasses import dataclass
from enum import StrEnum

import orjson

from simulator.exchange import HttpResponse


class ProblemType(StrEnum):
    """The problem types that the simulator itself uses; a scenario may name any other."""

    ABOUT_BLANK = "about:blank"
    BAD_REQUEST = "/problems/bad-request"
    NOT_FOUND = "/problems/not-found"
    VALIDATION_ERROR = "/problems/validation-error"
    STOREFRONT_NOT_CONFIGURED = "/problems/storefront-not-configured"
    INVALID_CREDENTIALS = "/problems/invalid-credentials"
    CORRUPTED_SIGNATURE = "/problems/corrupted-signature"
    INACTIVE_ACCOUNT = "/problems/inactive-account"
    INVALID_HEADER = "/problems/missing-or-invalid-request-header"
    ACTION_NOT_ALLOWED = "/problems/action-not-allowed"
    DUPLICATE_ACTION = "/problems/duplicate-action"
    UNVERIFIED_CALLBACK = "/problems/subscriptions/unverified-callback-url"
    ALREADY_EXISTS = "/problems/already-exists"
    BULK_DUPLICATE_UNITS = "/problems/units/bulk-duplicate-units"
    BULK_TOO_MANY_UNITS = "/problems/units/bulk-too-many-units"
    SERVER_ERROR = "/problems/server-error"


@dataclass(frozen=True, slots=True)
class RequestFieldError:
    """One invalid value of the request. ``field`` is the name that the caller used."""

    field: str
    message: str

    def body(self) -> dict[str, str]:
        return {"field": self.field, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDetails:
    """Why a call, or one item of it, is refused."""

    status: int
    type: str
    message: str
    errors: tuple[RequestFieldError, ...] = ()
    key: str | None = None  # set = as an item of a 207: an internal error, which has a key and no list of fields

    def answer(self, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
        """Returns the error response to a whole call."""
        body = {"type": self.type, "message": self.message, "errors": [error.body() for error in self.errors]}
        return HttpResponse(status=self.status, body=orjson.dumps(body), headers=headers, problem=self.type)

    def item(self, unit_id: int) -> dict[str, object]:
        """Returns the error entry of one item of a bulk call, which has no problem type."""
        if self.key is not None:
            return {"id_unit": unit_id, "status_code": self.status, "key": self.key, "message": self.message}
        return {
            "id_unit": unit_id,
            "status_code": self.status,
            "message": self.message,
            "errors": [error.body() for error in self.errors],
        }


def invalid(*errors: RequestFieldError) -> ProblemDetails:
    """Returns a 400 for invalid request values; the message follows the example in the OpenAPI document."""
    names = ", ".join(dict.fromkeys(error.field for error in errors))
    return ProblemDetails(
        status=400,
        type=ProblemType.VALIDATION_ERROR,
        message=f"Parameters [{names}] are missing or have wrong value.",
        errors=errors,
    )


def not_found(what: str) -> ProblemDetails:
    return ProblemDetails(status=404, type=ProblemType.NOT_FOUND, message=f"{what} not found")


def too_many_requests() -> ProblemDetails:
    return ProblemDetails(status=429, type=ProblemType.ABOUT_BLANK, message="Too many requests")
