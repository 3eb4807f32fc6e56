"""Reads the states of sweeps in the topic of the scheduler's state, from now on."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from connector.connections import connection, registry
from connector.contracts.registry_subjects import look_up, prefetch
from connector.operations.reconcile.sweeps import Place, StoredSweep
from connector.operations.topic_contents import stored_sweep
from connector.orders.codec import OrderCodecs
from connector.settings import convert
from connector.settings.model import Settings
from streams.kafka.registry import SchemaCache
from streams.kafka.topic_tail import TopicTail, open_tail


class SweepTail:
    """The ``NewSweeps`` of the topic of the scheduler's state."""

    def __init__(self, tail: TopicTail, read: Callable[[bytes, bytes], tuple[Place, StoredSweep] | None]) -> None:
        self._tail = tail
        self._read = read

    def poll(self, timeout_s: float) -> Iterable[tuple[Place, StoredSweep]]:
        """See ``NewSweeps``. Raises Stopped if a state cannot be read, and as ``TopicTail.poll``."""
        records = (one for one in self._tail.poll(timeout_s) if one.value is not None)
        return [found for one in records if (found := self._read(one.key or b"", one.value or b"")) is not None]


@contextmanager
def open_sweeps(configured: Settings) -> Iterator[SweepTail]:
    """Opens the states of sweeps from now on. Raises RegistryDown, BrokerDown, NotPermitted, SourceFailed."""
    topics = convert.topics(configured)
    with registry(configured) as client:
        cache = SchemaCache(client)
        prefetch(client, topics, cache.add)
        codecs = OrderCodecs(look_up(client, topics, avro_keys=convert.avro_keys(configured)), cache.get)
    with open_tail(connection(configured), topics.scheduler_state, reader=configured.kafka.group) as tail:
        yield SweepTail(tail, lambda key, value: stored_sweep(codecs, key, value))
