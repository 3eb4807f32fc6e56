"""Readiness with its reasons and warnings, the status page, and the application's metrics."""

import platform
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import confluent_kafka
import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector.console.gauges import (
    DRIFTS,
    EVERY,
    FILE_REFUSED,
    OUT_OF_ORDER,
    POLL_FAILURES,
    POLLED,
    READY,
    SENT_AS_OTHER,
    SKEW,
    SWEPT,
)
from connector.console.vitals import BEAT_S, Beat, CoordinatorTimeouts, ProcessVitals, reasons, warnings
from connector.offers.cold_start import ColdStart, ColdStartState
from connector.offers.figures import OfferFigures
from connector.operations.release import built_from
from connector.orders.poll_lane import PollReport
from connector.orders.subscriptions import PushReport
from connector.reconciliation.events import FinishedSweep, RunningSweep, SweepState
from connector.reconciliation.sweep_lane import SweepReport
from connector.settings.live import CONFIGURATION
from streams.dispatch.quota_meter import QuotaReading
from streams.engine.snapshot import AccountSnapshot, PartitionSnapshot, SideInputSnapshot, Snapshot
from streams.membership import Membership
from tests.harness.offer_harness import DE, flow_of

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


MEMBER = Membership(joined_as="one-1", settled=True, connected=True, heard_at_s=99.0, assigned=1)
STANDS_BY = replace(WELL, partitions=(), lease_left_s=-100.0)
NOW_S = 100.0


def vitals(
    snapshot: Snapshot | None = WELL, membership: Membership = MEMBER, beat_s: float = NOW_S, **more: Any
) -> ProcessVitals:
    """Returns vitals of a process, by default of one that is ready."""
    about: Mapping[str, Any] = more.pop("about", {})
    return ProcessVitals(
        lambda: Beat(at_s=beat_s, snapshot=snapshot, membership=membership),
        metrics=lambda: b"",
        about=about,
        timeouts=CoordinatorTimeouts.of(session_s=15.0),
        clock=lambda: NOW_S,
        **more,
    )


def test_a_healthy_process_is_ready() -> None:
    assert vitals().readiness().reasons == ()


def test_a_member_without_partitions_is_ready() -> None:
    assert vitals(STANDS_BY, replace(MEMBER, assigned=0)).readiness().reasons == ()


@pytest.mark.parametrize(
    ("membership", "says"),
    [
        (Membership(), "not in the consumer group: no connection to its coordinator, which has not responded yet"),
        (Membership(connected=True, heard_at_s=99.5), "not in the consumer group: joining"),
        (Membership(heard_at_s=70.0), "not in the consumer group: no connection to its coordinator, which last"),
        (replace(MEMBER, heard_at_s=92.4, assigned=0), "the consumer group's coordinator last responded 7.6 s ago"),
        (replace(MEMBER, heard_at_s=92.4, assigned=0, connected=False), "coordinator last responded 7.6 s ago"),
        (replace(MEMBER, heard_at_s=84.9, assigned=0, settled=False), "coordinator last responded 15.1 s ago"),
        (replace(MEMBER, assigned=3), "3 of 3 partitions are being restored"),
    ],
)
def test_without_partitions_a_process_is_ready_only_as_a_member_in_contact_with_the_coordinator(
    membership: Membership, says: str
) -> None:
    [reason] = vitals(STANDS_BY, membership).readiness().reasons

    assert says in reason


@pytest.mark.parametrize(
    "membership",
    [replace(MEMBER, heard_at_s=93.1), replace(MEMBER, heard_at_s=85.1, settled=False)],
    ids=["between two heartbeats", "while the group rebalances"],
)
def test_a_coordinator_that_is_silent_within_the_timeout_is_no_reason(membership: Membership) -> None:
    assert vitals(membership=membership).readiness().reasons == ()


