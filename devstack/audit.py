"""Compares the simulator's journal with the events: order of writes, final state, delays. Pure."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from devstack.expectation import Order, Produced, UnitThere, expected_units, placed_values

FIELDS = ("listing_price", "amount", "handling_time")


class Write(Protocol):
    """One accepted write of one field of one unit."""

    @property
    def unit_id(self) -> int: ...
    @property
    def field(self) -> str: ...
    @property
    def new(self) -> object: ...


def out_of_order(
    before: Sequence[UnitThere],
    writes: Iterable[Write],
    storefronts: Mapping[str, tuple[str, str]],
    produced: Sequence[Produced],
) -> list[str]:
    """Returns a message for each write that can't belong to a non-decreasing sequence of events per unit and field."""
    orders: defaultdict[tuple[int, str, object], list[Order]] = defaultdict(list)
    for unit_id, field, value, order in placed_values(before, storefronts, produced):
        orders[unit_id, field, value].append(order)
    for of_value in orders.values():
        of_value.sort()
    reached: dict[tuple[int, str], Order] = {}
    wrong = []
    for write in writes:
        if write.field not in FIELDS:
            continue
        place = (write.unit_id, write.field)
        candidates = orders.get((*place, write.new), [])
        index = bisect_left(candidates, reached.get(place, (0, -1, -1)))
        if index == len(candidates):
            why = "is older than what was there" if candidates else "is in no event"
            wrong.append(f"unit {write.unit_id}: {write.field} = {write.new} {why}")
        else:
            reached[place] = candidates[index]
    return wrong


def differences(
    before: Sequence[UnitThere],
    after: Mapping[int, Mapping[str, object]],
    storefronts: Mapping[str, tuple[str, str]],
    produced: Sequence[Produced],
) -> tuple[int, list[str]]:
    """Returns the number of values compared, and a message for each that differs from the computed state."""
    wanted = expected_units(before, storefronts, produced)
    wrong = [
        f"unit {unit_id}: {field} is {after[unit_id][field]}, wanted {value}"
        for unit_id, values in wanted.items()
        for field, value in values.items()
        if after[unit_id][field] != value
    ]
    return sum(len(values) for values in wanted.values()), wrong


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Returns the percentile by nearest rank, ``share`` from 0 to 1; 0.0 if there are no values."""
    if not sorted_values:
        return 0.0
    return sorted_values[min(len(sorted_values) - 1, max(0, round(share * len(sorted_values)) - 1))]
