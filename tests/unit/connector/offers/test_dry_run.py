"""A dry run decides as a live run does: thousands of mixed events, each through both, compared field by field.

Both runs have a simulated marketplace of their own, with the same offers, and the real adapter. Each event is settled
before the next one is read, so that neither run can merge what the other does not.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any

import pytest

from connector.kaufland.account import KauflandAccount
from connector.kaufland.adapter import Kaufland, kaufland
from connector.kaufland.http.address import address
from connector.kaufland.http.credentials import Credentials
from connector.offers.call_bodies import CLAIM, RELEASE
from connector.offers.claims import CallerByKind, Claims
from connector.offers.event_order import EventOrder
from connector.offers.events import FieldResult, FieldStatus, OfferChanged, OfferResult, OfferWithdrawn, Status
from connector.offers.ledger import OfferLane
from connector.offers.policy import Locations, OfferPolicy, StockRule, StockRules
from connector.offers.producer_kit import ProducedChange
from connector.offers.unwritten_claims import UnwrittenClaims
from connector.routing.table import Target
from devstack.simulator_process import CURRENCY, places
from devstack.traffic import Message, MessageKind, Traffic
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from streams.clock import SystemClock
from streams.flow import Answered, Arrived, Call, Cause, Item, Lost, Now, Retry, Settled, Want, Woken
from tests.harness.effort import UNIT
from tests.harness.offer_harness import TOPICS, RecordingCodecs, flow_of
from tests.unit.connector.offers.claimed import ClaimsLog, TopicView

EVENTS = 500 if UNIT else 1_600
STOREFRONTS = ("de", "at", "cz")
CATALOGUE = {"eans": 120, "storefronts": STOREFRONTS, "linked": 0.3, "ambiguous": 0.05, "missing": 0.05}
TARGETS = [
    Target(id="demo-off", account="other", storefront="de", currency="EUR", enabled=False),
    *(
        Target(id=f"demo-{storefront}", account="demo", storefront=storefront, currency=CURRENCY[storefront])
        for storefront in STOREFRONTS
    ),
]
POLICY = OfferPolicy(
    not_found_grace_s=0.001,
    locations=Locations.SUM,
    max_stock=400,
    stock_rules={"demo-de": StockRules(rule=StockRule(keep=2, show_at_most=300))},
    order_by_source={"log": EventOrder.LOG, "sequence": EventOrder.SEQUENCE},
)
START_US = time.time_ns() // 1000 - 2 * 3_600_000_000  # of the first event
PATIENCE_US = 10_000_000
"""What waits longer, such as an offer that was not found, waits beyond the next event, too."""
ODDITIES: Sequence[dict[str, Any]] = (
    {"stock": -3},
    {"stock": 450},
    {"stock": 7, "location": "north"},
    {"stock": 9, "location": "south"},
    {"price": (Decimal("-1.00"), "EUR")},
    {"price": (Decimal("1.005"), "EUR")},
    {"handling_time_days": 500},
    {"condition": "MINT"},
    {"condition": "USED_ACCEPTABLE"},
    {"target_id": "nowhere"},
    {"target_id": "demo-off"},
    {"price": None, "stock": None, "handling_time_days": None},
    {"source": "log"},
    {"source": "sequence"},
    {"source": "sequence", "sequence": None},
)
"""Changes that are made to some events, so that every rule of the flow has something to decide."""


class JumpingClock:
    """The system's clock, set forward wherever a run has nothing to do but wait."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> Now:
        real = SystemClock().now()
        return Now(mono_s=real.mono_s + self._ahead_s, wall_us=real.wall_us + int(self._ahead_s * 1e6))

    def jump_to(self, wall_us: int) -> None:
        self._ahead_s += max(0.0, (wall_us - self.now().wall_us) / 1e6)


