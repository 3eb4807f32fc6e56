"""A toy application that uses all of the engine: thermostats, whose set-points arrive as events and are set by calls.

The newest set-point of a device wins, every event ends in exactly one result, a chime may ring only once. It shows
that ``streams`` is independent of the marketplace, and gives tests and simulation a small flow with every feature:
several slots in a lane, merging, ageing, exclusive keys (rooms on one boiler), ``once``, tells (a zone is notified of
its rooms), timers (reminders), standing lanes, dead letters and records that must wait for a schema.

An event is JSON: ``{"id", "at": µs, "device": "heat", "value": 21}`` with, optionally, ``rank`` (default 3),
``account`` (default "main"), ``boiler`` (exclusive key), ``zone`` (lane to notify), ``remind_us`` (timer), ``schema``
(must be known first), ``chime`` (a text: ring it, once, instead of setting a device). The record's key is the room.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from streams.flow import (
    Answered,
    Arrived,
    BadRecord,
    Cause,
    Draining,
    GaveUp,
    Lost,
    NotYet,
    Now,
    Output,
    Record,
    Restored,
    Settled,
    Stored,
    Told,
    Turn,
    Unreadable,
    Want,
    Woken,
)

CHIME = "chime"
"""The slot for a room's chimes."""

Order = tuple[int, int]
"""(time of the event in µs, offset): the sort key of a device's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoint:
    """One decoded event."""

    id: str
    order: Order
    device: str
    value: int
    rank: int = 3
    account: str = "main"
    boiler: str = ""
    zone: str = ""
    remind_us: int | None = None
    chime: str = ""
    received_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A message that asks for a set-point: it has a result HEARD of its own, and the event is processed as any."""

    id: str
    event: SetPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The wanted and the last accepted value of a device."""

    wanted: SetPoint | None = None
    since_us: int = 0  # when the oldest event merged into ``wanted`` arrived
    accepted: int | None = None
    accepted_order: Order = (0, -1)
    newest_order: Order = (0, -1)  # of all events: older ones are never sent, whatever the outcome of the newest
    certain: bool = True  # False from the first want, which may have been sent, until the wanted value is accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The lane: devices, pending chimes (the first is wanted), reminders; ``heard`` counts the messages it was told."""

    key: str
    last_offset: int = -1
    devices: tuple[tuple[str, Device], ...] = ()
    chimes: tuple[SetPoint, ...] = ()
    reminders: tuple[tuple[int, str], ...] = ()
    heard: int = 0
    notes: tuple[str, ...] = ()  # ids of events; since version 2 of the state


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The body of a call's item."""

    room: str
    device: str
    value: int
    order: Order
    event_id: str
    chime: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The answer of a call: whether the device accepted the value."""

    ok: bool = True


@dataclass(slots=True, kw_only=True)
class Thermostats:
    """The flow. ``schemas`` are the schemas known so far; a worker that fetches one adds it."""

    topic: str = "setpoints"
    state_topic: str = "rooms"
    results: str = "settings"
    limits: dict[str, int] = field(default_factory=lambda: {"set": 5, "chime": 1})
    groups: dict[str, str] = field(default_factory=dict)
    lives: tuple[str, ...] = ()
    schemas: set[int] = field(default_factory=set)
    state_version: int = 1

    def read(self, record: Record, now: Now) -> Arrived | BadRecord | NotYet:
        try:
            raw = json.loads(record.value or b"")
            if "schema" in raw and raw["schema"] not in self.schemas:
                return NotYet(need=raw["schema"], text="schema not known yet")
            event = set_point(raw, record.offset, now)
        except (ValueError, KeyError, TypeError) as error:
            return BadRecord(code="UNREADABLE", text=str(error), error=type(error).__name__)
        if record.key is None:
            return BadRecord(code="KEY_MISSING", text="a set-point needs its room")
        return Arrived(lane=record.key.decode(), event=event)

    def assigned(self, partition: int, lanes: int) -> None:
        pass

    def standing(self, partition: int) -> Iterable[str]:
        return self.lives if partition == 0 else ()

    def glance(self, key: str, stored: bytes) -> BadRecord | NotYet | None:
        """Asks for the schema of a record that begins with ``#<number>``, unless it is known."""
        if not stored.startswith(b"#"):
            return None
        schema = int(stored[1:].partition(b"{")[0])
        return None if schema in self.schemas else NotYet(need=schema, text="schema not known yet")

    def load(self, key: str, stored: bytes | None) -> Room:
        if stored is None:
            return Room(key=key)
        try:
            return decode(key, b"{" + stored.partition(b"{")[2])
        except (ValueError, KeyError, TypeError) as error:
            raise Unreadable(str(error)) from error

    def store(self, lane: Room) -> Stored:
        undone = bool(lane.chimes or lane.reminders or any(d.wanted for _, d in lane.devices))
        if self.state_version < 2:
            lane = replace(lane, notes=())  # version 1 has no notes
        if lane == Room(key=lane.key):
            return Stored(value=None)
        return Stored(value=encode(lane), undone=undone, reader=2 if lane.notes else 0)

    def kind_limit(self, kind: str) -> int:
        return self.limits[kind]

    def group(self, kind: str) -> str | None:
        return self.groups.get(kind)

    def turn(self, lane: Room, cause: Cause, now: Now) -> Turn[Room]:
        before = lane
        outputs: list[Output] = []
        tells: tuple[Told, ...] = ()
        match cause:
            case Arrived(event=event) | Told(message=SetPoint() as event):
                lane = self._arrived(lane, event, outputs)
                tells = (Told(lane=f"zone:{event.zone}", message=event.id),) if event.zone else ()
            case Answered():
                lane = self._answered(lane, cause, outputs)
            case Told(message=Wish() as wish):
                outputs.append(self._result(lane.key, wish.id, "HEARD"))
                lane = self._arrived(replace(lane, heard=lane.heard + 1), wish.event, outputs)
            case Told(message=message):
                lane = replace(lane, heard=lane.heard + 1)
                outputs.append(self._result(lane.key, str(message), "HEARD"))
            case Woken():
                lane = self._reminded(lane, now, outputs)
            case Restored():
                lane = self._restored(lane, cause, outputs)
            case Draining():
                pass
        if lane == before:
            lane = before  # tells the engine that nothing changed
        wants = [want_of(lane.key, name, d) for name, d in lane.devices if d.wanted]
        if lane.chimes:
            wants.append(chime_of(lane.key, lane.chimes[0]))
        wake = min((at for at, _ in lane.reminders), default=None)
        return Turn(lane=lane, wants=tuple(wants), outputs=tuple(outputs), tells=tells, wake_at_us=wake)

    def _arrived(self, lane: Room, event: SetPoint, outputs: list[Output]) -> Room:
        if event.id in undone_ids(lane):
            return lane
        if event.chime and event.order[1] <= lane.last_offset:
            outputs.append(self._result(lane.key, event.id, "HEARD_BEFORE"))  # read again: do not ring twice
            return lane
        lane = replace(lane, last_offset=max(lane.last_offset, event.order[1]))
        if self.state_version > 1:
            lane = replace(lane, notes=(*lane.notes, event.id))
        if event.remind_us is not None:
            return replace(lane, reminders=(*lane.reminders, (event.remind_us, event.id)))
        if event.chime:
            return replace(lane, chimes=(*lane.chimes, event))
        device, ended = merge(dict(lane.devices).get(event.device, Device()), event)
        outputs.extend(self._result(lane.key, event_id, status) for event_id, status in ended)
        return with_device(lane, event.device, device)

    def _answered(self, lane: Room, cause: Answered, outputs: list[Output]) -> Room:
        body: Setting = cause.want.body
        if body.chime:
            outputs.append(self._result(lane.key, body.event_id, rung(cause.reply)))
            chimes = tuple(c for c in lane.chimes if c.id != body.event_id)
            return replace(lane, chimes=chimes)
        device = dict(lane.devices).get(body.device, Device())
        device, ended = learn(device, body, cause.reply)
        outputs.extend(self._result(lane.key, event_id, status) for event_id, status in ended)
        return with_device(lane, body.device, device)

    def _reminded(self, lane: Room, now: Now, outputs: list[Output]) -> Room:
        outputs.extend(self._result(lane.key, name, "REMINDED") for at, name in lane.reminders if at <= now.wall_us)
        return replace(lane, reminders=tuple(r for r in lane.reminders if r[0] > now.wall_us))

    def _restored(self, lane: Room, cause: Restored, outputs: list[Output]) -> Room:
        """Drops the first chime if its call was announced: it may have rung, so it is not rung again."""
        if CHIME not in cause.announced:
            return lane
        outputs.append(self._result(lane.key, lane.chimes[0].id, "UNKNOWN"))
        return replace(lane, chimes=lane.chimes[1:])

    def _result(self, room: str, event_id: str, status: str) -> Output:
        value = json.dumps({"id": event_id, "status": status}).encode()
        return Output(topic=self.results, key=room.encode(), value=value)


