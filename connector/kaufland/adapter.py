"""The Kaufland adapter: implements the ``Marketplace`` port for all configured accounts, with a caller per thread."""

from collections.abc import Iterable, Mapping
from threading import Lock, local

import httpx

from connector.kaufland.call_log import BodySwitch, CallLog
from connector.kaufland.caller import AccountState, KauflandAccount, KauflandCaller, Shared
from connector.kaufland.http.client import Exchange
from connector.kaufland.http.limits import http_date_s
from connector.kaufland.http.signing import WINDOW_S
from connector.kaufland.offers import mapping
from connector.kaufland.offers.both_ways import LookUpProgress
from connector.kaufland.offers.pages import Pages
from connector.kaufland.push import subscriptions
from connector.kaufland.reference import ReferenceData
from connector.kaufland.verdict.judge import ApiResponse, TransportFailure, diagnosis
from connector.marketplace.offers import Health, Reference, Subscription
from streams.errors import Stopped
from streams.flow import Answer, Call
from streams.ports import Clock

CHECK_DEADLINE_S = 6.0
"""The deadline of each of the two calls that a check makes."""
SUBSCRIBE_DEADLINE_S = 30.0
"""The deadline of calls about subscriptions: before it responds, the marketplace calls the callback URL and waits up to
15 seconds for its answer."""


