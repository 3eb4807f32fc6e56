"""What the marketplace's catalogue has of EANs that are not found: what to ask, and what was answered. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from connector.offers.events import OfferNotFound

Question = tuple[str, str, str]
"""Account, storefront and EAN of a look-up in the catalogue."""

KEPT_US: Final = 24 * 3600 * 1_000_000
"""How long an answer counts. A new entry of the catalogue is reviewed for days, so it is not asked for more often."""


class CatalogueEntry(StrEnum):
    """What the catalogue has of an EAN on a storefront."""

    ABSENT = "ABSENT"
    INCOMPLETE = "INCOMPLETE"  # a product, of which the marketplace says that its data are not valid
    LISTED = "LISTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueAnswer:
    """The answer to a question. ``product_id`` and ``title``: of the product, None if there is none."""

    question: Question
    entry: CatalogueEntry
    asked_at_us: int
    product_id: int | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueAnswers:
    """What is known of the catalogue, and what is not.

    ``asked``: how many of the answers were asked for now. ``left``: how many questions were not asked, because of the
    limit. ``failures``: of the questions that got no answer, the reasons.
    """

    answers: Mapping[Question, CatalogueAnswer] = field(default_factory=dict)
    asked: int = 0
    left: int = 0
    failures: tuple[str, ...] = ()

    def of(self, row: OfferNotFound) -> CatalogueAnswer | None:
        """Returns what the catalogue has of the row's EAN on its storefront; None: that is not known."""
        return self.answers.get(question_of(row))


NOT_ASKED: Final = CatalogueAnswers()


def question_of(row: OfferNotFound) -> Question:
    return row.account, row.storefront, row.ean


def questions(rows: Iterable[OfferNotFound]) -> Sequence[Question]:
    """Returns each question once: those whose offers have most pieces waiting first, then those met first."""
    wanted: dict[Question, tuple[float, int]] = {}
    for row in rows:
        pieces, since_us = wanted.get(question_of(row), (0.0, row.first_seen_at_us))
        more = float(sum(one.value for one in row.pending if one.field == "stock"))
        wanted[question_of(row)] = pieces + more, min(since_us, row.first_seen_at_us)
    return sorted(wanted, key=lambda one: (-wanted[one][0], wanted[one][1], one))
