"""Reads and writes the commands in the topic of controls."""

from collections.abc import Iterator
from contextlib import contextmanager

from connector.connections import control_table, produce, registry
from connector.contracts.registry_subjects import look_up, prefetch
from connector.controls.codec import ControlCodec
from connector.controls.commands import ControlCommand
from connector.controls.in_force import FixedCommands, in_force_at
from connector.settings import convert
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import Stopped
from streams.flow import BadRecord, NotYet
from streams.kafka.registry import SchemaCache


class ControlTopic:
    """The topic of controls. Each request opens a client of its own."""

    def __init__(self, configured: Settings, codec: ControlCodec) -> None:
        self._configured = configured
        self._codec = codec

    def commands(self) -> list[ControlCommand]:
        """Returns every command, oldest first. Raises Stopped if one cannot be read, SourceFailed, NotPermitted."""
        found = []
        for key, value in control_table(self._configured).read().items():
            command = self._codec.decode(value)
            if isinstance(command, BadRecord | NotYet):
                name = key.decode(errors="replace")
                raise Stopped(f"the command {name!a} cannot be read: {command.text}. Remedy: use the newest connector")
            found.append(command)
        return sorted(found, key=lambda command: (command.issued_at_us, command.command_id))

    def write(self, command: ControlCommand) -> None:
        """Writes a command, or a new state of it; it is durable on return. Raises SinkFailed, NotPermitted."""
        topic = convert.topics(self._configured).controls
        produce(self._configured, topic, self._codec.key(command.command_id), self._codec.encode(command))


@contextmanager
def open_control_topic(configured: Settings) -> Iterator[ControlTopic]:
    """Opens the topic. Raises RegistryDown, and SchemaUnknown if its schema is not registered."""
    topics = convert.topics(configured)
    with registry(configured) as client:
        cache = SchemaCache(client)
        prefetch(client, topics, cache.add)
        ids = look_up(client, topics, avro_keys=convert.avro_keys(configured))
        yield ControlTopic(configured, ControlCodec(ids, cache.get))


def commands_in_force(configured: Settings) -> FixedCommands:
    """Returns the commands that processes obey now. Raises as ``open_control_topic`` and ``ControlTopic.commands``."""
    with open_control_topic(configured) as topic:
        return FixedCommands(in_force_at(topic.commands(), SystemClock().now().wall_us))