def test_whether_the_process_is_ready_is_a_metric() -> None:
    def shown(membership: Membership) -> float:
        families = text_string_to_metric_families(vitals(membership=membership).metrics().decode())
        return next(family.samples[0].value for family in families if family.name == READY.name)

    assert (shown(MEMBER), shown(Membership())) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("snapshot", "says"),
    [
        (
            replace(WELL, partitions=(replace(PARTITION, broken="offset out of range"),)),
            "offers/3: offset out of range",
        ),
        (replace(WELL, partitions=(replace(PARTITION, waiting_for="schema 7"),)), "offers/3: waiting for schema 7"),
        (replace(WELL, partitions=(replace(PARTITION, gate=("catching up",)),)), "offers/3: catching up"),
        (replace(WELL, lease_left_s=-1.5), "the lease expired 1.5 s ago"),
        (replace(WELL, stopped="fenced"), "stopped: fenced"),
        (replace(WELL, draining=True), "draining"),
    ],
)
def test_what_prevents_readiness_is_reported(snapshot: Snapshot, says: str) -> None:
    [reason] = reasons(snapshot)

    assert says in reason


def test_a_paused_account_is_a_warning_and_no_reason_to_be_unready() -> None:
    paused = replace(WELL, accounts={"main": replace(ACCOUNT, is_open=False, valve="closed: 401")})

    assert list(reasons(paused)) == []
    assert list(warnings(paused)) == ["account main is paused: closed: 401"]


@pytest.mark.parametrize(
    ("waiting", "used", "used_up_at", "says"),
    [
        ((), 79.0, "", ()),
        (
            (),
            81.0,
            "2026-01-31T18:40:00Z",
            (
                "account main: 81 of 100 calls of this process's part of the daily budget are used; at the present "
                "rate it is used up at 2026-01-31T18:40:00Z",
            ),
        ),
        (
            (),
            81.0,
            "",
            (
                "account main: 81 of 100 calls of this process's part of the daily budget are used; at the present "
                "rate it is enough until 2026-02-01T00:00:00Z",
            ),
        ),
        (
            ("prices", "look-ups"),
            95.0,
            "",
            (
                "account main: 95 of 100 calls of this process's part of the daily budget are used; waits for the "
                "daily budget: prices, look-ups (7 now), until 2026-02-01T00:00:00Z at the latest",
            ),
        ),
    ],
)
def test_a_daily_budget_that_gets_scarce_is_a_warning_and_no_reason_to_be_unready(
    waiting: tuple[str, ...], used: float, used_up_at: str, says: tuple[str, ...]
) -> None:
    quota = QuotaReading(
        part=100.0,
        used=used,
        is_low=used >= 80,
        waiting=waiting,
        used_up_at_us=None,
        used_up_at=used_up_at,
        renewed_at="2026-02-01T00:00:00Z",
    )
    found = vitals(replace(WELL, accounts={"main": replace(ACCOUNT, quota=quota, withheld=7)}))

    assert found.readiness().reasons == ()
    assert found.readiness().warnings == says
    assert found.status()["engine"]["accounts"]["main"]["quota"]["waiting"] == waiting


def test_an_open_transaction_of_a_producer_is_a_warning_and_no_reason_to_be_unready() -> None:
    held = replace(WELL, partitions=(replace(PARTITION, held_back=30, held_back_age_s=40.0),))

    [said] = warnings(held)
    assert said.startswith("offers/3: 30 offsets have been behind a producer's open transaction for 40 s")
    assert list(reasons(held)) == []


def test_a_side_input_that_cannot_be_read_is_a_warning_and_no_reason_to_be_unready() -> None:
    one = SideInputSnapshot(
        name="past",
        topic="units",
        partition=3,
        position=5,
        end=9,
        lag=4,
        delivered=5,
        skipped=0,
        is_paused=False,
        waiting_for="",
        problem="it does not exist",
    )
    beside = replace(WELL, partitions=(replace(PARTITION, side_inputs=(one, replace(one, problem=""))),))

    assert list(warnings(beside)) == ["offers/3: its side input past cannot be read: it does not exist"]
    assert list(reasons(beside)) == []


def test_a_side_input_that_has_waited_for_long_is_a_warning_with_the_reason() -> None:
    one = SideInputSnapshot(
        name="past",
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
        held_up="500 background calls wait",
        held_up_age_s=40.0,
    )
    short = replace(one, held_up_age_s=2.0)
    beside = replace(WELL, partitions=(replace(PARTITION, side_inputs=(one, short)),))

    assert list(warnings(beside)) == [
        "offers/3: its side input past has waited for 40 s: 500 background calls wait",
    ]
    assert list(reasons(beside)) == []


