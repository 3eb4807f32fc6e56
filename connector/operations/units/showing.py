"""Prints the units that sweeps have seen: as a table, and as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from connector.contracts.event_time import moment
from connector.operations.dlq.texts import printable
from connector.operations.units.listing import Liveness, SweptOffer, UnitListing
from connector.operations.why.texts import amount

MOST: Final = 50
"""Units in a table."""
REASONS: Final[Mapping[Liveness, str]] = {
    Liveness.LIVE: "live",
    Liveness.ON_HOLD: "on hold at the marketplace",
    Liveness.INCOMPLETE: "incomplete: the product lacks data",
    Liveness.NO_STOCK: "no stock",
    Liveness.OTHER: "not live, see its status",
    Liveness.NOT_TOLD: "the marketplace does not tell",
}
"""Each liveness in words."""


def show(console: Console, found: UnitListing, unreadable: Sequence[str]) -> None:
    """Prints the sums and the units."""
    total = sum(found.counts.values())
    if found.oldest_sweep_us is None:
        console.print("No sweep has seen a unit.", highlight=False)
    else:
        sums = ", ".join(f"{REASONS[one]} {found.counts[one]:,}" for one in Liveness if found.counts[one])
        since = moment(found.oldest_sweep_us)
        console.print(f"{total:,} units, seen since the sweep of {since}: {sums}", highlight=False, soft_wrap=True)
    if found.units:
        console.print(_table(found.units[:MOST]))
    if (more := len(found.units) - MOST) > 0:
        console.print(f"... and {more:,} more units; --json has them all.", highlight=False)
    for problem in unreadable:
        console.print(f"not readable: {printable(problem)}", markup=False, highlight=False, soft_wrap=True)


def document(found: UnitListing, unreadable: Sequence[str]) -> dict[str, Any]:
    """Returns the listing as ``--json`` prints it. Prices are texts, as all values are."""
    return {
        "counts": {one.value: found.counts[one] for one in Liveness if found.counts[one]},
        "oldest_sweep_at": None if found.oldest_sweep_us is None else moment(found.oldest_sweep_us),
        "units": [_unit_document(one) for one in found.units],
        "unreadable": list(unreadable),
    }


def _unit_document(unit: SweptOffer) -> dict[str, Any]:
    row = unit.newest
    return {
        "account": row.account,
        "storefront": row.storefront,
        "unit_id": row.unit_id,
        "eans": list(unit.eans),
        "condition": row.condition,
        "offer_id": row.offer_id,
        "liveness": unit.liveness.value,
        "status": row.status,
        "price": None if row.price is None else f"{row.price.normalize():f}",
        "currency": row.currency,
        "stock": row.stock,
        "observed_at": moment(row.observed_at_us),
        "sweep_at": moment(row.sweep_at_us),
    }


def _table(units: Sequence[SweptOffer]) -> Table:
    table = Table(
        "account",
        "storefront",
        Column("unit", justify="right"),
        "EAN",
        "condition",
        "offer id",
        Column("stock", justify="right"),
        Column("price", justify="right"),
        "status",
        "why",
    )
    for unit in units:
        row = unit.newest
        more = f" +{len(unit.eans) - 1}" if len(unit.eans) > 1 else ""
        price = "" if row.price is None else amount(row.price, row.currency)
        texts = (
            row.account,
            row.storefront,
            str(row.unit_id),
            unit.eans[0] + more,
            row.condition,
            row.offer_id or "",
            "" if row.stock is None else f"{row.stock:,}",
            price,
            row.status or "",
            REASONS[unit.liveness],
        )
        table.add_row(*(escape(printable(text)) for text in texts))
    return table
