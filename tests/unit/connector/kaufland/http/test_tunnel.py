"""The answer of a proxy to CONNECT, and calls through one: each way to fail is told in a sentence of its own."""

import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.kaufland.http.address import Address
from connector.kaufland.http.client import Client
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.http.exchange import ApiResponse, TransportFailure
from connector.kaufland.http.skew import SkewMeter
from connector.kaufland.http.tunnel import connect_request, refused
from streams.http.egress import Egress
from streams.http.proxy import HttpProxy, NoProxy, parse_proxy
from streams.http.tls import TlsContext, TlsFiles
from tests.harness.connect_proxy import ConnectProxy
from tests.harness.tls_certificates import CA, OTHER_CA, serving
from tests.unit.connector.kaufland.answering_server import AnsweringServer, answer, answering
from tests.unit.connector.kaufland.http.test_transport import ping
from tests.unit.connector.kaufland.wants import RealClock

PROXY = HttpProxy(host="proxy.test", port=3128)


@contextmanager
def client(port: int, proxy: HttpProxy | None, *, ca: Path = CA, no_proxy: tuple[str, ...] = ()) -> Iterator[Client]:
    made = Client(
        address=Address(scheme="https", host="localhost", port=port, path="/v2"),
        credentials=Credentials.of("k" * 32, "s" * 64),
        skew=SkewMeter(),
        clock=RealClock(),
        egress=Egress(tls=TlsContext(TlsFiles(ca=ca)), proxy=proxy, no_proxy=NoProxy.of(no_proxy)),
        user_agent="test",
    )
    try:
        yield made
    finally:
        made.close()


@contextmanager
def api(tls: ssl.SSLContext) -> Iterator[AnsweringServer]:
    with answering(lambda _r, _s: answer(200, {"data": {}}), tls) as server:
        yield server


def failure(port: int, proxy: HttpProxy | None, ca: Path = CA) -> TransportFailure:
    """Makes a call that is not answered; nothing of it may have left."""
    with client(port, proxy, ca=ca) as made:
        outcome = ping(made).outcome
    assert isinstance(outcome, TransportFailure)
    assert not outcome.left
    return outcome


def test_a_call_goes_through_the_tunnel_and_further_calls_use_it_again() -> None:
    with api(serving()) as server, ConnectProxy() as proxy, client(server.port, parse_proxy(proxy.url)) as made:
        outcomes = [ping(made).outcome for _ in range(3)]

    assert [isinstance(outcome, ApiResponse) for outcome in outcomes] == [True] * 3
    assert proxy.asked == [f"localhost:{server.port}"]
    assert [request.headers["host"] for request in server.received] == [f"localhost:{server.port}"] * 3
    assert "proxy-authorization" not in server.received[0].headers


def test_a_host_that_needs_no_proxy_is_reached_directly() -> None:
    with (
        api(serving()) as server,
        ConnectProxy() as proxy,
        client(server.port, parse_proxy(proxy.url), no_proxy=("localhost",)) as made,
    ):
        assert isinstance(ping(made).outcome, ApiResponse)

    assert proxy.asked == []


def test_a_password_of_the_proxy_is_read_again_for_the_next_connection() -> None:
    passwords = iter(["old", "new"])
    with api(serving()) as server, ConnectProxy(user="me", password="new") as proxy:
        asking = HttpProxy(host="127.0.0.1", port=proxy.port, user="me", password=lambda: next(passwords))
        with client(server.port, asking) as made:
            first, second = ping(made).outcome, ping(made).outcome

    assert isinstance(first, TransportFailure)
    assert (first.error, first.left) == ("ProxyError", False)
    assert first.text.startswith(f"the proxy 127.0.0.1:{proxy.port} asks for a user and a password")
    assert "old" not in first.text
    assert isinstance(second, ApiResponse)


