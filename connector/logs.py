"""Structured logs on standard error: one JSON object a line, or colours on a terminal; no secret in either.

Every secret that the process knows is registered here, and is cut out of the finished line: of messages, of values,
of tracebacks, of what libraries log, and of what the interpreter prints when it crashes.
"""

import logging
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TextIO

import structlog

from streams.flow import Notice

HIDDEN = "***"
_SHORTEST = 6
"""A shorter "secret" would cut up ordinary words; real keys have 31 characters and more."""

_NOISY = ("httpx", "httpcore", "uvicorn", "asyncio")
"""Libraries whose every call would be a line at level info."""


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
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


def write_notice(notice: Notice) -> None:
    """One line for what the runtime wants to be known."""
    level = logging.getLevelNamesMapping()[notice.level.upper()]
    structlog.get_logger("streams").log(level, notice.event, **notice.fields)


class _Scrubbed(structlog.stdlib.ProcessorFormatter):
    """Renders a line, traceback included, and only then lets it out."""

    def __init__(self, shared: list[Any], *, as_json: bool) -> None:
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


def _thread_crashed(crash: threading.ExceptHookArgs) -> None:
    thread = crash.thread.name if crash.thread is not None else "?"
    error = crash.exc_value if crash.exc_value is not None else crash.exc_type()
    structlog.get_logger("crash").critical("thread crashed", thread=thread, exc_info=error)
