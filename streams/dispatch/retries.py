"""Attempts, retry budget and back-off of each slot. Kept beside the lanes, so that it survives their sleep."""

from math import inf

from streams.dispatch.backoff import Backoff, spread
from streams.flow import Assignment, Retry, Want
from streams.lanes.lane import PendingWant
from streams.policy import Policy


class RetryState:
    """The attempts of a slot; they count from the oldest pending event, so that merging resets nothing."""

    __slots__ = ("alone", "attempts", "closure", "counted", "kind", "not_before_s", "since_us")

    def __init__(self, want: Want) -> None:
        self.since_us = want.since_us
        self.kind = want.kind
        self.attempts = 0
        self.counted = 0
        self.not_before_s = -inf
        self.alone = False
        self.closure: int | None = None  # the account's closure in which it last failed


class Retries:
    """Per assignment and slot; it dies with the want, and with the assignment."""

    def __init__(self, policy: Policy) -> None:
        self._backoff = Backoff(base_s=policy.retry_base_s, cap_s=policy.retry_cap_s, budget=policy.retry_budget)
        self._states: dict[Assignment, dict[tuple[str, str], RetryState]] = {}

    def of(self, pending: PendingWant) -> RetryState | None:
        """None also when what is known is of an older event."""
        of_partition = self._states.get(pending.at)
        state = of_partition.get((pending.lane.key, pending.want.slot)) if of_partition else None
        return state if state is not None and state.since_us == pending.want.since_us else None

    def not_before_s(self, pending: PendingWant) -> float:
        state = self.of(pending)
        return state.not_before_s if state is not None else -inf

    def is_alone(self, pending: PendingWant) -> bool:
        state = self.of(pending)
        return state is not None and state.alone

    def failed_in(self, pending: PendingWant, closure: int) -> bool:
        state = self.of(pending)
        return state is not None and state.closure == closure

    def attempt(self, pending: PendingWant) -> int:
        """The number of the attempt that leaves now, 1 for the first of its kind."""
        state = self.of(pending)
        if state is None:
            return 1
        if state.kind != pending.want.kind:
            state.kind, state.attempts = pending.want.kind, 0
        return state.attempts + 1

    def retry(
        self, pending: PendingWant, said: Retry, attempt: int, now_s: float, *, counts: bool, closure: int | None
    ) -> bool:
        """Not now. False when the budget of the oldest undone event is used up."""
        state = self.of(pending) or self._new(pending)
        state.attempts, state.alone, state.closure = attempt, said.alone, closure
        state.counted += counts
        if self._backoff.used_up(state.counted):
            self.forget(pending)
            return False
        wait_s = said.after_s
        if wait_s is None:
            wait_s = self._backoff.wait_s(max(1, state.counted), spread(*pending.slot_key, attempt))
        state.not_before_s = now_s + wait_s
        return True

    def answered(self, pending: PendingWant, attempt: int, *, lost: bool) -> None:
        """It may travel in company again. A lost one goes on counting its attempts."""
        state = self.of(pending)
        if state is None and lost:
            state = self._new(pending)
        if state is not None:
            state.alone, state.not_before_s, state.attempts = False, -inf, attempt if lost else 0

    def forget(self, pending: PendingWant) -> None:
        of_partition = self._states.get(pending.at)
        if of_partition:
            of_partition.pop((pending.lane.key, pending.want.slot), None)

    def drop(self, at: Assignment) -> None:
        """The assignment died."""
        self._states.pop(at, None)

    def _new(self, pending: PendingWant) -> RetryState:
        state = RetryState(pending.want)
        self._states.setdefault(pending.at, {})[pending.lane.key, pending.want.slot] = state
        return state
