"""Adds to pyproject.toml what only the build knows: the commit and the lock, for `connector --version`."""

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def commit() -> str | None:
    """Returns the commit that is built: from SOURCE_COMMIT, which a build without .git sets, else from git."""
    named = os.environ.get("SOURCE_COMMIT")
    if named or not (ROOT / ".git").exists():
        return named or None
    git = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def lock() -> str | None:
    """Returns the digest of the lock that the image installs from."""
    file = ROOT / "requirements-run.lock"
    return sha256(file.read_bytes()).hexdigest() if file.exists() else None


class RecordedBuild(build_py):
    """Writes connector/build.json beside the built modules; an editable install has no build."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            record = Path(self.build_lib) / "connector" / "build.json"
            record.write_text(json.dumps({"commit": commit(), "lock_sha256": lock()}) + "\n", encoding="utf-8")


setup(cmdclass={"build_py": RecordedBuild})
