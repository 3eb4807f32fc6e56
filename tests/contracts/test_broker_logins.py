"""The ways to log in at a broker that the documentation names: each as settings of a configuration file.

A login counts if the broker takes the client for the principal that has the right to see a topic, and for no other.
"""

import json
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented there
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from connector.configuration import load_settings
from connector.connections import connection
from devstack.stack import create_topics
from devstack.waiting import until
from streams.kafka.live_clients import LiveClients
from tests.harness import tls_certificates
from tests.harness.connect_proxy import ConnectProxy
from tests.harness.secured_broker import PLAIN_USER, SecuredBroker
from tests.unit.connector.settings.test_load import MINIMAL

pytestmark = pytest.mark.kafka

CLIENT_ID, CLIENT_SECRET = "connector", "s3cret/with+signs"
ASK_S = 60.0


class OidcEndpoint(BaseHTTPRequestHandler):
    """Gives tokens for the client credentials grant, as JWTs without signature: the broker of the tests takes them."""

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        header = self.headers.get("Authorization", "")
        allowed = header.startswith("Basic ") and form.get("grant_type") == ["client_credentials"]
        now_s = int(time.time())
        claims = {"sub": CLIENT_ID, "iat": now_s, "exp": now_s + 600}
        token = f"{_part({'alg': 'none'})}.{_part(claims)}."
        body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 600}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _part(content: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@contextmanager
def token_endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OidcEndpoint)
    server.socket = tls_certificates.serving().wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()


def configured(folder: Path, servers: str, properties: dict[str, str], secrets: dict[str, str]) -> dict[str, Any]:
    """Returns the configuration of an admin client for a file with these properties; ``secrets`` are in files."""
    for key, length in (("client_key", 32), ("secret_key", 64)):
        (folder / key).write_text("k" * length)
    for name, secret in secrets.items():
        (folder / name).write_text(secret + "\n")
    rows = ["[kafka.properties]", *(f'"{name}" = "{value}"' for name, value in properties.items())]
    rows += ["[kafka.properties_from_files]", *(f'"{name}" = "{name}"' for name in secrets)]
    text = MINIMAL.replace("127.0.0.1:9092", servers).replace("[registry]", "\n".join([*rows, "[registry]"]))
    (folder / "connector.toml").write_text(text)
    settings = load_settings(folder / "connector.toml", {}, datetime.now(UTC)).settings
    return {**connection(settings).admin(), "log_level": 0}


def topic_for(secured: SecuredBroker, principal: str) -> str:
    """Creates a topic that only this principal may describe."""
    topic = f"of-{uuid.uuid4().hex[:10]}"
    create_topics(secured.admin, NewTopic(topic, 1, 1))
    right = (ResourcePatternType.LITERAL, principal, "*", AclOperation.DESCRIBE, AclPermissionType.ALLOW)
    secured.allow([AclBinding(ResourceType.TOPIC, topic, *right)])
    return topic


def answer(configuration: dict[str, Any], topic: str) -> int | None:
    """Returns the error code of describing the topic, or None if the broker describes it."""
    refused: KafkaError | None = AdminClient(configuration).list_topics(topic, timeout=ASK_S).topics[topic].error
    return None if refused is None else refused.code()


def refusal(configuration: dict[str, Any]) -> int:
    """Waits until the broker has refused the login, and returns the client's error code."""
    errors: list[int] = []
    known = {KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError._ALL_BROKERS_DOWN}
    told: dict[str, Any] = {"error_cb": lambda error: errors.append(error.code())}
    client = AdminClient({**configuration, **told})

    def is_refused() -> bool:
        client.poll(0.1)
        return not known.isdisjoint(errors)

    until("the login to be refused", is_refused)
    with pytest.raises(KafkaException):
        client.list_topics(timeout=1)
    return next(code for code in errors if code in known)


def test_a_user_logs_in_with_plain_and_a_password_from_a_file(secured: SecuredBroker, tmp_path: Path) -> None:
    user, password = PLAIN_USER
    properties = {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(secured.certificate),
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
    }
    topic = topic_for(secured, f"User:{user}")

    right = configured(tmp_path, secured.bootstrap_servers, properties, {"sasl.password": password})
    wrong = configured(tmp_path, secured.bootstrap_servers, properties, {"sasl.password": "another"})

    assert answer(right, topic) is None
    assert refusal(wrong) == KafkaError._AUTHENTICATION
    client, clients = AdminClient(wrong), LiveClients()
    clients.add(client)
    assert clients.replace_credentials(user, password) == 1, "as when the file has changed"
    assert client.list_topics(topic, timeout=ASK_S).topics[topic].error is None


def test_a_client_logs_in_with_a_token_of_an_oidc_endpoint(
    secured: SecuredBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint has a private CA and is behind an egress proxy."""
    for name in ("HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with token_endpoint() as url, ConnectProxy() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        properties = {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(secured.certificate),
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": CLIENT_ID,
            "sasl.oauthbearer.token.endpoint.url": url,
            "https.ca.location": str(tls_certificates.CA),
        }
        secret = {"sasl.oauthbearer.client.secret": CLIENT_SECRET}
        configuration = configured(tmp_path, secured.bootstrap_servers, properties, secret)

        assert answer(configuration, topic_for(secured, f"User:{CLIENT_ID}")) is None
        others = answer(configuration, topic_for(secured, "User:somebody-else"))
        assert others == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert set(proxy.asked) == {url.removeprefix("https://").removesuffix("/token")}


def test_a_client_logs_in_with_a_certificate(secured: SecuredBroker, tmp_path: Path) -> None:
    properties = {"security.protocol": "SSL", "ssl.ca.location": str(secured.certificate)}
    client = str(tls_certificates.CLIENT)
    own = {**properties, "ssl.certificate.location": client, "ssl.key.location": client}

    with_it = configured(tmp_path, secured.mutual_tls, own, {})
    without = configured(tmp_path, secured.mutual_tls, properties, {})

    assert answer(with_it, topic_for(secured, "User:CN=client")) is None
    assert answer(with_it, topic_for(secured, "User:CN=another")) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert refusal(without) in (KafkaError._SSL, KafkaError._ALL_BROKERS_DOWN), "the broker closes the connection"
