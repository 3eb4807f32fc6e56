"""Events <-> messages: values in Confluent's wire format, and keys. Pure.

Ids of schemas come from the registry, once, at start (``connector/operations/schemas.py`` looks them up); what reads
other people's schemas asks its ``Lookup``, and says ``NotYet`` for one that must be fetched first.
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
"""Schema of keys with ``key_format = "avro"``."""


class KeyFault(StrEnum):
    """Why a key cannot be read: codes of ``BadRecord``, beside those of ``streams.avro.codec.Fault``."""

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


class KeyReader:
    """Reads keys: plain UTF-8, or Avro strings. ``expected`` says in a person's words what a key must be."""

    def __init__(self, lookup: Lookup, *, avro: bool, expected: str) -> None:
        self._strings: Final = Decoder(STRING_SCHEMA, lookup) if avro else None
        self._expected: Final = expected

    def decode(self, key: bytes | None) -> str | BadRecord | NotYet:
        """A key of an input. Never raises for what it contains."""
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
    return encoder(newest_schema(event), schema_id)


def reader_of(event: type, schema_id: int, parts: Iterable[type], lookup: Lookup) -> ObjectDecoder:
    """Of what ``writer_of`` wrote, any version of it. ``parts``: the classes of the records and enums in it."""
    return ObjectDecoder(newest_schema(event), schema_id, {kind.__name__: kind for kind in (event, *parts)}, lookup)


def newest_schema(event: type) -> dict[str, Any]:
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


def header_text(headers: Headers, name: str) -> str | None:
    """The last header of that name; None where there is none, or none that is ASCII."""
    if not headers:
        return None
    for known, value in reversed(headers):
        if known == name and value.isascii():
            return value.decode()
    return None
