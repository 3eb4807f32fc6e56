"""Reads and decodes the records of topics: offer changes, states and orders."""

from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import schemas
from connector import flows
from connector.connections import connection, registry
from connector.contracts.codec import reader_of
from connector.contracts.registry_subjects import look_up, prefetch
from connector.contracts.topics import Feature, Topics
from connector.offers.codec import PARTS_OF_RESULTS, OfferCodecs
from connector.offers.events import (
    DriftAction,
    DriftCause,
    OfferChanged,
    OfferDrifted,
    OfferResult,
    OfferState,
    OfferWithdrawn,
)
from connector.operations.forget import StateRecord
from connector.operations.orders import OrderRecord
from connector.operations.progress import counted
from connector.operations.reconcile.sweeps import Place, StoredSweep
from connector.orders.codec import OrderCodecs
from connector.orders.lane_keys import parse_key
from connector.reconciliation.events import UnitObserved
from connector.replays.codec import ReplayProgressCodec
from connector.replays.progress import ReplayProgress
from connector.settings import convert
from connector.settings.model import Settings
from streams.avro.codec import Decoder
from streams.errors import Stopped
from streams.flow import Assignment, BadRecord, NotYet, Record
from streams.kafka.registry import SchemaCache
from streams.kafka.topic_reader import TopicRecord, passed_ranges, read_key_values, read_records
from streams.lanes.record_headers import key_bytes
from streams.topics import WHOLE_TOPIC, TopicRange

T = TypeVar("T")


def offer_changes(
    configured: Settings, part: TopicRange
) -> Iterator[tuple[TopicRecord, OfferChanged | OfferWithdrawn | BadRecord]]:
    """Yields the records of the offer changes topic, or of a part of it, as the flow reads them.

    Raises as ``read_records``, and RegistryDown.
    """
    topics = convert.topics(configured)
    with registry(configured) as client:
        cache = SchemaCache(client)
        codecs = OfferCodecs(look_up(client, topics, avro_keys=convert.avro_keys(configured)), cache.get)
        for found in read_records(
            connection(configured), topics.offer_changes, reader=configured.kafka.group, part=part
        ):
            record = Record(
                at=Assignment(topic=topics.offer_changes, partition=found.partition, epoch=0),
                offset=found.offset,
                key=found.key,
                value=found.value,
                time_us=found.time_us,
                headers=found.headers,
            )
            while isinstance(event := codecs.decode_changed(record), NotYet):
                cache.fetch(event.need)
            yield found, event


def offer_states(configured: Settings) -> Iterator[tuple[str, OfferState | None]]:
    """Yields the EAN and state of every record of the offer state topic; None is a tombstone.

    Raises Stopped if a state cannot be read.
    """
    topics = convert.topics(configured)
    codecs = _state_codecs(configured, topics)
    for key, value in read_key_values(connection(configured), topics.offer_state, reader=configured.kafka.group):
        lane = key.decode(errors="surrogateescape")
        state = codecs.decode_state(value) if value is not None else None
        if not isinstance(state, OfferState | None):
            problem = state.text if isinstance(state, BadRecord) else state
            raise Stopped(f"the state of {lane} cannot be read: {problem}")
        yield lane, state


def offer_state(configured: Settings, ean: str, partition: int | None = None) -> tuple[OfferCodecs, bytes | None]:
    """Returns the newest state record's value of an EAN, None if there is none, and the codecs that read it.

    ``partition``: the only one to look into. Raises as ``read_records``, and RegistryDown or SchemaUnknown.
    """
    topics = convert.topics(configured)
    codecs = _state_codecs(configured, topics)
    raw, newest = key_bytes(ean), None
    part = WHOLE_TOPIC if partition is None else TopicRange(offsets={partition: (0, None)})
    records = read_records(connection(configured), topics.offer_state, reader=configured.kafka.group, part=part)
    for found in counted(records, "states read"):
        if found.key == raw:
            newest = found.value
    return codecs, newest


