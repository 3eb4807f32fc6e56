"""The catalogue and its generator."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.offers.catalogue import (
    Catalogue,
    CataloguePlan,
    Product,
    SimulatedUnit,
    check_digit,
    ean_13,
    iso,
    make,
    state,
)

PLAN = CataloguePlan(
    seed=7, eans=400, storefronts=("de", "at"), conditions=("NEW", "USED___GOOD"), missing=0.1, ambiguous=0.1
)


def catalogue_of(plan: CataloguePlan) -> Catalogue:
    catalogue = Catalogue()
    catalogue.add_stock(make(plan, "demo"))
    return catalogue


def test_the_same_plan_makes_the_same_catalogue() -> None:
    assert state(catalogue_of(PLAN)) == state(catalogue_of(PLAN))


def test_another_seed_makes_another_catalogue() -> None:
    other = CataloguePlan(**{name: getattr(PLAN, name) for name in PLAN.__slots__} | {"seed": 8})

    assert state(catalogue_of(other)) != state(catalogue_of(PLAN))


def test_a_larger_catalogue_holds_the_smaller_one_unchanged() -> None:
    larger = CataloguePlan(**{name: getattr(PLAN, name) for name in PLAN.__slots__} | {"eans": 800})

    assert state(catalogue_of(larger)).items() >= state(catalogue_of(PLAN)).items()


def test_missing_eans_are_products_without_units() -> None:
    stock, catalogue = make(PLAN, "demo"), catalogue_of(PLAN)

    assert 20 < len(stock.missing_eans) < 80
    for ean in stock.missing_eans:
        assert catalogue.product(ean) is not None
        assert catalogue.units_of_ean("demo", "de", ean) == []


def test_ambiguous_eans_have_two_units_of_one_condition_on_each_storefront() -> None:
    stock, catalogue = make(PLAN, "demo"), catalogue_of(PLAN)

    assert stock.ambiguous_eans
    for ean in stock.eans:
        new = [unit for unit in catalogue.units_of_ean("demo", "de", ean) if unit.condition == "NEW"]
        assert len(new) == (2 if ean in stock.ambiguous_eans else 1)
        assert len({unit.id_offer for unit in new}) == len(new)


def test_about_the_planned_share_of_eans_is_linked_over_storefronts() -> None:
    catalogue = catalogue_of(PLAN)
    offers = Counter(unit.id_offer for unit in catalogue if unit.condition == "NEW")

    linked = [offer for offer, count in offers.items() if count == 2]

    assert 100 < len(linked) < 260
    for offer in linked:
        twins = catalogue.linked("demo", offer or "")
        assert {twin.storefront for twin in twins} == {"de", "at"}
        assert len({(twin.amount, twin.id_warehouse, twin.product.id) for twin in twins}) == 1


def test_sellers_never_share_a_unit_id() -> None:
    catalogue = Catalogue()
    catalogue.add_stock(make(PLAN, "one"))

    catalogue.add_stock(make(PLAN, "two", first=PLAN.eans))  # raises if an id is taken

    assert {unit.seller for unit in catalogue} == {"one", "two"}


@given(st.integers(0, 10**9 - 1))
def test_every_ean_has_thirteen_digits_and_a_right_check_digit(number: int) -> None:
    ean = ean_13(number)

    assert len(ean) == 13
    weights = (1, 3) * 6 + (1,)
    assert sum(int(digit) * weight for digit, weight in zip(ean, weights, strict=True)) % 10 == 0


def test_the_check_digit_is_that_of_a_known_ean() -> None:
    assert check_digit("400638133393") == "1"


def test_an_ean_is_found_with_and_without_leading_zeros() -> None:
    catalogue = Catalogue()
    catalogue.add(a_unit(eans=("194252013212", "0194252012925")))

    for ean in ("0194252013212", "194252013212", "00194252013212", "0194252012925"):
        assert len(catalogue.units_of_ean("demo", "de", ean)) == 1


def test_a_removed_unit_is_found_nowhere() -> None:
    catalogue = Catalogue()
    unit = a_unit(eans=("9520000000004",))
    catalogue.add(unit)

    catalogue.remove(unit)

    assert catalogue.unit(unit.id) is None
    assert list(catalogue.units("demo", "de")) == []
    assert catalogue.units_of_ean("demo", "de", "9520000000004") == []
    assert catalogue.linked("demo", "offer") == []


def test_a_unit_id_is_given_once() -> None:
    catalogue = Catalogue()
    catalogue.add(a_unit(eans=("9520000000004",)))

    with pytest.raises(ValueError, match="unit 1 is there already"):
        catalogue.add(a_unit(eans=("9520000000011",)))


def test_moments_are_written_with_milliseconds_and_never_rounded_up() -> None:
    assert iso(1_760_000_000_999_999) == "2025-10-09T08:53:20.999Z"


def a_unit(*, eans: tuple[str, ...]) -> SimulatedUnit:
    return SimulatedUnit(
        id=1,
        seller="demo",
        product=Product(id=1, eans=eans, title="Example"),
        storefront="de",
        condition="NEW",
        id_offer="offer",
        listing_price=100,
        amount=1,
        handling_time=1,
    )
