"""From the engine's snapshot to what health says: reasons not to be ready, and the status page."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from connector.console.gauges import exposition, readings
from connector.orders.poll import PollReport
from streams.snapshot import PartitionSnapshot, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What the loop left behind when it last turned. ``at_s`` is on the monotonic clock."""

    at_s: float
    snapshot: Snapshot | None


class ProcessVitals:
    """A ``health.Vitals`` over the loop's last word. Nothing here waits for the loop."""

    def __init__(
        self,
        last: Callable[[], Beat],
        *,
        metrics: Callable[[], bytes],
        about: Mapping[str, Any],
        skews: Callable[[], Mapping[str, float | None]] = dict,
        polls: Callable[[], Mapping[str, PollReport]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._last = last
        self._metrics = metrics
        self._about = about
        self._skews = skews
        self._polls = polls
        self._clock = clock

    def beat_age_s(self) -> float:
        return self._clock() - self._last().at_s

    def unready(self) -> Sequence[str]:
        snapshot = self._last().snapshot
        return ["the engine has not begun"] if snapshot is None else list(reasons(snapshot))

    def status(self) -> Mapping[str, Any]:
        beat = self._last()
        snapshot = asdict(beat.snapshot) if beat.snapshot is not None else None
        return {
            **self._about,
            "beat_age_s": round(self._clock() - beat.at_s, 3),
            "clock_skew_s": self._skews(),
            "orders": {account: synced(poll) for account, poll in self._polls().items()},
            "engine": snapshot,
        }

    def metrics(self) -> bytes:
        return self._metrics() + exposition(readings(self._skews(), self._polls()))


def synced(poll: PollReport) -> dict[str, Any]:
    """An account's orders, for a person: when they were last brought in, whether that goes well, and why not."""
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


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds")


def reasons(snapshot: Snapshot) -> Iterator[str]:
    """Why not all work can be done now, for a person; nothing = all can. A process without partitions stands by."""
    if snapshot.stopped:
        yield f"stopped: {snapshot.stopped}"
    if snapshot.draining:
        yield "draining: the process is about to end"
    for partition in snapshot.partitions:
        yield from _of_partition(partition)
    for name, account in snapshot.accounts.items():
        if not account.is_open:
            yield f"account {name}: {account.valve}"
    if snapshot.partitions and snapshot.lease_left_s < 0 and not any(part.gate for part in snapshot.partitions):
        yield f"the lease is over since {-snapshot.lease_left_s:.1f} s: nothing becomes durable, nothing is sent"


def _of_partition(partition: PartitionSnapshot) -> Iterator[str]:
    name = f"{partition.topic}/{partition.partition}"
    if partition.broken:
        yield f"{name}: {partition.broken}"
    if partition.waiting_for:
        yield f"{name}: waits for {partition.waiting_for}"
    for reason in partition.gate:
        yield f"{name}: {reason}"
