"""An in-memory claims topic that several processes can share, with compaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from connector.offers.claims import Claims
from streams.errors import SinkFailed, SourceFailed
from streams.flow import Answer, Call, Item, Now, Want


@dataclass(slots=True)
class ClaimsLog:
    """The topic's log: offset, key and value of every record that compaction has left. ``away``: no broker answers."""

    records: list[tuple[int, bytes, bytes | None]] = field(default_factory=list)
    end: int = 0
    away: bool = False

    def compact(self) -> None:
        last = {key: offset for offset, key, _ in self.records}
        self.records = [row for row in self.records if last[row[1]] == row[0]]


@dataclass(slots=True)
class TopicView:
    """The ``ClaimsTopic`` of one process: reads the log from its own position."""

    log: ClaimsLog
    next: int = 0

    def read(self, timeout_s: float) -> tuple[bool, list[tuple[int, bytes, bytes | None]]]:
        if self.log.away:
            raise SourceFailed("no broker")
        anew = self.log.end < self.next
        new = [row for row in self.log.records if anew or row[0] >= self.next]
        self.next = self.log.end
        return anew, new

    def write(self, rows: Sequence[tuple[bytes, bytes]], timeout_s: float) -> None:
        if self.log.away:
            raise SinkFailed("no broker")
        for key, value in rows:
            self.log.records.append((self.log.end, key, value))
            self.log.end += 1


@dataclass(slots=True)
class StoppedClock:
    """A clock that moves only when a test sets it."""

    mono_s: float = 0.0

    def now(self) -> Now:
        return Now(mono_s=self.mono_s, wall_us=1)


def claims_of(log: ClaimsLog) -> Claims:
    """Returns the ``Claims`` of a process that has just started."""
    return Claims(TopicView(log), StoppedClock())


def call_of(*wants: Want, send_by_s: float = 4.0) -> Call:
    items = tuple(Item(body=want.body, attempt=1) for want in wants)
    return Call(id="c", account="main", kind=wants[0].kind, items=items, send_by_s=send_by_s, give_up_at_s=6.0)


def asked(claims: Claims, *wants: Want) -> Answer:
    return claims.call(call_of(*wants))
