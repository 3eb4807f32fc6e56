"""The contract of side inputs: topics that the owner of a partition reads beside it, outside the consumer group.

A side input is a range of one partition of a topic, without an end if it is to be followed. Each of its records becomes
a message to one lane of the main partition, a turn of all its lanes with pending work, or nothing. The position is
committed with the main partition's, in the same checkpoint as the lanes that got the messages, so a new owner continues
where the last one was durable.

Live input goes first: a side input is read while its main partition is open and has no backlog. A side input that is
slow, missing or cannot be read never stops the main partition; the problem is logged. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from streams.flow import BadRecord, NotYet, Now, Output, Record, Told

NAME_LIMIT: Final = 40
"""Characters in the name of a side input: printable ASCII without quotes and backslashes."""

INPUTS_LIMIT: Final = 24
"""Side inputs of one main partition. The broker limits the metadata that holds their positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideInput:
    """A range of a topic's partition, to be read beside a main partition.

    Its position is kept under ``name``, unique for the main partition, until the application says that it is over
    (``SideInputs.is_over``); a name that returns after that starts again. If the positions of a partition are lost,
    because its offset was set by Kafka's own tools or by a version without side inputs, an input that has an end is not
    read: nobody knows whether it was read before. One name means one topic, partition and start; ``end`` and
    ``is_paused`` may change.
    """

    name: str
    topic: str
    partition: int
    start: int = 0  # the first offset; below the log's start, reading begins there
    end: int | None = None  # the offset to stop before; None = follow the topic
    is_paused: bool = False  # keep the position, read nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class SidePosition:
    """How far a side input was read."""

    position: int  # next offset
    delivered: int = 0  # messages to lanes since ``start``
    topic_id: str = ""  # of the topic that was read; empty = unknown
    gone: int = 0  # offsets below an ``end`` that were passed without being read, since ``start``


@dataclass(frozen=True, slots=True)
class ReviewLanes:
    """A record that concerns all lanes with pending work: each takes a turn (``Woken``) before the next record is read.

    The position moves past it when they have, so a new owner may read it again.
    """


Message: TypeAlias = Told | ReviewLanes | BadRecord | NotYet | None
"""What a record of a side input becomes. BadRecord: skipped and logged. None: skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A main partition that has opened: from now on its lanes may send, and its side inputs are read.

    ``is_clean``: whatever a previous owner sent is answered and durable, or there was none. Otherwise calls of it that
    nobody knows of may have taken effect until now.
    """

    partition: int
    is_clean: bool
    restored: int = 0  # lanes that wait for calls, and have not taken a turn yet


class SideInputs(Protocol):
    """Implemented by the application, for one main topic. Pure; called from the engine thread only."""

    def inputs(self, partition: int) -> Sequence[SideInput]:
        """Returns the side inputs of a main partition.

        Asked when the partition opens and after every record of the control topic. Beyond ``INPUTS_LIMIT``, and with a
        name that is not valid or was named before, an input is refused, which is logged.
        """
        ...

    def opened(self, opening: Opening, now: Now) -> None:
        """Notes that a main partition has opened. Called before its side inputs are asked for the first time."""
        ...

    def is_over(self, name: str) -> bool:
        """Whether a side input that ``inputs`` does not return is over, so that its position may be dropped.

        False if that is not known: an input may be missing because its command cannot be read at present.
        """
        ...

    def read(self, name: str, record: Record, now: Now) -> Message:
        """Returns what a record becomes. ``record.at`` is the main partition's assignment. Never raises.

        The message creates the lane if there is none; a lane that is to stay unknown is stored as None by its flow.
        """
        ...

    def progress(self, partition: int, side_input: SideInput, reached: SidePosition, now: Now) -> Sequence[Output]:
        """Returns records that report progress.

        Called when the position has changed or the end was reached, at most once per checkpoint. The end is reached
        when ``reached.position`` is not below ``side_input.end``; a new owner reports it again. The records are part of
        the checkpoint that commits the position.
        """
        ...
