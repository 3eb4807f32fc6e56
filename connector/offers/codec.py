"""Encodes and decodes the messages of the offer flow: keys, and values in Confluent's wire format. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn

from connector.contracts.codec import (
    KeyReader,
    SchemaIds,
    header_texts,
    key_writer,
    newest_schema,
    reader_of,
    schema_name,
    writer_of,
)
from connector.contracts.problem import Problem, ProblemError
from connector.offers.events import (
    Announced,
    Basis,
    BegunCommand,
    Conversion,
    Ended,
    FieldResult,
    FieldState,
    FieldStatus,
    HeldField,
    ListingWish,
    LocationStock,
    Miss,
    OfferChanged,
    OfferDrifted,
    OfferFieldResult,
    OfferNotFound,
    OfferResult,
    OfferState,
    OfferWithdrawn,
    OrderMark,
    Origin,
    Price,
    Sent,
    Status,
    Undone,
    UndoneField,
    UnitState,
)
from streams.avro.codec import DecodeErrorCode, Decoder, Lookup
from streams.avro.compiled_writer import Writer
from streams.dead_letter import REDRIVE_FROM
from streams.flow import BadRecord, NotYet, Record
from streams.trace_context import TRACEPARENT, carried

PARTS_OF_STATES: Final = (
    UnitState, FieldState, Basis, Miss, LocationStock, OrderMark, Undone, Origin, UndoneField, Ended, FieldStatus,
    Announced, HeldField, Sent, Problem, ProblemError, BegunCommand, ListingWish, Conversion,
)  # fmt: skip
PARTS_OF_RESULTS: Final = (Origin, Status, FieldResult, FieldStatus, Basis, Conversion, Sent, Problem, ProblemError)


class OfferCodecs:
    """Every codec of the offer flow. Made once; encoders may be called from any thread, decoders from one.

    Encoding raises for a value that does not fit its schema, which is a bug. Decoding never raises for invalid input.
    """

    def __init__(self, ids: SchemaIds, lookup: Lookup) -> None:
        self.encode_result: Final = writer_of(OfferResult, ids.value(OfferResult))
        self.encode_not_found: Final = writer_of(OfferNotFound, ids.value(OfferNotFound))
        self.encode_state: Final = writer_of(OfferState, ids.value(OfferState))
        self.encode_drift: Final = _writer_where_on(OfferDrifted, ids)
        self.encode_field_result: Final = _writer_where_on(OfferFieldResult, ids)
        self.result_key: Final = key_writer(ids.key(OfferResult))
        self.not_found_key: Final = key_writer(ids.key(OfferNotFound))
        self.decode_key: Final = KeyReader(lookup, avro=ids.keys is not None, expected="the EAN").decode
        self._changes: Final = Decoder(newest_schema(OfferChanged), lookup)
        self._states: Final = reader_of(OfferState, ids.value(OfferState), PARTS_OF_STATES, lookup)

    def decode_changed(self, record: Record) -> OfferChanged | OfferWithdrawn | BadRecord | NotYet:
        """Decodes an input record; one without a value is a tombstone.

        Returns BadRecord if it cannot be decoded, and NotYet if its schema has not been fetched yet.
        """
        key = self.decode_key(record.key)
        if not isinstance(key, str):
            return key
        if record.value is None:
            return _withdrawn(key, record)
        value = self._changes.decode(record.value)
        return value if isinstance(value, BadRecord | NotYet) else _changed(value, key, record)

    def glance_state(self, value: bytes) -> BadRecord | NotYet | None:
        """Returns why ``decode_state`` cannot run, or cannot run yet; None if it has the schema that it needs."""
        return self._states.glance(value)

    def decode_state(self, value: bytes) -> OfferState | BadRecord | NotYet:
        """Decodes what ``encode_state`` of this or any other version wrote."""
        state: OfferState | BadRecord | NotYet = self._states.decode(value)
        return state


def _writer_where_on(event: type, ids: SchemaIds) -> Writer:
    """Returns the writer of an event whose topic may be off."""
    return writer_of(event, ids.value(event)) if schema_name(event) in ids.values else _is_off


def _is_off(event: object) -> NoReturn:
    """Stands for the writer of an event while its topic is off."""
    raise ValueError(f"{type(event).__name__} is written although its topic is off")


def _withdrawn(key: str, record: Record) -> OfferWithdrawn:
    headers = header_texts(record.headers)
    return OfferWithdrawn(
        key=key,
        input_topic=record.at.topic,
        partition=record.at.partition,
        offset=record.offset,
        record_time_us=record.time_us,
        redriven=REDRIVE_FROM in headers,
        traceparent=carried(headers.get(TRACEPARENT)),
    )


def _changed(value: Mapping[str, Any], key: str, record: Record) -> OfferChanged | BadRecord:
    price = value["price"]
    if price is not None and type(price["amount"]) is not Decimal:
        return BadRecord(
            code=DecodeErrorCode.SCHEMA_INCOMPATIBLE, text="price.amount is plain bytes: its writer declares no decimal"
        )
    headers = header_texts(record.headers)
    return OfferChanged(
        event_id=value["event_id"],
        occurred_at_us=value["occurred_at"],
        sequence=value["sequence"],
        source=value["source"],
        target_id=value["target_id"],
        condition=value["condition"],
        ean=value["ean"],
        offer_id=value["offer_id"],
        unit_id=value["unit_id"],
        price=None if price is None else Price(amount=price["amount"], currency=price["currency"]),
        stock=value["stock"],
        location=value["location"],
        handling_time_days=value["handling_time_days"],
        attributes=value["attributes"],
        listing=value["listing"],
        key=key,
        input_topic=record.at.topic,
        partition=record.at.partition,
        offset=record.offset,
        record_time_us=record.time_us,
        redriven=REDRIVE_FROM in headers,
        traceparent=carried(headers.get(TRACEPARENT)),
    )
