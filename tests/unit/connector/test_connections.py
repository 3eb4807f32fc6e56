"""Clients that are made of settings reach a registry and a marketplace with TLS, credentials and a proxy."""

import shutil
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from rich.console import Console

from connector import connections
from connector.configuration import load_settings
from connector.logs import SCRUBBER
from connector.operations import config
from connector.settings.load import Loaded
from connector.settings.model import TracesSettings
from streams.errors import RegistryDenied, RegistryDown
from streams.kafka.registry import RegistryClient
from tests.harness.connect_proxy import ConnectProxy
from tests.harness.otlp_collector import collecting
from tests.harness.tls_certificates import CA, CLIENT, serving
from tests.unit.connector.kaufland.answering_server import AnsweringServer, answer, answering

SETTINGS = """
[kafka]
bootstrap_servers = "127.0.0.1:1"
group = "offers"
start = "earliest"
instance_id = "connector-0"
[registry]
url = "https://localhost:{registry}"
{registry_settings}
[accounts.main]
client_key_file = "client_key"
secret_key_file = "secret_key"
base_url = "https://localhost:{marketplace}/v2"
simulator = true
[targets.shop-de]
account = "main"
storefront = "de"
"""


@contextmanager
def registry(tls: ssl.SSLContext | None = None) -> Iterator[AnsweringServer]:
    with answering(lambda _r, _s: answer(200, []), tls or serving()) as server:
        yield server


