"""Encodes events as Avro in Confluent's wire format, decodes them, and reads and writes keys. Pure.

The ids of the connector's own schemas are looked up in the registry once, at start
(``connector/contracts/registry_subjects.py``). Readers of values with other schemas use a ``Lookup``, and return
``NotYet`` if a schema must be fetched first.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

import schemas
from streams.avro.codec import Decoder, Lookup, ObjectDecoder, encoder
from streams.avro.compiled_writer import Writer
from streams.flow import BadRecord, Headers, NotYet

STRING_SCHEMA: Final = "string"
"""The schema of keys with ``key_format = "avro"``."""


class KeyFault(StrEnum):
    """Why a key cannot be read. Codes of ``BadRecord``, beside those of ``streams.avro.codec.DecodeErrorCode``."""

    KEY_MISSING = "KEY_MISSING"
    KEY_MALFORMED = "KEY_MALFORMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaIds:
    """The registry's ids of the newest version of our schemas, by record, such as ``offer_result``.

    ``keys``: the ids of the string schema under each topic's key subject; only with ``key_format = "avro"``.
    """

    values: Mapping[str, int]
    keys: Mapping[str, int] | None = None

    def value(self, event: type) -> int:
        """Returns the id of the value schema of an event class."""
        return self.values[schema_name(event)]

    def key(self, event: type) -> int | None:
        """Returns the id of the key schema of an event class, or None if keys are plain UTF-8."""
        return None if self.keys is None else self.keys[schema_name(event)]


KeyWriter: TypeAlias = Callable[[str], bytes]


class KeyReader:
    """Reads keys: plain UTF-8, or Avro strings. ``expected`` describes a valid key, for error messages."""

    def __init__(self, lookup: Lookup, *, avro: bool, expected: str) -> None:
        self._strings: Final = Decoder(STRING_SCHEMA, lookup) if avro else None
        self._expected: Final = expected

    def decode(self, key: bytes | None) -> str | BadRecord | NotYet:
        """Decodes the key of an input record. Never raises because of its content."""
        if key is None:
            return BadRecord(code=KeyFault.KEY_MISSING, text=f"the record has no key; {self._expected} is expected")
        if self._strings is not None:
            text = self._strings.decode(key)
            return (
                text
                if isinstance(text, str | BadRecord | NotYet)
                else BadRecord(code=KeyFault.KEY_MALFORMED, text="not a string")
            )
        try:
            return key.decode()
        except UnicodeDecodeError as error:
            return BadRecord(
                code=KeyFault.KEY_MALFORMED, text=f"the key is not UTF-8: {error}", error=type(error).__name__
            )


def writer_of(event: type, schema_id: int) -> Writer:
    """Returns a function that encodes events of this class."""
    return encoder(newest_schema(event), schema_id)


def reader_of(event: type, schema_id: int, parts: Iterable[type], lookup: Lookup) -> ObjectDecoder:
    """Returns a decoder for values that ``writer_of`` wrote, in any version of the schema.

    ``parts``: the classes of the records and enums in the event.
    """
    return ObjectDecoder(newest_schema(event), schema_id, {kind.__name__: kind for kind in (event, *parts)}, lookup)


def newest_schema(event: type) -> dict[str, Any]:
    """Returns the newest version of an event's schema, which the event's class matches."""
    name = schema_name(event)
    return schemas.load(name, schemas.newest(name))


def schema_name(event: type) -> str:
    """``OfferResult`` -> ``offer_result``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in event.__name__)[1:]


def key_writer(schema_id: int | None) -> KeyWriter:
    """Returns a function that encodes keys: as Avro strings, or as plain UTF-8 if ``schema_id`` is None."""
    return str.encode if schema_id is None else encoder_of_strings(schema_id)


def encoder_of_strings(schema_id: int) -> KeyWriter:
    """Returns a function that encodes Avro strings in Confluent's wire format."""
    return encoder({"type": "string"}, schema_id)


def header_texts(headers: Headers) -> dict[str, str]:
    """Returns the headers with an ASCII value; of several with one name, the last."""
    texts = {}
    for name, value in headers:
        if value.isascii():
            texts[name] = value.decode()
    return texts
