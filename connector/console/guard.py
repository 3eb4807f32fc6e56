"""What protects the console: which host names it answers to, its security headers, and a bound on its work. Edge."""

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.console.style import DIGEST

MOST_AT_ONCE: Final = 8
"""Requests that are worked on or wait; further ones are refused."""
THREADS: Final = 2
LIMIT_S: Final = 5.0
"""How long a page may take."""
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{DIGEST}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class ProtectedApp:
    """ASGI middleware: refuses other host names, and adds the security headers to each answer."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        if is_ours(Request(scope).headers.get("host", ""), self._names):
            await self._app(scope, receive, send_protected)
        else:
            refused = PlainTextResponse("This host name is not among [console] host_names.\n", 421)
            await refused(scope, receive, send_protected)


def is_ours(host: str, names: Collection[str]) -> bool:
    """Whether a Host header names this console: by a listed name, by ``localhost``, or by an address.

    A page of another site whose name is made to resolve to this machine has that name here, and is refused.
    """
    name = host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.rpartition(":")[0] or host
    if name.lower() in {"localhost", *(one.lower() for one in names)}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class BoundedWork:
    """Threads for the pages, with a bound on how many requests there are and how long each may take."""

    def __init__(self, *, most: int = MOST_AT_ONCE, limit_s: float = LIMIT_S, late: str | None = None) -> None:
        """``late``: what is answered if it takes too long; None: to try again."""
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="console")
        self._most = most
        self._limit_s = limit_s
        self._late = late
        self._now = 0

    async def run(self, work: Callable[[], Response]) -> Response:
        """Returns what ``work`` returns, or 503 if there is too much to do or it takes too long."""
        if self._now >= self._most:
            return _busy("the console has too many requests")
        self._now += 1
        loop = asyncio.get_running_loop()
        future = self._pool.submit(work)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended))
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), self._limit_s)
        except TimeoutError:
            if not future.cancel() and self._late is not None:
                return PlainTextResponse(self._late, 503)
            return _busy(f"the page took more than {self._limit_s:.0f} s")

    def close(self) -> None:
        """Ends the threads; work that has begun ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self) -> None:
        self._now -= 1


def _busy(why: str) -> Response:
    return PlainTextResponse(f"Try again in a moment: {why}.\n", 503, headers={"retry-after": "2"})
