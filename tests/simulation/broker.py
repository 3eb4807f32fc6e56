"""A model broker: one input topic, transactions over outputs, lanes and marks, and one consumer group.

It is exactly as strict as Kafka: it checks a member's generation but not who owns a partition. A transaction whose
offsets were sent in time may still be committed after its member was removed from the group; a request for the
committed marks waits for its end.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from streams.flow import Assignment, Output, Stored
from streams.lanes.record_headers import stored_of
from streams.messages import Mark
from tests.simulation.world import SimulatedWorld

INPUT = "setpoints"
STATE_TOPIC_ID = "rooms-1"
FIRST_INPUT_ID = "setpoints-1"
TRANSACTION_LASTS_S = 2.0  # transaction.timeout.ms


class EntryKind(Enum):
    RECORD = "record"
    CONTROL = "control"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    entry: EntryKind
    key: bytes | None = None
    value: bytes | None = None
    time_us: int = 0


@dataclass(slots=True)
class PartitionLog:
    """One input partition: records, control records and aborted records."""

    entries: list[LogEntry] = field(default_factory=list)
    open_from: int | None = None  # first offset of an open upstream transaction

    @property
    def last_stable(self) -> int:
        return len(self.entries) if self.open_from is None else self.open_from


@dataclass(slots=True, eq=False)
class Transaction:
    """Outputs, lanes and marks of one attempt to make a checkpoint durable."""

    outputs: Mapping[Assignment, tuple[Output, ...]]
    marks: Mapping[Assignment, Mark]
    process: str  # its transactional id
    run: str  # which process of that name
    sent_at_s: float
    ended: bool = False
    landed: bool = False

    @property
    def partitions(self) -> frozenset[int]:
        return frozenset(at.partition for at in (*self.marks, *self.outputs))


class CommitListener(Protocol):
    """Notified of each committed transaction; implemented by the checker."""

    def landed(self, transaction: Transaction) -> None: ...


class ModelBroker:
    """Logs, states and marks, as a read-committed consumer sees them."""

    def __init__(self, world: SimulatedWorld, partitions: int) -> None:
        self.logs = [PartitionLog() for _ in range(partitions)]
        self.marks: dict[int, Mark] = {}
        self.marked_before: frozenset[int] = frozenset()
        """The partitions that had a mark when the input topic was created again."""
        self.states: list[dict[str, Output]] = [{} for _ in range(partitions)]
        self.listeners: list[CommitListener] = []
        self.when_appended: list[Callable[[int], None]] = []
        self.input_id = FIRST_INPUT_ID
        self._pending: set[Transaction] = set()
        self._world = world

    # ---- input ------------------------------------------------------------------------------------------------------

    def append(self, partition: int, logged: LogEntry) -> int:
        self.logs[partition].entries.append(logged)
        self.moved(partition)
        return len(self.logs[partition].entries) - 1

    def recreate_input(self) -> None:
        """Deletes the topic and creates it again, while it is being read."""
        self.input_id = "setpoints-2"
        self.marked_before = frozenset(self.marks)
        self.logs = [PartitionLog() for _ in self.logs]

    def forget_all(self) -> None:
        """An operator recreates the state topic and resets the group's offsets to the beginning."""
        self.marks.clear()
        self.states = [{} for _ in self.states]

    def moved(self, partition: int) -> None:
        for tell in self.when_appended:
            tell(partition)

    # ---- checkpoints ------------------------------------------------------------------------------------------------

    def begin(self, transaction: Transaction) -> None:
        """Opens a transaction: requests for the marks of its partitions wait for its end."""
        self._pending.add(transaction)

        def expire() -> None:
            if not transaction.ended:
                self._world.count("transaction timed out")
                self.abort(transaction)

        self._world.after(TRANSACTION_LASTS_S, expire)

    def abort(self, transaction: Transaction) -> None:
        transaction.ended = True
        self._pending.discard(transaction)

    def land(self, transaction: Transaction) -> None:
        """Commits a transaction: all of it becomes visible at once."""
        transaction.ended = transaction.landed = True
        self._pending.discard(transaction)
        for at, mark in transaction.marks.items():
            self.marks[at.partition] = mark
        for outputs in transaction.outputs.values():
            for output in outputs:
                if output.topic == "rooms":
                    self._store(output)
        for listener in self.listeners:
            listener.landed(transaction)

    def _store(self, output: Output) -> None:
        if output.key is None or output.partition is None:
            raise ValueError("a lane's record needs a key and the number of its partition")
        lanes = self.states[output.partition]
        key = output.key.decode()
        if output.value is None:
            lanes.pop(key, None)
        else:
            lanes[key] = output

    def is_pending(self, partition: int) -> bool:
        return any(partition in transaction.partitions for transaction in self._pending)

    def end_all_of(self, process: str) -> None:
        """``init_transactions`` of a transactional id: aborts its open transactions."""
        for transaction in [one for one in self._pending if one.process == process]:
            self.abort(transaction)

    def state(self, partition: int) -> dict[str, Stored]:
        return {key: stored_of(one.value, one.headers) for key, one in self.states[partition].items()}

    def undone(self) -> Iterable[tuple[int, str]]:
        for partition, lanes in enumerate(self.states):
            for key, one in lanes.items():
                if ("undone", b"1") in one.headers:
                    yield partition, key

    def position(self, partition: int) -> int:
        mark = self.marks.get(partition)
        return 0 if mark is None else mark.position


