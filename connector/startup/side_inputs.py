"""Builds the side inputs of the offer changes: what their partitions' owners read beside them."""

import structlog

from connector.contracts.codec import SchemaIds
from connector.controls.commands import ControlCommand
from connector.controls.in_force import CommandSource
from connector.offers.codec import OfferCodecs
from connector.offers.events import OfferChanged, OfferWithdrawn
from connector.replays.codec import ReplayProgressCodec
from connector.replays.progress import ReplayProgress
from connector.replays.reading import ReplayInputs
from connector.settings import convert
from connector.startup.plan import RunPlan
from streams.avro.codec import Lookup
from streams.flow import BadRecord, NotYet, Record

_log = structlog.get_logger("connector")


class ReplayCodecs:
    """Decodes offer changes, and encodes the progress of replays."""

    def __init__(self, ids: SchemaIds, lookup: Lookup) -> None:
        self._offers = OfferCodecs(ids, lookup)
        self._progress = ReplayProgressCodec(ids, lookup)

    def decode_changed(self, record: Record) -> OfferChanged | OfferWithdrawn | BadRecord | NotYet:
        return self._offers.decode_changed(record)

    def encode_progress(self, value: ReplayProgress, /) -> bytes:
        return self._progress.encode(value)

    def progress_key(self, key: str, /) -> bytes:
        return self._progress.key(key)


def replay_inputs(
    plan: RunPlan, ids: SchemaIds, lookup: Lookup, commands: CommandSource, input_topic_id: str
) -> ReplayInputs:
    """Returns the replays as side inputs. ``input_topic_id``: empty if the broker does not tell it."""
    return ReplayInputs(
        commands=commands,
        serdes=ReplayCodecs(ids, lookup),
        input_topic=plan.topics.offer_changes,
        input_topic_id=input_topic_id,
        replays_topic=plan.topics.replays,
        default_target=convert.offer_policy(plan.settings).default_target,
        report_ignored=_log_ignored,
    )


def _log_ignored(command: ControlCommand, reason: str) -> None:
    _log.error(
        "a replay is not read",
        replay_id=command.command_id,
        reason=reason,
        remedy=f"stop it (connector replay stop {command.command_id}) and plan it again",
    )
