"""The registry's client behind TLS, a proxy, and each kind of authentication; files that change are read again."""

import re
import shutil
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.waiting import until
from streams.errors import RegistryDenied, RegistryDown
from streams.http.authentication import OAuthBearerAuth, RereadBasicAuth, RereadBearerAuth
from streams.http.egress import Egress
from streams.http.oauth import RENEW_AT, RETRY_S, OAuthClient, OAuthTokens
from streams.http.proxy import HttpProxy, parse_proxy
from streams.http.tls import TlsContext, TlsFiles
from streams.kafka.registry import RegistryClient
from tests.harness.connect_proxy import ConnectProxy
from tests.harness.tls_certificates import CA, CLIENT, OTHER_CA, serving
from tests.unit.connector.kaufland.answering_server import AnsweringServer, Received, answer, answering

SUBJECTS = answer(200, ["a-value"])


def trusting(ca: Path = CA, proxy: HttpProxy | None = None, **files: Path) -> Egress:
    return Egress(tls=TlsContext(TlsFiles(ca=ca, **files)), proxy=proxy)


def url(server: AnsweringServer, host: str = "localhost") -> str:
    return f"https://{host}:{server.port}"


def only_with(authorization: Callable[[], str]) -> Callable[[Received, socket.socket], bytes]:
    """Returns a registry that refuses requests with any other header Authorization."""

    def respond(request: Received, _socket: socket.socket) -> bytes:
        if request.headers.get("authorization") != authorization():
            return answer(401, {"error_code": 401, "message": "no"})
        return SUBJECTS

    return respond


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def test_a_registry_with_a_private_ca_is_reached_directly_and_through_a_proxy() -> None:
    with answering(lambda _r, _s: SUBJECTS, serving()) as server, ConnectProxy(user="me", password="pw") as proxy:
        through = HttpProxy(host="127.0.0.1", port=proxy.port, user="me", password=lambda: "pw")
        for egress in (trusting(), trusting(proxy=through)):
            with RegistryClient(url(server), egress=egress) as client:
                assert client.subjects() == ("a-value",)

    assert proxy.asked == [f"localhost:{server.port}"]


@pytest.mark.parametrize(
    ("certificate", "ca", "told"),
    [
        ("server", OTHER_CA, "signed by none of the CA certificates in"),
        ("expired", CA, "the certificate of localhost has expired"),
        ("other-name", CA, "the certificate of localhost is for another host name"),
    ],
)
def test_a_certificate_that_is_refused_is_told_with_the_reason(certificate: str, ca: Path, told: str) -> None:
    with (
        answering(lambda _r, _s: SUBJECTS, serving(certificate)) as server,
        RegistryClient(url(server), egress=trusting(ca)) as client,
        pytest.raises(RegistryDown, match=told) as down,
    ):
        client.subjects()

    assert " Remedy: " in str(down.value)


@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        (ConnectProxy(refuse=lambda _: b"HTTP/1.1 403 Filtered\r\n\r\n"), "registry.test:443 (403 Filtered)"),
        (ConnectProxy(user="me", password="pw"), "asks for a user and a password"),
    ],
    ids=["forbids", "wants a password"],
)
def test_a_proxy_that_opens_no_tunnel_is_told_apart_from_the_registry(proxy: ConnectProxy, told: str) -> None:
    with (
        proxy,
        RegistryClient("https://registry.test", egress=trusting(proxy=parse_proxy(proxy.url))) as client,
        pytest.raises(RegistryDown, match=re.escape(told)),
    ):
        client.subjects()


def test_a_client_certificate_is_shown_and_its_absence_told() -> None:
    with answering(lambda _r, _s: SUBJECTS, serving(clients=CA)) as server:
        with RegistryClient(url(server), egress=trusting(certificate=CLIENT)) as client:
            assert client.subjects() == ("a-value",)
        with RegistryClient(url(server), egress=trusting()) as client, pytest.raises(RegistryDown):
            client.subjects()


