"""Whether a sweep has seen every unit, and the marks that tell owners so."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.marketplace.offers import Unit, UnitPage
from connector.reconciliation.codec import MARK, read_mark
from connector.reconciliation.events import RunningSweep, SweepMark, SweepPhase
from connector.reconciliation.seen_units import CONTINUED, NO_TOTAL, SeenUnits
from streams.flow import Assignment, Output, Record, Woken
from tests.harness.effort import examples
from tests.unit.connector.reconciliation.test_sweep_lane import (
    PARTITIONS,
    SECOND,
    START_US,
    SweepHarness,
    flow_of,
    unit,
)

PLACE = ("main", "de")
CHANGED = "the list changed while it was read, from 130 to 129 units"


def swept(pages: Sequence[Sequence[Unit]], totals: Sequence[int | None], *, nameless: int = 0) -> str:
    """Returns what is said of a sweep that read these pages, each of a hundred rows but for the last."""
    seen, running = SeenUnits(), RunningSweep(sweep_at_us=1)
    for number, (units, total) in enumerate(zip(pages, totals, strict=True)):
        page = UnitPage(units=tuple(units), rows=len(units), is_last=number == len(pages) - 1, total=total)
        seen.note(PLACE, replace(running, offset=100 * number, pages=number), page, len(units) - nameless)
    return seen.problem(PLACE, 1)


def numbered(first: int, last: int) -> list[Unit]:
    return [unit(number) for number in range(first, last + 1)]


def test_a_list_that_stayed_the_same_was_seen_as_a_whole() -> None:
    assert swept([numbered(1, 100), numbered(101, 130)], [130, 130]) == ""
    assert swept([numbered(1, 100)[::-1], numbered(101, 130)], [130, 130]) == "", "in any order"


@pytest.mark.parametrize(
    ("pages", "totals", "problem"),
    [
        (
            [numbered(1, 100), numbered(102, 130)],
            [130, 129],
            "the list changed while it was read, from 130 to 129 units",
        ),
        ([numbered(1, 100), numbered(102, 130)], [130, 130], "129 different units were seen of 130"),
        ([numbered(1, 100), [unit(100), *numbered(102, 130)]], [130, 130], "129 different units were seen of 130"),
        ([numbered(1, 3)], [None], NO_TOTAL),
    ],
)
def test_a_list_that_may_have_changed_was_not(pages: list[list[Unit]], totals: list[int | None], problem: str) -> None:
    assert swept(pages, totals) == problem


def test_a_unit_without_ean_may_be_of_any_ean() -> None:
    assert swept([numbered(1, 3)], [3], nameless=1) == "1 rows were unreadable or had no EAN"


def test_a_sweep_that_another_process_began_or_continued_is_not_known_to_be_whole() -> None:
    seen = SeenUnits()
    assert seen.problem(PLACE, 1) == CONTINUED
    first = UnitPage(units=tuple(numbered(1, 100)), rows=100, is_last=False, total=300)
    seen.note(PLACE, RunningSweep(sweep_at_us=1), first, 100)
    third = UnitPage(units=tuple(numbered(201, 300)), rows=100, is_last=True, total=300)
    seen.note(PLACE, RunningSweep(sweep_at_us=1, offset=200, pages=2), third, 100)
    assert seen.problem(PLACE, 1) == CONTINUED
    assert seen.problem(PLACE, 1) == CONTINUED, "it is forgotten"


@given(st.data())
@settings(max_examples=examples(300), deadline=None)
def test_a_list_read_while_units_come_and_go_is_whole_only_if_none_was_missed(data: st.DataObject) -> None:
    """Units are deleted and created between pages of three; a unit that was there throughout must not be missed.

    One deleted and one created between the same two pages leave the total as it is: the documented limit.
    """
    listed = [unit(number) for number in range(1, data.draw(st.integers(1, 12)) + 1)]
    throughout = {one.unit_id for one in listed}
    seen, found, offset, pages = SeenUnits(), set[int](), 0, 0
    while True:
        shown = listed[offset : offset + 3]
        found |= {one.unit_id for one in shown}
        is_last = offset + 3 >= len(listed)
        page = UnitPage(units=tuple(shown), rows=len(shown), is_last=is_last, total=len(listed))
        seen.note(PLACE, RunningSweep(sweep_at_us=1, offset=offset, pages=pages), page, len(shown))
        if is_last:
            break
        offset, pages = offset + 3, pages + 1
        change = data.draw(st.sampled_from(["", "", "delete", "create", "reorder"]))
        if change == "delete":
            throughout.discard(listed.pop(data.draw(st.integers(0, len(listed) - 1))).unit_id)
        elif change == "create":
            listed.insert(data.draw(st.integers(0, len(listed))), unit(100 + pages))
        elif change == "reorder":
            listed = data.draw(st.permutations(listed))

    if not seen.problem(PLACE, 1):
        assert throughout <= found


# ---- marks ----------------------------------------------------------------------------------------------------------


class TotalHarness(SweepHarness):
    """A sweep whose owners are told, of a list that has a total."""

    def page(self) -> UnitPage:
        everything = self.by_marketplace if self.wants[0].body.by_marketplace else self.listed
        return replace(SweepHarness.page(self), total=len(everything))

    @property
    def marks(self) -> list[SweepMark]:
        """The marks in the first partition."""
        found = [read_mark(record(one)) for one in self.outputs if one.partition == 0 and one.value is None]
        assert None not in found
        return found  # type: ignore[return-value]


def record(output: Output, **changed: Any) -> Record:
    at = Assignment(topic="offers", partition=0, epoch=1)
    given: dict[str, Any] = {"key": output.key, "value": output.value, "headers": output.headers, **changed}
    return Record(at=at, offset=0, time_us=0, **given)


def test_owners_are_told_before_the_first_row_and_after_the_last_in_every_partition() -> None:
    harness = TotalHarness(flow=flow_of(tells_owners=True), listed=numbered(1, 130))
    harness.sweep()

    began = SweepMark(
        account="main", storefront="de", sweep_at_us=START_US, phase=SweepPhase.BEGAN, units=130, page_us=SECOND
    )
    assert harness.marks == [began, replace(began, phase=SweepPhase.ENDED)]
    values = [output.value is None for output in harness.outputs]
    assert values == [True] * PARTITIONS + [False] * 130 + [True] * PARTITIONS
    assert {output.partition for output in harness.outputs if output.value is None} == set(range(PARTITIONS))


def test_owners_are_told_why_a_sweep_is_not_whole() -> None:
    harness = TotalHarness(flow=flow_of(tells_owners=True), listed=numbered(1, 130))
    harness.hear(Woken())
    harness.answer()
    harness.listed = harness.listed[1:]
    while harness.wants:
        harness.answer()

    assert [mark.problem for mark in harness.marks] == ["", CHANGED]


def test_a_new_owner_of_the_sweep_does_not_say_that_it_is_whole() -> None:
    harness = TotalHarness(flow=flow_of(tells_owners=True), listed=numbered(1, 130))
    harness.hear(Woken())
    harness.answer()
    harness.flow = flow_of(tells_owners=True)
    while harness.wants:
        harness.answer()

    assert [(mark.phase, mark.problem) for mark in harness.marks] == [
        (SweepPhase.BEGAN, ""),
        (SweepPhase.ENDED, CONTINUED),
    ]


def test_nobody_is_told_if_cold_starts_are_off() -> None:
    harness = TotalHarness(listed=numbered(1, 3))
    harness.sweep()
    assert harness.marks == []


def test_a_tombstone_without_a_readable_mark_is_none() -> None:
    harness = TotalHarness(flow=flow_of(tells_owners=True), listed=numbered(1, 3))
    harness.sweep()
    mark = harness.outputs[0]
    assert read_mark(record(mark, headers=())) is None
    endless = b'{"account": "main", "storefront": "de", "sweep_at_us": Infinity}'
    for text in (b"", b"[]", b"{}", b"null", b'{"account": 1}', endless, b"[" * 100_000):
        assert read_mark(record(mark, headers=((MARK, text),))) is None
