"""Judges the offers of ``connector match-report``: reads them and what is known of them, and looks up the rest."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from connector.connections import marketplace
from connector.offers import state_mapping
from connector.offers.events import OfferWithdrawn
from connector.offers.ledger import OfferLane
from connector.offers.match import NamedOffer
from connector.offers.policy import OfferTerms
from connector.operations import command_calls, topic_contents
from connector.operations.call_progress import CallProgress
from connector.operations.command_calls import CommandRate
from connector.operations.durations import in_words
from connector.operations.match_report.offer_list import UnreadableOffer, read_offers
from connector.operations.match_report.plan import MatchPlan
from connector.operations.offer_terms import offer_terms
from connector.operations.progress import counted
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.dispatch.command_calls import CommandCall
from streams.errors import SettingsError
from streams.flow import BadRecord
from streams.topics import WHOLE_TOPIC, TopicRange

Say = Callable[[str], None]
"""Prints a line for the person who waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchOptions:
    """What to judge, and how. ``list_file``: a CSV file instead of the topic; ``-`` is standard input.

    ``with_state`` False: every offer is looked up; with a list, no broker is needed then.
    """

    part: TopicRange = WHOLE_TOPIC
    list_file: Path | None = None
    with_state: bool = True
    calls_per_second: float | None = None


def judge(configured: Settings, options: MatchOptions, say: Say) -> MatchPlan:
    """Returns the judged offers. Makes read-only calls alone; writes nothing."""
    adapter = marketplace(configured)
    try:
        terms = offer_terms(configured, adapter.reference())
        plan = MatchPlan(terms, SystemClock().now().wall_us)
        _read_offers(configured, options, plan)
        if options.with_state:
            _read_states(configured, plan, terms)
        wanted = list(plan.look_ups())
        accounts, members = {call.account for call in wanted}, _members(configured, options)
        rates = command_calls.rates(configured, accounts, options.calls_per_second, members)
        for line in arithmetic(plan, wanted, rates):
            say(line)
        calls = command_calls.queue(configured, rates, prefix=f"{configured.kafka.instance_id}-match-report")
        with CallProgress(len(wanted)) as progress:
            for outcome in command_calls.make(calls, wanted, adapter, progress.answered):
                plan.answered(outcome)
        return plan
    finally:
        adapter.close()


def arithmetic(plan: MatchPlan, wanted: Sequence[CommandCall], rates: Mapping[str, CommandRate]) -> Iterator[str]:
    """Yields how many look-ups are needed, and how long they take at least."""
    yield f"{plan.offers - plan.without_look_up:,} of {plan.offers:,} offers have to be looked up"
    for account, count in sorted(Counter(call.account for call in wanted).items()):
        rate = rates[account]
        time = in_words(count / rate.per_second)
        yield f"account {account}: {count:,} look-ups at {rate.per_second:g} calls/s ({rate.reason}): at least {time}"
    if wanted:
        yield "an offer that is not found takes a second call where the marketplace fulfils offers of the account"


def _members(configured: Settings, options: MatchOptions) -> int | None:
    """Returns the number of running processes of the group; None if it is not needed or cannot be known."""
    without_broker = options.list_file is not None and not options.with_state
    return None if without_broker or options.calls_per_second is not None else command_calls.members(configured)


def _read_offers(configured: Settings, options: MatchOptions, plan: MatchPlan) -> None:
    if options.list_file is not None:
        with _opened(options.list_file) as lines:
            for row in read_offers(lines):
                _take(plan, row)
        return
    for found, event in counted(topic_contents.offer_changes(configured, options.part), "events read"):
        place = f"{found.partition}:{found.offset}"
        match event:
            case BadRecord():
                plan.unreadable(UnreadableOffer(place=place, message=f"{event.code}: {event.text}"))
            case OfferWithdrawn():
                plan.withdraw(event.key)
            case _:
                plan.add(event.key, NamedOffer.of(event, place))


def _take(plan: MatchPlan, row: NamedOffer | UnreadableOffer) -> None:
    if isinstance(row, UnreadableOffer):
        plan.unreadable(row)
    else:
        plan.add(row.ean, row)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Opens a list; ``-`` is standard input. Raises SettingsError if it cannot be read."""
    if str(path) == "-":
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")  # type: ignore[union-attr]
        yield sys.stdin
        return
    try:
        file = path.open(encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from error
    with file:
        yield file


def _read_states(configured: Settings, plan: MatchPlan, terms: OfferTerms) -> None:
    """Takes what the state topic knows of the offers."""
    for key, state in counted(topic_contents.offer_states(configured), "states read"):
        if plan.is_asked(key):
            lane = OfferLane(ean=key) if state is None else state_mapping.from_state(key, state, terms)
            plan.state(key, lane)
