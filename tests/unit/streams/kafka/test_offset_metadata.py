"""A mark survives the round trip through offset metadata; metadata of others is no mark."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka import offset_metadata
from streams.messages import Mark
from streams.quota import MARK_LIMIT, SpentCalls, fit_into_a_mark
from streams.side_input import INPUTS_LIMIT, NAME_LIMIT, SidePosition

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
names = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), min_size=1, max_size=NAME_LIMIT
)
some_positions = st.builds(
    SidePosition,
    position=st.integers(0, 2**63 - 1),
    delivered=st.integers(0, 2**63 - 1),
    topic_id=st.sampled_from(["", "M6zTJm3zQdCSXnXfdXwPDg"]),
    gone=st.integers(0, 2**63 - 1),
)
some_spent = st.builds(
    SpentCalls,
    window=st.integers(0, 4_000_000),
    calls=st.integers(0, 10**9).map(lambda thousandths: thousandths / 1_000),
)
some_marks = st.builds(
    Mark,
    position=st.integers(0, 2**62),
    read_ahead=st.integers(0, 2**31),
    drained=st.booleans(),
    serial=st.integers(0, 2**62),
    state_topic_id=text,
    input_topic_id=text,
    side=st.dictionaries(names, some_positions, max_size=3),
    spent=st.dictionaries(st.text(max_size=20), some_spent, max_size=3),
)


@given(some_marks)
def test_a_mark_survives_encoding_and_decoding(mark: Mark) -> None:
    said = offset_metadata.encode(mark)

    assert offset_metadata.decode(mark.position, said) == mark
    assert len(said) <= offset_metadata.LIMIT
    assert "\0" not in said


@given(some_marks, st.text(max_size=20))
def test_a_mark_says_who_committed_it_and_is_the_same_mark(mark: Mark, version: str) -> None:
    said = offset_metadata.encode(mark, version)

    assert offset_metadata.decode(mark.position, said) == mark
    assert len(said) <= offset_metadata.LIMIT
    assert offset_metadata.committed_by(said) == version
    assert offset_metadata.committed_by(offset_metadata.encode(mark)) == ""
    assert offset_metadata.committed_by("of somebody else") is None


def test_a_version_that_does_not_fit_is_left_out() -> None:
    spent = {"a" * 3_900: SpentCalls(window=1, calls=1.0)}
    mark = Mark(position=1, read_ahead=0, drained=False, serial=1, state_topic_id="s", spent=spent)
    plain = offset_metadata.encode(mark)

    assert offset_metadata.encode(mark, "9" * 200) == plain
    assert offset_metadata.committed_by(plain) == ""


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
        st.sampled_from(
            [
                "v",
                "read_ahead",
                "drained",
                "serial",
                "state_topic_id",
                "position",
                "input_topic_id",
                "side",
                "spent",
                "by",
            ]
        ),
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
        position=3, read_ahead=20_000, drained=True, serial=7, state_topic_id="s", side_known=False
    )


@given(some_marks)
def test_the_first_version_reads_a_mark_of_today_as_its_own(mark: Mark) -> None:
    """An older reader: checks the version and the types of its own fields, and ignores all others."""
    said = json.loads(offset_metadata.encode(mark, "0.2.0"))

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


ID = "M6zTJm3zQdCSXnXfdXwPDg"
MANY_ACCOUNTS = [f"account-{number}" for number in range(10, 21)]


def test_these_accounts_are_as_many_as_may_have_a_quota() -> None:
    assert fit_into_a_mark(MANY_ACCOUNTS)
    assert not fit_into_a_mark([*MANY_ACCOUNTS, "account-99"])
    assert MARK_LIMIT == 600


@pytest.mark.parametrize(
    "spent",
    [
        None,
        [],
        {"a": None},
        {"a": [1]},
        {"a": [True, 2]},
        {"a": [1, -1]},
        {"a": [1, "2"]},
        {"a": [1.5, 2]},
        {"a": [1, 10**400]},
    ],
)
def test_calls_of_a_quota_that_cannot_be_read_are_left_out(spent: object) -> None:
    mark = Mark(position=0, read_ahead=1, drained=False, serial=1, state_topic_id="")
    said = json.loads(offset_metadata.encode(mark))

    assert offset_metadata.decode(0, json.dumps(said | {"spent": spent})) == mark


@given(
    st.dictionaries(
        names.map(lambda name: name.ljust(NAME_LIMIT, "x")),
        some_positions,
        min_size=INPUTS_LIMIT,
        max_size=INPUTS_LIMIT,
    )
)
def test_the_positions_of_as_many_side_inputs_as_a_partition_may_have_fit(side: dict[str, SidePosition]) -> None:
    most = SidePosition(position=2**63 - 1, delivered=2**63 - 1, topic_id=ID, gone=2**63 - 1)
    longest = dict.fromkeys(side, most)
    mark = Mark(
        position=2**63 - 1,
        read_ahead=2**63 - 1,
        drained=False,
        serial=2**63 - 1,
        state_topic_id=ID,
        input_topic_id=ID,
        side=longest,
        spent=dict.fromkeys(MANY_ACCOUNTS, SpentCalls(window=4_000_000, calls=9_999_999.999)),
    )

    assert offset_metadata.decode(mark.position, offset_metadata.encode(mark)) == mark


def test_positions_of_side_inputs_that_cannot_be_read_are_left_out_and_the_mark_is_kept() -> None:
    good = {"a": [5, 2, "id", 3, "of a later version"], "b": [7, 0]}
    bad = {"c": 3, "d": [], "e": [1], "f": ["1", 2], "g": [-1, 0], "h": [True, 0], "i": [1, 1, 1], "x" * 41: [1, 1]}
    said = json.dumps(json.loads(OF_THE_FIRST_VERSION) | {"side": {**good, **bad}})
    mark = offset_metadata.decode(3, said)

    assert mark is not None
    assert mark.side == {
        "a": SidePosition(position=5, delivered=2, topic_id="id", gone=3),
        "b": SidePosition(position=7),
    }


@pytest.mark.parametrize("side", [None, 1, "a", [], {}])
def test_side_inputs_of_another_shape_are_none(side: object) -> None:
    mark = offset_metadata.decode(3, json.dumps(json.loads(OF_THE_FIRST_VERSION) | {"side": side}))

    assert mark is not None
    assert mark.side == {}


def test_a_mark_over_the_brokers_limit_is_refused_before_it_spoils_a_transaction() -> None:
    base = len(offset_metadata.encode(Mark(position=0, read_ahead=1, drained=False, serial=1, state_topic_id="")))
    fits = Mark(position=0, read_ahead=1, drained=False, serial=1, state_topic_id="x" * (offset_metadata.LIMIT - base))

    assert len(offset_metadata.encode(fits)) == offset_metadata.LIMIT
    with pytest.raises(ValueError, match="4096"):
        offset_metadata.encode(
            Mark(position=0, read_ahead=1, drained=False, serial=1, state_topic_id="x" * (4_096 - base))
        )
