"""Every GTIN has one normal form; any other text is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.offers.gtin import GtinError, check_digit, normal_form


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("4006381333931", "4006381333931"),
        ("036000291452", "0036000291452"),
        ("00036000291452", "0036000291452"),
        ("96385074", "0000096385074"),
        ("04006381333931", "4006381333931"),
        ("14006381333938", "14006381333938"),
    ],
)
def test_every_form_has_one_normal_form(text: str, normal: str) -> None:
    assert normal_form(text) == normal
    assert normal_form(normal) == normal


@pytest.mark.parametrize(
    "text",
    ["", "4006381333932", "400638133393", " 4006381333931", "4006381333931 ", "40063813339a1", "٤٠٠٦٣٨١٣٣٣٩٣١",
     "0000000000000", "00000000", "123456789", "4006381333931000"],
)  # fmt: skip
def test_an_invalid_gtin_is_refused(text: str) -> None:
    with pytest.raises(GtinError):
        normal_form(text)


@given(st.text("0123456789", min_size=12, max_size=12))
def test_one_wrong_digit_is_always_detected(body: str) -> None:
    right = body + check_digit(body)

    for place, digit in enumerate(right):
        wrong = right[:place] + str((int(digit) + 1) % 10) + right[place + 1 :]
        with pytest.raises(GtinError):
            normal_form(wrong)


@given(st.text(max_size=20))
def test_any_text_gives_a_normal_form_or_a_reason(text: str) -> None:
    reason = ""
    try:
        form = normal_form(text)
    except GtinError as error:
        form, reason = "", str(error)

    assert form.isdigit() or reason
