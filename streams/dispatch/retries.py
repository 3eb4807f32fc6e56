"""Attempts, retry budget and back-off of each slot. Kept apart from the lanes, so that it survives their sleep."""

from math import inf
from typing import Final

from streams.dispatch.backoff import Backoff, spread
from streams.flow import Assignment, Retry
from streams.lanes.lane import PendingWant
from streams.policy import Policy


class RetryState:
    """The attempts of a slot since its oldest pending event; a newer event that is merged in resets nothing."""

    __slots__ = ("alone", "attempts", "closure", "counted", "kind", "not_before_s", "since_us")

    def __init__(self, since_us: int, kind: str) -> None:
        self.since_us = since_us
        self.kind = kind
        self.attempts = 0  # of this kind
        self.counted = 0  # failures that count against the budget
        self.not_before_s = -inf  # backing off until then
        self.alone = False  # to be sent in a call of its own
        self.closure: int | None = None  # ``AccountQueues.closure`` when it last failed while the account was closed


UNTRIED: Final = RetryState(since_us=0, kind="")
"""The state of a slot without attempts; never changed."""


class Retries:
    """The retry states by assignment and slot; each is dropped with its want or its assignment."""

    def __init__(self, policy: Policy) -> None:
        self._backoff = Backoff(base_s=policy.retry_base_s, cap_s=policy.retry_cap_s, budget=policy.retry_budget)
        self._states: dict[Assignment, dict[tuple[str, str], RetryState]] = {}

    def of(self, pending: PendingWant) -> RetryState:
        """Returns the state of a want's slot; ``UNTRIED`` if it has none for the oldest event that the want has now."""
        of_partition = self._states.get(pending.at) if self._states else None
        state = of_partition.get((pending.lane.key, pending.want.slot)) if of_partition else None
        return state if state is not None and state.since_us == pending.want.since_us else UNTRIED

    def attempt(self, pending: PendingWant) -> int:
        """Returns the number of the attempt that is sent now, 1 for the first of its kind."""
        if not self._states:
            return 1
        state = self.of(pending)
        if state is not UNTRIED and state.kind != pending.want.kind:
            state.kind, state.attempts = pending.want.kind, 0
        return state.attempts + 1

    def retry(
        self, pending: PendingWant, reply: Retry, attempt: int, now_s: float, *, counts: bool, closure: int | None
    ) -> bool:
        """Records a failed attempt and starts its back-off. Returns False when the retry budget is used up."""
        state = self._own(pending)
        state.attempts, state.alone, state.closure = attempt, reply.alone, closure
        state.counted += counts
        if self._backoff.used_up(state.counted):
            self.forget(pending)
            return False
        wait_s = reply.after_s
        if wait_s is None:
            wait_s = self._backoff.wait_s(max(1, state.counted), spread(*pending.slot_key, attempt))
        state.not_before_s = now_s + wait_s
        return True

    def answered(self, pending: PendingWant, attempt: int, *, lost: bool) -> None:
        """Ends the back-off and lets the want share calls again. Attempts count on only after a lost answer."""
        state = self._own(pending) if lost else self.of(pending)
        if state is not UNTRIED:
            state.alone, state.not_before_s, state.attempts = False, -inf, attempt if lost else 0

    def forget(self, pending: PendingWant) -> None:
        """Drops the state of a want's slot."""
        of_partition = self._states.get(pending.at) if self._states else None
        if of_partition:
            of_partition.pop((pending.lane.key, pending.want.slot), None)

    def drop(self, at: Assignment) -> None:
        """Drops all states of an assignment that has ended."""
        self._states.pop(at, None)

    def _own(self, pending: PendingWant) -> RetryState:
        """Returns the state of a want's slot, which is made if there is none."""
        state = self.of(pending)
        if state is UNTRIED:
            state = RetryState(pending.want.since_us, pending.want.kind)
            self._states.setdefault(pending.at, {})[pending.lane.key, pending.want.slot] = state
        return state
