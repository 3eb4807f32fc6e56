"""The table of commands: what is in force after any sequence of records, and what the engine is asked to do."""

import pickle
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState, ScopedField, Verify
from connector.controls.in_force import NO_COMMANDS, CommandsInForce, Controls
from connector.marketplace.call_kinds import CallKind
from streams.control import ControlEffect, ControlRead, ControlRecord
from streams.flow import BadRecord, NotYet, Now, Told
from tests.harness.effort import examples
from tests.unit.connector.controls.test_commands import CHANGE, command

NOW_US = 2_000
ALL_READ = ControlRead(anew=True, complete=True)


def decode(value: bytes) -> ControlCommand | BadRecord | NotYet:
    """Decodes a pickled command; ``b"?"`` is none."""
    return BadRecord(code="NOT_AVRO", text="not Avro") if value == b"?" else pickle.loads(value)


@dataclass
class Table:
    """A process's table of commands, with what it reports and asks of the engine."""

    ignored: list[str] = field(default_factory=list)
    reported: list[tuple[str, ControlState]] = field(default_factory=list)
    offset: int = 0

    def __post_init__(self) -> None:
        self.controls = Controls(
            decode,
            lambda record, why: self.ignored.append(f"{record.key}: {why}"),
            lambda read: self.reported.append((read.command_id, read.state)),
        )

    @property
    def in_force(self) -> CommandsInForce:
        return self.controls.in_force

    def read(self, *commands: Any, anew: bool = False, complete: bool = False) -> ControlEffect:
        """Applies records: a command, or a key with its value."""
        return self.controls.apply(
            ControlRead(records=tuple(map(self._record, commands)), anew=anew, complete=complete),
            Now(mono_s=0.0, wall_us=NOW_US),
        )

    def _record(self, said: ControlCommand | tuple[str, bytes | None]) -> ControlRecord:
        key, value = (said.command_id, pickle.dumps(said)) if isinstance(said, ControlCommand) else said
        self.offset += 1
        return ControlRecord(key=key, value=value, offset=self.offset, time_us=0)


def started(*commands: ControlCommand) -> Table:
    """Returns the table of a process that has read the topic to its end."""
    table = Table()
    table.read(*commands, anew=True, complete=True)
    return table


def released(one: ControlCommand) -> ControlCommand:
    return replace(one, state=ControlState.RELEASED, changed_by="bert", changed_at_us=NOW_US)


# ---- what is reported -----------------------------------------------------------------------------------------------


def test_a_command_is_reported_once_for_each_state_and_not_if_it_ended_before_it_was_read() -> None:
    hold, other = command(command_id="hold"), command(command_id="other")
    over = released(command(command_id="over"))
    expired = command(command_id="expired", expires_at_us=NOW_US)
    table = started(hold, over, expired)
    assert table.reported == [("hold", ControlState.IN_FORCE)]

    table.read(hold, other)
    table.read(released(hold))
    table.read(other, over, expired, released(hold), anew=True, complete=True)

    assert table.reported[1:] == [("other", ControlState.IN_FORCE), ("hold", ControlState.RELEASED)]


# ---- holds ----------------------------------------------------------------------------------------------------------


def test_the_oldest_hold_that_covers_a_change_holds_it() -> None:
    other = command(command_id="other", issued_at_us=1, scope=CommandScope(storefronts=("at",)))
    newer = command(command_id="newer", issued_at_us=7)
    older = command(command_id="older", issued_at_us=5, kind=ControlKind.PAUSE)
    table = started(newer, other, older)

    assert table.in_force.hold_of(ScopedField(**CHANGE), NOW_US) == older


def test_a_hold_that_is_over_holds_nothing() -> None:
    hold = command(expires_at_us=NOW_US)

    assert started(hold).in_force.hold_of(ScopedField(**CHANGE), NOW_US) is None
    assert started(released(command())).in_force.hold_of(ScopedField(**CHANGE), NOW_US) is None


def test_a_command_that_is_not_known_counts_as_released() -> None:
    table = started(command(), command(command_id="dropped", state=ControlState.DROPPED))
    table.read(("hold-1", None))

    states = {known: table.in_force.state_of(known, NOW_US) for known in ("hold-1", "dropped", "never")}

    assert states == {
        "hold-1": ControlState.RELEASED,
        "dropped": ControlState.DROPPED,
        "never": ControlState.RELEASED,
    }


def test_a_hold_that_comes_or_goes_has_every_lane_reviewed_and_a_repeated_record_does_not() -> None:
    table = started()

    assert table.read(command()) == ControlEffect(review=True)
    assert table.read(command()) == ControlEffect()
    assert table.read(released(command())) == ControlEffect(review=True)
    assert table.read(("hold-1", None)) == ControlEffect(review=True)


def test_while_the_topic_is_read_from_its_beginning_the_commands_known_before_stay_in_force() -> None:
    before, after = command(command_id="before"), command(command_id="after")
    table = started(before)

    assert table.read(after, anew=True) == ControlEffect()
    assert table.in_force.holds == (before,)

    assert table.read(released(after)) == ControlEffect()
    assert table.read(complete=True) == ControlEffect(review=True)
    assert not table.in_force.holds


def test_a_hold_that_was_released_long_ago_holds_nothing_while_the_topic_is_read_at_start() -> None:
    table = Table()
    table.read(command(), anew=True)

    assert table.in_force == NO_COMMANDS


# ---- records that cannot be used ------------------------------------------------------------------------------------


