"""The contract of Source and Sink: in memory, embedded broker, Kafka (exactly once and at least once)."""

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from streams.clock import uptime_s
from streams.errors import SinkFailed
from streams.flow import Assignment, Output, Stored, Waits
from streams.lanes.record_headers import headers_of
from streams.messages import Checkpoint, Revoked, Topic
from tests.contracts.brokers import BrokerAdapter, RecordingMember, closing, committed, mark, until, write


@dataclass(frozen=True, kw_only=True)
class TopicSet:
    """The topics and the consumer group of one test."""

    group: str
    inputs: str
    states: str
    results: str

    @property
    def topics(self) -> dict[str, str]:
        return {self.inputs: self.states}


def topic_set(broker: BrokerAdapter, partitions: int = 2) -> TopicSet:
    return TopicSet(
        group=f"g-{uuid.uuid4().hex[:8]}",
        inputs=broker.create_topic("inputs", partitions),
        states=broker.create_topic("states", partitions),
        results=broker.create_topic("results", partitions),
    )


def numbered(topic: str, partition: int, first: int, count: int) -> list[Output]:
    return [
        Output(topic=topic, key=f"k{n}".encode(), value=str(n).encode(), partition=partition)
        for n in range(first, first + count)
    ]


def member(broker: BrokerAdapter, where: TopicSet) -> RecordingMember:
    return RecordingMember(source=broker.source(group=where.group, topics=where.topics))


def one_part(at: Assignment, position: int, *outputs: Output, serial: int = 1) -> Checkpoint:
    return Checkpoint(serial=serial, outputs={at: outputs}, marks={at: mark(position, serial=serial)})


# ---- reading --------------------------------------------------------------------------------------------------------


def test_a_new_group_reads_from_the_configured_start_each_record_once_and_in_order(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 1_200) + numbered(where.inputs, 1, 0, 30))
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: len(reader.records) >= 1_230, reader)
        reader.poll()

        assert reader.values(0) == [str(n).encode() for n in range(1_200)]
        assert reader.values(1) == [str(n).encode() for n in range(30)]
        assert [r.offset for r in reader.records if r.at.partition == 0] == list(range(1_200))
        assert {owned.mark for owned in reader.owned.values()} == {None}
        assert {owned.partitions for owned in reader.owned.values()} == {2}


def test_a_group_that_starts_at_the_end_reads_what_comes_later(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    broker.append(numbered(where.inputs, 0, 0, 5))
    late = RecordingMember(source=broker.source(group=where.group, topics=where.topics, start="latest"))

    with closing(late.source):
        until(lambda: bool(late.owned), late)
        broker.append(numbered(where.inputs, 0, 5, 3))
        until(lambda: len(late.records) >= 3, late)

        assert late.values() == [b"5", b"6", b"7"]
        assert late.owned[late.at(0)].start == 5


def test_a_start_that_skips_existing_records_is_reported(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 5))
    broker.reset(where.group, where.inputs, 1, 0)
    late = RecordingMember(source=broker.source(group=where.group, topics=where.topics, start="latest"))
    first = RecordingMember(source=broker.source(group=f"{where.group}-first", topics=where.topics))

    with closing(late.source, first.source):
        until(lambda: len(late.owned) == 2 and len(first.owned) == 2, late, first)

        assert [late.owned[late.at(n)].skips for n in (0, 1)] == [True, False]
        assert [first.owned[first.at(n)].skips for n in (0, 1)] == [False, False]


@pytest.mark.needs("seek-to-time")
def test_a_group_that_starts_at_a_time_reads_from_its_first_record_on(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 5) + numbered(where.inputs, 1, 0, 5))
    time.sleep(0.005)  # record times have millisecond resolution
    since = datetime.now(UTC)
    broker.append(numbered(where.inputs, 0, 5, 3))
    reader = RecordingMember(source=broker.source(group=where.group, topics=where.topics, start=since))

    with closing(reader.source):
        until(lambda: len(reader.owned) == 2 and len(reader.records) >= 3, reader)

        assert reader.values(0) == [b"5", b"6", b"7"]
        assert reader.owned[reader.at(1)].start == 5, "nothing that new: from the end on"


