"""One worker thread's caller: sends a prepared call once, and turns the response into replies.

An unexpected exception is a bug on our side; the ``stop`` of the answer then stops the process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from traceback import extract_tb

from connector.kaufland.account import AccountState
from connector.kaufland.call_log import BodySwitch, CallLog
from connector.kaufland.call_preparation import CallPreparation
from connector.kaufland.http.client import Client
from connector.kaufland.http.exchange import ApiResponse, Exchange, NotLeft, TransportFailure
from connector.kaufland.prepared_call import PreparedCall
from connector.kaufland.verdict.judge import Verdict, judge
from connector.marketplace.offers import Found
from streams.flow import Answer, Call, Lost, NotSent, Output, Reply, Retry, Settled
from streams.http.egress import Egress
from streams.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The objects that all callers of one adapter share."""

    accounts: Mapping[str, AccountState]
    clock: Clock
    egress: Egress
    preparation: CallPreparation
    bodies: BodySwitch
    log: CallLog | None


class KauflandCaller:
    """A ``streams.flow.Caller`` for one worker thread."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._clients: dict[str, Client] = {}

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
        prepared = self._shared.preparation.prepare(call, account.settings.options)
        if isinstance(prepared, tuple):
            return Answer(call=call, replies=prepared)
        exchange = self.client(account).exchange(
            prepared.request,
            send_by_s=call.send_by_s,
            give_up_at_s=call.give_up_at_s,
            turn=None if (limit := call.limit_per_s) is None else lambda now_s: account.leave(now_s, limit),
        )
        if isinstance(exchange.outcome, NotLeft):
            return Answer(call=call, replies=_merged(call, prepared, (NotSent(),) * len(prepared.items)))
        if isinstance(exchange.outcome, ApiResponse):
            account.refused = exchange.outcome.status == 401
        return self._answer(call, account, prepared, exchange, exchange.outcome)

    def client(self, account: AccountState) -> Client:
        """Returns this thread's client for an account, created at its first use."""
        client = self._clients.get(account.settings.name)
        if client is None:
            client = self._clients[account.settings.name] = Client(
                address=account.settings.address,
                credentials=account.settings.credentials,
                skew=account.skew,
                clock=self._shared.clock,
                egress=self._shared.egress,
                user_agent=account.settings.user_agent,
            )
        return client

    def _answer(
        self,
        call: Call,
        account: AccountState,
        prepared: PreparedCall,
        exchange: Exchange,
        outcome: ApiResponse | TransportFailure,
    ) -> Answer:
        verdict = judge(prepared.question, outcome, prepared.on_success)
        sent, ended = exchange.sent, exchange.ended
        answered = isinstance(outcome, ApiResponse)
        return Answer(
            call=call,
            replies=_merged(call, prepared, _answered(prepared, verdict.replies)),
            log=self._log(call, prepared, exchange, outcome, verdict),
            sent_s=sent.mono_s if sent is not None else None,
            answered_s=ended.mono_s if answered else None,
            sent_us=(sent or exchange.began).wall_us,
            answered_us=ended.wall_us if answered else None,
            slow_down=verdict.slow_down,
            close_account_s=verdict.close_account_s,
            closed_because=self._closed_because(account, verdict),
            reserve_until_s=ended.mono_s + verdict.reserve_s if verdict.reserve_s is not None else None,
            failed=verdict.failed,
            status=outcome.status if isinstance(outcome, ApiResponse) else None,
        )

    def _closed_because(self, account: AccountState, verdict: Verdict) -> str:
        if verdict.outcome != "unauthorized":
            return verdict.closed_because
        return f"{verdict.closed_because} [keys {account.settings.credentials.current.fingerprint()}]"

    def _log(
        self,
        call: Call,
        prepared: PreparedCall,
        exchange: Exchange,
        outcome: ApiResponse | TransportFailure,
        verdict: Verdict,
    ) -> tuple[Output, ...]:
        log = self._shared.log
        if log is None:
            return ()
        with_bodies = self._shared.bodies.is_on(exchange.ended.mono_s)
        address = self._shared.accounts[call.account].settings.address
        return (log.output(call, prepared, exchange, outcome, verdict, address=address, with_bodies=with_bodies),)


def _answered(prepared: PreparedCall, replies: tuple[Reply, ...]) -> tuple[Reply, ...]:
    """Replaces a reply that is no answer to an optional call by its ``otherwise``.

    So an optional call delays its item only while the marketplace cannot be reached or accepts no calls.
    """
    if prepared.otherwise is None:
        return replies
    return tuple(prepared.otherwise(isinstance(reply, Settled)) if _is_no_answer(reply) else reply for reply in replies)


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


def _merged(call: Call, prepared: PreparedCall, replies: Sequence[Reply]) -> tuple[Reply, ...]:
    """Returns the replies in the order of the call's items, including those of items that were held back."""
    if not prepared.held_back:
        return tuple(replies)
    rest = iter(replies)
    return tuple(
        prepared.held_back[place] if place in prepared.held_back else next(rest) for place in range(len(call.items))
    )


def _place(bug: Exception) -> str:
    """Returns an exception's class and location, but not its text, which may quote secrets or personal data."""
    frame = extract_tb(bug.__traceback__)[-1]
    return f"{type(bug).__name__} in {frame.name}, line {frame.lineno} of {frame.filename.rpartition('/')[2]}"
