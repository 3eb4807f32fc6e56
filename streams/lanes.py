"""Lanes by key, of one assignment: asleep as bytes, or awake and taking turns.

A lane is awake while a call of it is under way, a turn of it is not yet durable, or its wants are among those that
tokens will soon reach. Asleep it is its state record's bytes on a shelf; only a lane that is undone or has a timer
keeps a small ``Rest`` beside them.
"""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from streams.ages import Ages
from streams.checkpoint import Part
from streams.flow import Assignment, Cause, Flow, Now, Output, Restored, Stored, Told
from streams.lane import NONE, Lane, Rest
from streams.shelf import Shelf
from streams.state import headers_of, waits_of
from streams.wants import Wants


class Lanes:
    """Wakes lanes, gives them their turns, and lets them sleep when nothing is lost by it."""

    SWEEP_AT_LEAST = 1_000  # entries of timers, dead ones among them

    def __init__(self, flow: Flow[Any], at: Assignment, wants: Wants, part: Part) -> None:
        self.at = at
        self.awake: dict[str, Lane] = {}
        self.rests: dict[str, Rest] = {}
        self.undone = 0
        self.open = Ages()  # lanes for which something in the world stands open, by since when (µs)
        self.unexplained: dict[str, float] = {}  # undone, and nothing will wake it: since when (s); oldest first
        self._flow = flow
        self._wants = wants
        self._part = part
        self._values = Shelf({})
        self._timers: list[tuple[int, int, str]] = []
        self._sweep_at = self.SWEEP_AT_LEAST
        self._seq = count()

    @property
    def asleep(self) -> int:
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self.awake or key in self._values or key in self.rests

    def restore(self, state: Mapping[str, Stored]) -> None:
        """Take over what a predecessor stored.

        An undone lane that says neither when nor for which of our accounts it waits is due at once; so is one whose
        ``once`` call may have left.
        """
        values = {key: stored.value for key, stored in state.items() if stored.value is not None}
        self._values = Shelf(values)
        for key in values:
            stored = state[key]
            self.open.put(key, stored.open_since_us)
            known = any(waits.account in self._wants.accounts for waits in stored.waits)
            unexplained = stored.undone and stored.due_us is None and not known
            due_us = 0 if unexplained or stored.announced else stored.due_us
            if stored.undone or due_us is not None:
                restored = stored.undone or bool(stored.announced)
                self.rests[key] = Rest(
                    self.at, key, stored.undone, due_us, stored.waits, restored=restored, announced=stored.announced
                )
                self.undone += stored.undone
            if due_us is not None:
                self._timers.append((due_us, next(self._seq), key))
        heapify(self._timers)

    # ---- turns ------------------------------------------------------------------------------------------------------

    def turn(self, key: str, cause: Cause, now: Now) -> None:
        """One lane's turn, and those of all lanes that it tells: they fall into one checkpoint."""
        told: list[tuple[str, Cause]] = [(key, cause)]
        for lane_key, lane_cause in told:  # grows while lanes tell each other
            lane = self.awake.get(lane_key) or self._rise(lane_key)
            if lane.restored:
                restored = Restored(announced=lane.announced)
                lane.restored, lane.announced = False, NONE
                told.extend((tell.lane, tell) for tell in self._turn(lane, restored, now))
            tells = self._turn(lane, lane_cause, now)
            if tells:
                told.extend((tell.lane, tell) for tell in tells)

    def _turn(self, lane: Lane, cause: Cause, now: Now) -> tuple[Told, ...]:
        turn = self._flow.turn(lane.value, cause, now)
        lane.value = turn.lane
        lane.turned += 1
        lane.said = turn.wants
        if turn.wants or lane.pending:
            self._wants.say(self.at, lane, turn.wants, self._flow.kind_limit, now.mono_s)
        if turn.wake_at_us != lane.wake_at_us:
            lane.wake_at_us = turn.wake_at_us
            if turn.wake_at_us is not None:
                self._set_timer(turn.wake_at_us, lane.key)
        self._part.add(lane, turn.outputs, tells=bool(turn.tells))
        return turn.tells

    def _rise(self, key: str) -> Lane:
        stored = self._values.pop(key)
        lane = Lane(key, self._flow.load(key, stored))
        rest = self.rests.pop(key, None)
        if rest is not None:
            lane.restored, lane.undone, lane.wake_at_us = rest.restored, rest.undone, rest.due_us
            lane.announced = frozenset(rest.announced)
            self._wants.rise(rest)
        if stored is not None:
            lane.stored = Stored(
                value=stored,
                undone=lane.undone,
                open_since_us=self.open.of(key),
                due_us=lane.wake_at_us,
                waits=rest.waits if rest is not None else (),
                announced=rest.announced if rest is not None else (),
            )
        self.unexplained.pop(key, None)
        self.awake[key] = lane
        return lane

    # ---- timers -----------------------------------------------------------------------------------------------------

    def _set_timer(self, due_us: int, key: str) -> None:
        """Entries that were moved away from die where they are, perhaps hours ahead: they are swept."""
        if len(self._timers) >= self._sweep_at:
            living = {key: due_us for due_us, _, key in self._timers if self._due_us(key) == due_us}
            self._timers = [(due_us, next(self._seq), key) for key, due_us in living.items()]
            heapify(self._timers)
            self._sweep_at = max(self.SWEEP_AT_LEAST, 2 * len(self._timers))
        heappush(self._timers, (due_us, next(self._seq), key))

    def due(self, wall_us: int) -> list[str]:
        """Lanes whose timer has come; each is named once."""
        keys: list[str] = []
        while self._timers and self._timers[0][0] <= wall_us:
            due_us, _, key = heappop(self._timers)
            if self._due_us(key) == due_us:
                keys.append(key)
        return list(dict.fromkeys(keys))

    def next_due_us(self) -> int | None:
        while self._timers and self._due_us(self._timers[0][2]) != self._timers[0][0]:
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _due_us(self, key: str) -> int | None:
        lane = self.awake.get(key)
        if lane is not None:
            return lane.wake_at_us
        rest = self.rests.get(key)
        return rest.due_us if rest is not None else None

    # ---- storing and sleeping ---------------------------------------------------------------------------------------

    def record(self, lane: Lane) -> Output | None:
        """The lane's state record, or None when it says what the last one said."""
        said = self._flow.store(lane.value)
        if said.value is None and (said.undone or said.open_since_us is not None or lane.announced):
            raise ValueError(f"lane {lane.key} is undone, open or under way, and stores nothing: it would be lost")
        if said.value is None:
            stored = said
        else:
            stored = Stored(
                value=said.value,
                undone=said.undone,
                open_since_us=said.open_since_us,
                due_us=lane.wake_at_us,
                waits=waits_of(lane.said) if lane.said else (),
                announced=tuple(sorted(lane.announced)) if lane.announced else (),
            )
        self.undone += stored.undone - lane.undone
        lane.undone = stored.undone
        self.open.put(lane.key, stored.open_since_us)
        before, lane.stored = lane.stored, stored
        if stored == before or (before is None and stored.value is None):
            return None
        return Output(
            topic=self._flow.state_topic,
            key=lane.key.encode(),
            value=stored.value,
            headers=headers_of(stored) if stored.value is not None else (),
            partition=self.at.partition,
        )

    def settle(self, lane: Lane, now_s: float) -> None:
        """Let it sleep, when its last turn is durable, nothing of it is under way and its wants are not near."""
        if lane.durable != lane.turned or lane.held or lane.announced or self.awake.get(lane.key) is not lane:
            return
        if lane.pending and not self._wants.may_rest(lane, now_s):
            return
        del self.awake[lane.key]
        if lane.stored is not None and lane.stored.value is not None:
            self._values[lane.key] = lane.stored.value
        else:
            self._values.pop(lane.key)
        if lane.undone or lane.wake_at_us is not None or lane.said:
            self._rest(lane, now_s)

    def _rest(self, lane: Lane, now_s: float) -> None:
        rest = Rest(self.at, lane.key, lane.undone, lane.wake_at_us, waits_of(lane.said), restored=lane.restored)
        self.rests[lane.key] = rest
        self._wants.rest(rest, lane, now_s)
        if lane.undone and lane.wake_at_us is None and not lane.said:
            self.unexplained[lane.key] = now_s

    def withdraw(self, now_s: float) -> list[Lane]:
        """Nothing leaves any more: what was announced and has not left is taken back. Returns the lanes of that."""
        announced = [lane for lane in self.awake.values() if lane.announced and lane.pending]
        return [lane for lane in announced if self._wants.take_back(lane.pending.values(), now_s)]
