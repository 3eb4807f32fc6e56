"""A second marketplace with a very different API behind the same port: the offer flow works without any change.

The bazaar speaks a line protocol, identifies articles by a name, takes at most three changes per request, counts money
in shillings of ten pence, and does not use HTTP. It needs no code in ``connector`` or ``streams``.
"""

import pickle
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from connector.marketplace.offers import (
    Accepted,
    Condition,
    Currency,
    Field,
    FieldError,
    Found,
    Gone,
    Health,
    LookUp,
    Marketplace,
    MarketplaceAnswer,
    Reference,
    Refused,
    Unit,
    Update,
)
from connector.offers.events import OfferChanged, OfferResult, Price
from connector.routing.table import Target
from streams.flow import Answer, Assignment, Call, Lost, Record, Reply, Retry, Settled
from streams.policy import Pace
from tests.harness.engine_driver import EngineDriver
from tests.harness.offer_harness import TOPICS, flow_of

EANS = ("4006381333931", "4006381333948", "4006381333955", "4006381333962")
SOUK = Target(id="souk", account="main", storefront="souk", currency="SHL")
REFERENCE = Reference(
    storefronts={"souk": Currency(code="SHL", exponent=1, ceiling=5_000)},
    max_stock=40,
    max_handling_time_days=7,
    bulk_limit=3,
)

# ---- the marketplace ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Bazaar:
    """Answers each line with a line. Commands: ``SEEK ean`` and ``SET article name=value ...``, separated by ``|``."""

    stalls: dict[str, dict[str, int]]
    closed: int = 0  # the number of further requests that are refused because the gate is closed
    heard: list[str] = field(default_factory=list)

    def say(self, line: str) -> str:
        self.heard.append(line)
        if self.closed:
            self.closed -= 1
            return "GATE CLOSED, COME BACK IN 2"
        return "|".join(self._one(part) for part in line.split("|"))

    def _one(self, line: str) -> str:
        verb, what, *rest = line.split(" ")
        if verb == "SEEK":
            return " ".join(f"rug-{what}:{name}={value}" for name, value in sorted(self.stalls.get(what, {}).items()))
        stall = self.stalls.get(what.removeprefix("rug-"))
        if stall is None:
            return "WHO?"
        wanted = {name: int(value) for name, value in (pair.split("=") for pair in rest)}
        if wanted.get("coins") == 13:
            return "NO coins: thirteen brings bad luck"
        stall |= wanted
        return "DONE " + " ".join(f"{name}={value}" for name, value in sorted(stall.items()))


# ---- the adapter ----------------------------------------------------------------------------------------------------

NAMES = {Field.PRICE: "coins", Field.STOCK: "rugs", Field.HANDLING_TIME: "moons"}
FIELDS = {name: known for known, name in NAMES.items()}


@dataclass(slots=True)
class BazaarMarketplace:
    """Implements the port of ``connector.marketplace.offers``: turns bodies into lines, and lines into answers."""

    bazaar: Bazaar

    def reference(self) -> Reference:
        return REFERENCE

    def check(self, account: str) -> Health:
        return Health(reachable=True, authenticated=True, message=f"{account} is known at the gate")

    def close(self) -> None:
        pass

    def call(self, call: Call) -> Answer:
        said = self.bazaar.say("|".join(_line(item.body) for item in call.items))
        if said.startswith("GATE CLOSED"):
            wait_s = float(said.rpartition(" ")[2])
            again = Retry(reason="gate closed", after_s=wait_s, counts=False)
            replies: tuple[Reply, ...] = (again,) * len(call.items)
            return Answer(call=call, replies=replies, slow_down=True)
        parts = said.split("|")
        replies = tuple(_reply(item.body, part) for item, part in zip(call.items, parts, strict=True))
        return Answer(call=call, replies=replies)


def _line(body: LookUp | Update) -> str:
    if isinstance(body, LookUp):
        return f"SEEK {body.ean}"
    changes = " ".join(f"{NAMES[name]}={value}" for name, value in sorted(body.values.items()))
    return f"SET rug-{body.unit_id} {changes}"


def _reply(body: LookUp | Update, said: str) -> Reply:
    return Settled(answer=_found(body, said) if isinstance(body, LookUp) else _done(body, said))


def _found(body: LookUp, said: str) -> Found:
    pairs = [part.partition(":")[2].split("=") for part in said.split()]
    values = {FIELDS[name]: int(value) for name, value in pairs}
    return Found(units=(_unit(int(body.ean), values),) if values else ())


def _done(body: Update, said: str) -> MarketplaceAnswer:
    verdict, _, rest = said.partition(" ")
    if verdict == "DONE":
        values = {FIELDS[name]: int(value) for name, value in (pair.split("=") for pair in rest.split())}
        return Accepted(unit=_unit(body.unit_id, values), http_status=0)
    if verdict == "WHO?":
        return Gone(http_status=0, message=said)
    name, _, why = rest.partition(": ")
    error = FieldError(field=FIELDS[name], name=name, message=why)
    return Refused(code="MARKETPLACE_REFUSED", http_status=0, type=None, message=said, errors=(error,))


def _unit(number: int, values: dict[Field, int]) -> Unit:
    return Unit(
        unit_id=number,
        storefront="souk",
        condition=Condition.NEW,
        offer_id=None,
        status="ON THE CARPET",
        values=values,
        currency="SHL",
    )


# ---- the pipeline ---------------------------------------------------------------------------------------------------


