"""A plan in a file: every plan comes back as it was, and what is no plan is refused."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.controls.commands import CommandScope, ReplayRange, ReplayRequest
from connector.operations.json_output import json_text
from connector.operations.replay import plan as plans
from connector.operations.replay.plan import MOST_EANS, ReplayPlan, checked_eans
from streams.errors import SettingsError
from tests.harness.effort import examples

texts = st.text(max_size=8)
several = st.lists(texts, max_size=3).map(tuple)
offsets = st.integers(0, 2**40)
lengths = st.integers(1, 1000)


def ranges(numbers: set[int]) -> st.SearchStrategy[tuple[ReplayRange, ...]]:
    return st.tuples(*(st.builds(a_range, st.just(number), offsets, lengths) for number in sorted(numbers)))


def a_range(partition: int, start: int, length: int) -> ReplayRange:
    return ReplayRange(partition=partition, start=start, end=start + length)


some_plans = st.builds(
    ReplayPlan,
    replay_id=texts,
    planned_at_us=st.integers(0, 2**50),
    request=st.builds(
        ReplayRequest,
        input_topic=texts,
        input_topic_id=texts,
        ranges=st.sets(st.integers(0, 9), max_size=3).flatmap(ranges),
        statuses=several,
        is_paused=st.just(False),
    ),
    scope=st.builds(
        CommandScope,
        accounts=st.just(()),
        storefronts=st.just(()),
        fields=st.just(()),
        eans=several.map(checked_eans),
        target_ids=several,
        attributes=st.dictionaries(texts, texts, max_size=3),
    ),
)
PLAN = ReplayPlan(
    replay_id="replay-1",
    planned_at_us=1,
    request=ReplayRequest(input_topic="changes", ranges=(ReplayRange(partition=0, start=5, end=9),)),
    scope=CommandScope(),
)


@settings(max_examples=examples(100))
@given(some_plans)
def test_a_plan_comes_back_from_its_file_as_it_was(plan: ReplayPlan) -> None:
    assert plans.parse(json_text(plans.document(plan))) == plan


@settings(max_examples=examples(100))
@given(st.text() | st.recursive(st.none() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from([*plans.document(PLAN)]), inner)).map(json.dumps))  # fmt: skip
def test_no_file_makes_the_parser_raise_anything_else(text: str) -> None:
    with suppress(SettingsError):
        plans.parse(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ranges", [{"partition": 0, "start": 9, "end": 9}]),
        ("ranges", [{"partition": 0, "start": -1, "end": 9}]),
        ("ranges", [{"partition": 0, "start": 0, "end": 4}, {"partition": 0, "start": 4, "end": 9}]),
        ("eans", [4006381333931]),
        ("attributes", ["brand"]),
        ("input_topic", None),
    ],
)
def test_what_is_no_plan_is_refused(name: str, value: Any) -> None:
    given = {**plans.document(PLAN), name: value}

    with pytest.raises(SettingsError, match="not a plan"):
        plans.parse(json.dumps(given))


def test_a_command_carries_only_so_many_eans() -> None:
    eans = [f"{number:013d}" for number in range(MOST_EANS)]

    assert checked_eans([*eans, *eans]) == tuple(eans)
    with pytest.raises(SettingsError, match="50,001 EANs"):
        checked_eans([*eans, "x"])


def test_the_records_of_a_plan_are_counted_by_offset() -> None:
    assert PLAN.records == 4
