"""The HTTP client's transport: bounds the whole call by one deadline; checks lease and limit before the first byte.

The time-outs of httpx apply to each read, so a response that arrives byte by byte could hold a call indefinitely. Here
every operation gets the time left until the call's deadline. The lease is checked, the call waits for its turn under
the account's limit, and the time of sending is taken, when the first byte is written, after connecting. One connection
per transport, used by one thread.

A proxy and changed TLS files matter only while a connection is made; a request on an open one passes no code of theirs.
"""

import select
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any, TypeAlias

import httpcore
import httpx

from connector.kaufland.http.address import Address
from connector.kaufland.http.tunnel import open_tunnel
from streams.flow import Now
from streams.http.egress import Egress
from streams.http.failures import connect_failure
from streams.http.proxy import HttpProxy
from streams.http.tls import TlsContext
from streams.ports import Clock

_KEEP_ALIVE_S = 4.0
"""How long an idle connection is reused: less than the 5 s after which common servers close one, since a request
written to a connection that is being closed counts as lost."""

_SocketOption: TypeAlias = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

Turn: TypeAlias = Callable[[float], float]
"""Takes the present time and returns it if a call may leave now, which then counts as left; else when to ask again."""


class LeaseOver(Exception):
    """The lease (``send_by_s``) ends before the first byte may be written; nothing was sent."""


class ForbiddenAddress(Exception):
    """A request was addressed outside the allow-list. A bug on our side; nothing was sent."""


class CallDeadlines:
    """The deadlines of the current call, and when its first byte was written. Reset for each call."""

    def __init__(self, clock: Clock, sleep: Callable[[float], None] = sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._turn: Turn | None = None
        self._send_by_s = self._give_up_at_s = 0.0
        self.sent: Now | None = None

    def begin(self, *, send_by_s: float, give_up_at_s: float, turn: Turn | None = None) -> None:
        """Starts the next call. ``turn`` None: no limit applies to it."""
        self._send_by_s, self._give_up_at_s = send_by_s, give_up_at_s
        self._turn = turn
        self.sent = None

    def left_s(self, late: type[httpcore.TimeoutException]) -> float:
        """Returns the seconds left until the deadline. Raises ``late`` when none are."""
        left_s = self._give_up_at_s - self._clock.now().mono_s
        if left_s <= 0:
            raise late("the call's deadline has passed")
        return left_s

    def leave(self) -> None:
        """Called before each write; the first one waits for the call's turn.

        Raises LeaseOver if the lease ends before that.
        """
        if self.sent is not None:
            return
        now = self._clock.now()
        while now.mono_s <= self._send_by_s:
            at_s = now.mono_s if self._turn is None else self._turn(now.mono_s)
            if at_s <= now.mono_s:
                self.sent = now
                return
            if at_s > min(self._send_by_s, self._give_up_at_s):
                break
            self._sleep(at_s - now.mono_s)
            now = self._clock.now()
        raise LeaseOver


class _Stream(httpcore.NetworkStream):
    """A socket on which every operation is bounded by the time left until the call's deadline."""

    def __init__(self, sock: socket.socket, deadlines: CallDeadlines, tls: TlsContext) -> None:
        self._sock = sock
        self._deadlines = deadlines
        self._tls = tls

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 the deadline is total
        with _mapped(httpcore.ReadTimeout, httpcore.ReadError):
            self._sock.settimeout(self._deadlines.left_s(httpcore.ReadTimeout))
            return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 the deadline is total
        rest = memoryview(buffer)
        with _mapped(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._sock.settimeout(self._deadlines.left_s(httpcore.WriteTimeout))
                self._deadlines.leave()
                rest = rest[self._sock.send(rest) :]

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 the pool's, which is that of its first connection
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 the deadline is total
    ) -> httpcore.NetworkStream:
        try:
            with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._sock.settimeout(self._deadlines.left_s(httpcore.ConnectTimeout))
                return _Stream(self._secured(server_hostname or ""), self._deadlines, self._tls)
        except BaseException:
            self.close()
            raise

    def _secured(self, host: str) -> ssl.SSLSocket:
        try:
            return self._tls.current.wrap_socket(self._sock, server_hostname=host)
        except ssl.SSLError as error:
            raise httpcore.ConnectError(connect_failure(error, host, self._tls.files.ca)) from error

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "ssl_object":
                return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
            case "socket":
                return self._sock
            case "is_readable":  # for an idle connection, this means that the server has closed it
                return _readable(self._sock)
            case _:
                return None


def _readable(sock: socket.socket) -> bool:
    """Whether the socket is closed, or a read would not block."""
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class _Network(httpcore.NetworkBackend):
    """Opens connections. Name resolution is not bounded by the deadline; nothing has been sent by then."""

    def __init__(self, deadlines: CallDeadlines, tls: TlsContext, proxy: HttpProxy | None) -> None:
        self._deadlines = deadlines
        self._tls = tls
        self._proxy = proxy

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 the deadline is total
        local_address: str | None = None,  # noqa: ARG002 never asked for
        socket_options: Iterable[_SocketOption] | None = None,  # noqa: ARG002 never asked for
    ) -> httpcore.NetworkStream:
        sock = self._dialled(host, port, host) if self._proxy is None else self._tunnelled(self._proxy, host, port)
        return _Stream(sock, self._deadlines, self._tls)

    def _tunnelled(self, proxy: HttpProxy, host: str, port: int) -> socket.socket:
        sock = self._dialled(proxy.host, proxy.port, f"the proxy {proxy.at}")
        try:
            with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
                open_tunnel(sock, proxy, host, port, lambda: self._deadlines.left_s(httpcore.ConnectTimeout))
        except BaseException:
            sock.close()
            raise
        return sock

    def _dialled(self, host: str, port: int, told_as: str) -> socket.socket:
        """``told_as``: how a failure names the other side."""
        with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            failure: OSError | None = None
            try:
                for family, kind, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                    try:
                        return self._connected(family, kind, protocol, place)
                    except OSError as failed:
                        failure = failed
            except socket.gaierror as unknown:
                raise httpcore.ConnectError(connect_failure(unknown, told_as, None)) from unknown
            if failure is not None and self._proxy is not None and not isinstance(failure, TimeoutError):
                raise httpcore.ConnectError(f"{told_as} cannot be reached: {failure}") from failure
            raise failure or OSError(f"{host} has no address")

    def _connected(self, family: int, kind: int, protocol: int, place: Any) -> socket.socket:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(self._deadlines.left_s(httpcore.ConnectTimeout))
            sock.connect(place)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        return sock


