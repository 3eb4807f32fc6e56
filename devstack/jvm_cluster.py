"""A cluster of real Kafka brokers and a schema registry as child processes, for tests that need several brokers.

Every node is broker and controller. The internal topics (group offsets, transactions) have a replica on each node and
two in-sync replicas suffice for a write, so any single node may be killed, frozen or restarted.
"""

import re
import shutil
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from devstack.jvm_stack import JvmBroker, JvmProcess, JvmRegistry, archived, free_ports, lay_out

NODES: Final = 3


class Node(JvmBroker):
    """One broker of a cluster."""

    def __init__(self, layout: Path, folder: Path, *, number: int, ports: tuple[int, int], voters: str) -> None:
        self.number = number
        self._ports = ports
        super().__init__(
            layout,
            folder,
            jvm_options=archived(layout / "broker.jsa"),
            formatted=layout / "formatted",
            more=lambda _port, _controller_port: _of_several(number, voters),
        )
        _own_storage(folder / "data" / "meta.properties", number)

    def _on_new_ports(self) -> JvmProcess:
        """Uses the fixed ports, which the other nodes are configured with."""
        self._port, controller_port = self._ports
        return self._on(self._port, controller_port)


class Cluster:
    """Brokers and a registry. Use it as a context manager, or call ``close``."""

    def __init__(self, cache: Path, *, nodes: int = NODES, say: Callable[[str], None] = lambda _line: None) -> None:
        """``cache`` and ``say`` are as for ``jvm_stack.JvmStack``. Raises StackUnavailable."""
        layout = lay_out(cache, say)
        self._folder = Path(tempfile.mkdtemp(prefix="kafka-cluster-"))
        self.nodes: Sequence[Node] = ()
        self._registry: JvmRegistry | None = None
        try:
            self.nodes = self._laid_out(layout, nodes)
            self._registry = JvmRegistry(layout, self._folder, jvm_options=archived(layout / "registry.jsa"))
            for node in self.nodes:
                node.begin()
            self._registry.start()
            for node in self.nodes:
                node.wait()
        except BaseException:
            self.close()
            raise

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(node.bootstrap_servers for node in self.nodes)

    @property
    def registry_url(self) -> str:
        return self._registry.url if self._registry is not None else ""

    def node(self, number: int) -> Node:
        """Returns the node with this number, which is its broker id."""
        return next(node for node in self.nodes if node.number == number)

    def close(self) -> None:
        """Ends all processes and removes their data. May be called twice."""
        for node in self.nodes:
            node.kill()  # a controlled shutdown would first move the leaders, one node after the other
        if self._registry is not None:
            self._registry.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _laid_out(self, layout: Path, count: int) -> Sequence[Node]:
        ports = free_ports(2 * count)
        pairs = [(ports[2 * index], ports[2 * index + 1]) for index in range(count)]
        voters = ",".join(f"{index + 1}@127.0.0.1:{controller}" for index, (_, controller) in enumerate(pairs))
        folders = [self._folder / str(index + 1) for index in range(count)]
        for folder in folders:
            folder.mkdir()
        return [
            Node(layout, folder, number=index + 1, ports=pair, voters=voters)
            for index, (folder, pair) in enumerate(zip(folders, pairs, strict=True))
        ]


def _of_several(number: int, voters: str) -> str:
    return "\n".join(
        (
            "",
            f"node.id={number}",
            f"controller.quorum.voters={voters}",
            f"default.replication.factor={NODES}",
            "min.insync.replicas=2",
            f"offsets.topic.replication.factor={NODES}",
            f"transaction.state.log.replication.factor={NODES}",
            "transaction.state.log.min.isr=2",
            f"share.coordinator.state.topic.replication.factor={NODES}",
            "share.coordinator.state.topic.min.isr=2",
            # time until the other nodes notice that a broker was killed
            "broker.session.timeout.ms=3000",
            "broker.heartbeat.interval.ms=500",
            # leaders move only when a test moves them
            "auto.leader.rebalance.enable=false",
            "",
        )
    )


def _own_storage(path: Path, number: int) -> None:
    """Sets the node's own number and directory id: the formatted storage is a copy of that of node 1."""
    text = re.sub(r"(?m)^node\.id=.*$", f"node.id={number}", path.read_text())
    path.write_text(re.sub(r"(?m)^directory\.id=.*$", f"directory.id={_directory_id()}", text))


def _directory_id() -> str:
    """Returns a random UUID in Kafka's format: URL-safe base64 without padding, not starting with a minus sign."""
    text = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return _directory_id() if text.startswith("-") else text
