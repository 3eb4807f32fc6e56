"""What is explained: the candidates, the rule that chose the unit, each kind of decision, and what it waits for."""

from dataclasses import dataclass, field
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from connector.marketplace.offers import Condition, Found, LookUp, Unit
from connector.offers.events import OfferChanged, Price
from connector.offers.match import NamedOffer, with_defaults
from connector.offers.policy import OfferPolicy, OfferTerms
from connector.operations.explain.explanation import SEND, WAIT, EventExplanation, explain_event
from connector.operations.explain.lane_in_memory import KeptResults, LaneInMemory
from connector.operations.explain.showing import document, show
from connector.routing.table import Routing
from streams.flow import Answered, Now, Settled
from tests.harness.effort import examples
from tests.harness.offer_harness import (
    AT,
    CLUSTER,
    DE,
    EAN,
    REFERENCE,
    SECOND,
    START_US,
    TOPICS,
    OfferHarness,
    PlainCodecs,
    flow_of,
    unit,
)

POLICY = OfferPolicy()
LATER_US = START_US + 100 * SECOND


@dataclass(kw_only=True)
class ExplainedLane:
    """Explains events of a lane with the state that ``harness`` has; look-ups are answered with ``units``."""

    harness: OfferHarness | None = None
    units: tuple[Unit, ...] = ()
    targets: tuple[Any, ...] = (DE,)
    policy: OfferPolicy = POLICY
    look_up: bool = True
    now_us: int = LATER_US
    turned: LaneInMemory = field(init=False)

    def explain(self, **said: Any) -> EventExplanation:
        kept = KeptResults(PlainCodecs())
        stored = self.harness.flow.store(self.harness.lane).value if self.harness is not None else None
        flow = flow_of(*self.targets, policy=self.policy, codecs=kept)
        self.turned = turned = LaneInMemory(flow, kept, EAN, stored)
        event = self.event(turned.before.last_offset + 1, **said)
        turned.arrive(event, self._now)
        while self.look_up and (wanted := [w for w in turned.wants if isinstance(w.body, LookUp)]):
            self.now_us += SECOND
            units = tuple(one for one in self.units if one.storefront == wanted[0].body.storefront)
            reply = Settled(answer=Found(units=units))
            sent_us, answered_us = self.now_us - 2, self.now_us - 1
            turned.answer(
                Answered(
                    want=wanted[0], reply=reply, call_id="c", attempts=1, sent_us=sent_us, answered_us=answered_us
                ),
                self._now,
            )
        terms = OfferTerms(
            policy=self.policy,
            routing=Routing.of(self.targets),
            reference=REFERENCE,
            cluster_id=CLUSTER,
            topic=TOPICS.offer_changes,
        )
        return explain_event(event, with_defaults(NamedOffer.of(event), terms), turned, terms, self.now_us)

    def event(self, offset: int, *, price: str | None = None, **said: Any) -> OfferChanged:
        values: dict[str, Any] = {"target_id": "shop-de", "condition": "NEW", "occurred_at_us": self.now_us, **said}
        return OfferChanged(
            event_id="e",
            source="test",
            ean=EAN,
            key=EAN,
            price=Price(amount=Decimal(price), currency="EUR") if price is not None else None,
            input_topic=TOPICS.offer_changes,
            partition=0,
            offset=offset,
            record_time_us=self.now_us,
            **values,
        )

    @property
    def _now(self) -> Now:
        return Now(mono_s=self.now_us / 1e6, wall_us=self.now_us)


def decisions(explained: EventExplanation) -> dict[str, str]:
    return {one.field: one.decision for one in explained.fields}


def rules(explained: EventExplanation) -> dict[str, str]:
    return {one.field: one.rule for one in explained.fields}


def verdicts(explained: EventExplanation) -> dict[int, str]:
    return {one.unit.unit_id: one.verdict for one in explained.candidates}


# ---- which unit -----------------------------------------------------------------------------------------------------


def test_without_a_look_up_the_event_waits_for_one_and_no_candidate_is_known() -> None:
    explained = ExplainedLane(look_up=False).explain(price="10.00")

    assert explained.candidates == ()
    assert explained.identity == "no valid look-up of this EAN on de is known; one is made first"
    assert decisions(explained) == {"price": WAIT}
    assert rules(explained) == {"price": "for a look-up of the EAN on de"}
    assert (explained.status, explained.problem) == (None, None)


def test_each_candidate_says_why_it_is_not_meant() -> None:
    units = (
        unit(1, offer_id="a"),
        unit(2, offer_id="b"),
        unit(3, condition=Condition.USED_GOOD, offer_id="a"),
    )

    explained = ExplainedLane(units=units).explain(price="10.00", offer_id="a")

    assert verdicts(explained) == {1: "matches", 2: "another offer_id", 3: "another condition"}
    assert explained.identity == ("unit 1 is the only one of this EAN on de in condition NEW, and the event's offer_id")


