"""A topic as a broker describes it, and as it is to be created. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDescription:
    """What the broker says of a topic.

    ``config``: effective values, defaults included; empty = it would not say. ``allowed``: what whoever asks may do
    with it, in the words of Kafka's ACLs (``Read``, ``DescribeConfigs``); None = the broker does not say.
    """

    partitions: int
    topic_id: str = ""
    config: Mapping[str, str] = field(default_factory=dict)
    allowed: frozenset[str] | None = None

    @property
    def hidden(self) -> bool:
        """Whoever asks may not describe it: it may exist or not, and nothing else that stands here is known."""
        return self.allowed is not None and not self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicToCreate:
    """A topic to be created. ``replication`` None = the broker's default."""

    name: str
    partitions: int
    config: Mapping[str, str]
    replication: int | None = None
