"""Source, Sink, Clock: the contracts between the runner and the edges, and nothing else.

One contract suite (``tests/contracts``) runs over every implementation: in memory, embedded broker, real Kafka.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from streams.flow import Assignment, Now
from streams.messages import Arrivals, Assigned, Broken, Checkpoint, Mark, Notice, Revoked, TopicsSeen, Written

OnRevoke: TypeAlias = Callable[[Revoked], None]
SourceEvent: TypeAlias = Assigned | Revoked | Arrivals | TopicsSeen | Broken | Notice
"""What a source reports. ``Revoked`` only with ``lost``: the rest goes through ``OnRevoke``."""


class Clock(Protocol):
    def now(self) -> Now: ...


class Source(Protocol):
    """Owns the consumer; called by the engine thread only, and by no other.

    A newly assigned partition is restored inside ``poll`` (a bounded piece at each call, on a second consumer, with
    progress as ``Notice``) and reported by ``Assigned`` once its state is there; it stands paused until ``resume``.
    """

    def poll(self, timeout_s: float, on_revoke: OnRevoke) -> Sequence[SourceEvent]:
        """Wait at most ``timeout_s`` and return what happened.

        ``on_revoke`` is called from inside, before partitions go; it may block within the revoke budget, and ``pause``,
        ``commit`` and ``group`` may be called from it. Raises ``SourceFailed`` for what only a restart can mend.
        """
        ...

    def pause(self, parts: frozenset[Assignment]) -> None: ...

    def resume(self, parts: frozenset[Assignment]) -> None: ...

    def reread(self, parts: frozenset[Assignment]) -> None:
        """Fetch anew from the next offset to hand over, where nothing comes though there is more."""
        ...

    def group(self) -> Any:
        """The consumer group's metadata as a value, for the sink; taken anew for every checkpoint.

        None while the source is no member of the group: nothing can be made durable then.
        """
        ...

    def commit(self, marks: Mapping[Assignment, Mark], serial: int) -> "Written | Again | None":
        """Commit marks (at_least_once, after the sink flushed). Waits for no broker.

        None: it is on its way; ask again with the same marks, after each ``poll``. Again: it was refused.
        """
        ...

    def close(self) -> None:
        """Leave the group. Safe to call twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A checkpoint is out. ``committed`` False: produced and acknowledged; the engine thread commits the marks."""

    written: Written
    committed: bool
    broken: tuple[Broken, ...] = ()  # partitions whose part could not be written and never can be
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Not durable: call ``write`` with the same checkpoint and fresh group metadata after ``after_s``."""

    reason: str
    after_s: float
    notices: tuple[Notice, ...] = ()


class Sink(Protocol):
    """Owns the producer; called by the sink thread only, ``drop`` apart.

    One checkpoint at a time, in order of serial. A checkpoint lives in the sink thread until it is durable: through
    retriable and abortable errors and a replaced producer. HTTP is never redone for it.
    """

    def open(self) -> None:
        """Prepare (transactions: initialise, which ends a predecessor's open one). May block for seconds."""
        ...

    def write(self, checkpoint: Checkpoint, group: Any) -> Done | Again:
        """Make one checkpoint durable, less what was dropped. Blocks. Without ``group`` no mark becomes durable.

        Raises ``SinkFailed`` for what only a restart can mend (fenced by a second process with our id).
        """
        ...

    def drop(self, parts: frozenset[Assignment]) -> None:
        """These assignments died; what is kept for them is not written (again). Any thread."""
        ...

    @property
    def calling_since_s(self) -> float | None:
        """Since when a call to the broker has been under way; None = none is. On the clock of all parts; any thread."""
        ...

    def successor(self) -> "Sink":
        """A sink that takes this one's place, because a call of this one does not return. Any thread.

        It is opened and closed like any other. Its first ``write`` gets the checkpoint that this one was given last,
        and finds out whether that became durable; this one makes no further call, and what it may still say is void.
        """
        ...

    def close(self) -> None:
        """Safe to call twice."""
        ...
