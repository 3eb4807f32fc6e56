"""What the marketplace shows, compared with what a dry run decided."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from connector.offers.events import OfferResult
from connector.operations.shadow.comparing import ComparedOffer, ObservedUnits, ShadowOutcome, compare
from connector.operations.shadow.decisions import Decisions
from connector.operations.shadow.report import ShadowReport, document
from connector.reconciliation.events import UnitObserved
from connector.routing.table import Routing, Target
from tests.harness.offer_rows import BASE_US, EAN, MINUTE_US, UNIT, field_result, result

OTHER = "4006381333948"
SETTLE_US = 60_000_000
DE = Target(id="shop-de", account="demo", storefront="de", currency="EUR")
ROUTING = Routing.of([DE, Target(id="shop-at", account="demo", storefront="at", currency="EUR")])


def decided(offset: int = 1, *, status: str = "DRY_RUN", **wanted: str) -> OfferResult:
    """Returns the result of an event whose values would have been sent, decided one second after it was received."""
    return result(offset, status, *(field_result(name, "DRY_RUN", value, sent=value) for name, value in wanted.items()))


def seen(at_min: float = 10, **more: Any) -> UnitObserved:
    """Returns what a sweep saw with a call sent so many minutes after BASE_US."""
    at_us = BASE_US + int(at_min * MINUTE_US)
    given: Mapping[str, Any] = {
        "ean": EAN,
        "account": "demo",
        "storefront": "de",
        "unit_id": UNIT,
        "condition": "NEW",
        "is_live": True,
        "price": Decimal("19.9900"),
        "currency": "EUR",
        "stock": 5,
        "handling_time_days": 2,
        "requested_at_us": at_us,
        "observed_at_us": at_us + 1,
        "sweep_at_us": at_us,
        **more,
    }
    return UnitObserved(**given)


def compared(results: Iterable[OfferResult], rows: Iterable[UnitObserved]) -> list[ComparedOffer]:
    decisions, units = Decisions(), ObservedUnits()
    for one in results:
        decisions.take(one)
    for row in rows:
        units.take(row)
    return list(compare(decisions.offers(), units, ROUTING, SETTLE_US))


def only(results: Iterable[OfferResult], rows: Iterable[UnitObserved]) -> ComparedOffer:
    (found,) = compared(results, rows)
    return found


def test_an_offer_agrees_if_every_value_is_the_wanted_one() -> None:
    found = only([decided(price="19.99", stock="5", handling_time="2")], [seen()])

    assert found.outcome is ShadowOutcome.AGREES
    assert [one.outcome for one in found.findings] == [ShadowOutcome.AGREES] * 3


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"price": Decimal("19.98")}, ShadowOutcome.PRICE_DIFFERS),
        ({"stock": 4}, ShadowOutcome.STOCK_LOWER),
        ({"stock": 6}, ShadowOutcome.STOCK_HIGHER),
        ({"handling_time_days": 3}, ShadowOutcome.HANDLING_TIME_DIFFERS),
        ({"currency": "CZK"}, ShadowOutcome.AGREES),
        ({"fulfilled_by_marketplace": True, "stock": 1}, ShadowOutcome.AGREES),
    ],
)
def test_a_difference_names_its_kind_and_what_cannot_be_compared_is_none(
    row: dict[str, Any], kind: ShadowOutcome
) -> None:
    assert only([decided(price="19.99", stock="5", handling_time="2")], [seen(**row)]).outcome is kind


@pytest.mark.parametrize(("late_s", "is_compared"), [(-30, False), (0, False), (60, False), (60.1, True)])
def test_a_value_observed_before_it_was_decided_or_soon_after_is_not_comparable_yet(
    late_s: float, *, is_compared: bool
) -> None:
    event = decided(price="17.99")
    requested_us = event.decided_at_us + int(late_s * 1e6)

    found = only([event], [seen(requested_at_us=requested_us)])

    assert found.outcome is (ShadowOutcome.PRICE_DIFFERS if is_compared else ShadowOutcome.NOT_YET)


def test_a_value_that_differs_counts_although_another_one_is_not_comparable_yet() -> None:
    early, late = decided(1, price="17.99"), decided(9, stock="5")

    assert only([early, late], [seen()]).outcome is ShadowOutcome.PRICE_DIFFERS
    assert only([decided(1, price="19.99"), late], [seen(9.5)]).outcome is ShadowOutcome.NOT_YET


def test_the_newest_decision_counts_and_overtaken_events_do_not() -> None:
    late = result(3, "SUPERSEDED", field_result("price", "SUPERSEDED", "1.00"))

    assert only([decided(1, price="17.99"), decided(2, price="19.99"), late], [seen()]).outcome is ShadowOutcome.AGREES


SHARED = "SKU-1"
"""The offer id of units on several storefronts, which share their stock."""


def on_at(offset: int, status: str, stock: str, **more: Any) -> OfferResult:
    """Returns a result for the unit on at with the same offer id."""
    sent = {"sent": stock} if status == "DRY_RUN" else {}
    row = result(offset, status, field_result("stock", status, stock, **sent))
    return replace(row, target_id="shop-at", unit_id=UNIT + 1, **more)


def both(stock: int = 5) -> list[UnitObserved]:
    """Returns what a sweep saw of the units on de and at."""
    return [
        seen(offer_id=SHARED, stock=stock),
        seen(offer_id=SHARED, stock=stock, storefront="at", unit_id=UNIT + 1),
    ]


def test_a_stock_that_another_storefront_has_replaced_is_compared_with_that_ones() -> None:
    found = compared([on_at(1, "SUPERSEDED", "3"), decided(2, stock="5")], both())

    assert [(one.target_id, one.outcome) for one in found] == [
        ("shop-at", ShadowOutcome.AGREES),
        ("shop-de", ShadowOutcome.AGREES),
    ]
    assert [one.findings[0].event_id for one in found] == ["2", "2"]
    differing = compared([on_at(1, "SUPERSEDED", "3"), decided(2, stock="5")], both(stock=3))
    assert [one.outcome for one in differing] == [ShadowOutcome.STOCK_LOWER] * 2


@pytest.mark.parametrize("newest_is_at", [False, True])
def test_of_units_that_share_their_stock_the_newest_one_is_wanted_of_all(*, newest_is_at: bool) -> None:
    results = (
        [decided(1, stock="4"), on_at(2, "DRY_RUN", "5")]
        if newest_is_at
        else [on_at(1, "DRY_RUN", "4"), decided(2, stock="5")]
    )

    assert {one.outcome for one in compared(results, both())} == {ShadowOutcome.AGREES}
    apart = [replace(row, offer_id=f"SKU-{number}") for number, row in enumerate(both())]
    assert sorted(one.outcome for one in compared(results, apart)) == [ShadowOutcome.AGREES, ShadowOutcome.STOCK_HIGHER]


def test_a_stock_that_is_kept_back_is_not_compared_although_another_storefront_shares_it() -> None:
    held = on_at(2, "HELD", "3")

    found = compared([on_at(1, "DRY_RUN", "4"), decided(1, stock="5"), held], both())

    assert {one.target_id: one.outcome for one in found} == {
        "shop-at": ShadowOutcome.NOT_COMPARED,
        "shop-de": ShadowOutcome.AGREES,
    }


def test_an_offer_whose_only_event_was_overtaken_has_an_event() -> None:
    found = compared([on_at(1, "SUPERSEDED", "3")], both())

    assert {one.target_id: one.outcome for one in found} == {
        "shop-at": ShadowOutcome.NOT_COMPARED,
        "shop-de": ShadowOutcome.NO_EVENT,
    }


def test_a_value_that_is_unchanged_is_wanted_as_it_was_found() -> None:
    event = result(1, "UNCHANGED", field_result("stock", "UNCHANGED", "7", before="5"))

    assert only([event], [seen()]).outcome is ShadowOutcome.AGREES
    assert only([event], [seen(stock=7)]).outcome is ShadowOutcome.STOCK_HIGHER


@pytest.mark.parametrize("status", ["REJECTED", "SUPPRESSED", "HELD"])
def test_a_value_that_is_kept_back_replaces_what_was_wanted_before_and_is_not_compared(status: str) -> None:
    newer = result(2, status, field_result("price", status, "1.00"), code="PRICE_INVALID")

    unknown = replace(newer, unit_id=None)  # an event that is rejected is not looked up

    for one in (newer, unknown):
        assert only([decided(1, price="19.99"), one], [seen()]).outcome is ShadowOutcome.NOT_COMPARED
        assert only([decided(1, price="19.99", stock="5"), one], [seen()]).outcome is ShadowOutcome.AGREES


@pytest.mark.parametrize("status", ["NOT_FOUND", "AMBIGUOUS", "CONFLICT"])
def test_an_offer_that_we_do_not_identify_differs_if_it_is_live_there(status: str) -> None:
    event = result(1, status, field_result("price", status, "1.00"), unit_id=None)

    assert only([event], [seen()]).outcome is ShadowOutcome.NOT_IDENTIFIED
    assert only([event], [seen(1.5)]).outcome is ShadowOutcome.NOT_YET
    assert only([event], [seen(is_live=False)]).outcome is ShadowOutcome.NOT_COMPARED
    assert only([event], [seen(ean=OTHER, other_eans=(EAN,))]).outcome is ShadowOutcome.NOT_IDENTIFIED
    assert only([event], []).outcome is ShadowOutcome.NOT_COMPARED


def test_an_offer_that_is_found_later_is_one_offer() -> None:
    missing = result(1, "NOT_FOUND", field_result("price", "NOT_FOUND", "1.00"), unit_id=None)

    assert only([missing, decided(2, price="19.99")], [seen()]).outcome is ShadowOutcome.AGREES
    assert only([decided(1, price="19.99"), replace(missing, input_offset=2)], []).unit_id is None


def test_a_unit_that_no_event_means_is_named_but_not_counted_as_an_offer() -> None:
    found = compared(
        [decided(price="19.99")],
        [seen(), seen(unit_id=7, ean=OTHER), seen(unit_id=8, ean=OTHER, is_live=False), seen(account="x", unit_id=9)],
    )

    assert [(one.unit_id, one.outcome) for one in found] == [
        (UNIT, ShadowOutcome.AGREES),
        (7, ShadowOutcome.NO_EVENT),
    ]


def test_a_unit_of_an_ean_that_may_be_meant_has_an_event() -> None:
    event = result(1, "AMBIGUOUS", field_result("price", "AMBIGUOUS", "1.00"), unit_id=None)

    assert [one.outcome for one in compared([event], [seen(unit_id=7), seen(unit_id=8)])] == [
        ShadowOutcome.NOT_IDENTIFIED
    ]


def test_a_unit_is_not_listed_if_a_finished_sweep_that_began_later_does_not_show_it() -> None:
    event, others = decided(price="19.99"), [seen(at, unit_id=7, ean=OTHER, is_live=False) for at in (5, 15)]

    assert only([event], others[:1]).outcome is ShadowOutcome.NOT_YET  # this sweep may be running
    assert only([event], others).outcome is ShadowOutcome.NOT_LISTED
    assert only([event], [seen(2, price=Decimal(1)), *others]).outcome is ShadowOutcome.NOT_LISTED
    assert only([decided(8, price="19.99")], others).outcome is ShadowOutcome.NOT_YET
    assert only([event], [seen(5), *others]).outcome is ShadowOutcome.AGREES


def test_a_tombstone_ends_the_offers_of_its_ean() -> None:
    gone = result(2, "UNMANAGED", target_id=None, condition=None, unit_id=None)

    assert [one.outcome for one in compared([decided(price="1.00"), gone], [seen()])] == [ShadowOutcome.NO_EVENT]


def test_the_report_counts_offers_differences_and_failures_and_keeps_the_worst_examples() -> None:
    report = ShadowReport(60)
    rows = [seen(unit_id=number, ean=f"{number}", price=Decimal("20.00")) for number in range(1, 6)]
    events = [
        replace(decided(number, price=price), ean=f"{number}", unit_id=number)
        for number, price in enumerate(["20.00", "10.00", "19.00", "40.00"], 1)
    ]
    refused = result(5, "REJECTED", field_result("price", "REJECTED", "0.00"), code="PRICE_INVALID", unit_id=None)
    for one in compared([*events, refused], rows):
        report.add(one)

    said = document(report)

    assert (said["offers"], said["compared"], said["agree"], said["differ"]) == (5, 4, 1, 3)
    assert (said["share_agree"], said["failure_rate"], said["failures"]) == (0.25, 0.2, {"PRICE_INVALID": 1})
    assert said["differences"]["PRICE_DIFFERS"]["count"] == 3
    assert [one["unit_id"] for one in said["differences"]["PRICE_DIFFERS"]["worst"]] == ["2", "4"]
    assert said["differences"]["NO_EVENT"]["count"] == 1


@pytest.mark.parametrize(
    ("ends", "has_failed"),
    [(("SUPERSEDED", "REJECTED"), True), (("DRY_RUN", "FAILED"), True), (("SUPERSEDED", "DRY_RUN"), False)],
)
def test_an_event_of_which_a_field_cannot_be_sent_has_failed_whatever_the_others_are(
    ends: tuple[str, str], *, has_failed: bool
) -> None:
    fields = [field_result(name, end, "1") for name, end in zip(("price", "stock"), ends, strict=True)]

    assert only([result(1, "PARTIAL", *fields)], [seen()]).has_failed is has_failed


def test_an_event_that_can_be_sent_ends_the_failure_of_the_one_before() -> None:
    refused = result(1, "REJECTED", field_result("price", "REJECTED", "1"))

    assert only([refused], [seen()]).has_failed
    assert not only([refused, decided(2, price="19.99")], [seen()]).has_failed
