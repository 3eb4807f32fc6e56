"""Requests a poll of orders from the process that polls, through the scheduler topic."""

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


def request_polls(configured: Settings, accounts: Sequence[str], changed_from_us: int | None) -> None:
    """Requests a poll of each account. Raises Stopped if orders are disabled, RegistryDown, SinkFailed.

    ``changed_from_us``: the poll reads again what changed since then; None continues where the last poll ended.
    """
    topics = convert.topics(configured)
    if Feature.ORDERS not in topics.features:
        raise Stopped("orders are disabled. Remedy: [orders] enabled = true")
    with registry(configured) as client:
        codecs = OrderCodecs(look_up(client, topics, avro_keys=convert.avro_keys(configured)), dict[int, str]().get)
    for account in accounts:
        request_poll(configured, codecs, account, asked_by="command line", changed_from_us=changed_from_us)


def request_poll(
    configured: Settings,
    codecs: OrderCodecs,
    account: str,
    *,
    asked_by: str,
    changed_from_us: int | None = None,
) -> None:
    """Produces the command for the process that polls, which may be another one. Blocks. Raises SinkFailed."""
    topics = convert.topics(configured)
    command = SchedulerCommand(
        command=Command.POLL_NOW,
        changed_from_us=changed_from_us,
        asked_by=asked_by,
        asked_at_us=SystemClock().now().wall_us,
        key=account,
        input_topic=topics.scheduler,
        partition=0,
        offset=-1,
    )
    produce(configured, topics.scheduler, codecs.command_key(account), codecs.encode_command(command))
