"""Encodes and decodes the records of the topic of controls. Pure."""

from typing import Final

from connector.contracts.codec import SchemaIds, key_writer, reader_of, writer_of
from connector.controls.commands import (
    CommandScope,
    ControlCommand,
    ControlKind,
    ControlState,
    ReplayRange,
    ReplayRequest,
)
from streams.avro.codec import Lookup
from streams.flow import BadRecord, NotYet

PARTS_OF_COMMANDS: Final = (CommandScope, ControlKind, ControlState, ReplayRange, ReplayRequest)


class ControlCodec:
    """The codec of commands. ``encode`` may be called from any thread, ``decode`` from one.

    Encoding raises for a value that does not fit the schema, which is a bug. Decoding never raises for invalid input.
    """

    def __init__(self, ids: SchemaIds, lookup: Lookup) -> None:
        schema_id = ids.value(ControlCommand)
        self.encode: Final = writer_of(ControlCommand, schema_id)
        self.key: Final = key_writer(ids.key(ControlCommand))
        self._reader: Final = reader_of(ControlCommand, schema_id, PARTS_OF_COMMANDS, lookup)

    def decode(self, value: bytes) -> ControlCommand | BadRecord | NotYet:
        """Decodes what ``encode`` of this or any other version wrote.

        Returns BadRecord if it cannot be decoded, and NotYet if its schema is not known.
        """
        command: ControlCommand | BadRecord | NotYet = self._reader.decode(value)
        return command
