"""Reads the results of one EAN in the topic of offer results, from now on."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import schemas
from connector.connections import connection, registry
from connector.contracts.registry_subjects import look_up, prefetch
from connector.offers.codec import OfferCodecs
from connector.settings import convert
from connector.settings.model import Settings
from streams.avro.codec import Decoder
from streams.errors import Stopped
from streams.flow import BadRecord, NotYet
from streams.kafka.registry import SchemaCache
from streams.kafka.topic_reader import TopicRecord
from streams.kafka.topic_tail import TopicTail, open_tail


class ResultTail:
    """The ``NewResults`` of one EAN in the topic of offer results."""

    def __init__(self, tail: TopicTail, key: bytes, decode: Callable[[bytes], Any]) -> None:
        self._tail = tail
        self._key = key
        self._decode = decode

    def poll(self, timeout_s: float) -> Iterable[dict[str, Any]]:
        """See ``NewResults``. Raises Stopped if a result cannot be read, and as ``TopicTail.poll``."""
        return [self._row(one) for one in self._tail.poll(timeout_s) if one.key == self._key]

    def _row(self, record: TopicRecord) -> dict[str, Any]:
        row = self._decode(record.value or b"")
        if isinstance(row, BadRecord | NotYet):
            raise Stopped(f"the result at {record.partition}:{record.offset} cannot be read: {row.text}")
        return dict(row)


def open_results(configured: Settings, ean: str, opened: ExitStack) -> ResultTail:
    """Opens the results of an EAN from now on. Raises RegistryDown, BrokerDown, NotPermitted, SourceFailed."""
    topics = convert.topics(configured)
    client = opened.enter_context(registry(configured))
    cache = SchemaCache(client)
    prefetch(client, topics, cache.add)
    codecs = OfferCodecs(look_up(client, topics, avro_keys=convert.avro_keys(configured)), cache.get)
    decoder = Decoder(schemas.load("offer_result", schemas.newest("offer_result")), client.schema)
    tail = opened.enter_context(open_tail(connection(configured), topics.offer_results, reader=configured.kafka.group))
    return ResultTail(tail, codecs.result_key(ean), decoder.decode)