def test_a_ca_file_that_is_replaced_counts_for_the_next_request(tmp_path: Path) -> None:
    file = Path(shutil.copy(OTHER_CA, tmp_path / "ca.pem"))
    with (
        answering(lambda _r, _s: SUBJECTS, serving()) as server,
        RegistryClient(url(server), egress=trusting(file)) as client,
    ):
        with pytest.raises(RegistryDown):
            client.subjects()
        file.unlink()
        shutil.copy(CA, file)
        assert client.subjects() == ("a-value",)


def test_user_and_password_are_read_for_each_request() -> None:
    password = "old"
    with (
        answering(only_with(lambda: basic("me", "new")), serving()) as server,
        RegistryClient(url(server), egress=trusting(), auth=RereadBasicAuth(lambda: "me", lambda: password)) as client,
    ):
        with pytest.raises(RegistryDenied, match="refuses the credentials") as denied:
            client.subjects()
        password = "new"
        assert client.subjects() == ("a-value",)

    assert "old" not in str(denied.value)


def test_a_bearer_token_is_read_for_each_request() -> None:
    tokens = iter(["old", "new"])
    auth = RereadBearerAuth(lambda: next(tokens))
    with (
        answering(only_with(lambda: "Bearer new"), serving()) as server,
        RegistryClient(url(server), egress=trusting(), auth=auth) as client,
    ):
        with pytest.raises(RegistryDenied):
            client.subjects()
        assert client.subjects() == ("a-value",)


# ---- OAuth ----------------------------------------------------------------------------------------------------------


class TokenEndpoint:
    """Gives out tokens token-1, token-2, ... for one secret."""

    def __init__(self) -> None:
        self.secret = "s e/cret"
        self.requests = 0
        self.asked: list[dict[str, str]] = []
        self.lifetime: Any = 100
        self.down = False
        self.gate = threading.Event()
        self.gate.set()

    def respond(self, request: Received, _socket: socket.socket) -> bytes:
        self.requests += 1
        self.gate.wait(60)
        if self.down:
            return answer(503)
        if request.headers["authorization"] != basic("my%20id", "s%20e%2Fcret"):
            return answer(401, {"error": "invalid_client"})
        self.asked.append(dict(httpx.QueryParams(request.body.decode())))
        return answer(200, {"access_token": f"token-{len(self.asked)}", "expires_in": self.lifetime})


class FixedClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def endpoint() -> TokenEndpoint:
    return TokenEndpoint()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def tokens(endpoint: TokenEndpoint, clock: FixedClock) -> Iterator[OAuthTokens]:
    with answering(endpoint.respond, serving()) as server:
        client = OAuthClient(
            url=f"{url(server)}/token", client_id="my id", secret=lambda: endpoint.secret, scope="read write"
        )
        made = OAuthTokens(client, trusting(), clock=clock, timeout_s=60)
        yield made
        made.close()


def test_a_token_is_used_until_most_of_its_life_is_over(
    endpoint: TokenEndpoint, tokens: OAuthTokens, clock: FixedClock
) -> None:
    first = tokens.current()
    clock.now_s += 100 * RENEW_AT - 1
    same = tokens.current()
    clock.now_s += 2
    second = tokens.current()

    assert (first, same, second) == ("token-1", "token-1", "token-2")
    assert endpoint.asked == [{"grant_type": "client_credentials", "scope": "read write"}] * 2


def test_a_token_that_is_still_valid_is_used_while_the_endpoint_is_down(
    endpoint: TokenEndpoint, tokens: OAuthTokens, clock: FixedClock
) -> None:
    tokens.current()
    endpoint.down = True
    clock.now_s += 90

    assert tokens.current() == "token-1"
    endpoint.down = False
    assert tokens.current() == "token-1", "the endpoint is not asked again at once"
    clock.now_s += RETRY_S
    assert tokens.current() == "token-2"


def test_an_expired_token_is_never_used(endpoint: TokenEndpoint, tokens: OAuthTokens, clock: FixedClock) -> None:
    tokens.current()
    endpoint.down = True
    clock.now_s += 100

    with pytest.raises(RegistryDown, match="answers 503 without an access token"):
        tokens.current()


