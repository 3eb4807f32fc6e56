"""What the engine keeps for one lane, awake or asleep, and for each of its wants."""

from enum import Enum, auto
from typing import Any

from streams.flow import Assignment, Stored, Waits, Want

NONE: frozenset[str] = frozenset()


class WantState(Enum):
    """The state of a pending want."""

    READY = auto()  # in its queue; what still blocks it is found when its turn comes
    DELAYED = auto()  # not before a moment
    PARKED = auto()  # until its partition opens, its slot or key is free, or its lane is durable
    IN_FLIGHT = auto()  # left, in a call
    UNPLACED = auto()  # answered; its lane is about to say what it wants now
    WITHDRAWN = auto()  # no longer wanted


class PendingWant:
    """One slot's want, from the turn that said it first until a turn drops it. Its ticket is where it stands now.

    ``announced_in``: the version of the lane whose record says that this ``once`` want may leave; None = not announced.
    """

    __slots__ = ("announced_in", "at", "lane", "state", "ticket", "want")

    def __init__(self, at: Assignment, lane: "Lane", want: Want) -> None:
        self.at = at
        self.lane = lane
        self.want = want
        self.announced_in: int | None = None
        self.ticket = -1
        self.state = WantState.UNPLACED

    @property
    def slot_key(self) -> tuple[str, str, str]:
        """Names the slot over all assignments: a lane's partition may come back while a call is still under way."""
        return (self.at.topic, self.lane.key, self.want.slot)

    @property
    def is_unannounced(self) -> bool:
        """Must be announced before it leaves."""
        return self.want.once and self.announced_in is None

    def announce(self) -> None:
        """From the lane's next record on it may leave."""
        self.lane.announced |= {self.want.slot}
        self.lane.version += 1
        self.announced_in = self.lane.version

    def take_back(self) -> None:
        """It has not left, or came back undone: from the lane's next record on it has not been announced."""
        self.lane.announced -= {self.want.slot}
        self.lane.version += 1
        self.announced_in = None


class Lane:
    """An awake lane.

    ``version`` counts its turns and what was announced or taken back in between; ``durable_version`` is the newest one
    that is durable. When they are equal, everything is.
    """

    __slots__ = (
        "announced", "durable_version", "held", "key", "pending", "restored", "said", "stored", "timer", "undone",
        "value", "version", "wake_at_us",
    )  # fmt: skip

    def __init__(self, key: str, value: Any) -> None:
        self.key = key
        self.value = value
        self.version = 0
        self.durable_version = 0
        self.said: tuple[Want, ...] = ()
        self.pending: dict[str, PendingWant] = {}
        self.wake_at_us: int | None = None
        self.timer = -1  # its entry among the timers; any other with its key is dead
        self.stored: Stored | None = None  # as last handed to a checkpoint
        self.undone = False
        self.announced: frozenset[str] = NONE  # slots whose ``once`` want may leave, or may have left
        self.restored = False  # undone by a predecessor, and not yet told so
        self.held = 0  # calls under way, and those lost ones whose effect may still come


class SleepingLane:
    """What is kept beside the bytes of a sleeping lane that is undone or has a timer."""

    __slots__ = ("announced", "at", "due_us", "key", "restored", "ticket", "timer", "undone", "waits")

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
        self.announced = announced  # by a predecessor
        self.at = at
        self.key = key
        self.undone = undone
        self.due_us = due_us
        self.waits = waits
        self.restored = restored
        self.timer = -1  # as a ``Lane``'s
        self.ticket = -1  # its place among the sleeping lanes; -1 = none
