"""Reads the commands of the scheduler topic. Pure."""

from collections.abc import Collection

from connector.contracts.codes import Code, explain
from connector.orders.codec import OrderCodecs
from connector.orders.events import Command, SchedulerCommand
from connector.orders.policy import Scheduled
from streams.flow import BadRecord, NotYet, Record


def read_command(record: Record, codecs: OrderCodecs, scheduled: Scheduled) -> SchedulerCommand | BadRecord | NotYet:
    """Decodes a command; returns BadRecord if what it asks for is not polled or swept."""
    command = codecs.decode_command(record)
    if isinstance(command, BadRecord | NotYet):
        return command
    if command.command is Command.SWEEP_NOW:
        return _if_swept(command, scheduled.places)
    if command.key in scheduled.accounts:
        return command
    problem = explain(Code.ACCOUNT_NOT_POLLED, account=command.key, known=", ".join(sorted(scheduled.accounts)))
    return BadRecord(code=Code.ACCOUNT_NOT_POLLED, text=problem.message)


def _if_swept(command: SchedulerCommand, places: Collection[tuple[str, str]]) -> SchedulerCommand | BadRecord:
    if (command.key, command.storefront) in places:
        return command
    problem = explain(
        Code.UNITS_NOT_SWEPT,
        account=command.key,
        storefront=command.storefront or "",
        known=", ".join(f"{account}/{storefront}" for account, storefront in sorted(places)),
    )
    return BadRecord(code=Code.UNITS_NOT_SWEPT, text=problem.message)
