"""A topic as described by a broker, a topic to be created, and the part of a topic to read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDescription:
    """A broker's description of a topic.

    ``config``: effective values, defaults included; empty = not permitted to read it. ``allowed``: the operations that
    the client is permitted on the topic, named as in Kafka's ACLs (``Read``, ``DescribeConfigs``); None = not reported.
    """

    partitions: int
    topic_id: str = ""
    config: Mapping[str, str] = field(default_factory=dict)
    allowed: frozenset[str] | None = None

    @property
    def hidden(self) -> bool:
        """Whether the client may not describe it: the topic may not exist, and the other fields are not known."""
        return self.allowed is not None and not self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicToCreate:
    """A topic to be created. ``replication`` None = the broker's default."""

    name: str
    partitions: int
    config: Mapping[str, str]
    replication: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRange:
    """The part of a topic to read; by default, all of it.

    Times are microseconds since the epoch and mean what they mean to Kafka's own tools: reading starts at the first
    record with the timestamp ``from_us`` or a later one, and ends before the first with ``to_us`` or a later one.
    ``offsets``: the first offset and the end (exclusive; None: the current end) of each partition to read.
    """

    from_us: int | None = None
    to_us: int | None = None
    offsets: Mapping[int, tuple[int, int | None]] | None = None  # None: every partition


WHOLE_TOPIC: Final = TopicRange()