class GroupMember(Protocol):
    """A process, as the coordinator knows it. Calls go through ``later``, so a frozen process gets none."""

    generation: int
    session: str

    def later(self, wait_s: float, happen: Callable[[], None]) -> None: ...
    def given(self, partition: int) -> None: ...
    def asked_back(self, partitions: list[int]) -> None: ...


class GroupCoordinator:
    """Cooperative-sticky rebalancing: a partition is revoked from its owner before it is assigned to another."""

    def __init__(self, world: SimulatedWorld, partitions: int) -> None:
        self.generation = 0
        self.members: dict[str, GroupMember] = {}
        self.owners: dict[int, str | None] = dict.fromkeys(range(partitions))
        self._target: dict[int, str | None] = dict.fromkeys(range(partitions))
        self._asked_back: set[int] = set()
        self._world = world

    def join(self, name: str, member: GroupMember) -> None:
        self.members[name] = member
        self.rebalance()

    def leave(self, name: str) -> None:
        """A member leaves, or is removed because its session has timed out."""
        if name not in self.members:
            return
        del self.members[name]
        for partition, owner in self.owners.items():
            if owner == name:
                self.owners[partition] = None
                self._asked_back.discard(partition)
        self.rebalance()

    def handed_back(self, name: str, partitions: Iterable[int]) -> None:
        """A member has released revoked partitions; they are assigned to others."""
        moved = [partition for partition in partitions if self.owners[partition] == name]
        for partition in moved:
            self.owners[partition] = None
            self._asked_back.discard(partition)
        if moved:
            self._world.count("hand-over")
            self.rebalance(shuffle=False)

    def rebalance(self, *, shuffle: bool = True) -> None:
        """Starts a new generation. ``shuffle`` False keeps the target assignment."""
        self.generation += 1
        if shuffle:
            self._aim()
        for name, member in self.members.items():
            member.later(self._world.between(0.002, 0.05), self._sync(name, member, self.generation))
        self._settle()

    def _aim(self) -> None:
        """Chooses a balanced assignment; owners keep part of their partitions, which is random."""
        names = sorted(self.members)
        partitions = list(self.owners)
        self._world.rng.shuffle(partitions)
        if not names:
            self._target = dict.fromkeys(partitions)
            return
        quota = -(-len(partitions) // len(names))
        counts = dict.fromkeys(names, 0)
        target: dict[int, str | None] = {}
        for partition in partitions:
            owner = self.owners[partition]
            if owner in counts and counts[owner] < quota:
                target[partition] = owner
                counts[owner] += 1
        for partition in partitions:
            if partition not in target:
                name = min(names, key=lambda each: (counts[each], each))
                target[partition] = name
                counts[name] += 1
        self._target = target

    def _hears(self, name: str, member: GroupMember) -> bool:
        """Whether a member is still in the group, and not the successor of a dead process."""
        return name in self.members and member.session == name

    def _sync(self, name: str, member: GroupMember, generation: int) -> Callable[[], None]:
        """Returns the action by which a member learns of a generation."""

        def sync() -> None:
            if self._hears(name, member):
                member.generation = max(member.generation, generation)

        return sync

    def _settle(self) -> None:
        """Assigns partitions without an owner, and revokes those that are to move."""
        back: dict[str, list[int]] = {}
        for partition, owner in self.owners.items():
            target = self._target[partition]
            if owner is None and target is not None and target in self.members:
                self.owners[partition] = target
                self._give(target, partition)
            elif owner is not None and owner != target and partition not in self._asked_back:
                self._asked_back.add(partition)
                back.setdefault(owner, []).append(partition)
        for owner, partitions in back.items():
            self._ask(owner, partitions)

    def _give(self, name: str, partition: int) -> None:
        member = self.members[name]

        def give() -> None:
            if self._hears(name, member) and self.owners[partition] == name:
                member.generation = self.generation
                member.given(partition)

        member.later(self._world.between(0.05, 0.1), give)

    def _ask(self, name: str, partitions: list[int]) -> None:
        member = self.members[name]

        def ask() -> None:
            if self._hears(name, member):
                member.generation = self.generation
                member.asked_back([each for each in partitions if self.owners[each] == name])

        member.later(self._world.between(0.11, 0.2), ask)
