"""Reads the commands of the scheduler topic. Pure."""

from collections.abc import Collection

from connector.contracts.codes import Code, explain
from connector.orders.codec import OrderCodecs
from connector.orders.events import SchedulerCommand
from streams.flow import BadRecord, NotYet, Record


def read_command(
    record: Record, codecs: OrderCodecs, accounts: Collection[str]
) -> SchedulerCommand | BadRecord | NotYet:
    """Decodes a command; returns BadRecord for an account that is not one of those that are polled."""
    command = codecs.decode_command(record)
    if isinstance(command, BadRecord | NotYet) or command.key in accounts:
        return command
    problem = explain(Code.ACCOUNT_NOT_POLLED, account=command.key, known=", ".join(sorted(accounts)))
    return BadRecord(code=Code.ACCOUNT_NOT_POLLED, text=problem.message)
