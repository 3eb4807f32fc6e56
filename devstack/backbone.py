"""Addresses of broker and registry, and two ways to run them on this machine: embedded, or on the JVM."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devstack.embedded_broker import CLIENT_PROPERTIES, EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from devstack.jvm_stack import JvmStack


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """The addresses of a broker and a registry, and the peculiarities of this broker.

    ``make_topic`` creates a topic, given its name and number of partitions; None = use the connector's command.
    """

    bootstrap_servers: str
    registry_url: str
    transactions: bool = True
    properties: Mapping[str, str | int] = field(default_factory=dict)
    make_topic: Callable[[str, int], object] | None = None


@contextmanager
def embedded() -> Iterator[Backbone]:
    """Runs broker and registry in this process, within milliseconds. No transactions: delivery is at least once."""
    with EmbeddedBroker() as broker, EmbeddedRegistry() as registry:
        yield Backbone(
            bootstrap_servers=broker.bootstrap_servers,
            registry_url=registry.url,
            transactions=False,
            properties=CLIENT_PROPERTIES,
            make_topic=broker.create_topic,
        )


@contextmanager
def real(cache_folder: Path, say: Callable[[str], None]) -> Iterator[Backbone]:
    """Runs a JVM broker and registry (Java 17 and Maven). Raises StackUnavailable if something is missing."""
    with JvmStack(cache_folder, say=say) as stack:
        yield Backbone(bootstrap_servers=stack.bootstrap_servers, registry_url=stack.registry_url)
