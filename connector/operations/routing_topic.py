"""Reads and writes the topic of routing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from connector.connections import accepted_routing, registry
from connector.contracts.registry_subjects import look_up
from connector.routing.accepted_routing import AcceptedTarget, record_of
from connector.routing.codec import RoutingCodec, is_key_of
from connector.routing.events import RoutingAccepted
from connector.settings import convert
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.flow import NotYet
from streams.kafka.registry import RegistryClient, SchemaCache


class RoutingTable(Protocol):
    """The topic. Raises SourceFailed or SinkFailed if the broker does not respond, and NotPermitted."""

    def read(self) -> Mapping[bytes, bytes]: ...

    def put(self, key: bytes, value: bytes | None) -> None: ...


class RoutingTopic:
    """An ``AcceptedRoutingStore`` over the topic. ``fetch`` gets a schema that the codec lacks."""

    def __init__(
        self,
        table: RoutingTable,
        codec: RoutingCodec,
        fetch: Callable[[int], None],
        now_us: Callable[[], int],
    ) -> None:
        self._table = table
        self._codec = codec
        self._fetch = fetch
        self._now_us = now_us

    def find(self, group: str) -> RoutingAccepted | None:
        """See ``AcceptedRoutingStore``. Of a plain key and one in Avro, the newer record counts."""
        found = [self._decoded(group, value) for key, value in self._table.read().items() if is_key_of(group, key)]
        return max(found, key=lambda one: one.accepted_at_us, default=None)

    def put(self, group: str, table: Mapping[str, AcceptedTarget]) -> None:
        """See ``AcceptedRoutingStore``. Removes a record under another form of the key: no reader must choose."""
        key, value = self._codec.encode(record_of(group, table, self._now_us()))
        self._table.put(key, value)
        for other in self._table.read():
            if other != key and is_key_of(group, other):
                self._table.put(other, None)

    def _decoded(self, group: str, value: bytes) -> RoutingAccepted:
        while isinstance(found := self._codec.decode(group, value), NotYet):
            self._fetch(found.need)
        return found


def routing_topic(configured: Settings, schemas: SchemaCache, codec: RoutingCodec) -> RoutingTopic:
    """Returns the topic; each request opens a client of its own."""
    return RoutingTopic(accepted_routing(configured), codec, schemas.fetch, lambda: SystemClock().now().wall_us)


def read_only_routing(configured: Settings, client: RegistryClient) -> RoutingTopic:
    """Returns the topic for reading alone: our schema need not be registered yet."""
    schemas = SchemaCache(client)
    return routing_topic(configured, schemas, RoutingCodec(schemas.get))


@contextmanager
def open_routing_topic(configured: Settings) -> Iterator[RoutingTopic]:
    """Opens the topic to write to it. Raises RegistryDown, RegistryDenied and SchemaUnknown."""
    with registry(configured) as client:
        schemas = SchemaCache(client)
        ids = look_up(client, convert.topics(configured), avro_keys=convert.avro_keys(configured))
        yield routing_topic(configured, schemas, RoutingCodec(schemas.get, ids))
