"""An HTTP proxy that records requests and that a test can close. It may speak TLS, and ask for user and password.

Requests are recorded byte for byte. While it is closed, connections are refused, as by a stopped server.
"""

import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

_TIMEOUT_S = 30.0
_DENIED = b'{"error_code": 401, "message": "Unauthorized"}'
_OF_THE_CONNECTION = frozenset({"connection", "transfer-encoding", "content-length", "date", "server"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedRequest:
    """One request as received; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    arrived_s: float  # since the epoch
    status: int


class TcpProxy:
    """Forwards requests to ``url`` and records them. A context manager; it keeps its port while it is closed."""

    def __init__(self, url: str = "", *, tls: ssl.SSLContext | None = None, credentials: str = "") -> None:
        """``url`` "" = no server yet; set it later with ``lead_to``. ``credentials``: USER:PASSWORD, "" = none."""
        self.lead_to(url)
        self._tls = tls
        self._authorization = "Basic " + b64encode(credentials.encode()).decode() if credentials else ""
        self.passed: list[ForwardedRequest] = []
        self._sockets: set[socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._own_port = 0
        self.open()

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self._own_port}{self._path}"

    @property
    def port(self) -> int:
        return self._own_port

    def lead_to(self, url: str) -> None:
        """Forwards requests to this URL from now on."""
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, parts.path

    def open(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", self._own_port), _handler(self))
        server.daemon_threads = True
        if self._tls is not None:
            server.socket = self._tls.wrap_socket(server.socket, server_side=True)
        self._server, self._own_port = server, server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def shut(self) -> None:
        """Closes the proxy: refuses new connections and closes the existing ones. May be called twice."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connected in tuple(self._sockets):
            with suppress(OSError):  # already closed by the peer
                connected.shutdown(SHUT_RDWR)

    def lets_in(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers has the credentials."""
        return not self._authorization or headers.get("authorization") == self._authorization

    def forward(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any, bytes]:
        """Forwards a request and returns the response's status, headers and body.

        Raises OSError or HTTPException when there is no response.
        """
        connection = HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, target, body=body or None, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()


def _handler(proxy: TcpProxy) -> type[BaseHTTPRequestHandler]:
    class ForwardingHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            proxy._sockets.add(self.connection)

        def finish(self) -> None:
            proxy._sockets.discard(self.connection)
            with suppress(OSError):
                super().finish()

        def _pass(self) -> None:
            arrived_s = time.time()
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            try:
                if proxy.lets_in(headers):
                    status, answered, content = proxy.forward(self.command, self.path, headers, body)
                else:
                    status, answered, content = 401, {"Content-Type": "application/json"}, _DENIED
            except (OSError, HTTPException):
                self.close_connection = True
                return
            proxy.passed.append(
                ForwardedRequest(
                    method=self.command,
                    target=self.path,
                    headers=headers,
                    body=body,
                    arrived_s=arrived_s,
                    status=status,
                )
            )
            self.send_response_only(status)
            for name, value in answered.items():
                if name.lower() not in _OF_THE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass  # noqa: N815 - the standard library's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            """Logs nothing: requests are recorded."""

    return ForwardingHandler
