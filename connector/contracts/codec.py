"""Events <-> messages: values in Confluent's wire format, and keys. Pure.

Ids of schemas come from the registry, once, at start (``connector/operations/schemas.py`` looks them up); what reads
other people's schemas asks its ``Lookup``, and says ``NotYet`` for one that must be fetched first.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias

import schemas
from connector.offers.events import (
    Announced,
    Basis,
    Ended,
    FieldState,
    FieldStatus,
    LocationStock,
    MarketplaceCalled,
    Miss,
    OfferChanged,
    OfferNotFound,
    OfferResult,
    OfferState,
    OfferWithdrawn,
    OrderMark,
    Origin,
    Price,
    Problem,
    ProblemError,
    Sent,
    Undone,
    UndoneField,
    UnitState,
)
from streams.avro.codec import Decoder, Fault, Lookup, Rereader, encoder
from streams.avro.compiled_writer import Writer
from streams.flow import Bad, Headers, NotYet, Record

STRING_SCHEMA: Final = "string"
"""Schema of keys with ``key_format = "avro"``."""


class KeyFault(StrEnum):
    """Why a key cannot be read: codes of ``Bad``, beside those of ``streams.avro.codec.Fault``."""

    KEY_MISSING = "KEY_MISSING"
    KEY_MALFORMED = "KEY_MALFORMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaIds:
    """What the registry calls our newest schemas, by record, such as ``offer_result``.

    ``keys``: those of the string schema under each topic's key subject, with ``key_format = "avro"`` only.
    """

    values: Mapping[str, int]
    keys: Mapping[str, int] | None = None

    def value(self, event: type) -> int:
        return self.values[schema_name(event)]

    def key(self, event: type) -> int | None:
        """None = keys are plain UTF-8."""
        return None if self.keys is None else self.keys[schema_name(event)]


KeyWriter: TypeAlias = Callable[[str], bytes]


class Codecs:
    """Every codec of the offer flow. Made once; the encoders may be called from any thread, the decoders from one.

    Encoding raises for a value that its schema cannot carry: a bug. Decoding never raises for what a record contains.
    """

    def __init__(self, ids: SchemaIds, lookup: Lookup) -> None:
        self.encode_result: Final = writer_of(OfferResult, ids.value(OfferResult))
        self.encode_not_found: Final = writer_of(OfferNotFound, ids.value(OfferNotFound))
        self.encode_state: Final = writer_of(OfferState, ids.value(OfferState))
        self.encode_called: Final = writer_of(MarketplaceCalled, ids.value(MarketplaceCalled))
        self.result_key: Final = key_writer(ids.key(OfferResult))
        self.not_found_key: Final = key_writer(ids.key(OfferNotFound))
        self.state_key: Final = key_writer(ids.key(OfferState))
        self.called_key: Final = key_writer(ids.key(MarketplaceCalled))
        self.decode_key: Final = KeyReader(lookup, avro=ids.keys is not None, expected="the EAN").decode
        self._changes: Final = Decoder(_newest(OfferChanged), lookup)
        self._states: Final = reader_of(OfferState, ids.value(OfferState), _PARTS_OF_STATES, lookup)

    def decode_changed(self, record: Record) -> OfferChanged | OfferWithdrawn | Bad | NotYet:
        """The event of an input record; a record without a value is a tombstone."""
        key = self.decode_key(record.key)
        if not isinstance(key, str):
            return key
        if record.value is None:
            return _withdrawn(key, record)
        value = self._changes.decode(record.value)
        return value if isinstance(value, Bad | NotYet) else _changed(value, key, record)

    def glance_state(self, value: bytes) -> Bad | NotYet | None:
        """Whether ``decode_state`` has the schema that it needs; None = it has."""
        return self._states.glance(value)

    def decode_state(self, value: bytes) -> OfferState | Bad | NotYet:
        """What ``encode_state`` made, of this version or of any other."""
        state: OfferState | Bad | NotYet = self._states.decode(value)
        return state


class KeyReader:
    """Reads keys: plain UTF-8, or Avro strings. ``expected`` says in a person's words what a key must be."""

    def __init__(self, lookup: Lookup, *, avro: bool, expected: str) -> None:
        self._strings: Final = Decoder(STRING_SCHEMA, lookup) if avro else None
        self._expected: Final = expected

    def decode(self, key: bytes | None) -> str | Bad | NotYet:
        """A key of an input. Never raises for what it contains."""
        if key is None:
            return Bad(code=KeyFault.KEY_MISSING, text=f"the record has no key; {self._expected} is expected")
        if self._strings is not None:
            text = self._strings.decode(key)
            return (
                text if isinstance(text, str | Bad | NotYet) else Bad(code=KeyFault.KEY_MALFORMED, text="not a string")
            )
        try:
            return key.decode()
        except UnicodeDecodeError as error:
            return Bad(code=KeyFault.KEY_MALFORMED, text=f"the key is not UTF-8: {error}", error=type(error).__name__)


_PARTS_OF_STATES: Final = (
    UnitState, FieldState, Basis, Miss, LocationStock, OrderMark, Undone, Origin, UndoneField, Ended, FieldStatus,
    Announced, Sent, Problem, ProblemError,
)  # fmt: skip


def writer_of(event: type, schema_id: int) -> Writer:
    return encoder(_newest(event), schema_id)


def reader_of(event: type, schema_id: int, parts: Iterable[type], lookup: Lookup) -> Rereader:
    """Of what ``writer_of`` wrote, any version of it. ``parts``: the classes of the records and enums in it."""
    return Rereader(_newest(event), schema_id, {kind.__name__: kind for kind in (event, *parts)}, lookup)


def _newest(event: type) -> dict[str, Any]:
    """The version that the event's class is one to one with."""
    name = schema_name(event)
    return schemas.load(name, schemas.newest(name))


def schema_name(event: type) -> str:
    """``OfferResult`` -> ``offer_result``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in event.__name__)[1:]


def key_writer(schema_id: int | None) -> KeyWriter:
    """``schema_id`` None = plain UTF-8."""
    return str.encode if schema_id is None else encoder_of_strings(schema_id)


def encoder_of_strings(schema_id: int) -> KeyWriter:
    """Writes an Avro string in Confluent's wire format."""
    return encoder({"type": "string"}, schema_id)


# ---- values of a schema -> events -----------------------------------------------------------------------------------


def _withdrawn(key: str, record: Record) -> OfferWithdrawn:
    return OfferWithdrawn(
        key=key,
        input_topic=record.at.topic,
        partition=record.at.partition,
        offset=record.offset,
        record_time_us=record.time_us,
        traceparent=header_text(record.headers, "traceparent"),
        tracestate=header_text(record.headers, "tracestate"),
    )


def _changed(value: Mapping[str, Any], key: str, record: Record) -> OfferChanged | Bad:
    price = value["price"]
    if price is not None and type(price["amount"]) is not Decimal:
        return Bad(code=Fault.SCHEMA_INCOMPATIBLE, text="price.amount is plain bytes: its writer declares no decimal")
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
        key=key,
        input_topic=record.at.topic,
        partition=record.at.partition,
        offset=record.offset,
        record_time_us=record.time_us,
        traceparent=header_text(record.headers, "traceparent"),
        tracestate=header_text(record.headers, "tracestate"),
    )


def header_text(headers: Headers, name: str) -> str | None:
    """The last header of that name; None where there is none, or none that is ASCII."""
    if not headers:
        return None
    for known, value in reversed(headers):
        if known == name and value.isascii():
            return value.decode()
    return None
