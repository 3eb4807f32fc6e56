"""Checks the invariants of a run from outside: from the topics, read committed, and the simulator's journal.

Each check raises AssertionError with the first counterexamples. Nothing of the connector is imported here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from devstack import audit
from devstack.expectation import Produced, UnitThere
from simulator.journal import Journal, WriteCause

MAY_DIFFER = {"listing_price", "amount", "handling_time", "price", "minimum_price", "is_live", "date_lastchange_iso"}

Row = Mapping[str, Any]


def position(row: Row) -> tuple[int, int]:
    return row["input_partition"], row["input_offset"]


def once_each(produced: Sequence[Produced], results: Iterable[Row], dead: Iterable[tuple[int, int]]) -> None:
    """N: each input position has exactly one LIVE result or one dead letter, and there are no others."""
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
    """E: every unit has the newest value of each field from its events; other values are unchanged."""
    _, wrong = audit.differences(before, after, storefronts, produced)
    assert not wrong, f"{len(wrong)} fields differ from the computed state: {wrong[:5]}"


def untouched(before: Mapping[int, Mapping[str, Any]], after: Mapping[int, Mapping[str, Any]]) -> None:
    """C: the units are unchanged except for the three fields and what the marketplace derives from these."""
    assert before.keys() == after.keys()
    for unit_id, unit in before.items():
        changed = {name for name in unit if unit[name] != after[unit_id][name]} - MAY_DIFFER
        assert not changed, f"unit {unit_id}: {changed} changed"


def nothing_created(journal: Journal) -> None:
    """C: no call creates or deletes a unit, and none carries a field other than the three."""
    assert (journal.created, journal.deleted) == (0, 0)
    assert journal.written_fields <= set(audit.FIELDS), journal.written_fields
    assert journal.dropped == 0


def only_what_events_carry(journal: Journal, calls: Iterable[Row], produced: Sequence[Produced]) -> int:
    """C: every field of every write call comes from one of the events that the call's row in the call log names.

    Returns the number of fields checked. Calls without a row, which result from kills, are skipped.
    """
    carried = {one.message.payload["event_id"]: _carried(one) for one in produced if one.message.payload is not None}
    behind = {
        (call["request_sha256"], item["unit_id"]): [carried.get(event, set()) for event in item["event_ids"]]
        for call in calls
        for item in call["items"]
    }
    bodies = {call.id: call.body_sha256 for call in journal.write_calls}
    asked = [
        (events, write)
        for write in journal.writes
        if write.cause is WriteCause.CALL
        and write.call_id is not None
        and (events := behind.get((bodies[write.call_id], write.unit_id))) is not None
    ]
    strange = [write for events, write in asked if not any(write.field in fields for fields in events)]
    assert not strange, f"{len(strange)} fields were written that no event carries: {strange[:5]}"
    return len(asked)


def repeated(
    units: Sequence[UnitThere], journal: Journal, calls: Iterable[Row], produced: Sequence[Produced]
) -> tuple[int, int]:
    """Promise 5: a write is only repeated if it was not durable when its process died, so its call has no readable row.

    Only values that a single event sets on a unit's field are checked, so that a second write is a repetition. Returns
    the numbers of repeated writes and of writes that were not durable.
    """
    asked = Counter((one.message.key, name, value) for one in produced for name, value in _values(one))
    eans = {unit.unit_id: unit.ean for unit in units}
    durable = _durable_calls(journal, calls)
    before: dict[tuple[int, str, Any], int] = {}
    lost = again = 0
    wrong = []
    for write in journal.writes:
        if write.cause is not WriteCause.CALL or write.call_id is None:
            continue
        if asked[eans[write.unit_id], write.field, write.sent] != 1:
            continue
        lost += write.call_id not in durable
        earlier = before.get((write.unit_id, write.field, write.sent))
        if earlier is not None:
            again += 1
            if earlier in durable:
                wrong.append(write)
        before[write.unit_id, write.field, write.sent] = write.call_id
    assert not wrong, f"{len(wrong)} writes were repeated that were durable: {wrong[:5]}"
    assert again <= lost
    return again, lost


def _durable_calls(journal: Journal, calls: Iterable[Row]) -> set[int]:
    """Returns the ids of write calls that have a row: same body, sent before and answered after the call arrived."""
    rows: dict[str, list[tuple[int, int]]] = {}
    for call in calls:
        if call["answered_at"] is not None:
            rows.setdefault(call["request_sha256"], []).append((call["sent_at"], call["answered_at"]))
    return {
        call.id
        for call in journal.write_calls
        if any(sent <= call.wall_us <= answered for sent, answered in rows.get(call.body_sha256 or "", ()))
    }


def _values(one: Produced) -> Iterator[tuple[str, int]]:
    """Yields stock and price as they are sent to the marketplace."""
    payload = one.message.payload or {}
    if payload.get("stock") is not None:
        yield "amount", payload["stock"]
    if payload.get("price") is not None:
        yield "listing_price", int(payload["price"][0].scaleb(2))


def _carried(one: Produced) -> set[str]:
    payload = one.message.payload or {}
    names = {"price": "listing_price", "stock": "amount", "handling_time_days": "handling_time"}
    return {name for key, name in names.items() if payload.get(key) is not None}


def in_order(
    before: Sequence[UnitThere],
    journal: Journal,
    storefronts: Mapping[str, tuple[str, str]],
    produced: Sequence[Produced],
) -> None:
    """O: per unit and field, the accepted values belong to a non-decreasing sequence of events."""
    by_calls = [write for write in journal.writes if write.cause is not WriteCause.MARKETPLACE]
    wrong = audit.out_of_order(before, by_calls, storefronts, produced)
    assert not wrong, f"{len(wrong)} writes are out of order: {wrong[:5]}"


def under_the_limit(journal: Journal, sellers: Iterable[str], limit: int = 111) -> None:
    """R: by arrival, no sliding second contains more calls of a seller than the limit, and no response was 429."""
    for seller in sellers:
        assert journal.worst_second(seller) <= limit, f"{seller}: {journal.worst_second(seller)} calls in one second"
    assert journal.by_status.get(429, 0) == 0


def no_overlap(journal: Journal) -> None:
    """O: no two write calls for one unit overlap in time."""
    assert not journal.overlaps(), journal.overlaps()[:3]
