"""The engine's numbers: pace of an account, share of a topic, bounds and deadlines. Checked when built."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DOZE = 4
"""An account's lanes fall asleep, waiting, when more than this times ``Policy.near`` are awake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One account's pace. Refuses nonsense when built."""

    per_second: float = 100.0  # the configured ceiling over all processes
    strict: bool = False  # hold each slot until its answer + 1 s: provable, dearer
    linger_s: float = 0.0  # wait this long for company when a call is not full and nothing urgent waits
    floor_per_second: float = 1.0  # AIMD never goes below
    reserve: float = 0.02  # share of the ceiling that is the command line's
    groups: Mapping[str, float] = field(default_factory=dict)  # calls per second of a group, within ``per_second``

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
    """The engine's numbers; they interlock, and what does not fit together is refused when built."""

    session_s: float = 15.0
    lease_s: float = 4.0
    call_deadline_s: float = 6.0
    grace_s: float = 1.0
    read_ahead: int = 20_000  # offsets beyond the durable position
    drained_wait_s: float = 1.0  # gate after a drained predecessor
    checkpoint_min_s: float = 0.05
    max_outputs: int = 20_000  # outputs and changed lanes kept back before intake pauses
    max_awake: int = 50_000  # lanes awake before intake pauses
    near: int = 32  # wants of an account kept awake for its next calls, at least; two full calls if that is more
    max_calls: int = 64  # under way at once, each in a worker of its own: none waits behind another and leaves late
    urgent_calls: int = 4  # of these, reserved for priority 0
    retry_budget: int = 8  # answered attempts of one item
    retry_base_s: float = 0.5
    retry_cap_s: float = 30.0
    age_step_s: float = 10.0  # a want gains one priority for each such step of age, but never reaches 0
    background_share: float = 0.1  # of the calls, for wants of the background while others are ready all the time
    stall_s: float = 60.0  # lag or pending work without progress for this long is logged as an error

    def __post_init__(self) -> None:
        if self.lease_s + self.call_deadline_s >= self.session_s:
            raise ValueError(
                f"lease_s + call_deadline_s must be under session_s: "
                f"{self.lease_s} + {self.call_deadline_s} >= {self.session_s}"
            )
        if self.read_ahead < 1:
            raise ValueError(f"read_ahead must be at least 1, got {self.read_ahead}")
        if not 0 < self.background_share < 1:
            raise ValueError(f"background_share must be in (0, 1), got {self.background_share}")
        if self.near < 1:
            raise ValueError(f"near must be at least 1, got {self.near}")
        self.near_at_most(accounts=1)
        if not 0 <= self.urgent_calls < self.max_calls:
            raise ValueError(f"urgent_calls must be in [0, {self.max_calls}), got {self.urgent_calls}")

    def near_at_most(self, accounts: int) -> int:
        """Above that, lanes that may not sleep yet would fill ``max_awake`` while a partition catches up: intake would
        pause, and the gate that waits for it would never open. Raises ValueError where ``near`` itself is above it.
        """
        at_most = (self.max_awake - 1) // (DOZE * max(1, accounts))
        if self.near > at_most:
            raise ValueError(
                f"max_awake must be above {DOZE} x near for each account: {self.max_awake} <= "
                f"{DOZE} x {self.near} x {accounts}; a partition would never catch up"
            )
        return at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A topic's part of every account's ceiling, spread evenly over its partitions."""

    weight: float
    partitions: int
