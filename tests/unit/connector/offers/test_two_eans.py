"""Seeded histories of two EANs that lead to the same units, each in a process of its own, which may die at any point.

Claims are made by a real ``Claims`` on a log that is compacted now and then. Whatever happens, the marketplace never
accepts an older value for a unit and field after a newer one, whichever EAN the events have, and all work ends. The
mutants show that the histories find the errors that they are meant to find.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import pytest

from connector.marketplace.offers import Accepted, Condition, Field, Found, LookUp, Unit
from connector.offers import claim_answers, merge
from connector.offers.call_bodies import CLAIM, RELEASE, OfferRelease
from connector.offers.claims import Claims
from connector.offers.events import OfferChanged, OfferWithdrawn
from connector.offers.owners import Owners
from connector.offers.ownership import Ownership
from connector.offers.policy import OfferPolicy
from streams.flow import Answered, Arrived, Lost, Now, Settled, Want, Woken
from tests.harness.effort import UNIT
from tests.harness.offer_harness import AT, DE, EAN, OTHER_EAN, SECOND, START_US, TOPICS, RecordingCodecs, flow_of
from tests.unit.connector.offers.claimed import ClaimsLog, asked, claims_of

POLICY = OfferPolicy(not_found_grace_s=5, recheck_s=30, owner_recheck_s=20)
MOVES = ["read", "read", "save", "wait", "compact", *["send"] * 6, *["answer"] * 6]
TROUBLES = ["die", "unlist"]
"""A history has one kind of trouble only: units that come and go while an update is lost are not tested here."""


class BackInTime(AssertionError):
    """An older value was accepted over a newer one."""


@dataclass
class SharedMarketplace:
    """Two linked units of one product, which has both EANs."""

    stock: dict[str, int] = field(default_factory=lambda: {"de": 1, "at": 1})
    price: dict[str, int] = field(default_factory=lambda: {"de": 1000, "at": 1000})
    times_us: dict[str, int] = field(default_factory=dict)  # by event id: its effective time
    accepted_us: dict[tuple[int, str], int] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)  # EANs whose look-ups show no unit at present

    def unit(self, storefront: str) -> Unit:
        return Unit(
            unit_id=7 if storefront == "de" else 8,
            storefront=storefront,
            condition=Condition.NEW,
            offer_id="a",
            status="AVAILABLE",
            values={Field.STOCK: self.stock[storefront], Field.PRICE: self.price[storefront]},
            eans=(EAN, OTHER_EAN),
        )

    def take(self, want: Want) -> Unit:
        body = want.body
        for carried in body.carried:
            assert carried.event_id is not None
            time_us = self.times_us[carried.event_id]
            for storefront in ("de", "at") if carried.field is Field.STOCK else (body.storefront,):
                self._accept(storefront, carried.field, carried.value, time_us)
        return self.unit(body.storefront)

    def _accept(self, storefront: str, name: Field, value: int, time_us: int) -> None:
        key = (7 if storefront == "de" else 8, name.value)
        before_us = self.accepted_us.get(key, time_us)
        if time_us < before_us:
            raise BackInTime(f"{key} took {value} of {time_us - START_US} after one of {before_us - START_US}")
        self.accepted_us[key] = time_us
        (self.stock if name is Field.STOCK else self.price)[storefront] = value


class ModelledProcess:
    """The lane of one EAN, driven by the engine's rules as in ``test_random``."""

    def __init__(
        self, ean: str, said: list[OfferChanged | OfferWithdrawn], market: SharedMarketplace, log: ClaimsLog
    ) -> None:
        self.ean, self.said, self.market, self.log = ean, said, market, log
        self.codecs = RecordingCodecs()
        self.flow = flow_of(DE, AT, codecs=self.codecs, policy=POLICY)
        self.claims: Claims = claims_of(log)
        self.lane = self.flow.load(ean, None)
        self.wants: tuple[Want, ...] = ()
        self.in_flight: list[Want] = []
        self.wake_at_us: int | None = None
        self.now_us = START_US
        self.position = self.read_before = 0
        self.durable: tuple[bytes | None, int, int] = (None, 0, 0)

    def hear(self, cause: Any) -> None:
        turn = self.flow.turn(self.lane, cause, Now(mono_s=0.0, wall_us=self.now_us))
        self.lane, self.wants, self.wake_at_us = turn.lane, turn.wants, turn.wake_at_us

    def read(self) -> None:
        if self.position < len(self.said):
            self.hear(Arrived(lane=self.ean, event=self.said[self.position]))
            self.position += 1
            self.read_before = max(self.read_before, self.position)

    def may_send(self) -> list[Want]:
        if self.position < self.read_before:
            return []
        slots = {want.slot for want in self.in_flight}
        keys = {key for want in self.in_flight for key in want.exclusive}
        return [w for w in self.wants if w.slot not in slots and not keys.intersection(w.exclusive)]

    def save(self) -> None:
        self.durable = (self.flow.store(self.lane).value, self.position, len(self.codecs.results))

    def wait(self, until_us: int) -> None:
        """Lets time pass after a checkpoint: no call is sent without a checkpoint within the lease."""
        self.save()
        self.now_us = max(self.now_us, until_us)
        self.hear(Woken())

    def die(self, rng: Random) -> None:
        """Restarts from the durable state. Calls in flight may still be executed; a successor sends only after that."""
        for want in self.in_flight:
            if rng.random() < 0.5 and not isinstance(want.body, LookUp):
                self._carry_out(want)
        self.in_flight.clear()
        stored, self.position, count = self.durable
        del self.codecs.results[count:]
        self.claims = claims_of(self.log)
        self.lane = self.flow.load(self.ean, stored)
        self.hear(Woken())

    def answer(self, want: Want, rng: Random) -> None:
        self.in_flight.remove(want)
        sent_us, self.now_us = self.now_us, self.now_us + 1000
        lost = not isinstance(want.body, LookUp) and rng.random() < 0.15
        if lost and rng.random() < 0.5:
            reply: Any = Lost(reason="reset")
        else:
            reply = self._carry_out(want)
            reply = Lost(reason="reset") if lost else reply
        self.hear(Answered(want=want, reply=reply, call_id="c", attempts=1, sent_us=sent_us, answered_us=self.now_us))

    def _carry_out(self, want: Want) -> Any:
        if want.kind in (CLAIM, RELEASE):
            return asked(self.claims, want).replies[0]
        if isinstance(want.body, LookUp):
            shown = () if self.ean in self.market.unlisted else (self.market.unit(want.body.storefront),)
            return Settled(answer=Found(units=shown))
        return Settled(answer=Accepted(unit=self.market.take(want), http_status=200))

    def is_at_rest(self) -> bool:
        return self.position == len(self.said) and not self.in_flight and not self.may_send()