def test_threads_that_need_a_token_at_once_make_one_request(endpoint: TokenEndpoint, tokens: OAuthTokens) -> None:
    endpoint.gate.clear()
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(tokens.current())) for _ in range(5)]
    for thread in threads:
        thread.start()
    endpoint.gate.set()
    for thread in threads:
        thread.join(60)

    assert got == ["token-1"] * 5
    assert len(endpoint.asked) == 1


def test_threads_share_the_failure_of_one_request_and_no_other_is_made_for_a_while(
    endpoint: TokenEndpoint, tokens: OAuthTokens, clock: FixedClock
) -> None:
    endpoint.gate.clear()
    endpoint.down = True
    told: list[str] = []

    def ask() -> None:
        with pytest.raises(RegistryDown) as failed:
            tokens.current()
        told.append(str(failed.value))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    endpoint.gate.set()
    for thread in threads:
        thread.join(60)
    assert len(told) == 5
    assert (len(set(told)), endpoint.requests) == (1, 1)

    ask()
    assert endpoint.requests == 1, "the endpoint is not asked again at once"
    endpoint.down = False
    clock.now_s += RETRY_S
    assert tokens.current() == "token-1"


def test_while_a_token_is_valid_no_thread_waits_for_the_next_one(
    endpoint: TokenEndpoint, tokens: OAuthTokens, clock: FixedClock
) -> None:
    assert tokens.current() == "token-1"
    clock.now_s += 100 * RENEW_AT
    endpoint.gate.clear()
    renewing = threading.Thread(target=tokens.current)
    renewing.start()
    until("the request for the next token", lambda: endpoint.requests == 2)

    assert tokens.current() == "token-1"

    endpoint.gate.set()
    renewing.join(60)
    assert tokens.current() == "token-2"


def test_a_wrong_secret_is_told_without_it(endpoint: TokenEndpoint, tokens: OAuthTokens) -> None:
    endpoint.secret = "wr0ng-secret"

    with pytest.raises(RegistryDenied, match=r"refuses client_id my id \(401, invalid_client\)") as denied:
        tokens.current()

    assert "wr0ng-secret" not in str(denied.value)
    endpoint.secret = "s e/cret"
    assert tokens.current() == "token-1"


@pytest.mark.parametrize(("lifetime", "renewed_s"), [("50", 41), (None, 241), ("soon", 241)])
def test_a_lifetime_is_read_from_a_number_or_text_or_assumed(
    endpoint: TokenEndpoint, tokens: OAuthTokens, clock: FixedClock, lifetime: object, renewed_s: float
) -> None:
    endpoint.lifetime = lifetime
    tokens.current()

    clock.now_s += renewed_s - 2
    assert tokens.current() == "token-1"
    clock.now_s += 2
    assert tokens.current() == "token-2"


def test_a_token_that_the_registry_refuses_is_replaced_once(endpoint: TokenEndpoint, tokens: OAuthTokens) -> None:
    tokens.current()
    with (
        answering(only_with(lambda: "Bearer token-2"), serving()) as server,
        RegistryClient(url(server), egress=trusting(), auth=OAuthBearerAuth(tokens)) as client,
    ):
        assert client.subjects() == ("a-value",)
        server.script = only_with(lambda: "Bearer never")
        with pytest.raises(RegistryDenied):
            client.subjects()

    assert len(endpoint.asked) == 3


@pytest.mark.parametrize("token", ["s3cret\nsecond line", "s3cret\u00e4", "s3cret second"])
def test_a_file_that_holds_no_token_is_told_without_its_content(token: str) -> None:
    with (
        answering(lambda _r, _s: SUBJECTS) as server,
        RegistryClient(f"http://127.0.0.1:{server.port}", auth=RereadBearerAuth(lambda: token)) as client,
        pytest.raises(RegistryDenied, match="token_file") as denied,
    ):
        client.subjects()

    assert "s3cret" not in str(denied.value)
