"""What an offer means: each outcome with its words, and the same as the flow decides."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.marketplace.offers import Condition, Found, Unit
from connector.offers.call_bodies import OfferLookUp
from connector.offers.events import Status
from connector.offers.ledger import OfferLane
from connector.offers.look_up_answers import after_look_up
from connector.offers.match import MatchOutcome, NamedOffer, known_match, rejected, shown_match, with_defaults
from connector.offers.policy import OfferPolicy, OfferTerms
from connector.routing.table import Routing
from streams.flow import Answered, Settled, Want
from tests.harness.effort import examples
from tests.harness.offer_harness import AT, CLUSTER, DE, EAN, REFERENCE, TOPICS, OfferHarness, flow_of, unit

NOT_HERE = "not of this EAN and storefront"
POLICY = OfferPolicy(dry_run=True, not_found_grace_s=60)


def terms(policy: OfferPolicy = POLICY) -> OfferTerms:
    return OfferTerms(
        policy=policy,
        routing=Routing.of((DE, AT)),
        reference=REFERENCE,
        cluster_id=CLUSTER,
        topic=TOPICS.offer_changes,
    )


def offer(**said: Any) -> NamedOffer:
    return NamedOffer(**{"ean": EAN, "target_id": "shop-de", "condition": "NEW", **said})


def shown(*units: Unit) -> OfferLane:
    """Returns a lane after a look-up of de that showed these units."""
    look_up = OfferLookUp(account="main", storefront="de", ean=EAN)
    want = Want(slot="", account="main", kind="lookup:de", priority=0, since_us=0, body=look_up)
    reply = Settled(answer=Found(units=units))
    heard = Answered(want=want, reply=reply, call_id="c", attempts=1, sent_us=1, answered_us=2)
    return after_look_up(OfferLane(ean=EAN), look_up, heard, terms(), 2)


@pytest.mark.parametrize(
    ("units", "said", "outcome", "message"),
    [
        ((unit(1),), {}, "found", "unit 1 (de, NEW)"),
        ((unit(1, offer_id="a"), unit(2, offer_id="b")), {"offer_id": "b"}, "found", "unit 2 (de, NEW, offer id b)"),
        ((unit(1), unit(2)), {"unit_id": 2}, "found", "unit 2 (de, NEW)"),
        ((), {}, "nowhere", "there is no unit of this EAN on de"),
        ((unit(1, condition=Condition.USED_GOOD),), {}, "other_condition", "there is unit 1 (de, USED_GOOD)"),
        ((unit(1), unit(2)), {}, "ambiguous", "2 units match: unit 1 (de, NEW); unit 2 (de, NEW)"),
        ((unit(1),), {"unit_id": 9}, "conflicting", f"it names unit 9 ({NOT_HERE}); there is unit 1 (de, NEW)"),
        (
            (unit(1, offer_id="a"),),
            {"offer_id": "z"},
            "conflicting",
            f"it names offer id z ({NOT_HERE}); there is unit 1 (de, NEW, offer id a)",
        ),
        ((), {"offer_id": "z"}, "nowhere", "there is no unit of this EAN on de"),
    ],
)
def test_what_is_shown_is_said_in_a_word_and_a_sentence(
    units: tuple[Unit, ...], said: dict[str, Any], outcome: str, message: str
) -> None:
    match = shown_match(shown(*units), DE, offer(**said))

    assert (match.outcome, match.message) == (outcome, message)
    assert (match.unit is not None) is (outcome == "found")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"ean": "4006381333932"}, "check digit"),
        ({"ean": ""}, "no EAN"),
        ({"target_id": "shop-xy"}, "shop-xy"),
        ({"target_id": None}, "target_id"),
        ({"condition": "MINT"}, "MINT"),
        ({"condition": None}, "condition"),
    ],
)
def test_an_offer_whose_events_would_be_rejected_is_not_looked_up(said: dict[str, Any], words: str) -> None:
    match = rejected(offer(**said), offer(**said).ean or EAN, terms())

    assert match is not None
    assert match.outcome is MatchOutcome.REJECTED
    assert words in match.message


def test_a_key_that_is_not_the_ean_is_rejected_and_defaults_are_those_of_the_policy() -> None:
    policy = OfferPolicy(default_target="shop-at", default_condition=Condition.NEW)

    assert with_defaults(offer(target_id=None, condition=None), terms(policy)) == offer(target_id="shop-at")
    assert rejected(offer(), EAN, terms()) is None
    assert rejected(offer(), "4006381333948", terms()) is not None


def test_what_the_state_knows_needs_no_look_up() -> None:
    lane = shown(unit(1))

    assert known_match(lane, DE, offer(), 3) == shown_match(lane, DE, offer())
    assert known_match(lane, AT, offer(target_id="shop-at"), 3) is None
    assert known_match(OfferLane(ean=EAN), DE, offer(), 3) is None
    assert known_match(shown(), DE, offer(), 3) is None, "one look-up alone does not prove that it is nowhere"


# ---- as the flow decides --------------------------------------------------------------------------------------------

offer_ids = st.sampled_from([None, None, "a", "b"])
conditions = st.sampled_from([Condition.NEW, Condition.USED_GOOD])
some_units = st.lists(st.tuples(conditions, offer_ids), max_size=4).map(
    lambda rows: tuple(
        unit(number, condition=condition, offer_id=id_) for number, (condition, id_) in enumerate(rows, 1)
    )
)
FOUND = {Status.UNCHANGED: "found", Status.DRY_RUN: "found"}
WORDS = {
    **FOUND,
    Status.AMBIGUOUS: "ambiguous",
    Status.CONFLICT: "conflicting",
    Status.NOT_FOUND: "nowhere",
}


def decided(units: tuple[Unit, ...], said: dict[str, Any]) -> str:
    """Returns the outcome by the result that the flow gives an event, after as many look-ups as it wants."""
    harness = OfferHarness(flow_of(DE, policy=POLICY))
    harness.event(price="10.00", **said)
    for _ in range(3):
        if not harness.results:
            if harness.wants:
                harness.found(*units)
            else:
                harness.pass_s(120)
    return WORDS[harness.last.status]


@given(some_units, conditions, offer_ids, st.sampled_from([None, None, 1, 2, 9]))
@settings(max_examples=examples(300), deadline=None)
def test_every_match_is_what_the_flow_decides(
    units: tuple[Unit, ...], condition: Condition, offer_id: str | None, unit_id: int | None
) -> None:
    said = {"condition": condition.value, "offer_id": offer_id, "unit_id": unit_id}

    match = shown_match(shown(*units), DE, offer(**said))

    word = "nowhere" if match.outcome is MatchOutcome.OTHER_CONDITION else match.outcome.value
    assert word == decided(units, said)
    if match.outcome in (MatchOutcome.OTHER_CONDITION, MatchOutcome.NOWHERE):
        assert bool(units) is (match.outcome is MatchOutcome.OTHER_CONDITION)