def said_of(ean: str, rng: Random) -> list[OfferChanged | OfferWithdrawn]:
    said: list[OfferChanged | OfferWithdrawn] = []
    for offset in range(rng.randint(1, 6)):
        recorded_us = START_US - rng.randint(0, 40) * SECOND
        ahead_us = rng.choice([0, 0, 0, 120]) * SECOND
        position: dict[str, Any] = {
            "key": ean, "input_topic": TOPICS.offer_changes, "partition": 0, "offset": offset,
            "record_time_us": recorded_us,
        }  # fmt: skip
        if rng.random() < 0.3:
            said.append(OfferWithdrawn(**position))
            continue
        said.append(
            OfferChanged(
                event_id=f"{ean}-{offset}",
                occurred_at_us=recorded_us + ahead_us,
                source="test",
                ean=ean,
                target_id=rng.choice(["shop-de", "shop-de", "shop-at"]),
                condition="NEW",
                stock=rng.randint(0, 4),
                **position,
            )
        )
    return said


def play(seed: int) -> list[ModelledProcess]:
    """Plays a seeded history. Raises BackInTime, and AssertionError if its work never ends."""
    rng = Random(seed)
    market, log = SharedMarketplace(), ClaimsLog()
    processes = [ModelledProcess(ean, said_of(ean, rng), market, log) for ean in (EAN, OTHER_EAN)]
    events = (event for process in processes for event in process.said if isinstance(event, OfferChanged))
    market.times_us = {event.event_id: min(event.occurred_at_us, event.record_time_us + 999) for event in events}
    moves = [*MOVES, rng.choice(TROUBLES)]
    for _ in range(rng.randint(0, 5)):
        busy = rng.choice(processes)  # for a while, most moves are made by one of the two
        for _ in range(rng.randint(0, 60)):
            move(busy if rng.random() < 0.9 else rng.choice(processes), rng.choice(moves), rng)
    market.unlisted.clear()
    for _ in range(300):
        for process in processes:
            go_on(process)
        if all(process.is_at_rest() for process in processes):
            if all(not process.lane.entries for process in processes):
                return processes
            for process in processes:
                process.wait(process.wake_at_us or process.now_us)
    raise AssertionError(f"seed {seed}: no rest: {[process.wants for process in processes]}")


