"""Structured logs on standard error: one JSON object a line, or colours on a terminal; no secret in either.

Every secret that the process knows is registered here, and is cut out of the finished line: of messages, of values,
of tracebacks, of what libraries log, and of what the interpreter prints when it crashes.
"""

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from streams.clock import uptime_s
from streams.errors import StreamError
from streams.messages import Notice

HIDDEN = "***"
_SHORTEST = 6
"""A shorter "secret" would cut up ordinary words; real keys have 31 characters and more."""

_NOISY = ("httpx", "httpcore", "uvicorn", "asyncio")
"""Libraries whose every call would be a line at level info."""


CLIENT: Final = "librdkafka"
"""The broker's client, which says the same of every attempt to connect, several times a second."""

_REPEATED_S: Final = 30.0


class Scrubber:
    """Cuts known secrets out of text. Secrets may be added at any time: a rotated key is one more."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()

    def learn(self, secrets: Iterable[str]) -> None:
        self._secrets |= {secret for secret in secrets if len(secret) >= _SHORTEST}

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


SCRUBBER = Scrubber()
"""The process's own: logging is one per process too."""


def configure(*, level: str, form: str, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging alike. ``form``: json, console, or auto."""
    out = stream if stream is not None else sys.stderr
    as_json = form == "json" or (form == "auto" and not out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Scrubbed(shared, as_json=as_json))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    logging.getLogger(CLIENT).filters = [Unrepeated()]
    logging.captureWarnings(capture=True)
    sys.excepthook = _crashed
    sys.unraisablehook = _unraisable
    threading.excepthook = _thread_crashed


def last_words(error: StreamError) -> bool:
    """Log what ended the process, where the log is for machines; False = nobody has said it yet."""
    handlers = logging.getLogger().handlers
    if not any(isinstance(handler.formatter, _Scrubbed) and handler.formatter.as_json for handler in handlers):
        return False
    structlog.get_logger("connector").critical("ended", reason=str(error), kind=type(error).__name__)
    return True


def write_notice(notice: Notice) -> None:
    """One line for what the runtime wants to be known."""
    level = logging.getLevelNamesMapping()[notice.level.upper()]
    structlog.get_logger("streams").log(level, notice.event, **notice.fields)


class Unrepeated(logging.Filter):
    """Passes a line once in half a minute, whatever numbers stand in it; counts what it held back."""

    def __init__(self, clock: Callable[[], float] = uptime_s) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now_s = self._clock()
        line = _COUNTED.sub("#", record.getMessage())
        if now_s - self._passed.get(line, -_REPEATED_S) < _REPEATED_S:
            self._held_back[line] = self._held_back.get(line, 0) + 1
            return False
        self._forget(now_s)
        self._passed[line] = now_s
        if count := self._held_back.pop(line, 0):
            record.msg, record.args = f"{record.getMessage()} [{count} more like this since the last one]", ()
        return True

    def _forget(self, now_s: float) -> None:
        """Lines that have not come for long: a client may say any number of different ones."""
        for line in [line for line, at_s in self._passed.items() if now_s - at_s >= 2 * _REPEATED_S]:
            del self._passed[line]
            self._held_back.pop(line, None)


_COUNTED: Final = re.compile(r"\d+")


class _Scrubbed(structlog.stdlib.ProcessorFormatter):
    """Renders a line, traceback included, and only then lets it out."""

    def __init__(self, shared: list[Any], *, as_json: bool) -> None:
        self.as_json = as_json
        rendered = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        colours = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        super().__init__(
            foreign_pre_chain=shared,
            processors=[self.remove_processors_meta, *(rendered if as_json else colours)],
        )

    def format(self, record: logging.LogRecord) -> str:
        return SCRUBBER.clean(super().format(record))


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger("crash").critical("crashed", exc_info=(kind, error, trace))


def _unraisable(raised: "sys.UnraisableHookArgs") -> None:
    """What was raised where nobody could hear it: in a destructor, or in a callback of the client."""
    error = raised.exc_value if raised.exc_value is not None else raised.exc_type()
    structlog.get_logger("crash").error("raised where nobody hears", where=repr(raised.object), exc_info=error)


def _thread_crashed(crash: threading.ExceptHookArgs) -> None:
    thread = crash.thread.name if crash.thread is not None else "?"
    error = crash.exc_value if crash.exc_value is not None else crash.exc_type()
    structlog.get_logger("crash").critical("thread crashed", thread=thread, exc_info=error)