@pytest.mark.parametrize(
    ("units", "said", "status", "identity"),
    [
        ((unit(1), unit(2)), {}, "AMBIGUOUS", "2 units of this EAN on de are in condition NEW"),
        ((unit(1),), {"unit_id": 2}, "CONFLICT", "the event names unit 2 (not of this EAN and storefront), which"),
        ((), {}, None, "the last look-up showed no such unit; a new one may not be visible yet"),
    ],
)
def test_why_no_unit_is_chosen(
    units: tuple[Unit, ...], said: dict[str, Any], status: str | None, identity: str
) -> None:
    explained = ExplainedLane(units=units).explain(price="10.00", **said)

    assert explained.status == status
    assert explained.identity.startswith(identity)


def test_an_offer_that_two_look_ups_did_not_find_says_when_the_next_is_due() -> None:
    shop = OfferHarness(flow_of(DE))
    shop.event(price="10.00")
    shop.found()
    shop.pass_s(61)
    shop.found()
    assert shop.statuses == ["NOT_FOUND"]

    explained = ExplainedLane(harness=shop, look_up=False, now_us=shop.now_us).explain(stock=3)

    assert explained.identity.startswith("two look-ups showed no such unit; the next one is due at 2025-")
    assert explained.pending == 1


# ---- what becomes of a field ----------------------------------------------------------------------------------------


def known(**values: Any) -> OfferHarness:
    """Returns a lane that knows unit 1 with price 10.00, stock 3 and two days."""
    return OfferHarness(flow_of(DE)).known(unit(1, **values))


def test_a_value_that_the_unit_holds_is_unchanged_and_another_is_sent() -> None:
    explained = ExplainedLane(harness=known()).explain(price="11.00", stock=3)

    assert decisions(explained) == {"stock": "UNCHANGED", "price": SEND}
    assert rules(explained)["stock"] == "the unit holds the value already, as far as it is known and trusted"
    assert rules(explained)["price"].startswith("the unit holds another value: 10.00 since 2025-")
    [sent] = [one for one in explained.fields if one.decision == SEND]
    assert (sent.unit_id, sent.value, sent.requested, sent.currency) == (1, Decimal("11.00"), Decimal("11.00"), "EUR")


def test_a_value_that_was_shown_too_long_ago_is_sent_again() -> None:
    week_us = 8 * 24 * 3600 * SECOND

    explained = ExplainedLane(harness=known(), now_us=START_US + week_us).explain(price="10.00")

    assert decisions(explained) == {"price": SEND}
    assert "longer ago than is trusted" in rules(explained)["price"]


def test_a_value_after_a_lost_answer_is_sent_because_nothing_is_certain() -> None:
    shop = known()
    shop.event(price="12.00")
    shop.lose()

    explained = ExplainedLane(harness=shop, look_up=False, now_us=shop.now_us + SECOND).explain(price="10.00")

    assert decisions(explained) == {"price": SEND}
    assert "a call may have changed it since" in rules(explained)["price"]


def test_a_stock_is_sent_by_the_rules_of_its_target() -> None:
    policy = OfferPolicy(max_stock=5)

    explained = ExplainedLane(harness=known(), policy=policy).explain(stock=9)

    [stock] = explained.fields
    assert (stock.decision, stock.requested, stock.value) == (SEND, Decimal(9), Decimal(5))


def test_a_stock_waits_for_the_storefronts_that_may_share_it() -> None:
    shown = ExplainedLane(units=(unit(1, offer_id="a"),), targets=(DE, AT), look_up=False)
    shown.look_up = True
    waits = shown.explain(stock=9)

    assert decisions(waits) == {"stock": SEND}, "both storefronts were looked up"

    harness = OfferHarness(flow_of(DE, AT))
    harness.event(stock=9)
    harness.found(unit(1, offer_id="a"))
    explained = ExplainedLane(harness=harness, targets=(DE, AT), look_up=False, now_us=harness.now_us).explain(stock=8)
    assert decisions(explained) == {"stock": WAIT}
    assert rules(explained)["stock"].startswith("for a look-up of the EAN on at, until 2025-")


def test_an_older_event_is_superseded_and_says_by_which() -> None:
    explained = ExplainedLane(harness=known()).explain(price="9.00", occurred_at_us=START_US - 3600 * SECOND)

    assert explained.status == "SUPERSEDED"
    assert rules(explained)["price"].startswith("a newer event has the field")


