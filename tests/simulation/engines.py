"""Builds the real engine for a process of a history."""

from collections.abc import Callable
from typing import TypeAlias

from streams.control import CommandHandler
from streams.dead_letter import DeadLetters
from streams.engine.engine import Engine
from streams.policy import Pace, Policy, Share
from streams.side_input import SideInputs
from tests.harness.toy_flow import Thermostats
from tests.simulation.broker import INPUT

Build: TypeAlias = Callable[
    [Thermostats, Policy, Pace, int, str, int, CommandHandler | None, SideInputs | None], Engine
]
"""(flow, policy, pace, partitions, name of the process, start in µs, commands, side inputs) -> engine"""


def build_engine(
    flow: Thermostats,
    policy: Policy,
    pace: Pace,
    partitions: int,
    name: str,
    boot_us: int,
    control: CommandHandler | None = None,
    side_inputs: SideInputs | None = None,
) -> Engine:
    return Engine(
        flows={INPUT: flow},
        shares={INPUT: Share(weight=1.0, partitions=partitions)},
        accounts={"main": pace},
        policy=policy,
        instance=name,
        boot_us=boot_us,
        dead_letters=DeadLetters(topics={INPUT: f"{INPUT}.dlq"}, instance=name),
        control=control,
        side_inputs={INPUT: side_inputs} if side_inputs is not None else {},
    )
