"""Stock by location: the marketplace gets the total of the newest stocks, in whatever order events are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.contracts.codes import Code
from connector.marketplace.offers import Accepted, Field
from connector.offers import state_mapping
from connector.offers.events import FieldResult, FieldStatus, OfferChanged, Status
from connector.offers.field_knowledge import observed
from connector.offers.policy import Locations, OfferPolicy, OfferTerms, StockAboveMax, StockRule, StockRules
from connector.routing.table import Routing
from streams.flow import Arrived, Lost, Settled, Want, Woken
from tests.harness.effort import examples
from tests.harness.offer_harness import CLUSTER, DE, EAN, REFERENCE, TOPICS, OfferHarness, flow_of, unit

SUM = OfferPolicy(locations=Locations.SUM)
TOP = replace(SUM, max_stock=99_999, stock_above_max=StockAboveMax.REJECT)


def shop_of(policy: OfferPolicy = SUM, stock: int = 99) -> OfferHarness:
    """Returns a harness whose unit is known, with a stock that no event has set."""
    shop = OfferHarness(flow_of(policy=policy))
    shop.event(price="10.00")
    shop.found(unit(7, price=1000, stock=stock))
    shop.results.clear()
    return shop


def reconfigured(shop: OfferHarness, policy: OfferPolicy) -> None:
    shop.flow = flow_of(policy=policy)
    shop.restart()


def stock_of(shop: OfferHarness) -> FieldResult:
    return next(field for field in shop.last.fields if field.field == "stock")


def wanted(shop: OfferHarness) -> int:
    values = shop.want("update:de").body.values
    assert set(values) == {Field.STOCK}
    return int(values[Field.STOCK])


def answer(shop: OfferHarness, want: Want, held: int) -> None:
    shop.reply(want, Settled(answer=Accepted(unit=unit(7, price=1000, stock=held), http_status=200)))


def seen_of_another(shop: OfferHarness, stock: int) -> None:
    """Applies a look-up that shows a stock which somebody else has set."""
    [known] = shop.lane.units
    facts = observed(known.facts, {Field.STOCK: stock}, sent_us=shop.now_us + 1, answered_us=shop.now_us + 2)
    shop.lane = replace(shop.lane, units=(replace(known, facts=facts),))


# ---- the total ------------------------------------------------------------------------------------------------------


def test_without_configuration_the_stock_of_a_location_is_rejected_and_other_fields_are_sent() -> None:
    shop = shop_of(OfferPolicy())

    shop.event(stock=4, location="Berlin", price="12.00")
    assert shop.accept().body.values == {Field.PRICE: 1200}

    assert [(f.field, f.status, f.code) for f in shop.last.fields] == [
        ("stock", FieldStatus.REJECTED, Code.LOCATION_NOT_CONFIGURED),
        ("price", FieldStatus.APPLIED, None),
    ]
    assert shop.last.problem is not None
    assert "Berlin" in shop.last.problem.message
    assert "[offers]" in shop.last.problem.advice
    assert shop.lane.locations == ()


def test_a_location_without_a_stock_needs_no_configuration() -> None:
    shop = shop_of(OfferPolicy())

    shop.event(location="Berlin", price="12.00")
    shop.accept()

    assert shop.last.status is Status.APPLIED


def test_the_total_is_sent_and_the_result_shows_both_the_own_stock_and_the_total() -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin")
    shop.accept()

    shop.event(stock=5, location="Bremen")
    shop.accept()

    stock = stock_of(shop)
    assert (stock.requested, stock.before, stock.sent) == (Decimal(5), Decimal(4), Decimal(9))


def test_the_buffer_applies_to_the_total() -> None:
    shop = shop_of(replace(SUM, stock_rules={"shop-de": StockRules(rule=StockRule(buffer_pct=50))}))
    shop.event(stock=3, location="Berlin")
    shop.event(stock=3, location="Bremen")

    assert wanted(shop) == 3


@pytest.mark.parametrize("other", [{"condition": "USED_GOOD"}, {"offer_id": "b"}, {"unit_id": 8}])
def test_only_events_with_the_same_selectors_are_summed(other: dict[str, Any]) -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin", **other)

    shop.event(stock=5, location="Bremen")

    assert wanted(shop) == 5


def test_an_event_older_than_the_last_of_its_location_is_superseded_in_its_stock_alone() -> None:
    shop = shop_of()
    newest = shop.event(stock=4, location="Berlin", at=5)
    shop.accept()

    shop.event(stock=9, location="Berlin", at=4, price="12.00")

    assert shop.want("update:de").body.values == {Field.PRICE: 1200}
    shop.accept()
    assert (stock_of(shop).status, stock_of(shop).superseded_by) == (FieldStatus.SUPERSEDED, newest)
    shop.event(stock=1, location="Bremen")
    assert wanted(shop) == 5


def test_a_late_event_of_another_location_still_changes_the_total() -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin", at=5)
    shop.accept()

    shop.event(stock=3, location="Bremen", at=1)

    assert wanted(shop) == 7
    shop.accept()
    assert shop.last.status is Status.APPLIED


def test_a_late_event_changes_the_total_although_another_has_written_since() -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin", at=5)
    shop.accept()
    seen_of_another(shop, 2)

    shop.event(stock=3, location="Bremen", at=1)

    assert wanted(shop) == 7


def test_no_older_event_supersedes_a_total_whatever_its_selectors() -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin", at=5)
    shop.event(stock=3, location="Bremen", at=1)
    shop.accept()

    shop.event(stock=1, unit_id=7, at=4)

    assert (shop.last.status, shop.wants) == (Status.SUPERSEDED, ())


def test_a_total_that_waits_is_superseded_by_the_one_that_completes_it() -> None:
    shop = shop_of()
    first = shop.event(stock=4, location="Berlin", at=5)

    second = shop.event(stock=3, location="Bremen", at=1)

    assert wanted(shop) == 7
    assert [(r.result_id, r.fields[0].superseded_by) for r in shop.of(first)] == [(first, second)]


def test_the_known_total_is_written_again_when_another_may_have_been_sent() -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin")
    shop.accept()
    shop.event(stock=3, location="Bremen")

    shop.event(stock=0, location="Bremen")

    assert wanted(shop) == 4


def test_a_total_out_of_range_is_rejected_and_its_parts_are_remembered() -> None:
    shop = shop_of(TOP)
    shop.event(stock=99_999, location="Berlin")
    shop.accept()

    shop.event(stock=1, location="Bremen")
    assert (stock_of(shop).status, stock_of(shop).code) == (FieldStatus.REJECTED, Code.STOCK_OUT_OF_RANGE)

    shop.event(stock=10, location="Berlin")
    assert wanted(shop) == 11


def test_the_stock_of_one_location_beyond_the_range_counts_nowhere() -> None:
    shop = shop_of(TOP)
    shop.event(stock=100_000, location="Berlin")
    assert stock_of(shop).code == Code.STOCK_OUT_OF_RANGE

    shop.event(stock=5, location="Bremen")

    assert wanted(shop) == 5


# ---- stocks without a location --------------------------------------------------------------------------------------


@pytest.mark.parametrize("nowhere", [None, ""])
def test_a_stock_of_no_location_replaces_all_that_are_older(nowhere: str | None) -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin", at=1)
    shop.event(stock=5, location="Bremen", at=2)

    shop.event(stock=2, location=nowhere, at=3)
    assert wanted(shop) == 2
    shop.accept()

    shop.event(stock=6, location="Bremen", at=4)
    assert wanted(shop) == 6


def test_a_late_stock_of_no_location_takes_out_what_is_older_only() -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin", at=1)
    shop.event(stock=5, location="Bremen", at=3)
    shop.accept()

    shop.event(stock=50, at=2)

    assert wanted(shop) == 5


def test_a_location_older_than_the_stock_of_none_is_superseded_by_it() -> None:
    shop = shop_of()
    newest = shop.event(stock=2, at=3)
    shop.accept()

    shop.event(stock=9, location="Berlin", at=2)

    assert (shop.last.status, stock_of(shop).superseded_by) == (Status.SUPERSEDED, newest)
    shop.event(stock=1, location="Bremen", at=4)
    assert wanted(shop) == 1


def test_where_locations_are_refused_plain_stocks_are_not_remembered() -> None:
    shop = shop_of(OfferPolicy())

    shop.event(stock=4)

    assert shop.lane.locations == ()


def test_a_waiting_location_is_never_sent_as_the_total_after_the_switch() -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin", at=1)
    shop.event(stock=5, location="Bremen", at=2)

    reconfigured(shop, OfferPolicy())
    shop.hear(Woken())
    assert wanted(shop) == 9

    shop.event(stock=3, at=3)
    assert wanted(shop) == 3


def test_a_waiting_stock_is_not_superseded_by_an_older_location_after_the_switch() -> None:
    shop = shop_of(OfferPolicy())
    newest = shop.event(stock=7, at=3)
    reconfigured(shop, SUM)

    shop.event(stock=1, location="Berlin", at=2)

    assert wanted(shop) == 7
    assert stock_of(shop).superseded_by == newest


def test_a_stock_of_no_location_replaces_what_is_known_even_while_locations_are_switched_off() -> None:
    shop = shop_of()
    shop.event(stock=4, location="Berlin", at=1)
    shop.accept()
    reconfigured(shop, OfferPolicy())
    shop.event(stock=3, at=2)
    shop.accept()
    reconfigured(shop, SUM)

    shop.event(stock=5, location="Bremen", at=3)

    assert wanted(shop) == 5


# ---- tombstones -----------------------------------------------------------------------------------------------------


def test_stocks_of_locations_before_a_tombstone_no_longer_count() -> None:
    shop = shop_of()
    shop.pass_s(10)
    shop.event(stock=4, location="Berlin", at=1)
    shop.accept()
    shop.tombstone(at=2)

    shop.event(stock=5, location="Bremen", at=3)

    assert wanted(shop) == 5


def test_an_event_older_than_the_tombstone_counts_no_location() -> None:
    shop = shop_of()
    shop.pass_s(10)
    shop.tombstone(at=2)
    shop.event(stock=4, location="Berlin", at=1)
    assert shop.last.status is Status.UNMANAGED

    shop.event(stock=5, location="Bremen", at=3)

    assert wanted(shop) == 5


def test_a_late_tombstone_after_a_sent_total_is_followed_by_the_remaining_total() -> None:
    shop = shop_of()
    shop.pass_s(10)
    shop.event(stock=4, location="Berlin", at=1)
    shop.event(stock=5, location="Bremen", at=3)
    under_way = shop.want("update:de")
    assert wanted(shop) == 9
    shop.tombstone(at=2)

    answer(shop, under_way, 9)

    assert wanted(shop) == 5
    shop.accept()
    assert stock_of(shop).sent == Decimal(5)


# ---- read again -----------------------------------------------------------------------------------------------------


def test_a_replayed_total_is_unchanged_and_nothing_is_written() -> None:
    shop = shop_of()
    read = [shop.make(stock=n, location=where, at=at) for n, where, at in ((4, "Berlin", 5), (3, "Bremen", 1))]
    for event in read:
        shop.hear(Arrived(lane=event.key, event=event))
    shop.accept()
    held = shop.lane.locations

    for event in read:
        shop.hear(Arrived(lane=event.key, event=event))
        assert (shop.last.status, shop.wants) == (Status.UNCHANGED, ())

    assert shop.lane.locations == held


def test_a_replay_leaves_values_written_by_others() -> None:
    shop = shop_of()
    read = [shop.make(stock=n, location=where, at=at) for n, where, at in ((4, "Berlin", 5), (3, "Bremen", 1))]
    for event in read:
        shop.hear(Arrived(lane=EAN, event=event))
        shop.accept()
    seen_of_another(shop, 2)

    for event in read:
        shop.hear(Arrived(lane=EAN, event=event))
        assert (shop.last.status, shop.wants) == (Status.UNCHANGED, ())


def test_a_rejected_location_counts_when_it_is_replayed_after_the_switch() -> None:
    shop = shop_of(OfferPolicy())
    refused = [shop.make(stock=n, location="Berlin", at=at) for n, at in ((4, 1), (6, 2))]
    for event in refused:
        shop.hear(Arrived(lane=event.key, event=event))
    reconfigured(shop, SUM)
    shop.event(stock=5, location="Bremen", at=3)
    shop.accept()

    shop.hear(Arrived(lane=EAN, event=refused[0]))
    assert wanted(shop) == 9
    shop.hear(Arrived(lane=EAN, event=refused[1]))
    assert wanted(shop) == 11
    shop.accept()

    assert shop.last.status is Status.APPLIED


def test_a_return_to_an_earlier_total_in_a_replay_is_written_too() -> None:
    shop = shop_of(OfferPolicy())
    refused = [shop.make(stock=n, location="Berlin", at=at) for n, at in ((4, 1), (0, 2))]
    for event in refused:
        shop.hear(Arrived(lane=EAN, event=event))
    reconfigured(shop, SUM)
    shop.event(stock=5, location="Bremen", at=3)
    shop.accept()
    shop.hear(Arrived(lane=EAN, event=refused[0]))

    shop.hear(Arrived(lane=EAN, event=refused[1]))

    assert wanted(shop) == 5


def test_the_location_of_a_replayed_event_is_remembered_even_if_it_ends_at_once() -> None:
    shop = shop_of(OfferPolicy())
    refused = shop.make(stock=1, location="Berlin", at=1)
    shop.hear(Arrived(lane=EAN, event=refused))
    reconfigured(shop, TOP)
    shop.event(stock=99_999, location="Bremen", at=2)
    shop.accept()
    shop.hear(Arrived(lane=EAN, event=refused))
    assert stock_of(shop).code == Code.STOCK_OUT_OF_RANGE

    shop.event(stock=10, location="Bremen", at=3)

    assert wanted(shop) == 11


def test_the_locations_survive_storing_and_loading() -> None:
    terms = OfferTerms(
        policy=SUM, routing=Routing.of((DE,)), reference=REFERENCE, cluster_id=CLUSTER, topic=TOPICS.offer_changes
    )
    shop = shop_of()
    shop.event(stock=4, location="Berlin", at=1, sequence=8)
    shop.event(stock=5, location="Bremen", at=2, offer_id="a", unit_id=7)
    shop.event(stock=6, condition="USED_GOOD")

    again = state_mapping.from_state(shop.ean, state_mapping.to_state(shop.lane, terms), terms)

    assert len(again.locations) == 3
    assert again.locations == shop.lane.locations


# ---- any history ----------------------------------------------------------------------------------------------------


@st.composite
def stocks(draw: st.DrawFn) -> list[dict[str, Any]]:
    return draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "stock": st.integers(0, 3),
                    "location": st.sampled_from(["Berlin", "Bremen", "Bonn", "Berlin", "Bremen", None]),
                    "at": st.integers(0, 4),
                    "sequence": st.none() | st.integers(0, 1),
                }
            ),
            min_size=1,
            max_size=8,
        )
    )


STEPS = st.lists(
    st.sampled_from(["read", "read", "send", "answer", "lose", "keep", "crash", "crash after", "again"]), max_size=40
)


def order(event: OfferChanged) -> tuple[int, float, int]:
    return (event.occurred_at_us, -1 if event.sequence is None else event.sequence, event.offset)


def expected(read: Sequence[OfferChanged]) -> int:
    """Returns the total of these events, computed from the definition."""
    newest: dict[str | None, OfferChanged] = {}
    for event in sorted(read, key=order):
        newest[event.location] = event
    whole = newest.pop(None, None)
    located = [e for e in newest.values() if whole is None or order(e) > order(whole)]
    counting = located if located or whole is None else [whole]
    return sum(event.stock or 0 for event in counting)


@dataclass
class LocationHistory:
    """A history of one lane with one call in flight.

    ``keep`` makes the lane durable. After a crash, everything that had been read is read again before anything is sent.
    """

    events: list[OfferChanged]
    shop: OfferHarness
    held: int = 99
    position: int = 0
    in_flight: Want | None = None
    kept: tuple[Any, int] = field(init=False)

    def __post_init__(self) -> None:
        self.keep()

    def read(self) -> None:
        if self.position < len(self.events):
            self.hear(self.events[self.position])
            self.position += 1

    def hear(self, event: OfferChanged) -> None:
        self.shop.hear(Arrived(lane=event.key, event=event))

    def send(self) -> None:
        updates = [want for want in self.shop.wants if want.kind == "update:de"]
        if updates and self.in_flight is None:
            [self.in_flight] = updates
            assert wanted(self.shop) == expected(self.events[: self.position])

    def answer(self, *, lost: bool = False) -> None:
        if (want := self.in_flight) is None:
            return
        self.in_flight, self.held = None, want.body.values[Field.STOCK]
        if lost:
            self.shop.reply(want, Lost(reason="no answer"))
        else:
            answer(self.shop, want, self.held)

    def keep(self) -> None:
        self.kept = (self.shop.flow.store(self.shop.lane).value, self.position)

    def crash(self, *, carried_out: bool) -> None:
        """Restarts from the durable lane; ``carried_out``: the call in flight was executed."""
        if self.in_flight is not None and carried_out:
            self.held = self.in_flight.body.values[Field.STOCK]
        read, self.in_flight, self.shop.wants = self.position, None, ()
        stored, self.position = self.kept
        self.shop.lane = self.shop.flow.load(self.shop.ean, stored)
        self.shop.hear(Woken())
        while self.position < read:
            self.read()

    def again(self) -> None:
        """Reads all events so far again."""
        for event in self.events[: self.position]:
            self.hear(event)

    def step(self, name: str) -> None:
        match name:
            case "lose":
                self.answer(lost=True)
            case "crash" | "crash after":
                self.crash(carried_out=name == "crash after")
            case _:
                getattr(self, name)()

    def finish(self) -> None:
        """Reads the remaining events and answers calls until nothing is wanted; fails if that never happens."""
        while self.position < len(self.events):
            self.read()
        for _ in range(10):
            self.answer()
            self.shop.pass_s(10)
            if "lookup:de" in self.shop.kinds:
                self.shop.found(unit(7, price=1000, stock=self.held))
            self.send()
            if self.in_flight is None and not self.shop.wants:
                return
        raise AssertionError("it never comes to an end")


@settings(max_examples=examples(300), deadline=None)
@given(stocks(), STEPS)
def test_any_history_ends_with_the_total_of_the_newest_stocks(said: list[dict[str, Any]], steps: list[str]) -> None:
    shop = shop_of()
    history = LocationHistory([shop.make(**{**one, "at": float(one["at"])}) for one in said], shop)

    for name in steps:
        history.step(name)
    history.finish()

    assert history.held == expected(history.events)
    assert shop.lane.entries == ()
    writes = shop.calls
    history.again()
    assert (shop.wants, shop.calls) == ((), writes)
    assert {result.status for result in shop.results[-len(said) :]} <= {Status.UNCHANGED, Status.SUPERSEDED}
