"""Runs a stream: the loop and the threads that pass messages between source, engine, sink and workers.

The *engine thread* is the thread that calls ``Runner.run``; it owns the source and the engine. The *sink thread* owns
the sink and makes one checkpoint at a time durable. If it hangs in a call of its client, it is abandoned and a new sink
thread continues with its checkpoint. *Follower threads* read topics beside the source, the *side
reader's thread* reads side inputs as the engine asks for them. *Worker threads* make the outgoing calls, each with its
own caller; the pool grows to the largest number that was needed at once, up to a bound. Threads exchange frozen
messages over queues.

An exception in any thread ends the run: nothing further is committed, and it is raised again from ``Runner.run``. A
restart repeats what was not durable. All decisions are made by the engine.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from streams.control import ControlRead, RulesChanged
from streams.engine.sink_watch import SinkAction, SinkWatch
from streams.engine.snapshot import Snapshot
from streams.errors import Stopped, StreamError
from streams.flow import Answer, Assignment, Call, Caller, Now
from streams.messages import (
    Checkpoint,
    Delayed,
    Drain,
    Drop,
    Effect,
    Fetch,
    Fetched,
    Input,
    Intake,
    Notice,
    Released,
    Reread,
    Revoked,
    SideFetch,
    SideRecords,
    Stop,
    Tick,
    Written,
)
from streams.ports import Again, Clock, Done, Follower, SideReader, Sink, Source

_BUSY_POLL_S: Final = 0.005
_IDLE_POLL_S: Final = 0.1
_SNAPSHOT_EVERY_S: Final = 0.25
_OVERDUE_S: Final = 5.0  # the engine keeps its budgets itself; this long after one, the runner raises
_SINK_IDLE_S: Final = 5.0
_JOIN_S: Final = 10.0  # the longest wait for the sink thread to end


class Lifecycle(Enum):
    """The states of a runner, in order."""

    NEW = "new"
    RUNNING = "running"
    DRAINING = "draining"
    CLOSED = "closed"


class Steps(Protocol):
    """The engine, as the runner uses it."""

    def feed(self, message: Input, now: Now) -> list[Effect]: ...

    def wake_at_s(self) -> float: ...

    def snapshot(self, now: Now) -> Snapshot: ...


class Observer(Protocol):
    """Notified of every input, effect and snapshot, in the engine thread. Must be quick, and must not raise."""

    def on_input(self, message: Input, now: Now) -> None:
        """Called before an input is fed to the engine."""
        ...

    def on_effect(self, effect: Effect, now: Now) -> None:
        """Called before an effect of the engine is carried out, and with each notice of source and sink."""
        ...

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Called with a snapshot of the engine several times per second."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettings:
    """The runner's parameters. Raises ValueError for fewer workers than one."""

    max_workers: int = 128
    drain_s: float = 25.0  # shorter than an orchestrator's time between the request to stop and the kill
    sink_hangs_after_s: float = 16.0  # a few leases, and far longer than any call of a sink may take

    def __post_init__(self) -> None:
        if self.max_workers < 1:
            raise ValueError(f"max_workers must be at least 1, got {self.max_workers}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crash:
    """A thread ended with this exception."""

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class _SinkMessage:
    """A message from a sink thread. It is ignored when that thread has been replaced meanwhile."""

    by: "_SinkThread"
    message: Done | Again | _Crash


M = TypeVar("M")

_ThreadMessage: TypeAlias = Answer | Fetched | ControlRead | RulesChanged | SideRecords | Notice | _SinkMessage | _Crash


class Runner:
    """Runs one stream once. ``stop``, ``lifecycle``, ``beat_s`` and ``snapshot`` may be used from any thread."""

    def __init__(
        self,
        *,
        engine: Steps,
        source: Source,
        sink: Sink,
        caller_factory: Callable[[], Caller],
        fetch: Callable[[Any], None],
        clock: Clock,
        observer: Observer,
        settings: RunnerSettings,
        followers: Sequence[Follower] = (),
        side_reader: SideReader | None = None,
    ) -> None:
        """``fetch`` fetches what a flow needs before it can read a record; raises StreamError if that fails now.

        ``side_reader``: None if the engine has no side inputs.
        """
        self._engine = engine
        self._source = source
        self._clock = clock
        self._observer = observer
        self._settings = settings
        self._messages: SimpleQueue[_ThreadMessage] = SimpleQueue()
        self._sink = _SinkThread(sink, self._messages)
        self._workers = _Workers(caller_factory, fetch, self._messages, settings.max_workers)
        self._followers = _Followers(followers, self._messages)
        self._side_inputs = _SideReading(side_reader, self._messages)
        self._sink_watch = SinkWatch(settings.sink_hangs_after_s)
        self._writing = _Writing()
        self._released: set[Assignment] = set()
        self._stop: Stop | None = None
        self._stop_requested = False
        self._drain_over_s = inf
        self._snapshot_s = -inf
        self.lifecycle = Lifecycle.NEW
        self.beat_s = clock.now().mono_s  # when the loop last ran, on the monotonic clock
        self.snapshot: Snapshot | None = None

    def run(self) -> None:
        """Blocks until drained. Raises what any thread raised, or Stopped with the reason why the engine stopped."""
        if self.lifecycle is not Lifecycle.NEW:
            raise RuntimeError(f"a runner runs once; this one is {self.lifecycle.value}")
        self.lifecycle = Lifecycle.RUNNING
        try:
            self._sink.start()
            self._followers.start()
            self._side_inputs.start()
            while self._stop is None:
                self._turn()
        finally:
            self._close()
        if self._stop.failed:
            raise Stopped(self._stop.reason)

    def stop(self) -> None:
        """Requests a drain and shutdown. Safe to call from a signal handler, and more than once."""
        self._stop_requested = True

    # ---- the loop ---------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """One round of the loop: poll the source, handle messages of other threads, then act on the time."""
        if self._stop_requested and self.lifecycle is Lifecycle.RUNNING:
            self._drain()
        for event in self._source.poll(self._poll_timeout_s(), self._revoke):
            if isinstance(event, Notice):
                self._observer.on_effect(event, self._clock.now())
            else:
                self._feed(event)
        self._receive()
        self._do_due()

    def _drain(self) -> None:
        self.lifecycle = Lifecycle.DRAINING
        self._drain_over_s = self._clock.now().mono_s + self._settings.drain_s + _OVERDUE_S
        self._feed(Drain(budget_s=self._settings.drain_s))

    def _revoke(self, revoked: Revoked) -> None:
        """The revoke callback, called inside ``Source.poll``: runs the loop without polling until the partitions are
        handed over. Raises Stopped if that does not end within the budget."""
        self._released.clear()
        self._feed(revoked)
        over_s = self._clock.now().mono_s + revoked.budget_s + _OVERDUE_S
        while self._stop is None and not self._released.issuperset(revoked.parts):
            if self._clock.now().mono_s > over_s:
                raise Stopped(f"a hand-over of {len(revoked.parts)} partitions did not end within its budget")
            self._receive(self._poll_timeout_s())
            self._do_due()

    def _do_due(self) -> None:
        """Does what is due: ticks, sink watch, retries, commits, snapshots. Raises Stopped for an overdue drain."""
        now = self._clock.now()
        self.beat_s = now.mono_s
        if now.mono_s > self._drain_over_s:
            raise Stopped("the drain did not end within its budget")
        if self._engine.wake_at_s() <= now.mono_s:
            self._feed(Tick())
        self._watch_sink(now.mono_s)
        self._write_again(now.mono_s)
        self._commit(now.mono_s)
        if now.mono_s - self._snapshot_s >= _SNAPSHOT_EVERY_S:
            self._snapshot_s = now.mono_s
            self.snapshot = self._engine.snapshot(now)
            self._observer.on_snapshot(self.snapshot)

    def _poll_timeout_s(self) -> float:
        """Returns how long a poll may wait: messages of other threads cannot interrupt it, so it is short while any
        are expected."""
        most_s = _BUSY_POLL_S if self._workers.outstanding or self._writing.anything else _IDLE_POLL_S
        return max(0.0, min(most_s, self._engine.wake_at_s() - self._clock.now().mono_s))

    # ---- engine -----------------------------------------------------------------------------------------------------

    def _feed(self, message: Input) -> None:
        """Feeds the engine and carries out the effects; does nothing after a ``Stop``."""
        if self._stop is not None:
            return
        now = self._clock.now()
        self._observer.on_input(message, now)
        for effect in self._engine.feed(message, now):
            self._observer.on_effect(effect, now)
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Call() | Fetch():
                self._workers.do(effect)
            case SideFetch():
                self._side_inputs.ask(effect)
            case Checkpoint():
                self._writing.begin(effect)
                self._sink.write(effect, self._source.group())
            case Intake(pause=pause, resume=resume):
                self._source.pause(pause)
                self._source.resume(resume)
            case Reread(parts=parts):
                self._source.reread(parts)
            case Drop(parts=parts):
                self._sink.drop(parts)
            case Released(parts=parts):
                self._released |= parts
            case Stop():
                self._stop = effect
            case Notice():
                pass  # already given to the observer

    # ---- threads ----------------------------------------------------------------------------------------------------

    def _receive(self, timeout_s: float = 0.0) -> None:
        """Handles all messages of other threads; waits at most ``timeout_s`` for the first."""
        for message in _taken(self._messages, timeout_s):
            match message:
                case Answer() | Fetched():
                    self._workers.outstanding -= 1
                    self._feed(message)
                case ControlRead() | RulesChanged() | SideRecords():
                    self._feed(message)
                case Notice():
                    self._notices([message])
                case _SinkMessage(by=by, message=sink_message):
                    if by is self._sink:
                        self._handle_sink(sink_message)
                case _Crash(error=error):
                    raise error

    def _handle_sink(self, message: Done | Again | _Crash) -> None:
        match message:
            case Done():
                self._made_durable(message)
            case Again():
                self._writing.again_at_s = self._clock.now().mono_s + message.after_s
                self._delayed(message)
            case _Crash(error=error):
                raise error

    def _delayed(self, again: Again) -> None:
        self._notices(again.notices)
        if self._writing.checkpoint is not None:
            self._feed(Delayed(serial=self._writing.checkpoint.serial, reason=again.reason))

    def _watch_sink(self, now_s: float) -> None:
        """Replaces a sink that hangs; the new one continues with the same checkpoint. Raises Stopped when the new one
        hangs too before a checkpoint has become durable."""
        since_s = self._sink.calling_since_s
        match self._sink_watch.look(since_s, now_s):
            case SinkAction.REPLACE:
                self._replace_sink(now_s - (since_s or now_s))
            case SinkAction.STOP:
                raise Stopped("the producer was replaced, and a call of the new one does not return either")
            case SinkAction.FINE:
                pass

    def _replace_sink(self, for_s: float) -> None:
        """Starts the sink's successor and gives it the checkpoint in progress. ``for_s``: how long the call hangs."""
        checkpoint = self._writing.checkpoint
        fields = {"serial": checkpoint.serial if checkpoint is not None else 0, "for_s": round(for_s, 1)}
        self._notices([Notice(event="sink_replaced", level="error", fields=fields)])
        self._sink = self._sink.successor()
        self._sink.start()
        if checkpoint is not None:
            self._writing.again_at_s = inf
            self._sink.write(checkpoint, self._source.group())

    def _made_durable(self, done: Done) -> None:
        """Feeds a durable checkpoint to the engine; if its marks are not committed, keeps it for ``_commit``."""
        self._notices(done.notices)
        if not done.committed:
            self._writing.to_commit = done
            return
        self._writing = _Writing()
        self._sink_watch.became_durable()
        self._feed(done.written)
        for broken in done.broken:
            self._feed(broken)

    def _write_again(self, now_s: float) -> None:
        """Retries the checkpoint, with the group's current metadata, once the sink's wait is over."""
        if self._writing.checkpoint is not None and self._writing.again_at_s <= now_s:
            self._writing.again_at_s = inf
            self._sink.write(self._writing.checkpoint, self._source.group())

    def _commit(self, now_s: float) -> None:
        """Commits the marks of what the sink has produced (at_least_once only). A rejected commit is retried."""
        done = self._writing.to_commit
        if done is None or now_s < self._writing.commit_at_s:
            return
        match self._source.commit(done.written.marks, done.written.serial):
            case Written() as written:
                self._made_durable(Done(written=written, committed=True, broken=done.broken))
            case Again() as again:
                self._writing.commit_at_s = now_s + again.after_s
                self._delayed(again)
            case None:
                pass  # the next poll may bring the result

    def _notices(self, notices: Iterable[Notice]) -> None:
        now = self._clock.now()
        for notice in notices:
            self._observer.on_effect(notice, now)

    def _close(self) -> None:
        """Leaves the group first, so that the next owner need not wait until this process has ended."""
        self.lifecycle = Lifecycle.CLOSED
        try:
            self._source.close()
        finally:
            self._followers.stop()
            self._side_inputs.stop()
            self._workers.close()
            self._sink.close(self._patience_with_sink_s())

    def _patience_with_sink_s(self) -> float:
        """Returns how long to wait for the sink thread to end: not at all once its call counts as hanging."""
        since_s = self._sink.calling_since_s
        left_s = inf if since_s is None else since_s + self._settings.sink_hangs_after_s - self._clock.now().mono_s
        return max(0.0, min(_JOIN_S, left_s))


@dataclass(slots=True, kw_only=True)
class _Writing:
    """The checkpoint in progress, if any."""

    checkpoint: Checkpoint | None = None
    again_at_s: float = inf  # when to retry the write; inf = the sink is working on it, or has finished
    to_commit: Done | None = None  # written, marks not yet committed (at_least_once)
    commit_at_s: float = -inf  # not before then

    @property
    def anything(self) -> bool:
        return self.checkpoint is not None

    def begin(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint


class _SinkThread:
    """A thread that owns a sink: opens it, writes the checkpoints it is given, closes it."""

    def __init__(self, sink: Sink, messages: SimpleQueue[_ThreadMessage]) -> None:
        self._sink = sink
        self._messages = messages
        self._todo: SimpleQueue[tuple[Checkpoint, Any] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="sink", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def write(self, checkpoint: Checkpoint, group: Any) -> None:
        self._todo.put((checkpoint, group))

    def drop(self, parts: frozenset[Assignment]) -> None:
        self._sink.drop(parts)

    @property
    def calling_since_s(self) -> float | None:
        return self._sink.calling_since_s

    def successor(self) -> "_SinkThread":
        """Returns a thread with the sink's successor. This thread ends by itself if its call ever returns."""
        self._todo.put(None)
        return _SinkThread(self._sink.successor(), self._messages)

    def close(self, timeout_s: float) -> None:
        """Discards queued checkpoints and waits at most ``timeout_s`` for the current write to end."""
        while _take(self._todo, 0.0) is not None:
            pass
        self._todo.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._sink.open()
            while (todo := self._next()) is not None:
                self._messages.put(_SinkMessage(by=self, message=self._sink.write(*todo)))
        except BaseException as error:  # noqa: BLE001 - raised again in the engine thread
            self._messages.put(_SinkMessage(by=self, message=_Crash(error=error)))
        finally:
            self._sink.close()

    def _next(self) -> tuple[Checkpoint, Any] | None:
        """Waits for the next checkpoint; None: there will be none."""
        while True:
            try:
                return self._todo.get(timeout=_SINK_IDLE_S)
            except Empty:
                self._sink.idle()


class _Workers:
    """A pool of worker threads that grows with the outstanding work, up to ``most``. Used by the engine thread."""

    def __init__(
        self,
        caller_factory: Callable[[], Caller],
        fetch: Callable[[Any], None],
        messages: SimpleQueue[_ThreadMessage],
        most: int,
    ) -> None:
        self._caller_factory = caller_factory
        self._fetch = fetch
        self._messages = messages
        self._most = most
        self._todo: SimpleQueue[Call | Fetch | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self.outstanding = 0

    def do(self, work: Call | Fetch) -> None:
        self.outstanding += 1
        if len(self._threads) < min(self.outstanding, self._most):
            thread = Thread(target=self._run, name=f"worker-{len(self._threads) + 1}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._todo.put(work)

    def close(self) -> None:
        """Discards queued work and ends idle workers. A worker in a call is not waited for: its answer is not used."""
        while _take(self._todo, 0.0) is not None:
            pass
        for _ in self._threads:
            self._todo.put(None)

    def _run(self) -> None:
        try:
            caller = self._caller_factory()
            while (work := self._todo.get()) is not None:
                self._messages.put(caller.call(work) if isinstance(work, Call) else self._fetched(work))
        except BaseException as error:  # noqa: BLE001 - raised again in the engine thread
            self._messages.put(_Crash(error=error))

    def _fetched(self, fetch: Fetch) -> Fetched:
        try:
            self._fetch(fetch.need)
        except StreamError as error:
            return Fetched(need=fetch.need, problem=str(error))
        return Fetched(need=fetch.need)


class _Followers:
    """A thread for each follower."""

    def __init__(self, followers: Sequence[Follower], messages: SimpleQueue[_ThreadMessage]) -> None:
        self._messages = messages
        self._stopping = Event()
        self._threads = [Thread(target=self._run, args=(each,), name="follower", daemon=True) for each in followers]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets the threads end, without waiting for them."""
        self._stopping.set()

    def _run(self, follower: Follower) -> None:
        try:
            follower.follow(self._messages.put, self._stopping)
        except BaseException as error:  # noqa: BLE001 - raised again in the engine thread
            self._messages.put(_Crash(error=error))


class _SideReading:
    """The side reader's thread."""

    def __init__(self, reader: SideReader | None, messages: SimpleQueue[_ThreadMessage]) -> None:
        self._reader = reader
        self._messages = messages
        self._requests: SimpleQueue[SideFetch] = SimpleQueue()
        self._stopping = Event()

    def start(self) -> None:
        if self._reader is not None:
            Thread(target=self._run, args=(self._reader,), name="side-reader", daemon=True).start()

    def ask(self, fetch: SideFetch) -> None:
        """Passes a request to the reader. Raises ValueError if there is none, which is a bug."""
        if self._reader is None:
            raise ValueError(f"{fetch.name} is to be read from {fetch.topic}, but the runner has no side reader")
        self._requests.put(fetch)

    def stop(self) -> None:
        """Lets the thread end, without waiting for it."""
        self._stopping.set()

    def _run(self, reader: SideReader) -> None:
        try:
            reader.serve(self._asked, self._messages.put, self._stopping)
        except BaseException as error:  # noqa: BLE001 - raised again in the engine thread
            self._messages.put(_Crash(error=error))

    def _asked(self, timeout_s: float) -> Sequence[SideFetch]:
        return list(_taken(self._requests, timeout_s))


def _take(queue: SimpleQueue[Any], timeout_s: float) -> Any:
    """Returns the next message; None if none arrives within ``timeout_s``."""
    try:
        return queue.get(timeout=timeout_s) if timeout_s > 0 else queue.get_nowait()
    except Empty:
        return None


def _taken(queue: SimpleQueue[M], timeout_s: float) -> Iterable[M]:
    """Yields all messages of the queue; waits at most ``timeout_s`` for the first."""
    message = _take(queue, timeout_s)
    while message is not None:
        yield message
        message = _take(queue, 0.0)
