"""Readiness tells a person what stands in the way."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector.console.gauges import POLL_FAILURES, POLLED, SKEW
from connector.console.vitals import BEAT_S, Beat, ProcessVitals, reasons, warnings
from connector.orders.poll import PollReport
from streams.snapshot import AccountSnapshot, PartitionSnapshot, Snapshot

PARTITION = PartitionSnapshot(
    topic="offers",
    partition=3,
    phase="open",
    position=10,
    durable=10,
    end=10,
    lag=0,
    gate=(),
    waiting_for="",
    broken="",
    lanes=1,
    awake=0,
    undone=0,
    in_flight=0,
    moved_age_s=0.0,
)
ACCOUNT = AccountSnapshot(valve="open", rate=100.0, is_open=True, calls_in_flight=0, wants_by_rank={}, oldest_age_s=0.0)
WELL = Snapshot(
    partitions=(PARTITION,),
    accounts={"main": ACCOUNT},
    lanes_awake=0,
    lanes_asleep=1,
    lanes_undone=0,
    outputs_kept=0,
    checkpoint_on_way=False,
    checkpoint_age_s=0.1,
    lease_left_s=3.0,
    draining=False,
    stopped="",
)


def test_all_well_is_ready() -> None:
    assert list(reasons(WELL)) == []


def test_a_process_without_partitions_stands_by_and_is_ready() -> None:
    assert list(reasons(replace(WELL, partitions=(), lease_left_s=-100.0))) == []


@pytest.mark.parametrize(
    ("snapshot", "says"),
    [
        (
            replace(WELL, partitions=(replace(PARTITION, broken="offset out of range"),)),
            "offers/3: offset out of range",
        ),
        (replace(WELL, partitions=(replace(PARTITION, waiting_for="schema 7"),)), "offers/3: waits for schema 7"),
        (replace(WELL, partitions=(replace(PARTITION, gate=("catching up",)),)), "offers/3: catching up"),
        (replace(WELL, lease_left_s=-1.5), "the lease is over since 1.5 s"),
        (replace(WELL, stopped="fenced"), "stopped: fenced"),
        (replace(WELL, draining=True), "draining"),
    ],
)
def test_what_stands_in_the_way_is_said(snapshot: Snapshot, says: str) -> None:
    [reason] = reasons(snapshot)

    assert says in reason


def test_a_paused_account_is_a_warning_and_no_reason_to_be_unready() -> None:
    paused = replace(WELL, accounts={"main": replace(ACCOUNT, is_open=False, valve="closed: 401")})

    assert list(reasons(paused)) == []
    assert list(warnings(paused)) == ["account main is paused: closed: 401"]


def test_a_loop_that_hangs_is_not_ready_whatever_its_last_snapshot_says() -> None:
    vitals = ProcessVitals(
        lambda: Beat(at_s=100.0, snapshot=WELL), metrics=lambda: b"", about={}, clock=lambda: 100.1 + BEAT_S
    )

    [reason] = vitals.readiness().reasons

    assert "the loop has not turned for 10 s" in reason


def test_before_the_first_snapshot_nothing_is_ready_and_status_still_answers() -> None:
    vitals = ProcessVitals(
        lambda: Beat(at_s=10.0, snapshot=None), metrics=lambda: b"", about={"instance": "one"}, clock=lambda: 12.5
    )

    assert vitals.readiness().reasons == ("the engine has not begun",)
    assert vitals.beat_age_s() == 2.5
    assert vitals.status() == {"instance": "one", "beat_age_s": 2.5, "clock_skew_s": {}, "orders": {}, "engine": None}


def test_status_shows_the_whole_snapshot() -> None:
    vitals = ProcessVitals(lambda: Beat(at_s=0.0, snapshot=WELL), metrics=lambda: b"", about={}, clock=lambda: 0.0)

    assert vitals.status()["engine"]["partitions"][0]["partition"] == 3


def test_the_skew_of_each_accounts_clock_is_a_metric_and_on_the_status_page() -> None:
    skews = {"main": -95.25, 'an "odd" name': 0.5, "never asked": None}
    vitals = ProcessVitals(
        lambda: Beat(at_s=0.0, snapshot=WELL), metrics=lambda: b"", about={}, skews=lambda: skews, clock=lambda: 0.0
    )

    [family] = text_string_to_metric_families(vitals.metrics().decode())

    assert family.name == SKEW.name
    assert {s.labels["account"]: s.value for s in family.samples} == {"main": -95.25, 'an "odd" name': 0.5}
    assert vitals.status()["clock_skew_s"] == skews


def test_how_the_polls_of_each_account_go_is_a_metric_and_in_words_on_the_status_page() -> None:
    well = PollReport(
        account="main",
        cursor_us=1_700_000_000_000_000,
        polled_at_us=1_700_000_060_500_000,
        failed_at_us=None,
        failures=0,
        problem=None,
        is_polling=False,
        due_at_us=1_700_000_120_000_000,
    )
    ill = replace(well, account="other", polled_at_us=None, failed_at_us=1, failures=3, problem="HTTP 500")
    polls = {"main": well, "other": ill}
    vitals = ProcessVitals(
        lambda: Beat(at_s=0.0, snapshot=WELL), metrics=lambda: b"", about={}, polls=lambda: polls, clock=lambda: 0.0
    )

    samples = {
        (sample.name, sample.labels["account"]): sample.value
        for family in text_string_to_metric_families(vitals.metrics().decode())
        for sample in family.samples
    }
    said = vitals.status()["orders"]

    assert samples == {
        (POLLED.name, "main"): 1_700_000_060.5,
        (POLL_FAILURES.name, "main"): 0,
        (POLL_FAILURES.name, "other"): 3,
    }
    assert (said["main"]["status"], said["main"]["last_success"]) == ("success", "2023-11-14T22:14:20+00:00")
    assert (said["other"]["status"], said["other"]["message"]) == ("error", "HTTP 500")
