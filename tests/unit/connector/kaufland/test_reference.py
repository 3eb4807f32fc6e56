"""Reference data: the shipped table agrees with the API's document, and an invalid overlay is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.kaufland.reference import UnknownStorefront, load_reference
from connector.marketplace.offers import Condition

DATA = Path(__file__).parents[3] / "data/kaufland"
ROMANIA = {"storefronts": {"ro": {"currency": "RON"}}, "currencies": {"RON": {"exponent": 2, "ceiling": 500_000_000}}}


def enum_of(name: str) -> set[str]:
    schemas: dict[str, Any] = json.loads((DATA / "openapi.json").read_text())["components"]["schemas"]
    patch: dict[str, Any] = json.loads((DATA / "openapi-2.44.0.merge-patch.json").read_text())["components"]["schemas"]
    return set(patch.get(name, {}).get("enum") or schemas[name]["enum"])


def test_storefronts_currencies_and_conditions_are_those_of_the_api() -> None:
    table = load_reference()

    assert set(table.reference.storefronts) == enum_of("Storefront")
    assert {c.code for c in table.reference.storefronts.values()} == enum_of("Currency")
    assert {table.condition(name) for name in enum_of("UnitCondition")} == set(Condition) - {Condition.UNKNOWN}


@pytest.mark.parametrize(
    ("storefront", "currency", "ceiling"),
    [
        ("de", "EUR", 100_000_000),
        ("at", "EUR", 100_000_000),
        ("sk", "EUR", 100_000_000),
        ("cz", "CZK", 2_500_000_000),
        ("pl", "PLN", 450_000_000),
    ],
)
def test_a_storefront_has_one_currency_with_its_ceiling(storefront: str, currency: str, ceiling: int) -> None:
    entry = load_reference().reference.storefronts[storefront]

    assert (entry.code, entry.exponent, entry.ceiling) == (currency, 2, ceiling)


def test_the_bounds_are_those_of_the_api() -> None:
    bounds = load_reference().reference

    assert (bounds.max_stock, bounds.max_handling_time_days, bounds.bulk_limit) == (2**31 - 1, 100, 150)


@pytest.mark.parametrize("condition", [c for c in Condition if c is not Condition.UNKNOWN])
def test_every_spelling_of_a_condition_means_that_condition(condition: Condition) -> None:
    table = load_reference()
    (name,) = [name for name in enum_of("UnitCondition") if table.condition(name) is condition]

    kind, _, grade = name.partition("___")
    assert table.condition(f"{kind} - {grade.replace('_', ' ')}".lower() if grade else kind.lower()) is condition


@pytest.mark.parametrize(("code", "condition"), [(100, "NEW"), (110, "REFURBISHED_AS_NEW"), (500, "USED_ACCEPTABLE")])
def test_integer_codes_of_conditions_are_known(code: int, condition: str) -> None:
    assert load_reference().condition(code) is Condition(condition)


@pytest.mark.parametrize("said", [None, "", "USED", "USED_GOOD", "used_good", "BRAND_NEW", 999])
def test_a_condition_that_is_not_listed_is_unknown_and_never_guessed(said: str | int | None) -> None:
    assert load_reference().condition(said) is Condition.UNKNOWN


def test_a_storefront_is_read_in_any_case_and_sent_in_lower_case() -> None:
    assert load_reference().storefront(" DE ") == "de"


@pytest.mark.parametrize("code", ["deu", "ro", "", "xx"])
def test_an_unknown_storefront_is_refused_with_the_list_of_known_ones(code: str) -> None:
    with pytest.raises(UnknownStorefront, match="known are: at, cz, de, es, fr, it, nl, pl, sk"):
        load_reference().storefront(code)


def test_a_storefront_is_added_by_data_alone(tmp_path: Path) -> None:
    file = tmp_path / "reference.json"
    file.write_text(json.dumps(ROMANIA))

    table = load_reference(file)

    assert table.storefront("RO") == "ro"
    assert table.reference.storefronts["ro"].code == "RON"
    assert table.reference.storefronts["de"].code == "EUR"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"storefronts": {"ro": {"currency": "RON"}}}', "'ro' has currency 'RON', which is not listed"),
        ('{"storefronts": {"ROM": {"currency": "EUR"}}}', "storefronts"),
        ('{"max_stock": "many"}', "max_stock"),
        ('{"bulk_limit": 151}', "bulk_limit"),
        ('{"conditions": {"SHINY": {"name": "SHINY", "code": 1, "text": "shiny"}}}', "conditions must be exactly"),
        ('{"conditions": {"NEW": {"name": "USED___GOOD", "code": 1, "text": "n"}}}', "two conditions share a spelling"),
        ('{"storefront": {}}', "storefront"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(tmp_path: Path, bad: str, why: str) -> None:
    file = tmp_path / "reference.json"
    file.write_text(bad)

    with pytest.raises(ValueError, match=re.escape(why)):
        load_reference(file)


def test_a_value_of_the_file_replaces_the_shipped_one(tmp_path: Path) -> None:
    file = tmp_path / "reference.json"
    file.write_text('{"bulk_limit": 10}')

    assert load_reference(file).reference.bulk_limit == 10
    assert load_reference().reference.bulk_limit == 150


def test_a_file_that_is_not_there_is_refused_and_never_replaced_by_the_shipped_table(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_reference(tmp_path / "reference.json")
