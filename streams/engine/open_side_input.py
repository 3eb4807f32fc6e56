"""One side input of an open partition: what was fetched, how far it was applied, and what keeps it from being read."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from math import inf
from typing import Final

from streams.dispatch.backoff import Backoff
from streams.flow import Assignment, BadRecord, NotYet, Now, Output, Record, Told
from streams.lanes.lanes import Lanes
from streams.messages import Notice, SideFetch, SideRecords
from streams.side_input import ReviewLanes, SideInput, SideInputs, SidePosition

REFILL_BELOW: Final = 250
"""The next fetch is made when fewer fetched records than this are left, so that it need not be waited for."""

READS_PER_TURN: Final = 4
"""Records read in one step for each turn that it may give: reading one that is skipped costs less than a turn."""

UNANSWERED_S: Final = 60.0
"""A request without an answer for so long is a problem, and is made again later. Requests for one partition take turns,
a second each."""

_BACKOFF: Final = Backoff(base_s=1.0, cap_s=30.0, budget=1)


class OpenSideInput:
    """A side input and its state for the duration of one assignment. ``found``: the position of the previous owner."""

    def __init__(self, at: Assignment, spec: SideInput, sides: SideInputs, found: SidePosition | None) -> None:
        reached = found or SidePosition(position=spec.start)
        self.at = at
        self.spec = spec
        self.position = reached.position  # everything below was applied or skipped
        self.delivered = reached.delivered
        self.gone = reached.gone  # offsets of a range that could not be read
        self.needs: NotYet | None = None  # must be fetched before the next record can be read
        self.problem = ""  # why it cannot be read; empty = it can
        self.log_end: int | None = None  # last stable offset, as far as known
        self.served = 0  # number of the last share of a step that it got; the one with the lowest is next
        self.skipped = 0  # records that could not be read, since the partition was opened
        self.asks_review = False  # a record concerns all lanes with pending work, which have not been told yet
        self._reviewed = False  # the first fetched record concerns them; it is passed when they have taken their turns
        self._sides = sides
        self._topic_id = reached.topic_id
        self._buffer: deque[Record] = deque()
        self._fetched_to = self.position
        self._asked: SideFetch | None = None
        self._asked_s = inf
        self._numbers = count(1)
        self._failures = 0  # in succession
        self._again_s = -inf
        self._reported = self.position, False  # a new owner reports the end again

    @property
    def is_finished(self) -> bool:
        """Whether the end of its range was reached."""
        return self.spec.end is not None and self.position >= self.spec.end

    @property
    def is_ready(self) -> bool:
        """Whether there are records that may be applied now."""
        return bool(self._buffer) and self.needs is None and not self.spec.is_paused

    @property
    def reached(self) -> SidePosition:
        """The position to be committed."""
        return SidePosition(position=self.position, delivered=self.delivered, topic_id=self._topic_id, gone=self.gone)

    def renewed(self, spec: SideInput) -> bool:
        """Takes another end or another pause; returns False for another topic, partition or start."""
        if (spec.topic, spec.partition, spec.start) != (self.spec.topic, self.spec.partition, self.spec.start):
            return False
        self.spec = spec
        if self.is_finished:
            self._go_to(self.position)
        return True

    # ---- fetching ---------------------------------------------------------------------------------------------------

    def fetch(self, now_s: float) -> SideFetch | None:
        """Returns the request to make now, if any."""
        if not self._may_fetch or now_s < self._again_s:
            return None
        self._asked = SideFetch(
            at=self.at,
            name=self.spec.name,
            topic=self.spec.topic,
            partition=self.spec.partition,
            position=self._fetched_to,
            number=next(self._numbers),
        )
        self._asked_s = now_s
        return self._asked

    def next_fetch_s(self) -> float:
        """Returns when to ask for ``fetch`` or ``unanswered``, if by time alone; otherwise ``inf``."""
        if self._asked is not None:
            return self._asked_s + UNANSWERED_S
        return self._again_s if self._may_fetch and self._again_s > -inf else inf

    def unanswered(self, now_s: float) -> Iterator[Notice]:
        """Gives up the request under way once it has had no answer for a minute; yields a notice for the first."""
        if self._asked is not None and now_s - self._asked_s >= UNANSWERED_S:
            self._asked = None
            yield from self._failed(f"the side reader has not answered for {UNANSWERED_S:.0f} s", now_s)

    @property
    def _may_fetch(self) -> bool:
        at_end = self.spec.end is not None and self._fetched_to >= self.spec.end
        return not (self._asked or at_end or self.spec.is_paused) and len(self._buffer) < REFILL_BELOW

    def answered(self, answer: SideRecords, now_s: float) -> Iterator[Notice]:
        """Takes the answer to the request that is under way; ignores any other."""
        if answer.fetch != self._asked:
            return
        self._asked = None
        if answer.fetch.position != self._fetched_to:
            return
        problem = answer.problem or self._contradiction(answer)
        if problem:
            yield from self._failed(problem, now_s)
            return
        self._failures, self._again_s = 0, -inf
        if self.problem:
            self.problem = ""
            yield self._notice("side_input_readable", "info")
        yield from self._took(answer)

    def _contradiction(self, answer: SideRecords) -> str:
        """Returns why a position that is in the log cannot be read from; empty = it can, or is not in the log."""
        is_new = self._topic_id and answer.topic_id not in ("", self._topic_id)
        if answer.log is None or is_new or not answer.log[0] <= self._fetched_to <= answer.log[1]:
            return ""
        return f"the broker refuses offset {self._fetched_to} as out of range, although the log contains it"

    def _failed(self, problem: str, now_s: float) -> Iterator[Notice]:
        self._failures += 1
        self._again_s = now_s + _BACKOFF.wait_s(self._failures, 1.0)
        if problem != self.problem:
            self.problem = problem
            yield self._notice("side_input_unreadable", "error", reason=problem)

    def _took(self, answer: SideRecords) -> Iterator[Notice]:
        self.log_end = answer.end if answer.end is not None else self.log_end
        topic_id, self._topic_id = self._topic_id, answer.topic_id or self._topic_id
        if topic_id != self._topic_id and topic_id:
            yield from self._restart(self.spec.start, "the topic was deleted and created again")
        elif answer.log is not None:
            yield from self._outside(*answer.log)
        else:
            self._buffer.extend(record for record in answer.records if record.offset >= self._fetched_to)
            self._fetched_to = max(self._fetched_to, answer.position)
            self._advance()

    def _outside(self, first: int, end: int) -> Iterator[Notice]:
        """Continues where the log begins or, when the log ends before the position, from the start again."""
        if self._fetched_to > end:
            start = self.spec.start if first <= self.spec.start <= end else first
            yield from self._restart(start, f"the log ends at {end}, before {self._fetched_to}")
        else:
            reason = f"the log begins at {first}: records from {self._fetched_to} on are gone"
            self._pass_to(first)
            yield self._notice("side_input_moved", "warning", position=first, reason=reason)

    def _restart(self, start: int, reason: str) -> Iterator[Notice]:
        self._go_to(start)
        self.delivered = self.gone = 0
        yield self._notice("side_input_moved", "warning", position=start, reason=f"{reason}; it is read again")

    def _pass_to(self, first: int) -> None:
        """Passes the offsets that the log does not have any more, and counts them if the input is a range."""
        if self.spec.end is not None:
            first = min(first, self.spec.end)
            self.gone += first - self.position
        self._go_to(first)

    def _go_to(self, position: int) -> None:
        self._buffer.clear()
        self.needs, self._reviewed = None, False
        self.position = self._fetched_to = position

    # ---- applying ---------------------------------------------------------------------------------------------------

    def apply(self, lanes: Lanes, turns: int, now: Now) -> Iterator[Notice]:
        """Gives lanes at most ``turns`` turns for the records that were fetched.

        A record that concerns all lanes is passed by the next call, to be made when these have taken their turns: an
        owner that has lost the partition before leaves it to the next one.
        """
        if self._reviewed and self._buffer:
            self._reviewed = False
            self._pass()
        until = self.delivered + turns
        for _ in range(READS_PER_TURN * turns):
            if not self.is_ready or self.delivered >= until or lanes.fault:
                return
            record = self._buffer[0]
            if self.spec.end is not None and record.offset >= self.spec.end:
                self._go_to(self.spec.end)
                return
            match self._sides.read(self.spec.name, record, now):
                case NotYet() as needs:
                    self.needs = needs
                    return
                case Told() as told:
                    lanes.turn(told.lane, told, now, beside=True)
                    self.delivered += 1
                case ReviewLanes():
                    self.asks_review = self._reviewed = True
                    return
                case BadRecord() as bad:
                    yield from self._skipped(record, bad)
                case None:
                    pass
            self._pass()

    def _pass(self) -> None:
        """Moves past the first fetched record."""
        self._buffer.popleft()
        self._advance()

    def _advance(self) -> None:
        position = self._buffer[0].offset if self._buffer else self._fetched_to
        self.position = position if self.spec.end is None else min(position, max(self.position, self.spec.end))

    def _skipped(self, record: Record, bad: BadRecord) -> Iterator[Notice]:
        """Logs the 1st, 10th, 100th, ... record that is skipped: a whole topic of them must not fill the log."""
        self.skipped += 1
        if str(self.skipped).strip("0") == "1":
            fields: dict[str, str | int] = {"offset": record.offset, "code": bad.code, "count": self.skipped}
            yield self._notice("side_record_skipped", "warning", **fields, reason=bad.text)

    # ---- reporting --------------------------------------------------------------------------------------------------

    def progress(self, now: Now) -> Sequence[Output]:
        """Returns the application's records about the progress since the last call; none without progress."""
        before, self._reported = self._reported, (self.position, self.is_finished)
        if before == self._reported:
            return ()
        return self._sides.progress(self.at.partition, self.spec, self.reached, now)

    def _notice(self, event: str, level: str, **fields: str | int) -> Notice:
        where: dict[str, str | int] = {
            "name": self.spec.name,
            "topic": self.spec.topic,
            "partition": self.spec.partition,
            "beside": f"{self.at.topic}/{self.at.partition}",
        }
        return Notice(event=event, level=level, fields={**where, **fields})
