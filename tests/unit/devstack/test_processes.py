"""Processes that are started for tests and for the demo."""

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from devstack.processes import ModuleProcess, dies_with_parent
from devstack.waiting import until

PARENT = """
import sys, time
from pathlib import Path
from devstack.processes import ModuleProcess

print(ModuleProcess("server", ["http.server", "0"], Path(sys.argv[1]), apart=True).pid, flush=True)
time.sleep(600)
"""


def is_there(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def test_a_process_ends_with_the_one_that_started_it_even_if_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_there(child)
        parent.kill()

    until("the end of the child", lambda: not is_there(child))


def test_a_process_does_not_begin_if_the_one_that_started_it_has_ended_already(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    command = [*dies_with_parent(), "touch", str(begun)]

    assert subprocess.run(command, check=False).returncode == 0
    assert begun.exists()
    begun.unlink()
    orphan = shlex.join(command)  # its parent is the shell, not this process
    subprocess.run(["sh", "-c", f"{orphan}; true"], check=True)
    assert not begun.exists()


def test_a_proxy_and_ca_certificates_of_the_environment_do_not_reach_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "nonsense")
    (tmp_path / "shows.py").write_text("import os; print(sorted(os.environ.values()))")

    process = ModuleProcess("shows", ["shows"], tmp_path / "log", {"PYTHONPATH": str(tmp_path), "ADDED": "given"})
    until("the process has ended", lambda: not process.running)

    shown = (tmp_path / "log").read_text()
    assert "nonsense" not in shown
    assert "given" in shown
