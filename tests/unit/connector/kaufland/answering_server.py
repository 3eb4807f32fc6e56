"""A small HTTP server on 127.0.0.1 whose responses are defined by the test, byte by byte if necessary."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as received; ``connection`` is the number of its connection, counted from 1."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


Script: TypeAlias = Callable[[Received, socket.socket], bytes | None]
"""Responds to one request. Returns the bytes to send, after which the connection stays open, or None to close it; then
the script itself has written to the socket whatever it wanted to."""


def answer(status: int, body: Any = None, *, raw: bytes | None = None, **headers: str) -> bytes:
    """Returns an HTTP response with a JSON body, or with ``raw``. ``headers``: names with underscores for hyphens."""
    payload = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = {"Date": formatdate(time(), usegmt=True), "Content-Length": str(len(payload)), **named}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode() + b"\r\n" + payload


@dataclass(slots=True, kw_only=True)
class AnsweringServer:
    """A running server. ``received``: all requests so far."""

    port: int
    script: Script
    received: list[Received] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2"


@contextmanager
def answering(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[AnsweringServer]:
    """Serves until the block ends. The test may replace the script meanwhile. ``tls``: serves HTTPS."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = AnsweringServer(port=listener.getsockname()[1], script=script)
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []

    def accept() -> None:
        while not server.closing.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sockets.append(sock)
            threads.append(threading.Thread(target=_serve, args=(server, sock, len(sockets), tls), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server.closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in sockets:
            _close(sock)
        for thread in (acceptor, *threads):
            thread.join(60)


def _serve(server: AnsweringServer, sock: socket.socket, connection: int, tls: ssl.SSLContext | None) -> None:
    try:
        if tls is not None:
            sock = tls.wrap_socket(sock, server_side=True)
        while (request := _request(sock, connection)) is not None:
            server.received.append(request)
            reply = server.script(request, sock)
            if reply is None:
                return
            sock.sendall(reply)
    except OSError:
        return  # the client has closed the connection, or the test has ended
    finally:
        _close(sock)


def _request(sock: socket.socket, connection: int) -> Received | None:
    """Reads one request; None if the client closed the connection."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        chunk = sock.recv(65536)
        if not chunk:
            return None
        raw += chunk
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += sock.recv(65536)
    return Received(method=method, target=target, headers=headers, body=body, connection=connection)


def _close(sock: socket.socket) -> None:
    with suppress(OSError):  # already closed
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