def stored_offers(
    configured: Settings, wanted: Collection[tuple[int, str]]
) -> tuple[OfferCodecs, dict[tuple[int, str], bytes]]:
    """Returns the newest state of each wanted partition and EAN that has one, and the codecs that read them.

    Raises as ``read_records``, and RegistryDown or SchemaUnknown.
    """
    topics = convert.topics(configured)
    codecs = _state_codecs(configured, topics)
    part = TopicRange(offsets={partition: (0, None) for partition, _ in wanted})
    stored: dict[tuple[int, str], bytes] = {}
    records = read_records(connection(configured), topics.offer_state, reader=configured.kafka.group, part=part)
    for found in counted(records, "states read"):
        at = found.partition, (found.key or b"").decode(errors="surrogateescape")
        if found.value is None:
            stored.pop(at, None)
        elif at in wanted:
            stored[at] = found.value
    return codecs, stored


def offer_results(
    configured: Settings, *, from_us: int | None = None, topic: str | None = None
) -> Iterator[OfferResult]:
    """Yields the results of offers, those written since ``from_us`` alone if that is given.

    ``topic``: with the results of a dry run. Raises Stopped if one cannot be read, as ``read_records``, and
    RegistryDown or SchemaUnknown.
    """
    topics = convert.topics(configured)
    results = topic or topics.offer_results
    with registry(configured) as client:
        cache = SchemaCache(client)
        ids = look_up(client, topics, avro_keys=convert.avro_keys(configured))
        reader = reader_of(OfferResult, ids.value(OfferResult), PARTS_OF_RESULTS, cache.get)
        for found in read_records(
            connection(configured),
            results,
            reader=configured.kafka.group,
            part=TopicRange(from_us=from_us),
        ):
            yield _decoded(reader.decode, cache, results, found)


def observed_units(configured: Settings, topic: str) -> Iterator[UnitObserved]:
    """Yields what sweeps saw, from a topic of units. Raises as ``offer_results``."""
    topics = convert.topics(configured)
    with registry(configured) as client:
        cache = SchemaCache(client)
        ids = look_up(client, topics, avro_keys=convert.avro_keys(configured))
        reader = reader_of(UnitObserved, ids.value(UnitObserved), (), cache.get)
        for found in read_records(connection(configured), topic, reader=configured.kafka.group):
            if found.value is not None:
                yield _decoded(reader.decode, cache, topic, found)


def stored_sweeps(configured: Settings) -> dict[Place, StoredSweep]:
    """Returns the state of each sweep, by account and storefront.

    Raises Stopped if one cannot be read, as ``read_records``, and RegistryDown or SchemaUnknown.
    """
    topics, found = convert.topics(configured), dict[Place, StoredSweep]()
    with registry(configured) as client:
        cache = SchemaCache(client)
        prefetch(client, topics, cache.add)
        codecs = OrderCodecs(look_up(client, topics, avro_keys=convert.avro_keys(configured)), cache.get)
    records = read_key_values(connection(configured), topics.scheduler_state, reader=configured.kafka.group)
    for key, value in counted(records, "states read"):
        if value is not None and (one := stored_sweep(codecs, key, value)) is not None:
            found[one[0]] = one[1]
    return found


def stored_sweep(codecs: OrderCodecs, key: bytes, value: bytes) -> tuple[Place, StoredSweep] | None:
    """Returns the state of a sweep and its place; None for a state of something else. Raises Stopped."""
    lane = parse_key(key.decode(errors="surrogateescape"))
    if lane.storefront is None:
        return None
    state = codecs.decode_state(value)
    if isinstance(state, BadRecord | NotYet):
        raise Stopped(f"the state of the sweep {key.decode(errors='replace')} cannot be read: {state.text}")
    if state.sweep is None:
        return None
    return (lane.account, lane.storefront), StoredSweep(state=state.sweep, stored_us=state.updated_at_us)


def drifted(configured: Settings, from_us: int) -> Iterator[OfferDrifted]:
    """Yields the drift that was written since ``from_us``, perhaps after earlier drift. Raises as ``offer_results``."""
    topics = convert.topics(configured)
    # the embedded broker has neither ids of topics nor a search by time
    part = TopicRange(from_us=from_us) if configured.kafka.topic_ids else WHOLE_TOPIC
    with registry(configured) as client:
        cache = SchemaCache(client)
        ids = look_up(client, topics, avro_keys=convert.avro_keys(configured))
        reader = reader_of(OfferDrifted, ids.value(OfferDrifted), (DriftCause, DriftAction), cache.get)
        records = read_records(connection(configured), topics.drift, reader=configured.kafka.group, part=part)
        for found in counted(records, "records of drift read"):
            yield _decoded(reader.decode, cache, topics.drift, found)


