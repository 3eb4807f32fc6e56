"""The health pages of several processes as one. Edge.

``/livez``: 200 while the parent's loop turns; it restarts a process that stands still by itself. ``/readyz``: 200 if
every process is ready. ``/status``: the status of each. ``/metrics``: the metrics of all, with a label ``process``.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.console import answers
from connector.console.gauges import STARTS, exposition
from connector.supervisor.child_process import ChildProcess
from connector.supervisor.merged_metrics import merge
from connector.web_server import WebServer
from streams.clock import uptime_s

ANSWER_S: Final = 2.0
"""How long a process may take to serve a page; one that starts or hangs does not answer."""
STILL_S: Final = 10.0
"""The parent's loop turns several times a second."""

Beat = Callable[[], float]
"""Returns when the parent's loop last turned, in seconds on the monotonic clock."""


def asked(child: ChildProcess, path: str) -> httpx.Response | None:
    """Returns the process's page; None if it does not serve it."""
    try:
        return httpx.get(f"http://127.0.0.1:{child.port}{path}", timeout=ANSWER_S, trust_env=False)
    except httpx.HTTPError:
        return None


class MergedPages(WebServer):
    """Serves the pages. Listens as soon as it is created; raises OSError if the port is in use."""

    def __init__(self, children: Sequence[ChildProcess], beat: Beat, *, host: str, port: int) -> None:
        self._children = children
        self._beat = beat
        routes = [
            Route("/livez", self._livez),
            Route("/readyz", self._readyz),
            Route("/status", self._status),
            Route("/metrics", self._metrics),
        ]
        super().__init__(routes, host=host, port=port, name="health")

    def _livez(self, _: Request) -> Response:
        still_s = uptime_s() - self._beat()
        reasons = [f"the parent's loop has not turned for {still_s:.0f} s"] if still_s > STILL_S else []
        return answers.live(reasons)

    def _readyz(self, _: Request) -> Response:
        reasons, warnings = list[str](), list[str]()
        for child, page in self._all("/readyz").items():
            if page is None:
                reasons.append(_of(child, _absence(child)))
                continue
            body = page.json()
            reasons += [_of(child, reason) for reason in body["reasons"]]
            warnings += [_of(child, warning) for warning in body["warnings"]]
        return answers.ready(reasons, warnings)

    def _status(self, _: Request) -> Response:
        pages = self._all("/status")
        return answers.status(
            {"processes": {str(child.number): _status_of(child, page) for child, page in pages.items()}}
        )

    def _metrics(self, _: Request) -> Response:
        pages = {child.number: page.text for child, page in self._all("/metrics").items() if page is not None}
        starts = exposition({STARTS: {str(child.number): child.starts for child in self._children}})
        return answers.metrics(merge(pages).encode() + starts)

    def _all(self, path: str) -> Mapping[ChildProcess, httpx.Response | None]:
        with ThreadPoolExecutor(len(self._children)) as threads:
            return dict(zip(self._children, threads.map(lambda one: asked(one, path), self._children), strict=True))


def _status_of(child: ChildProcess, page: httpx.Response | None) -> dict[str, Any]:
    own = {
        "pid": child.pid,
        "starts": child.starts,
        "last_exit": child.last_exit or None,
        "pages": f"http://127.0.0.1:{child.port}",
    }
    return {**own, "status": page.json() if page is not None else None}


def _absence(child: ChildProcess) -> str:
    if child.pid is None:
        return f"it ended with {child.last_exit} and is started again" if child.last_exit else "it is started"
    return "it does not answer"


def _of(child: ChildProcess, text: str) -> str:
    return f"process {child.number}: {text}"
