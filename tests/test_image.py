"""Tests the image without a container engine: the steps of the Dockerfile run in a directory (harness/image_build.py).

What the base image brings, and what only an engine can do (the user, the read-only root), is not tested here.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness.image_build import BuildStage, build_stages, exec_form
from tests.harness.licences import ALLOWED, licences_of, spdx_ids

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RUN_LOCK = ROOT / "requirements-run.lock"
SBOM = ROOT / "deploy" / "image" / "sbom.cdx.json"
DOCUMENTS = "/usr/share/doc/kaufland-stream-connector"
BUILD_ONLY = {"pip", "setuptools"}
COMMIT = "c0ffee"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BuildStage]:
    folder = tmp_path_factory.mktemp("image")
    quicker = {"PIP_NO_COMPILE": "1", "PIP_NO_CACHE_DIR": ""}
    return build_stages(ROOT, folder, {"SOURCE_COMMIT": COMMIT}, quicker)


def ran(stage: BuildStage, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Runs the image's command outside of the checkout. Returns its exit code and output."""
    command = [str(stage.path("/opt/connector/bin/python")), "-P", "-m", "connector", *arguments]
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CONNECTOR_CONFIG")}
    done = subprocess.run(
        command, cwd=stage.root, env={**clean, **(environment or {})}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def packages(stage: BuildStage) -> Path:
    (found,) = stage.path("/opt/connector/lib").glob("python3*/site-packages")
    return found


def pinned() -> dict[str, str]:
    """Returns what the lock of the image names for Linux, with its version."""
    lines = [line.rstrip("\\ ") for line in RUN_LOCK.read_text("utf-8").splitlines() if re.match(r"[a-z]", line)]
    wanted = [Requirement(line) for line in lines]
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in wanted
        if one.marker is None or one.marker.evaluate(linux)
    }


def test_the_image_has_what_the_lock_names_and_the_connector(stages: dict[str, BuildStage]) -> None:
    found = {
        canonicalize_name(name): version
        for name, _, version in (
            path.name.removesuffix(".dist-info").partition("-")
            for path in packages(stages["production"]).glob("*.dist-info")
        )
    }

    locked = {name: version for name, version in pinned().items() if name not in BUILD_ONLY}
    assert found == {**locked, "kaufland-stream-connector": PROJECT["version"]}


def test_the_image_has_neither_demo_nor_simulator_nor_tests(stages: dict[str, BuildStage]) -> None:
    files = stages["production"].files()
    elsewhere = {file for file in files if not file.startswith("/opt/connector/")}
    ours = {path.name for path in packages(stages["production"]).iterdir()}

    assert elsewhere == {f"{DOCUMENTS}/LICENSE", f"{DOCUMENTS}/sbom.cdx.json"}
    assert {"streams", "schemas", "connector"} <= ours
    assert not {"simulator", "devstack", "tests", "benchmarks", "deploy", "pip", "setuptools"} & ours
    assert not [file for file in files if file.endswith((".key", ".pem")) and "certifi" not in file]


def test_the_other_target_adds_the_simulator_and_nothing_else(stages: dict[str, BuildStage]) -> None:
    added = stages["with-simulator"].files() - stages["production"].files()

    assert added == {f"/opt/simulator/{path.relative_to(ROOT)}" for path in (ROOT / "simulator").rglob("*.py")} | {
        f"/opt/simulator/{path.relative_to(ROOT)}" for path in (ROOT / "simulator").rglob("*.json")
    }
    assert ran(stages["with-simulator"], "simulate", "--help", environment=path_of_simulator(stages))[0] == 0


def path_of_simulator(stages: dict[str, BuildStage]) -> dict[str, str]:
    stage = stages["with-simulator"]
    return {"PYTHONPATH": str(stage.path(stage.environment["PYTHONPATH"]))}


def test_the_command_prints_version_commit_and_lock(stages: dict[str, BuildStage]) -> None:
    lock = sha256(RUN_LOCK.read_bytes()).hexdigest()

    assert ran(stages["production"], "--version") == (
        0,
        f"connector {PROJECT['version']}\ncommit {COMMIT}\nlock sha256:{lock}\n",
    )


def test_a_command_that_the_image_lacks_says_so(stages: dict[str, BuildStage]) -> None:
    for command, package in (("simulate", "simulator"), ("demo", "devstack")):
        code, shown = ran(stages["production"], command)

        assert code == 1
        assert package in shown
        assert "Traceback" not in shown


