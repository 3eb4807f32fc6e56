"""Encodes and decodes Avro in Confluent's wire format: a zero byte, the schema's id, the Avro body. Pure.

Decoded values are plain: a record is a ``dict``, a timestamp an ``int`` of microseconds (``timestamp-millis`` and
``-nanos`` too), a decimal an exact ``decimal.Decimal`` in the reader's scale. For any input, decoding returns a value,
a ``BadRecord`` or a ``NotYet``, in time and memory bounded by the number of bytes.
"""

import struct
from collections.abc import Callable, Mapping
from enum import Enum, StrEnum
from io import BytesIO
from typing import Any, TypeAlias

import fastavro
import orjson
from fastavro import read as fastavro_read

from streams.avro.compiled_reader import compile_reader
from streams.avro.compiled_writer import Writer, compile_writer
from streams.avro.schema import InexactDecimal, ParsedSchema, Schema
from streams.flow import BadRecord, NotYet

HEADER = struct.Struct(">bI")
_MAGIC = 0


class Absent(Enum):
    """The registry has no such schema."""

    ABSENT = "absent"


Lookup: TypeAlias = Callable[[int], str | Absent | None]
"""Returns a schema's text by its id; None = it must be fetched first."""


class DecodeErrorCode(StrEnum):
    """Why a message cannot be decoded: the codes of ``BadRecord``."""

    NOT_AVRO = "NOT_AVRO"  # not in Confluent's wire format
    SCHEMA_UNKNOWN = "SCHEMA_UNKNOWN"  # the registry has no schema with this id
    SCHEMA_UNUSABLE = "SCHEMA_UNUSABLE"  # not Avro, or not readable in bounded time and memory
    SCHEMA_INCOMPATIBLE = "SCHEMA_INCOMPATIBLE"  # does not resolve to the reader's schema
    MALFORMED_VALUE = "MALFORMED_VALUE"  # the body does not follow its schema
    DECIMAL_NOT_EXACT = "DECIMAL_NOT_EXACT"  # a decimal that does not fit the reader's scale or precision


def frame(schema_id: int) -> bytes:
    """Returns the five bytes before the body."""
    return HEADER.pack(_MAGIC, schema_id)


def encoder(schema: Mapping[str, Any], schema_id: int) -> Writer:
    """Returns a function that encodes a record (see ``compiled_writer``) as a message's value."""
    return compile_writer(schema, frame(schema_id))


