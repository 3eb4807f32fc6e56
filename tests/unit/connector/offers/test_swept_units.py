"""The side input of owners: rows of the units topic become messages to the lanes of their EANs."""

import schemas
from connector.contracts.codec import SchemaIds
from connector.contracts.headers import Stamp
from connector.offers.cold_start import NO_COLD_STARTS, ColdStartPolicy, ColdStarts
from connector.offers.swept_units import SweptUnits
from connector.reconciliation.codec import UnitRows, unit_reader
from connector.reconciliation.events import SweepMark, SweepPhase, UnitObserved
from streams.flow import Assignment, BadRecord, Headers, NotYet, Now, Record, Told
from streams.side_input import Opening, ReviewLanes, SideInput

EAN = "4006381333931"
IDS = SchemaIds(values={"unit_observed": 7})
ROW = UnitObserved(
    ean=EAN,
    account="main",
    storefront="de",
    unit_id=1,
    condition="NEW",
    requested_at_us=1,
    observed_at_us=2,
    sweep_at_us=1,
)
NOW = Now(mono_s=1.0, wall_us=1)
TEXT = schemas.text("unit_observed", 1)


def record(value: bytes | None, headers: Headers = ()) -> Record:
    at = Assignment(topic="offers", partition=3, epoch=1)
    return Record(at=at, offset=0, key=b"k", value=value, time_us=0, headers=headers)


def units(known: dict[int, str] | None = None) -> SweptUnits:
    return SweptUnits("units", unit_reader(IDS, (known or {}).get), NO_COLD_STARTS)


def encoded() -> bytes | None:
    stamp = Stamp(source="/shop", instance_id="i", config_digest="0")
    return UnitRows(IDS, topic="units", partitions=8, stamp=stamp).output(ROW).value


def test_an_owner_follows_the_partition_of_the_same_number() -> None:
    assert units().inputs(3) == (SideInput(name="units", topic="units", partition=3),)


def test_a_row_is_told_to_the_lane_of_its_ean() -> None:
    assert units().read("units", record(encoded()), NOW) == Told(lane=EAN, message=ROW)


def test_a_tombstone_is_skipped() -> None:
    assert units().read("units", record(None), NOW) is None


def test_the_marks_of_a_sweep_have_lanes_take_a_turn_that_may_wait_for_it() -> None:
    cold = ColdStarts(ColdStartPolicy(enabled=True, rates={"main": 10.0}), 1)
    inputs = SweptUnits("units", unit_reader(IDS, lambda _: None), cold)
    inputs.opened(Opening(partition=3, is_clean=True), NOW)
    assert inputs.read("units", record(None, marked(SweepPhase.BEGAN)), NOW) is None, "no lane would wait"
    cold.counted(3, (), [("main", "de")] * 100, is_restored=False)
    assert inputs.read("units", record(None, marked(SweepPhase.BEGAN, sweep_at_us=2)), NOW) == ReviewLanes()
    assert list(cold.awaited(3)) == [("main", "de")]
    assert inputs.read("units", record(None, marked(SweepPhase.ENDED, sweep_at_us=2)), NOW) == ReviewLanes()
    assert list(cold.awaited(3)) == []
    assert inputs.read("units", record(None, marked(SweepPhase.ENDED, sweep_at_us=3)), NOW) is None, "nobody waited"


def test_once_a_row_of_a_sweep_has_passed_no_further_lane_begins_to_wait_for_it() -> None:
    cold = awaited()
    inputs = SweptUnits("units", unit_reader(IDS, {7: TEXT}.get), cold)
    inputs.read("units", record(None, marked(SweepPhase.BEGAN)), NOW)
    assert list(cold.awaited(3)) == [("main", "de")]
    inputs.read("units", record(encoded()), NOW)

    assert list(cold.awaited(3)) == []
    assert inputs.read("units", record(None, marked(SweepPhase.ENDED)), NOW) == ReviewLanes(), "others wait"


def test_a_sweep_of_which_a_row_cannot_be_read_is_not_known_to_have_shown_all_units() -> None:
    cold = awaited()
    inputs = SweptUnits("units", unit_reader(IDS, {7: TEXT}.get), cold)
    for sweep_at_us, rows in ((1, (b"\x01", encoded())), (2, (encoded(),))):
        inputs.read("units", record(None, marked(SweepPhase.BEGAN, sweep_at_us)), NOW)
        for row in rows:
            inputs.read("units", record(row), NOW)
        inputs.read("units", record(None, marked(SweepPhase.ENDED, sweep_at_us)), NOW)
        end = cold.end_of(3, ("main", "de"), sweep_at_us)
        assert end is not None
        assert bool(end.problem) is (sweep_at_us == 1)


def awaited() -> ColdStarts:
    """Returns what an owner knows whose lanes are to wait for the next sweep."""
    cold = ColdStarts(ColdStartPolicy(enabled=True, rates={"main": 10.0}), 1)
    cold.opened(Opening(partition=3, is_clean=True), NOW.wall_us)
    cold.counted(3, (), [("main", "de")] * 100, is_restored=False)
    return cold


def marked(phase: SweepPhase, sweep_at_us: int = 1) -> Headers:
    stamp = Stamp(source="/shop", instance_id="i", config_digest="0")
    mark = SweepMark(account="main", storefront="de", sweep_at_us=sweep_at_us, phase=phase, units=100)
    outputs = UnitRows(IDS, topic="units", partitions=8, stamp=stamp).marks(mark)
    return outputs[3].headers


def test_what_cannot_be_read_is_a_bad_record_and_an_unknown_schema_is_awaited() -> None:
    assert isinstance(units().read("units", record(b"\x01"), NOW), BadRecord)
    assert isinstance(units().read("units", record(b"\x00\x00\x00\x00\x09\x02"), NOW), NotYet)


def test_a_topic_that_is_followed_reports_no_progress() -> None:
    (followed,) = units().inputs(0)

    assert units().progress(0, followed, None, NOW) == ()  # type: ignore[arg-type]
