"""Runs the project's commands as child processes, and waits for them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx
import orjson

from devstack.waiting import STILL_S, StoodStill, until


class DeploymentFailed(Exception):
    """A process did not start, made no progress, or ended with an unexpected exit code."""


def wait_for(
    what: str,
    true: Callable[[], bool],
    *,
    progress: Callable[[], object] | None = None,
    still_s: float = STILL_S,
    every_s: float = 0.1,
) -> None:
    """``waiting.until``, raising ``DeploymentFailed``."""
    try:
        until(what, true, progress=progress, still_s=still_s, every_s=every_s)
    except StoodStill as error:
        raise DeploymentFailed(str(error)) from None


class ModuleProcess:
    """A Python module run as a process, its output in the file ``log``.

    ``apart`` puts it into a session of its own: Ctrl-C is then for whoever started it, who ends it when its time has
    come. Otherwise what ends the group of whoever started it ends it, too.
    """

    may_end: bool = False
    """Whether its end is what is wanted: set by everything here that ends it or waits for its end."""

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
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", *arguments],
            stdout=self._out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
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
        """Ended, though nobody asked it to."""
        return not self.may_end and not self.running

    def kill9(self) -> None:
        self.may_end = True
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self, timeout_s: float = STILL_S) -> int:
        """SIGTERM, and its exit code. Raises ``subprocess.TimeoutExpired``."""
        self.may_end = not self.fell
        if self.running:
            self._process.terminate()
        return self._process.wait(timeout_s)

    def wait(self, timeout_s: float = STILL_S) -> int:
        """Its exit code, once it ends by itself. Raises ``subprocess.TimeoutExpired``."""
        self.may_end = True
        return self._process.wait(timeout_s)

    def end(self) -> None:
        """Whatever it does. Safe to call twice."""
        if self.running:
            self._process.kill()
            self._process.wait()
        self._out.close()

    def text(self) -> str:
        """What it has said so far."""
        return self.log.read_text("utf-8", errors="replace")

    def first_line(self) -> str:
        """What it says first. Raises ``DeploymentFailed`` when it ends without a word, or stays silent."""
        wait_for(f"{self.name} to say something", lambda: "\n" in self.text() or not self.running, every_s=0.05)
        if "\n" not in self.text():
            raise DeploymentFailed(f"{self.name} did not start: {self.text()}")
        return self.text().splitlines()[0]

    @property
    def health_url(self) -> str:
        """Where its health pages are: the port is any free one, and said in the log. Waits for that."""

        def told() -> list[int]:
            lines = [orjson.loads(line) for line in self.text().splitlines() if '"health_port"' in line]
            return [line["health_port"] for line in lines]

        wait_for(f"{self.name} to say its health port", lambda: bool(told()) or not self.running, progress=self.text)
        [port] = told()
        return f"http://127.0.0.1:{port}"

    def health(self) -> httpx.Client:
        return httpx.Client(base_url=self.health_url, timeout=30, trust_env=False)
