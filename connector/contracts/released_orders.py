"""Tells the shipment flow which orders the order flow has seen with a unit that may be sent.

The order flow is the first to see that the marketplace has released a unit, for which a shipment event may be waiting.
The two flows of a process share one object. They read different topics, whose partitions other processes may own, and
nothing is durable; a missing entry only delays a waiting event by some minutes.
"""

from typing import Final

MOST: Final = 10_000
"""Maximum number of remembered orders; the oldest are dropped."""


class ReleasedOrders:
    """The most recently released orders; written by one flow and read by another, in the engine's thread."""

    def __init__(self) -> None:
        self._noted_at_us: dict[tuple[str, str], int] = {}  # account, order id -> when

    def note(self, account: str, order_id: str, now_us: int) -> None:
        """Records that the order has a unit that may be sent."""
        self._noted_at_us.pop((account, order_id), None)
        self._noted_at_us[account, order_id] = now_us
        if len(self._noted_at_us) > MOST:
            del self._noted_at_us[next(iter(self._noted_at_us))]

    def noted_at_us(self, account: str, order_id: str) -> int | None:
        """Returns when ``note`` last recorded the order; None if not recently, or not in this process."""
        return self._noted_at_us.get((account, order_id))
