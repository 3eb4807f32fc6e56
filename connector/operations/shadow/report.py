"""Counts what the comparison of a dry run with the marketplace found; prints and saves it."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from heapq import nlargest
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from connector.contracts.event_time import moment
from connector.marketplace.offers import Field
from connector.operations.shadow.comparing import DIFFERENCES, ComparedOffer, ShadowFinding, ShadowOutcome
from connector.operations.spreadsheet import cell
from streams.errors import Stopped

EXAMPLES = 2
"""The most examples that are printed of each kind, the worst ones."""
_LABELS: Final[Mapping[ShadowOutcome, str]] = {
    ShadowOutcome.PRICE_DIFFERS: "price differs",
    ShadowOutcome.STOCK_LOWER: "stock is lower there",
    ShadowOutcome.STOCK_HIGHER: "stock is higher there",
    ShadowOutcome.HANDLING_TIME_DIFFERS: "handling time differs",
    ShadowOutcome.NOT_LISTED: "found by us, not listed there",
    ShadowOutcome.NOT_IDENTIFIED: "not found by us, live there",
    ShadowOutcome.NO_EVENT: "live there without an event",
}
_COLUMNS: Final = (
    "ean", "target_id", "condition", "unit_id", "outcome", "field", "wanted", "there", "event_id", "decided_at",
    "observed_at", "dry_run_status", "dry_run_code",
)  # fmt: skip


class ShadowReport:
    """Counts offers by outcome, and differences by kind. ``settle_s``: see ``comparing``."""

    def __init__(self, settle_s: float) -> None:
        self.settle_s = settle_s
        self.offers = 0
        self.agree = 0
        self.differ = 0
        self.not_yet = 0
        self.not_compared = 0
        self.failures: Counter[str] = Counter()  # of the dry run, by code
        self.kinds: Counter[ShadowOutcome] = Counter()
        self.examples: dict[ShadowOutcome, list[tuple[ComparedOffer, ShadowFinding]]] = {}

    def add(self, one: ComparedOffer) -> None:
        for finding in one.findings:
            if finding.outcome in _LABELS:
                self.kinds[finding.outcome] += 1
                worst = [*self.examples.get(finding.outcome, ()), (one, finding)]
                self.examples[finding.outcome] = nlargest(EXAMPLES, worst, key=lambda pair: pair[1].weight)
        if one.status is None:
            return
        self.offers += 1
        if one.has_failed:
            self.failures[one.code or str(one.status)] += 1
        outcome = one.outcome
        self.agree += outcome is ShadowOutcome.AGREES
        self.differ += outcome in DIFFERENCES
        self.not_yet += outcome is ShadowOutcome.NOT_YET
        self.not_compared += outcome is ShadowOutcome.NOT_COMPARED

    @property
    def compared(self) -> int:
        return self.agree + self.differ

    @property
    def share(self) -> float | None:
        """The share of the compared offers that agree, 0 to 1; None if none could be compared."""
        return self.agree / self.compared if self.compared else None

    @property
    def failure_rate(self) -> float:
        """The share of the offers whose newest event cannot be sent, 0 to 1."""
        return self.failures.total() / self.offers if self.offers else 0.0


def show(console: Console, report: ShadowReport) -> None:
    """Prints the sums, the differences by kind, and the worst of each kind."""
    if report.share is None:
        _line(console, f"none of {report.offers:,} offers can be compared yet")
    else:
        _line(console, f"{report.agree:,} of {report.compared:,} compared offers agree: {_per_cent(report.share)}")
    _line(console, f"not comparable yet: {report.not_yet:,}; not compared: {report.not_compared:,}")
    failed = "".join(f", {code} {count:,}" for code, count in report.failures.most_common())
    _line(
        console,
        f"cannot be sent by us: {report.failures.total():,} of {report.offers:,} offers: "
        f"{_per_cent(report.failure_rate)}{failed}",
    )
    table = Table("difference", Column("count", justify="right"), "worst")
    for kind, label in _LABELS.items():
        if report.kinds[kind]:
            table.add_row(label, f"{report.kinds[kind]:,}", escape("\n".join(map(_example, report.examples[kind]))))
    if table.rows:
        console.print(table)
    _line(
        console,
        f"A value counts as observed if its call was sent more than {report.settle_s:g} s after the dry run had "
        "decided; before, it is not comparable yet.",
    )


def document(report: ShadowReport) -> dict[str, Any]:
    """Returns the report as ``--json`` prints it."""
    return {
        "offers": report.offers,
        "compared": report.compared,
        "agree": report.agree,
        "differ": report.differ,
        "share_agree": None if report.share is None else round(report.share, 6),
        "not_comparable_yet": report.not_yet,
        "not_compared": report.not_compared,
        "failure_rate": round(report.failure_rate, 6),
        "failures": dict(report.failures),
        "settle_s": report.settle_s,
        "differences": {
            kind.value: {
                "count": report.kinds[kind],
                "worst": [dict(zip(_COLUMNS, _row(*pair), strict=True)) for pair in report.examples.get(kind, ())],
            }
            for kind in _LABELS
        },
    }


def saved(path: Path, compared: Iterable[ComparedOffer]) -> Iterator[ComparedOffer]:
    """Passes offers on, and writes a row for each of their values as CSV. Raises Stopped if that cannot be done."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for offer in compared:
                writer.writerows([cell(text) for text in _row(offer, finding)] for finding in offer.findings)
                yield offer
    except OSError as error:
        raise Stopped(f"{path} cannot be written: {error.strerror or error}") from error


def _row(offer: ComparedOffer, finding: ShadowFinding) -> Iterator[str | None]:
    yield from (offer.ean, offer.target_id, offer.condition)
    yield None if offer.unit_id is None else str(offer.unit_id)
    yield from (finding.outcome.value, finding.field, _number(finding, finding.wanted), _number(finding, finding.there))
    yield finding.event_id
    for at_us in (finding.decided_at_us, finding.requested_at_us):
        yield None if at_us is None else moment(at_us)
    yield from (offer.status, offer.code)


def _example(pair: tuple[ComparedOffer, ShadowFinding]) -> str:
    offer, finding = pair
    unit = "" if offer.unit_id is None else f", unit {offer.unit_id}"
    named = f"EAN {offer.ean}, {offer.target_id}, {offer.condition}{unit}"
    wanted = f"{_number(finding, finding.wanted)} wanted by event {finding.event_id}"
    match finding.outcome:
        case ShadowOutcome.NO_EVENT:
            return named
        case ShadowOutcome.NOT_IDENTIFIED:
            return f"{named}: {offer.code}"
        case ShadowOutcome.NOT_LISTED:
            return f"{named}: {finding.field} {wanted}"
        case _:
            return f"{named}: {_number(finding, finding.there)} there, {wanted}"


def _number(finding: ShadowFinding, value: Decimal | None) -> str | None:
    if value is None:
        return None
    return f"{value:.2f}" if finding.field == Field.PRICE else f"{value.normalize():f}"


def _per_cent(share: float) -> str:
    """Formats a share, rounded down, so that only all of them are 100 %."""
    return f"{int(share * 1000) / 10:.1f} %"


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
