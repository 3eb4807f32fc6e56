"""Encodes and decodes the messages of the shipment flow: keys, and values in Confluent's wire format. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import schemas
from connector.contracts.codec import KeyReader, SchemaIds, header_texts, key_writer, reader_of, writer_of
from connector.contracts.codes import Code
from connector.contracts.problem import ProblemError
from connector.marketplace.orders import UnitStatus
from connector.shipments.events import (
    MarketplaceWords,
    OpenUnit,
    Parcel,
    ParcelState,
    SeenShipment,
    ShipmentDispatched,
    ShipmentResult,
    ShipmentState,
    ShippedItem,
    ShippedUnit,
    UndoneShipment,
)
from streams.avro.codec import Decoder, Lookup
from streams.flow import BadRecord, NotYet, Record
from streams.trace_context import TRACEPARENT, carried

_PARTS_OF_STATES: Final = (
    ShippedUnit, UnitStatus, ParcelState, UndoneShipment, Parcel, ShippedItem, OpenUnit, MarketplaceWords, ProblemError,
    SeenShipment,
)  # fmt: skip


class ShipmentCodecs:
    """Every codec of the shipment flow. Made once; encoders may be called from any thread, decoders from one.

    Encoding raises for a value that does not fit its schema, which is a bug. Decoding never raises for invalid input.
    """

    def __init__(self, ids: SchemaIds, lookup: Lookup) -> None:
        self.encode_result: Final = writer_of(ShipmentResult, ids.value(ShipmentResult))
        self.encode_state: Final = writer_of(ShipmentState, ids.value(ShipmentState))
        self.result_key: Final = key_writer(ids.key(ShipmentResult))
        self._key: Final = KeyReader(lookup, avro=ids.keys is not None, expected="the order id")
        self._shipments: Final = Decoder(
            schemas.load("shipment_dispatched", schemas.newest("shipment_dispatched")), lookup
        )
        self._states: Final = reader_of(ShipmentState, ids.value(ShipmentState), _PARTS_OF_STATES, lookup)

    def decode_dispatched(self, record: Record) -> ShipmentDispatched | BadRecord | NotYet:
        """Decodes an input record.

        Returns BadRecord if it cannot be decoded, and NotYet if its schema has not been fetched yet.
        """
        key = self._key.decode(record.key)
        if not isinstance(key, str):
            return key
        if record.value is None:
            return BadRecord(code=Code.VALUE_MISSING, text="the record has no value; a shipment is expected")
        value = self._shipments.decode(record.value)
        return value if isinstance(value, BadRecord | NotYet) else _dispatched(value, key, record)

    def glance_state(self, value: bytes) -> BadRecord | NotYet | None:
        """Returns why ``decode_state`` cannot run, or cannot run yet; None if it has the schema that it needs."""
        return self._states.glance(value)

    def decode_state(self, value: bytes) -> ShipmentState | BadRecord | NotYet:
        """Decodes what ``encode_state`` of this or any other version wrote."""
        state: ShipmentState | BadRecord | NotYet = self._states.decode(value)
        return state


def _dispatched(value: Mapping[str, Any], key: str, record: Record) -> ShipmentDispatched:
    headers = header_texts(record.headers)
    return ShipmentDispatched(
        event_id=value["event_id"],
        occurred_at_us=value["occurred_at"],
        sequence=value["sequence"],
        source=value["source"],
        account=value["account"],
        order_id=value["order_id"],
        order_unit_ids=tuple(value["order_unit_ids"]),
        items=tuple(ShippedItem(**item) for item in value["items"]),
        parcels=tuple(Parcel(**parcel) for parcel in value["parcels"]),
        attributes=value["attributes"],
        key=key,
        input_topic=record.at.topic,
        partition=record.at.partition,
        offset=record.offset,
        record_time_us=record.time_us,
        traceparent=carried(headers.get(TRACEPARENT)),
    )
