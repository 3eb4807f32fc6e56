"""The forms in which an EAN may be written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.offers.gtin import check_digit, normal_form
from connector.operations.why.asking import as_stored, other_forms


@pytest.mark.parametrize(
    ("ean", "forms"),
    [
        ("4006381333931", ("04006381333931",)),
        ("0000096385074", ("96385074", "000096385074", "00000096385074")),
        ("0614141000036", ("614141000036", "00614141000036")),
        ("14006381333938", ()),
        ("not an EAN   ", ()),
    ],
)
def test_the_other_forms_of_an_ean(ean: str, forms: tuple[str, ...]) -> None:
    assert other_forms(ean) == forms


@given(st.integers(1, 10**12 - 1))
def test_every_other_form_has_the_same_normal_form(number: int) -> None:
    body = f"{number:012d}"
    ean = body + check_digit(body)

    assert {normal_form(form) for form in other_forms(ean)} == {ean}


def test_what_is_no_ean_stays_as_it_is() -> None:
    assert as_stored("12-34") == "12-34"