def test_the_image_starts_the_connector_as_an_ordinary_user(stages: dict[str, BuildStage]) -> None:
    settings = stages["production"].settings

    assert settings["USER"] == "10001"
    assert exec_form(settings["ENTRYPOINT"]) + exec_form(settings["CMD"]) == ["connector", "run"]
    assert list(stages)[-1] == "production", "the last stage is what docker build makes"
    assert os.access(stages["build"].path("/opt/connector/bin/connector"), os.X_OK)


def test_in_the_image_the_health_pages_listen_on_every_address(stages: dict[str, BuildStage]) -> None:
    environment = {**stages["production"].environment, "PATH": os.environ["PATH"]}
    example = str(ROOT / "config" / "example.toml")

    code, shown = ran(stages["production"], "config", "show", "--config", example, environment=environment)

    assert code == 0, shown
    assert re.search(r"health\.host\W+0\.0\.0\.0", shown)


def test_the_labels_say_what_the_image_is(stages: dict[str, BuildStage]) -> None:
    labels = {
        name.removeprefix("org.opencontainers.image."): value for name, value in stages["production"].labels.items()
    }

    assert labels == {
        "title": PROJECT["name"],
        "description": PROJECT["description"],
        "licenses": PROJECT["license"],
        "version": PROJECT["version"],
        "revision": COMMIT,
        "base.name": "python:3.11-slim-bookworm",
    }


# ---- the SBOM -------------------------------------------------------------------------------------------------------


def test_the_sbom_is_what_the_image_installs_and_valid(stages: dict[str, BuildStage]) -> None:
    """``cyclonedx-py`` validates against the schema of CycloneDX before it writes."""
    python = stages["build"].path("/opt/connector/bin/python")
    made = subprocess.run(
        [str(ROOT / "deploy" / "image" / "make-sbom"), str(python)],
        env={**os.environ, "UV": str(Path(sys.executable).parent / "uv")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == sbom(), "run make sbom"


def sbom() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SBOM.read_text("utf-8"))
    return loaded


def test_the_sbom_names_each_dependency_of_the_lock() -> None:
    document = sbom()
    named = {canonicalize_name(one["name"]): one["version"] for one in document["components"]}

    assert named == {name: version for name, version in pinned().items() if name not in BUILD_ONLY}
    assert all(one["purl"].startswith("pkg:pypi/") for one in document["components"])
    assert document["metadata"]["component"]["version"] == PROJECT["version"]


def test_the_sbom_says_that_the_packages_of_the_base_image_are_not_in_it() -> None:
    document = sbom()
    base = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)

    assert base is not None
    assert [one["aggregate"] for one in document["compositions"]] == ["incomplete"]
    assert document["compositions"][0]["assemblies"] == [document["metadata"]["component"]["bom-ref"]]
    assert f"the packages of the base image {base[1]}" in [one["value"] for one in document["metadata"]["properties"]]


def test_every_dependency_has_a_licence_that_is_allowed() -> None:
    for component in sbom()["components"]:
        found = {id_ for text in licences(component) for id_ in spdx_ids(text)}
        found = found or licences_of(distribution(component["name"]))  # a name that CycloneDX's tool does not know

        assert found, f"{component['name']} declares no licence"
        assert found <= ALLOWED, f"{component['name']} has {sorted(found - ALLOWED)}"


def licences(component: Mapping[str, Any]) -> Iterator[str]:
    for one in component.get("licenses", []):
        yield one["expression"] if "expression" in one else one["license"].get("id") or one["license"]["name"]


# ---- the wheel ------------------------------------------------------------------------------------------------------


def test_an_installed_wheel_gives_the_command_and_tells_its_build(
    stages: dict[str, BuildStage], tmp_path: Path
) -> None:
    """The wheel is built from the same sources as the image, and installed with what the lock names."""
    binaries, wheels, fresh = Path(sys.executable).parent, tmp_path / "wheels", tmp_path / "fresh"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    told = {"SOURCE_COMMIT": COMMIT}
    subprocess.run([*build, str(stages["build"].path("/build"))], env={**os.environ, **told}, check=True)
    [wheel] = wheels.glob("*.whl")
    uv = [str(binaries / "uv"), "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(fresh)], check=True)
    subprocess.run([*uv, "pip", "install", "--python", str(fresh), "-c", str(RUN_LOCK), str(wheel)], check=True)

    shown = subprocess.run(
        [str(fresh / "bin" / "connector"), "--version"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout

    lock = sha256(RUN_LOCK.read_bytes()).hexdigest()
    assert shown.splitlines() == [f"connector {PROJECT['version']}", f"commit {COMMIT}", f"lock sha256:{lock}"]
