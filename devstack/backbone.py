"""The addresses of broker and registry, and two ways to run both on this machine."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devstack.embedded_broker import CLIENT_PROPERTIES, EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from devstack.jvm_stack import JvmStack


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """Where broker and registry are, and what this broker needs that another does not.

    ``make_topic`` takes a name and a number of partitions; None = the connector's own command creates topics.
    """

    bootstrap_servers: str
    registry_url: str
    transactions: bool = True
    properties: Mapping[str, str | int] = field(default_factory=dict)
    make_topic: Callable[[str, int], object] | None = None


@contextmanager
def embedded() -> Iterator[Backbone]:
    """In this process, in milliseconds; at least once."""
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
    """A JVM broker and registry (Java 17 and Maven). Raises StackUnavailable with what is missing."""
    with JvmStack(cache_folder, say=say) as stack:
        yield Backbone(bootstrap_servers=stack.bootstrap_servers, registry_url=stack.registry_url)
