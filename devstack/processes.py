"""Runs the project's commands as child processes and waits for them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import httpx
import orjson

from devstack.waiting import STILL_S, StoodStill, until


class DeploymentFailed(Exception):
    """A process did not start, made no progress, or ended with an unexpected exit code."""


_ELSEWHERE: Final = frozenset(
    {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "requests_ca_bundle"}
)


def own_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment without the variables of proxies and CA certificates: all that is reached is here."""
    return {name: value for name, value in environ.items() if name.lower() not in _ELSEWHERE}


def wait_for(
    what: str,
    true: Callable[[], bool],
    *,
    progress: Callable[[], object] | None = None,
    still_s: float = STILL_S,
    every_s: float = 0.1,
) -> None:
    """Waits like ``waiting.until``, but raises ``DeploymentFailed``."""
    try:
        until(what, true, progress=progress, still_s=still_s, every_s=every_s)
    except StoodStill as error:
        raise DeploymentFailed(str(error)) from None


def dies_with_parent() -> tuple[str, ...]:
    """Returns a command prefix that kills the child when the thread that started it ends, so that nothing is left
    behind by a run that was killed.

    Needs setpriv of util-linux (PR_SET_PDEATHSIG, prctl(2)); empty where that is missing. The signal is sent for an end
    that comes after the request for it; so the shell, which then becomes the command, looks whether its parent is still
    this process.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    return (setpriv, "--pdeathsig", "KILL", "/bin/sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid()))


class StartedChild(Protocol):
    """What ``ModuleProcess`` needs of ``subprocess.Popen``, whose documentation describes it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...


class ModuleProcess:
    """A Python module run as a process, with its output in the file ``log``.

    Where util-linux is installed, it is killed when the thread that started it ends.

    ``apart`` starts it in a session of its own, so Ctrl-C does not reach it and the parent must end it. Otherwise it
    receives the signals sent to the parent's process group.
    """

    may_end: bool = False
    """Whether the process is expected to end: set by the methods that end it or wait for its end."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        *,
        apart: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        self._out = log.open("ab")
        self._process = self._begun(arguments, {**own_environment(os.environ), **(environment or {})}, apart)

    def _begun(self, arguments: Sequence[str], environment: Mapping[str, str], apart: bool) -> StartedChild:
        return subprocess.Popen(  # noqa: S603 - our own command
            [*dies_with_parent(), sys.executable, "-m", *arguments],
            stdout=self._out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=apart,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def fell(self) -> bool:
        """Whether the process has ended unexpectedly."""
        return not self.may_end and not self.running

    def kill9(self) -> None:
        self.may_end = True
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self, timeout_s: float = STILL_S) -> int:
        """Sends SIGTERM and returns the exit code. Raises ``subprocess.TimeoutExpired``."""
        self.may_end = not self.fell
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout_s)

    def wait(self, timeout_s: float = STILL_S) -> int:
        """Waits until it ends by itself and returns the exit code. Raises ``subprocess.TimeoutExpired``."""
        self.may_end = True
        return self._process.wait(timeout_s)

    def end(self) -> None:
        """Kills the process if it is running, and closes the log. May be called twice."""
        if self.running:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._out.close()

    def text(self) -> str:
        """Returns its output so far."""
        return self.log.read_text("utf-8", errors="replace")

    def first_line(self) -> str:
        """Waits for its first line of output and returns it. Raises ``DeploymentFailed`` if there is none."""
        wait_for(f"{self.name} to say something", lambda: "\n" in self.text() or not self.running, every_s=0.05)
        if "\n" not in self.text():
            raise DeploymentFailed(f"{self.name} did not start: {self.text()}")
        return self.text().splitlines()[0]

    @property
    def health_url(self) -> str:
        """Returns the URL of its health endpoints; waits until the log names the port, which is chosen at start."""
        return f"http://127.0.0.1:{self._port('health_port')}"

    @property
    def console_url(self) -> str:
        """Returns the URL of its console; waits as ``health_url`` does."""
        return f"http://127.0.0.1:{self._port('console_port')}/"

    def _port(self, name: str) -> int:
        def told() -> list[int]:
            lines = [orjson.loads(line) for line in self.text().splitlines() if f'"{name}"' in line]
            return [line[name] for line in lines]

        wait_for(f"{self.name} to say its {name}", lambda: bool(told()) or not self.running, progress=self.text)
        [port] = told()
        return port

    def health(self) -> httpx.Client:
        return httpx.Client(base_url=self.health_url, timeout=30, trust_env=False)