class Street:
    """The engine, the offer flow and the bazaar's adapter, in memory and in virtual time."""

    def __init__(self, *eans: str) -> None:
        self.bazaar = Bazaar({ean: {"coins": 100, "rugs": 3, "moons": 2} for ean in eans})
        self.marketplace: Marketplace = BazaarMarketplace(self.bazaar)
        self.driver = EngineDriver(
            flow=flow_of(SOUK, reference=self.marketplace.reference()), paces={"main": Pace(per_second=10.0)}
        )
        self.at: Assignment = self.driver.opened(topic=TOPICS.offer_changes)

    def event(self, ean: str, **said: Any) -> None:
        self.driver.arrive(self._record(ean, **said))

    def events(self, *eans: str, **said: Any) -> None:
        self.driver.arrive(*(self._record(ean, **said) for ean in eans))

    def run(self, seconds: float = 5.0) -> None:
        """Runs the engine for ``seconds`` of virtual time; makes its calls and returns their answers to it."""
        until_s = self.driver.now.mono_s + seconds
        while self.driver.now.mono_s < until_s:
            for call in list(self.driver.calls):
                self.driver.calls.remove(call)
                now, answer = self.driver.now, self.marketplace.call(call)
                at_once = replace(answer, sent_s=now.mono_s, answered_s=now.mono_s)
                self.driver.feed(replace(at_once, sent_us=now.wall_us, answered_us=now.wall_us))
            self.driver.step(0.05)

    @property
    def results(self) -> list[OfferResult]:
        return [pickle.loads(value) for _, value in self.driver.topics.get(TOPICS.offer_results, [])]

    @property
    def changes(self) -> list[str]:
        return [line for line in self.bazaar.heard if line.startswith("SET")]

    def _record(self, ean: str, **said: Any) -> Record:
        offset, now_us = self.driver.next_offset, self.driver.now.wall_us
        self.driver.next_offset += 1
        event = OfferChanged(
            event_id=f"e{offset}",
            occurred_at_us=now_us + offset,
            source="test",
            ean=ean,
            target_id="souk",
            condition="NEW",
            key=ean,
            input_topic=TOPICS.offer_changes,
            partition=0,
            offset=offset,
            record_time_us=now_us,
            **said,
        )
        return Record(at=self.at, offset=offset, key=ean.encode(), value=pickle.dumps(event), time_us=now_us)


def shillings(amount: str) -> Price:
    return Price(amount=Decimal(amount), currency="SHL")


def test_an_event_is_applied_at_a_second_marketplace() -> None:
    street = Street(EANS[0])

    street.event(EANS[0], price=shillings("4.5"), stock=9)
    street.run()

    [result] = street.results
    assert (result.status, result.unit_id) == ("APPLIED", int(EANS[0]))
    assert result.sent is not None
    assert result.sent.unit_status == "ON THE CARPET"
    assert street.bazaar.heard == [f"SEEK {EANS[0]}", f"SET rug-{EANS[0]} coins=45 rugs=9"]


def test_an_unchanged_value_is_not_sent_to_a_second_marketplace() -> None:
    street = Street(EANS[0])

    street.event(EANS[0], stock=9)
    street.run()
    street.event(EANS[0], stock=9)
    street.run()

    assert [result.status for result in street.results] == ["APPLIED", "UNCHANGED"]
    assert len(street.changes) == 1


def test_its_own_bulk_limit_and_bounds_hold() -> None:
    street = Street(*EANS)

    street.events(*EANS, stock=5)
    street.run()
    street.bazaar.heard.clear()
    street.events(*EANS, stock=6)
    street.event(EANS[0], price=shillings("500.1"))
    street.event(EANS[1], stock=41)
    street.event(EANS[2], handling_time_days=8)
    street.run()

    assert sorted(line.count("SET") for line in street.changes) == [1, 3]
    codes = sorted(held.code or "" for result in street.results for held in result.fields if held.code)
    assert codes == ["HANDLING_TIME_OUT_OF_RANGE", "PRICE_ABOVE_CEILING", "STOCK_OUT_OF_RANGE"]


def test_an_offer_missing_at_a_second_marketplace_is_not_found_and_not_created() -> None:
    street = Street(EANS[0])

    street.event(EANS[1], stock=5)
    street.run(70)

    assert [result.status for result in street.results] == ["NOT_FOUND"]
    assert street.changes == []
    assert list(street.bazaar.stalls) == [EANS[0]]


def test_a_second_marketplaces_refusal_is_quoted_and_affects_one_field() -> None:
    street = Street(EANS[0])

    street.event(EANS[0], price=shillings("1.3"), stock=0)
    street.run()

    [result] = street.results
    assert result.status == "PARTIAL"
    assert result.problem is not None
    assert result.problem.marketplace_message == "NO coins: thirteen brings bad luck"
    assert street.bazaar.stalls[EANS[0]] == {"coins": 100, "rugs": 0, "moons": 2}


def test_a_closed_second_marketplace_is_waited_for_and_fails_no_event() -> None:
    street = Street(EANS[0])
    street.bazaar.closed = 3

    street.event(EANS[0], stock=9)
    street.run(30)

    assert [result.status for result in street.results] == ["APPLIED"]


def test_after_a_lost_answer_the_newest_value_is_sent() -> None:
    street = Street(EANS[0])
    street.event(EANS[0], stock=8)
    street.run()

    street.event(EANS[0], stock=9)
    street.driver.step(0.2)
    [call] = street.driver.calls
    street.driver.answer(call, Lost(reason="the crier went home"))
    street.event(EANS[0], stock=7)
    street.run(30)

    assert street.bazaar.stalls[EANS[0]]["rugs"] == 7
    assert [result.status for result in street.results[1:]] == ["SUPERSEDED", "APPLIED"]
