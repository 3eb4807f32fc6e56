"""Explains why an event lost: it was read after a newer one (OUT_OF_ORDER). Pure."""

from connector.contracts.codes import Code, explain
from connector.contracts.event_time import NO_SEQUENCE, moment
from connector.contracts.problem import Problem
from connector.offers.event_order import OF_ANOTHER_EAN, Recency


def out_of_order(order: Recency, newer: Recency) -> Problem | None:
    """Returns the problem of an event that lost to ``newer``, read before it; None if that one was read after it."""
    if newer.offset >= order.offset:
        return None
    return explain(Code.OUT_OF_ORDER, newer=_shown(newer), this=_shown(order))


def out_of_order_after_tombstone(order: Recency, tombstone: Recency) -> Problem | None:
    """Returns the problem of an event that was read after a newer tombstone.

    None if it was read before the tombstone, or if the tombstone's offset is not known.
    """
    if not 0 <= tombstone.offset < order.offset:
        return None
    return explain(Code.OUT_OF_ORDER, newer=f"the tombstone of {_shown(tombstone)}", this=_shown(order))


def _shown(order: Recency) -> str:
    counted = f", sequence {order.sequence}" if order.sequence != NO_SEQUENCE else ""
    return f"{moment(order.time_us)}{counted} ({_where(order)})"


def _where(order: Recency) -> str:
    return "of another EAN" if order.offset == OF_ANOTHER_EAN else f"offset {order.offset}"
