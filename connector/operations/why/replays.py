"""The replays that have read events of an EAN again. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connector.controls.commands import ControlCommand
from connector.offers.events import Origin
from connector.operations.why.outcomes import EventOutcome
from connector.replays.progress import ReplayProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchingReplay:
    """A replay with the events that it has read. ``progress``: in their partitions, as far as the topic has it."""

    replay_id: str
    command: ControlCommand | None  # None: its record is gone
    progress: tuple[ReplayProgress, ...]
    result_ids: tuple[str, ...]


def touching(
    events: Iterable[EventOutcome], commands: Mapping[str, ControlCommand], progress: Iterable[ReplayProgress]
) -> tuple[TouchingReplay, ...]:
    """Returns the replays that results name, by id."""
    read: dict[str, dict[str, int]] = {}
    for event in events:
        for row in event.rows:
            if row.origin is Origin.REPLAY and row.command_id is not None:
                read.setdefault(row.command_id, {})[row.result_id] = row.input_partition
    newest = _newest(progress)
    return tuple(
        TouchingReplay(
            replay_id=replay_id,
            command=commands.get(replay_id),
            progress=tuple(
                newest[replay_id, partition]
                for partition in sorted(set(found.values()))
                if (replay_id, partition) in newest
            ),
            result_ids=tuple(found),
        )
        for replay_id, found in sorted(read.items())
    )


def _newest(progress: Iterable[ReplayProgress]) -> dict[tuple[str, int], ReplayProgress]:
    ordered = sorted(progress, key=lambda one: one.reported_at_us)
    return {(one.replay_id, one.partition): one for one in ordered}
