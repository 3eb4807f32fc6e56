"""Generates shipment events of every kind with their expected outcomes, and checks what may happen only once.

The expectations are computed from the orders and the events alone, independently of the connector's code.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, TypeAlias

from simulator.exchange import Endpoint
from simulator.journal import Journal
from simulator.orders.orders import SENT_ALREADY
from simulator.problems import ProblemType
from tests.faults.deployment import WatchedDeployment

Row: TypeAlias = Mapping[str, Any]

ALIASES = {"DHL Paket": "DHL", "Die Post": "Austrian Post"}
"""The configured aliases of carriers."""

SPELLINGS = {
    "DHL": "DHL",
    " d h l": "DHL",
    "hermes": "Hermes",
    "DPD austria": "DPD Austria",
    "dhl paket": "DHL",
    "Die Post": "Austrian Post",
    "Deutsche Poste": "Other",
    "Pigeon": "Other",
}
"""A carrier as an event names it -> the carrier code that the marketplace must receive."""

CONFIRMED = frozenset({"CONFIRMED", "CONFIRMED_TRACKING_UNVERIFIED"})
ADDED = frozenset({"PARCEL_ADDED", "OUTCOME_UNKNOWN"})
"""OUTCOME_UNKNOWN: the response was lost, or the process died before it received it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelDispatch:
    """One event. ``ends``: the permitted statuses by order unit (None = the event as a whole)."""

    payload: dict[str, Any]
    ends: Mapping[int | None, frozenset[str]]

    @property
    def event_id(self) -> str:
        event_id: str = self.payload["event_id"]
        return event_id