def test_an_offer_of_several_eans_waits_for_its_claim() -> None:
    explained = ExplainedLane(units=(unit(1, eans=(EAN, "4006381333948")),)).explain(price="11.00")

    assert decisions(explained) == {"price": WAIT}
    assert "the claim on unit 1, because its product has several EANs" in rules(explained)["price"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"target_id": "shop-xy"}, "TARGET_UNKNOWN"),
        ({"condition": "MINT"}, "CONDITION_UNKNOWN"),
        ({"price": "-1.00"}, "PRICE_NOT_POSITIVE"),
    ],
)
def test_a_rejected_event_says_the_code_the_sentence_and_the_advice(said: dict[str, Any], code: str) -> None:
    explained = ExplainedLane().explain(**{"price": "10.00", **said})

    assert explained.status == "REJECTED"
    assert [one.code for one in explained.fields] == [code]
    assert explained.problem is not None
    assert explained.problem.advice


def test_a_target_that_is_switched_off_suppresses() -> None:
    off = type(DE)(id="shop-de", account="main", storefront="de", currency="EUR", enabled=False)

    explained = ExplainedLane(targets=(off,)).explain(price="10.00")

    assert decisions(explained) == {"price": "SUPPRESSED"}


# ---- as the flow decides --------------------------------------------------------------------------------------------

some_units = st.lists(
    st.tuples(st.sampled_from([Condition.NEW, Condition.USED_GOOD]), st.sampled_from([None, "a", "b"])), max_size=3
).map(lambda rows: tuple(unit(n, condition=c, offer_id=o) for n, (c, o) in enumerate(rows, 1)))


@given(
    some_units,
    st.sampled_from(["10.00", "11.00", "-1.00", "1.005"]),
    st.sampled_from([None, 3, 4, -1]),
    st.sampled_from([None, "a", "z"]),
    st.sampled_from(["NEW", "USED_GOOD", "MINT"]),
)
@settings(max_examples=examples(300), deadline=None)
def test_each_field_is_decided_as_the_flow_decides_it(
    units: tuple[Unit, ...], price: str, stock: int | None, offer_id: str | None, condition: str
) -> None:
    said = {"price": price, "stock": stock, "offer_id": offer_id, "condition": condition}
    harness = OfferHarness(flow_of(DE))
    harness.event(**said)
    if harness.wants:
        harness.found(*units)

    explained = ExplainedLane(units=units, now_us=START_US).explain(**said)

    ended = {one.field: one.status for result in harness.results for one in result.fields}
    sent = {field.value for want in harness.wants if want.kind == "update:de" for field in want.body.values}
    for one in explained.fields:
        entry = next(iter(harness.lane.entries), None)
        over = {end.field.value: end.status for end in entry.ended} if entry is not None else {}
        expected = ended.get(one.field) or over.get(one.field) or (SEND if one.field in sent else WAIT)
        assert one.decision == expected, one
    assert explained.status == (harness.last.status if harness.results else None)


# ---- printed --------------------------------------------------------------------------------------------------------


def printed(explained: EventExplanation) -> list[str]:
    console = Console(file=StringIO(), width=80)
    show(console, explained)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_the_explanation_is_printed_from_the_event_to_the_decision() -> None:
    lines = printed(ExplainedLane(harness=known(offer_id="[red]")).explain(price="11.00", stock=3))

    assert lines[0] == "event e from test, 2025-10-09T08:55:00Z"
    assert lines[1] == f"  EAN {EAN}, NEW, target shop-de (account main, storefront de)"
    assert lines[2] == "  partition 0, offset 1: read for the first time"
    assert lines[3] == "candidates on de: 1"
    assert lines[4].startswith("  unit 1: NEW, offer id [red], AVAILABLE, looked up 2025-")
    assert lines[4].endswith(": matches")
    assert lines[5] == "identity: unit 1 is the only one of this EAN on de in condition NEW"
    assert lines[6] == "decision"
    assert lines[7].startswith("  stock 3: UNCHANGED; the unit holds the value already")
    assert lines[8].startswith("  price 11 EUR: SEND 11.00 to unit 1; the unit holds another value: 10.00")


def test_a_problem_is_printed_with_its_advice() -> None:
    lines = printed(ExplainedLane().explain(price="10.00", target_id="shop-xy"))

    assert "target shop-xy (not configured)" in lines[1]
    assert lines[3:5] == ["decision: REJECTED", "  price 10 EUR: REJECTED; TARGET_UNKNOWN"]
    assert lines[-1] == "  Correct target_id at the source, or add [targets.shop-xy]."


def test_the_document_says_the_same() -> None:
    said = document(ExplainedLane(harness=known()).explain(price="11.00"))

    assert said["event"]["ean"] == EAN
    assert said["candidates"][0]["verdict"] == "matches"
    assert said["fields"][0]["decision"] == SEND
    assert said["fields"][0]["value"] == Decimal("11.00")
