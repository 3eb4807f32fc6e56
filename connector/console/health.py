"""Serves health and metrics over HTTP, from a thread that only reads snapshots.

``/livez``: 200 while the runner's loop makes turns, else 503; it does not depend on the broker or the marketplace, so
that an outage causes no restart. ``/readyz``: 200 while the process does its share of the group's work, else 503 with
the reasons; warnings need an operator's attention and do not change the status. ``/status``: details as JSON.
``/metrics``: Prometheus' text format. ``/`` leads to the console, which has an address of its own.
"""

import socket
from collections.abc import Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from connector.console import answers
from connector.console.facts import Readiness
from connector.web_server import WebServer

SILENT_S = 30.0
"""A loop without a turn for this many seconds is stuck: a turn takes milliseconds, a revocation at most its budget."""


class Vitals(Protocol):
    """The state of the process. Called from the server's thread; every method returns immediately."""

    def beat_age_s(self) -> float:
        """Returns the seconds since the loop's last turn."""
        ...

    def readiness(self) -> Readiness: ...

    def status(self) -> Mapping[str, Any]: ...

    def metrics(self) -> bytes:
        """Returns the metrics in Prometheus' text format."""
        ...


class HealthServer(WebServer):
    """Serves the health pages. Listens as soon as it is created; raises OSError if the port is in use."""

    def __init__(
        self,
        vitals: Vitals,
        *,
        host: str,
        port: int,
        silent_s: float = SILENT_S,
        listener: socket.socket | None = None,
        console: str | None = None,
    ) -> None:
        """``listener``: a socket that listens already, used instead of one for ``host`` and ``port``.

        ``console``: address of the console; None: there is none.
        """
        self._vitals = vitals
        self._silent_s = silent_s
        self._console_url = console
        routes = [
            Route("/", self._console),
            Route("/livez", self._livez),
            Route("/readyz", self._readyz),
            Route("/status", self._status),
            Route("/metrics", self._metrics),
        ]
        super().__init__(routes, host=host, port=port, name="health", listener=listener)

    def show(self, vitals: Vitals) -> None:
        """Replaces the vitals that are served."""
        self._vitals = vitals

    def _console(self, _: Request) -> Response:
        if self._console_url is None:
            return Response("The console is off: set [console] enabled = true.\n", 404, media_type="text/plain")
        return RedirectResponse(self._console_url)

    def _livez(self, _: Request) -> Response:
        age_s = self._vitals.beat_age_s()
        stuck = [f"the loop has not turned for {age_s:.0f} s"] if age_s > self._silent_s else []
        return answers.live(stuck)

    def _readyz(self, _: Request) -> Response:
        found = self._vitals.readiness()
        return answers.ready(found.reasons, found.warnings)

    def _status(self, _: Request) -> Response:
        return answers.status(self._vitals.status())

    def _metrics(self, _: Request) -> Response:
        return answers.metrics(self._vitals.metrics())