def loaded(
    folder: Path,
    *,
    registry: int = 1,
    marketplace: int = 1,
    registry_settings: str = "",
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    for name, length in (("client_key", 32), ("secret_key", 64)):
        (folder / name).write_text("k" * length)
    file = folder / "connector.toml"
    file.write_text(SETTINGS.format(registry=registry, marketplace=marketplace, registry_settings=registry_settings))
    return load_settings(file, environ or {}, datetime.now(UTC))


def opened(folder: Path, server: AnsweringServer, given: str) -> RegistryClient:
    """Returns the client of a registry with these further settings."""
    return connections.registry(loaded(folder, registry=server.port, registry_settings=given).settings)


def secret(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    file.chmod(0o600)
    return file


def test_the_marketplace_is_reached_through_the_proxy_with_the_ca_file_of_the_environment(tmp_path: Path) -> None:
    storefronts = answer(200, {"data": ["de"]})
    with (
        answering(lambda _r, _s: storefronts, serving()) as server,
        ConnectProxy(user="me", password="s3cret") as proxy,
    ):
        environ = {
            "SSL_CERT_FILE": str(CA),
            "CONNECTOR__HTTP__PROXY": proxy.url,
            "CONNECTOR__HTTP__PROXY_USER": "me",
            "CONNECTOR__HTTP__PROXY_PASSWORD_FILE": str(secret(tmp_path, "proxy", "s3cret\n")),
        }
        adapter = connections.marketplace(loaded(tmp_path, marketplace=server.port, environ=environ).settings)
        health = adapter.check("main")
        adapter.close()

    assert (health.authenticated, health.storefronts) == (True, ("de",)), health.message
    assert proxy.asked == [f"localhost:{server.port}"]
    assert SCRUBBER.clean("s3cret") == "***"


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(tmp_path: Path) -> None:
    with answering(lambda _r, _s: answer(200, {"data": ["de"]}), serving()) as server, ConnectProxy() as proxy:
        environ = {"SSL_CERT_FILE": str(CA), "HTTPS_PROXY": proxy.url}
        adapter = connections.marketplace(loaded(tmp_path, marketplace=server.port, environ=environ).settings)
        assert adapter.check("main").authenticated
        adapter.close()

    assert proxy.asked == []


def test_marketplace_and_registry_are_reached_by_the_usual_variables_alone(tmp_path: Path) -> None:
    with (
        answering(lambda _r, _s: answer(200, {"data": ["de"]}), serving()) as server,
        registry() as schemas,
        ConnectProxy(user="me", password="s3cret") as proxy,
    ):
        environ = {
            "SSL_CERT_FILE": str(CA),
            "HTTPS_PROXY": proxy.url.replace("//", "//me:s3cret@"),
            "CONNECTOR__HTTP__NO_PROXY": "elsewhere.test",  # by default, this machine is reached directly
        }
        configured = loaded(tmp_path, marketplace=server.port, registry=schemas.port, environ=environ).settings
        adapter = connections.marketplace(configured)
        health = adapter.check("main")
        adapter.close()
        with connections.registry(configured) as client:
            client.subjects()

    assert health.authenticated, health.message
    assert proxy.asked == [f"localhost:{server.port}", f"localhost:{schemas.port}"]


def test_what_a_check_of_the_marketplace_says_has_a_remedy(tmp_path: Path) -> None:
    with answering(lambda _r, _s: answer(200), serving()) as server:
        adapter = connections.marketplace(loaded(tmp_path, marketplace=server.port).settings)
        health = adapter.check("main")
        adapter.close()

    assert health.message.startswith("not reachable: the certificate of localhost is signed by none of the shipped CA")
    assert " Remedy: name a file" in health.message


def test_the_registry_gets_user_and_password_of_files_that_are_read_again(tmp_path: Path) -> None:
    user, password = secret(tmp_path, "user", "me\n"), secret(tmp_path, "password", "old-password\n")
    given = f'ca_file = "{CA}"\nuser_file = "{user}"\npassword_file = "{password}"'
    with registry() as server, opened(tmp_path, server, given) as client:
        client.subjects()
        password.write_text("new-password")
        client.subjects()

    sent = [request.headers["authorization"] for request in server.received]
    assert sent == ["Basic " + b64encode(f"me:{kind}-password".encode()).decode() for kind in ("old", "new")]
    assert SCRUBBER.clean("old-password new-password") == "*** ***"


def test_the_registry_gets_a_token_and_a_client_certificate_of_files_that_are_read_again(tmp_path: Path) -> None:
    certificate = Path(shutil.copy(CLIENT, tmp_path / "client.pem"))
    token = secret(tmp_path, "token", "token-1")
    given = f'ca_file = "{CA}"\nclient_certificate_file = "{certificate}"\ntoken_file = "{token}"'
    with registry(serving(clients=CA)) as server, opened(tmp_path, server, given) as client:
        client.subjects()
        certificate.write_bytes(CLIENT.read_bytes() + b"\n")  # as valid as before
        client.subjects()
        token.write_text("token-2")
        client.subjects()

    sent = [(request.headers["authorization"], request.connection) for request in server.received]
    assert sent == [("Bearer token-1", 1), ("Bearer token-1", 2), ("Bearer token-2", 2)], "a new certificate connects"


def test_the_registry_gets_tokens_of_a_token_endpoint(tmp_path: Path) -> None:
    file = secret(tmp_path, "oauth", "the-secret")
    tokens = iter([answer(401, {"error": "invalid_client"}), answer(200, {"access_token": "access-1"})])
    with registry() as server, answering(lambda _r, _s: next(tokens), serving()) as endpoint:
        oauth = f'url = "https://localhost:{endpoint.port}/token", client_id = "me", client_secret_file = "{file}"'
        given = f'ca_file = "{CA}"\noauth = {{ {oauth}, scope = "read" }}'
        with opened(tmp_path, server, given) as client:
            with pytest.raises(RegistryDenied, match="refuses client_id me"):
                client.subjects()
            file.write_text("another-secret\n")
            client.subjects()

    assert [request.headers["authorization"] for request in server.received] == ["Bearer access-1"]
    assert "scope=read" in endpoint.received[0].body.decode()
    asked = [request.headers["authorization"] for request in endpoint.received]
    assert asked == ["Basic " + b64encode(f"me:{kind}-secret".encode()).decode() for kind in ("the", "another")]
    assert SCRUBBER.clean("access-1") == "***"


def test_who_registers_waits_longer_for_an_answer_than_the_setting_says(tmp_path: Path) -> None:
    def slowly(*_: object) -> bytes:
        Event().wait(0.4)
        return answer(200, [])

    with answering(slowly, serving()) as server:
        given = f'timeout = "200ms"\nca_file = "{CA}"'
        settings = loaded(tmp_path, registry=server.port, registry_settings=given).settings
        with connections.registry(settings) as client, pytest.raises(RegistryDown):
            client.subjects()
        with connections.registry(settings, at_least_s=connections.REGISTERING_S) as client:
            assert client.subjects() == ()


def test_config_show_names_the_variable_of_a_setting_and_masks_a_password(tmp_path: Path) -> None:
    environ = {"SSL_CERT_FILE": str(CA), "HTTPS_PROXY": "http://me:s3cret@proxy.test:3128", "NO_PROXY": ".svc"}
    console = Console(width=500, record=True, file=(tmp_path / "out").open("w"))

    config.show(console, loaded(tmp_path, environ=environ))

    lines = console.export_text().splitlines()
    assert f"http.ca_file = {CA}  # from SSL_CERT_FILE" in lines
    assert "http.proxy = http://me:***@proxy.test:3128  # from HTTPS_PROXY" in lines
    assert "http.no_proxy = .svc, localhost, 127.0.0.0/8, ::1  # from NO_PROXY" in lines
    assert not [line for line in lines if "s3cret" in line]


@pytest.mark.parametrize(("status", "problem"), [(200, ""), (401, "the collector answers with status 401")])
def test_a_collector_is_asked_with_its_headers(tmp_path: Path, status: int, problem: str) -> None:
    headers = tmp_path / "headers"
    headers.write_text("X-Token: canary-of-the-collector\n")
    with collecting() as collector:
        collector.status = status
        traces = TracesSettings(enabled=True, endpoint=collector.endpoint, headers_file=headers)

        configured = loaded(tmp_path).settings.model_copy(update={"traces": traces})
        assert connections.collector_problem(configured) == problem

    assert collector.headers[0]["x-token"] == "canary-of-the-collector"
    assert SCRUBBER.clean("said canary-of-the-collector") == "said ***"


def test_a_collector_is_asked_as_spans_are_sent_with_the_variables_of_opentelemetry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting(serving()) as collector:
        traces = TracesSettings(enabled=True, endpoint=collector.endpoint)
        configured = loaded(tmp_path).settings.model_copy(update={"traces": traces})
        unknown = connections.collector_problem(configured)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(CA))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop")
        assert connections.collector_problem(configured) == ""

    assert "the certificate of localhost is signed by none of the shipped CA certificates" in unknown
    assert " Remedy: " in unknown
    assert collector.headers[0]["x-tenant"] == "shop"


def test_a_collector_that_cannot_be_asked_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text("X-Token: caf\u00e9\n", encoding="utf-8")
    traces = TracesSettings(enabled=True, endpoint="http://127.0.0.1:9/v1/traces", headers_file=headers)

    configured = loaded(tmp_path).settings.model_copy(update={"traces": traces})

    assert "cannot be asked" in connections.collector_problem(configured)
