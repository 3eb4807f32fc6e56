"""``deploy/image/pin`` and ``build``, with a stand-in for the docker command: no image is built without a digest."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DIGEST = "sha256:" + "0123456789abcdef" * 4
DOCKER = f"""#!/bin/sh
echo "$@" >> "$CALLS"
[ "$1" = image ] && echo "some/name@{DIGEST}"
exit 0
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Returns a checkout with what the scripts read, and a docker command that notes its calls."""
    folder = tmp_path / "checkout"
    (folder / "deploy" / "image").mkdir(parents=True)
    for name in (
        "Dockerfile",
        "docker-compose.yml",
        "deploy/image/pin",
        "deploy/image/build",
        "deploy/image/base-packages",
    ):
        shutil.copy(ROOT / name, folder / name)
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for command in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return folder


def ran(checkout: Path, script: str, *arguments: str) -> tuple[int, str, list[str]]:
    """Returns the exit code, the errors, and the calls of docker."""
    calls = checkout.parent / "calls"
    calls.write_text("")
    done = subprocess.run(
        [str(checkout / "deploy" / "image" / script), *arguments],
        env={**os.environ, "PATH": f"{checkout.parent}:{os.environ['PATH']}", "CALLS": str(calls)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr, calls.read_text().splitlines()


def test_no_image_is_built_without_the_digest_of_its_base_image(checkout: Path) -> None:
    code, errors, calls = ran(checkout, "build")

    assert (code, calls) == (2, [])
    assert "run deploy/image/pin" in errors.lower()


def test_an_image_is_built_from_the_digest_that_was_pinned(checkout: Path) -> None:
    assert ran(checkout, "pin")[0] == 0
    pins = (checkout / "deploy" / "image" / "digests.env").read_text().splitlines()
    assert [line.partition("=")[0] for line in pins[1:]] == ["PYTHON_IMAGE", "KAFKA_IMAGE", "REGISTRY_IMAGE"]
    assert all(line.endswith(f"@{DIGEST}") for line in pins[1:])

    code, errors, [built] = ran(checkout, "build", "--tag", "name:1.2.3")

    assert code == 0, errors
    assert f"--build-arg {pins[1]} " in built
    assert "--tag name:1.2.3 ." in built


def test_the_packages_are_those_of_the_base_image_that_was_pinned(checkout: Path) -> None:
    assert ran(checkout, "base-packages")[::2] == (2, [])
    ran(checkout, "pin")
    base = (checkout / "deploy" / "image" / "digests.env").read_text().splitlines()[1].partition("=")[2]

    code, errors, calls = ran(checkout, "base-packages")

    assert (code, errors) == (0, "")
    assert calls == [f"run --rm --entrypoint dpkg-query {base} --show"]


def test_a_pin_of_another_tag_does_not_count(checkout: Path) -> None:
    ran(checkout, "pin")
    dockerfile = checkout / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("python:3.11", "python:3.12"))

    assert ran(checkout, "build")[0] == 2
