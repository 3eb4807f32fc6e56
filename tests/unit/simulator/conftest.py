"""A small simulator whose responses are all validated against the marketplace's OpenAPI document."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from simulator.offers.catalogue import SimulatedUnit
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from tests.unit.simulator.caller import SigningCaller
from tests.unit.simulator.openapi import inspect

SMALL: dict[str, Any] = {
    "catalogue": {
        "eans": 150,
        "storefronts": ("de", "at", "cz"),
        "conditions": ("NEW", "USED___GOOD"),
        "missing": 0.05,
        "ambiguous": 0.05,
        "on_hold": 0.0,
        "incomplete": 0.0,
    }
}

Start = Callable[..., Simulator]


@pytest.fixture
def start() -> Iterator[Start]:
    """Returns a function that starts simulators with changes of the small scenario; they are closed after the test."""
    running: list[Simulator] = []

    def begin(**changes: Any) -> Simulator:
        running.append(Simulator(Scenario.model_validate(SMALL | changes), inspector=inspect).start())
        return running[-1]

    yield begin
    for simulator in running:
        simulator.close()


@pytest.fixture
def simulator(start: Start) -> Simulator:
    return start()


@pytest.fixture
def caller(simulator: Simulator) -> Iterator[SigningCaller]:
    with caller_of(simulator) as client:
        yield client


def caller_of(simulator: Simulator, seller: str = "demo", *, timeout_s: float = 120.0) -> SigningCaller:
    account = simulator.sellers[seller]
    return SigningCaller(simulator.url, account.client_key, account.secret_key, timeout_s=timeout_s)


def units(simulator: Simulator, storefront: str = "de") -> list[SimulatedUnit]:
    """Returns the units on a storefront."""
    return [unit for unit in simulator.catalogue if unit.storefront == storefront]


def linked_pair(simulator: Simulator) -> tuple[SimulatedUnit, SimulatedUnit]:
    """Returns a unit on de and the one on at with the same offer id."""
    for unit in units(simulator):
        for twin in simulator.catalogue.linked(unit.seller, unit.id_offer or ""):
            if twin.storefront == "at":
                return unit, twin
    raise AssertionError("the catalogue holds no linked units")
