"""Exactly the listed metrics and log events are emitted, and each has a source."""

import ast
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.client_statistics import ClientReading, ClientReadings
from streams.dead_letter import DeadLetters
from streams.engine.snapshot import AccountSnapshot, PartitionSnapshot, SideInputSnapshot, Snapshot
from streams.flow import Answer, Assignment, BadRecord, Call, Item, Lost, Now, Output, Record, Retry, Settled
from streams.messages import (
    Arrivals,
    Assigned,
    Checkpoint,
    Drain,
    Fetched,
    Mark,
    Notice,
    OwnedPartition,
    Revoked,
    Stop,
    Tick,
    Written,
)
from streams.telemetry import EVENTS, METRICS, PROCESS, GaugeBoard, Metrics, Telemetry, described

SOURCES = Path(__file__).parent.parent.parent.parent / "streams"
SAYS = {"Notice", "_notice", "_notice_error"}
AT = Assignment(topic="in", partition=3, epoch=1)
CALL = Call(id="c", account="main", kind="set", items=(Item(body=1, attempt=1),) * 2, send_by_s=9.0, give_up_at_s=9.0)


def now(mono_s: float = 100.0) -> Now:
    return Now(mono_s=mono_s, wall_us=1_700_000_000_000_000)


def snapshot(*, gate: tuple[str, ...] = (), draining: bool = False) -> Snapshot:
    part = PartitionSnapshot(
        topic="in",
        partition=3,
        phase="open",
        position=8,
        durable=7,
        end=10,
        lag=2,
        gate=gate,
        waiting_for="",
        broken="",
        lanes=5,
        awake=1,
        undone=1,
        in_flight=1,
        moved_age_s=0.0,
        open=2,
        oldest_open_age_s=40.0,
    )
    account = AccountSnapshot(
        valve="open",
        rate=50.0,
        is_open=True,
        calls_in_flight=2,
        wants_by_rank={0: 1, 3: 4},
        oldest_age_s=1.5,
        limit=100.0,
        calls_left=12,
    )
    return Snapshot(
        partitions=(part,),
        accounts={"main": account},
        lanes_awake=1,
        lanes_asleep=4,
        lanes_undone=1,
        outputs_kept=6,
        checkpoint_on_way=False,
        checkpoint_age_s=0.1,
        lease_left_s=3.0,
        draining=draining,
        stopped="",
    )


@pytest.fixture
def lines() -> list[Notice]:
    return []


@pytest.fixture
def telemetry(lines: list[Notice]) -> Telemetry:
    return Telemetry(lines.append)


