"""Counts offers by what the marketplace has for them, and by group, worst first; prints and saves that."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from connector.offers.match import MatchOutcome
from connector.operations.match_report.plan import JudgedOffer
from streams.errors import Stopped

PREFIX_DIGITS = 7
"""The digits of an EAN that one group has in common: a brand owner's prefix has about as many (GS1: 6 to 11)."""
WORST = 10
"""The most groups of each kind that are printed."""
EXAMPLES = 2
"""The most offers that are printed for each outcome."""
_LABELS: Mapping[MatchOutcome, str] = {
    MatchOutcome.FOUND: "found",
    MatchOutcome.OTHER_CONDITION: "other condition exists",
    MatchOutcome.AMBIGUOUS: "ambiguous",
    MatchOutcome.CONFLICTING: "conflicting",
    MatchOutcome.NOWHERE: "nowhere",
    MatchOutcome.REJECTED: "rejected before a look-up",
    MatchOutcome.NOT_LOOKED_UP: "look-up failed",
    MatchOutcome.UNREADABLE: "unreadable",
}
_FILE_COLUMNS = (
    "ean", "target_id", "condition", "offer_id", "unit_id", "account", "storefront", "outcome", "found_unit_id",
    "known_from", "place", "message",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class MatchGroup:
    """The offers that have something in common, such as the attribute brand."""

    by: str
    name: str
    counts: Counter[MatchOutcome] = field(default_factory=Counter)

    @property
    def offers(self) -> int:
        return self.counts.total()

    @property
    def not_found(self) -> int:
        return self.offers - self.counts[MatchOutcome.FOUND]

    @property
    def share(self) -> float:
        """The share of the offers that were found, 0 to 1; 1 if there are none."""
        return self.counts[MatchOutcome.FOUND] / self.offers if self.offers else 1.0


class MatchReport:
    """Counts offers by outcome and group. ``attributes``: the attributes that group offers."""

    def __init__(self, attributes: Sequence[str] = (), *, several_accounts: bool = False) -> None:
        self.total = MatchGroup(by="", name="all")
        self.from_state = 0
        self.examples: dict[MatchOutcome, list[JudgedOffer]] = {}
        self._attributes = attributes
        self._several_accounts = several_accounts
        self._groups: dict[tuple[str, str], MatchGroup] = {}

    def add(self, judged: JudgedOffer) -> None:
        outcome = judged.match.outcome
        self.total.counts[outcome] += 1
        self.from_state += judged.from_state
        examples = self.examples.setdefault(outcome, [])
        if outcome is not MatchOutcome.FOUND and len(examples) < EXAMPLES:
            examples.append(judged)
        if outcome is not MatchOutcome.UNREADABLE:
            for key in self._keys(judged):
                self._groups.setdefault(key, MatchGroup(by=key[0], name=key[1])).counts[outcome] += 1

    @property
    def is_complete(self) -> bool:
        """Whether every look-up was answered."""
        return not self.total.counts[MatchOutcome.NOT_LOOKED_UP]

    def groups(self) -> Iterator[MatchGroup]:
        """Yields the groups of each kind: those with the most offers that were not found first."""
        for by in dict.fromkeys(group.by for group in self._groups.values()):
            of_kind = (group for group in self._groups.values() if group.by == by)
            yield from sorted(of_kind, key=lambda group: (-group.not_found, group.share, group.name))

    def _keys(self, judged: JudgedOffer) -> Iterator[tuple[str, str]]:
        """Yields the kind and name of each group that the offer belongs to."""
        place = f"{judged.account} {judged.storefront}" if self._several_accounts else judged.storefront
        yield "storefront", place if judged.storefront else f"(target {judged.offer.target_id or 'missing'})"
        yield "condition", judged.offer.condition or "(missing)"
        yield "EAN prefix", judged.offer.ean[:PREFIX_DIGITS]
        for name in self._attributes:
            yield name, judged.offer.attributes.get(name, "(none)")


def show(console: Console, report: MatchReport) -> None:
    """Prints the sums, the worst groups, and examples of what was not found."""
    total = report.total
    console.print(_sentence(total), highlight=False)
    for outcome, label in _LABELS.items():
        if total.counts[outcome]:
            console.print(f"  {label:<26}{total.counts[outcome]:>9,}", highlight=False)
    shown = [outcome for outcome in _LABELS if total.counts[outcome] and outcome is not MatchOutcome.UNREADABLE]
    table = Table(
        "by",
        "group",
        Column("offers", justify="right"),
        Column("found", justify="right"),
        *(Column(_LABELS[one], justify="right") for one in shown if one is not MatchOutcome.FOUND),
    )
    for group in _worst(report):
        others = [
            f"{group.counts[one]:,}" if group.counts[one] else "" for one in shown if one is not MatchOutcome.FOUND
        ]
        table.add_row(group.by, escape(group.name), f"{group.offers:,}", _per_cent(group.share), *others)
    if table.rows:
        console.print(table)
    for outcome, examples in report.examples.items():
        for one in examples:
            console.print(f"{_LABELS[outcome]}: {_example(one)}", markup=False, highlight=False, soft_wrap=True)


def document(report: MatchReport) -> dict[str, Any]:
    """Returns the report as ``--json`` prints it."""
    return {
        **_counts(report.total),
        "known_from_state": report.from_state,
        "groups": [{"by": group.by, "group": group.name, **_counts(group)} for group in report.groups()],
    }


def save(path: Path, judged: Iterable[JudgedOffer], attributes: Sequence[str]) -> None:
    """Writes a row for each offer as CSV, with its outcome. Raises Stopped if the file cannot be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            _write(file, judged, attributes)
    except OSError as error:
        raise Stopped(f"{path} cannot be written: {error.strerror or error}") from error


def _write(file: TextIO, judged: Iterable[JudgedOffer], attributes: Sequence[str]) -> None:
    writer = csv.writer(file)
    writer.writerow([*_FILE_COLUMNS, *attributes])
    for one in judged:
        offer, match = one.offer, one.match
        known_from = "state" if one.from_state else "look-up" if match.unit is not None else ""
        writer.writerow(
            [
                offer.ean,
                offer.target_id,
                offer.condition,
                offer.offer_id,
                offer.unit_id,
                one.account,
                one.storefront,
                match.outcome,
                match.unit.unit_id if match.unit is not None else None,
                known_from,
                offer.place,
                match.message,
                *(offer.attributes.get(name) for name in attributes),
            ]
        )


def _worst(report: MatchReport) -> Iterator[MatchGroup]:
    """Yields the groups to print: of each kind the worst, without those that were found completely."""
    printed: Counter[str] = Counter()
    for group in report.groups():
        if group.not_found and printed[group.by] < WORST:
            printed[group.by] += 1
            yield group


def _sentence(total: MatchGroup) -> str:
    found = total.counts[MatchOutcome.FOUND]
    return f"{found:,} of {total.offers:,} offers found: {_per_cent(total.share)}"


def _per_cent(share: float) -> str:
    """Formats a share, rounded down, so that only all of them are 100 %."""
    return f"{int(share * 1000) / 10:.1f} %"


def _example(one: JudgedOffer) -> str:
    """Returns where the offer was read, what it names, and what is wrong with it."""
    offer = one.offer
    named = f"EAN {offer.ean}, target {offer.target_id}, {offer.condition}" if offer.ean else ""
    return ": ".join(filter(None, (offer.place, named, one.match.message)))


def _counts(group: MatchGroup) -> dict[str, Any]:
    return {
        "offers": group.offers,
        "share_found": round(group.share, 6),
        **{outcome.value: group.counts[outcome] for outcome in MatchOutcome},
    }
