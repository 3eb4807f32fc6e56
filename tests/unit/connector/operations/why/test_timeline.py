"""The answer about an EAN against a model that knows what really happened: random events, replays and repeated rows."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.contracts.codec import SchemaIds, writer_of
from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.offers.events import (
    Basis,
    FieldState,
    FieldStatus,
    Miss,
    OfferDrifted,
    OfferResult,
    OfferState,
    Origin,
    Undone,
    UndoneField,
    UnitState,
)
from connector.offers.identity import AWAITS_SWEEP
from connector.operations.why.advice import NOTHING, advice
from connector.operations.why.showing import lines
from connector.operations.why.timeline import OfferTimeline, is_in_force, timeline
from connector.projection.codecs import ProjectionCodecs, add_record
from connector.projection.database import open_projection
from connector.projection.ean_history import EanHistory
from connector.projection.queries import ProjectionReader
from connector.projection.rows import DATASETS, ProjectedRows
from tests.harness.effort import examples
from tests.harness.offer_rows import (
    BASE_US,
    EAN,
    MINUTE_US,
    UNIT,
    drifted,
    fact,
    field_result,
    result,
    result_id,
    sent,
    state,
    swept,
)

SECOND = 1_000_000
TARGETS = {("demo", "de"): "shop-de", ("demo", "at"): "shop-at"}
PLACES = {"shop-de": (UNIT, "de"), "shop-at": (UNIT + 1, "at")}
SCHEMAS = ("offer_result", "offer_state", "offer_drifted")
END_US = BASE_US + 10_000 * MINUTE_US


@dataclass
class CarriedField:
    """One field of an event, and what became of it in reality."""

    value: Decimal
    replaced_by: int | None = None  # number of the event
    accepted_us: int = 0
    before: Decimal | None = None


@dataclass
class Happened:
    """One event in reality."""

    number: int
    target: str
    received_us: int
    carried: dict[str, CarriedField]
    fails: bool = False
    decided_us: int = 0

    @property
    def accepted_us(self) -> list[int]:
        return sorted({one.accepted_us for one in self.carried.values() if one.replaced_by is None})


@dataclass
class World:
    """A marketplace with two units, and the events that change them one after the other; knows every value."""

    events: list[Happened] = field(default_factory=list)
    values: dict[tuple[int, str], list[tuple[int, Decimal]]] = field(default_factory=dict)

    def value(self, unit_id: int, name: str, at_us: int) -> Decimal | None:
        held = [value for since_us, value in self.values.get((unit_id, name), []) if since_us <= at_us]
        return held[-1] if held else None

    def unsettled(self, unit_id: int, name: str, at_us: int) -> set[Decimal | None]:
        """Returns the values that an event of several calls may have written before its result says so."""
        return {
            value
            for one in self.events
            if PLACES[one.target][0] == unit_id and name in one.carried and len(one.accepted_us) > 1
            for carried in [one.carried[name]]
            if carried.replaced_by is None and carried.accepted_us <= at_us < one.decided_us
            for value in (carried.value, carried.before)
        }

    def final_winner(self, number: int, name: str) -> int:
        """Returns the event that had the field in the end, where an event lost it."""
        lost_to = self.events[number].carried[name].replaced_by
        return number if lost_to is None else self.final_winner(lost_to, name)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to 12 events: each carries a price, a stock or both, and is accepted, or replaced by the next of its kind."""
    return made_world(random.Random(draw(st.integers(0, 2**32))), draw(st.integers(1, 12)))


def made_world(chance: random.Random, events: int) -> World:
    world, busy_until = World(), defaultdict[tuple[str, str], int](int)
    for number in range(events):
        names = chance.choice((("price",), ("stock",), ("price", "stock")))
        world.events.append(
            Happened(
                number=number,
                target=chance.choice(("shop-de", "shop-de", "shop-at")),
                received_us=BASE_US + number * 20 * SECOND + chance.randint(0, 9) * SECOND,
                carried={name: CarriedField(value=Decimal(chance.randint(1, 99))) for name in names},
            )
        )
    for one in world.events:
        for name, carried in one.carried.items():
            successor = next((n for n in world.events[one.number + 1 :] if _meets(n, one, name)), None)
            if successor is not None and chance.random() < 0.4:
                carried.replaced_by = successor.number
                one.decided_us = max(one.decided_us, successor.received_us + 1_000)
        accept(world, one, chance, busy_until)
    return world


