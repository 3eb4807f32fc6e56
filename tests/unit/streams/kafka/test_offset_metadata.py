"""A mark survives the round trip through offset metadata; metadata of others is no mark."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka import offset_metadata
from streams.messages import Mark

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
some_marks = st.builds(
    Mark,
    position=st.integers(0, 2**62),
    read_ahead=st.integers(0, 2**31),
    drained=st.booleans(),
    serial=st.integers(0, 2**62),
    state_topic_id=text,
    input_topic_id=text,
)


@given(some_marks)
def test_a_mark_survives_encoding_and_decoding(mark: Mark) -> None:
    said = offset_metadata.encode(mark)

    assert offset_metadata.decode(mark.position, said) == mark
    assert len(said) <= offset_metadata.LIMIT
    assert "\0" not in said


@given(st.text(max_size=300))
def test_foreign_metadata_is_no_mark(said: str) -> None:
    assert offset_metadata.decode(0, said) is None


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["v", "read_ahead", "drained", "serial", "state_topic_id", "position", "input_topic_id"]),
        nested,
    )
)
def test_json_of_another_shape_is_no_mark_or_a_whole_one(said: dict[str, object]) -> None:
    mark = offset_metadata.decode(3, json.dumps(said))

    if mark is not None:
        assert offset_metadata.decode(3, offset_metadata.encode(mark)) == mark


OF_THE_FIRST_VERSION = '{"v":1,"read_ahead":20000,"drained":true,"serial":7,"state_topic_id":"s"}'


def test_a_mark_of_the_first_version_is_read_and_names_no_input_topic() -> None:
    assert offset_metadata.decode(3, OF_THE_FIRST_VERSION) == Mark(
        position=3, read_ahead=20_000, drained=True, serial=7, state_topic_id="s"
    )


@given(some_marks)
def test_the_first_version_reads_a_mark_of_today_as_its_own(mark: Mark) -> None:
    """An older reader: checks the version and the types of its own fields, and ignores all others."""
    said = json.loads(offset_metadata.encode(mark))

    assert said["v"] == 1
    asked = {name: type(of_old) for name, of_old in json.loads(OF_THE_FIRST_VERSION).items()}
    assert {name: type(said[name]) for name in asked} == asked


@given(some_marks, st.integers(0, 2**62))
def test_a_position_that_was_moved_under_its_metadata_has_no_mark(mark: Mark, elsewhere: int) -> None:
    said = offset_metadata.encode(mark)

    assert (offset_metadata.decode(elsewhere, said) is None) == (elsewhere != mark.position)


@pytest.mark.parametrize("said", [None, "", "[]", "{}", "1", "[" * 4_000, '{"v":2}', '{"v":true}'])
def test_nothing_and_foreign_versions_are_no_mark(said: str | None) -> None:
    assert offset_metadata.decode(0, said) is None


def test_a_number_that_is_a_boolean_is_no_mark() -> None:
    said = json.loads(
        offset_metadata.encode(Mark(position=0, read_ahead=1, drained=False, serial=1, state_topic_id=""))
    )

    assert offset_metadata.decode(0, json.dumps(said | {"serial": True})) is None
    assert offset_metadata.decode(0, json.dumps(said | {"drained": 1})) is None


def test_a_mark_over_the_brokers_limit_is_refused_before_it_spoils_a_transaction() -> None:
    base = len(offset_metadata.encode(Mark(position=0, read_ahead=1, drained=False, serial=1, state_topic_id="")))
    fits = Mark(position=0, read_ahead=1, drained=False, serial=1, state_topic_id="x" * (offset_metadata.LIMIT - base))

    assert len(offset_metadata.encode(fits)) == offset_metadata.LIMIT
    with pytest.raises(ValueError, match="4096"):
        offset_metadata.encode(
            Mark(position=0, read_ahead=1, drained=False, serial=1, state_topic_id="x" * (4_096 - base))
        )
