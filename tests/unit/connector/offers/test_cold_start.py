"""Offers of which nothing is known wait for a sweep instead of being looked up, and are identified as by a look-up."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.marketplace.offers import Condition, Currency, Field, Unit
from connector.offers.cold_start import ColdStart, ColdStartPolicy, ColdStarts, ColdStartState
from connector.offers.events import Origin
from connector.offers.ledger import KnownUnit
from connector.offers.policy import OfferPolicy
from connector.reconciliation.events import SweepMark, SweepPhase
from connector.reconciliation.rows import PageTimes, rows_of_unit
from connector.routing.table import Target
from streams.flow import GaveUp, Restored, Told, Woken
from streams.side_input import Opening
from tests.harness.effort import examples
from tests.harness.offer_harness import AT, DE, EAN, OTHER_EAN, SECOND, START_US, OfferHarness, flow_of, unit

EUR = Currency(code="EUR", exponent=2, ceiling=100_000_000)
PARTITIONS = 1_000
"""So that a lane counts for a thousand unknown EANs, and a sweep of a few pages is the shorter way."""
WAIT_S = 400.0


def mark(phase: SweepPhase, storefront: str = "de", **other: Any) -> SweepMark:
    given: dict[str, Any] = {"account": "main", "sweep_at_us": START_US + SECOND, "units": 200}
    return SweepMark(phase=phase, storefront=storefront, **{**given, **other})


@dataclass(slots=True)
class ColdLane:
    """One lane, and what its process knows of sweeps; ``reports`` are what is logged."""

    targets: tuple[Target, ...] = (DE,)
    policy: OfferPolicy = field(default_factory=OfferPolicy)
    is_clean: bool = True
    reports: list[ColdStart] = field(default_factory=list)
    cold: ColdStarts = field(init=False)
    lane: OfferHarness = field(init=False)

    def __post_init__(self) -> None:
        policy = ColdStartPolicy(enabled=True, rates={"main": 10.0}, longest_wait_s=WAIT_S, settle_s=60.0)
        self.cold = ColdStarts(policy, PARTITIONS, self.reports.append)
        self.lane = OfferHarness(flow_of(*self.targets, policy=self.policy, cold=self.cold))
        self.cold.opened(Opening(partition=0, is_clean=self.is_clean), self.lane.now_us)

    def begin(self, storefront: str = "de", **other: Any) -> None:
        """The first page of a sweep was read, and pending lanes take a turn."""
        self.lane.now_us = max(self.lane.now_us, START_US + 2 * SECOND)
        if self.cold.began(0, mark(SweepPhase.BEGAN, storefront, **other), self.lane.now_us):
            self.lane.hear(Woken())

    def show(self, *units: Unit, sweep_us: int = START_US + SECOND, ean: str = EAN) -> None:
        """The sweep shows these units of the EAN."""
        for shown in units:
            times = PageTimes(
                requested_us=self.lane.now_us, observed_us=self.lane.now_us + SECOND // 10, sweep_us=sweep_us
            )
            named = shown if shown.eans else replace(shown, eans=(ean,))
            rows = rows_of_unit("main", named, times, normal_form=str, storefronts={"de": EUR, "at": EUR})
            self.lane.hear(Told(lane=EAN, message=next(row for row in rows if row.ean == EAN)))

    def end(self, storefront: str = "de", problem: str = "", **other: Any) -> None:
        self.lane.now_us += 10 * SECOND
        if self.cold.ended(0, mark(SweepPhase.ENDED, storefront, problem=problem, **other)):
            self.lane.hear(Woken())

    def choice(self, place: str = "main/de") -> ColdStart:
        return self.cold.choices()[place]


# ---- waiting and using ----------------------------------------------------------------------------------------------


def test_an_offer_waits_for_the_sweep_and_is_written_without_a_look_up() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00", stock=5)
    assert cold.lane.kinds == ["lookup:de"]

    cold.begin()
    assert cold.lane.kinds == []
    cold.show(unit(7, offer_id="sku", price=1000, stock=9))
    assert cold.lane.kinds == []
    cold.end()

    assert cold.lane.kinds == ["update:de"]
    cold.lane.accept(offer_id="sku")
    assert cold.lane.statuses == ["APPLIED"]
    assert [one.before for one in cold.lane.last.fields] == [Decimal(9), Decimal("10.00")]
    assert (cold.choice().state, cold.choice().waiting, cold.choice().identified) == (ColdStartState.USED, 1, 1)


def test_a_value_that_the_sweep_has_seen_is_unchanged() -> None:
    cold = ColdLane()
    cold.lane.event(price="10.00", stock=9)
    cold.begin()
    cold.show(unit(7, price=1000, stock=9))
    cold.end()

    assert (cold.lane.statuses, cold.lane.kinds, cold.lane.calls) == (["UNCHANGED"], [], 0)


def test_a_stock_of_zero_does_not_wait() -> None:
    cold = ColdLane()
    cold.lane.event(stock=0)
    cold.begin()
    assert cold.lane.kinds == ["lookup:de"]
    cold.lane.found(unit(7, stock=3))
    cold.lane.accept()
    assert cold.lane.statuses == ["APPLIED"]

    cold.show(unit(7, stock=3))
    cold.end()
    assert (cold.lane.kinds, cold.lane.drifts) == ([], []), "what the sweep saw before is no drift"


def test_a_stock_of_zero_that_arrives_later_ends_the_wait_of_all_events() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.begin()
    cold.show(unit(7))
    cold.lane.event(stock=0)
    assert cold.lane.kinds == ["lookup:de"]
    cold.lane.found(unit(7))
    cold.lane.accept()

    assert cold.lane.statuses == ["APPLIED", "APPLIED"]


def test_an_event_that_arrives_after_the_sweep_has_begun_is_looked_up() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00", offset=9)
    cold.begin()
    other = ColdLane()
    other.cold = cold.cold
    other.lane = OfferHarness(cold.lane.flow, now_us=cold.lane.now_us + 1)
    other.lane.event(price="20.00")
    assert other.lane.kinds == ["lookup:de"]
    other.show(unit(7))
    assert other.lane.kinds == ["lookup:de"]


def test_an_event_that_arrives_after_a_row_does_not_wait_although_the_clock_was_set_back() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00", offset=9)
    cold.begin()
    cold.cold.passed(0, ("main", "de"))  # it may have been one of two units of the EAN
    other = ColdLane()
    other.cold = cold.cold
    other.lane = OfferHarness(cold.lane.flow, now_us=cold.lane.now_us - 2 * SECOND)
    other.lane.event(price="20.00")
    assert other.lane.kinds == ["lookup:de"]
    other.lane.hear(Woken())

    assert other.lane.kinds == ["lookup:de"]


@pytest.mark.parametrize(
    ("units", "why"),
    [
        ((), "absence proves nothing"),
        ((unit(7), unit(8)), "two match"),
        ((unit(7, condition=Condition.USED_GOOD),), "another condition"),
        ((unit(7, by_marketplace=True),), "fulfilled by the marketplace"),
        ((unit(7), unit(8, condition=Condition.USED_GOOD, by_marketplace=True)), "one is fulfilled by the marketplace"),
    ],
)
def test_what_a_sweep_does_not_settle_is_looked_up(units: tuple[Unit, ...], why: str) -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.begin()
    cold.show(*units)
    cold.end()

    assert cold.lane.kinds == ["lookup:de"], why
    assert all(one.proved_at_us for one in cold.lane.lane.units), "nothing is left of what was not used"


def test_a_sweep_that_may_have_missed_a_unit_is_not_used_and_that_is_reported_once() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.begin()
    cold.show(unit(7))
    cold.end(problem="the list changed while it was read")

    assert cold.lane.kinds == ["lookup:de"]
    assert [one.problem for one in cold.reports] == ["", "the list changed while it was read"]
    assert cold.choice().state is ColdStartState.NOT_WHOLE


def test_rows_of_another_sweep_are_not_used() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.begin()
    cold.show(unit(7), sweep_us=START_US - SECOND)
    cold.end()

    assert cold.lane.kinds == ["lookup:de"]


def test_the_wait_is_bounded_and_the_end_of_it_is_reported() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.begin(page_us=30 * SECOND)  # three pages: twice that, and the slack, is more than the longest wait
    cold.show(unit(7))
    cold.lane.pass_s(WAIT_S - 1)
    assert cold.lane.kinds == []
    cold.lane.pass_s(2)

    assert cold.lane.kinds == ["lookup:de"]
    assert cold.choice().state is ColdStartState.TOO_SLOW
    assert "has not ended 401 s after it began" in cold.reports[-1].problem
    cold.end()
    cold.lane.found(unit(7))
    cold.lane.accept()
    assert cold.lane.statuses == ["APPLIED"]


def test_the_bound_is_kept_by_a_new_owner() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.begin()
    successor = ColdLane()
    successor.lane.lane, successor.lane.now_us = cold.lane.lane, cold.lane.now_us
    successor.lane.hear(Restored())
    assert successor.lane.kinds == []
    successor.lane.pass_s(WAIT_S)

    assert successor.lane.kinds == ["lookup:de"]


def test_a_process_that_waits_for_no_sweep_looks_up_what_another_had_wait() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.begin()
    cold.show(unit(7))
    successor = OfferHarness(flow_of(DE), now_us=cold.lane.now_us)
    successor.lane = cold.lane.lane
    successor.hear(Restored())

    assert successor.kinds == ["lookup:de"]
    assert (successor.lane.units, successor.lane.misses) == ((), ())


def test_a_failed_look_up_ends_the_wait() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    late = cold.lane.wants[0]
    cold.begin()
    cold.show(unit(7))
    cold.lane.reply(late, GaveUp(reason="503 eight times"))  # it had left before the sweep began
    assert cold.lane.statuses == ["FAILED"]
    cold.end()

    assert (cold.lane.kinds, [m.code for m in cold.lane.lane.misses]) == ([], ["LOOKUP_FAILED"])


def test_a_tombstone_ends_the_wait() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.begin()
    cold.show(unit(7))
    cold.lane.tombstone()

    assert (cold.lane.lane.misses, cold.lane.lane.units) == ((), ())


# ---- what may have been written meanwhile ---------------------------------------------------------------------------


def test_after_a_crash_values_that_the_previous_owner_may_have_changed_are_written_again() -> None:
    cold = ColdLane(is_clean=False)
    cold.lane.event(price="10.00")
    cold.begin()
    cold.show(unit(7, price=1000))
    cold.end()

    assert cold.lane.kinds == ["update:de"], "what was seen less than settle after the start is not certain"


def test_after_a_crash_what_is_seen_later_is_certain() -> None:
    cold = ColdLane(is_clean=False)
    cold.lane.event(price="10.00")
    cold.begin()
    cold.lane.now_us += 90 * SECOND
    cold.show(unit(7, price=1000))
    cold.end()

    assert cold.lane.statuses == ["UNCHANGED"]


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_new_owner_goes_on_with_what_was_kept_and_trusts_its_values_after_a_hand_over_only(is_clean: bool) -> None:
    cold = ColdLane()
    cold.lane.event(price="10.00")
    cold.begin()
    cold.show(unit(7, price=1000))
    successor = ColdLane(is_clean=is_clean)
    successor.lane.lane, successor.lane.now_us = cold.lane.lane, cold.lane.now_us
    successor.lane.hear(Restored())
    successor.end()

    assert successor.lane.kinds == ([] if is_clean else ["update:de"])
    assert successor.lane.calls == 0


def test_a_new_owner_that_has_not_opened_the_partition_yet_does_not_trust_what_was_kept() -> None:
    cold = ColdLane()
    cold.lane.event(price="10.00")
    cold.begin()
    cold.show(unit(7, price=1000))
    successor = ColdLane()
    successor.cold.assigned(0)
    successor.lane.lane, successor.lane.now_us = cold.lane.lane, cold.lane.now_us
    successor.lane.hear(Restored())  # for an event that it has caught up with
    successor.cold.opened(Opening(partition=0, is_clean=False), successor.lane.now_us)
    successor.end()

    assert successor.lane.kinds == ["update:de"]


def test_the_values_of_a_unit_that_another_ean_may_write_to_are_not_certain_and_it_is_claimed_first() -> None:
    cold = ColdLane()
    cold.lane.event(price="10.00")
    cold.begin()
    cold.show(unit(7, price=1000, eans=(EAN, OTHER_EAN)))
    cold.end()

    assert cold.lane.kinds == ["claim"]
    (known,) = cold.lane.lane.units
    assert (known.other_eans, known.facts[Field.PRICE].certain) == ((OTHER_EAN,), False)


def test_a_resend_is_compared_with_a_look_up() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.lane.lane = replace(
        cold.lane.lane, entries=tuple(replace(e, origin=Origin.RESEND, command_id="r1") for e in cold.lane.lane.entries)
    )
    cold.begin()
    assert cold.lane.lane.misses == ()


def test_a_dry_run_looks_up() -> None:
    cold = ColdLane(policy=OfferPolicy(dry_run=True))
    cold.lane.event(price="20.00")
    cold.begin()
    assert cold.lane.kinds == ["lookup:de"]


# ---- several storefronts --------------------------------------------------------------------------------------------


def test_stock_waits_for_the_sweeps_of_all_storefronts_that_may_share_it() -> None:
    cold = ColdLane(targets=(DE, AT))
    cold.lane.event(stock=5)
    cold.begin("de")
    cold.begin("at")
    assert cold.lane.kinds == [], "without the sweep of the other storefront, that would be looked up"
    cold.show(unit(7, offer_id="sku"))
    cold.end("de")
    assert cold.lane.kinds == []
    cold.show(unit(8, "at", offer_id="sku"))
    cold.end("at")

    assert cold.lane.kinds == ["update:de"]
    cold.lane.accept(offer_id="sku")
    assert {one.unit_id: one.facts[Field.STOCK].value for one in cold.lane.lane.units} == {7: 5, 8: 5}


def test_a_storefront_on_which_the_sweep_shows_no_unit_is_looked_up_for_linked_units() -> None:
    cold = ColdLane(targets=(DE, AT))
    cold.lane.event(stock=5)
    cold.begin("de")
    cold.begin("at")
    cold.show(unit(7, offer_id="sku"))
    cold.end("at")
    assert cold.lane.kinds == []
    cold.end("de")

    assert cold.lane.kinds == ["lookup:at"]


# ---- the choice -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "page_s", "waits", "sweep"),
    [
        (200, 0.0, True, (3, 0.3)),
        (998_000, 0.0, True, (9_981, 998.1)),
        (1_000_000, 0.0, False, (10_001, 1000.1)),  # 1,000 unknown EANs are 100 s at 10/s ... times ten lanes
        (200_000, 2.0, False, (2_001, 4002.0)),  # pages come one after the other
    ],
)
def test_the_way_that_takes_less_time_is_chosen(
    units: int, page_s: float, waits: bool, sweep: tuple[int, float]
) -> None:
    cold = ColdLane()
    for _ in range(10):
        cold.cold.counted(0, (), (("main", "de"),), is_restored=False)
    assert cold.cold.began(0, mark(SweepPhase.BEGAN, units=units, page_us=int(page_s * SECOND)), START_US) == waits

    choice = cold.choice()
    assert choice.sweep_calls == sweep[0]
    assert choice.sweep_s == pytest.approx(sweep[1])
    assert (choice.unknown, choice.look_ups_s) == (10_000, 1000.0)
    assert choice.state is (ColdStartState.AWAITED if waits else ColdStartState.LOOK_UPS)
    assert cold.reports == [choice]


def test_lanes_that_a_previous_owner_left_waiting_count_until_they_have_taken_a_turn() -> None:
    cold = ColdLane()
    cold.cold.opened(Opening(partition=0, is_clean=True, restored=3), START_US)
    cold.cold.counted(0, (), (), is_restored=True)
    cold.cold.counted(0, (("main", "de"),), (("main", "de"),), is_restored=True)
    cold.begin()
    assert cold.choice().unknown == 2 * PARTITIONS


def test_what_is_known_is_not_counted() -> None:
    cold = ColdLane()
    cold.lane.event(price="20.00")
    cold.lane.found(unit(7))
    cold.lane.accept()
    cold.lane.event(price="21.00")
    cold.begin()

    assert (cold.choice().unknown, cold.reports) == (0, []), "nothing to report"
    assert cold.lane.kinds == ["update:de"]


def test_an_account_without_a_rate_and_an_empty_storefront_choose_nothing() -> None:
    cold = ColdLane()
    assert not cold.cold.began(0, mark(SweepPhase.BEGAN, account="other"), START_US)
    assert not cold.cold.began(0, mark(SweepPhase.BEGAN, units=0), START_US)
    assert cold.cold.choices() == {}


# ---- the same identity as a look-up ---------------------------------------------------------------------------------

CONDITIONS = (Condition.NEW, Condition.USED_GOOD)
SHOWN = st.lists(
    st.builds(
        unit,
        unit_id=st.integers(1, 9),
        condition=st.sampled_from(CONDITIONS),
        offer_id=st.sampled_from([None, "a", "b"]),
        price=st.sampled_from([1000, 2000]),
        stock=st.sampled_from([0, 5]),
        eans=st.sampled_from([(EAN,), (EAN, OTHER_EAN)]),
        by_marketplace=st.integers(0, 9).map(lambda n: n == 0),
    ),
    max_size=3,
    unique_by=lambda one: one.unit_id,
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"condition": st.sampled_from(["NEW", "USED_GOOD"])},
        optional={
            "price": st.sampled_from(["10.00", "20.00"]),
            "stock": st.sampled_from([0, 5, 7]),
            "offer_id": st.sampled_from(["a", "b", "c"]),
            "unit_id": st.integers(1, 9),
        },
    ).filter(lambda said: "price" in said or "stock" in said),
    min_size=1,
    max_size=3,
)


def outcome(lane: OfferHarness) -> Any:
    """Returns what is known of each unit, the writes wanted, and how each event ended or why it has not."""
    known = {one.unit_id: identity(one) for one in lane.lane.units if one.proved_at_us}
    writes = sorted(
        (want.kind, want.body.unit_id, tuple(sorted(want.body.values.items())))
        for want in lane.wants
        if want.kind.startswith("update")
    )
    others = sorted(want.kind for want in lane.wants if not want.kind.startswith("update"))
    ended = [
        (one.result_id, one.status, [(f.field, f.status, f.code, f.before) for f in one.fields]) for one in lane.results
    ]
    return known, writes, others, sorted(ended)


def identity(known: KnownUnit) -> tuple[Any, ...]:
    facts = {name: (fact.value, fact.certain or bool(known.other_eans)) for name, fact in known.facts.items()}
    return known.condition, known.offer_id, known.status, known.other_eans, known.fulfilled_by_marketplace, facts


@given(shown=SHOWN, events=EVENTS)
@settings(max_examples=examples(500), deadline=None)
def test_a_sweep_identifies_as_a_look_up_would_have(shown: list[Unit], events: list[dict[str, Any]]) -> None:
    """Whatever the shop has and the events ask for: after the sweep, and a look-up where it settles nothing."""
    looked, swept = OfferHarness(flow_of(DE)), ColdLane()
    for said in events:
        looked.event(**said)
        swept.lane.event(**said)
    if looked.wants:
        looked.found(*shown)
    swept.begin()
    swept.show(*shown)
    if swept.lane.wants:  # a stock of zero
        swept.lane.found(*shown)
    swept.end()
    if swept.lane.kinds == ["lookup:de"]:
        swept.lane.found(*shown)

    assert outcome(swept.lane) == outcome(looked)


def test_the_generated_shops_reach_every_way() -> None:
    """The property above says little if a look-up were made for each shop."""
    used = ColdLane()
    used.lane.event(price="20.00", condition="NEW", offer_id="a")
    used.begin()
    used.show(unit(1, offer_id="a"), unit(2, offer_id="b"))
    used.end()

    assert (used.lane.calls, used.lane.kinds) == (0, ["update:de"]), "the offer id selects one of two"
