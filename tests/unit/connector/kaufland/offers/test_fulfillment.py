"""Look-ups of units that the merchant fulfils and, only if needed, of those that the marketplace fulfils."""

from dataclasses import replace

import pytest

from connector.kaufland.offers.fulfillment import FAULT_FOR_S, KNOWN_FOR_S, LookUpProgress, LookUpStep
from connector.kaufland.offers.look_up_pages import FRESH_S
from connector.marketplace.offers import Condition, Field, Unit
from tests.unit.connector.kaufland.wants import EAN, look_up

KEY = ("main", "de", EAN)
NEW = Unit(
    unit_id=1,
    storefront="de",
    condition=Condition.NEW,
    offer_id="sku-1",
    status="AVAILABLE",
    values={Field.STOCK: 3},
)
USED = replace(NEW, unit_id=2, condition=Condition.USED_GOOD, fulfilled_by_marketplace=True)


def test_a_condition_that_is_there_costs_one_call() -> None:
    ways = LookUpProgress()

    assert ways.next_step(KEY, 0.0) is LookUpStep.MERCHANT
    assert ways.first(KEY, look_up("NEW"), (NEW,), 0.0) == (NEW,)
    assert ways.next_step(KEY, 0.0) is LookUpStep.MERCHANT


@pytest.mark.parametrize(
    ("conditions", "units"), [(("NEW",), ()), ((), ()), (("USED_GOOD",), (NEW,)), (("NEW", "USED_GOOD"), (NEW,))]
)
def test_a_missing_condition_is_looked_up_in_the_other_fulfilment_type(
    conditions: tuple[str, ...], units: tuple[Unit, ...]
) -> None:
    ways = LookUpProgress()

    assert ways.first(KEY, look_up(*conditions), units, 0.0) is None
    assert ways.next_step(KEY, 1.0) is LookUpStep.ANY_OF_MARKETPLACE
    assert ways.probed(KEY, has_any=True, now_s=1.0) is None
    assert ways.next_step(KEY, 2.0) is LookUpStep.MARKETPLACE
    assert [unit.unit_id for unit in ways.whole(KEY, (USED,))] == [*(unit.unit_id for unit in units), 2]
    assert ways.next_step(KEY, 3.0) is LookUpStep.MERCHANT


def test_a_seller_without_such_units_costs_one_call_an_hour() -> None:
    ways = LookUpProgress()
    ways.first(KEY, look_up("NEW"), (), 0.0)

    assert ways.probed(KEY, has_any=False, now_s=0.0) == ()
    assert ways.first(KEY, look_up("NEW"), (), KNOWN_FOR_S) == ()
    assert ways.first(("main", "at", EAN), look_up("NEW"), (), 1.0) is None, "another storefront"
    assert ways.first(("other", "de", EAN), look_up("NEW"), (), 1.0) is None, "another account"
    assert ways.first(KEY, look_up("NEW"), (), KNOWN_FOR_S + 1) is None


def test_a_refused_look_up_of_the_other_type_is_not_repeated_for_a_while() -> None:
    ways = LookUpProgress()
    ways.first(KEY, look_up("USED_GOOD"), (NEW,), 0.0)

    assert ways.unanswered(KEY, 1.0, refused=True) == (NEW,)
    assert ways.first(KEY, look_up("USED_GOOD"), (NEW,), 2.0) == (NEW,)
    assert ways.first(KEY, look_up("USED_GOOD"), (NEW,), 1.0 + KNOWN_FOR_S) == (NEW,)


def test_after_a_failed_call_the_other_type_is_looked_up_again_within_minutes() -> None:
    ways = LookUpProgress()
    ways.first(KEY, look_up("USED_GOOD"), (NEW,), 0.0)

    assert ways.unanswered(KEY, 1.0, refused=False) == (NEW,)
    assert ways.first(KEY, look_up("USED_GOOD"), (NEW,), 2.0) == (NEW,)
    assert ways.first(KEY, look_up("USED_GOOD"), (NEW,), 2.0 + FAULT_FOR_S) is None


def test_a_unit_fulfilled_by_the_merchant_is_preferred() -> None:
    ways = LookUpProgress()
    ways.first(KEY, look_up("USED_GOOD"), (NEW,), 0.0)

    whole = ways.whole(KEY, (replace(USED, unit_id=3, condition=Condition.NEW), USED))

    assert [unit.unit_id for unit in whole] == [1, 2]
    assert whole[0].values == NEW.values


def test_an_unfinished_look_up_starts_over() -> None:
    ways = LookUpProgress()
    ways.first(KEY, look_up("NEW"), (), 0.0)

    assert ways.next_step(KEY, FRESH_S + 1) is LookUpStep.MERCHANT
