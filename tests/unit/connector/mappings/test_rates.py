"""Exchange rates are read from a spreadsheet as a whole, or refused with the lines that are wrong."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.mappings.rates import NO_RATES, Rate, Rates, parse_rates
from tests.harness.effort import examples

AT = "2026-03-31T16:00:00+02:00"
AT_US = 1_774_965_600_000_000
HEADER = "from,to,rate,at,source"


def parsed(*lines: str, header: str = HEADER) -> Rates:
    return parse_rates("\n".join((header, *lines)).encode())


def refused(*lines: str, header: str = HEADER) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        parsed(*lines, header=header)
    return str(caught.value)


def test_each_direction_has_a_rate_of_its_own_with_its_time_and_source() -> None:
    found = parsed(f"EUR,PLN,4.2731,{AT},ECB", "PLN,EUR,0.234,2026-03-31T14:00:00Z,treasury")

    assert found.find("EUR", "PLN") == Rate(value=Decimal("4.2731"), at_us=AT_US, source="ECB")
    assert found.find("PLN", "EUR") == Rate(value=Decimal("0.234"), at_us=AT_US, source="treasury")
    assert found.find("EUR", "CZK") is None
    assert sorted(found.pairs) == [("EUR", "PLN"), ("PLN", "EUR")]


def test_what_spreadsheets_write_is_read() -> None:
    found = parse_rates(f'\ufeffSource;At;To;From;Rate\r\n# daily\r\n"ECB; daily";{AT};CZK;EUR;25\r\n;;;;\r\n'.encode())

    assert found.find("EUR", "CZK") == Rate(value=Decimal(25), at_us=AT_US, source="ECB; daily")
    assert not parsed()
    assert not NO_RATES


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (f"eur,PLN,4,{AT},ECB", "line 2: from 'eur' is not a currency such as EUR"),
        (f"EUR,,4,{AT},ECB", "line 2: to '' is not a currency"),
        (f"EUR,EUR,1,{AT},ECB", "line 2: both currencies are EUR"),
        (f'EUR,PLN,"4,2731",{AT},ECB', "line 2: rate '4,2731' is not a number above 0 such as 4.2731"),
        (f"EUR,PLN,0.00,{AT},ECB", "line 2: rate '0.00' is not a number above 0"),
        (f"EUR,PLN,-4,{AT},ECB", "line 2: rate '-4' is not a number above 0"),
        (f"EUR,PLN,4e2,{AT},ECB", "line 2: rate '4e2' is not a number above 0"),
        (f"EUR,PLN,4.1234567891,{AT},ECB", "at most nine decimals"),
        ("EUR,PLN,4,2026-03-31,ECB", "line 2: at '2026-03-31' is not a time with its zone"),
        ("EUR,PLN,4,2026-03-31T16:00:00,ECB", "is not a time with its zone"),
        ("EUR,PLN,4,yesterday,ECB", "is not a time with its zone"),
        (f"EUR,PLN,4,{AT},", "line 2: source '' does not say"),
        (f"EUR,PLN,4,{AT},ECB,more", "line 2: it has 6 cells, the header has 5"),
    ],
)
def test_a_wrong_line_is_named(line: str, fault: str) -> None:
    assert fault in refused(line)


def test_every_wrong_line_and_a_repeated_pair_are_named_at_once() -> None:
    good = f"EUR,PLN,4,{AT},ECB"

    assert refused(good, f"EUR,PLN,5,{AT},ECB", "x") == (
        "line 3: EUR/PLN is listed twice; line 4: from 'x' is not a currency such as EUR"
    )
    assert "its first line is not a header with from, to, rate, at, source" in refused(header="from,to,rate,at")


@settings(max_examples=examples(200))
@given(st.binary() | st.text().map(lambda text: f"{HEADER}\n{text}".encode()))
def test_any_content_is_read_or_refused(content: bytes) -> None:
    with suppress(ValueError):
        parse_rates(content)


@settings(max_examples=examples(200))
@given(st.decimals(min_value=Decimal("0.000000001"), max_value=999_999_999, places=9))
def test_a_rate_is_read_exactly(rate: Decimal) -> None:
    found = parsed(f"EUR,PLN,{rate:f},{AT},ECB").find("EUR", "PLN")

    assert found is not None
    assert found.value == rate
