"""Derives readiness, warnings, the status page and metrics from the engine's snapshot."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connector.console.facts import ProcessFacts, Readiness
from connector.console.gauges import READY, exposition, readings, without_labels
from connector.offers.cold_start import ColdStart
from connector.offers.figures import OfferFigures
from connector.operations.release import built_from
from connector.orders.poll_lane import PollReport
from connector.orders.subscriptions import PushReport
from connector.reconciliation.sweep_lane import SweepReport
from connector.settings.live import CONFIGURATION
from streams.clock import SystemClock, uptime_s
from streams.dispatch.quota_meter import QuotaReading
from streams.engine.snapshot import PartitionSnapshot, Snapshot
from streams.engine.stall_detector import HELD_BACK_S
from streams.membership import Membership

BEAT_S: Final = 10.0
"""A loop without a turn for this many seconds does no work, and its last snapshot is outdated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The time of the loop's last turn, on the monotonic clock, and its snapshot. None: no turn yet."""

    at_s: float
    snapshot: Snapshot | None
    membership: Membership


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorTimeouts:
    """How long the group's coordinator may be silent before this process is no longer ready."""

    settled_s: float  # in a stable group: the coordinator answers every heartbeat
    session_s: float  # during a rebalance: there are no heartbeats, and its response waits for the slowest member

    @classmethod
    def of(cls, *, session_s: float) -> "CoordinatorTimeouts":
        """Returns the limits for a session timeout: in a stable group half of it, which is many heartbeats."""
        return cls(settled_s=session_s / 2, session_s=session_s)


def _no_figures(_: Snapshot | None) -> OfferFigures:
    return OfferFigures()


class ProcessVitals:
    """The ``health.Vitals`` of a running process, from the loop's last turn. Never waits for the loop."""

    def __init__(
        self,
        last: Callable[[], Beat],
        *,
        metrics: Callable[[], bytes],
        about: Mapping[str, Any],
        timeouts: CoordinatorTimeouts,
        skews: Callable[[], Mapping[str, float | None]] = dict,
        refused: Callable[[], Mapping[str, bool]] = dict,
        figures: Callable[[Snapshot | None], OfferFigures] = _no_figures,
        polls: Callable[[], Mapping[str, PollReport]] = dict,
        sent_as_other: Callable[[], Mapping[str, int]] = dict,
        sweeps: Callable[[], Mapping[str, SweepReport]] = dict,
        cold_starts: Callable[[], Mapping[str, ColdStart]] = dict,
        subscriptions: Callable[[], Mapping[str, PushReport]] = dict,
        files: Callable[[], Mapping[str, str]] = dict,
        spans: Callable[[], Mapping[str, float]] = dict,
        certificates: Callable[[], Mapping[str, float | None]] = dict,
        calls: Callable[[], Mapping[str, float]] = dict,
        slow_downs: Callable[[], Mapping[str, float]] = dict,
        clock: Callable[[], float] = uptime_s,
        wall_us: Callable[[], int] = lambda: SystemClock().now().wall_us,
    ) -> None:
        self._last = last
        self._metrics = metrics
        self._about = about
        self._timeouts = timeouts
        self._skews = skews
        self._refused = refused
        self._figures = figures
        self._polls = polls
        self._sent_as_other = sent_as_other
        self._sweeps = sweeps
        self._cold_starts = cold_starts
        self._subscriptions = subscriptions
        self._files = files
        self._spans = spans
        self._certificates = certificates
        self._calls = calls
        self._slow_downs = slow_downs
        self._build = built_from()
        self._clock = clock
        self._wall_us = wall_us

    def beat_age_s(self) -> float:
        return self._clock() - self._last().at_s

    def readiness(self) -> Readiness:
        last, now_s = self._last(), self._clock()
        found = [*_of_beat(now_s - last.at_s), *_of_membership(last, self._timeouts, now_s)]
        if last.snapshot is None:
            return Readiness(reasons=("the engine has not started", *found))
        return Readiness(
            reasons=(*found, *reasons(last.snapshot)),
            warnings=(*warnings(last.snapshot), *_of_files(self._files())),
        )

    def status(self) -> Mapping[str, Any]:
        beat = self._last()
        snapshot = asdict(beat.snapshot) if beat.snapshot is not None else None
        return {
            **self._about,
            "beat_age_s": round(self._clock() - beat.at_s, 3),
            "group": {
                "name": self._about.get("group", ""),
                **asdict(beat.membership),
                "heard_age_s": _age_s(beat.membership, self._clock()),
            },
            "clock_skew_s": self._skews(),
            "orders": {account: synced(poll) for account, poll in self._polls().items()},
            "sweeps": {place: swept(sweep) for place, sweep in self._sweeps().items()},
            "cold_start": {place: chosen(choice) for place, choice in self._cold_starts().items()},
            "drifts": self._figures(beat.snapshot).drifts,
            "push": {account: subscribed(push) for account, push in self._subscriptions().items()},
            "files": {setting: problem or "in use" for setting, problem in self._files().items()},
            "engine": snapshot,
        }

    def facts(self) -> ProcessFacts:
        """Returns what the console shows of the process."""
        beat = self._last()
        return ProcessFacts(
            about=self._about,
            beat_age_s=self._clock() - beat.at_s,
            readiness=self.readiness(),
            snapshot=beat.snapshot,
            polls=self._polls(),
            sweeps=self._sweeps(),
            figures=self._figures(beat.snapshot),
            calls=self._calls(),
            slow_downs=self._slow_downs(),
        )

    def metrics(self) -> bytes:
        ready, snapshot = not self.readiness().reasons, self._last().snapshot
        read = readings(
            ready=ready,
            skews=self._skews(),
            refused=self._refused(),
            figures=self._figures(snapshot),
            snapshot=snapshot,
            now_us=self._wall_us(),
            build=self._build,
            polls=self._polls(),
            sent_as_other=self._sent_as_other(),
            sweeps=self._sweeps(),
            subscriptions=self._subscriptions(),
            files=self._files(),
            spans=self._spans(),
            certificates=self._certificates(),
        )
        return self._metrics() + exposition(read)