class Kaufland:
    """A ``Marketplace``. ``call`` is thread-safe; each thread has its own connections."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._callers: list[KauflandCaller] = []
        self._lock = Lock()
        self._of_thread = local()

    def caller(self) -> KauflandCaller:
        """Returns a new caller for one thread; it is closed with the adapter."""
        caller = KauflandCaller(self._shared)
        with self._lock:
            self._callers.append(caller)
        return caller

    def call(self, call: Call) -> Answer:
        """Makes the call with the current thread's caller. Never raises."""
        caller: KauflandCaller | None = getattr(self._of_thread, "caller", None)
        if caller is None:
            caller = self._of_thread.caller = self.caller()
        return caller.call(call)

    def reference(self) -> Reference:
        """Returns the current reference data."""
        return self._shared.reference.current.reference

    def reload_reference(self) -> str | None:
        """Reads the reference data again. Returns the error if it was refused (the old data stays in use) or None."""
        return self._shared.reference.reload()

    def log_bodies(self, for_s: float) -> float:
        """Adds exact bodies to the call log for ``for_s`` seconds, at most an hour; zero or less turns it off.

        Returns the number of seconds granted.
        """
        return self._shared.bodies.turn_on(for_s, self._shared.clock.now().mono_s)

    def skew_s(self, account: str) -> float | None:
        """Returns the marketplace's time minus the local time in seconds, or None if it is not measured yet.

        Raises KeyError for an unknown account.
        """
        return self._shared.accounts[account].skew.skew_s(self._shared.clock.now())

    def check(self, account: str) -> Health:
        """Makes a signed ping and reads the seller's storefronts: two calls, which the rate limiter does not count."""
        known = self._shared.accounts.get(account)
        if known is None:
            return Health(reachable=False, authenticated=False, message=f"account {account!r} is not configured")
        caller = KauflandCaller(self._shared)
        try:
            return self._checked(known, caller)
        finally:
            caller.close()

    def subscriptions(self, account: str) -> tuple[Subscription, ...]:
        """Returns all push subscriptions of an account. The calls are not counted by the account's rate limiter.

        Raises Stopped if a call is not answered, or its response cannot be read.
        """
        found: list[Subscription] = []
        while True:
            page = subscriptions.read_page(self._answer(account, subscriptions.page(len(found))), len(found))
            if page is None:
                raise Stopped(f"account {account}: the list of subscriptions cannot be read")
            found += page[0]
            if page[1]:
                return tuple(found)

    def subscribe(self, account: str, storefront: str, event: str, url: str, email: str) -> Subscription:
        """Creates a subscription that notifies a URL of an event. Raises Stopped with the marketplace's message."""
        return self._changed(account, subscriptions.create(storefront, event, url, email))

    def enable(self, account: str, subscription_id: int, url: str | None = None) -> Subscription:
        """Enables a disabled subscription again, with another URL if one is given. Raises Stopped."""
        return self._changed(account, subscriptions.enable(subscription_id, url))

    def _changed(self, account: str, request: mapping.ApiRequest) -> Subscription:
        changed = subscriptions.read_one(self._answer(account, request))
        if changed is None:
            raise Stopped(f"account {account}: the answer to {request.method} {request.target} cannot be read")
        return changed

    def _answer(self, account: str, request: mapping.ApiRequest) -> bytes | None:
        """Makes one call once and returns the response's body. Raises Stopped unless its status is 200 or 201."""
        caller = KauflandCaller(self._shared)
        try:
            heard = self._ask(self._shared.accounts[account], caller, request, SUBSCRIBE_DEADLINE_S).heard
        finally:
            caller.close()
        asked = f"account {account}: {request.method} {request.target}"
        if not isinstance(heard, ApiResponse):
            why = (
                f"{heard.error} {heard.text}".rstrip() if isinstance(heard, TransportFailure) else "the call never left"
            )
            raise Stopped(f"{asked} is not answered: {why}")
        if heard.status not in (200, 201):
            raise Stopped(f"{asked} is refused: {_why(heard)}")
        return heard.body

    def close(self) -> None:
        """Closes all callers, after their threads have ended. Safe to call twice."""
        with self._lock:
            callers, self._callers = self._callers, []
        for caller in callers:
            caller.close()
        self._of_thread = local()

    def _checked(self, account: AccountState, caller: KauflandCaller) -> Health:
        ping = self._ask(account, caller, mapping.PING)
        if not isinstance(ping.heard, ApiResponse):
            why = (
                f"{ping.heard.error}: {ping.heard.text}"
                if isinstance(ping.heard, TransportFailure)
                else "the call never left"
            )
            return self._health(account, ping, message=f"not reachable: {why}".removesuffix(": "))
        if ping.heard.status != 200:
            return self._health(account, ping, reachable=True, message=_why(ping.heard))
        listed = self._ask(account, caller, mapping.STOREFRONTS)
        storefronts = mapping.read_storefronts(listed.heard.body) if isinstance(listed.heard, ApiResponse) else None
        if storefronts is None:
            message = "the ping is answered, the list of storefronts is not"
            return self._health(account, ping, reachable=True, authenticated=True, message=message)
        return self._health(
            account, ping, reachable=True, authenticated=True, message="signed calls are accepted", codes=storefronts
        )

    def _ask(
        self,
        account: AccountState,
        caller: KauflandCaller,
        request: mapping.ApiRequest,
        deadline_s: float = CHECK_DEADLINE_S,
    ) -> Exchange:
        by_s = self._shared.clock.now().mono_s + deadline_s
        return caller.client(account).exchange(request, send_by_s=by_s, give_up_at_s=by_s)

    def _health(
        self,
        account: AccountState,
        ping: Exchange,
        *,
        message: str,
        reachable: bool = False,
        authenticated: bool = False,
        codes: tuple[str, ...] = (),
    ) -> Health:
        skew_s = account.skew.skew_s(self._shared.clock.now())
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


def _why(heard: ApiResponse) -> str:
    """Describes why a response refuses a request, with the diagnosis of a 401."""
    error = mapping.read_error(heard.body)
    words = f" {error.type or ''} {error.message}".rstrip() if error is not None else ""
    if heard.status != 401:
        return f"HTTP {heard.status}{words}"
    served_s = http_date_s(heard.headers.get("date"))
    off_s = heard.signed_at_s - served_s if served_s is not None else None
    return diagnosis(error.type if error is not None else None, off_s) + f" (HTTP 401{words})"


def kaufland(
    accounts: Iterable[KauflandAccount],
    *,
    clock: Clock,
    reference: ReferenceData | None = None,
    log: CallLog | None = None,
) -> Kaufland:
    """Returns the adapter for these accounts. It connects at the first call. ``log`` None turns the call log off."""
    known: Mapping[str, AccountState] = {settings.name: AccountState(settings) for settings in accounts}
    return Kaufland(
        Shared(
            accounts=known,
            clock=clock,
            tls=httpx.create_ssl_context(trust_env=False),
            reference=reference if reference is not None else ReferenceData(),
            pages=Pages(),
            both_ways=LookUpProgress(),
            bodies=BodySwitch(),
            log=log,
        )
    )
