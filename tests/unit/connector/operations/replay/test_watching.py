"""How far a replay has come, from its command and the newest row of each partition."""

from io import StringIO

import pytest
from rich.console import Console

from connector.controls.commands import ControlCommand, ControlState
from connector.offers.events import OfferResult, Origin, Status
from connector.operations.replay import showing, watching
from connector.operations.replay.watching import ReplayStatus, finished, statuses_of, with_outcomes
from connector.replays.progress import ReplayProgress, ReplayState
from streams.frozen import replace
from tests.unit.connector.replays.test_reading import command

RELEASED = replace(command(), state=ControlState.RELEASED)


def row(partition: int, position: int, delivered: int = 1) -> ReplayProgress:
    return ReplayProgress(
        replay_id="replay-1",
        input_topic="changes",
        partition=partition,
        start=0,
        end=0,
        position=position,
        delivered=delivered,
        state=ReplayState.RUNNING,
        reported_at_us=5,
    )


def status_of(given: ControlCommand, *rows: ReplayProgress) -> ReplayStatus:
    (found,) = statuses_of([given], {one.key: one for one in rows})
    return found


@pytest.mark.parametrize(
    ("given", "rows", "state", "percent"),
    [
        (command(), (), "RUNNING", 0.0),
        (command(), (row(0, 15),), "RUNNING", 33.3),
        (command(is_paused=True), (row(0, 15),), "PAUSED", 33.3),
        (command(), (row(0, 20), row(3, 5)), "DONE", 100.0),
        (command(is_paused=True), (row(0, 20), row(3, 5)), "DONE", 100.0),
        (RELEASED, (row(0, 15),), "STOPPED", 33.3),
        (RELEASED, (row(0, 20), row(3, 5)), "DONE", 100.0),
    ],
)
def test_state_and_share_of_a_replay(
    given: ControlCommand, rows: tuple[ReplayProgress, ...], state: str, percent: float
) -> None:
    found = status_of(given, *rows)

    assert (found.state, watching.document(found)["percent"]) == (state, percent)


def test_partitions_are_shown_with_their_own_positions() -> None:
    document = watching.document(status_of(command(), row(3, 2, delivered=2)))

    assert [(one["partition"], one["position"], one["end"], one["percent"]) for one in document["partitions"]] == [
        (0, 10, 20, 0.0),
        (3, 2, 5, 40.0),
    ]
    assert document["delivered"] == 2


def test_rows_of_other_replays_do_not_count() -> None:
    assert status_of(command("replay-2"), row(0, 15)).share == 0


def test_only_a_replay_in_force_that_is_done_is_to_be_closed() -> None:
    done, over, running = (
        status_of(command(), row(0, 20), row(3, 5)),
        status_of(RELEASED, row(0, 20), row(3, 5)),
        status_of(command(), row(0, 20)),
    )

    assert finished([done, over, running]) == [done.command]


def result(status: Status, origin: Origin, command_id: str | None) -> OfferResult:
    return OfferResult(
        result_id="r",
        event_id="e",
        origin=origin,
        status=status,
        ean="1",
        target_id=None,
        condition=None,
        input_topic="changes",
        input_partition=0,
        input_offset=1,
        occurred_at_us=1,
        received_at_us=1,
        decided_at_us=1,
    )


def test_outcomes_are_the_results_of_the_replay_alone() -> None:
    rows = [
        replace(result(Status.APPLIED, Origin.REPLAY, None), command_id="replay-1"),
        replace(result(Status.UNCHANGED, Origin.REPLAY, None), command_id="replay-1"),
        replace(result(Status.APPLIED, Origin.RECHECK, None), command_id="replay-1"),
        replace(result(Status.APPLIED, Origin.REPLAY, None), command_id="replay-2"),
        result(Status.APPLIED, Origin.LIVE, None),
    ]

    assert with_outcomes(status_of(command()), rows).outcomes == {"APPLIED": 1, "UNCHANGED": 1}


def test_offsets_that_are_gone_are_shown() -> None:
    status = status_of(command(), replace(row(0, 20), gone=6), row(3, 5))
    out = StringIO()

    showing.show_one(Console(file=out, width=200), status)
    showing.show_changed(Console(file=out, width=200), status)

    assert (watching.document(status)["gone"], watching.document(status)["state"]) == (6, "DONE")
    assert "replay-1: 6 offsets gone" in out.getvalue()
    assert "partition 0: 6 offsets gone" in out.getvalue()
    assert "partition 3" not in out.getvalue()
    assert "replay-1: DONE, 100.0 % read, 6 offsets gone." in out.getvalue()