def _meets(other: Happened, one: Happened, name: str) -> bool:
    return other.target == one.target and name in other.carried


def accept(world: World, one: Happened, chance: random.Random, busy_until: dict[tuple[str, str], int]) -> None:
    """Lets the marketplace accept what is not replaced: in one call, or in a call for each field."""
    sent_fields = [name for name, carried in one.carried.items() if carried.replaced_by is None]
    together = chance.random() < 0.5
    first_us = max([one.received_us, *(busy_until[one.target, name] for name in sent_fields)])
    for name in sent_fields:
        carried = one.carried[name]
        at_us = first_us if together else max(one.received_us, busy_until[one.target, name])
        carried.accepted_us = at_us + 2 * SECOND + (0 if together else chance.randint(0, 60) * SECOND)
        busy_until[one.target, name] = carried.accepted_us
        held = world.values.setdefault((PLACES[one.target][0], name), [])
        carried.before = held[-1][1] if held else None
        held.append((carried.accepted_us, carried.value))
        one.decided_us = max(one.decided_us, carried.accepted_us + 1_000)


def rows(world: World, chance: random.Random) -> Iterator[OfferResult]:
    """Yields the rows of a world in any order, some of them twice, and some read again later."""
    made = [row(one) for one in world.events]
    again = [read_again(one, world) for one in world.events if chance.random() < 0.3]
    twice = [one for one in made if chance.random() < 0.2]
    everything = [*made, *again, *twice]
    chance.shuffle(everything)
    yield from everything


def row(one: Happened) -> OfferResult:
    unit_id, storefront = PLACES[one.target]
    fields = tuple(
        field_result(
            name,
            "APPLIED" if carried.replaced_by is None else "SUPERSEDED",
            str(carried.value),
            **({"before": str(carried.before)} if carried.before is not None else {}),
            **({"sent": str(carried.value)} if carried.replaced_by is None else {}),
            superseded_by=None if carried.replaced_by is None else result_id(carried.replaced_by),
        )
        for name, carried in one.carried.items()
    )
    calls = [f"call-{one.number}-{number}" for number, _ in enumerate(one.accepted_us)]
    return result(
        one.number,
        "APPLIED" if calls else "SUPERSEDED",
        *fields,
        target_id=one.target,
        unit_id=unit_id,
        received_at_us=one.received_us,
        decided_at_us=one.decided_us,
        sent=sent(one.accepted_us[-1] - SECOND, *calls, answered_us=one.accepted_us[-1], storefront=storefront)
        if calls
        else None,
    )


def read_again(one: Happened, world: World) -> OfferResult:
    """Returns the row of a replay, long after: the event that has the field is UNCHANGED, any other has lost it."""
    original = row(one)
    fields = tuple(
        replace(
            each,
            status=FieldStatus.UNCHANGED if last(world, one, each.field) else FieldStatus.SUPERSEDED,
            before=world.value(PLACES[one.target][0], each.field, END_US),
            sent=None,
        )
        for each in original.fields
    )
    status = "UNCHANGED" if any(each.status is FieldStatus.UNCHANGED for each in fields) else "SUPERSEDED"
    return replace(
        original,
        origin=Origin.REPLAY,
        status=type(original.status)(status),
        fields=fields,
        sent=None,
        received_at_us=END_US - MINUTE_US,
        decided_at_us=END_US,
    )


def last(world: World, one: Happened, name: str) -> bool:
    """Whether no later event of the target has the field."""
    return not [n for n in world.events[one.number + 1 :] if n.target == one.target and name in n.carried]