class Warehouse:
    """Generates events about the marketplace's orders from a seed. Initially, every order unit may be sent.

    ``cancelled``, ``held`` (open for a while) and ``kept`` (open permanently) are order units that the test must bring
    into that state before it produces the events.
    """

    def __init__(self, orders: Sequence[Row], *, seed: int, now_us: int) -> None:
        self.cancelled: set[int] = set()
        self.held: set[int] = set()
        self.kept: set[int] = set()
        self._orders = orders
        self._chance = Random(seed)
        self._now_us = now_us
        self._numbers = count(1)

    def dispatches(self) -> list[ParcelDispatch]:
        """Returns at least one event for each order, without duplicates, in chronological order."""
        ways = {
            self._whole: 20,
            self._named: 30,
            self._apart: 15,
            self._several_parcels: 10,
            self._two_carriers: 8,
            self._later: 25,
            self._strange: 6,
            self._nowhere: 4,
            self._nameless: 2,
        }
        chosen = self._chance.choices(list(ways), list(ways.values()), k=len(self._orders))
        return [one for order, way in zip(self._orders, chosen, strict=True) for one in way(order)]

    def shuffled(self, dispatches: Sequence[ParcelDispatch], total: int) -> list[ParcelDispatch]:
        """Returns all events, some of them repeatedly, ``total`` in all, in random order."""
        again = self._chance.choices(dispatches, k=total - len(dispatches))
        mixed = [*dispatches, *again]
        self._chance.shuffle(mixed)
        return mixed

    # ---- kinds of events --------------------------------------------------------------------------------------------

    def _whole(self, order: Row) -> Iterator[ParcelDispatch]:
        """An event that names no order units, which means all."""
        yield self._event(order, (), [self._parcel()], dict.fromkeys(_units(order), CONFIRMED))

    def _named(self, order: Row) -> Iterator[ParcelDispatch]:
        """An event that names all order units, of which one may be cancelled or still open."""
        units = _units(order)
        ends: dict[int | None, frozenset[str]] = dict.fromkeys(units, CONFIRMED)
        fate = self._chance.random()
        if fate < 0.1:
            self.cancelled.add(units[0])
            ends[units[0]] = frozenset({"REJECTED"})
        elif fate < 0.2:
            self.held.add(units[0])
        elif fate < 0.25:
            self.kept.add(units[0])
            ends[units[0]] = frozenset({"WAITING_TOO_LONG"})
        yield self._event(order, units, [self._parcel()], ends)

    def _apart(self, order: Row) -> Iterator[ParcelDispatch]:
        """An event with a parcel for each order unit."""
        for unit in _units(order):
            yield self._event(order, [unit], [self._parcel()], {unit: CONFIRMED})

    def _several_parcels(self, order: Row) -> Iterator[ParcelDispatch]:
        """Two parcels of one carrier, which one call reports."""
        first = self._parcel()
        second = {**self._parcel(), "carrier": first["carrier"]}
        yield self._event(order, _units(order), [first, second], dict.fromkeys(_units(order), CONFIRMED))

    def _two_carriers(self, order: Row) -> Iterator[ParcelDispatch]:
        """Two parcels of different carriers: the second must be added after the unit was sent."""
        parcels = [{**self._parcel(), "carrier": "GLS"}, {**self._parcel(), "carrier": "Pigeon"}]
        ends = dict.fromkeys(_units(order), CONFIRMED | {"OUTCOME_UNKNOWN"})
        yield self._event(order, _units(order), parcels, ends)

    def _later(self, order: Row) -> Iterator[ParcelDispatch]:
        """Two events with a parcel of the same unit each; the one that is read first confirms it."""
        unit = self._chance.choice(_units(order))
        for _ in range(2):
            yield self._event(order, [unit], [self._parcel()], {unit: CONFIRMED | ADDED})

    def _strange(self, order: Row) -> Iterator[ParcelDispatch]:
        """An event that also names a unit of another order and one that does not exist."""
        other = self._chance.choice([one for one in self._orders if one["id_order"] != order["id_order"]])
        strangers = [_units(other)[0], 999_000_000_000_000 + next(self._numbers)]
        ends: dict[int | None, frozenset[str]] = dict.fromkeys(_units(order), CONFIRMED)
        ends |= dict.fromkeys(strangers, frozenset({"NOT_FOUND"}))
        yield self._event(order, [*_units(order), *strangers], [self._parcel()], ends)

    def _nowhere(self, _: Row) -> Iterator[ParcelDispatch]:
        """An event about an order that does not exist."""
        unknown = {"id_order": f"NOWHERE{next(self._numbers)}", "order_units": []}
        yield self._event(unknown, (), [self._parcel()], {None: frozenset({"NOT_FOUND"})})

    def _nameless(self, order: Row) -> Iterator[ParcelDispatch]:
        """An event without a tracking number."""
        ends = dict.fromkeys(_units(order), frozenset({"REJECTED"}))
        yield self._event(order, _units(order), [{"carrier": "DHL", "tracking_number": " "}], ends)

    def _event(
        self,
        order: Row,
        units: Sequence[int],
        parcels: Sequence[Mapping[str, str]],
        ends: Mapping[Any, frozenset[str]],
    ) -> ParcelDispatch:
        number = next(self._numbers)
        payload = {
            "event_id": f"dispatch-{number}",
            "occurred_at_us": self._now_us - 3_600_000_000 + number * 1_000,
            "order_id": order["id_order"],
            "order_unit_ids": list(units),
            "parcels": [dict(parcel) for parcel in parcels],
        }
        return ParcelDispatch(payload=payload, ends=ends)

    def _parcel(self) -> dict[str, str]:
        return {"carrier": self._chance.choice(list(SPELLINGS)), "tracking_number": f"T{next(self._numbers):08}"}


def _units(order: Row) -> list[int]:
    return [unit["id_order_unit"] for unit in order["order_units"]]


# ---- invariants -----------------------------------------------------------------------------------------------------


def all_answered(deployment: WatchedDeployment, dispatches: Iterable[ParcelDispatch]) -> bool:
    """Whether each order unit of each event has a result."""
    seen = {(row["event_id"], row["order_unit_id"]) for row in deployment.rows("shipment-results")}
    return all((one.event_id, unit) in seen for one in dispatches for unit in one.ends)


