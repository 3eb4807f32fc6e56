"""The guard rails of windows: how many EANs one source may set to zero, or give another price, within a time.

Not pure: it counts from turn to turn, in the engine's thread only. Each partition counts for itself, against its part
of the limit. EANs are spread evenly over partitions, so a feed trips all of them at about the same share; see
``docs/decisions/guard-rails.md`` for the error. A rail that was tripped stays so until a person decides: what it holds
is in the lanes, and ``restored`` finds it there. The counts of a window that has not tripped are lost with the process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from connector.contracts.codes import Code
from connector.contracts.microseconds import us
from connector.controls.commands import CommandScope
from connector.controls.in_force import CommandsInForce
from connector.offers.policy import WindowLimit
from connector.offers.rails import Rail, Tripped
from connector.offers.refusal import refuse

_CODES: Final[Mapping[Rail, Code]] = {
    Rail.ZEROED_SHARE: Code.TOO_MANY_ZEROED,
    Rail.CHANGED_PRICE_SHARE: Code.TOO_MANY_PRICES_CHANGED,
}


NAMED_SOURCES: Final = 100
"""Sources that are counted apart."""
OTHER_SOURCES: Final = "(other)"
"""The name under which all further ones are counted."""


@dataclass(slots=True)
class _Window:
    """What one source has changed in a partition under one rail."""

    seen: dict[str, int] = field(default_factory=dict)  # EAN -> when it was counted, oldest first
    tripped_at_us: int | None = None
    stopped: tuple[int, int] | None = None  # from when to when it was tripped before a person decided

    def forget_until(self, until_us: int) -> None:
        while self.seen and self.seen[first := next(iter(self.seen))] <= until_us:
            del self.seen[first]


class WindowRails:
    """Counts for all partitions of the process. ``partitions``: how many the input has."""

    def __init__(self, limits: Mapping[Rail, WindowLimit], partitions: int) -> None:
        self.limits = limits
        self._partitions = partitions
        self._lanes: dict[int, int] = {}  # by partition: how many EANs are known
        self._windows: dict[tuple[int, Rail, str], _Window] = {}
        self._sources: set[str] = set()

    def use(self, limits: Mapping[Rail, WindowLimit]) -> None:
        """Counts with other limits from now on. A rail that is off now forgets its counts, and that it was tripped."""
        self.limits = limits
        self._windows = {at: window for at, window in self._windows.items() if at[1] in limits}

    def assigned(self, partition: int, lanes: int) -> None:
        """Notes how many EANs a partition has that was assigned just now."""
        self._lanes[partition] = lanes

    def added(self, partition: int) -> None:
        """Notes a new EAN."""
        self._lanes[partition] = self._lanes.get(partition, 0) + 1

    def restored(self, rail: Rail, partition: int, source: str, held_since_us: int) -> None:
        """Notes that a rail holds a change of a restored lane: it was tripped by then."""
        window = self._window(rail, partition, source)
        window.tripped_at_us = max(held_since_us, window.tripped_at_us or 0)

    def stopped_at(self, rail: Rail, partition: int, source: str, at_us: int) -> bool:
        """Whether the rail is tripped since that time or earlier, or was tripped then and a person has decided since.

        Only the last time before the present one is known, and none from before the start of the process.
        """
        window = self._window(rail, partition, source)
        if window.tripped_at_us is not None and window.tripped_at_us <= at_us:
            return True
        return window.stopped is not None and window.stopped[0] <= at_us <= window.stopped[1]

    def tripped_by(
        self, rail: Rail, partition: int, source: str, ean: str, now_us: int, commands: CommandsInForce
    ) -> Tripped | None:
        """Counts a change of an EAN and returns None, or returns the rail that holds it.

        An EAN is counted once in a window, and is not held in it after that. A decision on the rail that is not
        restricted to some offers opens it again, and the count begins anew.
        """
        limit = self.limits.get(rail)
        if limit is None:
            return None
        window = self._window(rail, partition, source)
        tripped_at_us = window.tripped_at_us
        if tripped_at_us is not None and (until_us := _decided_at_us(rail, tripped_at_us, commands)) is not None:
            window.stopped, window.tripped_at_us = (tripped_at_us, until_us), None
            window.seen.clear()
        window.forget_until(now_us - us(limit.window_s))
        if ean in window.seen:
            return None
        allowed = self._allowed(limit, partition)
        if window.tripped_at_us is None and len(window.seen) + 1 <= allowed:
            window.seen[ean] = now_us
            return None
        window.tripped_at_us = window.tripped_at_us or now_us
        return self._tripped(rail, limit, allowed, partition, source)

    def _allowed(self, limit: WindowLimit, partition: int) -> float:
        """Returns how many EANs of a partition may change: its part of the number, or the share if that is more.

        One may in any case: the stock of a single offer must not wait.
        """
        share = limit.share_pct * self._lanes.get(partition, 0) / 100
        return max(1.0, limit.at_least / self._partitions, share)

    def _tripped(self, rail: Rail, limit: WindowLimit, allowed: float, partition: int, source: str) -> Tripped:
        fault = refuse(
            _CODES[rail],
            source=source or "an unnamed source",
            partition=partition,
            allowed=int(allowed),
            known=self._lanes.get(partition, 0),
            share=f"{limit.share_pct:g}",
            window_s=f"{limit.window_s:g}",
        )
        return Tripped(rail, fault)

    def _window(self, rail: Rail, partition: int, source: str) -> _Window:
        """Returns the window of a source. Producers choose the names, so all beyond ``NAMED_SOURCES`` share one."""
        if source not in self._sources and len(self._sources) >= NAMED_SOURCES:
            source = OTHER_SOURCES
        self._sources.add(source)
        return self._windows.setdefault((partition, rail, source), _Window())


def _decided_at_us(rail: Rail, tripped_at_us: int, commands: CommandsInForce) -> int | None:
    """Returns the time of the newest decision on a whole rail since it was tripped; None if there is none."""
    for command in commands.guards:
        if command.decides(rail, tripped_at_us) and command.scope == CommandScope():
            return command.issued_at_us
    return None


NO_WINDOWS: Final = WindowRails({}, 1)
"""Rails that are off. Nothing is counted."""
