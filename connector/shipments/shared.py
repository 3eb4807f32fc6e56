"""What all shipment lanes of the process share. Not pure: turns read and change it, in the engine's thread only."""

from dataclasses import dataclass

from connector.contracts.released_orders import ReleasedOrders
from connector.shipments.carrier_tables import CarrierTables


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentShared:
    """Passed to each turn. Nothing of it is stored: a new process starts with an empty one and reads it again."""

    carriers: CarrierTables
    released: ReleasedOrders | None = None  # written by the order flow; None: orders are not polled in this process
