"""Asks the marketplace's catalogue for EANs, in the part of the rate that is reserved for the command line."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from connector.configuration import base_address
from connector.connections import marketplace
from connector.marketplace.call_kinds import PRODUCTS, CallKind
from connector.marketplace.offers import Gone, ProductFound, ReadProduct, Refused
from connector.offers.events import OfferNotFound
from connector.operations import command_calls
from connector.operations.call_progress import CallProgress
from connector.operations.durations import in_words
from connector.operations.not_found.catalogue import (
    CatalogueAnswer,
    CatalogueAnswers,
    CatalogueEntry,
    Question,
    questions,
)
from connector.operations.not_found.catalogue_file import open_catalogue
from connector.operations.not_found.reasons import LikelyReason, likely_reason
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.dispatch.command_calls import CallOutcome, CommandCall
from streams.flow import GaveUp, Settled

Say = Callable[[str], None]
"""Prints a line for the person who waits."""


def look_up(
    configured: Settings, rows: Iterable[OfferNotFound], *, most: int, directory: Path, say: Say
) -> CatalogueAnswers:
    """Returns what the catalogue has of the EANs of which the account has no unit; asks for ``most`` of them at most.

    What was asked within a day is taken from the file in ``directory``. Makes read-only calls alone. Raises Stopped if
    nothing of an account's rate is reserved for the command line, or the file cannot be used.
    """
    wanted = questions(row for row in rows if likely_reason(row) is LikelyReason.NOT_IN_ACCOUNT)
    wanted = [one for one in wanted if one[0] in configured.accounts]
    with open_catalogue(directory / _file_name(configured)) as file:
        known = file.known(SystemClock().now().wall_us)
        unknown = [one for one in wanted if one not in known]
        answers = {one: known[one] for one in wanted if one in known}
        failures = []
        for outcome in _asked(configured, unknown[:most], say):
            answer = answer_of(outcome, SystemClock().now().wall_us)
            if isinstance(answer, CatalogueAnswer):
                answers[answer.question] = answer
                file.add(answer)
            else:
                failures.append(answer)
    return CatalogueAnswers(
        answers=answers,
        asked=len(unknown[:most]) - len(failures),
        left=len(unknown[most:]),
        failures=tuple(failures),
    )


def answer_of(outcome: CallOutcome, now_us: int) -> CatalogueAnswer | str:
    """Returns the answer of a call that has ended, or why there is none. Raises TypeError for another call's answer."""
    body: ReadProduct = outcome.call.body
    question = outcome.call.account, body.storefront, body.ean
    where = f"EAN {body.ean} on {body.storefront}"
    match outcome.reply:
        case Settled(answer=ProductFound() as found):
            entry = CatalogueEntry.INCOMPLETE if found.is_valid is False else CatalogueEntry.LISTED
            return CatalogueAnswer(
                question=question, entry=entry, asked_at_us=now_us, product_id=found.product_id, title=found.title
            )
        case Settled(answer=Gone()):
            return CatalogueAnswer(question=question, entry=CatalogueEntry.ABSENT, asked_at_us=now_us)
        case Settled(answer=Refused() as refused):
            return f"{where}: HTTP {refused.http_status} {refused.type or refused.code}: {refused.message}"
        case GaveUp(reason=reason):
            return f"{where}: {reason}"
        case other:
            raise TypeError(f"a look-up in the catalogue is never answered by {type(other).__name__}")


def _asked(configured: Settings, wanted: Sequence[Question], say: Say) -> Iterator[CallOutcome]:
    """Asks the questions, and yields their outcomes as they arrive."""
    if not wanted:
        return
    counts = Counter(account for account, _, _ in wanted)
    rates = command_calls.reserved(configured, sorted(counts), PRODUCTS)
    for account, count in sorted(counts.items()):
        rate = rates[account]
        time = in_words(count / rate.per_second)
        say(f"account {account}: {count:,} catalogue look-ups at {rate.per_second:g}/s ({rate.reason}): about {time}")
    calls = command_calls.queue(configured, rates, prefix=f"{configured.kafka.instance_id}-not-found")
    adapter = marketplace(configured)
    try:
        with CallProgress(len(wanted)) as progress:
            yield from command_calls.make(calls, map(_call, wanted), adapter, progress.answered)
    finally:
        adapter.close()


def _call(question: Question) -> CommandCall:
    account, storefront, ean = question
    return CommandCall(account=account, kind=CallKind.PRODUCT, body=ReadProduct(storefront=storefront, ean=ean))


def _file_name(configured: Settings) -> str:
    """Returns the name of the file; accounts of another address, such as the playground's, have another catalogue."""
    of = "\n".join(f"{name} {base_address(account)}" for name, account in sorted(configured.accounts.items()))
    return f"catalogue-{sha256(of.encode()).hexdigest()[:12]}.sqlite"