def samples(telemetry: Telemetry) -> dict[str, float]:
    """Returns the exposition as values by name with labels."""
    return {
        sample.name + "".join(f",{name}={text}" for name, text in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(telemetry.metrics.exposition().decode())
        for sample in family.samples
    }


# ---- the list -------------------------------------------------------------------------------------------------------


def said_in(source: str) -> Iterator[str]:
    """Yields the names of log events in a source text."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called in SAYS:
            first = [keyword.value for keyword in node.keywords if keyword.arg == "event"] or node.args[:1]
            for constant in first:
                if isinstance(constant, ast.Constant) and re.fullmatch(r"[a-z]+(_[a-z]+)*", str(constant.value)):
                    yield str(constant.value)


def test_every_log_event_is_listed_and_every_listed_one_is_logged() -> None:
    said = {event for path in SOURCES.rglob("*.py") for event in said_in(path.read_text())}

    assert said == {event.name for event in EVENTS}


def test_no_log_event_is_chosen_where_the_list_cannot_be_compared() -> None:
    """A name that is not written at the notice comes as an argument of the function, from where it is written."""
    hidden = []
    for path in SOURCES.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            given = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
            names = [
                keyword.value.id
                for node in ast.walk(function)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Notice"
                for keyword in node.keywords
                if keyword.arg == "event" and isinstance(keyword.value, ast.Name)
            ]
            hidden += [f"{path.name}::{function.name}" for name in names if name not in given]

    assert hidden == []


def test_every_metric_that_the_code_feeds_is_listed_and_every_listed_one_is_fed() -> None:
    source = (SOURCES / "telemetry.py").read_text()
    fed = set(re.findall(r'"(stream_[a-z_]+)"', source))

    assert fed == {metric.name for metric in METRICS}


def test_each_name_stands_once_and_says_its_unit_and_meaning() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert len({event.name for event in EVENTS}) == len(EVENTS)
    for entry in METRICS:
        assert entry.unit, entry.name
        assert entry.meaning.endswith("."), entry.name
    for event in EVENTS:
        assert event.meaning.endswith("."), event.name


def test_what_is_not_listed_cannot_be_emitted() -> None:
    metrics = Metrics()

    with pytest.raises(KeyError):
        metrics.count("stream_other_total")
    with pytest.raises(ValueError, match="label"):
        metrics.count("stream_checkpoints_total", account="main")
    with pytest.raises(TypeError, match="no gauge"):
        metrics.show("stream_checkpoints_total", 1.0)
    with pytest.raises(KeyError):
        GaugeBoard().show("stream_other", 1.0)
    with pytest.raises(ValueError, match="label"):
        GaugeBoard().show("stream_draining", 1.0, account="main")


def test_two_streams_do_not_share_their_metrics() -> None:
    one, other = Metrics(), Metrics()

    one.count("stream_checkpoints_total")

    assert b"stream_checkpoints_total 1.0" in one.exposition()
    assert b"stream_checkpoints_total 0.0" in other.exposition()


def test_the_table_for_the_documentation_names_everything() -> None:
    table = "\n".join(described())

    assert all(f"`{entry.name}`" in table for entry in (*METRICS, *EVENTS))


# ---- sources of the values ------------------------------------------------------------------------------------------


def test_records_calls_and_replies_are_counted(telemetry: Telemetry) -> None:
    record = Record(at=AT, offset=1, key=None, value=None, time_us=0)
    telemetry.on_input(Arrivals(records=[record, record]), now())
    telemetry.on_effect(CALL, now())
    answer = Answer(
        call=CALL,
        replies=(Settled(answer=1), Lost(reason="?")),
        sent_s=1.0,
        answered_s=1.4,
        answered_us=5_000_000,
        slow_down=True,
        failed=True,
    )
    telemetry.on_input(answer, now())

    seen = samples(telemetry)
    assert seen["stream_records_read_total,topic=in"] == 2
    assert seen["stream_calls_total,account=main,kind=set"] == 1
    assert seen["stream_replies_total,account=main,kind=set,reply=settled"] == 1
    assert seen["stream_replies_total,account=main,kind=set,reply=lost"] == 1
    assert seen["stream_responses_total,account=main,kind=set,status=none"] == 1
    assert seen["stream_slow_downs_total,account=main"] == 1
    assert seen["stream_calls_failed_total,account=main"] == 1
    assert seen["stream_call_seconds_sum,account=main,kind=set"] == pytest.approx(0.4)
    assert seen["stream_last_settled_timestamp_seconds,account=main"] == 5.0


def test_calls_are_counted_by_the_status_of_their_response_which_makes_no_label_of_its_own(
    telemetry: Telemetry,
) -> None:
    for status in (200, 200, 429, 299, 298, 777):
        telemetry.on_input(Answer(call=CALL, replies=(), sent_s=1.0, status=status), now())
    telemetry.on_input(Answer(call=CALL, replies=()), now())

    seen = {name: count for name, count in samples(telemetry).items() if name.startswith("stream_responses_total")}
    assert {name.rpartition("status=")[2]: count for name, count in seen.items()} == {
        "200": 2,
        "429": 1,
        "2xx": 2,
        "7xx": 1,
    }


def test_the_wait_of_an_event_is_measured_until_its_want_is_settled(telemetry: Telemetry) -> None:
    items = (Item(body=1, attempt=1, since_us=2_000_000), Item(body=2, attempt=3, since_us=1_000_000))
    telemetry.on_input(
        Answer(
            call=replace(CALL, items=items), replies=(Settled(answer=1), Retry(reason="busy")), answered_us=5_000_000
        ),
        now(),
    )

    seen = samples(telemetry)
    assert seen["stream_event_to_settled_seconds_count,account=main,kind=set"] == 1
    assert seen["stream_event_to_settled_seconds_sum,account=main,kind=set"] == pytest.approx(3.0)


def test_a_checkpoint_is_timed_from_its_start_to_its_durability(telemetry: Telemetry, lines: list[Notice]) -> None:
    outputs = {AT: (Output(topic="out", key=None, value=None),) * 3}
    telemetry.on_effect(Checkpoint(serial=4, outputs=outputs, marks={}), now(1.0))
    telemetry.on_effect(Notice(event="checkpoint_failed"), now(1.1))
    telemetry.on_input(Written(serial=4, marks={}, sent_at_s=1.2), now(1.25))

    seen = samples(telemetry)
    assert seen["stream_checkpoint_seconds_sum"] == pytest.approx(0.25)
    assert seen["stream_checkpoints_total"] == 1
    assert seen["stream_checkpoints_failed_total"] == 1
    assert seen["stream_outputs_total,topic=out"] == 3
    assert seen["stream_last_checkpoint_timestamp_seconds"] == 1_700_000_000
    assert [line.event for line in lines] == ["checkpoint_failed"]


def test_what_is_begun_is_exported_as_zero_and_then_counted(telemetry: Telemetry) -> None:
    telemetry.metrics.begin("stream_slow_downs_total", account="main")
    telemetry.metrics.begin("stream_event_to_settled_seconds", account="main", kind="set")
    before = samples(telemetry)
    telemetry.metrics.begin("stream_slow_downs_total", account="main")
    telemetry.metrics.count("stream_slow_downs_total", account="main")
    telemetry.metrics.begin("stream_slow_downs_total", account="main")

    assert before["stream_slow_downs_total,account=main"] == 0
    assert before["stream_event_to_settled_seconds_bucket,account=main,kind=set,le=60.0"] == 0
    assert samples(telemetry)["stream_slow_downs_total,account=main"] == 1
    with pytest.raises(TypeError):
        telemetry.metrics.begin("stream_last_settled_timestamp_seconds", account="main")


def test_dead_letters_are_counted_by_input_topic_and_code(lines: list[Notice]) -> None:
    telemetry = Telemetry(lines.append, ["in.dlq", "other.dlq"])
    letters = DeadLetters(topics={"in": "in.dlq"}, instance="one")
    record = Record(at=AT, offset=1, key=None, value=b"{}", time_us=0, headers=(("code", b"of the producer"),))
    made = [letters.letter(record, BadRecord(code=code, text="")) for code in ("NOT_AVRO", "NOT_AVRO", "KEY_MISSING")]
    outputs = {AT: (*made, Output(topic="out", key=None, value=None, headers=(("code", b"X"),)))}
    telemetry.on_effect(Checkpoint(serial=4, outputs=outputs, marks={}), now(1.0))

    seen = {name: value for name, value in samples(telemetry).items() if name.startswith("stream_dead_letters_total")}
    assert seen == {
        "stream_dead_letters_total,code=NOT_AVRO,topic=in": 2,
        "stream_dead_letters_total,code=KEY_MISSING,topic=in": 1,
    }


def test_assigned_and_revoked_partitions_are_logged(telemetry: Telemetry, lines: list[Notice]) -> None:
    mark = Mark(position=5, read_ahead=1, drained=True, serial=1, state_topic_id="s")
    owned = OwnedPartition(mark=mark, start=5, end=9, state_topic_id="s", partitions=1)
    telemetry.on_input(Assigned(parts={AT: owned}), now())
    telemetry.on_input(Revoked(parts=(AT,), lost=False, budget_s=2.0), now())
    telemetry.on_input(Revoked(parts=(AT,), lost=True), now())

    seen = samples(telemetry)
    assert seen["stream_partitions_gained_total"] == 1
    assert seen["stream_partitions_given_up_total,how=revoked"] == 1
    assert seen["stream_partitions_given_up_total,how=lost"] == 1
    assert [line.event for line in lines] == ["partition_restored", "partitions_revoked"]
    assert lines[0].fields == {"topic": "in", "partition": 3, "lanes": 0, "position": 5, "end": 9, "drained": 1}


def test_the_side_inputs_of_a_partition_are_summed_by_topic(telemetry: Telemetry) -> None:
    one = SideInputSnapshot(
        name="a",
        topic="units",
        partition=3,
        position=5,
        end=9,
        lag=4,
        delivered=5,
        skipped=0,
        is_paused=False,
        waiting_for="",
        problem="",
    )
    before = snapshot()
    part = replace(before.partitions[0], side_inputs=(one, replace(one, name="b", lag=3, problem="away")))
    telemetry.on_snapshot(replace(before, partitions=(part,)))

    assert samples(telemetry)["stream_side_input_lag,partition=3,side_topic=units,topic=in"] == 7
    assert samples(telemetry)["stream_side_input_unreadable,partition=3,side_topic=units,topic=in"] == 1


def test_a_snapshot_becomes_gauges_and_earlier_ones_are_no_longer_exported(telemetry: Telemetry) -> None:
    telemetry.on_snapshot(snapshot())
    seen = samples(telemetry)
    assert seen["stream_partition_lag,partition=3,topic=in"] == 2
    assert seen["stream_partition_durable,partition=3,topic=in"] == 7
    assert seen["stream_lanes,state=asleep"] == 4
    assert seen["stream_wants,account=main,rank=3"] == 4
    assert seen["stream_oldest_undone_age_seconds,account=main"] == 1.5
    assert seen["stream_account_closed,account=main"] == 0
    assert (seen["stream_rate,account=main"], seen["stream_rate_limit,account=main"]) == (50, 100)
    assert seen["stream_calls_left,account=main"] == 12

    assert seen["stream_lanes_open,topic=in"] == 2
    assert seen["stream_oldest_open_age_seconds,topic=in"] == 40.0

    gone = snapshot()
    telemetry.on_snapshot(Snapshot(**{name: getattr(gone, name) for name in gone.__slots__} | {"partitions": ()}))

    assert not any(name.startswith(("stream_partition_lag", "stream_lanes_open")) for name in samples(telemetry))


def test_a_page_that_is_made_while_snapshots_come_lacks_no_series(telemetry: Telemetry) -> None:
    parts = [replace(snapshot().partitions[0], partition=number) for number in range(20)]
    full = replace(snapshot(), partitions=tuple(parts))
    telemetry.on_snapshot(full)
    expected = samples(telemetry).keys()
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            telemetry.on_snapshot(full)

    writer = threading.Thread(target=write)
    writer.start()
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        pages = [samples(telemetry).keys() for _ in range(60)]
    finally:
        sys.setswitchinterval(interval_s)
        done.set()
        writer.join()

    assert [sorted(expected - page) for page in pages if page != expected] == []


def test_a_page_shows_one_snapshot_and_not_a_mixture_of_two(telemetry: Telemetry) -> None:
    one = snapshot()
    telemetry.on_snapshot(one)
    page = telemetry.metrics.exposition
    part = replace(one.partitions[0], lag=5, partition=4)
    telemetry.on_snapshot(replace(one, partitions=(part,), outputs_kept=7))

    assert b'stream_partition_lag{partition="4",topic="in"} 5.0' in page()
    assert b'partition="3"' not in page()
    assert b"stream_outputs_waiting 7.0" in page()


def test_the_clients_numbers_are_of_the_same_snapshot_and_their_counts_are_counters(lines: list[Notice]) -> None:
    clients = ClientReadings()
    telemetry = Telemetry(lines.append, clients=clients)
    clients.put("consumer", ClientReading(round_trips_s={"1": 0.002}, records_queued=7, disconnects=3, rebalances=2))
    clients.put("producer", ClientReading(transaction=("InTransaction", 1.5), throttled_s=0.1, requests_waiting=4))
    telemetry.on_snapshot(snapshot())
    clients.put("producer", ClientReading())

    seen = {name: value for name, value in samples(telemetry).items() if name.startswith("stream_kafka_") and value}
    assert seen == {
        "stream_kafka_round_trip_seconds,broker=1,client=consumer": 0.002,
        "stream_kafka_records_queued,client=consumer": 7,
        "stream_kafka_disconnects_total,client=consumer": 3,
        "stream_kafka_rebalances_total": 2,
        "stream_kafka_transaction_state_age_seconds,state=InTransaction": 1.5,
        "stream_kafka_throttled_seconds,client=producer": 0.1,
        "stream_kafka_requests_waiting,client=producer": 4,
    }
    assert b"# TYPE stream_kafka_disconnects_total counter" in telemetry.metrics.exposition()


def test_exactly_the_listed_numbers_of_the_process_are_exported(telemetry: Telemetry) -> None:
    families = text_string_to_metric_families(telemetry.metrics.exposition().decode())
    exported = {sample.name for family in families for sample in family.samples if sample.name.startswith("process_")}

    assert exported == {metric.name for metric in PROCESS}
    assert samples(telemetry)["process_resident_memory_bytes"] > 1_000_000


def test_open_lanes_are_counted_by_topic_with_the_oldest_age(telemetry: Telemetry) -> None:
    one = snapshot().partitions[0]
    two, other = replace(one, partition=4, open=3, oldest_open_age_s=70.0), replace(one, topic="other", open=0)
    telemetry.on_snapshot(replace(snapshot(), partitions=(one, two, replace(other, oldest_open_age_s=0.0))))

    seen = samples(telemetry)
    assert (seen["stream_lanes_open,topic=in"], seen["stream_oldest_open_age_seconds,topic=in"]) == (5, 70.0)
    assert (seen["stream_lanes_open,topic=other"], seen["stream_oldest_open_age_seconds,topic=other"]) == (0, 0.0)


def test_progress_is_logged_at_intervals_while_a_gate_is_closed(telemetry: Telemetry, lines: list[Notice]) -> None:
    telemetry.on_input(Tick(), now(10.0))
    telemetry.on_snapshot(snapshot(gate=("reading up to 10",)))
    telemetry.on_input(Tick(), now(10.2))
    telemetry.on_snapshot(snapshot(gate=("reading up to 10",)))
    telemetry.on_snapshot(snapshot())
    telemetry.on_snapshot(snapshot())

    assert [line.event for line in lines] == ["catching_up"]
    assert lines[0].fields["gate"] == "reading up to 10"


def test_the_drain_and_the_stop_are_logged(telemetry: Telemetry, lines: list[Notice]) -> None:
    telemetry.on_input(Drain(budget_s=5.0), now(10.0))
    telemetry.on_snapshot(snapshot(draining=True))
    telemetry.on_effect(Stop(reason="drained", failed=False), now(11.0))
    telemetry.on_effect(Stop(reason="no", failed=True), now(11.0))

    assert [(line.event, line.level) for line in lines] == [
        ("draining", "info"),
        ("drain_progress", "info"),
        ("stops", "info"),
        ("stops", "error"),
    ]
    assert lines[1].fields == {"partitions": 1, "calls": 2, "outputs": 6, "wants": 5}


def test_a_failed_schema_fetch_is_counted_and_logged(telemetry: Telemetry, lines: list[Notice]) -> None:
    telemetry.on_input(Fetched(need=7), now())
    telemetry.on_input(Fetched(need=7, problem="down"), now())

    assert samples(telemetry)["stream_fetches_failed_total"] == 1
    assert [(line.event, line.fields) for line in lines] == [("schema_missing", {"need": "7", "reason": "down"})]


def test_every_line_has_the_fields_that_the_list_promises(telemetry: Telemetry, lines: list[Notice]) -> None:
    test_the_drain_and_the_stop_are_logged(telemetry, lines)
    promised = {event.name: set(event.fields) for event in EVENTS}

    for line in lines:
        assert set(line.fields) == promised[line.event], line