class Decoder:
    """Decodes messages of any writer schema that resolves to ``reader``. Not thread-safe.

    Each writer schema is parsed and checked once. One with the same layout as the reader's is read without schema
    resolution, which halves the time.
    """

    def __init__(self, reader: Schema, lookup: Lookup) -> None:
        self._reader = ParsedSchema(reader)
        self._lookup = lookup
        self._writers: dict[int, ParsedSchema | BadRecord] = {}

    def decode(self, data: bytes) -> Any | BadRecord | NotYet:
        """Returns the value. ``NotYet.need`` is the id of a schema that must be fetched first."""
        writer = self._writer_of(data)
        return self._read(data, writer, HEADER.unpack_from(data)[1]) if isinstance(writer, ParsedSchema) else writer

    def glance(self, data: bytes) -> BadRecord | NotYet | None:
        """Returns None if the schema that ``decode`` needs is available. Does not look at the body."""
        writer = self._writer_of(data)
        return None if isinstance(writer, ParsedSchema) else writer

    def _writer_of(self, data: bytes) -> ParsedSchema | BadRecord | NotYet:
        if len(data) < HEADER.size or data[0] != _MAGIC:
            return BadRecord(
                code=DecodeErrorCode.NOT_AVRO,
                text=f"{len(data)} bytes that do not start with a zero byte and a schema id",
            )
        schema_id: int = HEADER.unpack_from(data)[1]
        return self._writers.get(schema_id) or self._writer(schema_id)

    def _writer(self, schema_id: int) -> ParsedSchema | BadRecord | NotYet:
        text = self._lookup(schema_id)
        if text is None:
            return NotYet(need=schema_id, text=f"schema {schema_id} is not here yet")
        if text is Absent.ABSENT:
            # Not cached here: the lookup decides how long that answer is valid.
            return BadRecord(code=DecodeErrorCode.SCHEMA_UNKNOWN, text=f"the registry does not know schema {schema_id}")
        writer = self._writers[schema_id] = _prepared(text, schema_id)
        return writer

    def _read(self, data: bytes, writer: ParsedSchema, schema_id: int) -> Any | BadRecord:
        body = BytesIO(data)
        body.seek(HEADER.size)
        reader = None if writer.layout == self._reader.layout else self._reader.parsed
        try:
            value = fastavro.schemaless_reader(body, writer.parsed, reader)
        except InexactDecimal as error:
            return _bad(DecodeErrorCode.DECIMAL_NOT_EXACT, f"{error} (schema {schema_id})", error)
        except fastavro_read.SchemaResolutionError as error:
            text = f"schema {schema_id} does not resolve to {self._reader.name}: {error}"
            return _bad(DecodeErrorCode.SCHEMA_INCOMPATIBLE, text, error)
        except Exception as error:  # noqa: BLE001 - the library documents no closed set; any error is caused by the bytes
            return _bad(DecodeErrorCode.MALFORMED_VALUE, f"the body does not follow schema {schema_id}: {error}", error)
        if body.tell() != len(data):
            left = len(data) - body.tell()
            return BadRecord(
                code=DecodeErrorCode.MALFORMED_VALUE,
                text=f"{left} bytes are left over after a value of schema {schema_id}",
            )
        return value


class ObjectDecoder:
    """Decodes messages of ``encoder(schema, schema_id)`` into objects of ``classes`` (see ``compiled_reader``).

    A message of another schema version is decoded by the library and encoded again in this version first. Not
    thread-safe.
    """

    def __init__(
        self, schema: Schema, schema_id: int, classes: Mapping[str, Callable[..., Any]], lookup: Lookup
    ) -> None:
        self._frame = frame(schema_id)
        self._read = compile_reader(schema, classes)
        self._others = Decoder(schema, lookup)
        self._schema = fastavro.parse_schema(schema)
        self._name = schema["name"]

    def decode(self, data: bytes) -> Any | BadRecord | NotYet:
        """Returns the object; otherwise like ``Decoder.decode``."""
        try:
            if not data.startswith(self._frame):
                other = self._others.decode(data)
                if isinstance(other, BadRecord | NotYet):
                    return other
                data = self._reencoded(other)
            return self._read(data, len(self._frame))
        except Exception as error:  # noqa: BLE001 - generated code raises no closed set; any error is caused by the bytes
            return _bad(DecodeErrorCode.MALFORMED_VALUE, f"the body does not follow {self._name}: {error}", error)

    def glance(self, data: bytes) -> BadRecord | NotYet | None:
        """See ``Decoder.glance``."""
        return None if data.startswith(self._frame) else self._others.glance(data)

    def _reencoded(self, value: Any) -> bytes:
        out = BytesIO()
        out.write(self._frame)
        fastavro.schemaless_writer(out, self._schema, value)
        return out.getvalue()


def _bad(code: DecodeErrorCode, text: str, error: BaseException) -> BadRecord:
    return BadRecord(code=code, text=text[:500], error=getattr(error, "reported_as", type(error).__name__))


def _prepared(text: str, schema_id: int) -> ParsedSchema | BadRecord:
    try:
        return ParsedSchema(orjson.loads(text))
    except Exception as error:  # noqa: BLE001 - parsing raises no closed set; any error is caused by the schema
        return _bad(DecodeErrorCode.SCHEMA_UNUSABLE, f"schema {schema_id} cannot be used: {error}", error)
