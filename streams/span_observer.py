"""Reports the spans of outputs once these are durable, and passes everything on to the metrics and log lines."""

from collections.abc import Callable, Mapping

from streams.engine.snapshot import Snapshot
from streams.flow import Assignment, Now
from streams.messages import Checkpoint, Effect, Input, Written
from streams.span import Span
from streams.telemetry import Telemetry


class SpanObserver:
    """A ``runner.Observer``. It is there only where events are traced.

    A span is reported after the checkpoint with its output: what a crash undoes has no span, and what is done again has
    one. One checkpoint is on its way at a time.
    """

    def __init__(self, telemetry: Telemetry, report: Callable[[Span], None]) -> None:
        """``report`` is called in the engine thread. It must be quick, and must not raise."""
        self._telemetry = telemetry
        self._report = report
        self._serial = -1
        self._waiting: Mapping[Assignment, list[Span]] = {}

    def on_input(self, message: Input, now: Now) -> None:
        self._telemetry.on_input(message, now)
        if isinstance(message, Written) and message.serial == self._serial:
            for at, spans in self._waiting.items():
                if at in message.marks:  # otherwise its assignment ended, and its part was not written
                    for span in spans:
                        self._report(span)
            self._waiting = {}

    def on_effect(self, effect: Effect, now: Now) -> None:
        self._telemetry.on_effect(effect, now)
        if isinstance(effect, Checkpoint):
            self._serial = effect.serial
            self._waiting = {
                at: [output.span for output in outputs if output.span is not None]
                for at, outputs in effect.outputs.items()
            }

    def on_snapshot(self, snapshot: Snapshot) -> None:
        self._telemetry.on_snapshot(snapshot)