def asked(world: World, chance: random.Random, at_us: int | None) -> OfferTimeline:
    history = EanHistory(ean=EAN, results=tuple(rows(world, chance)), states=(state_of(world),))
    return timeline(history, TARGETS, END_US + MINUTE_US, at_us, None)


def state_of(world: World) -> OfferState:
    """Returns the state in the end."""
    units = []
    for target, (unit_id, storefront) in PLACES.items():
        facts = [
            fact(name, str(one.carried[name].value), offset=one.number, at_us=one.carried[name].accepted_us)
            for name in ("price", "stock")
            for one in [n for n in world.events if n.target == target and name in n.carried][-1:]
        ]
        unit = UnitState(
            account="demo",
            storefront=storefront,
            condition="NEW",
            unit_id=unit_id,
            offer_id=f"SKU-{storefront}",
            proved_at_us=BASE_US,
            fields=tuple(facts),
        )
        units.append(unit)
    return state([], units=tuple(units))


def shown(found: OfferTimeline) -> dict[tuple[int, str], Decimal | None]:
    return {(unit.unit_id, one.field): one.value for unit in found.units for one in unit.fields}


@settings(max_examples=examples(500), deadline=None)
@given(worlds(), st.integers(0, 2**32))
def test_at_any_time_the_values_are_those_that_the_marketplace_held(world: World, seed: int) -> None:
    chance = random.Random(seed)
    until_us = max(one.decided_us for one in world.events) + 10 * SECOND
    for _ in range(5):
        at_us = chance.randint(BASE_US, until_us)

        found = shown(asked(world, chance, at_us))

        for unit_id, name in world.values:
            allowed: set[Decimal | None] = {world.value(unit_id, name, at_us)}
            allowed |= world.unsettled(unit_id, name, at_us)
            assert found.get((unit_id, name)) in allowed


@settings(max_examples=examples(300), deadline=None)
@given(worlds(), st.integers(0, 2**32))
def test_each_winner_names_all_events_that_lost_to_it_in_the_end(world: World, seed: int) -> None:
    found = asked(world, random.Random(seed), None)

    for unit in found.units:
        for one in unit.fields:
            assert one.winner is not None
            winner = one.winner.counts.input_offset
            lost = {
                n.number
                for n in world.events
                if one.field in n.carried and n.carried[one.field].replaced_by is not None
                if world.final_winner(n.number, one.field) == winner
            }
            assert {loser.outcome.counts.input_offset for loser in one.losers} == lost
            assert all(loser.chain[-1] == result_id(winner) for loser in one.losers)


@settings(max_examples=examples(300), deadline=None)
@given(worlds(), st.integers(0, 2**32))
def test_at_any_time_what_waits_is_what_was_received_and_not_decided(world: World, seed: int) -> None:
    chance = random.Random(seed)
    at_us = chance.choice([time_us for one in world.events for time_us in (one.received_us, one.decided_us)])

    found = asked(world, chance, at_us)

    waiting = {one.result_id for one in found.waiting}
    assert waiting == {result_id(n.number) for n in world.events if n.received_us <= at_us < n.decided_us}
    assert {one.result_id for one in found.events} == {
        result_id(n.number) for n in world.events if n.decided_us <= at_us
    }


@settings(max_examples=examples(100), deadline=None)
@given(worlds(), st.integers(0, 2**32))
def test_what_became_of_an_event_is_not_what_its_replay_says(world: World, seed: int) -> None:
    found = asked(world, random.Random(seed), None)

    for one in found.events:
        happened = world.events[one.counts.input_offset]
        assert one.counts.origin is Origin.LIVE
        assert one.counts.status.value == ("APPLIED" if happened.accepted_us else "SUPERSEDED")