def test_a_refused_tunnel_is_told_with_the_proxys_status() -> None:
    with ConnectProxy(refuse=lambda _: b"HTTP/1.1 403 Filtered\r\n\r\n") as proxy:
        outcome = failure(7, parse_proxy(proxy.url))

    assert outcome.error == "ProxyError"
    assert f"the proxy 127.0.0.1:{proxy.port} refuses a tunnel to localhost:7 (403 Filtered)" in outcome.text


def test_what_speaks_no_http_is_no_proxy() -> None:
    with ConnectProxy(refuse=lambda _: b"220 mail.test ESMTP\r\n\r\n") as proxy:
        assert "something other than HTTP" in failure(7, parse_proxy(proxy.url)).text


def test_a_proxy_that_is_not_there_is_told_apart_from_the_marketplace() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]

    assert failure(7, HttpProxy(host="127.0.0.1", port=port)).text.startswith(
        f"the proxy 127.0.0.1:{port} cannot be reached: [Errno 111]"
    )
    unknown = failure(7, HttpProxy(host="proxy.invalid", port=1))
    assert unknown.text.startswith("the name the proxy proxy.invalid:1 is not resolved")


@pytest.mark.parametrize("tunnelled", [False, True], ids=["directly", "through a proxy"])
@pytest.mark.parametrize(
    ("certificate", "ca", "told"),
    [
        ("server", OTHER_CA, f"is signed by none of the CA certificates in {OTHER_CA} (unable to get local issuer"),
        ("expired", CA, "the certificate of localhost has expired. Remedy: renew it"),
        ("other-name", CA, "the certificate of localhost is for another host name (Hostname mismatch"),
    ],
)
def test_a_certificate_that_is_refused_is_told_with_the_reason(
    certificate: str, ca: Path, told: str, tunnelled: bool
) -> None:
    with api(serving(certificate)) as server, ConnectProxy() as proxy:
        outcome = failure(server.port, parse_proxy(proxy.url) if tunnelled else None, ca=ca)

    assert outcome.error == "ConnectError"
    assert told in outcome.text
    assert " Remedy: " in outcome.text
    assert server.received == []


def test_a_ca_file_that_is_replaced_counts_for_the_next_connection(tmp_path: Path) -> None:
    file = Path(shutil.copy(OTHER_CA, tmp_path / "ca.pem"))
    with api(serving()) as server, client(server.port, None, ca=file) as made:
        before = ping(made).outcome
        file.unlink()
        shutil.copy(CA, file)
        after = ping(made).outcome

    assert isinstance(before, TransportFailure)
    assert isinstance(after, ApiResponse)


def test_an_ipv6_address_is_asked_for_in_brackets() -> None:
    assert connect_request(PROXY, "::1", 443) == b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"


@given(st.binary(max_size=200))
@example(b"HTTP/1.1 200 OK\r\n\r\n")
@example(b"HTTP/1.0 204\r\nx: y\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\n\r\nEHLO")
@example(b"HTTP/1.1 \xb2\xb2\xb2 \r\n\r\n")
def test_only_a_2xx_opens_the_tunnel_and_any_other_bytes_are_refused(head: bytes) -> None:
    opened = refused(PROXY, "api.test:443", head) == ""

    words = head.partition(b"\r\n")[0].split(b" ", 2)
    is_2xx = words[0].startswith(b"HTTP/1.") and len(words) > 1 and words[1][:1] == b"2" and words[1].isdigit()
    assert opened is (is_2xx and len(words[1]) == 3 and head.endswith(b"\r\n\r\n"))


@given(st.integers(min_value=300, max_value=599), st.text(max_size=200))
def test_a_refusal_names_the_status_and_shows_only_printable_text(status: int, reason: str) -> None:
    line = f"HTTP/1.1 {status} {reason}".encode("utf-8", "replace").replace(b"\r\n", b"")

    told = refused(PROXY, "api.test:443", line + b"\r\n\r\n")

    assert str(status) in told
    assert told.isprintable()
