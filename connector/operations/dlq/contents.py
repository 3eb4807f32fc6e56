"""Decodes the record of a dead letter: with its own schema, and as the connector would read it now."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from connector import flows
from connector.connections import registry
from connector.contracts.registry_subjects import look_up
from connector.settings import convert
from connector.settings.model import Settings
from streams.avro.codec import HEADER, Absent, Decoder
from streams.dead_letter import DeadLetter
from streams.errors import RegistryDenied, RegistryDown, SchemaUnknown
from streams.flow import Assignment, BadRecord, NotYet, Record
from streams.kafka.registry import SchemaCache

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterContent:
    """The value of a dead letter. ``decoded`` is None where ``problem`` says why it cannot be decoded."""

    schema_id: int | None  # None: not in Confluent's wire format
    schema_name: str = ""
    decoded: Any = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readability:
    """Whether the connector could read the record now. ``readable`` None: not known, for ``reason``."""

    readable: bool | None
    code: str = ""
    reason: str = ""


class LetterReader:
    """Decodes dead letters with the schemas of the registry; each schema is fetched once. Not thread-safe."""

    def __init__(self, cache: SchemaCache, readers: Mapping[str, Callable[[Record], Any]], unavailable: str) -> None:
        """``readers``: as of ``flows.input_readers``; empty where the registry is ``unavailable``, for that reason."""
        self._cache = cache
        self._readers = readers
        self._unavailable = unavailable

    def content(self, value: bytes) -> LetterContent:
        """Decodes a value with the schema that it names."""
        if len(value) < HEADER.size or value[0] != 0:
            return LetterContent(schema_id=None, problem="not Avro in Confluent's wire format")
        schema_id: int = HEADER.unpack_from(value)[1]
        try:
            return self._decoded(value, schema_id)
        except (RegistryDown, RegistryDenied) as error:
            return LetterContent(schema_id=schema_id, problem=str(error))

    def now(self, letter: DeadLetter) -> Readability:
        """Returns whether the connector could read the letter's record now."""
        read = self._readers.get(letter.input_topic)
        if read is None:
            why = self._unavailable or f"{letter.input_topic} is not an input topic of this configuration"
            return Readability(readable=None, reason=why)
        record = _record(letter)
        try:
            event = self._fetched(lambda: read(record))
        except (RegistryDown, RegistryDenied) as error:
            return Readability(readable=None, reason=str(error))
        if isinstance(event, BadRecord):
            return Readability(readable=False, code=event.code, reason=event.text)
        return Readability(readable=True)

    def _decoded(self, value: bytes, schema_id: int) -> LetterContent:
        self._fetch(schema_id)
        text = self._cache.get(schema_id)
        if text is None or isinstance(text, Absent):
            return LetterContent(schema_id=schema_id, problem=f"the registry does not know schema {schema_id}")
        try:
            schema = orjson.loads(text)
            decoded = Decoder(schema, self._cache.get).decode(value)
        except Exception as error:  # noqa: BLE001 - parsing raises no closed set; any error is caused by the schema
            return LetterContent(schema_id=schema_id, problem=f"schema {schema_id} cannot be used: {error}")
        name = str(schema.get("name", "")) if isinstance(schema, dict) else ""
        if isinstance(decoded, BadRecord | NotYet):
            return LetterContent(schema_id=schema_id, schema_name=name, problem=decoded.text)
        return LetterContent(schema_id=schema_id, schema_name=name, decoded=decoded)

    def _fetched(self, read: Callable[[], T | NotYet]) -> T:
        """Reads again after each schema that had to be fetched first. A key and a value name at most two."""
        while isinstance(event := read(), NotYet):
            self._cache.fetch(event.need)
        return event

    def _fetch(self, schema_id: int) -> None:
        if self._cache.get(schema_id) is None:
            self._cache.fetch(schema_id)


@contextmanager
def letter_reader(configured: Settings) -> Iterator[LetterReader]:
    """Opens the schema registry's client and makes a reader that uses it.

    Without the registry, or without this version's schemas in it, the reader still shows what it can.
    """
    topics = convert.topics(configured)
    with registry(configured) as client:
        cache, readers, unavailable = SchemaCache(client), dict[str, Callable[[Record], Any]](), ""
        try:
            ids = look_up(client, topics, avro_keys=convert.avro_keys(configured))
            readers = flows.input_readers(topics, ids, cache.get, convert.scheduled(configured))
        except (RegistryDown, RegistryDenied, SchemaUnknown) as error:
            unavailable = str(error)
        yield LetterReader(cache, readers, unavailable)


def _record(letter: DeadLetter) -> Record:
    return Record(
        at=Assignment(topic=letter.input_topic, partition=0, epoch=0),
        offset=0,
        key=letter.key,
        value=letter.value,
        time_us=letter.dead_lettered_us if letter.written_us is None else letter.written_us,
        headers=letter.headers,
    )