@dataclass(kw_only=True)
class OneRun:
    """A run of the offer flow at a marketplace of its own: each event until nothing is wanted any more."""

    simulator: Simulator
    adapter: Kaufland
    clock: JumpingClock
    dry_run: bool
    lanes: dict[str, OfferLane] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.codecs = RecordingCodecs()
        policy = replace(POLICY, dry_run=self.dry_run)
        self._flow = flow_of(*TARGETS, policy=policy, codecs=self.codecs, reference=self.adapter.reference())
        topic = TopicView(ClaimsLog())
        claims = Claims(UnwrittenClaims(topic) if self.dry_run else topic, self.clock)
        self._caller = CallerByKind({CLAIM: claims, RELEASE: claims}, self.adapter)
        self._numbers = count(1)

    def read(self, event: OfferChanged | OfferWithdrawn) -> list[OfferResult]:
        """Returns the results of all turns that the event causes, including those of other events of its EAN."""
        before = len(self.codecs.results)
        wants, wake_at_us = self._turn(event.key, Arrived(lane=event.key, event=event))
        while wants or (wake_at_us is not None and wake_at_us < self.clock.now().wall_us + PATIENCE_US):
            if wants:
                wants, wake_at_us = self._answer(event.key, wants[0])
            else:
                self.clock.jump_to(wake_at_us or 0)
                wants, wake_at_us = self._turn(event.key, Woken())
        return self.codecs.results[before:]

    def _turn(self, key: str, cause: Cause) -> tuple[Sequence[Want], int | None]:
        turn = self._flow.turn(self.lanes.get(key, OfferLane(ean=key)), cause, self.clock.now())
        self.lanes[key] = turn.lane
        return turn.wants, turn.wake_at_us

    def _answer(self, key: str, want: Want) -> tuple[Sequence[Want], int | None]:
        """Makes the call of a want, until it is answered for good."""
        for attempt in count(1):
            now = self.clock.now()
            call = Call(
                id=f"c{next(self._numbers)}",
                account=want.account,
                kind=want.kind,
                items=(Item(body=want.body, attempt=attempt),),
                send_by_s=now.mono_s + 60,
                give_up_at_s=now.mono_s + 60,
            )
            answer = self._caller.call(call)
            assert answer.stop is None
            (reply,) = answer.replies
            if isinstance(reply, Settled | Lost):
                heard = Answered(
                    want=want,
                    reply=reply,
                    call_id=call.id,
                    attempts=attempt,
                    sent_us=answer.sent_us,
                    answered_us=answer.answered_us,
                )
                return self._turn(key, heard)
            assert isinstance(reply, Retry), reply
            assert attempt < 20, reply
        raise AssertionError


@contextmanager
def run(*, dry_run: bool, **catalogue: float) -> Iterator[OneRun]:
    """Yields a run at a marketplace whose offers are those of every other with this catalogue."""
    limits = {"requests_per_second": 100_000}
    scenario = Scenario.model_validate({"seed": 5, "limits": limits, "catalogue": {**CATALOGUE, **catalogue}})
    with ExitStack() as opened:
        yield _run(opened, scenario, dry_run=dry_run)


def _run(opened: ExitStack, scenario: Scenario, *, dry_run: bool) -> OneRun:
    simulator = opened.enter_context(Simulator(scenario))
    seller = simulator.sellers["demo"]
    account = KauflandAccount(
        name="demo",
        credentials=Credentials(lambda: seller.client_key, lambda: seller.secret_key),
        address=address(simulator.url, playground=False, dev=True),
    )
    clock = JumpingClock()
    adapter = kaufland([account], clock=clock)
    opened.callback(adapter.close)
    return OneRun(simulator=simulator, adapter=adapter, clock=clock, dry_run=dry_run)