def test_a_transaction_that_has_just_begun_causes_no_warning() -> None:
    held = replace(WELL, partitions=(replace(PARTITION, held_back=30, held_back_age_s=2.0),))

    assert list(warnings(held)) == []


def test_a_loop_that_hangs_is_not_ready_whatever_its_last_snapshot_shows() -> None:
    [reason] = vitals(beat_s=NOW_S - BEAT_S - 0.1).readiness().reasons

    assert "the loop has not turned for 10 s" in reason


def test_before_the_first_snapshot_nothing_is_ready_and_status_still_answers() -> None:
    said = vitals(None, Membership(), beat_s=97.5, about={"instance": "one"})

    assert said.readiness().reasons[0] == "the engine has not started"
    assert said.beat_age_s() == 2.5
    assert (said.status()["instance"], said.status()["beat_age_s"], said.status()["engine"]) == ("one", 2.5, None)


def test_status_shows_the_whole_snapshot_and_the_membership() -> None:
    status = vitals(about={"group": "kaufland"}).status()

    assert status["engine"]["partitions"][0]["partition"] == 3
    assert (status["group"]["joined_as"], status["group"]["heard_age_s"]) == ("one-1", 1.0)
    assert status["group"]["name"] == "kaufland"


def test_the_skew_of_each_accounts_clock_is_a_metric_and_on_the_status_page() -> None:
    skews = {"main": -95.25, 'an "odd" name': 0.5, "never asked": None}
    said = vitals(skews=lambda: skews)

    families = {family.name: family for family in text_string_to_metric_families(said.metrics().decode())}

    assert {s.labels["account"]: s.value for s in families[SKEW.name].samples} == {"main": -95.25, 'an "odd" name': 0.5}
    assert said.status()["clock_skew_s"] == skews


def test_parcels_sent_under_the_code_for_unknown_carriers_are_counted() -> None:
    families = {
        family.name: family
        for family in text_string_to_metric_families(vitals(sent_as_other=lambda: {"main": 2}).metrics().decode())
    }

    counted = families[SENT_AS_OTHER.name.removesuffix("_total")]
    assert (counted.type, [(s.labels["account"], s.value) for s in counted.samples]) == ("counter", [("main", 2.0)])


def test_polls_of_each_account_are_metrics_and_on_the_status_page() -> None:
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
    told = vitals(polls=lambda: polls)

    samples = {
        (sample.name, sample.labels["account"]): sample.value
        for family in text_string_to_metric_families(told.metrics().decode())
        for sample in family.samples
        if "account" in sample.labels
    }
    said = told.status()["orders"]

    assert samples == {
        (POLLED.name, "main"): 1_700_000_060.5,
        (POLL_FAILURES.name, "main"): 0,
        (POLL_FAILURES.name, "other"): 3,
    }
    assert (said["main"]["status"], said["main"]["last_success"]) == ("success", "2023-11-14T22:14:20+00:00")
    assert (said["other"]["status"], said["other"]["message"]) == ("error", "HTTP 500")


def test_results_held_changes_and_refused_keys_are_metrics() -> None:
    shown = (
        vitals(
            figures=lambda _: OfferFigures(results={("shop-de", "APPLIED", ""): 2}, held={("shop-de", "PAUSED"): 0}),
            refused=lambda: {"main": True, "second": False},
        )
        .metrics()
        .decode()
    )

    assert 'connector_offers_results_total{target="shop-de",status="APPLIED",code=""} 2' in shown
    assert 'connector_offers_held_total{target="shop-de",code="PAUSED"} 0' in shown
    assert 'connector_account_keys_refused{account="main"} 1.0' in shown
    assert 'connector_account_keys_refused{account="second"} 0.0' in shown