def test_100_answers_from_a_projection_of_many_eans_are_those_of_the_model(tmp_path: Path) -> None:
    """The history goes through the records of the topics and the projection's file, in random order and batches."""
    chance = random.Random(27)
    worlds_of = {f"{number:013d}": made_world(chance, chance.randint(1, 12)) for number in range(300)}
    drifts_of = {ean: drifts_at_random(ean, chance) for ean in worlds_of}
    codecs = ProjectionCodecs(SchemaIds(values=dict.fromkeys(SCHEMAS, 1)), lambda _: None)
    with open_projection(tmp_path / "projection.sqlite") as file:
        file.start_again({dataset: (dataset, "") for dataset in ("offer_results", "offer_state", "drift")})
        for batch in batches_of(worlds_of, drifts_of, chance):
            projected = ProjectedRows()
            for dataset, partition, offset, ean, value in batch:
                added = add_record(
                    projected,
                    codecs,
                    dataset,
                    DATASETS[dataset],
                    partition=partition,
                    offset=offset,
                    key=ean.encode(),
                    value=value,
                )
                assert added is None
            file.add(projected, {}, {})
        reader = ProjectionReader(file, codecs, lambda _: None)
        for ean in chance.sample(sorted(worlds_of), 100):
            world, history = worlds_of[ean], reader.history(ean)
            assert history.unreadable == ()
            at_us = chance.randint(BASE_US, max(one.decided_us for one in world.events) + 10 * SECOND)
            found = timeline(history, TARGETS, END_US + MINUTE_US, at_us, None)
            for (unit_id, name), held in shown(found).items():
                assert held in {world.value(unit_id, name, at_us), *world.unsettled(unit_id, name, at_us)}
            for unit_id, name in world.values:
                is_told = (unit_id, name) in shown(found) or world.value(unit_id, name, at_us) is None
                assert is_told or None in world.unsettled(unit_id, name, at_us)
            assert {one.result_id for one in found.waiting} == {
                result_id(n.number) for n in world.events if n.received_us <= at_us < n.decided_us
            }
            assert {one.result_id for one in found.events} == {
                result_id(n.number) for n in world.events if n.decided_us <= at_us
            }
            assert {one.drift_id for one in found.drifts} == {
                one.drift_id for one in drifts_of[ean] if one.detected_at_us <= at_us
            }


def drifts_at_random(ean: str, chance: random.Random) -> list[OfferDrifted]:
    minutes = chance.sample(range(5), chance.randint(0, 3))
    return [drifted(swept(minute, ean=ean), "17.99", drift_id=f"{ean}-{minute}") for minute in minutes]


def batches_of(
    worlds_of: Mapping[str, World], drifts_of: Mapping[str, list[OfferDrifted]], chance: random.Random
) -> Iterator[list[tuple[str, int, int, str, bytes]]]:
    """Yields dataset, partition, offset, key and value of every record, each topic in an order of its own."""
    write, write_state, write_drift = (writer_of(kind, 1) for kind in (OfferResult, OfferState, OfferDrifted))
    values = [
        *(
            ("offer_results", ean, write(replace(one, ean=ean)))
            for ean, world in worlds_of.items()
            for one in rows(world, chance)
        ),
        *(("offer_state", ean, write_state(replace(state_of(world), ean=ean))) for ean, world in worlds_of.items()),
        *(("drift", ean, write_drift(one)) for ean, found in drifts_of.items() for one in found),
    ]
    chance.shuffle(values)
    offsets: Counter[tuple[str, int]] = Counter()
    records = []
    for dataset, ean, value in values:
        partition = int(ean) % 4
        records.append((dataset, partition, offsets[dataset, partition], ean, value))
        offsets[dataset, partition] += 1
    while records:
        size = chance.randint(1, 400)
        yield records[:size]
        records = records[size:]


# ---- single cases ---------------------------------------------------------------------------------------------------


def about(*results: OfferResult, at_us: int | None = None, **more: object) -> OfferTimeline:
    history = EanHistory(ean=EAN, results=results, **more)  # type: ignore[arg-type]
    return timeline(history, TARGETS, END_US, at_us, None)


def applied(offset: int, requested: str, **more: object) -> OfferResult:
    at_us = BASE_US + offset * MINUTE_US
    given: Mapping[str, object] = {"sent": sent(at_us, f"call-{offset}"), **more}
    return result(offset, "APPLIED", field_result("price", "APPLIED", requested, sent=requested), **given)


