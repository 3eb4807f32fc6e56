"""``connector --version``: what the build recorded, and that a build records it."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from connector.operations.release import installed

ROOT = Path(__file__).parents[4]


def test_a_build_records_commit_and_lock_and_the_command_prints_them(tmp_path: Path) -> None:
    built = tmp_path / "lib"
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(built)],
        cwd=ROOT,
        env={**os.environ, "SOURCE_COMMIT": "c0ffee"},
        check=True,
        capture_output=True,
    )
    lock = sha256((ROOT / "requirements-run.lock").read_bytes()).hexdigest()

    done = subprocess.run(
        [sys.executable, "-m", "connector", "--version"],
        cwd=built,
        env={**os.environ, "PYTHONPATH": str(built)},
        check=True,
        capture_output=True,
        text=True,
    )

    version, *rest = done.stdout.splitlines()
    assert version.startswith("connector ")
    assert rest == ["commit c0ffee", f"lock sha256:{lock}"]


def test_what_was_not_recorded_is_said(tmp_path: Path) -> None:
    assert list(installed(tmp_path))[1:] == ["commit not recorded: this is an installation from a checkout"]

    (tmp_path / "build.json").write_text(json.dumps({"commit": None, "lock_sha256": None}))

    assert list(installed(tmp_path))[1:] == ["commit not recorded", "lock sha256:not recorded"]
