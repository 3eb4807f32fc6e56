"""Builds what obeys the topic of controls: the table of commands, and the reader that follows the topic."""

import structlog

from connector.connections import connection
from connector.contracts.codec import SchemaIds
from connector.contracts.event_time import moment
from connector.controls.codec import ControlCodec
from connector.controls.commands import ControlCommand
from connector.controls.in_force import Controls
from connector.startup.plan import RunPlan
from streams.control import ControlRecord
from streams.errors import StreamError
from streams.flow import NotYet
from streams.kafka.control_reader import ControlReader
from streams.kafka.registry import SchemaCache

_log = structlog.get_logger("connector")


def controls(ids: SchemaIds, schemas: SchemaCache) -> Controls:
    """Returns the table of the commands in force, which the engine and the flows use."""
    return Controls(ControlCodec(ids, schemas.get).decode, _log_ignored, _log_read)


def control_reader(plan: RunPlan, ids: SchemaIds, schemas: SchemaCache) -> ControlReader:
    """Returns the follower of the topic. It fetches a writer schema that is not known yet before it reports a record,
    because the engine cannot wait for one in the middle of the commands."""
    codec = ControlCodec(ids, schemas.get)  # one for each thread

    def fetch_schema(value: bytes) -> None:
        found = codec.decode(value)
        if isinstance(found, NotYet):
            try:
                schemas.fetch(found.need)
            except StreamError as error:
                _log.error("the schema of a command cannot be fetched", reason=str(error))

    kafka = plan.settings.kafka
    return ControlReader(connection(plan.settings), plan.topics.controls, reader=kafka.group, prepare=fetch_schema)


def _log_read(command: ControlCommand) -> None:
    """Logs a command that this process obeys from now on, so that each process shows when it did."""
    until_us = command.expires_at_us
    _log.info(
        "command read",
        command=command.command_id,
        kind=command.kind.value,
        state=command.state.value,
        by=command.changed_by or command.issued_by,
        until=None if until_us is None else moment(until_us),
    )


def _log_ignored(record: ControlRecord, reason: str) -> None:
    """Logs a record of the topic that changes nothing."""
    _log.error(
        "a command is ignored",
        key=record.key,
        offset=record.offset,
        reason=reason,
        remedy="release it by its id and give it again with the version of the connector that runs",
    )