def test_a_record_keeps_key_value_time_and_headers(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    headers = (("a", b"1"), ("a", b"2"), ("b", b""))
    broker.append([Output(topic=where.inputs, key=None, value=None, headers=headers, partition=0)])
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: bool(reader.records), reader)

        record = reader.records[0]
        assert (record.key, record.value, record.headers) == (None, None, headers)
        assert record.time_us > 1_500_000_000_000_000


def test_nothing_is_read_before_it_is_resumed(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    broker.append(numbered(where.inputs, 0, 0, 10))
    reader = member(broker, where)
    reader.resumes = False

    with closing(reader.source):
        until(lambda: bool(reader.owned), reader)
        for _ in range(10):
            reader.poll()

        assert reader.records == []


def test_pausing_and_resuming_loses_nothing_and_repeats_nothing(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 6_000) + numbered(where.inputs, 1, 0, 6_000))
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: len(reader.owned) == 2, reader)
        turn = 0

        def churn() -> bool:
            nonlocal turn
            turn += 1
            at = frozenset({reader.at(turn % 2)})
            if turn % 4 < 2:
                reader.source.pause(at)
            else:
                reader.source.resume(at)
            return len(reader.records) >= 12_000

        until(churn, reader)

        for partition in (0, 1):
            assert reader.values(partition) == [str(n).encode() for n in range(6_000)]


def test_a_paused_partition_delivers_nothing_while_another_is_read(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 10) + numbered(where.inputs, 1, 0, 10))
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: len(reader.records) == 20, reader)
        reader.source.pause(frozenset({reader.at(0)}))
        reader.poll()
        broker.append(numbered(where.inputs, 0, 10, 5) + numbered(where.inputs, 1, 10, 5))
        until(lambda: len(reader.records) >= 25, reader)
        for _ in range(5):
            reader.poll()

        assert len(reader.values(0)) == 10
        assert len(reader.values(1)) == 15


def test_a_reread_partition_delivers_each_record_once_and_in_order(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 3_000))
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: len(reader.values(0)) >= 500, reader)
        reader.source.reread(frozenset({reader.at(0), Assignment(topic=where.inputs, partition=0, epoch=99)}))
        until(lambda: len(reader.values(0)) >= 3_000, reader)

        assert reader.values(0) == [str(n).encode() for n in range(3_000)]


def test_a_partition_resumed_after_all_were_paused_is_read_immediately(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    broker.append(numbered(where.inputs, 0, 0, 3))
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: len(reader.records) == 3, reader)

        assert any(read_after_s(broker, where, reader, number) < 0.5 for number in range(3, 13)), (
            "a client's fetching thread that is not woken sleeps a second, each time"
        )


def read_after_s(broker: BrokerAdapter, where: TopicSet, reader: RecordingMember, number: int) -> float:
    """Returns how long after a resume the next record arrives."""
    reader.source.pause(frozenset({reader.at(0)}))
    reader.poll()
    broker.append(numbered(where.inputs, 0, number, 1))
    reader.source.resume(frozenset({reader.at(0)}))
    resumed_s = uptime_s()
    until(lambda: len(reader.records) == number + 1, reader)
    return uptime_s() - resumed_s


def test_position_and_end_of_a_partition_are_reported(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    broker.append(numbered(where.inputs, 0, 0, 7))
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: set(reader.positions.values()) == {7} and set(reader.ends.values()) == {7}, reader)

        assert reader.owned[reader.at(0)].end == 7


# ---- marks and state ------------------------------------------------------------------------------------------------