def go_on(process: ModelledProcess) -> None:
    """Reads the next event, sends a want, and answers all calls in flight."""
    process.read()
    process.in_flight.extend(process.may_send()[:1])
    for want in list(process.in_flight):
        process.answer(want, Random(0))  # a seed whose first numbers lose no answer


def move(process: ModelledProcess, name: str, rng: Random) -> None:
    match name:
        case "read":
            process.read()
        case "send" if ready := process.may_send():
            process.in_flight.append(rng.choice(ready))
        case "answer" if process.in_flight:
            process.answer(rng.choice(process.in_flight), rng)
        case "save":
            process.save()
        case "die":
            process.die(rng)
        case "wait":
            process.wait(process.now_us + 8 * SECOND)
        case "compact":
            process.log.compact()
        case "unlist":  # look-ups of the EAN show no unit until the end
            process.market.unlisted.add(process.ean)
        case _:  # nothing to send or to answer
            pass


def check(seed: int) -> None:
    for process in play(seed):
        closing = {row.input_offset for row in process.codecs.results if row.status != "NOT_FOUND"}
        assert closing == set(range(len(process.said))), f"seed {seed}: {process.ean} ended {sorted(closing)}"


@pytest.mark.parametrize("hundred", range(2 if UNIT else 10))
def test_two_eans_of_one_unit_never_write_an_older_value_over_a_newer_one(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        check(seed)


def _anybody(*_: Any) -> bool:
    return True


def _as_it_is(unit: Any, _accepted: Any) -> Any:
    return unit.facts


_UNWRITTEN = Owners.unwritten
_TURNS = count()


def _never_stands(self: Any, body: Any) -> str | None:
    """Has the names of a claim written again in turn, although they are written."""
    unwritten = _UNWRITTEN(self, body)
    if unwritten is not None or isinstance(body, OfferRelease):
        return unwritten
    return str(body.names[next(_TURNS) % len(body.names)])


MUTANTS: dict[str, tuple[Any, str, Callable[..., Any], int]] = {
    "nobody claims": (Ownership, "may_write", _anybody, 0),
    "what was accepted under another EAN is forgotten": (claim_answers, "written_before", _as_it_is, 80),
    "a claim is written again": (Owners, "unwritten", _never_stands, 880),
    "an event is ordered by its own word": (merge, "effective_us", lambda occurred_us, _recorded_us: occurred_us, 110),
}
"""By name: the object and attribute to replace, the replacement, and a seed soon after which it is found."""


@pytest.mark.parametrize("name", MUTANTS)
def test_the_histories_cover_what_they_test(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, what, mutant, seed = MUTANTS[name]
    monkeypatch.setattr(where, what, mutant)

    assert any(map(is_wrong, range(seed, seed + 2_000)))


def is_wrong(seed: int) -> bool:
    try:
        check(seed)
    except AssertionError:
        return True
    return False
