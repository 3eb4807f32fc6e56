"""Records every call, change and notification, and provides queries over them. Pure.

The server writes to a ``Recorder``. A ``Journal`` is an immutable view of it, taken in process or parsed from the lines
that the server serves or writes to a file, so the queries are the same for both.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Protocol, TypeAlias

import orjson

from simulator.exchange import Endpoint, HttpResponse
from simulator.window import SPAN_US

WRITE_KINDS: Final = frozenset({Endpoint.BULK, Endpoint.PATCH})
POLL_KINDS: Final = frozenset({Endpoint.ORDER_UNITS, Endpoint.ORDERS, Endpoint.RETURNS, Endpoint.RETURN_UNITS})


@dataclass(slots=True, kw_only=True)
class CallRow:
    """One call. Times in microseconds: ``wall_us`` since the epoch, the others by a monotonic clock.

    ``answered_us`` is when the last byte was handed to the socket or the connection was closed; 0 = not yet.
    ``applied_us`` is when its changes were made; None = it made none. ``status`` 0 = no response was sent.
    """

    id: int
    mono_us: int
    wall_us: int
    seller: str | None
    method: str
    target: str
    kind: Endpoint
    body_sha256: str | None = None
    body_bytes: int = 0
    body: str | None = None  # only recorded if the policy keeps bodies
    unit_ids: tuple[int, ...] = ()  # or ids of order units
    fields: tuple[str, ...] = ()  # fields of units that the call carried
    user_agent: str = ""
    peer_port: int = 0  # the caller's port
    status: int = 0
    problem: str | None = None
    item_statuses: tuple[int, ...] = ()
    faults: tuple[str, ...] = ()
    applied_us: int | None = None
    answered_us: int = 0


class WriteCause(StrEnum):
    """What caused a field of a unit to change."""

    CALL = "call"  # a call named this unit and field
    LINK = "link"  # a call named a unit that shares the offer id
    MARKETPLACE = "marketplace"  # the marketplace itself, for example a sale


@dataclass(frozen=True, slots=True)
class WriteRow:
    """One accepted write of one field of one unit, also if the value did not change. ``sent`` is the value in the call;
    ``call_id`` None = a change by the marketplace itself."""

    call_id: int | None
    unit_id: int
    field: str
    old: Any
    new: Any
    sent: Any
    cause: WriteCause
    mono_us: int


RawWrite: TypeAlias = tuple[int | None, int, str, Any, Any, Any, WriteCause, int]
"""A ``WriteRow`` as it is stored. One bulk call creates hundreds: a plain tuple takes a tenth of the time, and the
garbage collector stops tracking it."""


class Deed(StrEnum):
    """The kinds of changes of an order unit."""

    CREATED = "created"
    STATUS = "status"  # its status changed by itself or through the control endpoints
    SEND = "send"  # a call marked it as sent
    PARCEL = "parcel"  # a call added a parcel


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One change of one order unit. ``call_id`` None = not caused by a call. ``wall_us`` is by the simulated server's
    clock; responses show it, in whole seconds, as the time of the last update. ``body`` is the call's body, verbatim.
    """

    call_id: int | None
    seller: str
    storefront: str
    id_order: str
    id_order_unit: int
    deed: Deed
    old: str | None  # previous status; None = a new order unit
    new: str
    carrier_code: str | None = None
    tracking_numbers: tuple[str, ...] = ()
    body: str | None = None
    mono_us: int
    wall_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRow:
    """One attempt to notify a subscriber. ``status`` 0 = no response in time. ``is_last``: the subscription was
    disabled after this attempt."""

    id_subscription: int
    id_message: str
    event_name: str
    resource: str
    attempt: int  # from 1
    status: int
    is_last: bool
    mono_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two write calls for the same unit that overlapped in time."""

    unit_id: int
    first_call_id: int
    second_call_id: int


class JournalSink(Protocol):
    """Receives a copy of each row, for example to write it to a file."""

    def call(self, row: CallRow) -> None:
        """Receives a finished call."""
        ...

    def writes(self, rows: Sequence[RawWrite]) -> None: ...

    def order_rows(self, rows: Sequence[OrderRow]) -> None: ...

    def push(self, row: PushRow) -> None: ...


class Recorder:
    """Records rows up to a bound; the oldest are dropped first. Not thread-safe."""

    def __init__(
        self, *, copyist: JournalSink | None = None, keep_calls: int = 1_000_000, keep_writes: int = 10_000_000
    ) -> None:
        self.copyist = copyist
        self._calls: deque[CallRow] = deque(maxlen=keep_calls)
        self._writes: deque[RawWrite] = deque(maxlen=keep_writes)
        self._order_rows: deque[OrderRow] = deque(maxlen=keep_calls)
        self._pushes: deque[PushRow] = deque(maxlen=keep_calls)
        self._dropped = 0
        self._next_id = 1

    def next_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def call(self, row: CallRow) -> None:
        """Records an arrival. The caller keeps filling in the row until ``over`` finishes it."""
        self._dropped += len(self._calls) == self._calls.maxlen
        self._calls.append(row)

    def writes(self, rows: Sequence[RawWrite]) -> None:
        """Records changes of units."""
        self._dropped += _too_many(rows, self._writes)
        self._writes.extend(rows)
        if self.copyist is not None:
            self.copyist.writes(rows)

    def order_rows(self, rows: Sequence[OrderRow]) -> None:
        """Records changes of order units."""
        self._dropped += _too_many(rows, self._order_rows)
        self._order_rows.extend(rows)
        if self.copyist is not None:
            self.copyist.order_rows(rows)

    def push(self, row: PushRow) -> None:
        """Records an attempt to notify a subscriber."""
        self._dropped += _too_many((row,), self._pushes)
        self._pushes.append(row)
        if self.copyist is not None:
            self.copyist.push(row)

    def over(self, row: CallRow, answer: HttpResponse | None, mono_us: int) -> None:
        """Finishes a call's row when its last byte has been sent; ``answer`` None = closed without a response."""
        if answer is not None:
            row.status, row.problem, row.item_statuses = answer.status, answer.problem, answer.item_statuses
        row.answered_us = mono_us
        if self.copyist is not None:
            self.copyist.call(row)

    def view(self) -> "Journal":
        """Returns a copy of everything recorded so far."""
        writes = (WriteRow(*write) for write in self._writes)
        return Journal(
            calls=tuple(map(copy, self._calls)),
            writes=writes,
            order_rows=self._order_rows,
            pushes=self._pushes,
            dropped=self._dropped,
        )