def test_a_new_owner_restores_mark_state_and_position(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 10) + numbered(where.inputs, 1, 0, 10))
    first = member(broker, where)
    sink = broker.sink(group=where.group, instance_id=where.group)
    waits = (Waits(account="main", priority=2, since_us=3),)
    stored = Stored(value=b"v", undone=True, open_since_us=5, due_us=7, waits=waits, announced=("a b", "č;d"))
    with closing(first.source, sink):
        sink.open()
        until(lambda: len(first.owned) == 2, first)
        at = first.at(1)
        lanes = (
            Output(topic=where.states, key=b"gone", value=b"x", partition=1),
            Output(topic=where.states, key=b"lane", value=b"v", headers=headers_of(stored), partition=1),
            Output(topic=where.states, key=b"gone", value=None, partition=1),
        )
        done = write(sink, one_part(at, 4, *lanes), first.source)
        assert done.written.marks == {at: mark(4)}
        assert done.broken == ()

    second = member(broker, where)
    with closing(second.source):
        until(lambda: len(second.records) >= 16, second)

        assert second.owned[second.at(1)].mark == mark(4)
        assert second.owned[second.at(1)].start == 4
        assert second.owned[second.at(1)].state == {"lane": stored}
        assert second.owned[second.at(0)].state == {}
        assert second.owned[second.at(0)].mark is None
        assert [second.owned[second.at(n)].committed for n in (0, 1)] == [False, True]
        assert second.values(1) == [str(n).encode() for n in range(4, 10)]


def test_a_long_state_is_restored_completely(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    broker.append(
        [
            Output(topic=where.states, key=f"k{n % 9_000}".encode(), value=str(n).encode(), partition=0)
            for n in range(20_000)
        ]
    )
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: bool(reader.owned), reader)

        state = reader.owned[reader.at(0)].state
        assert len(state) == 9_000
        assert state["k1"].value == b"18001"


def test_a_mark_is_read_back_as_it_was_committed(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)
    sink = broker.sink(group=where.group, instance_id=where.group)

    with closing(reader.source, sink):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        said = mark(0, serial=2**53, drained=True, state_topic_id="ab/+=-ü")
        write(sink, Checkpoint(serial=said.serial, outputs={}, marks={reader.at(0): said}), reader.source)

        assert broker.committed(where.group, where.inputs, 0) == (0, said)


def test_a_position_set_by_a_tool_is_kept_and_has_no_mark(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    broker.append(numbered(where.inputs, 0, 0, 10))
    broker.reset(where.group, where.inputs, 0, 3)
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: len(reader.records) >= 7, reader)

        assert reader.owned[reader.at(0)].mark is None
        assert reader.owned[reader.at(0)].start == 3
        assert reader.owned[reader.at(0)].committed


@pytest.mark.needs("topic-administration")
def test_a_recreated_state_topic_has_another_id(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    other = broker.create_topic("other-states", 1)
    ids = []
    for states in (where.states, other):
        reader = RecordingMember(source=broker.source(group=where.group, topics={where.inputs: states}))
        with closing(reader.source):
            until(lambda reader=reader: bool(reader.owned), reader)  # type: ignore[misc]
            ids.append(reader.owned[reader.at(0)].state_topic_id)

    assert len(set(ids)) == 2


@pytest.mark.needs("topic-administration")
def test_an_input_topic_created_again_while_it_is_read_is_noticed_by_its_id(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: bool(reader.owned), reader)
        owned = reader.owned[reader.at(0)]
        until(lambda: where.inputs in reader.topics, reader)
        before = reader.topics[where.inputs]
        broker.recreate_topic(where.inputs, 1)
        until(lambda: reader.topics[where.inputs].id != before.id, reader)

        assert before == Topic(id=owned.input_topic_id, partitions=1)
        assert reader.topics[where.states] == Topic(id=owned.state_topic_id, partitions=1)


@pytest.mark.needs("topic-administration")
def test_partitions_added_while_a_topic_is_read_are_noticed_before_they_are_assigned(
    broker: BrokerAdapter,
) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: bool(reader.owned), reader)
        broker.grow_topic(where.states, 2)
        broker.grow_topic(where.inputs, 2)
        until(lambda: where.inputs in reader.topics and reader.topics[where.inputs].partitions == 2, reader)


@pytest.mark.needs("topic-administration")
def test_a_position_that_is_no_longer_in_the_log_stops_its_partition_only(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 10) + numbered(where.inputs, 1, 0, 10))
    broker.reset(where.group, where.inputs, 0, 2)
    broker.delete_before(where.inputs, 0, 5)
    reader = member(broker, where)

    with closing(reader.source):
        until(lambda: bool(reader.broken) and len(reader.records) >= 10, reader)

        assert [broken.at.partition for broken in reader.broken] == [0]
        assert "offset 2" in reader.broken[0].reason
        assert "reset" in reader.broken[0].reason
        assert reader.values(0) == []
        assert len(reader.values(1)) == 10


