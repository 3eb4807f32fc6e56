"""Processes of the connector and the simulator as forks of one that has imported them (``fork_server``)."""

import functools
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from devstack.processes import ModuleProcess, StartedChild
from tests.harness.linux_processes import adopting_orphans


class ForkedProcess(ModuleProcess):
    """A module that runs as a fork of a process which has imported it, so that a start takes no second.

    It is started as any other where a fork would differ: another version of the code, a session of its own, another
    operating system than Linux.
    """

    def _begun(self, arguments: Sequence[str], environment: Mapping[str, str], apart: bool) -> StartedChild:
        is_ours = arguments[0] in ("connector", "simulator") and _of_python(environment) == _of_python(os.environ)
        if apart or not is_ours or sys.platform != "linux":
            return super()._begun(arguments, environment, apart)
        return _server().fork(arguments, environment, self.log)


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables with which the interpreter itself is set."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


class _Fork:
    """A child that ``subprocess`` does not know."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        if self._code is None and select.select([self._handle], [], [], 0)[0]:
            self._collect()
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None and not select.select([self._handle], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return self._collect() if self._code is None else self._code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, sig)

    def _collect(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self._handle)
        self._code = os.waitstatus_to_exitcode(status)
        return self._code


class _ForkServer:
    """The process that forks, one for each process of a test run. It ends when its standard input is closed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.fork_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def fork(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> _Fork:
        order = {
            "arguments": arguments,
            "environment": environment,
            "folder": os.getcwd(),
            "log": str(log.absolute()),
            "parent": os.getpid(),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with adopting_orphans():
            self._process.stdin.write(orjson.dumps(order) + b"\n")
            self._process.stdin.flush()
            pid = int(self._process.stdout.readline())
            self._process.stdout.readline()  # it has been adopted
        return _Fork(pid)


@functools.cache
def _server() -> _ForkServer:
    return _ForkServer()
