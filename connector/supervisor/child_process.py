"""One process of the connector, as its parent sees it. Edge."""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from connector.supervisor.member import Member
from connector.supervisor.restarts import RestartDelay
from streams.clock import uptime_s

_log = structlog.get_logger("connector")

CONFIGURATION: Final = 2
"""The exit code of a process whose configuration must be changed: started again, it would end the same way."""


class ChildProcess:
    """A process that is started again when it ends, until ``stop``.

    Its health pages are on a free port of the loopback interface. The parent keeps the listening socket open, so the
    port stays the same when the process is started again.
    """

    def __init__(self, number: int, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """``command``: the process's command line, without the option that makes it a member. Starts nothing yet."""
        self.number = number
        self.starts = 0
        self.started_s = 0.0
        self.last_exit = ""
        self._command = tuple(command)
        self._environment = dict(environment)
        self._delay = RestartDelay()
        self._again_s = 0.0  # when it is started, if it does not run
        self._stopping = False
        self._process: subprocess.Popen[bytes] | None = None
        self._health = socket.create_server(("127.0.0.1", 0))
        self._life, self._alive = os.pipe()

    @property
    def port(self) -> int:
        """The port of its health pages."""
        return int(self._health.getsockname()[1])

    @property
    def pid(self) -> int | None:
        """None: it does not run."""
        process = self._process  # another thread may ask
        return process.pid if process is not None else None

    def step(self) -> int | None:
        """Starts the process if that is due. Returns its exit code if it has ended since the last call."""
        if self._process is None:
            if not self._stopping and uptime_s() >= self._again_s:
                self._start()
            return None
        code = self._process.poll()
        if code is None:
            return None
        self._process = None
        self.last_exit = _text(code)
        if not self._stopping:
            wait_s = self._delay.after(uptime_s() - self.started_s)
            self._again_s = uptime_s() + wait_s
            _log.error("a process ended", process=self.number, exit=self.last_exit, starts_again_in_s=wait_s)
        return code

    def stop(self, signal_number: int) -> None:
        """Passes a signal on; the process is not started again."""
        self._stopping = True
        if self._process is not None:
            self._process.send_signal(signal_number)

    def kill(self) -> None:
        """Kills the process; it is started again unless it was stopped before."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Frees what the parent holds for the process."""
        self._health.close()
        os.close(self._life)
        os.close(self._alive)

    def _start(self) -> None:
        member = Member(number=self.number, health=self._health.fileno(), parent=self._life)
        command = [*self._command, *member.arguments]
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            command, env=self._environment, pass_fds=(member.health, member.parent), stdin=subprocess.DEVNULL
        )
        self.starts += 1
        self.started_s = uptime_s()
        _log.info("a process starts", process=self.number, pid=self._process.pid, pages=f"http://127.0.0.1:{self.port}")


def _text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