def test_a_value_that_was_edited_outside_is_shown_by_the_marketplace() -> None:
    edited = result(9, "UNCHANGED", field_result("price", "UNCHANGED", "25", before="25"))

    found = about(applied(1, "19.99"), edited, at_us=BASE_US + 20 * MINUTE_US)

    [one] = found.units[0].fields
    assert (one.value, one.basis, one.since_us) == (Decimal(25), Basis.OBSERVED, edited.decided_at_us)


def test_an_event_that_asks_for_the_value_that_is_there_wins_and_the_call_is_that_of_the_other() -> None:
    same = result(9, "UNCHANGED", field_result("price", "UNCHANGED", "19.99", before="19.99"))

    found = about(applied(1, "19.99"), same, at_us=BASE_US + 20 * MINUTE_US)

    [one] = found.units[0].fields
    assert one.winner is not None
    assert one.written_by is not None
    assert (one.winner.counts.event_id, one.written_by.counts.event_id) == ("9", "1")
    assert one.since_us == BASE_US + MINUTE_US + 40_000


def test_a_failed_call_makes_the_value_uncertain() -> None:
    failed = result(
        9,
        "FAILED",
        field_result("price", "FAILED", "25"),
        sent=sent(BASE_US + 9 * MINUTE_US, "call-9"),
        code="NO_ANSWER",
    )

    found = about(applied(1, "19.99"), failed, at_us=BASE_US + 20 * MINUTE_US)

    [one] = found.units[0].fields
    assert (one.value, one.certain) == (Decimal("19.99"), False)


def test_linked_stock_moves_with_the_unit_that_was_written_also_where_the_other_was_found_later() -> None:
    units = tuple(
        UnitState(
            account="demo", storefront=storefront, condition="NEW", unit_id=unit_id, offer_id="SKU-1", proved_at_us=0
        )
        for unit_id, storefront in PLACES.values()
    )
    at_us = BASE_US + MINUTE_US
    written = result(
        1,
        "APPLIED",
        field_result("stock", "APPLIED", "7", sent="7"),
        sent=sent(at_us, "call-1"),
    )

    found = about(written, states=(state([], units=units),), at_us=BASE_US + 5 * MINUTE_US)

    assert shown(found) == {(UNIT, "stock"): Decimal(7), (UNIT + 1, "stock"): Decimal(7)}
    assert [one.through_unit_id for unit in found.units for one in unit.fields[0].changes] == [None, UNIT]


@pytest.mark.parametrize("origin", [Origin.REPLAY, Origin.RESEND])
def test_a_value_that_was_written_again_counts_from_then(origin: Origin) -> None:
    again = applied(1, "19.99", origin=origin, sent=sent(BASE_US + 50 * MINUTE_US, "call-50"))
    again = replace(again, decided_at_us=BASE_US + 51 * MINUTE_US)
    edited = result(9, "UNCHANGED", field_result("price", "UNCHANGED", "25", before="25"))

    found = about(applied(1, "19.99"), edited, again, at_us=BASE_US + 60 * MINUTE_US)

    [one] = found.units[0].fields
    assert (one.value, one.since_us) == (Decimal("19.99"), BASE_US + 50 * MINUTE_US + 40_000)


def test_a_row_that_repeats_what_was_accepted_before_does_not_move_it() -> None:
    first = applied(1, "19.99")
    held = replace(first, status=type(first.status)("HELD"), held_by="hold-1")
    released = replace(
        first,
        origin=Origin.RELEASE,
        sent=sent(BASE_US + 49 * MINUTE_US, "call-1", "call-49"),
        decided_at_us=BASE_US + 50 * MINUTE_US,
    )

    found = about(held, applied(2, "18"), released, at_us=BASE_US + 60 * MINUTE_US)

    [one] = found.units[0].fields
    assert one.value == Decimal(18)