def set_point(raw: dict[str, Any], offset: int, now: Now) -> SetPoint:
    """Decodes a set-point. Raises KeyError, TypeError or ValueError for an invalid one."""
    known = {name: raw[name] for name in ("rank", "account", "boiler", "zone", "remind_us", "chime") if name in raw}
    return SetPoint(
        id=raw["id"],
        order=(int(raw["at"]), offset),
        device=raw.get("device", "heat"),
        value=int(raw.get("value", 0)),
        received_us=now.wall_us,
        **known,
    )


def merge(device: Device, event: SetPoint) -> tuple[Device, list[tuple[str, str]]]:
    """Merges an event into a device; returns the device and (event id, status) of the events that end by this.

    The newest event wins; the other one ends as SUPERSEDED, one that equals the certain value as UNCHANGED. Without
    transactions an event may be read again after its result: if it is still the newest and was not accepted, it is
    sent again.
    """
    wanted = device.wanted
    if event.order == device.accepted_order:
        return device, [(event.id, "UNCHANGED")]
    if event.order < device.newest_order:
        return device, [(event.id, "SUPERSEDED")]
    device = replace(device, newest_order=event.order)
    if wanted is not None:
        return replace(device, wanted=event), [(wanted.id, "SUPERSEDED")]
    if device.certain and device.accepted == event.value:
        return replace(device, accepted_order=event.order), [(event.id, "UNCHANGED")]
    return replace(device, wanted=event, since_us=event.received_us, certain=False), []


