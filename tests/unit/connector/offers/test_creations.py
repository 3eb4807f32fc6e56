"""Units are created and deleted only where event, switch and list say so, and never twice."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.contracts.capabilities import Capability
from connector.contracts.codes import Code
from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.controls.in_force import CommandsInForce, FixedCommands
from connector.marketplace.offers import Accepted, Condition, CreateUnit, DeleteUnit, Field, Gone, Refused
from connector.offers.events import FieldStatus, Origin, Status
from connector.offers.policy import NewUnitRule, NewUnitRules, OfferPolicy
from connector.routing.table import Target
from streams.flow import Draining, GaveUp, Lost, Restored, Settled, Want
from tests.harness.effort import examples
from tests.harness.offer_harness import AT, DE, EAN, OTHER_EAN, START_US, OfferHarness, flow_of, unit

BOTH = frozenset(Capability)
ON = replace(DE, capabilities=BOTH, create_eans=frozenset({EAN}))
ON_AT = replace(AT, capabilities=BOTH, create_eans=None)
POLICY = OfferPolicy(
    new_units={
        "shop-de": NewUnitRules(
            rule=NewUnitRule(shipping_group=4, warehouse=2, vat_indicator="standard_rate", note="new"),
            overrides=(({"category": "books"}, NewUnitRule(vat_indicator="reduced_rate_1", handling_time_days=1)),),
        )
    }
)
WANTED: Mapping[str, Any] = {
    "price": "12.34",
    "stock": 5,
    "handling_time_days": 2,
    "offer_id": "mine-1",
    "listing": "CREATE",
}
GRACE_S = 60.0
SETTLE_S = 900.0


def shop(*targets: Target, policy: OfferPolicy = POLICY, **more: Any) -> OfferHarness:
    return OfferHarness(flow_of(*(targets or (ON,)), policy=policy, **more))


def missing(harness: OfferHarness, **said: Any) -> str:
    """Delivers an event whose offer two look-ups do not show; returns its result id."""
    result = harness.event(**{**WANTED, **said})
    look_for_good(harness)
    return result


def look_for_good(harness: OfferHarness) -> None:
    harness.found()
    harness.pass_s(GRACE_S)
    harness.found()


def created(harness: OfferHarness, unit_id: int = 77, shows: Mapping[Field, int] | None = None) -> Want:
    """Answers the creation with the unit."""
    want = harness.want("create")
    body = want.body
    shown = replace(
        unit(unit_id, body.storefront, body.condition, body.offer_id), values={**body.values, **(shows or {})}
    )
    harness.reply(want, Settled(answer=Accepted(unit=shown, http_status=200)))
    return want


def refused(code: str, **more: Any) -> Settled:
    return Settled(answer=Refused(code=code, http_status=400, type=None, message="no", **more))


def test_a_missing_offer_is_created_with_all_that_the_event_and_the_target_say() -> None:
    harness = shop()

    missing(harness)
    want = created(harness)

    body = want.body
    assert isinstance(body, CreateUnit)
    assert (body.storefront, body.ean, body.condition, body.offer_id) == ("de", EAN, Condition.NEW, "mine-1")
    assert dict(body.values) == {Field.PRICE: 1234, Field.STOCK: 5, Field.HANDLING_TIME: 2}
    assert (body.shipping_group, body.warehouse, body.vat_indicator, body.note) == (4, 2, "standard_rate", "new")
    assert want.once
    [result] = harness.results
    assert (result.status, result.unit_id, result.code) == (Status.CREATED, 77, None)
    assert {one.field: one.status for one in result.fields} == dict.fromkeys(Field, FieldStatus.APPLIED)
    assert result.sent is not None
    assert result.sent.call_ids
    assert harness.not_found == {}


def test_attributes_choose_another_rule_and_its_handling_time_counts_where_the_event_has_none() -> None:
    harness = shop()

    missing(harness, attributes={"category": "books"}, handling_time_days=None)

    body = created(harness).body
    assert (body.vat_indicator, body.values[Field.HANDLING_TIME]) == ("reduced_rate_1", 1)
    assert harness.last.status is Status.CREATED
    harness.pass_s(2)
    harness.event(stock=4, offer_id="mine-1")
    assert dict(harness.want("update:de").body.values) == {Field.STOCK: 4}


@pytest.mark.parametrize(
    ("target", "said", "hint"),
    [
        (DE, {}, "offers.create is off for target shop-de"),
        (replace(DE, capabilities=frozenset({Capability.OFFERS_DELETE}), create_eans=None), {}, "offers.create is off"),
        (replace(ON, create_eans=frozenset({OTHER_EAN})), {}, "the EAN is not among those"),
        (replace(ON, create_eans=frozenset()), {}, "the EAN is not among those"),
        (ON, {"listing": None}, None),
        (ON, {"offer_id": None}, "must name an offer_id"),
        (ON, {"unit_id": 5}, "must name an offer_id, and no unit_id"),
        (ON, {"price": None}, "no pending event has price"),
        (ON, {"stock": None}, "no pending event has stock"),
        (ON, {"handling_time_days": None}, "no pending event has handling_time"),
        (replace(ON, price_sync=False), {}, "no pending event has price"),
    ],
)
def test_without_one_of_the_conditions_the_offer_is_not_found_as_ever(
    target: Target, said: dict[str, Any], hint: str | None
) -> None:
    harness = shop(target)

    missing(harness, **said)

    assert "create" not in harness.kinds
    assert (harness.last.status, harness.last.code) == (Status.NOT_FOUND, Code.OFFER_NOT_FOUND)
    [row] = harness.not_found.values()
    assert row is not None
    assert (row.hint is None) if hint is None else (hint in (row.hint or ""))


def test_no_event_switches_a_capability_on() -> None:
    harness = shop(DE, policy=OfferPolicy())

    missing(harness, attributes={"capabilities": "offers.create", "offers.create": "true", "listing": "CREATE"})
    harness.event(stock=0, listing="DELETE", offer_id="mine-1")
    harness.pass_s(7 * 86_400)

    assert not {"create", "delete"} & set(harness.kinds)


def test_an_unknown_listing_is_rejected_and_so_is_a_deletion_with_anything_else_than_stock_0() -> None:
    harness = shop()

    harness.event(**{**WANTED, "listing": "create"})
    assert (harness.last.status, harness.last.code) == (Status.REJECTED, Code.LISTING_UNKNOWN)
    for said in ({"stock": 1}, {"stock": 0, "price": "1.00"}, {"price": "1.00"}, {"stock": 0, "handling_time_days": 1}):
        harness.event(listing="DELETE", **said)
        assert (harness.last.status, harness.last.code) == (Status.REJECTED, Code.DELETE_WITHOUT_ZERO)


def test_the_newest_values_of_all_pending_events_are_created_and_each_event_has_its_result() -> None:
    harness = shop()
    first = harness.event(**WANTED)
    harness.pass_s(1)
    second = harness.event(stock=9, offer_id="mine-1")
    look_for_good(harness)

    want = created(harness)

    assert dict(want.body.values) == {Field.PRICE: 1234, Field.STOCK: 9, Field.HANDLING_TIME: 2}
    by_id = {one.result_id: one for one in harness.results}
    assert (by_id[first].status, by_id[first].unit_id) == (Status.PARTIAL, 77)
    assert {one.field: one.status for one in by_id[first].fields}[Field.STOCK] is FieldStatus.SUPERSEDED
    assert by_id[second].status is Status.CREATED


def test_a_newer_event_without_a_listing_keeps_the_wish_of_the_one_that_it_replaces() -> None:
    harness = shop()
    harness.event(**WANTED)
    harness.pass_s(1)
    newer = harness.event(**{**WANTED, "stock": 8, "listing": None})
    look_for_good(harness)

    created(harness)

    by_id = {one.result_id: one for one in harness.results}
    assert by_id[newer].status is Status.CREATED
    assert sorted(one.status for one in harness.results) == [Status.CREATED, Status.SUPERSEDED]


def test_a_product_that_the_catalogue_lacks_is_told_and_tried_again_at_each_look_up() -> None:
    harness = shop()
    missing(harness)

    harness.reply(harness.want("create"), refused(Code.PRODUCT_NOT_IN_CATALOGUE))

    assert (harness.last.status, harness.last.code) == (Status.NOT_FOUND, Code.PRODUCT_NOT_IN_CATALOGUE)
    [row] = harness.not_found.values()
    assert row is not None
    assert row.code == Code.PRODUCT_NOT_IN_CATALOGUE
    assert "create" not in harness.kinds
    harness.pass_s(GRACE_S)
    harness.found()
    created(harness)
    assert (harness.last.status, harness.last.origin) == (Status.CREATED, Origin.RECHECK)
    assert list(harness.not_found.values()) == [None]


def test_any_other_refusal_ends_the_event_with_the_marketplaces_words() -> None:
    for code, expected in (
        (Code.OFFER_ID_TAKEN, Code.OFFER_ID_TAKEN),
        (Code.MARKETPLACE_REFUSED, Code.CREATION_REFUSED),
    ):
        harness = shop()
        missing(harness)

        harness.reply(harness.want("create"), refused(code))

        assert (harness.last.status, harness.last.code) == (Status.REJECTED, expected)
        assert harness.last.problem is not None
        assert harness.last.problem.marketplace_message == "no"
        assert harness.wants == ()


def test_a_lost_answer_is_settled_by_a_look_up_that_shows_the_unit() -> None:
    harness = shop()
    missing(harness)

    harness.reply(harness.want("create"), Lost(reason="no answer"))

    assert "create" not in harness.kinds
    assert harness.results == []
    harness.pass_s(8)
    harness.found(unit(77, offer_id="mine-1", price=1234, stock=5, days=2))
    assert (harness.last.status, harness.last.unit_id) == (Status.CREATED, 77)
    assert {one.status for one in harness.last.fields} == {FieldStatus.UNCHANGED}
    harness.pass_s(2 * SETTLE_S)
    assert "create" not in harness.kinds


def test_a_lost_creation_is_repeated_only_after_a_look_up_of_later_than_the_settling_time() -> None:
    harness = shop()
    missing(harness)
    harness.reply(harness.want("create"), Lost(reason="no answer"))
    lost_at_us = harness.now_us

    while "create" not in harness.kinds:
        assert harness.wake_at_us is not None or "lookup:de" in harness.kinds
        if "lookup:de" in harness.kinds:
            harness.found()
        else:
            harness.pass_s(5)
        assert harness.now_us < lost_at_us + 3 * SETTLE_S * 1_000_000

    assert harness.now_us >= lost_at_us + SETTLE_S * 1_000_000
    assert harness.results == []
    harness.reply(harness.want("create"), refused(Code.OFFER_ID_TAKEN))
    assert harness.results == [], "the unit of the lost call may be the one that has the offer id"
    assert "create" not in harness.kinds


def test_a_lost_creation_stays_unsettled_when_a_unit_of_another_condition_is_created() -> None:
    harness = shop()
    harness.event(**{**WANTED, "condition": "USED_GOOD", "offer_id": "used-1"})
    missing(harness)
    [used] = [want for want in harness.wants if want.body.condition == Condition.USED_GOOD]
    harness.reply(used, Lost(reason="no answer"))
    lost_at_us = harness.now_us

    created(harness)

    while "create" not in harness.kinds:
        if "lookup:de" in harness.kinds:
            harness.found()
        else:
            harness.pass_s(5)
        assert harness.now_us < lost_at_us + 3 * SETTLE_S * 1_000_000
    assert harness.want("create").body.condition == Condition.USED_GOOD
    assert harness.now_us >= lost_at_us + SETTLE_S * 1_000_000


def test_a_new_owner_does_not_repeat_an_announced_creation() -> None:
    harness = shop()
    missing(harness)
    slot = harness.want("create").slot
    other = OfferHarness(harness.flow, now_us=harness.now_us)
    other.lane = harness.lane

    other.hear(Restored(announced=frozenset({slot})))

    assert "create" not in other.kinds
    other.pass_s(8)
    other.found(unit(77, offer_id="mine-1", price=1234, stock=5, days=2))
    assert (other.last.status, other.last.unit_id) == (Status.CREATED, 77)


def test_a_new_owner_makes_a_creation_that_was_not_announced_and_none_leaves_while_the_partition_drains() -> None:
    harness = shop()
    missing(harness)

    harness.hear(Draining())
    assert "create" not in harness.kinds
    harness.hear(Restored())
    assert "create" in harness.kinds


def test_a_created_unit_counts_as_there_although_look_ups_do_not_show_it_yet() -> None:
    harness = shop()
    missing(harness)
    created(harness)
    harness.pass_s(GRACE_S)

    harness.found()
    harness.event(stock=4, offer_id="mine-1", listing="CREATE")

    assert dict(harness.want("update:de").body.values) == {Field.STOCK: 4}
    assert "create" not in harness.kinds
    harness.accept(offer_id="mine-1")
    assert (harness.last.status, harness.last.unit_id) == (Status.APPLIED, 77)


def test_a_created_unit_that_is_still_missing_after_the_settling_time_is_not_used_any_more() -> None:
    harness = shop()
    missing(harness)
    created(harness)
    harness.pass_s(SETTLE_S + 60)
    harness.event(stock=4, offer_id="mine-1", condition="USED_GOOD")

    harness.found()

    assert [one.proved_at_us for one in harness.lane.units if one.unit_id == 77] == [0]


def test_a_value_that_the_marketplace_changes_is_told() -> None:
    harness = shop()
    missing(harness)

    created(harness, shows={Field.STOCK: 3})

    [stock] = [one for one in harness.last.fields if one.field == Field.STOCK]
    assert (stock.status, stock.code) == (FieldStatus.REJECTED, Code.ACCEPTED_NOT_APPLIED)
    assert stock.accepted == Decimal(3)
    assert (harness.last.status, harness.last.unit_id) == (Status.PARTIAL, 77)


def test_a_stock_older_than_that_of_a_linked_unit_is_not_created() -> None:
    harness = shop(ON, ON_AT)
    harness.event(target_id="shop-at", stock=3, offer_id="mine-1", at=100)
    harness.found(unit(8, "at", offer_id="mine-1", stock=9), storefront="at")
    harness.found()
    harness.accept("at", offer_id="mine-1")
    harness.now_us += 200_000_000
    harness.event(**{**WANTED, "at": 50})
    while "create" not in harness.kinds:
        if "lookup:de" in harness.kinds:
            harness.found()
        else:
            harness.pass_s(5)

    body = created(harness).body

    assert body.values[Field.STOCK] == 3
    assert {one.field: one.status for one in harness.last.fields}[Field.STOCK] is FieldStatus.SUPERSEDED


def test_a_dry_run_says_what_would_be_created_and_makes_no_call() -> None:
    harness = shop(policy=replace(POLICY, dry_run=True))

    missing(harness)

    assert harness.wants == ()
    assert harness.last.status is Status.DRY_RUN
    assert {one.field: one.sent for one in harness.last.fields}[Field.STOCK] == 5


def test_a_hold_keeps_a_creation_back_until_it_is_released() -> None:
    command = ControlCommand(
        command_id="h1",
        kind=ControlKind.HOLD,
        state=ControlState.IN_FORCE,
        issued_by="anna",
        issued_at_us=1,
        reason="check",
        scope=CommandScope(fields=(Field.PRICE,)),
    )
    harness = shop(commands=FixedCommands(CommandsInForce(by_id={"h1": command}, holds=(command,))))

    missing(harness)

    assert "create" not in harness.kinds
    assert (harness.last.status, harness.last.unit_id, harness.last.held_by) == (Status.HELD, None, "h1")


def test_a_replay_of_a_creation_creates_nothing() -> None:
    harness = shop()
    missing(harness)
    created(harness)
    harness.event(stock=0, listing="DELETE", offer_id="mine-1")
    harness.accept(offer_id="mine-1")
    harness.reply(harness.want("delete"), Settled(answer=Accepted(unit=None, http_status=204)))

    harness.event(**{**WANTED, "offset": 0, "at": 0})
    look_for_good(harness)

    assert "create" not in harness.kinds
    assert harness.last.origin is Origin.REPLAY


# ---- deletions ------------------------------------------------------------------------------------------------------


def test_a_deletion_sets_the_stock_to_0_first_and_then_deletes_the_unit() -> None:
    harness = shop()
    harness.event(stock=0, listing="DELETE", offer_id="mine-1")
    harness.found(unit(7, offer_id="mine-1"))

    harness.accept(offer_id="mine-1")

    assert harness.results == []
    body = harness.want("delete").body
    assert isinstance(body, DeleteUnit)
    assert (body.storefront, body.unit_id) == ("de", 7)
    harness.reply(harness.want("delete"), Settled(answer=Accepted(unit=None, http_status=204)))
    assert (harness.last.status, harness.last.unit_id) == (Status.DELETED, 7)
    assert harness.wants == ()


def test_without_the_switch_a_deletion_is_a_stock_of_0() -> None:
    harness = shop(replace(ON, capabilities=frozenset({Capability.OFFERS_CREATE})))
    harness.event(stock=0, listing="DELETE", offer_id="mine-1")
    harness.found(unit(7, offer_id="mine-1"))

    harness.accept(offer_id="mine-1")

    assert harness.last.status is Status.APPLIED
    assert harness.wants == ()


def test_a_stock_of_0_without_the_word_deletes_nothing() -> None:
    harness = shop()
    harness.event(stock=0, offer_id="mine-1")
    harness.found(unit(7, offer_id="mine-1"))

    harness.accept(offer_id="mine-1")

    assert harness.last.status is Status.APPLIED
    assert harness.wants == ()


def test_a_deletion_of_a_unit_that_is_not_there_changes_nothing_and_ends_older_events_of_it() -> None:
    harness = shop()
    older = harness.event(**WANTED)
    harness.pass_s(1)
    newer = harness.event(stock=0, listing="DELETE", offer_id="mine-1")
    look_for_good(harness)

    by_id = {one.result_id: one for one in harness.results}
    assert (by_id[older].status, by_id[newer].status) == (Status.SUPERSEDED, Status.UNCHANGED)
    assert harness.wants == ()
    assert harness.lane.entries == ()


@pytest.mark.parametrize("said", [{"stock": 5}, {"stock": 0, "price": "9.99"}])
def test_a_newer_event_with_more_than_a_stock_of_0_keeps_the_unit_and_ends_as_what_it_is(said: dict[str, Any]) -> None:
    for shown, status in (([unit(7, offer_id="mine-1")], Status.APPLIED), ([], Status.NOT_FOUND)):
        harness = shop()
        older = harness.event(stock=0, listing="DELETE", offer_id="mine-1")
        harness.pass_s(1)
        newer = harness.event(**said, offer_id="mine-1")

        if shown:
            harness.found(*shown)
            harness.accept(offer_id="mine-1")
        else:
            look_for_good(harness)

        by_id = {one.result_id: one.status for one in harness.results}
        assert by_id == {older: Status.SUPERSEDED, newer: status}
        assert "delete" not in harness.kinds


def test_a_newer_stock_of_0_keeps_the_wish_to_delete() -> None:
    harness = shop()
    harness.event(stock=0, listing="DELETE", offer_id="mine-1")
    harness.pass_s(1)
    harness.event(stock=0, offer_id="mine-1")
    harness.found(unit(7, offer_id="mine-1"))

    harness.accept(offer_id="mine-1")

    assert "delete" in harness.kinds


@pytest.mark.parametrize("reply", [Lost(reason="no answer"), Settled(answer=Gone(http_status=404))])
def test_a_deletion_without_an_answer_is_settled_by_a_look_up(reply: Lost | Settled) -> None:
    harness = shop()
    harness.event(stock=0, listing="DELETE", offer_id="mine-1")
    harness.found(unit(7, offer_id="mine-1"))
    harness.accept(offer_id="mine-1")

    harness.reply(harness.want("delete"), reply)
    look_for_good(harness)

    assert harness.last.status is (Status.DELETED if isinstance(reply, Lost) else Status.UNCHANGED)
    assert harness.wants == ()


def test_a_refused_deletion_is_told_and_one_that_is_given_up_fails() -> None:
    for reply, status in ((refused(Code.MARKETPLACE_REFUSED), Status.REJECTED), (GaveUp(reason="503"), Status.FAILED)):
        harness = shop()
        harness.event(stock=0, listing="DELETE", offer_id="mine-1")
        harness.found(unit(7, offer_id="mine-1"))
        harness.accept(offer_id="mine-1")

        harness.reply(harness.want("delete"), reply)

        assert harness.last.status is status
        assert harness.wants == ()


# ---- any history ----------------------------------------------------------------------------------------------------

SAID = st.sampled_from(
    [
        dict(WANTED),
        {**WANTED, "listing": None},
        {"stock": 0, "offer_id": "mine-1"},
        {"stock": 0, "offer_id": "mine-1", "listing": "DELETE"},
        {"price": "9.99", "offer_id": "mine-1"},
        {"stock": 7, "offer_id": "mine-1", "listing": "CREATE"},
    ]
)
STEP = st.one_of(
    st.tuples(st.just("event"), SAID, st.integers(0, 3)),
    st.tuples(st.just("answer"), st.sampled_from(["done", "lost done", "lost undone"]), st.integers(0, 2)),
    st.tuples(st.just("answer"), st.just("done"), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([10, 61, 200, 950]), st.just(0)),
    st.tuples(st.just("crash"), st.booleans(), st.just(0)),
    st.tuples(st.just("replay"), st.just(None), st.integers(0, 5)),
)


class OneOffer:
    """One offer of the marketplace, with units that look-ups show only after a while."""

    def __init__(self, harness: OfferHarness) -> None:
        self.harness = harness
        self.there: dict[int, tuple[dict[Field, int], int]] = {}  # unit id -> values, and from when it is shown
        self.next_id = 100
        self.most = 0
        self.refused = 0
        self.heard: list[dict[str, Any]] = []

    def answer(self, want: Want, outcome: str) -> None:
        """Executes a call, or not, and answers it, or not."""
        body = want.body
        undone = outcome == "lost undone"
        if want.kind.startswith("lookup"):
            if not undone:
                shown = [
                    replace(unit(one, offer_id="mine-1"), values=values)
                    for one, (values, from_us) in self.there.items()
                    if from_us <= self.harness.now_us
                ]
                self.harness.found(*shown)
            return
        reply: Any = None if undone else self._execute(want, body)
        self.harness.reply(want, Lost(reason="lost") if outcome != "done" else reply)

    def _execute(self, want: Want, body: Any) -> Settled:
        if want.kind == "create":
            if self.there:
                self.refused += 1
                return refused(Code.OFFER_ID_TAKEN)
            self.next_id += 1
            self.there[self.next_id] = dict(body.values), self.harness.now_us + 300_000_000
            shown = replace(unit(self.next_id, offer_id=body.offer_id), values=dict(body.values))
            return Settled(answer=Accepted(unit=shown, http_status=200))
        if body.unit_id not in self.there:
            return Settled(answer=Gone(http_status=404))
        if want.kind == "delete":
            del self.there[body.unit_id]
            return Settled(answer=Accepted(unit=None, http_status=204))
        values, from_us = self.there[body.unit_id]
        self.there[body.unit_id] = {**values, **body.values}, from_us
        shown = replace(unit(body.unit_id, offer_id="mine-1"), values=self.there[body.unit_id][0])
        return Settled(answer=Accepted(unit=shown, http_status=200))

    def step(self, step: tuple[str, Any, int]) -> None:
        harness, (kind, what, number) = self.harness, step
        if kind == "event":
            self.heard.append({**what, "offset": harness.offset, "at": (harness.now_us - START_US) / 1e6})
            harness.event(**what)
        elif kind == "replay" and self.heard:
            harness.event(**self.heard[number % len(self.heard)])
        elif kind == "wait":
            harness.pass_s(what)
        elif kind == "answer" and harness.wants:
            self.answer(harness.wants[number % len(harness.wants)], what)
        elif kind == "crash":
            self._crash(announced=what)
        self.most = max(self.most, len(self.there))

    def _crash(self, *, announced: bool) -> None:
        """A new owner goes on; an announced creation may have been executed."""
        slots = frozenset(want.slot for want in self.harness.wants if want.once)
        if slots and announced and not self.there:
            [want] = [want for want in self.harness.wants if want.once]
            self._execute(want, want.body)
        self.harness.hear(Restored(announced=slots if announced else frozenset()))

    def settle(self) -> None:
        """Answers every call until nothing is wanted any more."""
        for _ in range(300):
            if self.harness.wants:
                self.answer(self.harness.wants[0], "done")
            elif self.harness.lane.entries:
                self.harness.pass_s(61)
            else:
                return
            self.most = max(self.most, len(self.there))


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(STEP, min_size=3, max_size=30))
def test_whatever_happens_there_is_never_a_second_unit_and_every_event_ends(steps: list[tuple[str, Any, int]]) -> None:
    harness = shop()
    market = OneOffer(harness)
    market.step(("event", WANTED, 0))
    look_for_good(harness)

    for step in steps:
        market.step(step)
    market.settle()

    assert market.most <= 1
    assert market.refused == 0, "the connector relied on the marketplace to refuse a second unit"
    waiting = {entry.result_id for entry in harness.lane.entries}
    assert all(entry.announced != "NONE" for entry in harness.lane.entries), harness.lane.entries
    ended = {one.result_id for one in harness.results if one.status is not Status.NOT_FOUND}
    assert len(ended | waiting) == len(market.heard)


def test_what_waits_for_its_listing_survives_storing_and_is_refused_by_versions_that_would_lose_it() -> None:
    harness = shop()
    missing(harness)

    stored = harness.flow.store(harness.lane)

    assert stored.undone
    assert stored.reader == 8
    assert harness.flow.load(EAN, stored.value) == harness.lane
