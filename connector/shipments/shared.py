"""What all shipment lanes of the process share. Not pure: it changes from turn to turn, in the engine's thread only.

``decide`` and ``results`` read it. ``outcomes`` stores the carrier tables that were read, and the flow notes which lane
reads one.
"""

from dataclasses import dataclass

from connector.contracts.released_orders import ReleasedOrders
from connector.shipments.carrier_tables import CarrierTables


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentShared:
    """Handed to the steps of a turn. Nothing is stored: a new process starts with an empty one and reads it again."""

    carriers: CarrierTables
    released: ReleasedOrders | None = None  # written by the order flow; None: orders are not polled in this process
