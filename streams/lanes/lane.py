"""The engine's data for one lane, awake or asleep, and for each of its wants."""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from streams.flow import Assignment, Stored, Waits, Want

NONE: frozenset[str] = frozenset()
NO_TIERS: Mapping[str, int] = MappingProxyType({})


class WantState(Enum):
    """The state of a pending want."""

    READY = auto()  # in its queue; what still blocks it is found when it reaches the top
    DELAYED = auto()  # backs off until a given time
    PARKED = auto()  # until its partition opens, its slot or exclusive key is free, or its lane is durable
    WITHHELD = auto()  # until its account's quota has calls left for its tier
    IN_FLIGHT = auto()  # sent, in a call
    UNPLACED = auto()  # new or answered; about to be queued, or replaced by its lane's next turn
    WITHDRAWN = auto()  # no longer wanted


class PendingWant:
    """One slot's want, from the turn that first returned it until a turn drops it.

    ``ticket`` numbers its present entry in a queue or list; entries with another ticket are dead. ``announced_in`` is
    the version of the lane whose record announces this ``once`` want; None = not announced. ``follows`` is the
    ``Lane.side_version`` from which the present call follows. ``slot_key`` identifies the slot across assignments: a
    partition may be assigned again while a call is in flight.
    """

    __slots__ = ("announced_in", "at", "follows", "lane", "slot_key", "state", "ticket", "want")

    def __init__(self, at: Assignment, lane: "Lane", want: Want) -> None:
        self.at = at
        self.lane = lane
        self.want = want
        self.slot_key = (at.topic, lane.key, want.slot)
        self.announced_in: int | None = None
        self.follows = lane.side_version
        self.ticket = -1
        self.state = WantState.UNPLACED

    def announce(self) -> None:
        """Announces it in the lane's next record; when that is durable, it may leave."""
        self.lane.announced |= {self.want.slot}
        self.lane.version += 1
        self.announced_in = self.lane.version

    def take_back(self) -> None:
        """Withdraws the announcement with the lane's next record: it has not left, or was answered."""
        self.lane.announced -= {self.want.slot}
        self.lane.version += 1
        self.announced_in = None


class Lane:
    """An awake lane.

    ``version`` counts its turns and the announcements made or withdrawn in between; ``durable_version`` is the newest
    version that is durable. When they are equal, all of the lane is. ``side_version`` is the version of the newest turn
    that depends on a record of a side input.
    """

    __slots__ = (
        "announced", "durable_version", "held", "key", "pending", "restored", "side_version", "stored", "timer",
        "undone", "value", "version", "wake_at_us", "wants",
    )  # fmt: skip

    def __init__(self, key: str, value: Any) -> None:
        self.key = key
        self.value = value
        self.version = 0
        self.durable_version = 0
        self.side_version = 0
        self.wants: tuple[Want, ...] = ()
        self.pending: dict[str, PendingWant] = {}
        self.wake_at_us: int | None = None
        self.timer = -1  # the number of its entry among the timers; other entries with its key are dead
        self.stored: Stored | None = None  # as last handed to a checkpoint
        self.undone = False
        self.announced: frozenset[str] = NONE  # slots whose ``once`` want may leave, or may have left
        self.restored = False  # left undone by a previous owner; its first turn is to be ``Restored``
        self.held = 0  # items in flight, and lost ones that may still take effect


class SleepingLane:
    """Kept in addition to the bytes of a sleeping lane that is undone, has wants or has a timer."""

    __slots__ = ("announced", "at", "due_us", "key", "restored", "ticket", "tiers", "timer", "undone", "waits")

    def __init__(
        self,
        at: Assignment,
        key: str,
        undone: bool,
        due_us: int | None,
        waits: tuple[Waits, ...],
        *,
        restored: bool,
        announced: tuple[str, ...] = (),
    ) -> None:
        self.announced = announced  # by a previous owner
        self.at = at
        self.key = key
        self.undone = undone
        self.due_us = due_us
        self.waits = waits
        self.restored = restored
        self.timer = -1  # as in ``Lane``
        self.ticket = -1  # of its entries among the sleeping lanes; -1 = it has none
        self.tiers: Mapping[str, int] = (
            NO_TIERS  # by account with a quota, the lowest tier of its wants, as far as known
        )
