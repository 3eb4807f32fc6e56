"""Authenticates calls: required headers, timestamp and signature. Pure.

Documented: HMAC-SHA256 over method, absolute URI, raw body and Unix seconds, joined by line feeds, keyed with the
secret as text, sent as lower-case hex; a timestamp within five minutes of the server's clock. The document does not
assign problem types to these errors; they are chosen by the types' names. The status is always 401, the one that every
endpoint lists for "request authentication headers are corrupt".
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from simulator.exchange import HttpRequest
from simulator.problems import ProblemDetails, ProblemType, RequestFieldError

CLIENT_KEY: Final = "shop-client-key"
TIMESTAMP: Final = "shop-timestamp"
SIGNATURE: Final = "shop-signature"
DEFAULT_CLOCK_WINDOW_S: Final = 300

_REQUIRED: Final[Mapping[str, str]] = {
    CLIENT_KEY: "Shop-Client-Key",
    TIMESTAMP: "Shop-Timestamp",
    SIGNATURE: "Shop-Signature",
    "user-agent": "User-Agent",
    "accept": "Accept",
}
_MAX_DIGITS: Final = 12
_JSON_ACCEPTED: Final = frozenset({"application/json", "application/*", "*/*"})


def sign(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """Returns the signature of a call under ``secret``, as lower-case hex."""
    text = b"\n".join((method.upper().encode(), uri.encode(), body, timestamp.encode()))
    return hmac.new(secret.encode(), text, sha256).hexdigest()


def header_problem(request: HttpRequest, *, now_s: float, clock_window_s: int) -> ProblemDetails | None:
    """Returns the first problem that is visible in the headers without the secret, or None."""
    headers = request.headers
    if old := [name for name in headers if name.startswith("hm-")]:
        return _header_problem(old, "names of version 1 are not accepted, use Shop-*")
    if missing := [name for key, name in _REQUIRED.items() if not headers.get(key, "").strip()]:
        return _header_problem(missing, "missing")
    if not _accepts_json(headers["accept"]):
        return _header_problem(["Accept"], "must be application/json")
    if request.body and not _is_json(headers.get("content-type", "")):
        return _header_problem(["Content-Type"], "must be application/json when there is a body")
    return _timestamp_problem(headers[TIMESTAMP], now_s, clock_window_s)


def signature_problem(request: HttpRequest, secrets: Mapping[str, str]) -> ProblemDetails | None:
    """Returns why the signature is refused, or None if it is valid. ``secrets`` is keyed by client key."""
    secret = secrets.get(request.headers[CLIENT_KEY])
    if secret is None:
        return ProblemDetails(status=401, type=ProblemType.INVALID_CREDENTIALS, message="Client key is not known")
    expected = sign(secret, request.method, request.uri, request.body, request.headers[TIMESTAMP])
    if not hmac.compare_digest(expected.encode(), request.headers[SIGNATURE].encode()):
        return ProblemDetails(
            status=401, type=ProblemType.CORRUPTED_SIGNATURE, message="Signature does not match the request"
        )
    return None


def _timestamp_problem(text: str, now_s: float, clock_window_s: int) -> ProblemDetails | None:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        return _header_problem(["Shop-Timestamp"], "must be Unix time in whole seconds")
    # The server's time is truncated to seconds too: at any fraction of a second, 300 is inside and 301 is outside.
    if abs(int(now_s) - int(text)) > clock_window_s:
        return _header_problem(["Shop-Timestamp"], f"is not within {clock_window_s} seconds of the server's clock")
    return None


def _header_problem(names: list[str], why: str) -> ProblemDetails:
    return ProblemDetails(
        status=401,
        type=ProblemType.INVALID_HEADER,
        message=f"Request header {', '.join(names)}: {why}",
        errors=tuple(RequestFieldError(name, why) for name in names),
    )


def _accepts_json(value: str) -> bool:
    return any(part.partition(";")[0].strip().lower() in _JSON_ACCEPTED for part in value.split(","))


def _is_json(value: str) -> bool:
    return value.partition(";")[0].strip().lower() == "application/json"
