"""The counters that alerts and the board add up, which are exported as 0 before anything is counted. Pure.

Prometheus sees no increase in a series that begins with 1: without its 0, the first 429 of an account would be lost.
Only series whose labels are known at start can begin so; the rules for others say what counts when a series appears.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from connector.marketplace.call_kinds import CallKind
from connector.settings.model import Settings

Series: TypeAlias = tuple[str, Mapping[str, str]]  # the name of a metric, and its labels


def first_samples(settings: Settings, inputs: Iterable[str]) -> Iterator[Series]:
    """Yields the series to begin with, for the input topics and for the accounts of targets that are enabled."""
    for topic in inputs:
        yield "stream_records_read_total", {"topic": topic}
    for account, kinds in _usual_kinds(settings).items():
        yield "stream_slow_downs_total", {"account": account}
        for kind in sorted(kinds):
            yield "stream_calls_total", {"account": account, "kind": kind}
            if CallKind.of(kind) in (CallKind.UPDATE, CallKind.SEND):  # those with an objective
                yield "stream_event_to_settled_seconds", {"account": account, "kind": kind}


def _usual_kinds(settings: Settings) -> dict[str, set[str]]:
    """Returns the kinds of calls that events lead to, by account."""
    found: dict[str, set[str]] = {name: set() for name in settings.accounts}
    for target in settings.targets.values():
        if target.enabled:
            found[target.account] |= {kind.on(target.storefront) for kind in (CallKind.LOOK_UP, CallKind.UPDATE)}
    for name, account in settings.accounts.items():
        if settings.shipments.enabled and account.shipments:
            found[name].add(CallKind.SEND)
    return found
