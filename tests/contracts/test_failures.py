"""Failures on a real broker, and how source and sinks handle them: each row of the table in ``streams.kafka.sinks``."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition

from devstack.jvm_stack import JvmStack
from devstack.stack import CACHE, Stack
from streams.clock import uptime_s
from streams.errors import SourceFailed
from streams.flow import Output
from streams.kafka.admin import ClusterAdmin
from streams.kafka.sinks import PlainSink, TransactionalSink
from streams.messages import Checkpoint, Written
from streams.ports import Again, Done
from streams.topics import TopicToCreate
from tests.contracts.brokers import PATIENCE_S, KafkaAdapter, RecordingMember, closing, committed, mark, until, write
from tests.contracts.forgetful_proxy import ForgetfulProxy
from tests.contracts.test_source_and_sink import TopicSet, member, numbered, one_part, topic_set

pytestmark = pytest.mark.kafka


@pytest.fixture
def real(kafka: Stack) -> KafkaAdapter:
    return KafkaAdapter(kafka)


def sink_of(real: KafkaAdapter, where: TopicSet, **more: Any) -> TransactionalSink:
    made = real.sink(group=where.group, instance_id=where.group, **more)
    assert isinstance(made, TransactionalSink)
    return made


def result(where: TopicSet, value: bytes = b"v", key: bytes = b"k") -> Output:
    return Output(topic=where.results, key=key, value=value, partition=0)


class InterceptedProducer:
    """A producer of which one method is replaced."""

    def __init__(self, producer: Producer, name: str, instead: Callable[[Callable[..., Any]], Any]) -> None:
        self._producer = producer
        self._name = name
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._producer, name)
        return (lambda *_a, **_k: self._instead(real)) if name == self._name else real


def spoil(sink: TransactionalSink, name: str, instead: Callable[[Callable[..., Any]], Any]) -> None:
    producer = sink._producer
    assert producer is not None
    sink._producer = InterceptedProducer(producer, name, instead)  # type: ignore[assignment]


def failing(code: int, *, fatal: bool = False, after: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Makes a call fail; with ``after``, once it has done its work."""

    def instead(real: Callable[..., Any]) -> Any:
        if after:
            real(10)
        raise KafkaException(KafkaError(code, "as the test says", fatal))

    return instead


# ---- offsets reset by an operator -----------------------------------------------------------------------------------


