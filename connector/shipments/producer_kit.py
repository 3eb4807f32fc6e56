"""Makes valid shipment events from plain values, for demos, tests, and a first producer. An example:

kit = ShipmentKit(schema_id)  # of ShipmentDispatched under <topic>-value
key, value = kit.message(
    {
        "event_id": "4711",  # unique per source
        "occurred_at_us": time.time_ns() // 1000,
        "order_id": "MB7UWLD",
        "order_unit_ids": [314567896580917],  # or "items": [{"offer_id": "AB-120", "quantity": 2}]
        "parcels": [{"carrier": "DHL", "tracking_number": "00340434161094042557"}],
    }
)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import schemas
from connector.contracts.codec import encoder_of_strings
from connector.shipments.events import Parcel, ShippedItem
from streams.avro.codec import encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducedShipment:
    """A shipment as a producer writes it, with the fields of the record ``ShipmentDispatched``."""

    event_id: str
    occurred_at_us: int
    sequence: int | None = None
    source: str
    account: str | None = None
    order_id: str
    order_unit_ids: Sequence[int] = ()
    items: Sequence[ShippedItem] = ()
    parcels: Sequence[Parcel]
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Returns the shipment for values by field; parcels and items may be objects or mappings of their fields.

        ``source`` defaults to "producer-kit". Raises ``ValueError`` that names missing and unknown fields.
        """
        unknown = sorted(values.keys() - cls.__dataclass_fields__.keys())
        missing = sorted({"event_id", "occurred_at_us", "order_id", "parcels"} - values.keys())
        if unknown or missing:
            raise ValueError(f"unknown: {', '.join(unknown) or '-'}; missing: {', '.join(missing) or '-'}")
        parcels = [parcel if isinstance(parcel, Parcel) else Parcel(**parcel) for parcel in values["parcels"]]
        items = [item if isinstance(item, ShippedItem) else ShippedItem(**item) for item in values.get("items", ())]
        return cls(**{"source": "producer-kit", **values, "parcels": parcels, "items": items})


class ShipmentKit:
    """Makes keys and values for the input topic. ``key_schema_id`` None: keys are plain UTF-8."""

    def __init__(self, schema_id: int, key_schema_id: int | None = None) -> None:
        self._value: Final = encoder(
            schemas.load("shipment_dispatched", schemas.newest("shipment_dispatched")), schema_id
        )
        self._key: Final = str.encode if key_schema_id is None else encoder_of_strings(key_schema_id)

    def message(self, values: Mapping[str, Any], key: str | None = None) -> tuple[bytes, bytes]:
        """Returns key (the order id, unless ``key`` is given) and value. Raises like ``ProducedShipment.of``."""
        dispatch = ProducedShipment.of(values)
        return self._key(dispatch.order_id if key is None else key), self._value(dispatch)
