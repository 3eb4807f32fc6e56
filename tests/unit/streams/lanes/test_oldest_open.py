"""Lanes with something open in the outside world are counted by partition, with the oldest age, without decoding idle
lanes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.snapshot import PartitionSnapshot
from streams.flow import Stored
from streams.lanes.heap import SWEEP_AT_LEAST
from streams.lanes.oldest_open import OldestOpen
from tests.harness.engine_driver import WALL_US, EngineDriver
from tests.harness.toy_flow import Room, Thermostats

SECOND_US = 1_000_000


class Cold(Thermostats):
    """A flow whose rooms are open while their heat is off, since the event that switched it off."""

    def store(self, lane: Room) -> Stored:
        stored = Thermostats.store(self, lane)
        off = [device.newest_order[0] for _, device in lane.devices if device.accepted == 0]
        return Stored(value=stored.value, undone=stored.undone, open_since_us=min(off, default=None))


class Vanishing(Cold):
    """A flow that stores nothing for a room whose value is 7."""

    def store(self, lane: Room) -> Stored:
        forgotten = any(device.accepted == 7 for _, device in lane.devices)
        return Stored(value=None) if forgotten else Cold.store(self, lane)


def cold(flow: type[Cold] = Cold) -> EngineDriver:
    return EngineDriver(flow=flow())


def seen(driver: EngineDriver) -> PartitionSnapshot:
    return driver.engine.snapshot(driver.now).partitions[0]


def switch(driver: EngineDriver, at: Any, room: str, value: int, *, age_s: int = 0) -> None:
    driver.event(at, room, value=value, at=driver.now.wall_us - age_s * SECOND_US)
    driver.run(0.3)


def test_a_lane_counts_while_it_is_open() -> None:
    driver = cold()
    at = driver.opened()
    switch(driver, at, "a", 0, age_s=100)
    switch(driver, at, "b", 0, age_s=50)
    switch(driver, at, "c", 20)
    assert seen(driver).open == 2
    assert 100 <= seen(driver).oldest_open_age_s < 102

    switch(driver, at, "a", 21)
    assert seen(driver).open == 1
    assert 50 <= seen(driver).oldest_open_age_s < 53

    switch(driver, at, "b", 21)
    assert (seen(driver).open, seen(driver).oldest_open_age_s) == (0, 0.0)


def test_a_new_owner_counts_open_lanes_without_decoding_them() -> None:
    state = {f"r{n}": Stored(value=b"{}", open_since_us=WALL_US - n * SECOND_US) for n in range(1, 4)}
    state["closed"] = Stored(value=b"{}")
    loaded: list[str] = []

    class Watched(Cold):
        def load(self, key: str, stored: bytes | None) -> Room:
            loaded.append(key)
            return Thermostats.load(self, key, stored)

    driver = cold(Watched)
    driver.assign(state=state)

    assert seen(driver).open == 3
    assert 3 <= seen(driver).oldest_open_age_s < 4
    assert loaded == []


def test_a_forgotten_lane_is_no_longer_open() -> None:
    driver = cold(Vanishing)
    at = driver.opened()
    switch(driver, at, "a", 0, age_s=100)
    assert seen(driver).open == 1

    switch(driver, at, "a", 7)
    assert driver.state["a"].value is None
    assert seen(driver).open == 0


def test_what_an_assignment_held_is_counted_no_longer_when_it_ends() -> None:
    driver = cold()
    at = driver.opened()
    switch(driver, at, "a", 0)
    driver.lose(at)
    driver.assign(partition=0, state={})

    assert seen(driver).open == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 5))))
def test_ages_are_those_of_a_dict(changes: list[tuple[str, int | None]]) -> None:
    ages, known = OldestOpen(), dict[str, int]()
    for key, since_us in changes:
        ages.put(key, since_us)
        known.pop(key, None)
        if since_us is not None:
            known[key] = since_us
        assert (len(ages), ages.oldest_us()) == (len(known), min(known.values(), default=None))
        assert ages.of(key) == known.get(key)


def test_a_key_whose_age_changes_again_and_again_costs_one_entry() -> None:
    ages = OldestOpen()
    ages.put("old", 0)
    for since_us in range(1, 10_000):
        ages.put("restless", since_us)

    assert len(ages._heap) <= 1.25 * SWEEP_AT_LEAST + 1
    assert ages.oldest_us() == 0
