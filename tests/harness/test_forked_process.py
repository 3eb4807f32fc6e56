"""A fork is like any other process: its output, its exit code, its environment, and its end with its parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.waiting import until
from tests.harness.forked_process import ForkedProcess

pytestmark = pytest.mark.slow
SERVES = ["simulator", "--port", "0"]
PARENT = """
import sys, time
from pathlib import Path
from tests.harness.forked_process import ForkedProcess

print(ForkedProcess("simulator", ["simulator", "--port", "0"], Path(sys.argv[1])).pid, flush=True)
time.sleep(600)
"""


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_it_says_and_ends_as_the_module_does(tmp_path: Path) -> None:
    ends = ForkedProcess("wrong", ["simulator", "--port", "none"], tmp_path / "wrong")
    assert ends.wait() == 2
    assert "usage: " in ends.text()

    asked = ForkedProcess("check", ["connector", "check"], tmp_path / "check", {"CONNECTOR_CONFIG": "nowhere.toml"})
    assert asked.wait() == 2
    assert "nowhere.toml" in asked.text()

    served = ForkedProcess("simulator", SERVES, tmp_path / "log")
    assert '"control_url"' in served.first_line()
    assert served.running
    assert served.stop() == 0
    assert not is_there(served.pid)


def test_a_signal_ends_it_unexpectedly(tmp_path: Path) -> None:
    process = ForkedProcess("simulator", SERVES, tmp_path / "log")
    process.first_line()

    os.kill(process.pid, signal.SIGKILL)

    until("its end", lambda: process.fell)
    process.end()


def test_it_ends_with_its_parent_even_if_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until("the start", lambda: "control_url" in (tmp_path / "log").read_text())
        parent.kill()

    until("the end of the child", lambda: not is_there(child))