def test_whether_offers_wait_for_a_sweep_is_on_the_status_page_with_calls_and_minutes_of_both_ways() -> None:
    choice = ColdStart(
        account="main",
        storefront="de",
        sweep_at_us=1_700_000_000_000_000,
        units=100_000,
        unknown=20_000,
        sweep_calls=1_001,
        sweep_s=1_001.0,
        look_ups_s=20_000.0,
        state=ColdStartState.NOT_WHOLE,
        waiting=20_000,
        problem="1 rows were unreadable or had no EAN",
    )
    assert vitals(cold_starts=lambda: {"main/de": choice}).status()["cold_start"] == {
        "main/de": {
            "state": "look-ups: the sweep may have missed a unit",
            "message": "1 rows were unreadable or had no EAN",
            "sweep_began": "2023-11-14T22:13:20+00:00",
            "units": 100_000,
            "unknown_eans": 20_000,
            "sweep": {"calls": 1_001, "minutes": 16.7},
            "look_ups": {"calls": 20_000, "minutes": 333.3},
            "waited_here": 20_000,
            "identified_here": 0,
        }
    }


def test_sweeps_and_drifts_are_metrics_and_on_the_status_page() -> None:
    finished = FinishedSweep(
        sweep_at_us=1_700_000_000_000_000, ended_at_us=1_700_000_060_000_000, pages=3, units=250, skipped=1
    )
    running = RunningSweep(sweep_at_us=1_700_003_600_000_000, pages=1, units=100)
    state = SweepState(storefront="de", finished=finished, running=running)
    failing = SweepState(storefront="at", running=running, failures=2, problem="HTTP 403")
    told = vitals(
        sweeps=lambda: {
            "main/de": SweepReport(account="main", state=state),
            "main/at": SweepReport(account="main", state=failing),
        },
        figures=lambda _: OfferFigures(drifts={"SOLD": 3, "LOST_WRITE": 1}),
    )

    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(told.metrics().decode())
        for sample in family.samples
    }
    said = told.status()["sweeps"]

    assert samples[SWEPT.name, "main/de"] == 1_700_000_060
    assert (SWEPT.name, "main/at") not in samples
    assert (samples[DRIFTS.name, "SOLD"], samples[DRIFTS.name, "LOST_WRITE"]) == (3, 1)
    assert (said["main/de"]["status"], said["main/de"]["last_sweep"]["units"]) == ("success", 250)
    assert said["main/de"]["running_now"] == {"began": "2023-11-14T23:13:20+00:00", "units": 100, "calls": 1}
    assert (said["main/at"]["status"], said["main/at"]["message"]) == ("error", "HTTP 403")


def test_events_that_were_read_late_are_counted_by_source_whatever_it_is_called() -> None:
    counts: dict[tuple[str, ...], int] = {("shop-de", 'e"r\\p\n\t'): 3, ("shop-at", "wms"): 1}
    told = vitals(figures=lambda _: OfferFigures(out_of_order=counts))

    families = {family.name: family for family in text_string_to_metric_families(told.metrics().decode())}
    family = families[OUT_OF_ORDER.name.removesuffix("_total")]

    assert family.type == "counter"
    assert {(one.labels["target"], one.labels["source"]): one.value for one in family.samples} == counts


def test_a_file_that_is_refused_is_a_warning_a_status_and_a_metric() -> None:
    told = vitals(files=lambda: {"shipments.carriers_file": "it is not TOML", "mappings.reference_file": ""})
    changed = vitals(files=lambda: {CONFIGURATION: "changed, and not in use before a restart: kafka.group"})

    assert changed.readiness().warnings == (
        "the configuration file: changed, and not in use before a restart: kafka.group",
    )
    assert told.readiness().reasons == ()
    assert told.readiness().warnings == (
        "the file of shipments.carriers_file is refused, its last valid content stays in use: it is not TOML",
    )
    assert told.status()["files"] == {"shipments.carriers_file": "it is not TOML", "mappings.reference_file": "in use"}
    [family] = [
        each for each in text_string_to_metric_families(told.metrics().decode()) if each.name == FILE_REFUSED.name
    ]
    assert {sample.labels["setting"]: sample.value for sample in family.samples} == {
        "shipments.carriers_file": 1.0,
        "mappings.reference_file": 0.0,
    }


