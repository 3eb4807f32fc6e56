"""The Kaufland adapter: implements the ``Marketplace`` port for all configured accounts, with a caller per thread."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock, local

from connector.kaufland.account import AccountState, KauflandAccount
from connector.kaufland.account_check import check_account
from connector.kaufland.call_log import BodySwitch, CallLog
from connector.kaufland.call_preparation import CallPreparation
from connector.kaufland.caller import KauflandCaller, Shared
from connector.kaufland.http.exchange import ApiRequest, ApiResponse, Exchange, TransportFailure
from connector.kaufland.push import answers, requests
from connector.kaufland.reference import KauflandReference, load_reference, parse_reference
from connector.kaufland.verdict.diagnosis import why_refused
from connector.marketplace.offers import Health, Reference, Subscription
from streams.errors import Stopped
from streams.flow import Answer, Call
from streams.http.egress import Egress
from streams.ports import Clock

CHECK_DEADLINE_S = 6.0
"""The deadline of each of the two calls that a check makes."""
SUBSCRIBE_DEADLINE_S = 30.0
"""The deadline of calls about subscriptions: before it responds, the marketplace calls the callback URL and waits up to
15 seconds for its answer."""


class Kaufland:
    """A ``Marketplace``. ``call`` is thread-safe; each thread has its own connections."""

    def __init__(self, shared: Shared, reference: KauflandReference) -> None:
        self._shared = shared
        self._reference = reference
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
        """Returns the reference data in use."""
        return self._reference.reference

    def parse_reference(self, content: bytes) -> KauflandReference:
        """Returns other reference data. Raises ValueError if it is not valid, or changes what only a restart can."""
        return parse_reference(content, since=self._reference)

    def use_reference(self, parsed: KauflandReference) -> None:
        """Uses other reference data from the next call on. Any thread."""
        self._reference.replace(parsed)

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

    def refused(self) -> dict[str, bool]:
        """Returns, by account, whether its last answer was a 401."""
        return {name: state.refused for name, state in self._shared.accounts.items()}

    def check(self, account: str) -> Health:
        """Makes a signed ping and reads the seller's storefronts: two calls, which the rate limiter does not count."""
        known = self._shared.accounts.get(account)
        if known is None:
            return Health(reachable=False, authenticated=False, message=f"account {account!r} is not configured")
        with self._connection(known, CHECK_DEADLINE_S) as exchange:
            return check_account(known, exchange, self._shared.clock)

    def subscriptions(self, account: str) -> tuple[Subscription, ...]:
        """Returns all push subscriptions of an account. The calls are not counted by the account's rate limiter.

        Raises Stopped if a call is not answered, or its response cannot be read.
        """
        found: list[Subscription] = []
        while True:
            body = self._answer(account, requests.subscription_page(len(found)))
            page = answers.subscription_page(body, offset=len(found))
            if page is None:
                raise Stopped(f"account {account}: the list of subscriptions cannot be read")
            found += page.rows
            if page.is_last:
                return tuple(found)

    def subscribe(self, account: str, storefront: str, event: str, url: str, email: str) -> Subscription:
        """Creates a subscription that notifies a URL of an event. Raises Stopped with the marketplace's message."""
        return self._changed(account, requests.create(storefront, event, url, email))

    def enable(self, account: str, subscription_id: int, url: str | None = None) -> Subscription:
        """Enables a disabled subscription again, with another URL if one is given. Raises Stopped."""
        return self._changed(account, requests.enable(subscription_id, url))

    def _changed(self, account: str, request: ApiRequest) -> Subscription:
        changed = answers.one_subscription(self._answer(account, request))
        if changed is None:
            raise Stopped(f"account {account}: the answer to {request.method} {request.target} cannot be read")
        return changed

    def _answer(self, account: str, request: ApiRequest) -> bytes | None:
        """Makes one call once and returns the response's body. Raises Stopped unless its status is 200 or 201."""
        with self._connection(self._shared.accounts[account], SUBSCRIBE_DEADLINE_S) as exchange:
            outcome = exchange(request).outcome
        asked = f"account {account}: {request.method} {request.target}"
        if not isinstance(outcome, ApiResponse):
            why = (
                f"{outcome.error} {outcome.text}".rstrip()
                if isinstance(outcome, TransportFailure)
                else "the call never left"
            )
            raise Stopped(f"{asked} is not answered: {why}")
        if outcome.status not in (200, 201):
            raise Stopped(f"{asked} is refused: {why_refused(outcome)}")
        return outcome.body

    def close(self) -> None:
        """Closes all callers, after their threads have ended. Safe to call twice."""
        with self._lock:
            callers, self._callers = self._callers, []
        for caller in callers:
            caller.close()
        self._of_thread = local()

    @contextmanager
    def _connection(self, account: AccountState, deadline_s: float) -> Iterator[Callable[[ApiRequest], Exchange]]:
        """Opens a connection for calls that the rate limiter does not count; yields the function that makes one.

        ``deadline_s``: of each call.
        """
        caller = KauflandCaller(self._shared)

        def exchange(request: ApiRequest) -> Exchange:
            by_s = self._shared.clock.now().mono_s + deadline_s
            return caller.client(account).exchange(request, send_by_s=by_s, give_up_at_s=by_s)

        try:
            yield exchange
        finally:
            caller.close()


def kaufland(
    accounts: Iterable[KauflandAccount],
    *,
    clock: Clock,
    log: CallLog | None = None,
    reference: KauflandReference | None = None,
    egress: Egress | None = None,
) -> Kaufland:
    """Returns the adapter for these accounts. It connects at the first call.

    ``log`` None turns the call log off; ``reference`` None: the data that is shipped with the connector; ``egress``
    None: direct connections.
    """
    reference = reference if reference is not None else load_reference()
    shared = Shared(
        accounts={settings.name: AccountState(settings) for settings in accounts},
        clock=clock,
        egress=egress if egress is not None else Egress(),
        preparation=CallPreparation(reference, clock),
        bodies=BodySwitch(),
        log=log,
    )
    return Kaufland(shared, reference)