def test_a_field_that_was_unchanged_long_before_its_event_ended_tells_nothing_of_the_time_in_between() -> None:
    slow = result(
        2,
        "APPLIED",
        field_result("price", "UNCHANGED", "19.99", before="19.99"),
        field_result("stock", "APPLIED", "3", sent="3"),
        sent=sent(BASE_US + 49 * MINUTE_US, "call-49"),
        decided_at_us=BASE_US + 50 * MINUTE_US,
    )

    found = about(applied(1, "19.99"), slow, applied(9, "25"), at_us=BASE_US + 60 * MINUTE_US)

    assert shown(found)[UNIT, "price"] == Decimal(25)


def test_a_chain_without_an_end_ends() -> None:
    first = result(1, "SUPERSEDED", field_result("price", "SUPERSEDED", "1", superseded_by=result_id(2)))
    second = result(2, "SUPERSEDED", field_result("price", "SUPERSEDED", "2", superseded_by=result_id(1)))

    assert len(about(first, second).events) == 2


def test_a_row_dated_ahead_of_this_machine_is_part_of_now() -> None:
    assert len(about(result(1, "REJECTED", decided_at_us=END_US + 5 * SECOND)).events) == 1


@pytest.mark.parametrize(
    ("state_now", "changed_us", "expires_us", "in_force"),
    [
        (ControlState.IN_FORCE, None, None, True),
        (ControlState.IN_FORCE, None, 150, True),
        (ControlState.IN_FORCE, None, 100, False),
        (ControlState.RELEASED, 101, None, True),
        (ControlState.RELEASED, 100, None, False),
        (ControlState.DROPPED, 101, None, True),
        (ControlState.RELEASED, 101, 100, False),
    ],
)
def test_a_command_was_in_force_until_it_ended(
    state_now: ControlState, changed_us: int | None, expires_us: int | None, in_force: bool
) -> None:
    command = ControlCommand(
        command_id="hold-1",
        kind=ControlKind.HOLD,
        state=state_now,
        scope=CommandScope(),
        issued_by="anna",
        issued_at_us=50,
        changed_at_us=changed_us,
        expires_at_us=expires_us,
    )

    assert is_in_force(command, 100) is in_force
    assert not is_in_force(command, 49)


def test_stopped_writes_come_first_in_the_advice() -> None:
    stop = ControlCommand(
        command_id="stop-1",
        kind=ControlKind.STOP_WRITES,
        state=ControlState.IN_FORCE,
        issued_by="anna",
        issued_at_us=BASE_US,
    )
    late = result(5, "APPLIED", received_at_us=BASE_US, decided_at_us=END_US + SECOND)

    found = about(late, commands=(stop,), at_us=BASE_US + MINUTE_US)

    assert found.waiting[0].stopped_by == (stop,)


@pytest.mark.parametrize(
    ("field", "value", "storefront", "waits"),
    [
        ("price", "9.99", "de", True),
        ("price", "9.99", "at", False),
        ("stock", "3", "at", True),
        ("stock", "0", "de", False),
    ],
)
def test_an_event_that_waits_for_a_sweep_is_said_to_and_until_when(
    field: str, value: str, storefront: str, waits: bool
) -> None:
    note = Miss(
        account="demo",
        storefront=storefront,
        condition="",
        code=AWAITS_SWEEP,
        since_us=END_US - MINUTE_US,
        next_check_at_us=END_US + 60 * MINUTE_US,
    )
    undone = Undone(
        result_id=result_id(1),
        event_id="1",
        target_id="shop-de",
        condition="NEW",
        input_offset=1,
        occurred_at_us=END_US,
        received_at_us=END_US,
        since_us=END_US,
        fields=(UndoneField(field=field, value=Decimal(value)),),
        times_seen=1,
    )
    found = about(states=(state((), undone=(undone,), misses=(note,)),))

    assert found.waiting[0].sweep_until_us == (note.next_check_at_us if waits else None)
    assert any("waits for the sweep" in line for line in lines(found)) is waits
    assert ("waits for the sweep" in advice(found)) is waits


def test_nothing_to_do_is_said_when_all_is_well() -> None:
    first = applied(1, "19.99")
    facts: list[FieldState] = [fact("price", "19.99", offset=1, at_us=first.decided_at_us)]

    assert advice(about(first, states=(state(facts),))) == NOTHING
