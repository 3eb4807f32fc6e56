"""A topic as a broker describes it, and as it is to be created. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the broker says of a topic. ``config``: effective values, defaults included; empty = it would not say."""

    partitions: int
    topic_id: str = ""
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A topic to be created. ``replication`` None = the broker's default."""

    name: str
    partitions: int
    config: Mapping[str, str]
    replication: int | None = None
