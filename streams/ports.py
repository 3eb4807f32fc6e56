"""The contracts between the runner and its edges: ``Source``, ``Sink``, ``Follower``, ``SideReader`` and ``Clock``.

One test suite (``tests/contracts``) runs against every implementation: in memory, embedded broker, real Kafka.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from streams.control import ControlRead, RulesChanged
from streams.flow import Assignment, Now
from streams.messages import (
    Arrivals,
    Assigned,
    Broken,
    Checkpoint,
    Mark,
    Notice,
    Revoked,
    SideFetch,
    SideRecords,
    TopicsSeen,
    Written,
)

OnRevoke: TypeAlias = Callable[[Revoked], None]
SourceEvent: TypeAlias = Assigned | Revoked | Arrivals | TopicsSeen | Broken | Notice
"""What ``Source.poll`` returns. ``Revoked`` only with ``lost`` set; an orderly revoke is passed to ``OnRevoke``."""


Report: TypeAlias = Callable[[ControlRead | RulesChanged | Notice], None]
"""Passes on what a ``Follower`` has read. Any thread."""


SideRequests: TypeAlias = Callable[[float], Sequence[SideFetch]]
"""Returns the requests since the last call; waits at most this many seconds for the first."""


SideReport: TypeAlias = Callable[[SideRecords], None]
"""Passes on an answer of a ``SideReader``. Any thread."""


class Clock(Protocol):
    """The time, as monotonic seconds and as wall-clock microseconds."""

    def now(self) -> Now: ...


class Stopping(Protocol):
    """Whether a thread is to end; ``threading.Event`` is one."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool:
        """Waits at most ``timeout`` seconds until it is set; returns whether it is."""
        ...


class Follower(Protocol):
    """Reads a topic beside the source, in a thread of its own, and reports what it reads to the engine."""

    def follow(self, report: Report, stopping: Stopping) -> None:
        """Reads until ``stopping`` is set; returns within seconds then. Never raises for what a broker does."""
        ...


class SideReader(Protocol):
    """Reads side inputs beside the source, in a thread of its own."""

    def serve(self, requests: SideRequests, report: SideReport, stopping: Stopping) -> None:
        """Answers each request until ``stopping`` is set; returns within seconds then.

        At the end of the log a request is answered without records after about a second. Never raises for what a
        broker does: the answer says why nothing could be read.
        """
        ...


class Source(Protocol):
    """Owns the consumer; called by the engine thread only.

    The state of a newly assigned partition is read inside ``poll``: a bounded piece at each call, on a second
    consumer, with progress as ``Notice``. The partition is reported by ``Assigned`` once its state is complete, and
    stays paused until ``resume``.
    """

    def poll(self, timeout_s: float, on_revoke: OnRevoke) -> Sequence[SourceEvent]:
        """Waits at most ``timeout_s`` and returns what happened.

        ``on_revoke`` is called during the poll, before partitions are given up. It may block within the revoke budget
        and may call ``pause``, ``commit`` and ``group``. Raises ``SourceFailed`` when only a restart helps.
        """
        ...

    def pause(self, parts: frozenset[Assignment]) -> None:
        """Stops returning records of these partitions from ``poll``."""
        ...

    def resume(self, parts: frozenset[Assignment]) -> None:
        """Returns records of these partitions from ``poll`` again, after the last one returned."""
        ...

    def reread(self, parts: frozenset[Assignment]) -> None:
        """Seeks these partitions to the next offset to return, because they have lag and no records arrive."""
        ...

    def group(self) -> Any:
        """Returns the consumer group's current metadata for the sink; called for every attempt to write a checkpoint.

        None while the source is not a member of the group: nothing can be made durable then.
        """
        ...

    def commit(self, marks: Mapping[Assignment, Mark], serial: int) -> "Written | Again | None":
        """Commits marks (at_least_once only, after the sink has flushed). Does not wait for the broker.

        Returns ``None`` while the commit is pending: call again with the same marks after each ``poll``. Returns
        ``Again`` when the broker rejected it.
        """
        ...

    def close(self) -> None:
        """Leaves the group. Safe to call twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A checkpoint was written.

    ``committed`` False: its records are produced and acknowledged; the engine thread still has to commit the marks.
    """

    written: Written
    committed: bool
    broken: tuple[Broken, ...] = ()  # partitions whose part can never be written
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Not durable: retry the same checkpoint after ``after_s`` seconds (``write`` with fresh group metadata)."""

    reason: str
    after_s: float
    notices: tuple[Notice, ...] = ()


class Sink(Protocol):
    """Owns the producer; called by the sink thread only, except where a method allows any thread.

    It gets one checkpoint at a time, in order of serial, and again until that is durable: after retriable and abortable
    errors, and after the producer was replaced. No HTTP call is repeated for that.
    """

    def open(self) -> None:
        """Prepares the producer. May block for seconds.

        With transactions this initialises them, which ends an open transaction of a predecessor.
        """
        ...

    def write(self, checkpoint: Checkpoint, group: Any) -> Done | Again:
        """Makes one checkpoint durable, except for what was dropped. Blocks. Without ``group`` no mark becomes durable.

        Raises ``SinkFailed`` when only a restart helps (fenced by a second process with the same transactional id).
        """
        ...

    def idle(self) -> None:
        """Called every few seconds while there is nothing to write, so that the client can report. Does not block."""
        ...

    def drop(self, parts: frozenset[Assignment]) -> None:
        """Discards what is not yet written for these assignments, which have ended. Any thread."""
        ...

    @property
    def calling_since_s(self) -> float | None:
        """When the current call to the broker started (``clock.uptime_s``); None = there is none. Any thread."""
        ...

    def successor(self) -> "Sink":
        """Returns a sink that replaces this one, of which a call does not return. Any thread.

        The new sink is opened and closed like any other. Its first ``write`` gets the checkpoint that this one was
        given last, and finds out whether that became durable. This one makes no further call, and any result that it
        may still return is ignored.
        """
        ...

    def close(self) -> None:
        """Closes the producer. Safe to call twice."""
        ...
