"""One exchange with the API: the request without its headers, and its response or failure. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.flow import Now


class Unsendable(ValueError):
    """No request can be made of an item: a value is outside the API's bounds, or there is nothing to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A request without its headers.

    ``target``: path and query after the base address, percent-encoded. It is written to the call log, so it must not
    hold personal data.
    """

    method: str
    target: str
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse:
    """An HTTP response.

    ``body`` is None if it was truncated, too large, or not decodable; ``cut`` then names the exception, or is TooLarge.
    """

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes | None = field(repr=False)  # may hold personal data
    cut: str | None = None
    signed_at_s: int = 0  # the timestamp in the request's signature
    wall_s: float = 0.0  # when it was read: Unix seconds by the server's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFailure:
    """No response was received. ``left``: whether at least one byte of the request was written to the socket."""

    error: str  # class name
    left: bool
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLeft:
    """Nothing was sent: the lease or the deadline had expired before the first byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One attempt: its response or failure, and when it began, sent its first byte (None = never), and ended."""

    outcome: ApiResponse | TransportFailure | NotLeft
    began: Now
    sent: Now | None
    ended: Now
