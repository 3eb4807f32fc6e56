"""The journal's queries about calls and writes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.exchange import Endpoint, HttpResponse
from simulator.journal import CallRow, Journal, RawWrite, Recorder, WriteCause, WriteRow


def call(number: int, arrived_us: int, **changes: Any) -> CallRow:
    values: dict[str, Any] = {
        "id": number,
        "mono_us": arrived_us,
        "wall_us": arrived_us,
        "seller": "demo",
        "method": "POST",
        "target": "/v2/units/bulk?storefront=de",
        "kind": Endpoint.BULK,
        "answered_us": arrived_us + 10,
    }
    return CallRow(**values | changes)


def write(call_id: int | None, unit_id: int, field: str, new: Any, cause: WriteCause = WriteCause.CALL) -> RawWrite:
    return (call_id, unit_id, field, None, new, new, cause, 0)


def journal(calls: list[CallRow] | None = None, writes: list[RawWrite] | None = None) -> Journal:
    return Journal(calls=calls or [], writes=[WriteRow(*one) for one in writes or []])


def test_the_worst_second_counts_arrivals_within_any_one_second() -> None:
    arrivals_us = [0, 900_000, 999_999, 1_000_000, 1_899_999, 5_000_000]

    assert journal([call(n, at_us) for n, at_us in enumerate(arrivals_us)]).worst_second("demo") == 4


def test_the_worst_second_is_of_one_seller_and_when_asked_of_some_kinds() -> None:
    calls = [call(1, 0), call(2, 1, seller="other"), call(3, 2, kind=Endpoint.LIST)]

    assert journal(calls).worst_second("demo") == 2
    assert journal(calls).worst_second("demo", kinds=frozenset({Endpoint.LIST})) == 1
    assert journal(calls).worst_second("nobody") == 0


@given(st.lists(st.integers(0, 3_000_000), max_size=40))
def test_the_worst_second_is_what_counting_every_second_gives(arrivals_us: list[int]) -> None:
    slow = max((sum(start <= at_us < start + 1_000_000 for at_us in arrivals_us) for start in arrivals_us), default=0)

    assert journal([call(n, at_us) for n, at_us in enumerate(arrivals_us)]).worst_second("demo") == slow


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ({"answered_us": 100}, 99, True),
        ({"answered_us": 100}, 100, False),
        ({"answered_us": 0}, 10**9, True),
        ({"answered_us": 50, "applied_us": 100}, 99, True),
        ({"answered_us": 100, "kind": Endpoint.LIST}, 99, False),
        ({"answered_us": 100, "unit_ids": (8,)}, 99, False),
    ],
    ids=["within", "after", "never answered", "applied after the caller was gone", "a read", "another unit"],
)
def test_two_writes_of_a_unit_overlap_until_the_first_is_over(
    first: dict[str, Any], second: int, overlap: bool
) -> None:
    calls = [call(1, 0, **{"unit_ids": (7,)} | first), call(2, second, unit_ids=(7,))]

    assert bool(journal(calls).overlaps()) == overlap


def test_a_long_write_overlaps_also_what_comes_after_a_short_one() -> None:
    calls = [
        call(1, 0, unit_ids=(7,), answered_us=100),
        call(2, 10, unit_ids=(7,), answered_us=20),
        call(3, 50, unit_ids=(7,), answered_us=60),
    ]

    found = {(one.first_call_id, one.second_call_id) for one in journal(calls).overlaps()}

    assert found == {(1, 2), (1, 3)}


def test_accepted_values_come_in_order_with_equal_ones_and_without_the_marketplaces_own() -> None:
    writes = [
        write(1, 7, "amount", 5),
        write(1, 8, "amount", 1),
        write(2, 7, "amount", 5),
        write(3, 7, "amount", 9, WriteCause.LINK),
        write(None, 7, "amount", 8, WriteCause.MARKETPLACE),
    ]

    assert journal(writes=writes).accepted(7, "amount") == (5, 5, 9)
    assert journal(writes=writes).accepted(7, "amount", linked=False) == (5, 5)
    assert [one.new for one in journal(writes=writes).history(7)] == [5, 5, 9, 8]


def test_creations_and_removals_are_counted_whatever_their_outcome() -> None:
    calls = [call(1, 0, kind=Endpoint.CREATE, status=400), call(2, 1, kind=Endpoint.DELETE, status=204)]

    assert (journal(calls).created, journal(calls).deleted) == (1, 1)
    assert (journal().created, journal().deleted) == (0, 0)


def test_knows_every_field_that_any_call_carried() -> None:
    calls = [call(1, 0, fields=("amount",)), call(2, 1, fields=("amount", "note"))]

    assert journal(calls).written_fields == {"amount", "note"}


def test_a_view_stays_as_it_was() -> None:
    recorder = Recorder()
    row = call(recorder.next_id(), 0, answered_us=0)
    recorder.call(row)
    view = recorder.view()

    recorder.over(row, HttpResponse(status=200), 50)
    recorder.writes([write(1, 7, "amount", 5)])

    assert (view.calls[0].status, view.calls[0].answered_us, view.writes) == (0, 0, ())
    assert recorder.view().calls[0].answered_us == 50


def test_keeps_a_bounded_number_of_rows_and_says_what_it_dropped() -> None:
    recorder = Recorder(keep_calls=2, keep_writes=3)
    for number in range(4):
        recorder.call(call(number, number))
        recorder.writes([write(number, 7, "amount", number), write(number, 7, "note", "x")])

    view = recorder.view()

    assert [one.id for one in view.calls] == [2, 3]
    assert len(view.writes) == 3
    assert view.dropped == 2 + 5


def test_lines_are_read_back_as_they_were_and_a_later_line_of_a_call_counts() -> None:
    late = call(1, 5, unit_ids=(7,), fields=("amount",), item_statuses=(200,), faults=("slow",), body="{}")
    whole = journal(
        [late, call(2, 9)], [write(1, 7, "amount", 5), write(None, 7, "note", None, WriteCause.MARKETPLACE)]
    )

    again = Journal.read([*journal([call(1, 5)]).lines(), *whole.lines()])

    assert again.calls == whole.calls
    assert again.writes == whole.writes


def test_a_line_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not a row of a journal"):
        Journal.read([b'{"row": "other"}'])