def _too_many(rows: Sequence[object], kept: deque[Any]) -> int:
    """Returns how many of the oldest rows are dropped when these are added."""
    return max(len(rows) - ((kept.maxlen or 0) - len(kept)), 0)


class Journal:
    """An immutable record of what happened, in order of arrival. ``dropped``: how many rows exceeded the bound."""

    def __init__(
        self,
        *,
        calls: Iterable[CallRow],
        writes: Iterable[WriteRow],
        order_rows: Iterable[OrderRow] = (),
        pushes: Iterable[PushRow] = (),
        dropped: int = 0,
    ) -> None:
        self.calls = tuple(calls)
        self.writes = tuple(writes)
        self.order_rows = tuple(order_rows)
        self.pushes = tuple(pushes)
        self.dropped = dropped

    # ---- counts -----------------------------------------------------------------------------------------------------

    @cached_property
    def by_kind(self) -> Mapping[Endpoint, int]:
        return Counter(call.kind for call in self.calls)

    @cached_property
    def by_status(self) -> Mapping[int, int]:
        return Counter(call.status for call in self.calls)

    @cached_property
    def by_deed(self) -> Mapping[Deed, int]:
        """Changes of order units, counted by kind."""
        return Counter(row.deed for row in self.order_rows)

    @property
    def created(self) -> int:
        """The number of calls to create a unit, successful or not."""
        return self.by_kind.get(Endpoint.CREATE, 0)

    @property
    def deleted(self) -> int:
        """The number of calls to delete a unit, successful or not."""
        return self.by_kind.get(Endpoint.DELETE, 0)

    @property
    def write_calls(self) -> tuple[CallRow, ...]:
        return tuple(call for call in self.calls if call.kind in WRITE_KINDS)

    @cached_property
    def written_fields(self) -> frozenset[str]:
        """All fields of units that any call carried."""
        return frozenset(name for call in self.calls for name in call.fields)

    # ---- rate -------------------------------------------------------------------------------------------------------

    def worst_second(self, seller: str, *, kinds: frozenset[Endpoint] | None = None) -> int:
        """Returns the highest number of a seller's calls that arrived within one second, refused ones included."""
        arrivals = sorted(
            call.mono_us for call in self.calls if call.seller == seller and (kinds is None or call.kind in kinds)
        )
        worst = start = 0
        for end, arrival in enumerate(arrivals):
            while arrivals[start] <= arrival - SPAN_US:
                start += 1
            worst = max(worst, end - start + 1)
        return worst

    # ---- units ------------------------------------------------------------------------------------------------------

    @cached_property
    def _accepted(self) -> Mapping[tuple[int, str], list[WriteRow]]:
        accepted: defaultdict[tuple[int, str], list[WriteRow]] = defaultdict(list)
        for write in self.writes:
            accepted[write.unit_id, write.field].append(write)
        return accepted

    def history(self, unit_id: int) -> tuple[WriteRow, ...]:
        """Returns all writes to a unit, in order."""
        return tuple(write for write in self.writes if write.unit_id == unit_id)

    def accepted(self, unit_id: int, field: str, *, linked: bool = True) -> tuple[Any, ...]:
        """Returns the values that calls gave a field, in order, unchanged ones included.

        ``linked``: also by calls for units that share its offer id.
        """
        causes = {WriteCause.CALL, WriteCause.LINK} if linked else {WriteCause.CALL}
        return tuple(write.new for write in self._accepted.get((unit_id, field), ()) if write.cause in causes)

    def overlaps(self) -> tuple[Overlap, ...]:
        """Returns the pairs of write calls for one unit where the later arrived before the earlier had finished."""
        over_us: dict[int, tuple[int, int]] = {}
        found: list[Overlap] = []
        for call in self.write_calls:
            end_us = max(call.answered_us, call.applied_us or 0) or _NEVER_US
            for unit_id in call.unit_ids:
                before = over_us.get(unit_id)
                if before is not None and call.mono_us < before[0]:
                    found.append(Overlap(unit_id=unit_id, first_call_id=before[1], second_call_id=call.id))
                if before is None or end_us > before[0]:
                    over_us[unit_id] = (end_us, call.id)
        return tuple(found)

    # ---- orders -----------------------------------------------------------------------------------------------------

    def sends(self, order_unit_id: int) -> tuple[OrderRow, ...]:
        """Returns the calls that marked an order unit as sent; the rules allow one."""
        return self._deeds.get((order_unit_id, Deed.SEND), ())

    def parcels(self, order_unit_id: int) -> tuple[OrderRow, ...]:
        """Returns the calls that added a parcel to an order unit after it was sent."""
        return self._deeds.get((order_unit_id, Deed.PARCEL), ())

    @cached_property
    def _deeds(self) -> Mapping[tuple[int, Deed], tuple[OrderRow, ...]]:
        deeds: defaultdict[tuple[int, Deed], tuple[OrderRow, ...]] = defaultdict(tuple)
        for row in self.order_rows:
            deeds[row.id_order_unit, row.deed] += (row,)
        return deeds

    @property
    def polls(self) -> tuple[CallRow, ...]:
        """The calls that listed orders, order units or returns. ``user_agent`` and ``peer_port`` identify the caller,
        ``target`` holds the query."""
        return tuple(call for call in self.calls if call.kind in POLL_KINDS)

    # ---- lines ------------------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[bytes]:
        """Yields one JSON line per row: calls, then changes of units and of order units, then notifications."""
        for call in self.calls:
            yield call_line(call)
        for write in self.writes:
            yield write_line(write)
        for row in self.order_rows:
            yield order_line(row)
        for push in self.pushes:
            yield push_line(push)

    @classmethod
    def read(cls, lines: Iterable[bytes | str]) -> "Journal":
        """Parses what ``lines`` yields. A later line about the same call replaces the earlier one.

        Raises ValueError for a line that is not a row of a journal.
        """
        calls: dict[int, CallRow] = {}
        writes: list[WriteRow] = []
        order_rows: list[OrderRow] = []
        pushes: list[PushRow] = []
        for line in lines:
            row = orjson.loads(line)
            match row.pop("row", None):
                case "call":
                    calls[row["id"]] = CallRow(**{**_tupled(row), "kind": Endpoint(row["kind"])})
                case "write":
                    writes.append(WriteRow(**{**row, "cause": WriteCause(row["cause"])}))
                case "order":
                    order_rows.append(OrderRow(**{**_tupled(row), "deed": Deed(row["deed"])}))
                case "push":
                    pushes.append(PushRow(**row))
                case other:
                    raise ValueError(f"not a row of a journal: {other!r}")
        arrived = sorted(calls.values(), key=lambda call: call.mono_us)
        return cls(calls=arrived, writes=writes, order_rows=order_rows, pushes=pushes)


_NEVER_US: Final = 2**63


def call_line(row: CallRow) -> bytes:
    return b'{"row":"call",' + orjson.dumps(row)[1:] + b"\n"


def write_line(row: WriteRow) -> bytes:
    return b'{"row":"write",' + orjson.dumps(row)[1:] + b"\n"


def order_line(row: OrderRow) -> bytes:
    return b'{"row":"order",' + orjson.dumps(row)[1:] + b"\n"


def push_line(row: PushRow) -> bytes:
    return b'{"row":"push",' + orjson.dumps(row)[1:] + b"\n"


def _tupled(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
