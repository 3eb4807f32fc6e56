"""Makes a command's calls to the marketplace in worker threads, at the pace of its accounts; read-only ones alone."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from math import inf

from connector.connections import administration
from connector.marketplace.call_kinds import UNITS_READ, CallKind
from connector.settings import convert
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.dispatch.command_calls import CallOutcome, CommandCall, CommandCalls
from streams.errors import SettingsError, SourceFailed, Stopped
from streams.flow import Answer, Caller
from streams.policy import Pace

PATIENCE_S = 60.0
"""How long an account may stay closed, as after refused keys, before a command gives up its calls."""
_SHOW_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRate:
    """The rate at which a command may call an account, in calls per second, and why it is that."""

    per_second: float
    reason: str


def rates(
    configured: Settings, accounts: Iterable[str], asked: float | None, members: int | None
) -> dict[str, CommandRate]:
    """Returns the rate of each of the accounts for reading units.

    ``asked``: the rate on the command line. ``members``: the running processes of the group; None: not known. Without
    ``asked``, a command uses the whole rate if no process runs, else the part that is reserved for the command line.
    Raises SettingsError if ``asked`` is more than an account's rate, and Stopped if nothing is reserved.
    """
    return {name: _rate(name, convert.pace(configured.accounts[name]), asked, members) for name in accounts}


def reserved(configured: Settings, accounts: Iterable[str], group: str) -> dict[str, CommandRate]:
    """Returns the part of each account's rate that no process uses: what is reserved for the command line.

    ``group``: the group of endpoints, which may have a limit of its own. Raises Stopped if nothing is reserved.
    """
    found = {}
    for name in accounts:
        pace = convert.pace(configured.accounts[name])
        per_second = min(pace.per_second * pace.reserve, pace.groups.get(group, inf))
        if not per_second:
            raise _nothing_reserved(name)
        found[name] = CommandRate(per_second=per_second, reason="reserved for the command line")
    return found


def members(configured: Settings) -> int | None:
    """Returns the number of running processes of the group; None if the broker does not tell.

    Raises NotPermitted if this principal may not describe the group.
    """
    try:
        return administration(configured).members(configured.kafka.group)
    except SourceFailed:  # the embedded broker describes no groups
        return None


def _rate(name: str, pace: Pace, asked: float | None, members: int | None) -> CommandRate:
    whole = min(pace.per_second, pace.groups.get(UNITS_READ, inf))
    if asked is not None:
        if asked > whole:
            raise SettingsError(f"account {name} is configured for {whole:g} calls/s, fewer than {asked:g}")
        return CommandRate(per_second=asked, reason="as asked")
    if members == 0:
        return CommandRate(per_second=whole, reason="no process of the group runs")
    if not pace.reserve:
        raise _nothing_reserved(name, " Or name a rate with --calls-per-second, which is then taken from the processes")
    why = "processes of the group run" if members else "it is not known whether processes of the group run"
    return CommandRate(per_second=whole * pace.reserve, reason=f"{why}; the rest of {whole:g}/s is theirs")


def _nothing_reserved(name: str, otherwise: str = "") -> Stopped:
    return Stopped(
        f"nothing of account {name}'s rate is reserved for the command line. Remedy: set rate.reserve above 0 in "
        f"[accounts.{name}.rate], and restart the processes.{otherwise}"
    )


def queue(configured: Settings, rate_of: Mapping[str, CommandRate], prefix: str) -> CommandCalls:
    """Returns an empty queue of calls at these rates."""
    paces = {
        name: replace(convert.pace(configured.accounts[name]), per_second=rate.per_second, groups={}, reserve=0.0)
        for name, rate in rate_of.items()
    }
    return CommandCalls(
        paces, dict.fromkeys(paces, 1.0), convert.policy(configured.processing), prefix=prefix, patience_s=PATIENCE_S
    )


def make(
    calls: CommandCalls, wanted: Iterable[CommandCall], caller: Caller, show: Callable[[int, str], None]
) -> Iterator[CallOutcome]:
    """Makes the calls and yields their outcomes as they arrive.

    ``show`` is told about once a second how many have an outcome, and why the others wait. Raises ValueError for a call
    that changes something at the marketplace, and Stopped for a bug on our side.
    """
    for call in wanted:
        if CallKind.of(call.kind).writes:
            raise ValueError(f"{call.kind} is not a read-only call")
        calls.add(call)
    clock, total = SystemClock(), calls.left
    with ThreadPoolExecutor(calls.most, thread_name_prefix="call") as workers:
        running: set[Future[Answer]] = set()
        while calls.left:
            now = clock.now()
            yield from calls.overdue(now.mono_s)
            running |= {workers.submit(caller.call, call) for call in calls.calls(now)}
            show(
                total - calls.left, "; ".join(f"account {name} {why}" for name, why in calls.closed(now.mono_s).items())
            )
            patience_s = max(0.0, min(_SHOW_EVERY_S, calls.next_s(now.mono_s) - now.mono_s))
            if not running:
                time.sleep(patience_s if calls.left else 0.0)
                continue
            done, running = wait(running, patience_s, FIRST_COMPLETED)
            for future in done:
                answer = future.result()
                if answer.stop is not None:
                    raise Stopped(answer.stop)
                yield from calls.answered(answer, clock.now())
