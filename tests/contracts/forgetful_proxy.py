"""A TCP proxy that can remove all brokers from metadata responses, as a broker does right after a freeze, that can
withhold responses, and that can cut its connections.

It parses as much of Kafka's protocol as that needs: frames with a length of four bytes, requests that begin with API
key, API version and correlation id, and metadata responses from version 9 on.
"""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_METADATA: Final = 3
_FLEXIBLE_FROM: Final = 9  # from this version on, responses have compact arrays and tagged fields


class ForgetfulProxy:
    """Listens on ``port`` and forwards to a broker. A context manager."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.target_port = 0  # the broker's own port, once known
        self.forgets = False
        self.withholds: list[int] = []
        """API keys of requests whose next response does not reach the client; one response for each entry."""
        self._clients: list[socket.socket] = []
        self.forgot = threading.Event()  # at least one client got a response without brokers

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def cut(self) -> None:
        """Closes all connections, and new ones until ``target_port`` is set again."""
        self.target_port = 0
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Forwards responses to a client; while ``forgets`` is set, removes all brokers from metadata responses."""
        try:
            broker = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            client.close()
            return
        metadata: set[bytes] = set()  # correlation ids of metadata requests
        withheld: set[bytes] = set()  # correlation ids of requests whose response is withheld
        threading.Thread(target=self._requests, args=(client, broker, metadata, withheld), daemon=True).start()
        with suppress(OSError), client, broker:
            while (frame := _frame(broker)) is not None:
                if self.forgets and frame[:4] in metadata:
                    frame = _without_brokers(frame)
                    self.forgot.set()
                if frame[:4] in withheld:
                    continue
                client.sendall(len(frame).to_bytes(4, "big") + frame)

    def _requests(
        self, client: socket.socket, broker: socket.socket, metadata: set[bytes], withheld: set[bytes]
    ) -> None:
        """Forwards requests to the broker; collects correlation ids of those for metadata, and of those to withhold."""
        with suppress(OSError):
            while (frame := _frame(client)) is not None:
                key, version = (int.from_bytes(frame[at : at + 2], "big") for at in (0, 2))
                if key == _METADATA and version >= _FLEXIBLE_FROM:
                    metadata.add(frame[4:8])
                if key in self.withholds:
                    self.withholds.remove(key)
                    withheld.add(frame[4:8])
                broker.sendall(len(frame).to_bytes(4, "big") + frame)
        with suppress(OSError):
            broker.shutdown(socket.SHUT_RDWR)


def _frame(connected: socket.socket) -> bytes | None:
    """Reads one frame; None at the end of the connection."""
    size = _exactly(connected, 4)
    return None if size is None else _exactly(connected, int.from_bytes(size, "big"))


def _exactly(connected: socket.socket, count: int) -> bytes | None:
    got = b""
    while len(got) < count:
        more = connected.recv(count - len(got))
        if not more:
            return None
        got += more
    return got


def _without_brokers(frame: bytes) -> bytes:
    """Empties the array of brokers, which follows correlation id, an empty tagged-fields byte and throttle time."""
    begin = 4 + 1 + 4
    count, at = _varint(frame, begin)
    for _ in range(count - 1):
        at += 4  # node id
        length, at = _varint(frame, at)
        at += length - 1 + 4  # host, port
        length, at = _varint(frame, at)
        at += max(0, length - 1)  # rack
        tags, at = _varint(frame, at)
        assert tags == 0
    return frame[:begin] + b"\x01" + frame[at:]


def _varint(frame: bytes, at: int) -> tuple[int, int]:
    """Reads an unsigned varint; returns it and the position behind it."""
    value = shift = 0
    while True:
        byte = frame[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
