"""How far a replay has come in one partition, one class per record of ``schemas/replay_progress.v1.avsc``. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class ReplayState(StrEnum):
    """State of a replay in one partition."""

    UNKNOWN = "UNKNOWN"  # never written; stands for a symbol that is newer than the reader's schema
    RUNNING = "RUNNING"  # there is more to read
    PAUSED = "PAUSED"  # a person has paused it
    DONE = "DONE"  # read to the end


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayProgress:
    """A position of a replay, committed with what the records below it led to."""

    replay_id: str
    input_topic: str
    partition: int
    start: int
    end: int
    position: int  # next offset
    delivered: int  # records that matched its filters
    state: ReplayState
    reported_at_us: int
    gone: int = 0  # offsets that were not read: the topic does not have them any more, or the position was lost

    @property
    def key(self) -> str:
        """The key of the record."""
        return f"{self.replay_id}/{self.partition}"
