"""Writes the offers that are not found as CSV, a row for each, for a person who creates or corrects them."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from connector.contracts.event_time import moment
from connector.offers.events import Candidate, OfferNotFound
from connector.operations.not_found.catalogue import NOT_ASKED, CatalogueAnswers
from connector.operations.not_found.reasons import REMEDIES, reason_with
from connector.operations.spreadsheet import cell
from streams.errors import Stopped

_COLUMNS: Final = (
    "ean", "target_id", "account", "storefront", "condition", "offer_id", "code", "reason", "remedy", "first_seen_at",
    "last_seen_at", "events", "next_check_at", "price", "currency", "stock", "handling_time", "other_units", "event_id",
    "catalogue", "id_product", "catalogue_asked_at",
)  # fmt: skip


def save(
    path: Path, rows: Iterable[OfferNotFound], attributes: Sequence[str], catalogue: CatalogueAnswers = NOT_ASKED
) -> None:
    """Writes the rows, with what the catalogue has of each; ``attributes`` of the events become further columns.

    Raises Stopped if the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*_COLUMNS, *map(cell, attributes)])
            writer.writerows([cell(text) for text in _row(row, attributes, catalogue)] for row in rows)
    except OSError as error:
        raise Stopped(f"{path} cannot be written: {error.strerror or error}") from error


def _row(row: OfferNotFound, attributes: Sequence[str], catalogue: CatalogueAnswers) -> Iterator[str | None]:
    found = catalogue.of(row)
    reason = reason_with(row, catalogue)
    waiting = {one.field: one for one in row.pending}
    price = waiting.get("price")
    yield from (row.ean, row.target_id, row.account, row.storefront, row.condition, row.offer_id, row.code)
    yield from (reason.value, REMEDIES[reason], moment(row.first_seen_at_us), moment(row.last_seen_at_us))
    yield str(row.times_seen)
    yield None if row.next_check_at_us is None else moment(row.next_check_at_us)
    yield None if price is None else f"{price.value.normalize():f}"
    yield None if price is None else price.currency
    for field in ("stock", "handling_time"):
        yield f"{waiting[field].value.normalize():f}" if field in waiting else None
    yield "; ".join(map(_unit, row.candidates))
    yield row.event_id
    yield None if found is None else found.entry.value
    yield None if found is None or found.product_id is None else str(found.product_id)
    yield None if found is None else moment(found.asked_at_us)
    yield from (row.attributes.get(name) for name in attributes)


def _unit(candidate: Candidate) -> str:
    offer_id = "" if candidate.offer_id is None else f", offer id {candidate.offer_id}"
    return f"unit {candidate.unit_id} ({candidate.storefront}, {candidate.condition}{offer_id})"