@contextmanager
def _mapped(late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Translates exceptions of the socket into those of httpcore."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error


_OF_HTTPX: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ProxyError: httpx.ProxyError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
    httpcore.WriteError: httpx.WriteError,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.NetworkError: httpx.NetworkError,
    httpcore.ProtocolError: httpx.ProtocolError,
    httpcore.TimeoutException: httpx.TimeoutException,
}


@contextmanager
def _translated(request: httpx.Request) -> Iterator[None]:
    """Translates exceptions of httpcore into those of httpx."""
    try:
        yield
    except tuple(_OF_HTTPX) as error:
        raise _OF_HTTPX.get(type(error), httpx.TransportError)(str(error), request=request) from error


class _Body(httpx.SyncByteStream):
    """The body of a response as a stream of httpx."""

    def __init__(self, response: httpcore.Response, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        with _translated(self._request):
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class Transport(httpx.BaseTransport):
    """An httpx transport with a single HTTP/1.1 connection to one address."""

    def __init__(self, address: Address, egress: Egress, deadlines: CallDeadlines) -> None:
        self._address = address
        proxy = egress.proxy_to(address.scheme, address.host, address.port)
        self._pool = httpcore.ConnectionPool(
            ssl_context=egress.tls.current,
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=_KEEP_ALIVE_S,
            http1=True,
            http2=False,  # measured: unsafe under load with this client
            network_backend=_Network(deadlines, egress.tls, proxy),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request. Raises ForbiddenAddress before connecting, LeaseOver, or httpx.TransportError."""
        url = request.url
        if not self._address.allows(url.scheme, url.host, url.port):
            raise ForbiddenAddress(f"{url.scheme}://{url.host} is not the configured address")
        with _translated(request):
            answer = self._pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions={"timeout": {"pool": 1.0}},
                )
            )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer, request))

    def close(self) -> None:
        self._pool.close()
