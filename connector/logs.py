"""Structured logs on standard error: one JSON object per line, or coloured text on a terminal, without secrets.

Every secret that the process knows is registered here and removed from the formatted line, which also covers
tracebacks, the log lines of libraries, and the interpreter's report of a crash.
"""

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable, MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from connector.log_events import LIBRARY, id_of
from streams.clock import uptime_s
from streams.errors import StreamError
from streams.messages import Notice

HIDDEN = "***"
_SHORTEST = 6
"""The minimum length of a secret: a shorter one would also be removed from ordinary words. The marketplace's keys have
31 characters or more."""

_NOISY = ("httpx", "httpcore", "uvicorn", "asyncio", "urllib3")
"""Libraries that log every call at level info; only their warnings are logged."""


_RUNTIME: Final = "streams"
"""The logger of the runtime's notices, whose events are ids already."""

CLIENT: Final = "librdkafka"
"""The Kafka client's logger. It repeats a line for every connection attempt, several times a second."""

_REPEATED_S: Final = 30.0


class Scrubber:
    """Removes known secrets from text. Secrets may be added at any time, such as rotated keys."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()

    def learn(self, secrets: Iterable[str]) -> None:
        """Adds secrets; those shorter than the minimum length are ignored."""
        self._secrets |= {secret for secret in secrets if len(secret) >= _SHORTEST}

    def clean(self, text: str) -> str:
        """Returns the text with every known secret replaced by ``***``."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


SCRUBBER = Scrubber()
"""The process's scrubber. Global, as logging is."""


def configure(*, level: str, form: str, stream: TextIO | None = None, process: int | None = None) -> None:
    """Configures structlog and the standard library's logging. ``form``: json, console or auto.

    ``process``: the number of this process among those of one parent, which every line then has.
    """
    out = stream if stream is not None else sys.stderr
    as_json = form == "json" or (form == "auto" and not out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        *([] if process is None else [_Numbered(process)]),
        structlog.stdlib.add_log_level,
        _identified,
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
    logging.getLogger().handlers = [handler]
    use_level(level)
    logging.getLogger(CLIENT).filters = [Unrepeated()]
    logging.captureWarnings(capture=True)
    sys.excepthook = _crashed
    sys.unraisablehook = _unraisable
    threading.excepthook = _thread_crashed


def _identified(logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Adds the id of the event to a line; a line of a library has its log record beside it here."""
    event = str(line["event"])
    line["event_id"] = LIBRARY if "_record" in line else event if logger.name == _RUNTIME else id_of(event)
    return line


class _Numbered:
    """Adds the number of the process to a line, whichever thread logs it."""

    def __init__(self, process: int) -> None:
        self._process = process

    def __call__(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line["process"] = self._process
        return line


def use_level(level: str) -> None:
    """Logs lines of this level and above from now on. Any thread."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def log_final_error(error: StreamError) -> bool:
    """If logs are JSON, logs the error that ended the process. Returns whether it was logged."""
    handlers = logging.getLogger().handlers
    if not any(isinstance(handler.formatter, _Scrubbed) and handler.formatter.as_json for handler in handlers):
        return False
    structlog.get_logger("connector").critical("ended", reason=str(error), kind=type(error).__name__)
    return True


def write_notice(notice: Notice) -> None:
    """Logs a notice of the runtime."""
    level = logging.getLevelNamesMapping()[notice.level.upper()]
    structlog.get_logger(_RUNTIME).log(level, notice.event, **notice.fields)


class Unrepeated(logging.Filter):
    """Passes lines that differ only in numbers once in 30 seconds; the next one has the count of suppressed lines."""

    def __init__(self, clock: Callable[[], float] = uptime_s) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record; may append the count of suppressed lines to it."""
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
        """Drops lines not passed for a minute, so that the number of remembered lines stays small."""
        for line in [line for line, at_s in self._passed.items() if now_s - at_s >= 2 * _REPEATED_S]:
            del self._passed[line]
            self._held_back.pop(line, None)


_COUNTED: Final = re.compile(r"\d+")


class _Scrubbed(structlog.stdlib.ProcessorFormatter):
    """Formats a line, traceback included, then removes secrets from it."""

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
    """Logs an exception that no caller can catch: raised in a destructor, or in a callback of the Kafka client."""
    error = raised.exc_value if raised.exc_value is not None else raised.exc_type()
    structlog.get_logger("crash").error("exception that no caller can catch", where=repr(raised.object), exc_info=error)


def _thread_crashed(crash: threading.ExceptHookArgs) -> None:
    thread = crash.thread.name if crash.thread is not None else "?"
    error = crash.exc_value if crash.exc_value is not None else crash.exc_type()
    structlog.get_logger("crash").critical("thread crashed", thread=thread, exc_info=error)
