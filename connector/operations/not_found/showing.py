"""Prints the patterns of offers that are not found: as a table, and as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from connector.contracts.event_time import moment
from connector.operations.dlq.texts import printable
from connector.operations.durations import in_words
from connector.operations.not_found.catalogue import CatalogueAnswers
from connector.operations.not_found.patterns import NotFoundPattern, NotFoundReport
from connector.operations.not_found.reasons import REMEDIES, TEXTS, LikelyReason

MOST: Final = 20
"""Patterns in a table."""


def show(
    console: Console,
    found: NotFoundReport,
    unreadable: Sequence[str],
    now_us: int,
    catalogue: CatalogueAnswers | None = None,
) -> None:
    """Prints the sums, the patterns that are the most valuable to mend, and what to do about each reason.

    ``catalogue`` None: it was not asked.
    """
    for line in _lines(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if found.patterns:
        console.print(_table(found, now_us))
    if (more := len(found.patterns) - MOST) > 0:
        console.print(f"... and {more:,} more patterns; --json has them all.", highlight=False)
    for reason in LikelyReason:
        if found.total.reasons[reason]:
            console.print(f"{TEXTS[reason]}: {REMEDIES[reason]}", markup=False, highlight=False, soft_wrap=True)
    for line in () if catalogue is None else _catalogue_lines(catalogue):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for problem in unreadable:
        console.print(f"not readable: {printable(problem)}", markup=False, highlight=False, soft_wrap=True)


def document(
    found: NotFoundReport, unreadable: Sequence[str], catalogue: CatalogueAnswers | None = None
) -> dict[str, Any]:
    """Returns the report as ``--json`` prints it. ``pieces`` are texts, as all values are.

    ``catalogue`` None: it was not asked.
    """
    return {
        "catalogue": None if catalogue is None else _catalogue_document(catalogue),
        "offers": found.total.offers,
        "events": found.total.events,
        "values_waiting": found.total.pending,
        "pieces_waiting": _pieces(found.total),
        "reasons": {reason.value: count for reason, count in sorted(found.total.reasons.items())},
        "by": list(found.by),
        "patterns": [
            {
                "values": dict(zip(found.by, pattern.values, strict=True)),
                "offers": pattern.offers,
                "events": pattern.events,
                "values_waiting": pattern.pending,
                "pieces_waiting": _pieces(pattern),
                "worth_waiting": {
                    currency: f"{worth.normalize():f}" for currency, worth in sorted(pattern.worth.items())
                },
                "first_seen_at": moment(pattern.oldest_us),
                "reason": pattern.reason.value,
                "reasons": {reason.value: count for reason, count in sorted(pattern.reasons.items())},
                "remedy": REMEDIES[pattern.reason],
                "example": pattern.example,
            }
            for pattern in found.patterns
        ],
        "unreadable": list(unreadable),
    }


def _catalogue_document(catalogue: CatalogueAnswers) -> dict[str, Any]:
    return {
        "asked": catalogue.asked,
        "known_before": len(catalogue.answers) - catalogue.asked,
        "not_asked": catalogue.left,
        "failures": list(catalogue.failures),
        "answers": [
            {
                "account": account,
                "storefront": storefront,
                "ean": ean,
                "entry": answer.entry.value,
                "id_product": answer.product_id,
                "title": answer.title,
                "asked_at": moment(answer.asked_at_us),
            }
            for (account, storefront, ean), answer in sorted(catalogue.answers.items())
        ],
    }


def _catalogue_lines(catalogue: CatalogueAnswers) -> Iterator[str]:
    known = len(catalogue.answers) - catalogue.asked
    left = f"; {catalogue.left:,} more are not asked for: --most" if catalogue.left else ""
    yield f"catalogue: asked for {catalogue.asked:,} EANs, {known:,} more are known from the last 24 h{left}"
    for failure in catalogue.failures[:MOST]:
        yield f"no answer of the catalogue: {printable(failure)}"
    if (more := len(catalogue.failures) - MOST) > 0:
        yield f"... and {more:,} more without an answer; --json has them all."


def _lines(found: NotFoundReport) -> Iterator[str]:
    total = found.total
    if not total.offers:
        yield "Every offer that events ask for is found."
        return
    yield (
        f"{total.offers:,} offer{'' if total.offers == 1 else 's'} that events ask for "
        f"{'is' if total.offers == 1 else 'are'} not found; {total.pending:,} values wait, among them stocks of "
        f"{_pieces(total)} pieces"
    )


def _table(found: NotFoundReport, now_us: int) -> Table:
    table = Table(
        *(printable(name) for name in found.by),
        Column("offers", justify="right"),
        Column("events", justify="right"),
        Column("values", justify="right"),
        Column("pieces", justify="right"),
        "oldest",
        "likely reason",
        "such as",
    )
    for pattern in found.patterns[:MOST]:
        table.add_row(
            *(escape(printable(value)) for value in pattern.values),
            f"{pattern.offers:,}",
            f"{pattern.events:,}",
            f"{pattern.pending:,}",
            _pieces(pattern),
            in_words((now_us - pattern.oldest_us) // 1_000_000),
            _reason(pattern),
            escape(printable(pattern.example)),
        )
    return table


def _reason(pattern: NotFoundPattern) -> str:
    count = pattern.reasons[pattern.reason]
    return TEXTS[pattern.reason] + ("" if count == pattern.offers else f" ({count:,} of {pattern.offers:,})")


def _pieces(pattern: NotFoundPattern) -> str:
    return f"{pattern.pieces.normalize():f}"
