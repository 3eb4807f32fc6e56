"""The four health pages, requested over a real socket."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from connector.console.facts import Readiness
from connector.console.health import HealthServer


@dataclass
class Patient:
    """Vitals whose values are set by a test."""

    age_s: float = 0.1
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def beat_age_s(self) -> float:
        return self.age_s

    def readiness(self) -> Readiness:
        return Readiness(reasons=tuple(self.reasons), warnings=tuple(self.warnings))

    def status(self) -> Mapping[str, Any]:
        return {"partitions": {"offers/0": "open"}, "wants_by_rank": {0: 3}}

    def metrics(self) -> bytes:
        return b"# TYPE calls counter\ncalls_total 3\n"


@pytest.fixture
def patient() -> Patient:
    return Patient()


@pytest.fixture
def http(patient: Patient) -> Iterator[httpx.Client]:
    with (
        HealthServer(patient, host="127.0.0.1", port=0, silent_s=5.0) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client,
    ):
        yield client


def test_a_turning_loop_is_live_whatever_else_is_wrong(http: httpx.Client, patient: Patient) -> None:
    patient.reasons = ["the broker does not answer"]

    assert http.get("/livez").status_code == 200


def test_a_loop_that_hangs_is_not_live(http: httpx.Client, patient: Patient) -> None:
    patient.age_s = 5.1

    answer = http.get("/livez")

    assert answer.status_code == 503
    assert answer.json() == {"live": False, "reasons": ["the loop has not turned for 5 s"]}


def test_readiness_names_its_reasons(http: httpx.Client, patient: Patient) -> None:
    assert http.get("/readyz").status_code == 200

    patient.reasons = ["offers/3: catching up"]

    answer = http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": ["offers/3: catching up"], "warnings": []}


def test_a_warning_is_reported_and_leaves_the_process_ready(http: httpx.Client, patient: Patient) -> None:
    patient.warnings = ["account main is paused: closed by 401"]

    answer = http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "reasons": [], "warnings": ["account main is paused: closed by 401"]}


def test_status_is_json_and_metrics_are_prometheus(http: httpx.Client) -> None:
    assert http.get("/status").json() == {"partitions": {"offers/0": "open"}, "wants_by_rank": {"0": 3}}
    assert http.get("/metrics").text.endswith("calls_total 3\n")
    assert http.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


def test_the_health_server_is_read_only(http: httpx.Client) -> None:
    assert http.post("/status").status_code == 405
    assert http.get("/").status_code == 404


def test_a_port_in_use_is_reported_at_once(patient: Patient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        HealthServer(patient, host="127.0.0.1", port=taken.getsockname()[1])


def test_closing_twice_is_harmless_and_frees_the_port(patient: Patient) -> None:
    server = HealthServer(patient, host="127.0.0.1", port=0)
    port = server.port

    server.close()
    server.close()

    HealthServer(patient, host="127.0.0.1", port=port).close()
