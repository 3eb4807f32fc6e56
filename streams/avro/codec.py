"""Bytes <-> values for a given schema, in Confluent's wire format: a zero byte, the schema's id, the Avro body. Pure.

Read values are plain: a record is a ``dict``, a moment an ``int`` of microseconds (of ``timestamp-millis`` and
``-nanos`` too), a decimal an exact ``decimal.Decimal`` in the reader's scale. Whatever the bytes are, reading ends in a
value, a ``Bad`` or a ``NotYet``, in time and memory bounded by their number.
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
from streams.flow import Bad, NotYet

HEADER = struct.Struct(">bI")
_MAGIC = 0


class Absent(Enum):
    """The registry answered that it has no such schema."""

    ABSENT = "absent"


Lookup: TypeAlias = Callable[[int], str | Absent | None]
"""A schema's text by its id; None = not here yet, it must be fetched."""


class DecodeErrorCode(StrEnum):
    """Why bytes cannot be read: the codes of ``Bad``."""

    NOT_AVRO = "NOT_AVRO"  # not in Confluent's wire format
    SCHEMA_UNKNOWN = "SCHEMA_UNKNOWN"  # the registry does not know the id
    SCHEMA_UNUSABLE = "SCHEMA_UNUSABLE"  # not Avro, or a shape that could not be read within bounds
    SCHEMA_INCOMPATIBLE = "SCHEMA_INCOMPATIBLE"  # does not resolve to the reader's schema
    MALFORMED_VALUE = "MALFORMED_VALUE"  # the body does not follow its schema
    DECIMAL_NOT_EXACT = "DECIMAL_NOT_EXACT"  # a decimal that does not fit the reader's scale or precision


def frame(schema_id: int) -> bytes:
    """The five bytes before the body."""
    return HEADER.pack(_MAGIC, schema_id)


def encoder(schema: Mapping[str, Any], schema_id: int) -> Writer:
    """A function from a record (see ``avro_writer``) to a message's value."""
    return compile_writer(schema, frame(schema_id))


class Decoder:
    """Reads messages of any writer schema that resolves to ``reader``. One thread.

    Each writer schema is parsed and judged once; one that encodes as the reader's does is read without resolution,
    which halves the time.
    """

    def __init__(self, reader: Schema, lookup: Lookup) -> None:
        self._reader = ParsedSchema(reader)
        self._lookup = lookup
        self._writers: dict[int, ParsedSchema | Bad] = {}

    def decode(self, data: bytes) -> Any | Bad | NotYet:
        """The value. ``NotYet.need`` is the id of a schema to be fetched."""
        writer = self._writer_of(data)
        return self._read(data, writer, HEADER.unpack_from(data)[1]) if isinstance(writer, ParsedSchema) else writer

    def glance(self, data: bytes) -> Bad | NotYet | None:
        """Whether the schema is here that ``decode`` needs: None = it is. Nothing of the body is looked at."""
        writer = self._writer_of(data)
        return None if isinstance(writer, ParsedSchema) else writer

    def _writer_of(self, data: bytes) -> ParsedSchema | Bad | NotYet:
        if len(data) < HEADER.size or data[0] != _MAGIC:
            return Bad(
                code=DecodeErrorCode.NOT_AVRO,
                text=f"{len(data)} bytes that do not start with a zero byte and a schema id",
            )
        schema_id: int = HEADER.unpack_from(data)[1]
        return self._writers.get(schema_id) or self._writer(schema_id)

    def _writer(self, schema_id: int) -> ParsedSchema | Bad | NotYet:
        text = self._lookup(schema_id)
        if text is None:
            return NotYet(need=schema_id, text=f"schema {schema_id} is not here yet")
        if text is Absent.ABSENT:
            # Not remembered here: whoever looks up decides for how long that answer holds.
            return Bad(code=DecodeErrorCode.SCHEMA_UNKNOWN, text=f"the registry does not know schema {schema_id}")
        writer = self._writers[schema_id] = _judge(text, schema_id)
        return writer

    def _read(self, data: bytes, writer: ParsedSchema, schema_id: int) -> Any | Bad:
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
        except Exception as error:  # noqa: BLE001 - the library names no closed set; whatever it was, the bytes did it
            return _bad(DecodeErrorCode.MALFORMED_VALUE, f"the body does not follow schema {schema_id}: {error}", error)
        if body.tell() != len(data):
            left = len(data) - body.tell()
            return Bad(
                code=DecodeErrorCode.MALFORMED_VALUE,
                text=f"{left} bytes are left over after a value of schema {schema_id}",
            )
        return value


class ObjectDecoder:
    """Reads what ``encoder(schema, schema_id)`` wrote into ``classes`` (see ``avro_reader``). One thread.

    What another version wrote is read by the library, once, and written again as ours.
    """

    def __init__(
        self, schema: Schema, schema_id: int, classes: Mapping[str, Callable[..., Any]], lookup: Lookup
    ) -> None:
        self._frame = frame(schema_id)
        self._read = compile_reader(schema, classes)
        self._others = Decoder(schema, lookup)
        self._schema = fastavro.parse_schema(schema)
        self._name = schema["name"]

    def decode(self, data: bytes) -> Any | Bad | NotYet:
        """The object; else as ``Decoder.decode``."""
        try:
            if not data.startswith(self._frame):
                other = self._others.decode(data)
                if isinstance(other, Bad | NotYet):
                    return other
                data = self._written_again(other)
            return self._read(data, len(self._frame))
        except Exception as error:  # noqa: BLE001 - generated code names no closed set; whatever it was, the bytes did it
            return _bad(DecodeErrorCode.MALFORMED_VALUE, f"the body does not follow {self._name}: {error}", error)

    def glance(self, data: bytes) -> Bad | NotYet | None:
        """As ``Decoder.glance``."""
        return None if data.startswith(self._frame) else self._others.glance(data)

    def _written_again(self, value: Any) -> bytes:
        out = BytesIO()
        out.write(self._frame)
        fastavro.schemaless_writer(out, self._schema, value)
        return out.getvalue()


def _bad(code: DecodeErrorCode, text: str, error: BaseException) -> Bad:
    return Bad(code=code, text=text[:500], error=type(error).__name__)


def _judge(text: str, schema_id: int) -> ParsedSchema | Bad:
    try:
        return ParsedSchema(orjson.loads(text))
    except Exception as error:  # noqa: BLE001 - parsing a schema fails in many ways, all of them the schema's fault
        return _bad(DecodeErrorCode.SCHEMA_UNUSABLE, f"schema {schema_id} cannot be used: {error}", error)
