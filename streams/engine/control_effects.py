"""Carries out the effects of control commands: reviews of lanes and messages to them, a bounded piece at each step."""

from collections import deque
from collections.abc import Iterable

from streams.flow import Now, Told, Woken
from streams.lanes.lanes import Lanes

_WOKEN = Woken()


class PendingReview:
    """Of one assignment: the messages to be delivered and the lanes that are still to take a turn.

    Nothing is done before the partition sends: until then its lanes take a turn before anything leaves for them.
    """

    __slots__ = ("_idle", "_keys", "_tells", "_whole")

    def __init__(self) -> None:
        self._tells: deque[Told] = deque()
        self._keys: deque[str] = deque()
        self._whole = False  # a review was asked for, and its lanes have not been collected yet
        self._idle = False  # the same, for lanes that want nothing

    def __bool__(self) -> bool:
        return bool(self._tells or self._keys or self._whole or self._idle)

    def ask(self) -> None:
        """Asks for a turn of every lane with pending work."""
        self._whole = True

    def ask_idle(self) -> None:
        """Asks for a turn of every undone lane that wants nothing: what it waits for may be over."""
        self._idle = True

    def tell(self, tells: Iterable[Told]) -> None:
        """Adds messages, to be delivered to those of their lanes that exist."""
        self._tells.extend(tells)

    def step(self, lanes: Lanes, now: Now, at_most: int) -> int:
        """Delivers messages and gives lanes turns, and returns how many turns there were, at most ``at_most``."""
        if self._whole or self._idle:
            self._keys = deque(lanes.with_pending_work() if self._whole else lanes.undone_without_wants())
            self._whole = self._idle = False
        turns = 0
        while turns < at_most and (self._tells or self._keys):
            told = self._tells.popleft() if self._tells else None
            key = told.lane if told is not None else self._keys.popleft()
            if key in lanes and not lanes.fault:
                lanes.turn(key, told if told is not None else _WOKEN, now)
                turns += 1
        return turns
