"""The rows of the projection's tables, made from the records of the topics. Pure.

To add a topic: a row in ``DATASETS``, its decoder in ``projection/codecs.py`` and, if it is not kept by key, a table in
``projection/database.py``, whose ``VERSION`` then changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

_OFFSET_BITS: Final = 48


class Kept(Enum):
    """Which records of a topic the projection keeps."""

    RESULTS = "every result of an event, found by EAN"
    CALLS = "every call, found by its id"
    NEWEST = "the newest record of each key and partition, found by EAN"
    ALL = "every record, found by the EAN that is its key"


DATASETS: Final[Mapping[str, Kept]] = {
    "offer_results": Kept.RESULTS,
    "marketplace_calls": Kept.CALLS,
    "offer_state": Kept.NEWEST,
    "offers_not_found": Kept.NEWEST,
    "controls": Kept.NEWEST,
    "replays": Kept.NEWEST,
    "units": Kept.NEWEST,
    "drift": Kept.ALL,
}
"""The topics of the projection, as the settings of ``[topics]`` name them."""
LISTED: Final[Mapping[str, Kept]] = {**DATASETS, "orders": Kept.NEWEST}
"""The topics of a projection whose rows can also be listed, as the console does."""
SWEPT: Final = frozenset({"units", "drift"})
"""The topics among them that exist with reconciliation only."""


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A row of the table ``results``. Times are microseconds since the epoch; ``value`` is that of the record."""

    place: int
    ean: str
    result_id: str
    decided_at_us: int
    origin: str
    status: str
    code: str | None
    target_id: str | None
    value: bytes
    accepted_unit: int | None = None  # the unit of which a value was accepted, or was known to be so


@dataclass(frozen=True, slots=True)
class KeptCall:
    """A row of the table ``calls``."""

    place: int
    call_id: str
    account: str
    sent_at_us: int
    value: bytes


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A row of the table ``newest``; a ``value`` of None removes the row of its key and partition."""

    dataset: str
    ean: str  # empty for a dataset without one
    key: str
    partition: int
    offset: int
    value: bytes | None
    facet: str | None = None  # by which it is listed and counted; None: it is not
    place: str | None = None  # its target id, where it is listed
    since_us: int = 0  # by which it is sorted
    unit_id: int | None = None  # of a unit that is listed


@dataclass(frozen=True, slots=True)
class KeptOfferId:
    """A row of the table ``offer_ids``: an EAN that was met together with an offer id."""

    offer_id: str
    ean: str


@dataclass(frozen=True, slots=True)
class KeptOfEan:
    """A row of the table ``records``."""

    dataset: str
    place: int
    ean: str
    value: bytes


@dataclass(frozen=True, slots=True)
class UndecodedRecord:
    """A record that cannot be decoded, with the reason."""

    dataset: str
    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class MinuteCount:
    """A row of the table ``minutes``: adds to what is counted under its name already."""

    dataset: str
    minute: int  # since the Unix epoch
    name: str
    count: int = 1
    most: int = 0


@dataclass(slots=True)
class ProjectedRows:
    """The rows of one batch, by table and in the order of the records."""

    results: list[KeptResult] = field(default_factory=list)
    calls: list[KeptCall] = field(default_factory=list)
    newest: list[KeptRecord] = field(default_factory=list)
    records: list[KeptOfEan] = field(default_factory=list)
    unreadable: list[UndecodedRecord] = field(default_factory=list)
    offer_ids: set[KeptOfferId] = field(default_factory=set)
    minutes: dict[tuple[str, int, str], MinuteCount] = field(default_factory=dict)

    def count(self, counts: Iterable[MinuteCount]) -> None:
        """Adds to the minutes."""
        for one in counts:
            key = (one.dataset, one.minute, one.name)
            before = self.minutes.get(key)
            self.minutes[key] = (
                one
                if before is None
                else MinuteCount(*key, count=before.count + one.count, most=max(before.most, one.most))
            )


def place_of(partition: int, offset: int) -> int:
    """Returns one number for a position, which orders the records of a partition."""
    return partition << _OFFSET_BITS | offset


def ean_of_key(dataset: str, key: str) -> str:
    """Returns the EAN in the key of a dataset that is kept by key; empty where the key has none."""
    match dataset:
        case "offer_state":
            return key
        case "offers_not_found":
            return key.rpartition("|")[2]
        case "units":
            return key.rsplit("/", 2)[0]
        case _:
            return ""
