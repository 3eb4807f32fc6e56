"""The engine's parameters: pace of an account, share of a topic, bounds and deadlines. Validated on construction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.quota import CallQuota

SLEEP_FACTOR = 4
"""Lanes that wait for a call may sleep while more than this times ``Policy.near`` wants of their account wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The pace of one account. Raises ValueError for values out of range."""

    per_second: float = 100.0  # the configured ceiling over all processes
    strict: bool = False  # hold each slot until its answer + 1 s: safe for an API that counts arrivals, but slower
    linger_s: float = 0.0  # wait this long for more wants when a call is not full and nothing urgent waits
    floor_per_second: float = 1.0  # halving on 429 never goes below
    reserve: float = 0.02  # part of the ceiling that is reserved for the command line
    groups: Mapping[str, float] = field(default_factory=dict)  # calls per second of a group, within ``per_second``
    quota: CallQuota | None = None  # calls in a long window, over all processes

    def __post_init__(self) -> None:
        if not self.per_second > 0:
            raise ValueError(f"per_second must be above 0, got {self.per_second}")
        for group, per_second in self.groups.items():
            if not per_second > 0:
                raise ValueError(f"the pace of {group} must be above 0, got {per_second}")
        if not 0 <= self.reserve < 1:
            raise ValueError(f"reserve must be in [0, 1), got {self.reserve}")
        if self.linger_s < 0:
            raise ValueError(f"linger_s must not be negative, got {self.linger_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The engine's parameters. They depend on each other: raises ValueError for values that do not fit together."""

    session_s: float = 15.0  # of the consumer group
    lease_s: float = 4.0  # calls may be sent for this long after the last durable checkpoint was sent
    call_deadline_s: float = 6.0  # of a whole call
    grace_s: float = 1.0  # after the deadline, a call may still take effect for this long
    read_ahead: int = 20_000  # offsets beyond the durable position
    drained_wait_s: float = 1.0  # the gate's wait after a previous owner that had drained
    checkpoint_min_s: float = 0.05  # between the starts of two checkpoints, at least
    max_outputs: int = 20_000  # outputs and changed lanes kept back before intake pauses
    max_awake: int = 50_000  # lanes awake before intake pauses
    kept_decoded: int = 256  # sleeping lanes of each partition that stay decoded; 0 = none
    near: int = 32  # wants of an account kept ready for its next calls, at least; two full calls if that is more
    max_calls: int = 64  # in flight at once, each in a worker of its own, so that none waits for another
    urgent_calls: int = 4  # of these, reserved for priority 0
    retry_budget: int = 8  # failures of one want that count; lost answers do not
    retry_base_s: float = 0.5  # the longest wait after the first failure; it doubles with each ...
    retry_cap_s: float = 30.0  # ... up to this
    age_step_s: float = 10.0  # a want gains one priority for each such step of age, but never reaches 0
    background_share: float = 0.1  # part of the calls that background work gets while other wants are ready
    side_background: int = 500  # background wants of open accounts above which no side input is read
    side_per_second: float = 500.0  # turns that the process gives for records of side inputs
    stall_s: float = 60.0  # lag or pending work without progress for this long is logged as an error

    def __post_init__(self) -> None:
        if self.lease_s + self.call_deadline_s >= self.session_s:
            raise ValueError(
                f"lease_s + call_deadline_s must be under session_s: "
                f"{self.lease_s} + {self.call_deadline_s} >= {self.session_s}"
            )
        if self.read_ahead < 1:
            raise ValueError(f"read_ahead must be at least 1, got {self.read_ahead}")
        if self.kept_decoded < 0:
            raise ValueError(f"kept_decoded must not be negative, got {self.kept_decoded}")
        if self.side_background < 1:
            raise ValueError(f"side_background must be at least 1, got {self.side_background}")
        if not self.side_per_second > 0:
            raise ValueError(f"side_per_second must be above 0, got {self.side_per_second}")
        if not 0 < self.background_share < 1:
            raise ValueError(f"background_share must be in (0, 1), got {self.background_share}")
        if self.near < 1:
            raise ValueError(f"near must be at least 1, got {self.near}")
        self.near_at_most(accounts=1)
        if not 0 <= self.urgent_calls < self.max_calls:
            raise ValueError(f"urgent_calls must be in [0, {self.max_calls}), got {self.urgent_calls}")

    def near_at_most(self, accounts: int) -> int:
        """Returns the upper bound for ``near`` with this many accounts.

        Above it, lanes that may not sleep yet would fill ``max_awake`` while a partition catches up: intake would
        pause, and the gate that waits for it would never open. Raises ValueError if ``near`` is above it already.
        """
        at_most = (self.max_awake - 1) // (SLEEP_FACTOR * max(1, accounts))
        if self.near > at_most:
            raise ValueError(
                f"max_awake must be above {SLEEP_FACTOR} x near for each account: {self.max_awake} <= "
                f"{SLEEP_FACTOR} x {self.near} x {accounts}; a partition would never catch up"
            )
        return at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A topic's part of every account's ceiling, spread evenly over its partitions."""

    weight: float
    partitions: int
