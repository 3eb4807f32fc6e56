"""How far replays have come, from their commands and the rows of their progress. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.contracts.event_time import moment
from connector.controls.commands import ControlCommand, ControlKind, ControlState, ReplayRange
from connector.offers.events import OfferResult, Origin
from connector.replays.progress import ReplayProgress
from streams.frozen import replace

RUNNING: Final = "RUNNING"
PAUSED: Final = "PAUSED"
DONE: Final = "DONE"
STOPPED: Final = "STOPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """A range of a replay, and how far it was read. ``reported_at_us`` None: nothing was reported yet."""

    part: ReplayRange
    position: int
    delivered: int = 0
    gone: int = 0  # offsets that were passed without being read
    reported_at_us: int | None = None

    @property
    def is_done(self) -> bool:
        return self.position >= self.part.end

    @property
    def share(self) -> float:
        """The read part of the range, from 0 to 1."""
        return (self.position - self.part.start) / (self.part.end - self.part.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStatus:
    """A replay, and how far it has come. ``outcomes``: its results by status, if they were counted."""

    command: ControlCommand
    partitions: tuple[PartitionStatus, ...]
    outcomes: Mapping[str, int] | None = None

    @property
    def is_done(self) -> bool:
        return all(part.is_done for part in self.partitions)

    @property
    def state(self) -> str:
        """RUNNING, PAUSED, STOPPED before it was done, or DONE."""
        if self.is_done:
            return DONE
        if self.command.state is not ControlState.IN_FORCE:
            return STOPPED
        return PAUSED if self.command.replay is not None and self.command.replay.is_paused else RUNNING

    @property
    def delivered(self) -> int:
        return sum(part.delivered for part in self.partitions)

    @property
    def gone(self) -> int:
        """Offsets that were passed without being read, because their records or the position were lost."""
        return sum(part.gone for part in self.partitions)

    @property
    def share(self) -> float:
        """The read part of all ranges, from 0 to 1."""
        whole = sum(part.part.end - part.part.start for part in self.partitions)
        read = sum(part.position - part.part.start for part in self.partitions)
        return read / whole if whole else 1.0


def statuses_of(commands: Iterable[ControlCommand], rows: Mapping[str, ReplayProgress]) -> list[ReplayStatus]:
    """Returns the replays among the commands, in their order. ``rows``: the newest row of each key."""
    return [
        ReplayStatus(
            command=command, partitions=tuple(_partition(command, part, rows) for part in command.replay.ranges)
        )
        for command in commands
        if command.kind is ControlKind.REPLAY and command.replay is not None
    ]


def _partition(command: ControlCommand, part: ReplayRange, rows: Mapping[str, ReplayProgress]) -> PartitionStatus:
    row = rows.get(f"{command.command_id}/{part.partition}")
    if row is None:
        return PartitionStatus(part=part, position=part.start)
    return PartitionStatus(
        part=part,
        position=min(max(row.position, part.start), part.end),
        delivered=row.delivered,
        gone=row.gone,
        reported_at_us=row.reported_at_us,
    )


def with_outcomes(status: ReplayStatus, results: Iterable[OfferResult]) -> ReplayStatus:
    """Returns the status with the number of the replay's results by status. Each record has one such result."""
    replay_id = status.command.command_id
    mine = (row for row in results if row.command_id == replay_id and row.origin is Origin.REPLAY)
    return replace(status, outcomes=Counter(row.status.value for row in mine))


def document(status: ReplayStatus) -> dict[str, Any]:
    """Returns a replay as ``--json`` prints it."""
    command, request = status.command, status.command.replay
    scope = command.scope
    return {
        "replay_id": command.command_id,
        "state": status.state,
        "reason": command.reason,
        "issued_by": command.issued_by,
        "issued_at": moment(command.issued_at_us),
        "changed_by": command.changed_by,
        "changed_at": None if command.changed_at_us is None else moment(command.changed_at_us),
        "input_topic": request.input_topic if request is not None else None,
        "eans": list(scope.eans),
        "target_ids": list(scope.target_ids),
        "attributes": dict(scope.attributes),
        "statuses": list(request.statuses) if request is not None else [],
        "percent": round(100 * status.share, 1),
        "delivered": status.delivered,
        "gone": status.gone,
        "partitions": [_partition_document(part) for part in status.partitions],
        "outcomes": None if status.outcomes is None else dict(status.outcomes),
    }


def _partition_document(status: PartitionStatus) -> dict[str, Any]:
    return {
        "partition": status.part.partition,
        "start": status.part.start,
        "end": status.part.end,
        "position": status.position,
        "percent": round(100 * status.share, 1),
        "delivered": status.delivered,
        "gone": status.gone,
        "reported_at": None if status.reported_at_us is None else moment(status.reported_at_us),
    }


def finished(statuses: Sequence[ReplayStatus]) -> list[ControlCommand]:
    """Returns the commands in force whose replays were read to their end."""
    return [one.command for one in statuses if one.is_done and one.command.state is ControlState.IN_FORCE]
