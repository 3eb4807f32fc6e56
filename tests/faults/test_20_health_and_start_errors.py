"""The process reports its own state correctly: during start, while broker or registry are unavailable, at its end."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from devstack.jvm_stack import JvmStack
from devstack.processes import ModuleProcess
from devstack.stack import CACHE, Stack
from tests.faults.conftest import Deploy
from tests.harness.secured_broker import SecuredBroker
from tests.harness.tcp_proxy import TcpProxy

EXAMPLE = Path(__file__).parent.parent.parent / "config" / "example.toml"

SMALL: dict[str, Any] = {
    "partitions": 1,
    "storefronts": ("de",),
    "catalogue": "eans = 5",
    "processing": {"session": "4s", "lease": "1s", "call_deadline": "2s"},
}


def reasons(health: httpx.Client) -> str:
    """Returns why a process is not ready; "" if it is ready."""
    answer = health.get("/readyz")
    said = answer.json()
    assert (answer.status_code == 503) == bool(said["reasons"]) == (not said["ready"])
    return "; ".join(said["reasons"])


def lines(process: ModuleProcess) -> list[dict[str, Any]]:
    """Returns the log's lines, each parsed as JSON."""
    return [orjson.loads(line) for line in process.text().splitlines()]


def test_readyz_is_503_as_long_as_the_broker_is_away_at_start_and_in_mid_run_and_200_again_by_itself(
    deploy: Deploy, kafka: Stack, own_kafka: JvmStack
) -> None:
    broker = own_kafka.broker
    deployment = deploy(
        kafka=Stack(origin="own", bootstrap_servers=broker.bootstrap_servers, registry_url=kafka.registry_url), **SMALL
    )
    broker.kill()

    connector = deployment.connector()
    with connector.health() as health:
        deployment.wait_for("the start to wait", lambda: "waiting for the broker" in reasons(health))
        assert "no broker answers" in reasons(health)
        assert "Connection refused" in reasons(health)
        assert health.get("/livez").status_code == 200
        assert b"connector_ready 0" in health.get("/metrics").content

        broker.restart()
        deployment.wait_for("readiness after the start", lambda: not reasons(health))

        broker.kill()
        deployment.wait_for("the broker to be missed", lambda: bool(reasons(health)))
        deployment.wait_for("the session to be over", lambda: _said(connector, "partitions_lost"))
        deployment.wait_for("the loss to be seen", lambda: not health.get("/status").json()["engine"]["partitions"])
        assert "not in the consumer group: no connection to its coordinator" in reasons(health)

        broker.restart()
        deployment.wait_for("readiness after the kill", lambda: not reasons(health))
    assert connector.stop() == 0
    assert {line["event"] for line in lines(connector)} >= {"starts", "waiting for the broker", "begins", "ended"}
    assert any(line["event"].startswith("FAIL [") for line in lines(connector)), "the client's own words"


def _said(process: ModuleProcess, event: str) -> bool:
    return any(line.get("event") == event for line in lines(process))


def test_a_registry_that_is_away_at_start_is_waited_for_with_the_reason_and_sigterm_ends_the_wait(
    deploy: Deploy,
) -> None:
    deployment = deploy(**SMALL)
    with TcpProxy(deployment.kafka.registry_url) as passage:
        deployment.registry_url = passage.url
        passage.shut()
        patient, ended = deployment.connector("patient"), deployment.connector("ended")
        with patient.health() as first, ended.health() as second:
            for health in (first, second):
                deployment.wait_for("the start to wait", lambda: "waiting for the schema registry" in reasons(health))  # noqa: B023 - called within the iteration
                assert "does not answer" in reasons(health)
            assert ended.stop() == 0, "a signal that nothing handles would be its exit code"
            passage.open()
            deployment.wait_for("readiness", lambda: not reasons(first))
    assert patient.stop() == 0
    assert lines(ended)[-1]["event"] == "ended"


