"""Word between flows of one process: which orders were seen with a unit that may be sent. Pure.

The order flow sees first that the marketplace has released a unit; the shipment flow may have an event that waits for
it. The two live on partitions of different topics, which other processes may own, and nothing here is durable: so a
missing word costs a waiting event some minutes, and never more.
"""

from typing import Final

MOST: Final = 10_000
"""So many orders are remembered, those that were noted last."""


class ReleasedOrders:
    """Written by one flow, read by another, both in the engine's thread."""

    def __init__(self) -> None:
        self._noted_at_us: dict[tuple[str, str], int] = {}  # account, order id -> when

    def note(self, account: str, order_id: str, now_us: int) -> None:
        """A reading of the order shows a unit that may be sent."""
        self._noted_at_us.pop((account, order_id), None)
        self._noted_at_us[account, order_id] = now_us
        if len(self._noted_at_us) > MOST:
            del self._noted_at_us[next(iter(self._noted_at_us))]

    def noted_at_us(self, account: str, order_id: str) -> int | None:
        """When that was last seen; None = not lately, or not here."""
        return self._noted_at_us.get((account, order_id))
