"""Checks an account with a signed ping and the list of the seller's storefronts.

Source: OpenAPI document of the Seller API, 2.27.0 with the changes up to 2.44.0.
"""

from collections.abc import Callable

from connector.kaufland.account import AccountState
from connector.kaufland.bodies.api_model import ApiResponseModel
from connector.kaufland.bodies.json_body import read
from connector.kaufland.http.exchange import ApiRequest, ApiResponse, Exchange, TransportFailure
from connector.kaufland.http.signing import WINDOW_S
from connector.kaufland.verdict.diagnosis import why_refused
from connector.marketplace.offers import Health
from streams.ports import Clock

PING = ApiRequest(method="GET", target="/status/ping")
STOREFRONTS = ApiRequest(method="GET", target="/info/storefront")


class StorefrontsAnswer(ApiResponseModel):
    """``ApiResponse_string-Array_`` of ``GET /info/storefront``."""

    data: list[str]


def read_storefronts(body: bytes | None) -> tuple[str, ...] | None:
    """Reads the seller's storefronts, in lower case; None if the body does not conform to the API's document."""
    answer = read(StorefrontsAnswer, body)
    return tuple(code.lower() for code in answer.data) if answer is not None else None


def check_account(account: AccountState, exchange: Callable[[ApiRequest], Exchange], clock: Clock) -> Health:
    """Makes both calls and reports what they show. ``exchange`` makes one call."""
    ping = exchange(PING)
    if not isinstance(ping.outcome, ApiResponse):
        why = (
            ping.outcome.text or ping.outcome.error
            if isinstance(ping.outcome, TransportFailure)
            else "the call never left"
        )
        return _health(account, ping, clock, message=f"not reachable: {why}")
    if ping.outcome.status != 200:
        return _health(account, ping, clock, reachable=True, message=why_refused(ping.outcome))
    listed = exchange(STOREFRONTS)
    storefronts = read_storefronts(listed.outcome.body) if isinstance(listed.outcome, ApiResponse) else None
    if storefronts is None:
        message = "the ping is answered, the list of storefronts is not"
        return _health(account, ping, clock, reachable=True, authenticated=True, message=message)
    return _health(
        account, ping, clock, reachable=True, authenticated=True, message="signed calls are accepted", codes=storefronts
    )


def _health(
    account: AccountState,
    ping: Exchange,
    clock: Clock,
    *,
    message: str,
    reachable: bool = False,
    authenticated: bool = False,
    codes: tuple[str, ...] = (),
) -> Health:
    skew_s = account.skew.skew_s(clock.now())
    settings = account.settings
    detail = {"address": settings.address.base, "keys": settings.credentials.current.fingerprint()}
    if settings.credentials.notices:
        detail["notices"] = "; ".join(settings.credentials.notices)
    if skew_s is not None and abs(skew_s) > WINDOW_S / 10:
        detail["clock"] = f"{skew_s:+.0f} s off the marketplace's; {WINDOW_S} s are the limit; synchronise it (NTP)"
    if ping.sent is not None:
        detail["answered_in_ms"] = f"{(ping.ended.mono_s - ping.sent.mono_s) * 1000:.0f}"
    return Health(
        reachable=reachable,
        authenticated=authenticated,
        message=message,
        storefronts=codes,
        clock_skew_s=skew_s,
        detail=detail,
    )