# ---- rebalance ------------------------------------------------------------------------------------------------------


@pytest.mark.needs("hand-over")
def test_a_second_member_takes_half_and_the_first_hands_it_over_with_its_marks(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 10) + numbered(where.inputs, 1, 0, 10))
    first = member(broker, where)
    sink = broker.sink(group=where.group, instance_id=where.group)

    def hand_over(revoked: Revoked) -> None:
        first.source.pause(frozenset(revoked.parts))
        for at in revoked.parts:
            last = mark(10, serial=5, drained=True)
            write(sink, Checkpoint(serial=5, outputs={at: ()}, marks={at: last}), first.source)

    first.on_revoke = hand_over
    sink.open()
    until(lambda: len(first.records) == 20, first)
    second = member(broker, where)
    with closing(second.source, first.source, sink):
        until(lambda: len(second.owned) == 1 and len(first.owned) == 1, first, second)

        gone = first.revoked[0]
        assert not gone.lost
        assert gone.budget_s > 0
        assert [at.partition for at in gone.parts] == [at.partition for at in second.owned]
        assert {owned.mark for owned in second.owned.values()} == {mark(10, serial=5, drained=True)}
        assert second.records == []


def test_partitions_of_a_leaving_member_are_assigned_to_the_other_with_a_new_epoch(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 10) + numbered(where.inputs, 1, 0, 10))
    first, second = member(broker, where), member(broker, where)
    with closing(first.source, second.source):
        until(lambda: len(first.owned) == 1 and len(second.owned) == 1, first, second)
        kept = next(iter(first.owned))

        second.source.close()
        until(lambda: len(first.owned) == 2, first)

        epochs = {at.partition: at.epoch for at in first.owned}
        assert kept in first.owned, "what it kept is still the same assignment"
        assert epochs[1 - kept.partition] > kept.epoch


