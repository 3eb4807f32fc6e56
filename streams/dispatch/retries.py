"""What slots have been through: attempts, budget, back-off. Kept beside the lanes, so that it survives their sleep."""

from math import inf

from streams.dispatch.backoff import Backoff, spread
from streams.flow import Assignment, Retry, Want
from streams.lanes.lane import Pending
from streams.policy import Policy


class Tries:
    """What a slot has been through; it belongs to the oldest undone event, so that merging resets nothing."""

    __slots__ = ("alone", "attempts", "closure", "counted", "kind", "not_before_s", "since_us")

    def __init__(self, want: Want) -> None:
        self.since_us = want.since_us
        self.kind = want.kind
        self.attempts = 0
        self.counted = 0
        self.not_before_s = -inf
        self.alone = False
        self.closure: int | None = None  # the account's closure in which it last failed


class History:
    """Per assignment and slot; it dies with the want, and with the assignment."""

    def __init__(self, policy: Policy) -> None:
        self._backoff = Backoff(base_s=policy.retry_base_s, cap_s=policy.retry_cap_s, budget=policy.retry_budget)
        self._tries: dict[Assignment, dict[tuple[str, str], Tries]] = {}

    def of(self, pending: Pending) -> Tries | None:
        """None also when what is known is of an older event."""
        of_partition = self._tries.get(pending.at)
        tries = of_partition.get((pending.lane.key, pending.want.slot)) if of_partition else None
        return tries if tries is not None and tries.since_us == pending.want.since_us else None

    def not_before_s(self, pending: Pending) -> float:
        tries = self.of(pending)
        return tries.not_before_s if tries is not None else -inf

    def is_alone(self, pending: Pending) -> bool:
        tries = self.of(pending)
        return tries is not None and tries.alone

    def failed_in(self, pending: Pending, closure: int) -> bool:
        tries = self.of(pending)
        return tries is not None and tries.closure == closure

    def attempt(self, pending: Pending) -> int:
        """The number of the attempt that leaves now, 1 for the first of its kind."""
        tries = self.of(pending)
        if tries is None:
            return 1
        if tries.kind != pending.want.kind:
            tries.kind, tries.attempts = pending.want.kind, 0
        return tries.attempts + 1

    def retry(
        self, pending: Pending, said: Retry, attempt: int, now_s: float, *, counts: bool, closure: int | None
    ) -> bool:
        """Not now. False when the budget of the oldest undone event is used up."""
        tries = self.of(pending) or self._new(pending)
        tries.attempts, tries.alone, tries.closure = attempt, said.alone, closure
        tries.counted += counts
        if self._backoff.used_up(tries.counted):
            self.forget(pending)
            return False
        wait_s = said.after_s
        if wait_s is None:
            wait_s = self._backoff.wait_s(max(1, tries.counted), spread(*pending.slot_key, attempt))
        tries.not_before_s = now_s + wait_s
        return True

    def answered(self, pending: Pending, attempt: int, *, lost: bool) -> None:
        """It may travel in company again. A lost one goes on counting its attempts."""
        tries = self.of(pending)
        if tries is None and lost:
            tries = self._new(pending)
        if tries is not None:
            tries.alone, tries.not_before_s, tries.attempts = False, -inf, attempt if lost else 0

    def forget(self, pending: Pending) -> None:
        of_partition = self._tries.get(pending.at)
        if of_partition:
            of_partition.pop((pending.lane.key, pending.want.slot), None)

    def drop(self, at: Assignment) -> None:
        """The assignment died."""
        self._tries.pop(at, None)

    def _new(self, pending: Pending) -> Tries:
        tries = Tries(pending.want)
        self._tries.setdefault(pending.at, {})[pending.lane.key, pending.want.slot] = tries
        return tries
