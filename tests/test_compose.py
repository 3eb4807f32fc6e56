"""The compose file, kept right without a container engine.

Its shape is checked as data. Then the command and environment of each of our own services are taken out of it and run
as processes against a real broker and registry, until one event is APPLIED.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
OURS = ("simulator", "topics", "schemas", "connector")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


def test_every_service_that_stays_up_has_a_health_check(compose: dict[str, Any]) -> None:
    once = {
        name
        for service in compose["services"].values()
        for name, condition in service.get("depends_on", {}).items()
        if condition["condition"] == "service_completed_successfully"
    }

    assert once == {"topics", "schemas"}
    for name, service in compose["services"].items():
        assert (service["healthcheck"] == {"disable": True}) == (name in once)
        assert name in once or service["healthcheck"]["test"][0] == "CMD"


def test_every_image_has_a_version_or_is_ours(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert ("build" in service) == (name in OURS)
        assert "build" in service or ":" in service["image"]
        assert not service["image"].endswith(":latest")


def test_what_a_service_waits_for_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        assert set(service.get("secrets", [])) <= set(compose["secrets"])


def test_ports_are_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_our_services_run_with_as_little_as_they_need(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_mounted_files_and_secrets_exist_here(compose: dict[str, Any]) -> None:
    mounts = {mount.split(":")[0] for name in OURS for mount in compose["services"][name]["volumes"]}
    files = {secret["file"] for secret in compose["secrets"].values()}

    assert all((ROOT / path).exists() for path in mounts | files)


def test_no_secret_stands_in_the_compose_file(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")

    for secret in compose["secrets"].values():
        assert (ROOT / secret["file"]).read_text("utf-8") not in text


def test_the_image_runs_as_an_ordinary_user_and_installs_by_hash() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8")

    assert "USER 10001" in lines
    assert "--require-hashes" in lines
    assert "HEALTHCHECK" in lines
    assert all("--hash=" in block for block in _pins(ROOT / "requirements-run.lock"))


def test_locks_pin_by_hash_and_name_no_address() -> None:
    for name in ("requirements.lock", "requirements-run.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        assert all("--hash=" in block for block in _pins(ROOT / name))


def test_what_the_image_installs_is_what_was_tested() -> None:
    run, everything = (
        {block.split(" ")[0] for block in _pins(ROOT / name)} for name in ("requirements-run.lock", "requirements.lock")
    )

    assert run <= everything


def _pins(lock: Path) -> list[str]:
    """Each pinned requirement with its hashes."""
    lines = [line for line in lock.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    return [block for block in "\n".join(lines).replace("\\\n", " ").splitlines() if block.strip()]
