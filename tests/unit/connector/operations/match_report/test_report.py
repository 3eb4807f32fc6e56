"""The plan and the sums of a match report: which look-ups are made, what each group has, what is printed first."""

import csv
import json
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from connector.marketplace.offers import Found, Refused, Unit
from connector.offers.call_bodies import OfferLookUp
from connector.offers.events import Miss
from connector.offers.ledger import OfferLane
from connector.offers.match import MatchOutcome, NamedOffer, OfferMatch
from connector.offers.policy import OfferPolicy, OfferTerms
from connector.operations.json_output import json_text
from connector.operations.match_report.offer_list import UnreadableOffer
from connector.operations.match_report.plan import JudgedOffer, MatchPlan
from connector.operations.match_report.report import MatchReport, document, save, show
from connector.routing.table import Routing
from streams.dispatch.command_calls import CallOutcome, CommandCall
from streams.errors import Stopped
from streams.flow import GaveUp, Settled
from streams.frozen import replace
from tests.harness.offer_harness import AT, CLUSTER, DE, EAN, OTHER_EAN, REFERENCE, START_US, TOPICS, unit
from tests.unit.connector.offers.test_match import shown

TERMS = OfferTerms(
    policy=OfferPolicy(),
    routing=Routing.of((DE, AT)),
    reference=REFERENCE,
    cluster_id=CLUSTER,
    topic=TOPICS.offer_changes,
)


def offer(ean: str = EAN, target_id: str = "shop-de", condition: str = "NEW", **said: Any) -> NamedOffer:
    return NamedOffer(ean=ean, target_id=target_id, condition=condition, **said)


def plan_of(*offers: NamedOffer) -> MatchPlan:
    plan = MatchPlan(TERMS, START_US)
    for one in offers:
        plan.add(one.ean, one)
    return plan


def answered(plan: MatchPlan, call: CommandCall, *units: Unit) -> None:
    plan.answered(CallOutcome(call=call, reply=Settled(answer=Found(units=units)), sent_us=1, answered_us=2))


def outcomes(plan: MatchPlan) -> list[tuple[str, str, str]]:
    return [(one.offer.ean, one.storefront, one.match.outcome.value) for one in plan.judged()]


# ---- the plan -------------------------------------------------------------------------------------------------------


def test_an_ean_is_looked_up_once_for_each_storefront_with_all_its_conditions() -> None:
    plan = plan_of(offer(), offer(condition="USED_GOOD"), offer(target_id="shop-at"), offer(OTHER_EAN), offer("12"))

    calls = list(plan.look_ups())

    assert [call.body for call in calls] == [
        OfferLookUp(account="main", storefront="de", ean=EAN, conditions=frozenset({"NEW", "USED_GOOD"})),
        OfferLookUp(account="main", storefront="at", ean=EAN, conditions=frozenset({"NEW"})),
        OfferLookUp(account="main", storefront="de", ean=OTHER_EAN, conditions=frozenset({"NEW"})),
    ]
    assert [call.kind for call in calls] == ["lookup:de", "lookup:at", "lookup:de"]
    assert (plan.offers, plan.without_look_up) == (5, 1)


def test_a_later_event_replaces_the_attributes_and_a_tombstone_ends_the_offer() -> None:
    plan = plan_of(offer(attributes={"brand": "A"}), offer(OTHER_EAN), offer(attributes={"brand": "B"}, place="0:9"))

    plan.withdraw(OTHER_EAN)

    [judged] = plan.judged()
    assert judged.offer.attributes == {"brand": "B"}
    assert judged.offer.place == "0:9"


def test_each_answer_decides_the_offers_of_its_storefront() -> None:
    plan = plan_of(offer(), offer(condition="USED_GOOD"), offer(target_id="shop-at"))
    de, at = plan.look_ups()

    answered(plan, de, unit(1))
    assert outcomes(plan)[2] == (EAN, "at", "not_looked_up")
    answered(plan, at, unit(2, "at"), unit(3, "at"))

    assert outcomes(plan) == [(EAN, "de", "found"), (EAN, "de", "other_condition"), (EAN, "at", "ambiguous")]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (GaveUp(reason="503 eight times"), "503 eight times"),
        (Settled(answer=Refused(code="MARKETPLACE_REFUSED", http_status=400, type=None, message="odd ean")), "odd ean"),
    ],
)
def test_a_look_up_that_failed_says_why(reply: Settled | GaveUp, words: str) -> None:
    plan = plan_of(offer())
    [call] = plan.look_ups()

    plan.answered(CallOutcome(call=call, reply=reply))

    [judged] = plan.judged()
    assert judged.match.outcome is MatchOutcome.NOT_LOOKED_UP
    assert words in judged.match.message


def miss(code: str, next_check_at_us: int) -> Miss:
    return Miss(
        account="main",
        storefront="de",
        condition="NEW",
        code=code,
        since_us=START_US,
        next_check_at_us=next_check_at_us,
    )


def test_what_the_state_knows_is_not_looked_up() -> None:
    plan = plan_of(offer(), offer(condition="USED_GOOD"), offer(target_id="shop-at"))

    plan.state(EAN, replace(shown(unit(1)), misses=(miss("OFFER_NOT_FOUND", START_US + 1),)))

    assert [call.body.storefront for call in plan.look_ups()] == ["de", "at"], "the miss is of NEW alone"
    assert plan.without_look_up == 1
    first, *_ = plan.judged()
    assert (first.match.outcome, first.from_state) == (MatchOutcome.FOUND, True)


