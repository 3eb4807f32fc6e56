"""The transport: HTTPS, the total deadline on every operation, and the exceptions for failures."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpcore
import httpx
import pytest

from connector.kaufland.account import AccountState, KauflandAccount
from connector.kaufland.account_check import PING
from connector.kaufland.http.address import Address
from connector.kaufland.http.client import Client
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.http.exchange import ApiResponse, Exchange, TransportFailure
from connector.kaufland.http.skew import SkewMeter
from connector.kaufland.http.transport import _OF_HTTPX, CallDeadlines, LeaseOver, _Stream
from connector.kaufland.verdict.table import TRANSPORT_ROWS
from streams.clock import uptime_s
from streams.flow import Now
from streams.http.egress import Egress
from streams.http.tls import TlsContext, TlsFiles
from tests.unit.connector.kaufland.answering_server import Received, answer, answering
from tests.unit.connector.kaufland.wants import SOON_S, RealClock

CERTIFICATE = Path(__file__).parents[4] / "data/kaufland/loopback-cert.pem"
KEY = CERTIFICATE.with_name("loopback-key.pem")
ADDRESS = Address(scheme="https", host="127.0.0.1", port=443, path="/v2")
CREDENTIALS = Credentials.of("k" * 32, "s" * 64)


def serving() -> ssl.SSLContext:
    """Returns a TLS context for a server with the test certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    return context


def trusting() -> Egress:
    """Returns the egress of a client that trusts the test certificate."""
    return Egress(tls=TlsContext(TlsFiles(ca=CERTIFICATE)))


@contextmanager
def client(port: int, egress: Egress) -> Iterator[Client]:
    clock = RealClock()
    made = Client(
        address=replace(ADDRESS, port=port),
        credentials=CREDENTIALS,
        skew=SkewMeter(),
        clock=clock,
        egress=egress,
        user_agent="test",
    )
    try:
        yield made
    finally:
        made.close()


def ping(made: Client, within_s: float = 60.0) -> Exchange:
    """Makes a ping that may take at most ``within_s``."""
    by_s = uptime_s() + within_s
    return made.exchange(PING, send_by_s=by_s, give_up_at_s=by_s)


def test_https_is_spoken_over_one_connection() -> None:
    with (
        answering(lambda _r, _s: answer(200, {"data": {}}), serving()) as server,
        client(server.port, trusting()) as made,
    ):
        first, second = ping(made), ping(made)

    assert isinstance(first.outcome, ApiResponse)
    assert isinstance(second.outcome, ApiResponse)
    assert (first.outcome.status, second.outcome.status) == (200, 200)
    assert [request.connection for request in server.received] == [1, 1]
    assert server.received[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_nothing_is_sent_with_an_untrusted_certificate() -> None:
    with (
        answering(lambda _r, _s: answer(200), serving()) as server,
        client(server.port, Egress()) as made,
    ):
        outcome = ping(made).outcome

    assert isinstance(outcome, TransportFailure)
    assert (outcome.error, outcome.left) == ("ConnectError", False)
    assert "signed by none of the shipped CA certificates (self-signed certificate)" in outcome.text
    assert server.received == []


def test_a_slow_response_over_https_does_not_extend_the_deadline() -> None:
    def drip(_request: Received, sock: socket.socket) -> None:
        while not server.closing.wait(0.02):
            sock.sendall(b"H")

    with answering(drip, serving()) as server, client(server.port, trusting()) as made:
        began_s = uptime_s()
        outcome = ping(made, 0.25).outcome
        took_s = uptime_s() - began_s

    assert took_s < SOON_S
    assert isinstance(outcome, TransportFailure)
    assert outcome.left


def test_nothing_is_sent_if_the_handshake_does_not_end_before_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, client(silent.getsockname()[1], trusting()) as made:
        began_s = uptime_s()
        outcome = ping(made, 0.2).outcome
        took_s = uptime_s() - began_s

    assert took_s < SOON_S
    assert isinstance(outcome, TransportFailure)
    assert (outcome.error, outcome.left) == ("ConnectTimeout", False)


def passage(send_by_s: float = 60.0, give_up_at_s: float = 60.0) -> CallDeadlines:
    """Returns the deadlines of a call, in seconds from now."""
    now_s = uptime_s()
    made = CallDeadlines(RealClock())
    made.begin(send_by_s=now_s + send_by_s, give_up_at_s=now_s + give_up_at_s)
    return made


def test_a_slowly_reading_server_does_not_extend_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drain() -> None:
        while not over.wait(0.01):
            theirs.recv(8192)

    reader = threading.Thread(target=drain)
    reader.start()
    began_s = uptime_s()
    with pytest.raises(httpcore.WriteTimeout):
        _Stream(ours, passage(give_up_at_s=0.2), TlsContext()).write(b"x" * 50_000_000)
    took_s = uptime_s() - began_s
    over.set()
    ours.close()
    reader.join(SOON_S)
    theirs.close()

    assert took_s < SOON_S


def test_the_lease_is_checked_for_the_first_byte_only() -> None:
    ours, theirs = socket.socketpair()
    tls, way = TlsContext(), passage(send_by_s=-1)
    with pytest.raises(LeaseOver):
        _Stream(ours, way, tls).write(b"x")
    assert way.sent is None

    way = passage(send_by_s=0.05)
    stream = _Stream(ours, way, tls)
    stream.write(b"x")
    while uptime_s() < way._send_by_s:
        threading.Event().wait(0.01)
    stream.write(b"y")

    assert way.sent is not None
    assert theirs.recv(9) == b"xy"
    ours.close()
    theirs.close()


@dataclass
class SleptClock:
    """A clock that moves only while somebody sleeps."""

    mono_s: float = 100.0
    slept_s: list[float] = field(default_factory=list)

    def now(self) -> Now:
        return Now(mono_s=self.mono_s, wall_us=0)

    def sleep(self, for_s: float) -> None:
        self.slept_s.append(for_s)
        self.mono_s += for_s


def test_the_first_byte_waits_for_its_turn_and_leaves_nothing_if_the_lease_ends_before() -> None:
    clock = SleptClock()
    account = AccountState(KauflandAccount(name="one", credentials=CREDENTIALS, address=ADDRESS))
    ways = [CallDeadlines(clock, clock.sleep) for _ in range(5)]
    for way, send_by_s in zip(ways, (200.0, 200.0, 200.0, 200.0, 100.5), strict=True):
        way.begin(send_by_s=send_by_s, give_up_at_s=300.0, turn=lambda now_s: account.leave(now_s, 1.5))
    *timely, late = ways

    for way in timely[:3]:
        way.leave()
    with pytest.raises(LeaseOver):
        late.leave()
    assert clock.slept_s == []
    timely[3].leave()
    timely[3].leave()

    assert [way.sent and way.sent.mono_s for way in ways] == [100.0, 100.0, 100.0, 101.0, None]
    assert clock.slept_s == [1.0]


def test_every_failure_of_the_connection_pool_is_named_as_httpx_names_it() -> None:
    for ours, theirs in _OF_HTTPX.items():
        assert issubclass(theirs, httpx.TransportError)
        assert ours.__name__ == theirs.__name__
        assert theirs.__name__ in TRANSPORT_ROWS
    failures = {
        found
        for found in vars(httpcore).values()
        if isinstance(found, type) and issubclass(found, Exception) and hasattr(httpx, found.__name__)
    }
    assert failures == set(_OF_HTTPX)
