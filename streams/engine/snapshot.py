"""The engine's status as frozen values, for health checks, metrics and people. Cheap enough to take every second."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streams.dispatch.dispatcher import Dispatcher
from streams.dispatch.quota_meter import QuotaReading
from streams.dispatch.wants import Wants
from streams.engine.open_side_input import OpenSideInput
from streams.engine.partition import Partition
from streams.flow import Now
from streams.lanes.lanes import Lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class SideInputSnapshot:
    """The status of one side input of a partition."""

    name: str
    topic: str
    partition: int
    position: int  # next offset to be applied
    end: int | None  # the offset to stop before, or else the last stable offset; None = not known yet
    lag: int  # offsets up to ``end``; 0 if that is not known
    delivered: int  # messages to lanes since its start
    skipped: int  # records that could not be read, since this process opened the partition
    is_paused: bool
    waiting_for: str  # what must be fetched before its next record can be read; empty = nothing
    problem: str  # why it cannot be read; empty = it can
    held_up: str = ""  # why records that are there are not applied; empty = they are, or there are none
    held_up_age_s: float = 0.0  # since that began


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSnapshot:
    """The status of one assigned partition."""

    topic: str
    partition: int
    phase: str  # in words
    position: int  # next offset to be processed
    durable: int  # next offset to be read after a crash
    end: int  # last stable offset, as far as known
    lag: int
    gate: tuple[str, ...]  # why nothing is sent yet; empty = open
    waiting_for: str  # what must be fetched before its records can be read; empty = nothing
    broken: str  # why the partition was stopped; empty = it was not
    lanes: int
    awake: int
    undone: int
    in_flight: int  # items whose effect outside may still come
    moved_age_s: float  # since it last made progress
    open: int = 0  # lanes with something open in the outside world (``Stored.open_since_us``)
    oldest_open_age_s: float = 0.0  # of these; 0 = there is none
    held_back: int = 0  # offsets that cannot be read before a producer's open transaction ends
    held_back_age_s: float = 0.0  # since they were first seen to be held back
    side_inputs: tuple[SideInputSnapshot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """The status of one account."""

    valve: str  # the rate limiter's state in words. The names in this class are fields of /status
    rate: float  # calls per second that may leave now
    is_open: bool
    calls_in_flight: int
    wants_by_rank: Mapping[int, int]  # by priority
    oldest_age_s: float  # of the oldest undone event that waits for a call; 0 = none waits
    limit: float = 0.0  # calls per second of this process's share, whatever the answers were
    calls_left: int = 0  # that could still have left in the last second
    quota: QuotaReading | None = None  # this process's part; None = there is none, or no partition sends
    withheld: int = 0  # wants that wait for the quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The status of the engine."""

    partitions: tuple[PartitionSnapshot, ...]
    accounts: Mapping[str, AccountSnapshot]
    lanes_awake: int
    lanes_asleep: int
    lanes_undone: int
    outputs_kept: int  # outputs and changed lanes that are not durable
    checkpoint_on_way: bool  # a checkpoint is in progress
    checkpoint_age_s: float  # since the last one became durable; inf = none did
    lease_left_s: float  # below 0 = nothing may be sent
    draining: bool
    stopped: str  # why the engine stopped; empty = it runs


def partition_of(
    partition: Partition,
    lanes: Lanes,
    side_inputs: Iterable[OpenSideInput],
    in_flight: int,
    now: Now,
    held_up: tuple[str, float] = ("", 0.0),
) -> PartitionSnapshot:
    """Returns the status of a partition with ``in_flight`` items. ``held_up``: why no record of a side input is
    applied in the process, and for how long."""
    oldest_us = lanes.open.oldest_us()
    return PartitionSnapshot(
        topic=partition.at.topic,
        partition=partition.at.partition,
        phase=partition.phase,
        position=partition.position,
        durable=partition.durable,
        end=partition.end,
        lag=partition.lag,
        gate=partition.gate(now.mono_s),
        waiting_for=partition.needs.text if partition.needs is not None else "",
        broken=partition.broken,
        lanes=lanes.asleep + len(lanes.awake),
        awake=len(lanes.awake),
        undone=lanes.undone,
        in_flight=in_flight,
        moved_age_s=now.mono_s - partition.moved_at_s,
        open=len(lanes.open),
        oldest_open_age_s=_age_s(oldest_us, now),
        held_back=partition.held_back,
        held_back_age_s=partition.held_age_s(now.mono_s),
        side_inputs=tuple(_side_input(one, held_up) for one in side_inputs),
    )


def _side_input(one: OpenSideInput, held_up: tuple[str, float]) -> SideInputSnapshot:
    why, age_s = held_up if one.is_ready else ("", 0.0)
    end = one.spec.end if one.spec.end is not None else one.log_end
    return SideInputSnapshot(
        name=one.spec.name,
        topic=one.spec.topic,
        partition=one.spec.partition,
        position=one.position,
        end=end,
        lag=max(0, end - one.position) if end is not None else 0,
        delivered=one.delivered,
        skipped=one.skipped,
        is_paused=one.spec.is_paused,
        waiting_for=one.needs.text if one.needs is not None else "",
        problem=one.problem,
        held_up=why,
        held_up_age_s=age_s,
    )


def account_of(name: str, dispatcher: Dispatcher, wants: Wants, now: Now) -> AccountSnapshot:
    """Returns the status of an account."""
    limiter, (by_priority, oldest_us) = dispatcher.limiters[name], wants.waiting(name)
    quota = dispatcher.quotas.get(name)
    return AccountSnapshot(
        valve=limiter.state(now.mono_s),
        rate=limiter.rate(now.mono_s),
        is_open=limiter.is_open(now.mono_s),
        calls_in_flight=sum(each.call.account == name for each in dispatcher.in_flight),
        wants_by_rank=by_priority,
        oldest_age_s=_age_s(oldest_us, now),
        limit=limiter.ceiling,
        calls_left=limiter.tokens_left(now.mono_s),
        quota=quota.reading(now) if quota is not None else None,
        withheld=wants.withheld(name) if quota is not None else 0,
    )


def _age_s(since_us: int | None, now: Now) -> float:
    return 0.0 if since_us is None else max(0.0, (now.wall_us - since_us) / 1e6)
