"""Processes that are started for tests and for the demo."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

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
