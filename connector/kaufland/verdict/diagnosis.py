"""Says why a signed request was rejected: clock skew, one of the keys, or a header. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from connector.kaufland.http.exchange import ApiResponse
from connector.kaufland.http.limits import http_date_s
from connector.kaufland.http.signing import WINDOW_S
from connector.kaufland.verdict.error_body import ErrorAnswer, read_error
from connector.kaufland.verdict.table import short_type

CLOCK_SKEW = "CLOCK_SKEW"
"""How the diagnosis of a wrong clock begins."""

_DIAGNOSES: Mapping[str, str] = MappingProxyType(
    {
        "invalid-credentials": "WRONG_CLIENT_KEY: the marketplace does not know this client key; it was renewed in the "
        "seller portal, or belongs to another environment",
        "corrupted-signature": "WRONG_SIGNATURE: our clock is right, so the secret key does not belong to the client "
        "key, or something between here and the marketplace changed address or body",
        "missing-or-invalid-request-header": "HEADER_REFUSED: a header is missing or malformed; something between here "
        "and the marketplace may have removed it",
    }
)


def diagnosis(response: ApiResponse, error: ErrorAnswer | None) -> str:
    """Returns the cause of a 401. ``error``: the response's error envelope, if it has one."""
    served_s = http_date_s(response.headers.get("date"))
    signed_off_s = response.signed_at_s - served_s if served_s is not None else None
    if signed_off_s is not None and abs(signed_off_s) > WINDOW_S - 1:  # Date counts whole seconds
        ahead = "ahead of" if signed_off_s > 0 else "behind"
        return (
            f"{CLOCK_SKEW}: the signed time was {abs(signed_off_s):.0f} s {ahead} the marketplace's clock, "
            f"{WINDOW_S} s are allowed; synchronise this machine's clock (NTP)"
        )
    unspecific = "UNAUTHORIZED: the keys are not accepted; compare them with the seller portal"
    return _DIAGNOSES.get(short_type(error.type if error is not None else None) or "", unspecific)


def why_refused(response: ApiResponse) -> str:
    """Describes for an operator why a response refuses a request, with the diagnosis of a 401."""
    error = read_error(response.body)
    words = f" {error.type or ''} {error.message}".rstrip() if error is not None else ""
    if response.status != 401:
        return f"HTTP {response.status}{words}"
    return diagnosis(response, error) + f" (HTTP 401{words})"
