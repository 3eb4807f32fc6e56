"""A topic as described by a broker, and a topic to be created. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
