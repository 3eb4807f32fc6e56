"""A real Apache Kafka broker and a schema registry as child processes, for tests and for the demo.

Needs Java 17 and Maven, no container engine. Maven fetches the jars once into a cache folder (about 235 MB); the same
step formats the broker's storage and lets a first run write class-data archives, so that later starts take a second or
two. Several processes may share the cache: a file lock guards its creation, and each stack has its own ports and its
own copy of the storage.
"""

import base64
import fcntl
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Final, Self, TypeAlias

from devstack.processes import dies_with_parent

_TEMPLATES: Final = resources.files("devstack") / "stack_files"
_QUICK_START: Final = ("-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_START_S: Final = 60.0
_STOP_S: Final = 10.0
_PORT_TRIES: Final = 3
_REGISTRY_JAR: Final = "apicurio-registry-app-*-runner.jar"

More: TypeAlias = Callable[[int, int], str]
"""Further lines of a broker's server.properties, given its plaintext port and its controller's port."""


def _nothing_more(_port: int, _controller_port: int) -> str:
    return ""


class StackUnavailable(Exception):
    """The stack can't run on this machine; the message names what to install or what went wrong."""


def missing() -> str | None:
    """Returns a message about what this machine lacks for the stack, or None."""
    absent = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if absent:
        return f"{' and '.join(absent)} not found: install a Java 17 runtime and Maven"
    return None


class JvmProcess:
    """One Java child process."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self._name = name
        self._command = (*dies_with_parent(), *command)
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self, ready: Callable[[], bool]) -> None:
        """Starts the process and waits until ``ready``. Raises StackUnavailable with the log's tail if it ends first.

        Where util-linux is installed, the process is killed when the thread that started it ends: start it from a
        thread that lives as long as the process is needed.
        """
        self.begin()
        self.wait(ready)

    def begin(self) -> None:
        """Starts the process without waiting."""
        with self._log.open("ab") as out:
            # a session of its own, so Ctrl-C does not reach it: its user may still have to read from it
            self._child = subprocess.Popen(  # noqa: S603 - our own command line
                self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def wait(self, ready: Callable[[], bool]) -> None:
        """Waits until ``ready``. Raises StackUnavailable with the log's tail if the process ends or takes too long."""
        deadline = time.monotonic() + _START_S
        while not ready():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise StackUnavailable(f"{self._name} did not start; the end of its log:\n{self.log_tail()}")
            time.sleep(0.02)

    def log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def signal(self, number: signal.Signals) -> None:
        if self._child is not None and self.running:
            self._child.send_signal(number)

    def kill(self) -> None:
        """Sends SIGKILL and waits for the end."""
        self.signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Sends SIGTERM, and SIGKILL if the process has not ended after ``timeout_s``."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            if self._child is not None:
                self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()


class JvmBroker:
    """One Kafka broker with its own ports and data; can be killed, frozen, and restarted on the same data."""

    def __init__(
        self,
        layout: Path,
        folder: Path,
        *,
        jvm_options: Sequence[str],
        formatted: Path,
        more: More = _nothing_more,
    ) -> None:
        self._layout = layout
        self._folder = folder
        self._more = more
        self._jvm_options = jvm_options
        self._port = 0
        shutil.copytree(formatted, folder / "data")
        self._process = self._on_new_ports()

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts the broker and waits until it listens: about a second, 2.5 seconds after a kill."""
        for remaining in reversed(range(_PORT_TRIES)):
            try:
                self._process.start(lambda: _listens(self._port))
            except StackUnavailable:
                if remaining == 0 or "Address already in use" not in self._process.log_tail():
                    raise
                self._process = self._on_new_ports()
            else:
                return

    def begin(self) -> None:
        """Starts the broker without waiting: a cluster's brokers listen only once a majority runs."""
        self._process.begin()

    def wait(self) -> None:
        """Waits until the broker listens. Raises StackUnavailable when it does not."""
        self._process.wait(lambda: _listens(self._port))

    def restart(self) -> None:
        """Starts the broker again after ``kill`` or ``stop``, with the same ports and data."""
        self._process.start(lambda: _listens(self._port))

    def kill(self) -> None:
        self._process.kill()

    def freeze(self) -> None:
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.signal(signal.SIGCONT)

    def stop(self, timeout_s: float = _STOP_S) -> None:
        self._process.stop(timeout_s)

    def tool(self, main_class: str, *arguments: str, timeout_s: float = 60.0) -> str:
        """Runs one of Kafka's command line tools, such as ``org.apache.kafka.tools.TopicCommand``; returns its output.

        Raises subprocess.CalledProcessError, which holds the tool's output.
        """
        command = (*_java(*_QUICK_START), "-cp", _jars(self._layout), main_class, *arguments)
        return _run(command, timeout_s).stdout

    def _on_new_ports(self) -> JvmProcess:
        self._port, controller_port = free_ports(2)
        return self._on(self._port, controller_port)

    def _on(self, port: int, controller_port: int) -> JvmProcess:
        properties = self._folder / "server.properties"
        configured = _server_properties(port, controller_port, self._folder / "data")
        properties.write_text(f"{configured}\n{self._more(port, controller_port)}")
        command = (*_java(*self._jvm_options), "-cp", _jars(self._layout), "kafka.Kafka", str(properties))
        return JvmProcess("the broker", command, self._folder / "broker.log")


class JvmRegistry:
    """A schema registry with the Confluent REST API that keeps its schemas in memory."""

    def __init__(self, layout: Path, folder: Path, *, jvm_options: Sequence[str]) -> None:
        self._port = free_ports(1)[0]
        jar = next((layout / "registry").glob(_REGISTRY_JAR))
        settings = (f"-Dquarkus.http.port={self._port}", "-Dquarkus.http.host=127.0.0.1")
        command = (*_java(*jvm_options, *settings), "-jar", str(jar))
        self._process = JvmProcess("the registry", command, folder / "registry.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def start(self) -> None:
        self._process.start(lambda: _answers(f"{self.url}/subjects"))

    def stop(self, timeout_s: float = _STOP_S) -> None:
        self._process.stop(timeout_s)


class JvmStack:
    """A broker and a registry. Use it as a context manager, or call ``close``."""

    def __init__(
        self,
        cache: Path,
        *,
        with_registry: bool = True,
        say: Callable[[str], None] = lambda _line: None,
        more: More = _nothing_more,
    ) -> None:
        """``cache``: a persistent folder. ``say`` is called with messages about slow steps. Raises StackUnavailable.
        ``more`` returns further lines of the broker's server.properties.
        """
        layout = lay_out(cache, say)
        self._folder = Path(tempfile.mkdtemp(prefix="kafka-stack-"))
        try:
            self.broker = JvmBroker(
                layout,
                self._folder,
                jvm_options=archived(layout / "broker.jsa"),
                formatted=layout / "formatted",
                more=more,
            )
            self._registry = (
                JvmRegistry(layout, self._folder, jvm_options=archived(layout / "registry.jsa"))
                if with_registry
                else None
            )
            self.broker.start()
            if self._registry is not None:
                self._registry.start()
        except BaseException:
            self.close()
            raise

    @property
    def bootstrap_servers(self) -> str:
        return self.broker.bootstrap_servers

    @property
    def registry_url(self) -> str:
        """The address of the registry; "" if the stack has none."""
        return self._registry.url if self._registry is not None else ""

    def close(self) -> None:
        """Ends both processes and removes their data. May be called twice."""
        for part in (getattr(self, "_registry", None), getattr(self, "broker", None)):
            if part is not None:
                part.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def lay_out(cache: Path, say: Callable[[str], None]) -> Path:
    """Returns the folder with jars, formatted storage and class-data archives; creates it on first use.

    The folder's name is a digest of the pom and the broker configuration, so a change of these creates a new folder.
    Raises StackUnavailable.
    """
    if (problem := missing()) is not None:
        raise StackUnavailable(problem)
    pom = (_TEMPLATES / "pom.xml").read_text()
    recipe = pom + (_TEMPLATES / "server.properties.in").read_text()
    layout = cache / hashlib.sha256(recipe.encode()).hexdigest()[:12]
    done = layout / "complete"
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        if not done.exists():
            say("laying out Kafka and the schema registry with Maven; once, it takes about a minute")
            shutil.rmtree(layout, ignore_errors=True)
            layout.mkdir()
            _fetch_jars(layout, pom)
            _first_runs(layout)
            done.touch()
    return layout


def _fetch_jars(layout: Path, pom: str) -> None:
    (layout / "pom.xml").write_text(pom)
    try:
        _run(("mvn", "-q", "-B", "-f", str(layout / "pom.xml"), "package"), timeout_s=600)
    except subprocess.CalledProcessError as error:
        raise StackUnavailable(
            f"Maven could not fetch Kafka and the registry:\n{error.stdout}{error.stderr}"
        ) from error


def _first_runs(layout: Path) -> None:
    """Formats the storage and runs broker and registry once, so that Java archives their classes when they end."""
    with tempfile.TemporaryDirectory(prefix="kafka-stack-") as name:
        folder = Path(name)
        properties = folder / "format.properties"
        port, controller_port = free_ports(2)
        properties.write_text(_server_properties(port, controller_port, folder / "data"))
        storage_tool = (*_java(*_QUICK_START), "-cp", _jars(layout), "kafka.tools.StorageTool")
        _run((*storage_tool, "format", "-t", _cluster_id(), "-c", str(properties)), timeout_s=60)
        (folder / "data").rename(layout / "formatted")
        broker = JvmBroker(
            layout, folder, jvm_options=_archiving(layout / "broker.jsa"), formatted=layout / "formatted"
        )
        registry = JvmRegistry(layout, folder, jvm_options=_archiving(layout / "registry.jsa"))
        broker.start()
        registry.start()
        broker.stop(timeout_s=_START_S)
        registry.stop(timeout_s=_START_S)


def _cluster_id() -> str:
    """Returns a random id in Kafka's format: 16 bytes in URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _server_properties(port: int, controller_port: int, data: Path) -> str:
    template = Template((_TEMPLATES / "server.properties.in").read_text())
    return template.substitute(port=port, controller_port=controller_port, data=data)


def _java(*options: str) -> tuple[str, ...]:
    return (shutil.which("java") or "java", *options)


def _jars(layout: Path) -> str:
    return str(layout / "broker" / "*")


def _archiving(archive: Path) -> tuple[str, ...]:
    return (*_QUICK_START, f"-XX:ArchiveClassesAtExit={archive}")


def archived(archive: Path) -> tuple[str, ...]:
    """Returns options to use a class-data archive. If it is missing or unusable, the start is slower (-Xshare:auto)."""
    return (*_QUICK_START, "-Xshare:auto", f"-XX:SharedArchiveFile={archive}")


def _run(command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command lines
        command, check=True, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
    )


def free_ports(count: int) -> tuple[int, ...]:
    """Returns ports that are free now. Another process may take one first; the caller must then retry with others.

    They are below the range that Linux uses for outgoing connections (ip_local_port_range, by default from 32768), so
    that a broker can be restarted on its port.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(15_000, 32_000)  # noqa: S311 - no secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return tuple(found)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _answers(url: str) -> bool:
    with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own loopback address
        return bool(reply.status == 200)
    return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
