"""The lanes of one assignment by key: asleep as bytes, or awake and taking turns.

A lane is awake while a call of it is in flight, while a turn of it is not yet durable, or while its wants are near the
front of their queues. Asleep, it is the bytes of its state record in a ``PackedStore``; a lane that is undone, has
wants or has a timer also keeps a small ``SleepingLane``. Of the lanes that fell asleep last, the decoded values are
kept beside the bytes, so that waking the lane of a busy key decodes nothing.

A lane that cannot be read stops its whole partition: ``fault`` says why, and no further turn is taken. The caller
checks ``fault`` before anything is written.
"""

from itertools import count
from typing import Any, Final

from streams.dispatch.wants import Wants
from streams.engine.checkpoint import Outbox
from streams.flow import Assignment, BadRecord, Cause, Flow, NotYet, Now, Output, Restored, Stored, Told, Unreadable
from streams.lanes.heap import Heap
from streams.lanes.lane import NONE, Lane, SleepingLane
from streams.lanes.oldest_open import OldestOpen
from streams.lanes.packed_store import PackedStore
from streams.lanes.record_headers import headers_of, key_bytes, waits_of

_OFFSET_BYTES: Final = 6
"""Size of the prefix of each value in the store: the offset of the record that it was restored from, or -1."""


class Lanes:
    """Wakes lanes, gives them their turns, and puts them to sleep when nothing is lost by it."""

    def __init__(self, flow: Flow[Any], at: Assignment, wants: Wants, outbox: Outbox, *, kept_decoded: int = 0) -> None:
        """``kept_decoded``: how many sleeping lanes stay decoded."""
        self.at = at
        self.awake: dict[str, Lane] = {}
        self.sleeping: dict[str, SleepingLane] = {}
        self.undone = 0  # lanes
        self.open = OldestOpen()  # lanes with something open in the outside world, and since when (µs)
        self.unexplained: dict[str, float] = {}  # undone lanes that nothing will wake, and since when (s); oldest first
        self.fault = ""  # why a lane cannot be read; empty = all can
        self._flow = flow
        self._wants = wants
        self._outbox = outbox
        self._to_restore: dict[str, Stored] = {}
        self._values = PackedStore()
        self._decoded: dict[str, Any] = {}  # values of sleeping lanes, those that fell asleep first in front
        self._kept_decoded = kept_decoded
        self._timers: Heap[tuple[int, int, str]] = Heap(self._is_set)
        self._seq = count()

    @property
    def asleep(self) -> int:
        """How many lanes are asleep."""
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self.awake or key in self._values or key in self.sleeping

    def with_pending_work(self) -> list[str]:
        """Returns the keys of all lanes that are undone, have wants or have a timer."""
        awake = (key for key, lane in self.awake.items() if lane.undone or lane.pending or lane.wake_at_us is not None)
        return [*awake, *self.sleeping]

    def waiting_asleep(self) -> int:
        """Returns how many sleeping lanes wait for calls."""
        return sum(1 for lane in self.sleeping.values() if lane.waits)

    def undone_without_wants(self) -> list[str]:
        """Returns the keys of all sleeping lanes that are undone and want nothing."""
        return [key for key, lane in self.sleeping.items() if lane.undone and not lane.waits]

    # ---- restoring --------------------------------------------------------------------------------------------------

    def take_over(self, state: dict[str, Stored]) -> None:
        """Takes ownership of the stored lanes of a new assignment; ``restore`` empties ``state`` piece by piece."""
        self._to_restore = state
        self._values = PackedStore(room=len(state))

    @property
    def to_restore(self) -> int:
        """How many lanes are still to be restored. No lane takes a turn before that is 0."""
        return len(self._to_restore)

    def restore(self, at_most: int, now_s: float) -> NotYet | None:
        """Restores at most this many lanes.

        Stops at a lane that needs something to be fetched first, and returns that; stops at a lane that cannot be read,
        and sets ``fault``.
        """
        for _ in range(min(at_most, len(self._to_restore))):
            key, stored = self._to_restore.popitem()
            if stored.value is None:
                continue
            problem = self._problem(key, stored, stored.value)
            if isinstance(problem, NotYet):
                self._to_restore[key] = stored
                return problem
            if problem is not None:
                self._set_fault(key, stored.offset, problem.text)
                return None
            self._values.add(key, _packed(stored.offset, stored.value))
            self._add_sleeping(key, stored, now_s)
        return None

    def _problem(self, key: str, stored: Stored, value: bytes) -> BadRecord | NotYet | None:
        """Returns why a stored lane cannot be loaded, or not yet; None = it can."""
        if stored.fault:
            return BadRecord(code="STATE_UNREADABLE", text=stored.fault)
        known = self._flow.state_version
        if stored.reader > known:
            text = (
                f"it was written by a newer version of the connector, and holds what this one would lose (it needs "
                f"version {stored.reader} of the state, known is {known}). Remedy: stop this process while one of the "
                "newer version runs, which then takes the partition; see docs/operations.md"
            )
            return BadRecord(code="STATE_NEWER", text=text)
        return self._flow.glance(key, value)

    def _add_sleeping(self, key: str, stored: Stored, now_s: float) -> None:
        """Adds a restored lane to the sleeping ones if it is undone or has a timer.

        A lane is due at once if it is undone and its record names neither a time nor a configured account that it waits
        for, or if a ``once`` call of it may have left.
        """
        self.open.put(key, stored.open_since_us)
        known = any(waits.account in self._wants.accounts for waits in stored.waits)
        unexplained = stored.undone and stored.due_us is None and not known
        due_us = 0 if unexplained or stored.announced else stored.due_us
        if not stored.undone and due_us is None:
            return
        restored = stored.undone or bool(stored.announced)
        sleeping = SleepingLane(
            self.at, key, stored.undone, due_us, stored.waits, restored=restored, announced=stored.announced
        )
        self.sleeping[key] = sleeping
        self.undone += stored.undone
        if due_us is not None:
            sleeping.timer = self._set_timer(due_us, key)
        self._wants.add_sleeping(sleeping, now_s)

    def _set_fault(self, key: str, offset: int, why: str) -> None:
        """Sets ``fault`` for a lane that cannot be read. ``offset``: of its record; -1 = unknown."""
        where = f"at offset {offset} " if offset >= 0 else ""
        self.fault = (
            f"the state of {key!a} {where}of {self._flow.state_topic}/{self.at.partition} cannot be used: {why}. "
            f"Nothing of {self.at.topic}/{self.at.partition} is read, sent or committed (see docs/operations.md)"
        )

    # ---- turns ------------------------------------------------------------------------------------------------------

    def turn(self, key: str, cause: Cause, now: Now, *, beside: bool = False) -> None:
        """Gives one lane a turn, and all lanes that it sends messages to; all these turns are in one checkpoint.

        ``beside``: the cause is a record of a side input. What these turns want must not leave before they are durable,
        because a new owner reads that record again only after its gate has opened. A turn that returns the same lane
        changes nothing that later turns could want, and holds up nothing: otherwise a replay of what is true would
        delay each live event of its lanes until the next checkpoint.
        """
        told: list[tuple[str, Cause, bool]] = [(key, cause, beside)]
        for lane_key, lane_cause, is_beside in told:  # grows while lanes send each other messages
            lane = None if self.fault else self.awake.get(lane_key) or self._wake(lane_key)
            if lane is None:
                return
            if lane.restored:
                restored = Restored(announced=lane.announced)
                lane.restored, lane.announced = False, NONE
                told.extend((tell.lane, tell, False) for tell in self._turn(lane, restored, now))
            value, follows = lane.value, lane.side_version
            if is_beside:
                lane.side_version = lane.version + 1
            tells = self._turn(lane, lane_cause, now)
            if tells:
                depends = lane.durable_version < lane.side_version
                told.extend((tell.lane, tell, depends) for tell in tells)
            if lane.value is value:
                lane.side_version = follows

    def _turn(self, lane: Lane, cause: Cause, now: Now) -> tuple[Told, ...]:
        """Gives a lane one turn, applies the result, and returns its messages to other lanes."""
        turn = self._flow.turn(lane.value, cause, now)
        lane.value = turn.lane
        lane.version += 1
        lane.wants = turn.wants
        if turn.wants or lane.pending:
            self._wants.update(self.at, lane, turn.wants, self._flow.kind_limit, now.mono_s)
        if turn.wake_at_us != lane.wake_at_us:
            lane.wake_at_us = turn.wake_at_us
            if turn.wake_at_us is not None:
                lane.timer = self._set_timer(turn.wake_at_us, lane.key)
        self._outbox.add(lane, turn.outputs, tells=bool(turn.tells))
        return turn.tells

    def _wake(self, key: str) -> Lane | None:
        """Loads a sleeping or new lane and returns it; sets ``fault`` and returns None if it cannot be read."""
        kept = self._values.pop(key)
        offset, stored = (-1, None) if kept is None else _unpacked(kept)
        sleeping = self.sleeping.pop(key, None)
        self.unexplained.pop(key, None)
        if sleeping is not None:
            self._wants.wake(sleeping)
        value = self._decoded.pop(key, None)
        if value is None:
            try:
                value = self._flow.load(key, stored)
            except Unreadable as error:
                self._set_fault(key, offset, str(error))
                return None
        lane = Lane(key, value)
        if sleeping is not None:
            lane.restored, lane.undone, lane.wake_at_us = sleeping.restored, sleeping.undone, sleeping.due_us
            lane.announced, lane.timer = frozenset(sleeping.announced), sleeping.timer
        if stored is not None:
            lane.stored = Stored(
                value=stored,
                undone=lane.undone,
                open_since_us=self.open.of(key),
                due_us=lane.wake_at_us,
                waits=sleeping.waits if sleeping is not None else (),
                announced=sleeping.announced if sleeping is not None else (),
                offset=offset,
            )
        self.awake[key] = lane
        return lane

    # ---- timers -----------------------------------------------------------------------------------------------------

    def _set_timer(self, due_us: int, key: str) -> int:
        """Adds a timer and returns its number: of the entries with one key, only the one whose number the lane has is
        alive."""
        number = next(self._seq)
        self._timers.push((due_us, number, key))
        return number

    def due(self, wall_us: int, at_most: int) -> list[str]:
        """Returns the keys of at most this many lanes whose timer is due, each once; the others stay due."""
        keys: list[str] = []
        while len(keys) < at_most and (top := self._timers.top()) is not None and top[0] <= wall_us:
            keys.append(self._timers.pop()[2])
        return keys

    def next_due_us(self) -> int | None:
        """Returns when the next timer is due; None = there is none."""
        top = self._timers.top()
        return top[0] if top is not None else None

    def _is_set(self, entry: tuple[int, int, str]) -> bool:
        """Whether a timer's entry is alive: it is the present one of its lane."""
        due_us, number, key = entry
        lane = self.awake.get(key)
        if lane is not None:
            return lane.timer == number and lane.wake_at_us == due_us
        sleeping = self.sleeping.get(key)
        return sleeping is not None and sleeping.timer == number and sleeping.due_us == due_us

    # ---- storing and sleeping ---------------------------------------------------------------------------------------

    def record(self, lane: Lane) -> Output | None:
        """Returns the lane's state record; None when it equals the last one.

        Raises ValueError when the flow stores nothing for a lane that is undone, open or has an announced call; the
        lane would be lost.
        """
        state = self._flow.store(lane.value)
        if state.value is None and (state.undone or state.open_since_us is not None or lane.announced):
            raise ValueError(f"lane {lane.key} has pending work and stores nothing; the work would be lost")
        if state.value is None:
            stored = state
        else:
            stored = Stored(
                value=state.value,
                undone=state.undone,
                open_since_us=state.open_since_us,
                due_us=lane.wake_at_us,
                waits=waits_of(lane.wants) if lane.wants else (),
                announced=tuple(sorted(lane.announced)) if lane.announced else (),
                reader=state.reader,
            )
        self.undone += stored.undone - lane.undone
        lane.undone = stored.undone
        self.open.put(lane.key, stored.open_since_us)
        before, lane.stored = lane.stored, stored
        if stored == before or (before is None and stored.value is None):
            return None
        return Output(
            topic=self._flow.state_topic,
            key=key_bytes(lane.key),
            value=stored.value,
            headers=headers_of(stored) if stored.value is not None else (),
            partition=self.at.partition,
        )

    def settle(self, lane: Lane, now_s: float) -> None:
        """Puts a lane to sleep if its last turn is durable, nothing of it is in flight or announced, and none of its
        wants is near the front of its queue."""
        if lane.durable_version != lane.version or lane.held or lane.announced or self.awake.get(lane.key) is not lane:
            return
        if lane.pending and not self._wants.may_sleep(lane, now_s):
            return
        del self.awake[lane.key]
        if lane.stored is not None and lane.stored.value is not None:
            self._values.add(lane.key, _packed(lane.stored.offset, lane.stored.value))
            self._keep_decoded(lane)
        if lane.undone or lane.wake_at_us is not None or lane.wants:
            self._put_to_sleep(lane, now_s)

    def _keep_decoded(self, lane: Lane) -> None:
        """Keeps the value of a lane that falls asleep; it is what the lane's stored bytes were made of."""
        if self._kept_decoded:
            self._decoded[lane.key] = lane.value
            if len(self._decoded) > self._kept_decoded:
                del self._decoded[next(iter(self._decoded))]

    def _put_to_sleep(self, lane: Lane, now_s: float) -> None:
        """Keeps what is needed to wake a lane that is undone, has wants or has a timer."""
        sleeping = SleepingLane(
            self.at, lane.key, lane.undone, lane.wake_at_us, waits_of(lane.wants), restored=lane.restored
        )
        sleeping.timer = lane.timer
        self.sleeping[lane.key] = sleeping
        self._wants.put_to_sleep(sleeping, lane, now_s)
        if lane.undone and lane.wake_at_us is None and not lane.wants:
            self.unexplained[lane.key] = now_s

    def withdraw(self, now_s: float) -> list[Lane]:
        """Withdraws the announcements of all wants that have not left, and returns the lanes of these wants."""
        announced = [lane for lane in self.awake.values() if lane.announced and lane.pending]
        return [lane for lane in announced if self._wants.take_back(lane.pending.values(), now_s)]


def _packed(offset: int, value: bytes) -> bytes:
    """Returns the bytes that the store keeps for a lane."""
    return offset.to_bytes(_OFFSET_BYTES, "little", signed=True) + value


def _unpacked(kept: bytes) -> tuple[int, bytes]:
    """Returns offset and value; the inverse of ``_packed``."""
    return int.from_bytes(kept[:_OFFSET_BYTES], "little", signed=True), kept[_OFFSET_BYTES:]
