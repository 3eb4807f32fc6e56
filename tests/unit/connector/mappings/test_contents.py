"""Files of carriers: aliases in TOML, refused with the first fault."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.mappings.contents import carriers
from tests.harness.effort import examples


def test_aliases_of_carriers_are_read() -> None:
    assert carriers(b'"DHL Paket" = "DHL"\nPost = "Deutsche Post"\n') == {"DHL Paket": "DHL", "Post": "Deutsche Post"}
    assert carriers(b"# none yet\n") == {}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b'"DHL Paket" = 3', "'DHL Paket' = 3: expected the seller's name of a carrier = the marketplace's code"),
        (b'"DHL Paket" = ""', "'DHL Paket' = ''"),
        (b'" " = "DHL"', "' ' = 'DHL'"),
        (b"[aliases]\na = 1", "'aliases' ="),
        (b"DHL Paket = DHL", "it is not TOML"),
        (b'"a" = "b"\n"a" = "c"', "it is not TOML"),
        (b"\xff", "it is not UTF-8"),
    ],
)
def test_a_fault_is_named(content: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        carriers(content)


@settings(max_examples=examples(300))
@given(content=st.binary(max_size=60))
def test_whatever_a_file_contains_it_is_read_or_refused_with_a_reason(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert all(alias.strip() and code.strip() for alias, code in carriers(content).items())
