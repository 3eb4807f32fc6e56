"""One worker thread's caller: builds a request from a call's items, sends it once, and turns the response into replies.

An unexpected exception is a bug on our side; the ``stop`` of the answer then stops the process.
"""

import hashlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from traceback import extract_tb

from connector.contracts.call_log_row import CallItem, MarketplaceCalled
from connector.kaufland.call_log import BodySwitch, CallLog
from connector.kaufland.http.address import Address
from connector.kaufland.http.client import Client, Exchange, NotLeft
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.http.skew import SkewMeter
from connector.kaufland.offers import mapping
from connector.kaufland.offers.both_ways import LookUpProgress
from connector.kaufland.offers.pages import Pages
from connector.kaufland.offers.requests import OfferRequests
from connector.kaufland.orders.requests import OrderRequests
from connector.kaufland.reference import ReferenceData
from connector.kaufland.requests import CallOptions, PrepareCall, PreparedCall, UpdateMode
from connector.kaufland.verdict.judge import ApiResponse, TransportFailure, Verdict, judge
from connector.marketplace.call_kinds import OF_ORDERS, CallKind
from connector.marketplace.offers import Found, Update
from streams.flow import Answer, Call, Lost, NotSent, Output, Reply, Retry, Settled
from streams.ports import Clock


def default_user_agent() -> str:
    """Returns product and version, as the marketplace requires."""
    try:
        return f"kaufland-stream-connector/{version('kaufland-stream-connector')}"
    except PackageNotFoundError:
        return "kaufland-stream-connector"


@dataclass(frozen=True, slots=True, kw_only=True)
class KauflandAccount:
    """One seller's account.

    ``quotas``: requests per quota window, by group of endpoints (``connector.marketplace.call_kinds``), for responses
    with ``X-RateLimit-Remaining`` but no limit. ``contacts``: whether names and addresses of an order are passed on;
    if not, they are not read.
    """

    name: str
    credentials: Credentials
    address: Address
    mode: UpdateMode = UpdateMode.BATCH
    user_agent: str = field(default_factory=default_user_agent)
    quotas: Mapping[str, int] = field(default_factory=dict)
    contacts: bool = False

    @property
    def terms(self) -> CallOptions:
        """The settings that affect the content of the account's requests."""
        return CallOptions(mode=self.mode, quotas=self.quotas, contacts=self.contacts)


