"""Makes the calls to the broker and the registry at start: waits while they are down, and can be stopped.

Such a call blocks for seconds, and some cannot be interrupted. Each runs in a thread of its own, so that the main
thread keeps updating its heartbeat and handles signals. When a stop is requested, a call still running is abandoned.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, TypeVar

import structlog

from connector.log_events import WAITING
from streams.clock import uptime_s
from streams.errors import BrokerDown, RegistryDown

T = TypeVar("T")

_RETRY_S: Final = 2.0
_BEAT_S: Final = 0.1
_REPEAT_LOG_S: Final = 30.0
_log = structlog.get_logger("connector")


class StopRequested(Exception):
    """A stop was requested before the loop had begun: nothing was read, so there is nothing to drain."""


class Startup:
    """The phase of a process before the runner's loop begins.

    ``stop`` is called from a signal handler. ``beat_s``, the heartbeat on the monotonic clock, and ``reason``, what is
    waited for, may be read from any thread.
    """

    def __init__(self, clock: Callable[[], float] = uptime_s, retry_s: float = _RETRY_S) -> None:
        self._clock = clock
        self._retry_s = retry_s
        self._stop_requested = False
        self._stop_loop: Callable[[], None] | None = None
        self._logged: tuple[str, float] | None = None
        self.beat_s = clock()
        self.reason = "starting"

    def stop(self) -> None:
        """Requests a stop. May be called more than once."""
        self._stop_requested = True
        if self._stop_loop is not None:
            self._stop_loop()

    def hand_over(self, stop_loop: Callable[[], None]) -> None:
        """Passes stops on to the loop, which begins now; also a stop that was requested before."""
        self._stop_loop = stop_loop
        if self._stop_requested:
            stop_loop()

    def retry_while_down(self, server: str, request: Callable[[], T]) -> T:
        """Returns what ``request`` returns; retries for as long as ``server`` is down.

        Raises StopRequested, and whatever the question raises except BrokerDown and RegistryDown.
        """
        while True:
            try:
                return self._call(request)
            except (BrokerDown, RegistryDown) as down:
                self._log_wait(f"{WAITING}{server}", str(down))
                self.pause(self._retry_s)

    def wait(self, for_what: str, reason: str, for_s: float) -> None:
        """Logs what the process waits for, and waits ``for_s``. Raises StopRequested."""
        self._log_wait(f"{WAITING}{for_what}", reason)
        self.pause(for_s)

    def pause(self, for_s: float) -> None:
        """Waits while updating the heartbeat. Raises StopRequested."""
        nothing: SimpleQueue[None] = SimpleQueue()
        until_s = self._clock() + for_s
        while self._clock() < until_s:
            _taken(nothing, min(_BEAT_S, for_s))
            self._beat()

    def _call(self, request: Callable[[], T]) -> T:
        outcomes: SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = SimpleQueue()

        def attempt() -> None:
            try:
                outcomes.put((request(), None))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                outcomes.put((None, error))

        Thread(target=attempt, name="request", daemon=True).start()
        while (outcome := _taken(outcomes, _BEAT_S)) is None:
            self._beat()
        self._beat()
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]

    def _beat(self) -> None:
        self.beat_s = self._clock()
        if self._stop_requested:
            raise StopRequested

    def _log_wait(self, what: str, reason: str) -> None:
        """Logs an unchanged reason again only after 30 seconds."""
        self.reason = f"{what}: {reason}"
        now_s = self._clock()
        if self._logged is None or self._logged[0] != self.reason or now_s - self._logged[1] >= _REPEAT_LOG_S:
            self._logged = self.reason, now_s
            _log.warning(what, reason=reason)


def _taken(queue: SimpleQueue[T], timeout_s: float) -> T | None:
    """Returns the next item of the queue, or None if there is none within the timeout."""
    try:
        return queue.get(timeout=timeout_s)
    except Empty:
        return None