@pytest.mark.parametrize(
    ("state", "is_known"),
    [
        (OfferLane(ean=EAN, misses=(miss("OFFER_NOT_FOUND", START_US + 1),)), True),
        (OfferLane(ean=EAN, misses=(miss("OFFER_NOT_FOUND", START_US - 1),)), False),
        (OfferLane(ean=EAN, misses=(miss("NOT_YET_FOUND", START_US + 1),)), False),
        (OfferLane(ean=EAN), False),
    ],
)
def test_only_what_the_flow_would_rely_on_saves_a_look_up(state: OfferLane, is_known: bool) -> None:
    plan = plan_of(offer())

    plan.state(EAN, state)

    assert bool(list(plan.look_ups())) is not is_known


def test_the_newest_state_of_an_ean_counts() -> None:
    plan = plan_of(offer())

    plan.state(EAN, shown(unit(1)))
    plan.state(EAN, OfferLane(ean=EAN))

    assert len(list(plan.look_ups())) == 1


# ---- the sums -------------------------------------------------------------------------------------------------------


def judged(outcome: str, storefront: str = "de", brand: str | None = None, **said: Any) -> JudgedOffer:
    attributes = {} if brand is None else {"brand": brand}
    return JudgedOffer(
        offer=offer(target_id=f"shop-{storefront}", attributes=attributes, **said),
        match=OfferMatch(outcome=MatchOutcome(outcome), message=f"it is {outcome}"),
        account="main",
        storefront=storefront,
    )


def report_of(rows: Iterable[JudgedOffer], *attributes: str, several_accounts: bool = False) -> MatchReport:
    report = MatchReport(attributes, several_accounts=several_accounts)
    for row in rows:
        report.add(row)
    return report


ROWS = [
    *[judged("found", "de", "A")] * 6,
    *[judged("found", "at", "B")] * 2,
    *[judged("nowhere", "at", "B")] * 2,
    judged("ambiguous", "de", None, condition="USED_GOOD"),
    judged("other_condition", "at", "C"),
]


def test_the_worst_group_of_each_kind_comes_first() -> None:
    groups = [(group.by, group.name, group.offers, group.not_found) for group in report_of(ROWS, "brand").groups()]

    assert groups == [
        ("storefront", "at", 5, 3),
        ("storefront", "de", 7, 1),
        ("condition", "NEW", 11, 3),
        ("condition", "USED_GOOD", 1, 1),
        ("EAN prefix", EAN[:7], 12, 4),
        ("brand", "B", 4, 2),
        ("brand", "(none)", 1, 1),
        ("brand", "C", 1, 1),
        ("brand", "A", 6, 0),
    ]


def test_with_several_accounts_a_storefront_is_that_of_one() -> None:
    report = report_of(ROWS, several_accounts=True)

    assert [group.name for group in report.groups() if group.by == "storefront"] == ["main at", "main de"]


def test_an_offer_without_known_target_is_grouped_by_its_target() -> None:
    row = JudgedOffer(offer=offer(target_id="shop-xy"), match=OfferMatch(outcome=MatchOutcome.REJECTED))

    assert [group.name for group in report_of([row]).groups() if group.by == "storefront"] == ["(target shop-xy)"]


def printed(report: MatchReport) -> str:
    console = Console(file=StringIO(), width=160)
    show(console, report)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_what_is_printed_has_the_share_the_worst_groups_and_examples() -> None:
    text = printed(report_of([*ROWS, judged("found")], "brand"))
    lines = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]

    assert lines[0] == "9 of 13 offers found: 69.2 %"
    assert "brand B 4 50.0 % 2" in lines
    assert not [line for line in lines if line.startswith("brand A")], "all of it was found"
    assert f"ambiguous: EAN {EAN}, target shop-de, USED_GOOD: it is ambiguous" in lines


def test_a_share_is_rounded_down_so_that_only_all_are_100_per_cent() -> None:
    assert printed(report_of([judged("found")] * 9_999 + [judged("nowhere")])).startswith(
        "9,999 of 10,000 offers found: 99.9 %"
    )
    assert printed(report_of([])) == "0 of 0 offers found: 100.0 %\n"


def test_unreadable_rows_count_as_not_found_and_belong_to_no_group() -> None:
    plan = plan_of()
    plan.unreadable(UnreadableOffer(place="line 3", message="unit_id 'x' is not a number"))

    report = report_of(plan.judged())

    assert (report.total.offers, report.total.share, list(report.groups())) == (1, 0.0, [])
    assert "unreadable: line 3: unit_id 'x' is not a number" in printed(report)


def test_a_report_is_complete_if_every_look_up_was_answered() -> None:
    assert report_of(ROWS).is_complete
    assert not report_of([judged("not_looked_up")]).is_complete


def test_the_document_has_the_same_numbers() -> None:
    said = json.loads(json_text(document(report_of(ROWS, "brand"))))

    assert said["offers"] == 12
    assert said["found"] == 8
    assert said["share_found"] == pytest.approx(2 / 3, abs=1e-6)
    assert [group["group"] for group in said["groups"] if group["by"] == "brand"] == ["B", "(none)", "C", "A"]
    assert sum(said[outcome.value] for outcome in MatchOutcome) == said["offers"]


def test_the_file_has_a_row_for_each_offer(tmp_path: Path) -> None:
    path = tmp_path / "offers.csv"

    save(path, ROWS, ["brand"])

    rows = list(csv.DictReader(path.open(newline="")))
    assert len(rows) == len(ROWS)
    assert rows[-1]["outcome"] == "other_condition"
    assert (rows[-1]["ean"], rows[-1]["storefront"], rows[-1]["brand"]) == (EAN, "at", "C")


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="cannot be written: Is a directory"):
        save(tmp_path, ROWS, [])