class StartVitals:
    """The ``health.Vitals`` of a process that is starting: not ready; the reason is what it waits for."""

    def __init__(
        self,
        *,
        beat_s: Callable[[], float],
        reason: Callable[[], str],
        about: Mapping[str, Any],
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._beat_s = beat_s
        self._reason = reason
        self._about = about
        self._clock = clock

    def beat_age_s(self) -> float:
        return self._clock() - self._beat_s()

    def readiness(self) -> Readiness:
        return Readiness(reasons=(self._reason(),))

    def status(self) -> Mapping[str, Any]:
        return {**self._about, "beat_age_s": round(self.beat_age_s(), 3), "starting": self._reason()}

    def facts(self) -> ProcessFacts:
        """Returns what the console shows of the process: what it waits for."""
        return ProcessFacts(about=self._about, beat_age_s=self.beat_age_s(), readiness=self.readiness())

    def metrics(self) -> bytes:
        return exposition({READY: without_labels(0.0)})


def subscribed(push: PushReport) -> dict[str, Any]:
    """Returns the push section of the status page for one account."""
    return {
        "active": push.active,
        "disabled": [f"{one.event} on {one.storefront}" for one in push.disabled],
        "remedy": "connector push repair" if push.disabled else None,
        "read_at": _moment(push.read_at_us),
        "message": push.problem,
    }


def synced(poll: PollReport) -> dict[str, Any]:
    """Returns the orders section of the status page for one account: last poll, its outcome and its error."""
    failing = poll.failures > 0
    return {
        "status": "error" if failing else "never" if poll.polled_at_us is None else "success",
        "last_success": _moment(poll.polled_at_us),
        "message": poll.problem if failing else None,
        "failures_in_a_row": poll.failures,
        "last_failure": _moment(poll.failed_at_us),
        "read_up_to": _moment(poll.cursor_us),
        "polling_now": poll.is_polling,
    }


def swept(sweep: SweepReport) -> dict[str, Any]:
    """Returns the sweeps section of the status page for one account and storefront."""
    state = sweep.state
    running, finished = state.running, state.finished
    return {
        "status": "error" if state.failures else "never" if finished is None else "success",
        "last_sweep": None
        if finished is None
        else {
            "began": _moment(finished.sweep_at_us),
            "ended": _moment(finished.ended_at_us),
            "units": finished.units,
            "skipped": finished.skipped,
            "calls": finished.pages,
        },
        "running_now": None
        if running is None
        else {"began": _moment(running.sweep_at_us), "units": running.units, "calls": running.pages},
        "message": state.problem,
        "failures_in_a_row": state.failures,
        "last_failure": _moment(state.failed_at_us),
    }


def chosen(choice: ColdStart) -> dict[str, Any]:
    """Returns the cold start section of the status page for one account and storefront."""
    return {
        "state": choice.state.value,
        "message": choice.problem or None,
        "sweep_began": _moment(choice.sweep_at_us),
        "units": choice.units,
        "unknown_eans": choice.unknown,
        "sweep": {"calls": choice.sweep_calls, "minutes": round(choice.sweep_s / 60, 1)},
        "look_ups": {"calls": choice.unknown, "minutes": round(choice.look_ups_s / 60, 1)},
        "waited_here": choice.waiting,
        "identified_here": choice.identified,
    }


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds")


def _of_beat(age_s: float) -> Iterator[str]:
    """Yields a reason if the loop makes no turns."""
    if age_s > BEAT_S:
        yield f"the loop has not turned for {age_s:.0f} s; the rest of this report is as old as that"


def _of_membership(last: Beat, timeouts: CoordinatorTimeouts, now_s: float) -> Iterator[str]:
    """Yields why the process is not a working member of its group.

    A process without partitions is on standby, and ready as long as the group could assign it some.
    """
    group = last.membership
    silent_s = _age_s(group, now_s)
    silence = "has not responded yet" if silent_s is None else f"last responded {silent_s:.1f} s ago"
    if not group.joined:
        how = "joining" if group.connected else f"no connection to its coordinator, which {silence}"
        yield f"not in the consumer group: {how}"
    elif silent_s is None or silent_s > (timeouts.session_s if _is_rebalancing(group) else timeouts.settled_s):
        yield f"the consumer group's coordinator {silence}"
    unknown = group.assigned - len(last.snapshot.partitions if last.snapshot is not None else ())
    if unknown > 0:
        yield f"{unknown} of {group.assigned} partitions are being restored"


def _is_rebalancing(group: Membership) -> bool:
    return group.connected and not group.settled


def _age_s(group: Membership, now_s: float) -> float | None:
    return None if group.heard_at_s is None else max(0.0, round(now_s - group.heard_at_s, 3))


def reasons(snapshot: Snapshot) -> Iterator[str]:
    """Yields the reasons why this process does not do its share of the group's work."""
    if snapshot.stopped:
        yield f"stopped: {snapshot.stopped}"
    if snapshot.draining:
        yield "draining: the process is shutting down"
    for partition in snapshot.partitions:
        yield from _of_partition(partition)
    if snapshot.partitions and snapshot.lease_left_s < 0 and not any(part.gate for part in snapshot.partitions):
        yield f"the lease expired {-snapshot.lease_left_s:.1f} s ago: no commit succeeds, and no calls are made"


def warnings(snapshot: Snapshot) -> Iterator[str]:
    """Yields what needs an operator's attention although the process is ready; a restart would not help."""
    for name, account in snapshot.accounts.items():
        if not account.is_open:
            yield f"account {name} is paused: {account.valve}"
        if account.quota is not None:
            yield from _of_budget(name, account.quota, account.withheld)
    for partition in snapshot.partitions:
        yield from _held_back(partition)
        yield from _unreadable_beside(partition)


def _of_budget(account: str, budget: QuotaReading, withheld: int) -> Iterator[str]:
    """Reports a daily budget of which little is left, with the forecast and what waits for it."""
    used = (
        f"account {account}: {budget.used:,.0f} of {budget.part:,.0f} calls of this process's part of the daily budget"
    )
    if budget.waiting:
        yield (
            f"{used} are used; waits for the daily budget: {', '.join(budget.waiting)} ({withheld} now), until "
            f"{budget.renewed_at} at the latest"
        )
    elif budget.is_low:
        forecast = f"used up at {budget.used_up_at}" if budget.used_up_at else f"enough until {budget.renewed_at}"
        yield f"{used} are used; at the present rate it is {forecast}"


def _of_files(problems: Mapping[str, str]) -> Iterator[str]:
    for setting, problem in problems.items():
        if problem and setting == CONFIGURATION:
            yield f"the configuration file: {problem}"
        elif problem:
            yield f"the file of {setting} is refused, its last valid content stays in use: {problem}"


def _held_back(partition: PartitionSnapshot) -> Iterator[str]:
    """Reports records behind an open transaction; only its producer, or the broker's timeout, ends it."""
    if partition.held_back_age_s >= HELD_BACK_S:
        yield (
            f"{partition.topic}/{partition.partition}: {partition.held_back} offsets have been behind a producer's "
            f"open transaction for {partition.held_back_age_s:.0f} s; they cannot be read until it ends"
        )


def _unreadable_beside(partition: PartitionSnapshot) -> Iterator[str]:
    """Reports the side inputs that cannot be read or have waited for long; the partition itself goes on."""
    for one in partition.side_inputs:
        if one.problem:
            yield f"{partition.topic}/{partition.partition}: its side input {one.name} cannot be read: {one.problem}"
        if one.held_up_age_s >= HELD_BACK_S:
            yield (
                f"{partition.topic}/{partition.partition}: its side input {one.name} has waited for "
                f"{one.held_up_age_s:.0f} s: {one.held_up}"
            )


def _of_partition(partition: PartitionSnapshot) -> Iterator[str]:
    """Yields why a partition is not processed."""
    name = f"{partition.topic}/{partition.partition}"
    if partition.broken:
        yield f"{name}: {partition.broken}"
    if partition.waiting_for:
        yield f"{name}: waiting for {partition.waiting_for}"
    for reason in partition.gate:
        yield f"{name}: {reason}"
