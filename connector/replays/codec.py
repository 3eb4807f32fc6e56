"""Encodes and decodes the progress of replays. Pure."""

from typing import Final

from connector.contracts.codec import SchemaIds, key_writer, reader_of, writer_of
from connector.replays.progress import ReplayProgress, ReplayState
from streams.avro.codec import Lookup
from streams.flow import BadRecord, NotYet


class ReplayProgressCodec:
    """The codec of progress. Decoding never raises for invalid input."""

    def __init__(self, ids: SchemaIds, lookup: Lookup) -> None:
        schema_id = ids.value(ReplayProgress)
        self.encode: Final = writer_of(ReplayProgress, schema_id)
        self.key: Final = key_writer(ids.key(ReplayProgress))
        self._reader: Final = reader_of(ReplayProgress, schema_id, (ReplayState,), lookup)

    def decode(self, value: bytes) -> ReplayProgress | BadRecord | NotYet:
        """Decodes what ``encode`` of this or any other version wrote.

        Returns BadRecord if it cannot be decoded, and NotYet if its schema is not known.
        """
        progress: ReplayProgress | BadRecord | NotYet = self._reader.decode(value)
        return progress
