"""The rate at which a command calls the marketplace, and that it only reads."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector import configuration
from connector.marketplace.call_kinds import PRODUCTS
from connector.operations import command_calls
from connector.settings.model import Settings
from streams.dispatch.command_calls import CommandCall
from streams.errors import SettingsError, Stopped
from streams.flow import Answer, Call, Lost, Settled

EXAMPLE = Path(__file__).parents[4] / "config" / "example.toml"


def configured(**environ: str) -> Settings:
    """Returns the example's settings: one account, 100 calls/s, of which 2 % are for the command line."""
    overrides = {f"CONNECTOR__ACCOUNTS__DEMO__{name}": value for name, value in environ.items()}
    return configuration.load_settings(EXAMPLE, overrides, datetime.now(UTC)).settings


def per_second(settings: Settings, asked: float | None, members: int | None) -> float:
    return command_calls.rates(settings, ["demo"], asked, members)["demo"].per_second


def test_the_whole_rate_is_used_if_no_process_runs_else_the_reserve() -> None:
    assert per_second(configured(), None, 0) == 100
    assert per_second(configured(), None, 3) == 2
    assert per_second(configured(), None, None) == 2
    assert per_second(configured(RATE__GROUPS__UNITS_READ="30"), None, 0) == 30


def test_a_rate_that_is_asked_for_is_used_up_to_the_configured_one() -> None:
    assert per_second(configured(), 100, 3) == 100
    with pytest.raises(SettingsError, match="account demo is configured for 100 calls/s, fewer than 101"):
        command_calls.rates(configured(), ["demo"], 101, 0)


def test_the_reserve_is_the_same_whether_or_not_processes_run_and_within_the_limit_of_the_group() -> None:
    def reserved(**environ: str) -> float:
        return command_calls.reserved(configured(**environ), ["demo"], PRODUCTS)["demo"].per_second

    assert reserved() == 2
    assert reserved(RATE__GROUPS__PRODUCTS="10") == 2
    assert reserved(RATE__GROUPS__PRODUCTS="0.5") == 0.5
    with pytest.raises(Stopped, match=r"Remedy: set rate\.reserve above 0 in \[accounts\.demo\.rate\]"):
        reserved(RATE__RESERVE="0")


def test_without_a_reserve_a_command_calls_only_while_no_process_runs_or_at_a_rate_that_is_asked_for() -> None:
    without = configured(RATE__RESERVE="0")

    assert per_second(without, None, 0) == 100
    assert per_second(without, 5, 3) == 5
    assert command_calls.rates(without, [], None, 3) == {}, "nothing is asked of the account"
    with pytest.raises(Stopped, match=r"rate\.reserve.*--calls-per-second"):
        per_second(without, None, 3)


class StubCaller:
    """Answers every call; ``stop``: as after a bug."""

    def __init__(self, stop: str | None = None) -> None:
        self.calls: list[Call] = []
        self._stop = stop

    def call(self, call: Call) -> Answer:
        self.calls.append(call)
        reply = Settled(answer=call.items[0].body) if self._stop is None else Lost(reason=self._stop)
        return Answer(call=call, replies=(reply,), sent_s=0.0, stop=self._stop)


def made(caller: StubCaller, *kinds: str) -> list[object]:
    settings = configured()
    calls = command_calls.queue(settings, command_calls.rates(settings, ["demo"], None, 0), "test")
    wanted = [CommandCall(account="demo", kind=kind, body=number) for number, kind in enumerate(kinds)]
    shown: list[int] = []
    outcomes = list(command_calls.make(calls, wanted, caller, lambda done, _: shown.append(done)))
    assert shown == sorted(shown)
    return [outcome.reply for outcome in outcomes]


def test_every_call_is_made_and_answered() -> None:
    replies = made(StubCaller(), "lookup:de", "lookup:at", "lookup:de")

    assert sorted(replies, key=str) == [Settled(answer=number) for number in range(3)]


def test_a_call_that_writes_is_never_made() -> None:
    caller = StubCaller()

    with pytest.raises(ValueError, match="update:de is not a read-only call"):
        made(caller, "lookup:de", "update:de")

    assert caller.calls == []


def test_a_bug_on_our_side_ends_the_command() -> None:
    with pytest.raises(Stopped, match="a bug"):
        made(StubCaller(stop="a bug"), "lookup:de")
