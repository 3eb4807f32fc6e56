"""What a process does before its loop turns: it asks what it must know, waits for whoever is away, and can be ended.

Questions block for seconds, and some of them cannot be interrupted; each has a thread of its own, so that the main
thread stays free to beat and to hear a signal. A process that is asked to end leaves the question where it is.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, TypeVar

import structlog

from streams.clock import uptime_s
from streams.errors import BrokerDown, RegistryDown

T = TypeVar("T")

_AGAIN_S: Final = 2.0
_BEAT_S: Final = 0.1
_SAY_EVERY_S: Final = 30.0
_log = structlog.get_logger("connector")


class EndAsked(Exception):
    """A signal came before the loop had begun: nothing was read, nothing is to be drained."""


class Starting:
    """From the first line to the loop. ``end``: from a signal handler; ``beat_s`` and ``reason``: from any thread."""

    def __init__(self, clock: Callable[[], float] = uptime_s, again_s: float = _AGAIN_S) -> None:
        self._clock = clock
        self._again_s = again_s
        self._asked_to_end = False
        self._stop: Callable[[], None] | None = None
        self._said: tuple[str, float] | None = None
        self.beat_s = clock()
        self.reason = "starting"

    def end(self) -> None:
        """Again does no harm."""
        self._asked_to_end = True
        if self._stop is not None:
            self._stop()

    def hand_over(self, stop: Callable[[], None]) -> None:
        """The loop begins: whoever asks for the end asks it from now on."""
        self._stop = stop
        if self._asked_to_end:
            stop()

    def ask(self, whom: str, question: Callable[[], T]) -> T:
        """The answer, however long ``whom`` is away.

        Raises EndAsked, and whatever the question raises but BrokerDown and RegistryDown.
        """
        while True:
            try:
                return self._answer(question)
            except (BrokerDown, RegistryDown) as down:
                self._waits(f"waiting for {whom}", str(down))
                self.pause(self._again_s)

    def wait(self, for_what: str, reason: str, for_s: float) -> None:
        """Say what is waited for, and wait so long. Raises EndAsked."""
        self._waits(f"waiting for {for_what}", reason)
        self.pause(for_s)

    def pause(self, for_s: float) -> None:
        """Raises EndAsked."""
        nothing: SimpleQueue[None] = SimpleQueue()
        until_s = self._clock() + for_s
        while self._clock() < until_s:
            _taken(nothing, min(_BEAT_S, for_s))
            self._beat()

    def _answer(self, question: Callable[[], T]) -> T:
        outcomes: SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = SimpleQueue()

        def attempt() -> None:
            try:
                outcomes.put((question(), None))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                outcomes.put((None, error))

        Thread(target=attempt, name="question", daemon=True).start()
        while (outcome := _taken(outcomes, _BEAT_S)) is None:
            self._beat()
        self._beat()
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]

    def _beat(self) -> None:
        self.beat_s = self._clock()
        if self._asked_to_end:
            raise EndAsked

    def _waits(self, what: str, reason: str) -> None:
        """The same again within half a minute is not said."""
        self.reason = f"{what}: {reason}"
        now_s = self._clock()
        if self._said is None or self._said[0] != self.reason or now_s - self._said[1] >= _SAY_EVERY_S:
            self._said = self.reason, now_s
            _log.warning(what, reason=reason)


def _taken(queue: SimpleQueue[T], timeout_s: float) -> T | None:
    try:
        return queue.get(timeout=timeout_s)
    except Empty:
        return None