def learn(device: Device, body: Setting, reply: Settled | Lost | GaveUp) -> tuple[Device, list[tuple[str, str]]]:
    """Applies an answer to a device; returns the device and (event id, status) of the events that end by this."""
    if isinstance(reply, Lost):
        return device, []
    current = device.wanted is not None and device.wanted.order == body.order
    taken = isinstance(reply, Settled) and reply.answer.ok
    if taken and body.order > device.accepted_order:
        device = replace(device, accepted=body.value, accepted_order=body.order, certain=device.certain or current)
    if not current:
        return device, []
    status = "APPLIED" if taken else "FAILED" if isinstance(reply, GaveUp) else "REFUSED"
    return replace(device, wanted=None, since_us=0), [(body.event_id, status)]


def rung(reply: Settled | Lost | GaveUp) -> str:
    """Returns the status of a chime after this reply."""
    match reply:
        case Settled():
            return "RUNG"
        case Lost():
            return "UNKNOWN"
        case GaveUp():
            return "FAILED"


def want_of(room: str, name: str, device: Device) -> Want:
    """Returns the call that a device needs. Raises ValueError if it wants none."""
    wanted = device.wanted
    if wanted is None:
        raise ValueError(f"device {name} of {room} wants nothing")
    body = Setting(room=room, device=name, value=wanted.value, order=wanted.order, event_id=wanted.id)
    return Want(
        slot=name,
        account=wanted.account,
        kind="set",
        priority=wanted.rank,
        since_us=device.since_us,
        body=body,
        exclusive=(wanted.boiler,) if wanted.boiler else (),
    )


def chime_of(room: str, event: SetPoint) -> Want:
    """Returns the call that rings a chime, at most once."""
    body = Setting(room=room, device="", value=0, order=event.order, event_id=event.id, chime=event.chime)
    return Want(
        slot=CHIME,
        account=event.account,
        kind="chime",
        priority=event.rank,
        since_us=event.received_us,
        body=body,
        once=True,
    )


def undone_ids(lane: Room) -> set[str]:
    """Returns the ids of the events that have no result yet."""
    ids = {d.wanted.id for _, d in lane.devices if d.wanted}
    return ids | {c.id for c in lane.chimes} | {name for _, name in lane.reminders}


def with_device(lane: Room, name: str, device: Device) -> Room:
    devices = dict(lane.devices) | {name: device}
    return replace(lane, devices=tuple(sorted(devices.items())))


def encode(lane: Room) -> bytes:
    devices = {
        name: [pack(d.wanted), d.since_us, d.accepted, list(d.accepted_order), list(d.newest_order), d.certain]
        for name, d in lane.devices
    }
    return json.dumps(
        {
            "last_offset": lane.last_offset,
            "devices": devices,
            "chimes": [pack(c) for c in lane.chimes],
            "reminders": [list(r) for r in lane.reminders],
            "heard": lane.heard,
        }
        | ({"notes": lane.notes} if lane.notes else {})
    ).encode()


def decode(key: str, stored: bytes) -> Room:
    raw = json.loads(stored)
    devices = tuple(
        (
            name,
            Device(
                wanted=unpack(wanted),
                since_us=since,
                accepted=value,
                accepted_order=(at[0], at[1]),
                newest_order=(newest[0], newest[1]),
                certain=certain,
            ),
        )
        for name, (wanted, since, value, at, newest, certain) in raw["devices"].items()
    )
    return Room(
        key=key,
        last_offset=raw["last_offset"],
        devices=devices,
        chimes=tuple(c for c in map(unpack, raw["chimes"]) if c),
        reminders=tuple((at, name) for at, name in raw["reminders"]),
        heard=raw["heard"],
        notes=tuple(raw.get("notes", ())),
    )


def pack(event: SetPoint | None) -> list[Any] | None:
    if event is None:
        return None
    return [
        event.id,
        list(event.order),
        event.device,
        event.value,
        event.rank,
        event.account,
        event.boiler,
        event.zone,
        event.chime,
        event.received_us,
    ]


def unpack(raw: list[Any] | None) -> SetPoint | None:
    if raw is None:
        return None
    event_id, order, device, value, rank, account, boiler, zone, chime, received_us = raw
    return SetPoint(
        id=event_id,
        order=(order[0], order[1]),
        device=device,
        value=value,
        rank=rank,
        account=account,
        boiler=boiler,
        zone=zone,
        chime=chime,
        received_us=received_us,
    )
