"""A place is read as it is written, and nothing else is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.records import RecordPlace

TOPICS = st.from_regex(r"[a-zA-Z0-9._-]{1,40}", fullmatch=True)
NUMBERS = st.integers(0, 10**18 - 1)


@given(TOPICS, NUMBERS, NUMBERS)
def test_a_place_is_read_as_it_is_written(topic: str, partition: int, offset: int) -> None:
    place = RecordPlace(topic=topic, partition=partition, offset=offset)

    assert RecordPlace.parse(str(place)) == place


@pytest.mark.parametrize("text", ["", "3/17", "/3/17", "t/3", "t/3/", "t//3", "t/3/x", "t/-1/3", "a/t/1/2", "t/١/2"])
def test_another_text_is_no_place(text: str) -> None:
    assert RecordPlace.parse(text) is None


@given(st.text(max_size=20))
def test_any_text_can_be_tried(text: str) -> None:
    place = RecordPlace.parse(text)

    assert place is None or place.topic
