"""Trace contexts: what is read from a header, and what is derived from it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.trace_context import Sampling, TraceContext, carried, parse

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PARENT = TraceContext(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id="00f067aa0ba902b7", sampled=True)
OTHER = TraceContext(trace_id="a" * 32, span_id="b" * 16, sampled=False)

IDS = st.tuples(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.booleans())


@pytest.mark.parametrize(
    ("header", "passed_on"),
    [
        (None, None),
        ("", None),
        ("x" * 100_000, None),
        (GIVEN, GIVEN),
        (GIVEN[:-2] + "03", GIVEN[:-2] + "03"),  # a flag that version 00 does not know
        (f"{GIVEN}-{'x' * 100_000}", None),
        (f"01{GIVEN[2:]}-{'x' * 100_000}", GIVEN),
    ],
)
def test_a_header_is_passed_on_as_it_came_if_it_is_one_and_never_longer_than_one(
    header: str | None, passed_on: str | None
) -> None:
    assert carried(header) == passed_on


@given(IDS)
def test_a_header_that_was_written_is_read_again(ids: tuple[int, int, bool]) -> None:
    context = TraceContext(trace_id=f"{ids[0]:032x}", span_id=f"{ids[1]:016x}", sampled=ids[2])

    assert parse(context.traceparent) == context


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        GIVEN.upper(),
        GIVEN.replace("00-4", "ff-4"),
        f"{GIVEN}-more",
        f"{GIVEN}\n",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        "00-abc-def-01",
    ],
)
def test_what_the_specification_says_to_ignore_is_ignored(header: str | None) -> None:
    assert parse(header) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert parse(GIVEN.replace("00-4", "01-4") + "-more") == PARENT
    assert parse(f"{GIVEN[:-2]}03") == PARENT


@given(st.text())
@example("00-" + "٠" * 32 + "-" + "1" * 16 + "-01")
def test_no_text_breaks_the_reader(text: str) -> None:
    assert parse(text) is None or text.isascii()


@given(st.text(), st.none() | IDS, st.floats(0, 1))
def test_the_same_work_has_the_same_span_wherever_it_is_derived(
    identity: str, parent: tuple[int, int, bool] | None, ratio: float
) -> None:
    above = None if parent is None else TraceContext(trace_id=f"{parent[0]:032x}", span_id="1" * 16, sampled=parent[2])
    context = Sampling(ratio=ratio).below(identity, above)

    assert context == Sampling(ratio=ratio).below(identity, above)
    assert parse(context.traceparent) == context
    if above is not None:
        assert (context.trace_id, context.sampled) == (above.trace_id, above.sampled)


def test_a_span_below_another_keeps_the_trace_and_its_flag() -> None:
    sampling = Sampling(ratio=0)

    assert sampling.below("a", PARENT).sampled
    assert not Sampling(ratio=1).below("a", OTHER).sampled
    assert sampling.below("a", PARENT).span_id != sampling.below("b", PARENT).span_id


def test_a_span_of_several_begins_a_trace_that_is_recorded_if_one_of_theirs_is() -> None:
    sampling = Sampling(ratio=0)
    both = sampling.across("c", (PARENT, OTHER))

    assert both.trace_id not in (PARENT.trace_id, OTHER.trace_id)
    assert both.sampled
    assert not Sampling(ratio=1).across("c", (OTHER, OTHER)).sampled
    assert sampling.across("c", (PARENT,)).trace_id == PARENT.trace_id
    assert not sampling.across("c", ()).sampled


def test_the_ratio_is_the_share_of_new_traces_that_is_recorded() -> None:
    recorded = sum(Sampling(ratio=0.25).begins(f"event {number}").sampled for number in range(4_000))

    assert 800 < recorded < 1_200
    assert all(Sampling(ratio=1).begins(f"event {number}").sampled for number in range(200))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Sampling(ratio=1.5)
