"""Overrides are read from a spreadsheet as a whole, or refused with the lines that are wrong."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.mappings.overrides import COLUMNS, NO_OVERRIDES, Overrides, parse_overrides
from connector.marketplace.offers import Field
from connector.offers.gtin import normal_form
from tests.harness.effort import examples

EAN, OTHER = "4006381333931", "4006381333948"
CURRENCIES = {"shop-de": "EUR", "shop-cz": "CZK"}
HEADER = ",".join(COLUMNS)


def parsed(*lines: str, header: str = HEADER) -> Overrides:
    return parse_overrides("\n".join((header, *lines)).encode(), CURRENCIES, normal_form)


def refused(*lines: str, header: str = HEADER) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        parsed(*lines, header=header)
    return str(caught.value)


def test_the_line_that_names_the_target_wins_setting_by_setting() -> None:
    found = parsed(
        f"{EAN},,10.00,EUR,5,price,everywhere",
        f"{EAN},shop-de,12.50,EUR,,,contract 7",
        f"{EAN},shop-cz,,,0,stock,",
    )

    assert (line := found.floor(EAN, "shop-de", "EUR")) is not None
    assert (line.floor, line.because) == (Decimal("12.50"), "line 3, contract 7")
    assert found.floor(EAN, "shop-cz", "CZK") is None, "a floor in another currency says nothing"
    assert [one.buffer for target in CURRENCIES if (one := found.buffer(EAN, target))] == [5, 0]
    assert found.hold(EAN, "shop-cz", Field.STOCK) is not None
    assert found.hold(EAN, "shop-cz", Field.PRICE) is not None, "the line of every target holds it"
    assert found.hold(EAN, "shop-de", Field.STOCK) is None
    assert found.hold(OTHER, "shop-de", Field.PRICE) is None


def test_a_line_of_a_target_that_says_no_lifts_the_hold_of_every_target() -> None:
    found = parsed(f"{EAN},,,,,all,", f"{EAN},shop-de,,,,no,")

    assert [found.hold(EAN, target, Field.PRICE) is not None for target in CURRENCIES] == [False, True]
    assert parsed(f"{EAN},,,,,no,", f"{EAN},shop-de,,,,price,").hold(EAN, "shop-de", Field.PRICE) is not None


def test_a_file_that_is_not_utf_8_is_refused_with_the_line_and_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"^line 3: it is not UTF-8. Save it as UTF-8; a spreadsheet calls that CSV"):
        parse_overrides(f"{HEADER}\n{EAN},,,,1,,\n{OTHER},,,,1,,für\n".encode("cp1252"), CURRENCIES, normal_form)


def test_what_spreadsheets_write_is_read() -> None:
    text = f'\ufeffEAN;Buffer;Hold;Reason\r\n# comment\r\n{EAN};3;all;"a; b"\r\n;;;\r\n\r\n{OTHER};;no;\r\n'
    found = parse_overrides(text.encode(), CURRENCIES, normal_form)

    line = found.buffer(EAN, "shop-de")
    assert line is not None
    assert (line.buffer, line.hold, line.because) == (3, frozenset(Field), "line 3, a; b")
    assert found.eans == {EAN, OTHER}
    assert parsed().eans == NO_OVERRIDES.eans == frozenset()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            "4.00638E+12,,,,1,,",
            "has other characters than digits. If a spreadsheet has shortened it, format the column",
        ),
        ('"4,00638E+12",,,,1,,', "format the column ean as text"),
        (
            "12345678905"[1:] + ",,,,1,,",
            "has 10 digits, not 8, 12, 13 or 14. If a spreadsheet has shortened it, format",
        ),
        (f"{EAN},shop-fr,,,1,,", "target 'shop-fr' is not configured; known: shop-cz, shop-de"),
        (f'{EAN},,"19,99",EUR,,,', "floor_price '19,99' is not a number such as 1999.99: with a point before"),
        (f"{EAN},,1.234,EUR,,,", "floor_price '1.234' is not a number such as 1999.99"),
        (f'{EAN},,"1,234.00",EUR,,,', "nothing between thousands"),
        (f"{EAN},,1_234,EUR,,,", "is not a number"),
        (f"{EAN},,1e3,EUR,,,", "is not a number"),
        (f"{EAN},,NaN,EUR,,,", "is not a number"),
        (f"{EAN},,0,EUR,,,", "is not above 0"),
        (f"{EAN},,9,,,,", "currency '' is not that of the target: CZK, EUR"),
        (f"{EAN},shop-cz,9,EUR,,,", "currency 'EUR' is not that of the target: CZK"),
        (f"{EAN},,,,-1,,", "buffer '-1' is not a number of pieces"),
        (f"{EAN},,,,,everything,", "hold 'everything' is none of: no, yes, all, price"),
        (f"{EAN},,,,,,a,b", "it has 8 cells, the header has 7"),
        (f'{EAN},,,,,,"a', "unexpected end of data"),
    ],
)
def test_a_line_that_is_wrong_has_the_file_refused_with_its_number(line: str, why: str) -> None:
    message = refused(f"{OTHER},,,,1,,", line)

    assert message.startswith("line 3: ")
    assert why in message


def test_all_faults_are_named_up_to_ten_and_a_repeated_offer_is_one() -> None:
    assert refused(f"{EAN},,,,1,,", "0,,,,1,,", f"{EAN},,,,2,,").endswith(
        "; line 4: EAN and target are those of line 2"
    )
    assert refused(*["1"] * 12).count("line ") == 10
    assert refused(*["1"] * 12).endswith("; and 2 more")


@pytest.mark.parametrize("header", ["", EAN, "ean,price", "ean,ean", "target,buffer"])
def test_a_file_without_its_header_is_refused(header: str) -> None:
    assert "its first line is not a header" in refused(header=header)


@settings(max_examples=examples(300))
@given(st.binary(max_size=80) | st.text(alphabet='4006381333931,;"\n\t abc', max_size=80).map(str.encode))
def test_any_content_is_read_or_refused(content: bytes) -> None:
    for start in (b"", HEADER.encode() + b"\n"):
        with suppress(ValueError):
            parse_overrides(start + content, CURRENCIES, normal_form)


@settings(max_examples=examples(100))
@given(
    st.lists(
        st.tuples(
            st.sampled_from((EAN, OTHER)),
            st.sampled_from(("", *CURRENCIES)),
            st.none() | st.integers(0, 99),
            st.sets(st.sampled_from(Field)),
        ),
        unique_by=lambda row: row[:2],
    )
)
def test_each_question_is_answered_by_the_most_specific_line(
    rows: list[tuple[str, str, int | None, set[Field]]],
) -> None:
    found = parsed(*(f"{e},{t},,,{'' if b is None else b},{' '.join(sorted(h))},"[:200] for e, t, b, h in rows))
    for ean in (EAN, OTHER):
        for target in CURRENCIES:
            mine = {t: (b, h) for e, t, b, h in rows if e == ean and t in ("", target)}
            ordered = [mine[t] for t in (target, "") if t in mine]
            buffer = found.buffer(ean, target)
            assert (buffer.buffer if buffer else None) == next((b for b, _ in ordered if b is not None), None)
            for field in Field:
                assert (found.hold(ean, target, field) is not None) == any(field in h for _, h in ordered)


def test_the_eans_whose_buffers_differ_are_counted() -> None:
    before = parsed(f"{EAN},,,,1,,", f"{OTHER},,,,2,,")

    assert before.changed_buffers(parsed(f"{OTHER},,,,2,price,")) == 1
    assert before.changed_buffers(parsed(f"{EAN},,,,9,,", f"{OTHER},shop-de,,,2,,")) == 2
    assert before.changed_buffers(before) == 0
