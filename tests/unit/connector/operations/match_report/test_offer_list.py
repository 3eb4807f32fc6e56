"""The CSV list of offers: what a row means, and which rows are told apart from the others with their line."""

import csv
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.offers.match import NamedOffer
from connector.operations.match_report.offer_list import SELECTORS, UnreadableOffer, read_offers
from streams.errors import SettingsError
from tests.harness.effort import examples

EAN = "4006381333931"


def read(text: str) -> list[NamedOffer | UnreadableOffer]:
    return list(read_offers(StringIO(text, newline="")))


def test_the_columns_are_those_of_an_event_and_the_others_are_attributes() -> None:
    [offer] = read(f"EAN,target_id,Condition,offer_id,unit_id,brand,line\n{EAN},shop-de,NEW,a-1,17,Y,\n")

    assert offer == NamedOffer(ean=EAN, target_id="shop-de", condition="NEW", offer_id="a-1", unit_id=17)
    assert isinstance(offer, NamedOffer)
    assert offer.attributes == {"brand": "Y"}
    assert offer.place == "line 2"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_list_may_be_separated_as_spreadsheets_do_it(separator: str) -> None:
    text = f"\ufeffean,condition,brand\r\n{EAN},NEW,Y\r\n\r\n   ,,\r\n".replace(",", separator)

    assert read(text) == [NamedOffer(ean=EAN, condition="NEW")]


@pytest.mark.parametrize(
    ("written", "normal"),
    [("012345678905", "0012345678905"), (f"0{EAN}", EAN), ("123", "123"), (" 4006381333931 ", EAN)],
)
def test_an_ean_gets_its_normal_form_and_an_invalid_one_stays_as_it_is(written: str, normal: str) -> None:
    assert read(f"ean\n{written}\n") == [NamedOffer(ean=normal)]


def test_a_bad_row_is_told_with_its_line_and_the_rest_goes_on() -> None:
    rows = [
        "ean,unit_id,brand",
        f"{EAN},1,A",
        f"{EAN},2",
        f"{EAN},x,A",
        f'{EAN},3,"over',
        'two lines"',
        f'{EAN},4,"a"b',
        f"{EAN},5,\udcff",
        f"{EAN},6,A",
    ]

    found = read("\n".join(rows) + "\n")

    assert [one.place for one in found] == [f"line {line}" for line in (2, 3, 4, 5, 7, 8, 9)]
    unreadable = {one.place: one.message for one in found if isinstance(one, UnreadableOffer)}
    assert unreadable == {
        "line 3": "it has 2 cells, the header has 3",
        "line 4": "unit_id 'x' is not a number",
        "line 7": "',' expected after '\"'",
        "line 8": "it is not UTF-8",
    }


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "no column ean"),
        ("gtin,brand", "its first line is gtin, brand"),
        ("ean,EAN", "ean twice"),
        ("ean,a,a", "a twice"),
    ],
)
def test_a_list_without_usable_header_is_refused(header: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read(f"{header}\n{EAN}\n")


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@given(
    st.lists(
        st.tuples(st.text("0123456789", min_size=1, max_size=15), cells, cells, st.none() | st.integers(0, 2**63))
    ),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=examples(200))
def test_whatever_a_spreadsheet_writes_is_read(
    rows: list[tuple[str, str, str, int | None]], separator: str, end: str
) -> None:
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerow(["ean", "offer_id", "brand", "unit_id"])
    writer.writerows(rows)

    found = read(text.getvalue())

    assert len(found) == len(rows)
    for one, (ean, offer_id, brand, unit_id) in zip(found, rows, strict=True):
        assert isinstance(one, NamedOffer), one
        assert one.ean.lstrip("0") == ean.lstrip("0")
        assert (one.offer_id or "", one.unit_id) == (offer_id.strip(), unit_id)
        assert one.attributes.get("brand", "") == brand.strip()


@given(st.text(max_size=200))
@settings(max_examples=examples(200))
def test_any_text_after_the_header_is_offers_or_rows_told_with_their_line(text: str) -> None:
    found = read(f"{','.join(SELECTORS)}\n{text}")

    assert all(one.place.startswith("line ") for one in found)
