"""A small web server in a thread of its own, for handlers that return immediately. Edge."""

import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

_STOP_S: Final = 5.0
KEEP_ALIVE_S: Final = 75
"""How long a connection may be idle: longer than probes and scrapes are apart, which are 60 s at most in practice. If
the server closed it earlier, a request that is on its way at that moment would be answered with a reset."""


class WebServer:
    """Listens as soon as it is created; raises OSError if the port is in use. A context manager that closes it.

    ``listener``: a socket that listens already, used instead of one for ``host`` and ``port``. ``keep_alive_s``: how
    long an idle connection stays open, in whole seconds.
    """

    def __init__(
        self,
        routes: Sequence[BaseRoute],
        *,
        host: str,
        port: int,
        name: str,
        listener: socket.socket | None = None,
        middleware: Sequence[Middleware] = (),
        keep_alive_s: int = KEEP_ALIVE_S,
    ) -> None:
        self._socket = listener if listener is not None else socket.create_server((host, port))
        # Accepted sockets inherit it. Without it, a body waits 40 ms for the acknowledgement of its headers.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        app = Starlette(routes=routes, middleware=middleware)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=keep_alive_s)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name=name, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Stops the server. Safe to call twice."""
        self._server.should_exit = True
        self._thread.join(_STOP_S)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