def test_a_partition_assigned_again_is_read_from_its_mark(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    broker.append(numbered(where.inputs, 0, 0, 50) + numbered(where.inputs, 1, 0, 50))
    first = member(broker, where)
    with closing(first.source):
        until(lambda: len(first.records) == 100, first)
        for at in first.owned:
            committed(first.source, {at: mark(20)}, 1)
        second = member(broker, where)
        until(lambda: len(second.owned) == 1 and len(first.owned) == 1, first, second)
        moved = next(iter(second.owned)).partition
        first.records.clear()
        second.source.close()
        until(lambda: len(first.owned) == 2 and len(first.values(moved)) >= 30, first)

        assert first.values(moved) == [str(n).encode() for n in range(20, 50)]
        assert first.values(1 - moved) == [], "what it kept is not read again"


def test_marks_of_a_lost_assignment_are_not_committed(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)
    with closing(reader.source):
        until(lambda: bool(reader.owned), reader)
        at = reader.at(0)
        stale = Assignment(topic=at.topic, partition=at.partition, epoch=at.epoch - 1)

        written = committed(reader.source, {stale: mark(5), at: mark(0)}, 1)

        assert dict(written.marks) == {at: mark(0)}


# ---- writing --------------------------------------------------------------------------------------------------------


def test_a_checkpoint_writes_its_outputs_and_its_mark(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)
    sink = broker.sink(group=where.group, instance_id=where.group)
    result = Output(topic=where.results, key=b"k", value=b"v", headers=(("h", b"1"),), partition=0)

    with closing(reader.source, sink):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        at = reader.at(0)
        done = write(sink, one_part(at, 1, result, serial=7), reader.source)

        assert done.written.serial == 7
        assert done.written.marks == {at: mark(1, serial=7)}
        assert broker.visible(where.results, 0) == [result]
        assert broker.committed(where.group, where.inputs, 0) == (1, mark(1, serial=7))


def test_the_lease_runs_from_before_the_marks_were_sent(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)
    sink = broker.sink(group=where.group, instance_id=where.group)

    with closing(reader.source, sink):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        began_s = uptime_s()
        done = write(sink, one_part(reader.at(0), 1), reader.source)

        assert began_s <= done.written.sent_at_s < uptime_s()


def test_a_key_is_partitioned_as_by_a_java_producer(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    reader = member(broker, where)
    sink = broker.sink(group=where.group, instance_id=where.group)

    with closing(reader.source, sink):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        keys = [b"4006381333931", b"21", b"foobar"]
        outputs = [Output(topic=where.results, key=key, value=b"v") for key in keys]
        write(sink, one_part(reader.at(0), 0, *outputs), reader.source)

        placed = {out.key: number for number in (0, 1) for out in broker.visible(where.results, number)}
        # murmur2("21") = -973932308 and murmur2("foobar") = -790332482 (Kafka's UtilsTest), less the sign, of two
        assert placed[b"21"] == (-973932308 & 0x7FFFFFFF) % 2
        assert placed[b"foobar"] == (-790332482 & 0x7FFFFFFF) % 2


def test_outputs_of_a_lost_assignment_are_not_written(broker: BrokerAdapter) -> None:
    where = topic_set(broker)
    reader = member(broker, where)
    sink = broker.sink(group=where.group, instance_id=where.group)

    with closing(reader.source, sink):
        sink.open()
        until(lambda: len(reader.owned) == 2, reader)
        dead, alive = reader.at(0), reader.at(1)
        sink.drop(frozenset({dead}))
        checkpoint = Checkpoint(
            serial=1,
            outputs={
                dead: (Output(topic=where.results, key=b"d", value=b"d", partition=0),),
                alive: (Output(topic=where.results, key=b"a", value=b"a", partition=0),),
            },
            marks={dead: mark(1), alive: mark(1)},
        )
        done = write(sink, checkpoint, reader.source)

        assert set(done.written.marks) == {alive}
        assert [output.key for output in broker.visible(where.results, 0)] == [b"a"]
        assert broker.committed(where.group, where.inputs, 0) is None


def test_a_checkpoint_of_lost_assignments_only_is_durable_at_once(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)
    sink = broker.sink(group=where.group, instance_id=where.group)

    with closing(reader.source, sink):
        sink.open()
        until(lambda: bool(reader.owned), reader)
        sink.drop(frozenset(reader.owned))

        assert write(sink, one_part(reader.at(0), 1), reader.source).written.marks == {}


def test_closing_twice_is_harmless(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)
    sink = broker.sink(group=where.group, instance_id=where.group)
    sink.open()
    until(lambda: bool(reader.owned), reader)

    for part in (sink, sink, reader.source, reader.source):
        part.close()


@pytest.mark.needs("fencing")
def test_a_producer_that_was_fenced_writes_with_a_new_one(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)
    thawed = broker.sink(group=where.group, instance_id=where.group)
    successor = broker.sink(group=where.group, instance_id=where.group)
    result = Output(topic=where.results, key=b"k", value=b"v", partition=0)

    with closing(reader.source, thawed, successor):
        thawed.open()
        until(lambda: bool(reader.owned), reader)
        write(thawed, one_part(reader.at(0), 1, result), reader.source)
        successor.open()
        done = write(thawed, one_part(reader.at(0), 2, result, serial=2), reader.source)

        assert done.written.serial == 2
        assert broker.committed(where.group, where.inputs, 0) == (2, mark(2, serial=2))
        assert len(broker.visible(where.results, 0)) == 2


@pytest.mark.needs("fencing")
def test_two_processes_with_one_instance_id_are_reported(broker: BrokerAdapter) -> None:
    where = topic_set(broker, partitions=1)
    reader = member(broker, where)
    one = broker.sink(group=where.group, instance_id=where.group)
    other = broker.sink(group=where.group, instance_id=where.group)

    with closing(reader.source, one, other):
        one.open()
        other.open()
        until(lambda: bool(reader.owned), reader)
        at = reader.at(0)

        def quarrel() -> None:
            for serial in range(1, 5):
                for sink in (one, other):
                    write(sink, one_part(at, 0, serial=serial), reader.source)

        with pytest.raises(SinkFailed, match="a second process uses the instance id"):
            quarrel()