def samples_of(told: ProcessVitals) -> dict[tuple[str, ...], float]:
    """Returns the metrics of a process by name and label values, in the order of the labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(told.metrics().decode())
        for sample in family.samples
    }


def test_what_became_of_events_is_a_metric_by_target_with_ages_and_times() -> None:
    found = OfferFigures(
        events={("shop-de", "LIVE"): 9, ("shop-de", "REPLAY"): 2},
        price_changes={("shop-de", "up"): 3},
        stock_to_zero={"shop-de": 4},
        clamped={"shop-at": 5},
        applied_at_us={"shop-de": 1_700_000_000_500_000},
        undone_since_us={"shop-de": 1_700_000_000_000_000, "shop-at": 0},
    )
    seen = samples_of(vitals(figures=lambda _: found, wall_us=lambda: 1_700_000_030_000_000))

    assert seen["connector_offers_events_total", "shop-de", "REPLAY"] == 2
    assert seen["connector_offers_price_changes_total", "shop-de", "up"] == 3
    assert seen["connector_offers_stock_to_zero_total", "shop-de"] == 4
    assert seen["connector_offers_clamped_total", "shop-at"] == 5
    assert seen["connector_offers_last_applied_timestamp_seconds", "shop-de"] == 1_700_000_000.5
    assert seen["connector_offers_oldest_undone_age_seconds", "shop-de"] == 30
    assert seen["connector_offers_oldest_undone_age_seconds", "shop-at"] == 0


def test_the_figures_are_those_of_the_partitions_in_the_snapshot() -> None:
    asked: list[Snapshot | None] = []

    def figures(snapshot: Snapshot | None) -> OfferFigures:
        asked.append(snapshot)
        return OfferFigures()

    vitals(figures=figures).metrics()

    assert asked == [WELL]


def test_replays_are_counted_by_state_with_what_they_have_still_to_read() -> None:
    one = SideInputSnapshot(
        name="replay/replay-1",
        topic="offers",
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
    sides = (one, replace(one, is_paused=True, lag=1), replace(one, problem="away"), replace(one, name="units/3"))
    seen = samples_of(vitals(replace(WELL, partitions=(replace(PARTITION, side_inputs=sides),))))

    states = ("running", "paused", "unreadable")
    assert [seen["connector_replays", state] for state in states] == [1, 1, 1]
    assert seen[("connector_replay_offsets_left",)] == 9
    assert [samples_of(vitals())["connector_replays", state] for state in states] == [0, 0, 0]


def test_the_build_is_a_metric_with_the_versions_that_run() -> None:
    version, commit, python, client = built_from()
    seen = samples_of(vitals())

    assert seen["connector_build_info", version, commit, python, client] == 1
    assert (python, client) == (platform.python_version(), str(confluent_kafka.__version__))


def test_exactly_the_listed_metrics_are_exported() -> None:
    poll = PollReport(
        account="main",
        cursor_us=None,
        polled_at_us=1,
        failed_at_us=None,
        failures=0,
        problem=None,
        is_polling=False,
        due_at_us=0,
    )
    finished = FinishedSweep(sweep_at_us=1, ended_at_us=2, pages=1, units=1, skipped=0)
    swept = SweepReport(account="main", state=SweepState(storefront="de", finished=finished))
    told = vitals(
        skews=lambda: {"main": 0.5},
        refused=lambda: {"main": False},
        figures=lambda _: replace(
            flow_of(DE).figures(()),
            events={("shop-de", "LIVE"): 1},
            out_of_order={("shop-de", "erp"): 1},
            drifts={"SOLD": 1},
            applied_at_us={"shop-de": 1},
        ),
        polls=lambda: {"main": poll},
        sent_as_other=lambda: {"main": 1},
        sweeps=lambda: {"main/de": swept},
        subscriptions=lambda: {"main": PushReport(account="main", active=1, read_at_us=1)},
        files=lambda: {"routing_file": ""},
        spans=lambda: {"sent": 1.0},
        certificates=lambda: {"kafka.ssl_ca": 1.0},
    )

    exported = {line.split()[2] for line in told.metrics().decode().splitlines() if line.startswith("# TYPE")}
    assert exported == {gauge.name for gauge in EVERY}