def one_result_each(dispatches: Sequence[ParcelDispatch], rows: Iterable[Row]) -> None:
    """Asserts that each order unit of each event has one result for a read-committed reader.

    An event that is repeated after it has ended gets the same result again, with the same id and content.
    ``dispatches`` are all that were produced, including repetitions.
    """
    produced = Counter(one.event_id for one in dispatches)
    wanted = {(one.event_id, unit): ends for one in dispatches for unit, ends in one.ends.items()}
    found: defaultdict[tuple[str, int | None], list[Row]] = defaultdict(list)
    for row in rows:
        found[row["event_id"], row["order_unit_id"]].append(row)
    assert not (missing := wanted.keys() - found.keys()), (
        f"{len(missing)} have no result: {sorted(missing, key=str)[:5]}"
    )
    assert not (strange := found.keys() - wanted.keys()), (
        f"results that nobody asked for: {sorted(strange, key=str)[:5]}"
    )
    doubled = {key: len(those) for key, those in found.items() if len(those) > produced[key[0]]}
    assert not doubled, f"{len(doubled)} have more results than events: {list(doubled.items())[:5]}"
    wrong = {key: _ends(those) for key, those in found.items() if not _ends(those) <= wanted[key]}
    assert not wrong, f"{len(wrong)} ended otherwise than they may: {list(wrong.items())[:5]}"
    changed = {key: _ends(those) for key, those in found.items() if len(_ends(those)) > 1}
    assert not changed, f"{len(changed)} ended in two ways: {list(changed.items())[:5]}"
    ids = {key: {row["result_id"] for row in those} for key, those in found.items()}
    assert all(len(those) == 1 for those in ids.values()), "an order unit of an event has results of several ids"
    assert len(set().union(*ids.values())) == len(ids), "an id is that of several results"


def _ends(rows: Iterable[Row]) -> set[str]:
    return {row["status"] for row in rows}


def one_event_confirms(rows: Iterable[Row]) -> None:
    """Asserts that at most one of the events about an order unit has confirmed it."""
    confirmed: defaultdict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row["status"] in CONFIRMED:
            confirmed[row["order_unit_id"]].add(row["event_id"])
    assert not (twice := {unit: events for unit, events in confirmed.items() if len(events) > 1}), twice


def nothing_twice(journal: Journal) -> None:
    """Asserts that no order unit was sent twice or requested to be after it was sent, and no parcel reported twice."""
    sends = Counter(row.id_order_unit for row in journal.order_rows if row.deed == "send")
    assert not (twice := [unit for unit, times in sends.items() if times > 1]), f"sent twice: {twice[:5]}"
    asked = [call for call in journal.calls if call.problem == ProblemType.DUPLICATE_ACTION]
    assert not asked, f"{len(asked)} order units were sent that were sent already: {asked[:3]}"
    parcels = Counter((row.id_order_unit, number) for row in journal.order_rows for number in row.tracking_numbers)
    assert not (told := [parcel for parcel, times in parcels.items() if times > 1]), f"told twice: {told[:5]}"
    posts = Counter(call.body_sha256 for call in journal.calls if call.kind is Endpoint.SHIPMENT)
    assert not posts or max(posts.values()) == 1, "a parcel was posted again, though not with success"


def as_said(orders: Iterable[Row], dispatches: Iterable[ParcelDispatch], rows: Iterable[Row]) -> int:
    """Asserts that exactly the right order units are sent, with the parcels that the results name. Returns how many."""
    said: defaultdict[int, dict[str, str]] = defaultdict(dict)  # order unit -> tracking number -> carrier
    for one in dispatches:
        for unit, ends in one.ends.items():
            if unit is not None and ends <= CONFIRMED | ADDED:
                said[unit] |= {
                    p["tracking_number"]: SPELLINGS.get(p["carrier"], p["carrier"]) for p in one.payload["parcels"]
                }
    unsure: defaultdict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row["status"] == "OUTCOME_UNKNOWN":
            unsure[row["order_unit_id"]].update(row["tracking_numbers"])
    for unit in (unit for order in orders for unit in order["order_units"]):
        key, there = unit["id_order_unit"], _parcels(unit)
        assert (unit["status"] in SENT_ALREADY) == (key in said), f"order unit {key} is {unit['status']}"
        assert there.items() <= said[key].items(), (key, there, said[key])
        assert said[key].keys() - there.keys() <= unsure[key], (key, there, said[key])
    return len([unit for unit in said if said[unit]])


def _parcels(unit: Row) -> dict[str, str]:
    """Returns the marketplace's parcels of a unit: tracking number -> carrier."""
    return {number: parcel["carrier_code"] for parcel in unit["parcels"] for number in parcel["tracking_numbers"]}