def mixed(simulator: Simulator, seed: int, weights: Mapping[MessageKind, float]) -> Iterator[Message]:
    """Yields events of every kind that can be decoded, dated within the last hour."""
    states = simulator.state()
    units = {one.id: {**states[one.id], "seller": one.seller, "eans": one.product.eans} for one in simulator.catalogue}
    single, several = places(units, lambda seller, storefront: f"{seller}-{storefront}")
    traffic = Traffic(single, ambiguous=several, seed=seed)
    traffic.weights.update({MessageKind.UNDECODABLE: 0.0, MessageKind.CONFLICT: 3.0, **weights})
    chance = Random(seed)
    aliases = {eans[0]: eans[1] for one in simulator.catalogue if len(eans := one.product.eans) > 1}
    for message in traffic.messages(EVENTS, (START_US + number * 1_000 for number in count())):
        payload = message.payload
        if payload is not None and chance.random() < 0.2:
            payload = {**payload, **chance.choice(ODDITIES)}
        alias = aliases.get(message.key)
        if alias is not None and chance.random() < 0.3:
            yield replace(message, key=alias, payload=None if payload is None else {**payload, "ean": alias})
        else:
            yield replace(message, payload=payload)


def event_of(message: Message, offset: int) -> OfferChanged | OfferWithdrawn:
    """Returns the event of a message whose record was written when the event occurred, or an hour before for FUTURE."""
    payload = message.payload
    record_time_us = START_US + offset * 1_000 if payload is None else payload["occurred_at_us"]
    place: dict[str, Any] = {
        "key": message.key,
        "input_topic": TOPICS.offer_changes,
        "partition": 0,
        "offset": offset,
        "record_time_us": record_time_us - (3_600_000_000 if message.kind is MessageKind.FUTURE else 0),
    }
    if payload is None:
        return OfferWithdrawn(**place)
    change = ProducedChange.of(payload)
    return OfferChanged(**{name: getattr(change, name) for name in ProducedChange.__slots__}, **place)


def decision(result: OfferResult) -> tuple[Any, ...]:
    """Returns what a result decides, without times and calls, with DRY_RUN as what it stands for."""
    code = None if result.code == "DRY_RUN" else result.code
    message = None if result.problem is None or result.code == "DRY_RUN" else result.problem.message
    status = Status.APPLIED if result.status is Status.DRY_RUN else result.status
    if status is Status.APPLIED:
        code = message = None  # a dry run says DRY_RUN, a live run perhaps CLAMPED; the fields say both
    return (
        result.result_id,
        result.origin,
        status,
        code,
        result.unit_id,
        result.target_id,
        result.condition,
        tuple(map(_field, result.fields)),
        message,
    )


def _field(one: FieldResult) -> tuple[Any, ...]:
    status = FieldStatus.APPLIED if one.status is FieldStatus.DRY_RUN else one.status
    code = None if one.code == "DRY_RUN" else one.code
    return (one.field, status, one.requested, one.before, one.sent, one.currency, code, one.superseded_by)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_is_decided_as_a_live_run_decides_it(seed: int) -> None:
    seen = compared(seed, {MessageKind.TOMBSTONE: 1.0})

    of_calls = {Status.APPLIED, Status.FAILED, Status.UNKNOWN}
    assert seen.keys() >= {*Status} - of_calls - {Status.HELD, Status.CREATED, Status.DELETED}


@pytest.mark.parametrize("seed", [3])
def test_of_several_eans_of_an_offer_the_same_one_writes(seed: int) -> None:
    """Without tombstones: an EAN that takes over an offer in a live run finds what the other one wrote."""
    seen = compared(seed, {MessageKind.TOMBSTONE: 0.0}, second_ean=0.3)

    assert seen["ALIAS_EAN"]


def compared(seed: int, weights: Mapping[MessageKind, float], **catalogue: float) -> Counter[str]:
    """Asserts that all decisions of both runs are equal; returns how often each status and code came."""
    seen: Counter[str] = Counter()
    with run(dry_run=False, **catalogue) as live, run(dry_run=True, **catalogue) as dry:
        for offset, message in enumerate(mixed(live.simulator, seed, weights)):
            event = event_of(message, offset)
            real, trial = live.read(event), dry.read(event)
            assert [decision(one) for one in trial] == [decision(one) for one in real], (message, real, trial)
            seen.update(one.status for one in trial)
            seen.update(one.code for one in trial if one.code is not None)
        assert dry.simulator.journal.write_calls == ()
        assert live.simulator.journal.write_calls
    return seen
