"""Commands of people in several processes: writes are stopped and resumed, changes held, released and dropped."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal

from devstack.expectation import Produced
from devstack.traffic import OfferPlace
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.test_06_one_account_out import all_read
from tests.faults.workload import SHORT, all_hold, mixed, wall_us

CATALOGUE = "eans = 300\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0"
HELD = "held-brand"
FREE = "free-brand"


def write_calls(deployment: WatchedDeployment) -> int:
    return len(deployment.marketplace.journal().write_calls)


def wait_until_no_call_leaves(deployment: WatchedDeployment, say: Callable[[str], None]) -> None:
    """Waits until all events are read and the number of write calls has not changed for a while."""
    deployment.wait_for("all events to be read", lambda: all_read(deployment))
    deployment.quiet()
    say(f"{write_calls(deployment)} write calls so far")


def priced(
    deployment: WatchedDeployment, places: Sequence[OfferPlace], brand: str, price: int, at_us: int
) -> list[Produced]:
    """Produces a price in cents for each place, from a source that names the brand."""
    amount = Decimal(price).scaleb(-2)
    return deployment.produce(
        change(place, at_us + number, price=(amount, place.currency), attributes={"brand": brand})
        for number, place in enumerate(places)
    )


def statuses(deployment: WatchedDeployment, produced: Sequence[Produced]) -> Counter[tuple[str, str]]:
    """Returns how many results these events have so far, by status and origin."""
    ids = {one.message.payload["event_id"] for one in produced if one.message.payload is not None}
    return Counter((row["status"], row["origin"]) for row in deployment.results() if row["event_id"] in ids)


def test_stopped_writes_stop_in_every_process_and_in_those_that_start_and_go_on_when_they_are_resumed(
    deploy: Deploy, say: Callable[[str], None]
) -> None:
    deployment = deploy(catalogue="eans = 300", processing=SHORT)
    connectors = {name: deployment.connector(name) for name in ("one", "two")}
    traffic, times = mixed(deployment, seed=22), wall_us()
    produced = deployment.produce(traffic.messages(600, times))
    deployment.wait_for("the first write calls", lambda: write_calls(deployment) > 0)

    deployment.command("writes", "stop", "--reason", "a wrong price list", "--config", str(deployment.config("cli")))
    wait_until_no_call_leaves(deployment, say)
    stopped = write_calls(deployment)
    produced += deployment.produce(traffic.messages(600, times))
    connectors["one"].kill9()
    deployment.connector("three")
    wait_until_no_call_leaves(deployment, say)
    assert write_calls(deployment) == stopped

    deployment.command("writes", "resume", "--config", str(deployment.config("cli")))
    deployment.settle(produced)
    assert write_calls(deployment) > stopped
    all_hold(deployment, produced)


def test_1_000_held_changes_merge_outlive_restarts_and_are_released_with_one_write_each_of_the_newest(
    deploy: Deploy,
) -> None:
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), processing=SHORT)
    connectors = {name: deployment.connector(name) for name in ("one", "two")}
    config, times = str(deployment.config("cli")), wall_us()
    places = deployment.places()[0]
    held, free = places[:100], places[100:200]
    first_us = next(times)
    deployment.wait_for_results(
        [
            *priced(deployment, held, HELD, 1_111, first_us),
            *priced(deployment, free, FREE, 1_111, first_us + 1_000),
        ]
    )
    given = json.loads(
        deployment.command("hold", "add", "--brand", HELD, "--reason", "check first", "--json", "--config", config)
    )
    deployment.wait_until_obeyed(given["command_id"])

    rounds = []
    for price in range(2_001, 2_011):
        rounds.append(priced(deployment, held, HELD, price, next(times) + price * 1_000))
        if len(rounds) == 5:
            deployment.wait_for_results([one for each in rounds for one in each])
            connectors["one"].kill9()
            connectors["three"] = deployment.connector("three")
    other = priced(deployment, free, FREE, 4_444, next(times) + 5_000_000)
    *merged, newest = rounds
    deployment.wait_for_results([*other, *newest, *(one for each in merged for one in each)])
    assert sum(map(len, rounds)) == 1_000
    assert statuses(deployment, newest) == {("HELD", "LIVE"): len(held)}
    assert statuses(deployment, other) == {("APPLIED", "LIVE"): len(free)}

    for name in ("two", "three"):
        assert connectors[name].stop() == 0
    for name in ("four", "five"):
        deployment.connector(name)
    before = deployment.marketplace.journal()
    assert {before.accepted(place.unit_id, "listing_price") for place in held} == {(1_111,)}
    deployment.command("hold", "release", given["command_id"], "--config", config)
    deployment.wait_for("the released changes", lambda: statuses(deployment, newest)["APPLIED", "RELEASE"] == len(held))
    deployment.quiet()

    journal = deployment.marketplace.journal()
    assert {journal.accepted(place.unit_id, "listing_price") for place in held} == {(1_111, 2_010)}
    assert {journal.accepted(place.unit_id, "listing_price") for place in free} == {(1_111, 4_444)}
    ends = Counter(status for each in merged for status in ends_of(deployment, each))
    assert ends == {"SUPERSEDED": 900}


def ends_of(deployment: WatchedDeployment, produced: Sequence[Produced]) -> list[str]:
    """Returns the status of the last result of each event."""
    ids = {one.message.payload["event_id"] for one in produced if one.message.payload is not None}
    last = {row["event_id"]: row["status"] for row in deployment.results() if row["event_id"] in ids}
    return list(last.values())


def test_dropped_changes_end_with_a_result_and_without_a_call(deploy: Deploy) -> None:
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), processing=SHORT)
    deployment.connector("one")
    config, times = str(deployment.config("cli")), wall_us()
    held = deployment.places()[0][:100]
    deployment.wait_for_results(priced(deployment, held, HELD, 1_111, next(times)))
    given = json.loads(
        deployment.command("hold", "add", "--brand", HELD, "--reason", "wrong list", "--json", "--config", config)
    )
    deployment.wait_until_obeyed(given["command_id"])
    before = write_calls(deployment)

    merged = priced(deployment, held, HELD, 8_888, next(times) + 1_000)
    produced = priced(deployment, held, HELD, 9_999, next(times) + 2_000)
    deployment.wait_for_results([*merged, *produced])
    deployment.command("hold", "drop", given["command_id"], "--yes", "--config", config)
    deployment.wait_for("the end of what was held", lambda: len(list(statuses(deployment, produced).elements())) == 200)

    assert statuses(deployment, produced) == {("HELD", "LIVE"): 100, ("SUPPRESSED", "RELEASE"): 100}
    assert Counter(ends_of(deployment, merged)) == {"SUPERSEDED": 100}
    deployment.quiet()
    assert write_calls(deployment) == before