def passed(configured: Settings, part: TopicRange) -> dict[int, tuple[int, int]]:
    """Returns the offsets of a part of the offer changes topic that the group has passed. See ``passed_ranges``."""
    topic = convert.topics(configured).offer_changes
    return passed_ranges(connection(configured), topic, group=configured.kafka.group, part=part)


def replay_progress(configured: Settings) -> dict[str, ReplayProgress]:
    """Returns the newest row of each key of the topic of replays.

    Raises Stopped if a row cannot be read, as ``read_records``, and RegistryDown or SchemaUnknown.
    """
    topics, rows = convert.topics(configured), dict[str, ReplayProgress]()
    with registry(configured) as client:
        cache = SchemaCache(client)
        codec = ReplayProgressCodec(look_up(client, topics, avro_keys=convert.avro_keys(configured)), cache.get)
        records = read_records(connection(configured), topics.replays, reader=configured.kafka.group)
        for found in counted(records, "rows of replays read"):
            if found.value is not None:
                row = _decoded(codec.decode, cache, topics.replays, found)
                rows[row.key] = row
    return rows


def _state_codecs(configured: Settings, topics: Topics) -> OfferCodecs:
    """Returns codecs that know every schema of stored states."""
    with registry(configured) as client:
        cache = SchemaCache(client)
        prefetch(client, topics, cache.add)
        return OfferCodecs(look_up(client, topics, avro_keys=convert.avro_keys(configured)), cache.get)


def _decoded(
    decode: Callable[[bytes], T | BadRecord | NotYet], cache: SchemaCache, topic: str, found: TopicRecord
) -> T:
    """Returns the row of a record; fetches its schema if that is not known. Raises Stopped if it cannot be read."""
    while isinstance(row := decode(found.value or b""), NotYet):
        cache.fetch(row.need)
    if isinstance(row, BadRecord):
        raise Stopped(f"{topic}/{found.partition}/{found.offset} cannot be read: {row.text}")
    return row


def state_records(configured: Settings, key: str) -> list[StateRecord]:
    """Returns the newest record with this key of each state topic and partition. Raises as ``read_key_values``."""
    topics, avro_keys = convert.topics(configured), convert.avro_keys(configured)
    with registry(configured) as client:
        cache = SchemaCache(client)
        prefetch(client, topics, cache.add)
        decoders = flows.state_decoders(topics, look_up(client, topics, avro_keys=avro_keys), cache.get)
    return [record for topic, decode in decoders.items() for record in _records_of(configured, topic, key, decode)]


def _records_of(configured: Settings, topic: str, key: str, decode: Callable[[bytes], Any]) -> Iterator[StateRecord]:
    raw, newest = key_bytes(key), dict[int, TopicRecord]()
    for found in counted(read_records(connection(configured), topic, reader=configured.kafka.group), "states read"):
        if found.key == raw:
            newest[found.partition] = found
    for partition, found in sorted(newest.items()):
        if found.value is not None:
            state = decode(found.value)
            yield StateRecord(topic=topic, partition=partition, offset=found.offset, key=key, state=state)


def order_records(configured: Settings) -> Iterator[tuple[str, OrderRecord | None]]:
    """Yields the order id and order of every record of the orders topic; None is a tombstone.

    Raises Stopped if orders are disabled or a record cannot be read.
    """
    topics = convert.topics(configured)
    if Feature.ORDERS not in topics.features:
        raise Stopped("orders are disabled. Remedy: [orders] enabled = true")
    with registry(configured) as client:
        decoder = Decoder(schemas.load("order_observed", schemas.newest("order_observed")), client.schema)
        for key, value in read_key_values(connection(configured), topics.orders, reader=configured.kafka.group):
            order = decoder.decode(value) if value is not None else None
            if isinstance(order, BadRecord | NotYet):
                raise Stopped(f"a record of {topics.orders} cannot be read: {order.text}")
            yield key.decode(errors="replace"), order