def test_the_offsets_of_a_group_that_is_running_can_neither_be_reset_nor_deleted(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    reader, sink = member(real, where), sink_of(real, where)
    part = TopicPartition(where.inputs, 0, 0)
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        write(sink, one_part(reader.at(0), 7), reader.source)

        asked = ConsumerGroupTopicPartitions(where.group, [part])
        reset = next(iter(real.admin.alter_consumer_group_offsets([asked]).values())).result()
        deleted = next(iter(real.admin.delete_consumer_groups([where.group]).values())).exception()

    assert [one.error is not None for one in reset.topic_partitions] == [True], reset.topic_partitions
    assert isinstance(deleted, KafkaException)
    assert real.committed(where.group, where.inputs, 0) == (7, mark(7))


# ---- failed checkpoints ---------------------------------------------------------------------------------------------


def test_outdated_group_metadata_aborts_the_transaction_and_current_metadata_writes_once(real: KafkaAdapter) -> None:
    where = topic_set(real)
    first, sink = member(real, where), sink_of(real, where)
    with closing(sink, first.source):
        sink.open()
        until(lambda: len(first.owned) == 2, first)
        stale = first.source.group()
        second = member(real, where)
        with closing(second.source):
            until(lambda: len(first.owned) == 1 and len(second.owned) == 1, first, second)
            checkpoint = one_part(next(iter(first.owned)), 1, result(where))

            refused = sink.write(checkpoint, stale)
            done = write(sink, checkpoint, first.source)

    assert isinstance(refused, Again)
    assert [notice.event for notice in refused.notices] == ["checkpoint_failed"]
    assert done.written.marks == checkpoint.marks
    assert real.visible(where.results, 0) == [result(where)]


def test_a_retriable_error_repeats_the_call_on_the_same_producer(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    reader, sink = member(real, where), sink_of(real, where)
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        before = sink._producer
        spoil(sink, "commit_transaction", failing(KafkaError._TIMED_OUT))
        checkpoint = one_part(reader.at(0), 1, result(where))
        refused = sink.write(checkpoint, reader.source.group())
        sink._producer = before
        began: list[int] = []
        spoil(sink, "begin_transaction", lambda real_call: began.append(1))

        done = sink.write(checkpoint, reader.source.group())

    assert isinstance(refused, Again)
    assert isinstance(done, Done)
    assert began == [], "nothing is produced again"
    assert real.visible(where.results, 0) == [result(where)]


def test_a_producer_without_progress_for_twenty_seconds_is_replaced(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    reader = member(real, where)
    now_s = [0.0]
    settings = real._sink_settings(where.group, where.group, frozenset())
    sink = TransactionalSink(settings, clock=lambda: now_s[0])
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        stuck = sink._producer
        spoil(sink, "send_offsets_to_transaction", failing(KafkaError._TRANSPORT))
        checkpoint = one_part(reader.at(0), 1, result(where))
        for _ in range(3):
            assert isinstance(sink.write(checkpoint, reader.source.group()), Again)
            now_s[0] += 10.0

        write(sink, checkpoint, reader.source)

        assert sink._producer is not stuck
    assert real.visible(where.results, 0) == [result(where)]


@pytest.mark.parametrize("landed", [True, False], ids=["landed", "not landed"])
def test_a_producer_fenced_during_a_commit_reads_the_committed_marks_to_learn_whether_it_succeeded(
    real: KafkaAdapter, *, landed: bool
) -> None:
    where = topic_set(real, partitions=1)
    reader, sink = member(real, where), sink_of(real, where)
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        spoil(sink, "commit_transaction", failing(KafkaError._FENCED, fatal=True, after=landed))
        checkpoint = one_part(reader.at(0), 1, result(where))

        refused = sink.write(checkpoint, reader.source.group())
        done = write(sink, checkpoint, reader.source)

    assert isinstance(refused, Again)
    assert done.written.marks == checkpoint.marks
    assert real.visible(where.results, 0) == [result(where)]


def test_a_slow_commit_does_not_extend_the_lease(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    reader, sink = member(real, where), sink_of(real, where)
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        sent: list[float] = []
        untouched: Any = sink._producer

        class Slow:
            def __getattr__(self, name: str) -> Any:
                return getattr(untouched, name)

            def send_offsets_to_transaction(self, *arguments: Any) -> None:
                sent.append(uptime_s())
                untouched.send_offsets_to_transaction(*arguments)

        sink._producer = Slow()  # type: ignore[assignment]
        done = write(sink, one_part(reader.at(0), 1), reader.source)

    assert done.written.sent_at_s <= sent[0]


def test_at_least_once_an_acknowledgement_after_the_lease_does_not_count(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    reader = member(real, where)
    now_s = [0.0]
    sink = PlainSink(real._sink_settings(where.group, where.group, frozenset()), clock=lambda: now_s[0])
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        untouched: Any = sink._producer

        class Frozen:
            def __getattr__(self, name: str) -> Any:
                return getattr(untouched, name)

            def flush(self, *arguments: Any) -> Any:
                now_s[0] += 60.0
                return untouched.flush(*arguments)

        sink._producer = Frozen()  # type: ignore[assignment]
        late = sink.write(one_part(reader.at(0), 1, result(where)), reader.source.group())

    assert isinstance(late, Again)


def test_at_least_once_writes_lanes_after_everything_else(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    reader = member(real, where)
    settings = real._sink_settings(where.group, where.group, frozenset())
    sink = PlainSink(replace(settings, states=frozenset({where.states}), lease_s=1.0))
    lane = Output(topic=where.states, key=b"k", value=b"done", partition=0)
    lost = Output(topic=f"{where.results}-is-not-there", key=b"k", value=b"v", partition=0)
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        refused = sink.write(one_part(reader.at(0), 1, lane, lost), reader.source.group())
        kept = real.visible(where.states, 0)
        done = sink.write(one_part(reader.at(0), 1, lane, result(where)), reader.source.group())

    assert isinstance(refused, Again)
    assert kept == []
    assert isinstance(done, Done)
    assert [output.value for output in real.visible(where.states, 0)] == [b"done"]
    assert [output.value for output in real.visible(where.results, 0)] == [b"v"]


def test_a_repeated_checkpoint_leaves_out_assignments_lost_meanwhile(real: KafkaAdapter) -> None:
    where = topic_set(real)
    reader, sink = member(real, where), sink_of(real, where)
    with closing(sink, reader.source):
        sink.open()
        until(lambda: len(reader.owned) == 2, reader)
        dead, alive = reader.at(0), reader.at(1)
        untouched = sink._producer
        spoil(sink, "send_offsets_to_transaction", failing(KafkaError._TIMED_OUT))
        outputs = {dead: (result(where, b"dead"),), alive: (result(where, b"alive"),)}
        checkpoint = Checkpoint(serial=1, outputs=outputs, marks={dead: mark(1), alive: mark(1)})
        refused = sink.write(checkpoint, reader.source.group())
        sink._producer = untouched
        sink.drop(frozenset({dead}))

        done = write(sink, checkpoint, reader.source)

    assert isinstance(refused, Again)
    assert set(done.written.marks) == {alive}
    assert [output.value for output in real.visible(where.results, 0)] == [b"alive"]


def test_an_interrupted_transaction_is_aborted_and_never_committed_in_part(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    reader, sink = member(real, where), sink_of(real, where)
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        untouched = sink._producer
        assert untouched is not None
        handed: list[int] = []
        produce = untouched.produce

        class Tired:
            def __getattr__(self, name: str) -> Any:
                return getattr(untouched, name)

            def produce(self, *arguments: Any, **named: Any) -> None:
                handed.append(1)
                if len(handed) > 2:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
                produce(*arguments, **named)

        sink._producer = Tired()  # type: ignore[assignment]
        outputs = tuple(result(where, str(n).encode()) for n in range(4))
        checkpoint = one_part(reader.at(0), 1, *outputs)
        refused = sink.write(checkpoint, reader.source.group())
        sink._producer = untouched

        write(sink, checkpoint, reader.source)

    assert isinstance(refused, Again)
    assert real.visible(where.results, 0) == list(outputs)


@pytest.mark.parametrize("side", ["client", "broker"])
def test_a_lane_record_that_is_too_large_stops_its_partition_only(real: KafkaAdapter, side: str) -> None:
    where = topic_set(real)
    small = real._stack.create_topic("small", 2, {"max.message.bytes": "2000"})
    size = 1_500_000 if side == "client" else 4_000
    reader, sink = member(real, where), sink_of(real, where)
    with closing(sink, reader.source):
        sink.open()
        until(lambda: len(reader.owned) == 2, reader)
        bad, good = reader.at(0), reader.at(1)
        large = Output(topic=small, key=b"lane", value=os.urandom(size), partition=0)
        outputs = {bad: (result(where, b"bad"), large), good: (result(where, b"good"),)}
        checkpoint = Checkpoint(serial=1, outputs=outputs, marks={bad: mark(1), good: mark(1)})

        done = write(sink, checkpoint, reader.source)

    assert [broken.at for broken in done.broken] == [bad]
    assert "too large" in done.broken[0].reason
    assert set(done.written.marks) == {good}
    assert [output.value for output in real.visible(where.results, 0)] == [b"good"]
    assert real.committed(where.group, where.inputs, 0) is None


@pytest.mark.parametrize("side", ["client", "broker"])
def test_a_call_log_row_that_is_too_large_is_replaced_by_its_digest(real: KafkaAdapter, side: str) -> None:
    where = topic_set(real, partitions=1)
    calls = real._stack.create_topic("calls", 1, {"max.message.bytes": "2000"})
    size = 1_500_000 if side == "client" else 4_000
    reader, sink = member(real, where), sink_of(real, where, replaceable=frozenset({calls}))
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        large = Output(topic=calls, key=b"main", value=os.urandom(size), partition=0)

        done = write(sink, one_part(reader.at(0), 1, large, result(where)), reader.source)

    assert done.broken == ()
    assert real.visible(where.results, 0) == [result(where)]
    shown = real.visible(calls, 0)[0]
    assert shown.value is None
    assert dict(shown.headers)["value.length"] == str(len(large.value or b"")).encode()


# ---- transactions of others -----------------------------------------------------------------------------------------


def test_uncommitted_records_are_not_read_and_aborted_ones_are_skipped(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    upstream = Producer(real._client(**{"transactional.id": where.group, "retry.backoff.ms": 5}))
    upstream.init_transactions(PATIENCE_S)
    real.append(numbered(where.inputs, 0, 0, 3))
    upstream.begin_transaction()
    for number in range(5):
        upstream.produce(where.inputs, value=f"aborted {number}", partition=0)
    assert upstream.flush(10) == 0
    reader = member(real, where)
    with closing(reader.source):
        until(lambda: len(reader.records) >= 3, reader)
        assert reader.owned[reader.at(0)].end == 3, "the last stable offset, not the end of the log"
        until(lambda: (set(reader.ends.values()), set(reader.log_ends.values())) == ({3}, {8}), reader)

        upstream.abort_transaction(PATIENCE_S)
        until(lambda: set(reader.positions.values()) == {9} == set(reader.ends.values()), reader)

        assert len(reader.records) == 3


def test_a_restore_waits_for_the_end_of_the_predecessors_transaction(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    first = member(real, where)
    frozen = Producer(real._client(**{"transactional.id": where.group, "retry.backoff.ms": 5}))
    frozen.init_transactions(PATIENCE_S)
    until(lambda: bool(first.owned), first)
    frozen.begin_transaction()
    frozen.produce(where.states, key=b"lane", value=b"never committed", partition=0)
    frozen.send_offsets_to_transaction([TopicPartition(where.inputs, 0, 7)], first.source.group(), PATIENCE_S)
    first.source.close()

    second, sink = member(real, where), sink_of(real, where)
    with closing(sink, second.source):
        until(lambda: any(notice.event == "restore_waits" for notice in second.notices), second)
        assert second.owned == {}

        sink.open()  # a successor with the same id first ends the open transaction
        until(lambda: bool(second.owned), second)

        owned = second.owned[second.at(0)]
        assert (owned.mark, owned.start, owned.state) == (None, 0, {})


def test_a_lane_that_was_aborted_is_not_restored_and_the_one_before_it_is(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    real.append([Output(topic=where.states, key=b"lane", value=b"old", partition=0)])
    writer = Producer(real._client(**{"transactional.id": where.group, "retry.backoff.ms": 5}))
    writer.init_transactions(PATIENCE_S)
    writer.begin_transaction()
    writer.produce(where.states, key=b"lane", value=b"aborted", partition=0)
    assert writer.flush(10) == 0
    writer.abort_transaction(PATIENCE_S)
    reader = member(real, where)

    with closing(reader.source):
        until(lambda: bool(reader.owned), reader)

        assert {key: stored.value for key, stored in reader.owned[reader.at(0)].state.items()} == {"lane": b"old"}


def test_a_lane_behind_an_open_transaction_of_another_is_restored_too(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    other = Producer(real._client(**{"transactional.id": where.group, "retry.backoff.ms": 5}))
    other.init_transactions(PATIENCE_S)
    other.begin_transaction()
    other.produce(where.states, key=b"other", value=b"open", partition=0)
    assert other.flush(10) == 0
    real.append([Output(topic=where.states, key=b"lane", value=b"committed", partition=0)])
    reader = member(real, where)
    with closing(reader.source):
        until(lambda: any(notice.event == "restore_progress" for notice in reader.notices), reader)
        assert reader.owned == {}, "the end that a read-committed reader is told lies before the lane"

        other.abort_transaction(PATIENCE_S)
        until(lambda: bool(reader.owned), reader)

        assert set(reader.owned[reader.at(0)].state) == {"lane"}


# ---- unsuitable topics ----------------------------------------------------------------------------------------------


def test_a_missing_state_topic_stops_the_source_with_its_name(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=1)
    reader = RecordingMember(source=real.source(group=where.group, topics={where.inputs: "no-such-topic"}))

    with closing(reader.source), pytest.raises(SourceFailed, match="no-such-topic"):
        until(lambda: bool(reader.owned), reader)


def test_a_state_topic_with_too_few_partitions_stops_the_source_with_the_remedy(real: KafkaAdapter) -> None:
    where = topic_set(real, partitions=2)
    narrow = real.create_topic("narrow", 1)
    reader = RecordingMember(source=real.source(group=where.group, topics={where.inputs: narrow}))

    with closing(reader.source), pytest.raises(SourceFailed, match="give both topics the same number"):
        until(lambda: bool(reader.owned), reader)


# ---- the broker goes away -------------------------------------------------------------------------------------------


@pytest.fixture
def own(own_kafka: JvmStack) -> KafkaAdapter:
    return KafkaAdapter(Stack(origin="its own", bootstrap_servers=own_kafka.bootstrap_servers, registry_url=""))


def bring_back(stack: JvmStack, over: threading.Event) -> None:
    """Restarts the broker after three seconds and keeps running, because the broker ends with its starting thread."""
    time.sleep(3.0)
    stack.broker.restart()
    over.wait()


def test_a_broker_killed_for_three_seconds_delays_and_loses_nothing(own: KafkaAdapter, own_kafka: JvmStack) -> None:
    own.session_s = 60.0  # on a busy machine the broker takes many seconds to come back
    where = topic_set(own, partitions=1)
    own.append(numbered(where.inputs, 0, 0, 10))
    reader, sink = member(own, where), sink_of(own, where)
    with closing(sink, reader.source):
        sink.open()
        until(lambda: len(reader.records) >= 10, reader)
        write(sink, one_part(reader.at(0), 1, result(where, b"before")), reader.source)

        own_kafka.broker.kill()
        over = threading.Event()
        threading.Thread(target=bring_back, args=(own_kafka, over), daemon=True).start()
        checkpoint = one_part(reader.at(0), 2, result(where, b"during"), serial=2)
        until(lambda: isinstance(sink.write(checkpoint, reader.source.group()), Done), reader)
        own.append(numbered(where.inputs, 0, 10, 5))
        until(lambda: len(reader.records) >= 15, reader)

        assert [output.value for output in own.visible(where.results, 0)] == [b"before", b"during"]
        assert own.committed(where.group, where.inputs, 0) == (2, mark(2, serial=2))
        assert reader.values() == [str(n).encode() for n in range(15)]
        assert reader.revoked == [], "the session outlives it"
        assert any(notice.event == "broker_error" for notice in reader.notices)
        over.set()


def test_at_least_once_a_commit_without_an_answer_blocks_nothing_else(own: KafkaAdapter, own_kafka: JvmStack) -> None:
    own.session_s = 15.0
    where = topic_set(own, partitions=1)
    own.append(numbered(where.inputs, 0, 0, 10))
    reader = member(own, where)
    with closing(reader.source):
        until(lambda: len(reader.records) >= 10, reader)
        at = reader.at(0)

        own_kafka.broker.freeze()
        begun = reader.source.commit({at: mark(10)}, 1)
        for _ in range(20):  # a second after the thaw
            reader.poll()
        still = reader.source.commit({at: mark(10)}, 1)
        own_kafka.broker.thaw()
        written = committed(reader.source, {at: mark(10)}, 1)

        assert (begun, still) == (None, None)
        assert written.marks == {at: mark(10)}
        assert own.committed(where.group, where.inputs, 0) == (10, mark(10))


def test_a_broker_frozen_past_the_session_loses_the_assignment_and_it_is_reported(
    own: KafkaAdapter, own_kafka: JvmStack
) -> None:
    own.session_s = 3.0
    where = topic_set(own, partitions=1)
    own.append(numbered(where.inputs, 0, 0, 10))
    reader = member(own, where)
    with closing(reader.source):
        until(lambda: len(reader.records) >= 10, reader)
        before = reader.at(0)

        own_kafka.broker.freeze()
        frozen_until_s = uptime_s() + 5.0
        while uptime_s() < frozen_until_s:
            reader.poll()
        own_kafka.broker.thaw()
        until(lambda: bool(reader.revoked) and bool(reader.owned), reader)

        assert [(revoked.parts, revoked.lost) for revoked in reader.revoked] == [((before,), True)]
        assert reader.at(0).epoch > before.epoch
        written = reader.source.commit({before: mark(10)}, 1)
        assert isinstance(written, Written), "marks of the old assignment are left out, and nothing is left to commit"
        assert own.committed(where.group, where.inputs, 0) is None


@pytest.fixture
def way() -> Iterator[ForgetfulProxy]:
    with ForgetfulProxy() as opened:
        yield opened


@pytest.fixture
def behind(way: ForgetfulProxy) -> Iterator[KafkaAdapter]:
    """A broker of the test's own that is reachable only through the proxy."""
    advertised = f"advertised.listeners=PLAINTEXT://127.0.0.1:{way.port}\n"
    with JvmStack(CACHE, with_registry=False, more=lambda *_ports: advertised) as stack:
        way.target_port = int(stack.bootstrap_servers.rpartition(":")[2])
        yield KafkaAdapter(Stack(origin="its own", bootstrap_servers=f"127.0.0.1:{way.port}", registry_url=""))


def forget(way: ForgetfulProxy, client: Consumer | Producer, topic: str) -> None:
    """Makes a client request metadata and get a response without brokers."""
    way.forgets = True
    with suppress(KafkaException):
        client.list_topics(topic, timeout=1.0)
    assert way.forgot.is_set()


def test_a_consumer_that_knows_no_broker_is_replaced_and_reading_continues(
    way: ForgetfulProxy, behind: KafkaAdapter
) -> None:
    where = topic_set(behind, partitions=1)
    behind.append(numbered(where.inputs, 0, 0, 10))
    reader = member(behind, where)
    with closing(reader.source):
        until(lambda: len(reader.records) >= 10, reader)
        before = reader.at(0)

        forget(way, reader.source._consumer, where.inputs)  # type: ignore[attr-defined]
        until(lambda: any(notice.event == "consumer_replaced" for notice in reader.notices), reader)
        way.forgets = False
        until(lambda: bool(reader.owned), reader)
        KafkaAdapter(behind._stack).append(
            numbered(where.inputs, 0, 10, 5)
        )  # earlier clients may have got the same response
        until(lambda: {str(n).encode() for n in range(15)} <= set(reader.values()), reader)

        assert [(revoked.parts, revoked.lost) for revoked in reader.revoked] == [((before,), True)]
        assert reader.at(0).epoch > before.epoch


def test_a_consumer_without_a_connection_for_a_session_is_replaced_and_reading_continues(
    way: ForgetfulProxy, behind: KafkaAdapter
) -> None:
    """A client may know only one broker, which is down, though others are up; it does not look for them itself."""
    where = topic_set(behind, partitions=1)
    behind.append(numbered(where.inputs, 0, 0, 10))
    reader = member(behind, where)
    with closing(reader.source):
        until(lambda: len(reader.records) >= 10, reader)

        there = way.target_port
        way.cut()
        until(lambda: any(notice.event == "consumer_replaced" for notice in reader.notices), reader)
        way.target_port = there
        until(lambda: len(reader.owned) > 0 and reader.at(0).epoch > 1, reader)
        KafkaAdapter(behind._stack).append(numbered(where.inputs, 0, 10, 5))
        until(lambda: {str(n).encode() for n in range(15)} <= set(reader.values()), reader)


DESCRIBE_GROUPS, CREATE_TOPICS = 15, 19
"""The API keys of the requests, https://kafka.apache.org/protocol#protocol_api_keys."""


def test_topics_are_created_although_the_broker_does_not_answer_the_first_request(
    way: ForgetfulProxy, behind: KafkaAdapter
) -> None:
    admin = ClusterAdmin({"bootstrap.servers": f"127.0.0.1:{way.port}"}, timeout_s=1.0)
    name = behind._stack.unique("unanswered")
    way.withholds = [CREATE_TOPICS, CREATE_TOPICS]

    refused = admin.create([TopicToCreate(name=name, partitions=3, config={})])

    assert (refused, way.withholds) == ({}, [])
    assert admin.describe([name])[name].partitions == 3


def test_permissions_on_a_group_are_told_although_its_coordinator_does_not_answer_at_once(
    way: ForgetfulProxy, behind: KafkaAdapter
) -> None:
    admin = ClusterAdmin({"bootstrap.servers": f"127.0.0.1:{way.port}"}, timeout_s=1.0)
    way.withholds = [DESCRIBE_GROUPS]

    allowed = admin.allowed_on_group("connector")

    assert way.withholds == []
    assert allowed is not None
    assert {"Read", "Describe"} <= allowed


@pytest.mark.parametrize("kind", [TransactionalSink, PlainSink])
def test_a_producer_that_knows_no_broker_is_replaced_and_writes(
    way: ForgetfulProxy, behind: KafkaAdapter, kind: type[TransactionalSink | PlainSink]
) -> None:
    where = topic_set(behind, partitions=1)
    reader = member(behind, where)
    now_s = [0.0]
    settings = replace(behind._sink_settings(where.group, where.group, frozenset()), lease_s=3.0, call_timeout_s=1.0)
    sink = kind(settings, clock=lambda: now_s[0])
    with closing(sink, reader.source):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        assert sink._producer is not None
        forget(way, sink._producer, where.results)
        way.forgets = False

        checkpoint = one_part(reader.at(0), 1, result(where))
        refused = sink.write(checkpoint, reader.source.group())
        said: Done | Again = refused
        for _ in range(20):
            if isinstance(said, Done):
                break
            now_s[0] += 30.0
            said = sink.write(checkpoint, reader.source.group())

    assert isinstance(refused, Again)
    assert isinstance(said, Done)
    assert KafkaAdapter(behind._stack).visible(where.results, 0)[-1] == result(where)
