"""Requests polls of orders and sweeps of units from the process that makes them, through the scheduler topic."""

from collections.abc import Sequence

from connector.connections import produce, registry
from connector.contracts.registry_subjects import look_up
from connector.contracts.topics import Feature
from connector.orders.codec import OrderCodecs
from connector.orders.events import Command, SchedulerCommand
from connector.settings import convert
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import Stopped

BY_COMMAND_LINE = "command line"
"""Who asks for what a person asks for."""


def request_polls(configured: Settings, accounts: Sequence[str], changed_from_us: int | None) -> None:
    """Requests a poll of each account. Raises Stopped if orders are disabled, RegistryDown, SinkFailed.

    ``changed_from_us``: the poll reads again what changed since then; None continues where the last poll ended.
    """
    if Feature.ORDERS not in convert.topics(configured).features:
        raise Stopped("orders are disabled. Remedy: [orders] enabled = true")
    codecs = command_codecs(configured)
    for account in accounts:
        request_poll(configured, codecs, account, asked_by=BY_COMMAND_LINE, changed_from_us=changed_from_us)


def request_poll(
    configured: Settings,
    codecs: OrderCodecs,
    account: str,
    *,
    asked_by: str,
    changed_from_us: int | None = None,
) -> None:
    """Produces the command for the process that polls, which may be another one. Blocks. Raises SinkFailed."""
    _produce(configured, codecs, account, Command.POLL_NOW, asked_by=asked_by, changed_from_us=changed_from_us)


def request_sweep(configured: Settings, codecs: OrderCodecs, account: str, storefront: str) -> int:
    """Produces the command for the process that sweeps, and returns its offset. Blocks. Raises SinkFailed."""
    return _produce(configured, codecs, account, Command.SWEEP_NOW, asked_by=BY_COMMAND_LINE, storefront=storefront)


def command_codecs(configured: Settings) -> OrderCodecs:
    """Returns the codecs that write commands. Raises RegistryDown, SchemaUnknown."""
    with registry(configured) as client:
        ids = look_up(client, convert.topics(configured), avro_keys=convert.avro_keys(configured))
        return OrderCodecs(ids, dict[int, str]().get)


def _produce(
    configured: Settings,
    codecs: OrderCodecs,
    account: str,
    command: Command,
    *,
    asked_by: str,
    changed_from_us: int | None = None,
    storefront: str | None = None,
) -> int:
    topics = convert.topics(configured)
    asked = SchedulerCommand(
        command=command,
        changed_from_us=changed_from_us,
        storefront=storefront,
        asked_by=asked_by,
        asked_at_us=SystemClock().now().wall_us,
        key=account,
        input_topic=topics.scheduler,
        partition=0,
        offset=-1,
    )
    return produce(configured, topics.scheduler, codecs.command_key(account), codecs.encode_command(asked))