class AccountState:
    """The state of an account that all threads share."""

    def __init__(self, settings: KauflandAccount) -> None:
        self.settings = settings
        self.skew = SkewMeter()
        self.refused = False  # whether its last response was a 401: the keys are read again before the next call


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The objects that all callers of one adapter share."""

    accounts: Mapping[str, AccountState]
    clock: Clock
    tls: ssl.SSLContext
    reference: ReferenceData
    pages: Pages
    both_ways: LookUpProgress
    bodies: BodySwitch
    log: CallLog | None


class KauflandCaller:
    """A ``streams.flow.Caller`` for one worker thread."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._clients: dict[str, Client] = {}
        offers = OfferRequests(shared.reference, shared.pages, shared.both_ways, shared.clock)
        orders = OrderRequests(shared.reference)
        self._askers: Mapping[CallKind, PrepareCall] = {
            CallKind.LOOK_UP: offers.look_up,
            CallKind.UPDATE: offers.update,
            **dict.fromkeys(OF_ORDERS, orders.ask),
        }

    def call(self, call: Call) -> Answer:
        """Makes the call. Never raises: an unexpected exception stops the process.

        Its items are then reported as lost, since the request may have been sent.
        """
        try:
            return self._call(call)
        except Exception as bug:  # noqa: BLE001 a worker thread must answer, whatever happens
            reason = f"call {call.id} ({call.kind}) failed because of a bug on our side: {_place(bug)}"
            return Answer(call=call, replies=(Lost(reason=reason),) * len(call.items), stop=reason)

    def close(self) -> None:
        """Closes the connections. Safe to call twice."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _call(self, call: Call) -> Answer:
        account = self._shared.accounts.get(call.account)
        if account is None:
            reason = f"account {call.account!r} is not configured"
            return Answer(call=call, replies=(NotSent(reason=reason),) * len(call.items), stop=reason)
        if account.refused:
            account.settings.credentials.reload()
        ask = self._asker(call)(call, account.settings.terms)
        if isinstance(ask, tuple):
            return Answer(call=call, replies=ask)
        exchange = self.client(account).exchange(ask.request, send_by_s=call.send_by_s, give_up_at_s=call.give_up_at_s)
        if isinstance(exchange.heard, NotLeft):
            return Answer(call=call, replies=_merged(call, ask, (NotSent(),) * len(ask.items)))
        if isinstance(exchange.heard, ApiResponse):
            account.refused = exchange.heard.status == 401
        return self._answer(call, account, ask, exchange, exchange.heard)

    def client(self, account: AccountState) -> Client:
        """Returns this thread's client for an account, created at its first use."""
        client = self._clients.get(account.settings.name)
        if client is None:
            client = self._clients[account.settings.name] = Client(
                address=account.settings.address,
                credentials=account.settings.credentials,
                skew=account.skew,
                clock=self._shared.clock,
                tls=self._shared.tls,
                user_agent=account.settings.user_agent,
            )
        return client

    def _asker(self, call: Call) -> PrepareCall:
        """Returns the function that prepares calls of this kind. Raises ValueError for an unknown kind."""
        return self._askers[CallKind.of(call.kind)]

    def _answer(
        self,
        call: Call,
        account: AccountState,
        ask: PreparedCall,
        exchange: Exchange,
        heard: ApiResponse | TransportFailure,
    ) -> Answer:
        verdict = judge(ask.question, heard, self._shared.reference.current, ask.read)
        sent, ended = exchange.sent, exchange.ended
        answered = isinstance(heard, ApiResponse)
        return Answer(
            call=call,
            replies=_merged(call, ask, _answered(ask, verdict.replies)),
            log=self._log(call, ask, exchange, heard, verdict),
            sent_s=sent.mono_s if sent is not None else None,
            answered_s=ended.mono_s if answered else None,
            sent_us=(sent or exchange.began).wall_us,
            answered_us=ended.wall_us if answered else None,
            slow_down=verdict.slow_down,
            close_account_s=verdict.close_account_s,
            closed_because=self._closed_because(account, verdict),
            reserve_until_s=ended.mono_s + verdict.reserve_s if verdict.reserve_s is not None else None,
            failed=verdict.failed,
        )

    def _closed_because(self, account: AccountState, verdict: Verdict) -> str:
        if verdict.outcome != "unauthorized":
            return verdict.closed_because
        return f"{verdict.closed_because} [keys {account.settings.credentials.current.fingerprint()}]"

    def _log(
        self, call: Call, ask: PreparedCall, exchange: Exchange, heard: ApiResponse | TransportFailure, verdict: Verdict
    ) -> tuple[Output, ...]:
        log = self._shared.log
        if log is None:
            return ()
        bodies = self._shared.bodies.is_on(exchange.ended.mono_s) and not ask.question.kind.personal
        answer = heard if isinstance(heard, ApiResponse) else None
        is_look_up = ask.question.kind is CallKind.LOOK_UP and ask.lists
        is_found = is_look_up and answer is not None and answer.status == HTTPStatus.OK
        row = MarketplaceCalled(
            call_id=call.id,
            account=call.account,
            storefront=ask.storefront,
            kind=call.kind,
            method=ask.request.method,
            path=ask.request.target,
            attempt=max(ask.question.attempts),
            sent_at_us=(exchange.sent or exchange.began).wall_us,
            answered_at_us=exchange.ended.wall_us if answer is not None else None,
            duration_us=round((exchange.ended.mono_s - (exchange.sent or exchange.began).mono_s) * 1e6),
            http_status=answer.status if answer is not None else None,
            outcome=verdict.outcome,
            problem_type=verdict.problem_type,
            transport_error=answer.cut
            if answer is not None
            else heard.error
            if isinstance(heard, TransportFailure)
            else None,
            tokens_left=call.tokens_left,
            request_sha256=hashlib.sha256(ask.request.body).hexdigest(),
            response_sha256=_digest(answer),
            items=_rows(ask.question.updates, verdict),
            event_ids=ask.event_ids,
            event_count=ask.event_count,
            listed=mapping.listed(answer.body) if answer is not None and is_found else None,
            request_body=ask.request.body if bodies else None,
            response_body=answer.body if bodies and answer is not None else None,
            instance_id=log.instance_id,
        )
        return (log.output(row),)


def _answered(ask: PreparedCall, replies: tuple[Reply, ...]) -> tuple[Reply, ...]:
    """Replaces a reply that is no answer to an optional call by its ``otherwise``.

    So an optional call delays its item only while the marketplace cannot be reached or accepts no calls.
    """
    if ask.otherwise is None:
        return replies
    return tuple(ask.otherwise(isinstance(reply, Settled)) if _is_no_answer(reply) else reply for reply in replies)


def _is_no_answer(reply: Reply) -> bool:
    """Whether an optional call ended without units: refused, lost, or failed in a way that counts."""
    match reply:
        case Settled(answer=Found()):
            return False
        case Settled() | Lost():
            return True
        case Retry(counts=counts):
            return counts
        case _:
            return False


def _merged(call: Call, ask: PreparedCall, replies: Sequence[Reply]) -> tuple[Reply, ...]:
    """Returns the replies in the order of the call's items, including those of items that were held back."""
    if not ask.held_back:
        return tuple(replies)
    rest = iter(replies)
    return tuple(ask.held_back[place] if place in ask.held_back else next(rest) for place in range(len(call.items)))


def _rows(updates: Sequence[Update], verdict: Verdict) -> tuple[CallItem, ...]:
    """Returns the items of a call log row, one for each update."""
    details = verdict.details or ((None, None),) * len(updates)
    return tuple(
        CallItem(
            unit_id=update.unit_id,
            event_ids=update.event_ids[:20],
            event_count=update.event_count,
            status_code=status,
            code=code,
        )
        for update, (status, code) in zip(updates, details, strict=True)
    )


def _digest(answer: ApiResponse | None) -> str | None:
    """Returns the SHA-256 of a response's body, or None if there is none."""
    return hashlib.sha256(answer.body).hexdigest() if answer is not None and answer.body is not None else None


def _place(bug: Exception) -> str:
    """Returns an exception's class and location, but not its text, which may quote secrets or personal data."""
    frame = extract_tb(bug.__traceback__)[-1]
    return f"{type(bug).__name__} in {frame.name}, line {frame.lineno} of {frame.filename.rpartition('/')[2]}"
