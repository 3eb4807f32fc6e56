"""An egress proxy: opens tunnels with CONNECT, and nothing else. It records whom it was asked for."""

import socket
import threading
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_CHUNK = 65536


@dataclass(kw_only=True)
class ConnectProxy:
    """Listens on 127.0.0.1 within its context. ``refuse`` returns the head of another answer than 200, or None."""

    user: str = ""  # "" = everyone may use it
    password: str = ""
    refuse: Callable[[str], bytes | None] = lambda _target: None
    asked: list[str] = field(default_factory=list)  # host:port of each CONNECT, in order
    opened: int = 0  # tunnels
    _sockets: set[socket.socket] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="connect-proxy", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connected in tuple(self._sockets):
            _shut(connected)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                chunk = client.recv(_CHUNK)
                if not chunk:
                    return
                head += chunk
            request, *lines = head.decode("ascii").strip().split("\r\n")
            method, target, _ = request.split(" ")
            assert method == "CONNECT", request
            self.asked.append(target)
            refusal = self._refusal(target, lines)
            if refusal is not None:
                client.sendall(refusal)
                return
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=60) as server:
                server.settimeout(None)
                self._sockets.add(server)
                self.opened += 1
                client.sendall(_OPENED)
                back = threading.Thread(target=_relay, args=(server, client), daemon=True)
                back.start()
                _relay(client, server)
                back.join()

    def _refusal(self, target: str, lines: list[str]) -> bytes | None:
        expected = "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()
        if self.user and f"Proxy-Authorization: {expected}" not in lines:
            return b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n'
        return self.refuse(target)


def _relay(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
    _shut(source)
    _shut(sink)


def _shut(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