def test_a_record_that_cannot_be_read_is_reported_and_its_old_command_stays_in_force() -> None:
    table = started(command())

    assert table.read(("hold-1", b"?")) == ControlEffect()
    assert table.read(command(kind=ControlKind.UNKNOWN)) == ControlEffect()
    assert table.read(command(state=ControlState.UNKNOWN)) == ControlEffect()

    assert table.in_force.holds == (command(),)
    assert table.ignored == [
        "hold-1: not Avro",
        "hold-1: its kind or state is of a newer version of the connector",
        "hold-1: its kind or state is of a newer version of the connector",
    ]


# ---- writes that are stopped ----------------------------------------------------------------------------------------


def stopped(in_force: CommandsInForce, account: str) -> set[CallKind]:
    """Returns the kinds of calls that must not leave for an account."""
    kinds = {kind: kind.on("de") if kind in (CallKind.LOOK_UP, CallKind.UPDATE) else kind.value for kind in CallKind}
    return {kind for kind, name in kinds.items() if in_force.stops_writes(account, name)}


def test_stopped_writes_stop_every_kind_that_changes_something_and_no_other() -> None:
    table = started()

    effect = table.read(command(kind=ControlKind.STOP_WRITES))

    assert stopped(table.in_force, "main") == {kind for kind in CallKind if kind.writes}
    assert not table.in_force.stops_writes("main", "claim")
    assert effect.review
    assert effect.halted is not None
    assert effect.halted("main", "update:de")
    assert not effect.halted("main", "lookup:de")


def test_writes_of_one_account_are_stopped_alone() -> None:
    table = started(command(kind=ControlKind.STOP_WRITES, scope=CommandScope(accounts=("main",))))

    assert stopped(table.in_force, "main")
    assert not stopped(table.in_force, "other")


def test_writes_go_on_when_the_last_command_that_stops_them_is_released() -> None:
    one, two = (command(command_id=name, kind=ControlKind.STOP_WRITES) for name in ("one", "two"))
    table = started(one, two)

    first, last = table.read(released(one)), table.read(released(two))

    assert first.halted is not None
    assert first.halted("main", "update:de")
    assert last.halted is not None
    assert not last.halted("main", "update:de")
    assert last.review


def test_a_hold_does_not_change_what_is_halted() -> None:
    assert started().read(command()).halted is None


# ---- resends --------------------------------------------------------------------------------------------------------


def resend(**other: Any) -> ControlCommand:
    return command(command_id="resend-1", kind=ControlKind.RESEND, scope=CommandScope(eans=("1", "2")), **other)


def test_a_resend_is_told_to_the_lanes_of_its_eans_once() -> None:
    table = started()

    effect = table.read(resend())

    assert effect == ControlEffect(tells=tuple(Told(lane=ean, message=Verify(command=resend())) for ean in ("1", "2")))
    assert table.read(resend()) == ControlEffect()


def test_a_resend_that_is_over_is_told_to_nobody() -> None:
    assert started().read(resend(expires_at_us=NOW_US)) == ControlEffect()
    assert started().read(released(resend())) == ControlEffect()


@pytest.mark.parametrize("end", ["released", "removed"])
def test_the_end_of_a_resend_is_told_to_the_lanes_of_its_eans(end: str) -> None:
    table = started()
    table.read(resend())

    effect = table.read(released(resend()) if end == "released" else ("resend-1", None))

    assert [told.lane for told in effect.tells] == ["1", "2"]
    assert all(told.message.command.state is ControlState.RELEASED for told in effect.tells)
    assert not effect.review


# ---- any sequence ---------------------------------------------------------------------------------------------------

keys = st.sampled_from(["a", "b", "c"])
some_commands = st.builds(
    command,
    command_id=keys,
    kind=st.sampled_from(ControlKind),
    state=st.sampled_from(ControlState),
    issued_at_us=st.integers(1, 3),
    expires_at_us=st.sampled_from([None, NOW_US, NOW_US + 1]),
)
records = st.lists(some_commands | st.tuples(keys, st.sampled_from([None, b"?"])), max_size=4)
reads = st.lists(st.tuples(records, st.booleans(), st.booleans()), max_size=6)


@settings(max_examples=examples(200))
@given(reads)
def test_whatever_is_read_the_newest_readable_record_of_each_key_is_in_force(
    said: list[tuple[list[Any], bool, bool]],
) -> None:
    table = Table()
    expected: dict[str, ControlCommand] = {}
    anew: dict[str, ControlCommand] | None = None
    for read, begins, ends in said:
        anew = {} if begins else anew
        into = expected if anew is None else anew
        for one in read:
            key = one.command_id if isinstance(one, ControlCommand) else one[0]
            if isinstance(one, ControlCommand):
                if ControlKind.UNKNOWN is not one.kind and ControlState.UNKNOWN is not one.state:
                    into[key] = one
            elif one[1] is None:
                into.pop(key, None)
        before = dict(table.in_force.by_id)
        effect = table.read(*read, anew=begins, complete=ends)
        if anew is not None and ends:
            expected, anew = anew, None

        assert table.in_force.by_id == expected
        held = {
            one.command_id for one in expected.values() if one.kind in ("HOLD", "PAUSE") and one.state == "IN_FORCE"
        }
        assert {hold.command_id for hold in table.in_force.holds} == held
        replays = {one.command_id for one in expected.values() if one.kind == "REPLAY" and one.state == "IN_FORCE"}
        assert {replay.command_id for replay in table.in_force.replays} == replays
        changed = {key for key in before.keys() | expected.keys() if before.get(key) != expected.get(key)}
        apart = ("RESEND", "VERIFY", "REPLAY")
        others = {key for key in changed if (expected.get(key) or before[key]).kind not in apart}
        assert effect.review == bool(others)
