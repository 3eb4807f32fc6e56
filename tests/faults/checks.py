"""The invariants of a run, read from outside: the topics as a read-committed reader sees them, and the simulator's log.

Each check raises AssertionError with the first counter-examples. Nothing of the connector is imported here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connector.demo import audit
from connector.demo.expectation import Produced, UnitThere
from connector.simulator.journal import Cause, Journal

MAY_DIFFER = {"listing_price", "amount", "handling_time", "price", "minimum_price", "is_live", "date_lastchange_iso"}

Row = Mapping[str, Any]


def position(row: Row) -> tuple[int, int]:
    return row["input_partition"], row["input_offset"]


def once_each(produced: Sequence[Produced], results: Iterable[Row], dead: Iterable[tuple[int, int]]) -> None:
    """N: exactly one LIVE result or one dead letter for each input position, and none for anything else."""
    seen = Counter(position(row) for row in results if row["origin"] == "LIVE")
    seen.update(dead)
    wanted = {(one.partition, one.offset) for one in produced}
    missing = [p for p in wanted if p not in seen]
    doubled = {p: n for p, n in seen.items() if n > 1}
    strange = [p for p in seen if p not in wanted]
    assert not missing, f"{len(missing)} of {len(wanted)} events have no result, first {sorted(missing)[:5]}"
    assert not doubled, f"{len(doubled)} events have several results, first {sorted(doubled.items())[:5]}"
    assert not strange, f"results for positions that nobody produced: {sorted(strange)[:5]}"


def end_state(
    before: Sequence[UnitThere],
    after: Mapping[int, Mapping[str, Any]],
    storefronts: Mapping[str, tuple[str, str]],
    produced: Sequence[Produced],
) -> None:
    """E: every unit holds the newest value of every field of the events that mean it; the rest is untouched."""
    _, wrong = audit.differences(before, after, storefronts, produced)
    assert not wrong, f"{len(wrong)} fields differ from the computed state: {wrong[:5]}"


def untouched(before: Mapping[int, Mapping[str, Any]], after: Mapping[int, Mapping[str, Any]]) -> None:
    """C: the units are byte for byte as before, but for the three fields and what the marketplace derives of them."""
    assert before.keys() == after.keys()
    for unit_id, unit in before.items():
        changed = {name for name in unit if unit[name] != after[unit_id][name]} - MAY_DIFFER
        assert not changed, f"unit {unit_id}: {changed} changed"


def nothing_created(journal: Journal) -> None:
    """C: no call creates or deletes, none carries a field beside the three."""
    assert (journal.created, journal.deleted) == (0, 0)
    assert journal.written_fields <= set(audit.FIELDS), journal.written_fields
    assert journal.dropped == 0


def in_order(
    before: Sequence[UnitThere],
    journal: Journal,
    storefronts: Mapping[str, tuple[str, str]],
    produced: Sequence[Produced],
) -> None:
    """O: per unit and field the accepted values can be read as a never falling sequence of events."""
    by_calls = [write for write in journal.writes if write.cause is not Cause.MARKETPLACE]
    wrong = audit.out_of_order(before, by_calls, storefronts, produced)
    assert not wrong, f"{len(wrong)} writes are out of order: {wrong[:5]}"


def under_the_limit(journal: Journal, sellers: Iterable[str], limit: int = 111) -> None:
    """R: no sliding second holds more calls of a seller than the limit, by arrival; so no answer was 429."""
    for seller in sellers:
        assert journal.worst_second(seller) <= limit, f"{seller}: {journal.worst_second(seller)} calls in one second"
    assert journal.by_status.get(429, 0) == 0


def no_overlap(journal: Journal) -> None:
    """O: no two write calls for one unit at a time."""
    assert not journal.overlaps(), journal.overlaps()[:3]