class _Denies(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(401)
        self.end_headers()
        self.wfile.write(b'{"error_code": 401, "message": "Unauthorized"}')

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Logs nothing."""


@contextmanager
def denying_registry() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Denies) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://me:canary-of-a-password@127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_registry_that_refuses_the_credentials_ends_the_start_with_a_remedy_in_json(
    deploy: Deploy,
) -> None:
    deployment = deploy(**SMALL)
    with denying_registry() as url:
        config = deployment.config("denied")
        text = config.read_text().replace(f'"{deployment.kafka.registry_url}"', '"http://replaced.invalid"')
        config.write_text(text)
        denied = ModuleProcess(
            "denied",
            ["connector", "run", "--config", str(config)],
            deployment.folder / "denied.log",
            {"CONNECTOR__REGISTRY__URL": url},
        )
        try:
            assert denied.wait() == 1
        finally:
            denied.end()

    last = lines(denied)[-1]
    assert (last["event"], last["level"]) == ("ended", "critical")
    assert "refuses the credentials (401" in last["reason"]
    assert "CONNECTOR__REGISTRY__URL" in last["reason"]
    assert "canary" not in denied.text()


def test_a_second_process_with_the_instance_id_of_a_running_one_ends_and_names_it(
    deploy: Deploy,
) -> None:
    deployment = deploy(**SMALL)
    first = deployment.connector("one")
    with first.health() as health:
        deployment.wait_for("readiness", lambda: not reasons(health))

        second = deployment.connector("one")
        assert second.wait() == 1

        last = lines(second)[-1]["reason"]
        assert f"another process runs with instance_id '{deployment.prefix}-one'" in last
        assert "has just committed" in last
        assert "Remedy: give each process its own [kafka] instance_id" in last
        assert not reasons(health)
    assert first.running
    assert not [line for line in lines(first) if line["level"] in ("error", "critical")]

    first.kill9()
    third = deployment.connector("one")
    with third.health() as health:
        deployment.wait_for("the place of a dead one to be taken", lambda: not reasons(health))
    assert third.stop() == 0


@pytest.mark.parametrize("command", [["run"], ["check"]])
def test_a_wrong_sasl_password_is_reported_with_the_brokers_message_by_run_and_check(
    secured: SecuredBroker, tmp_path: Path, command: list[str]
) -> None:
    properties = {**secured.properties(secured.add_user()), "sasl.password": "wrong"}
    (tmp_path / "password").write_text(properties.pop("sasl.password"))
    further = [f'"{name}" = "{value}"' for name, value in properties.items()]
    table = "\n".join(["[kafka.properties]", *further, '[kafka.properties_from_files]\n"sasl.password" = "password"\n'])
    (tmp_path / "connector.toml").write_text(EXAMPLE.read_text().replace("[registry]", f"{table}\n[registry]", 1))
    (tmp_path / "simulator-keys").mkdir()
    for key in ("client_key", "secret_key"):
        (tmp_path / "simulator-keys" / key).write_text("k" * 32)

    done = subprocess.run(
        [sys.executable, "-m", "connector", *command, "--config", str(tmp_path / "connector.toml")],
        env={
            **os.environ,
            "CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": secured.bootstrap_servers,
            "CONNECTOR__HEALTH__PORT": "0",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    said = " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert "SASL authentication error" in said
    assert "sasl.*" in said
    assert "Traceback" not in said
    told = done.stderr.splitlines()[-1] if command == ["run"] else said  # a slow broker is waited for before
    assert "transport failure" not in told


@pytest.fixture
def creating_kafka(kafka: Stack) -> Iterator[Stack]:
    """A broker that creates each topic that a client asks for or writes to, which is Kafka's default."""
    creating = "auto.create.topics.enable=true"
    with JvmStack(CACHE, with_registry=False, more=lambda _port, _controller: creating) as started:
        yield Stack(origin="", bootstrap_servers=started.bootstrap_servers, registry_url=kafka.registry_url)


def test_run_and_check_create_neither_topic_nor_subject_also_where_the_broker_would(
    deploy: Deploy, creating_kafka: Stack
) -> None:
    deployment = deploy(kafka=creating_kafka, **SMALL)
    subjects = httpx.Client(base_url=creating_kafka.registry_url, trust_env=False)

    def there() -> tuple[set[str], set[str]]:
        topics = deployment.kafka.admin().list_topics().topics
        ours = {subject for subject in subjects.get("/subjects").json() if deployment.prefix in subject}
        return {name for name in topics if not name.startswith("__")}, ours

    before = there()
    elsewhere = deployment.config("elsewhere")
    elsewhere.write_text(elsewhere.read_text().replace(deployment.prefix, f"{deployment.prefix}-elsewhere"))
    for command in ("run", "check", "topics --check"):
        said = deployment.command(*command.split(), "--config", str(elsewhere), code=1)
        assert "does not exist" in said, said
    connector = deployment.connector()
    with connector.health() as health:
        deployment.wait_for("readiness", lambda: not reasons(health))
    assert connector.stop() == 0

    assert there() == before
