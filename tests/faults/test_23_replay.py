"""Replays beside live traffic: in several processes, through a kill, a pause and a stop, what the plan said happens."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from devstack.expectation import Produced
from devstack.traffic import OfferPlace
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.test_22_controls import CATALOGUE, FREE, HELD, priced, statuses
from tests.faults.workload import SHORT, wall_us

HISTORY = 200  # offers, of which the first half has prices that were dropped
ROUNDS = 30  # stocks of each offer


class ReplayOperator:
    """A person who gives commands. In this process: a pause must not come after the end."""

    def __init__(self, deployment: WatchedDeployment) -> None:
        self._deployment = deployment
        self._config = str(deployment.config("cli"))

    def json(self, *arguments: str) -> Any:
        return json.loads(self._deployment.command(*arguments, "--json", "--config", self._config))

    def plan(self, *selection: str) -> tuple[str, dict[str, Any]]:
        """Makes a plan; returns its file and what it says."""
        file = self._deployment.folder / "plan.json"
        return str(file), self.json("replay", "plan", *selection, "--out", str(file))

    def run(self, plan_file: str) -> str:
        """Runs a plan and returns the replay's id."""
        return str(self.json("replay", "run", plan_file, "--reason", "a test")["replay_id"])

    def status(self, replay_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.json("replay", "status", replay_id)
        return found

    def drop_prices(self, places: Sequence[OfferPlace], price: int, at_us: int) -> list[Produced]:
        """Has prices held and dropped, so that their events end as SUPPRESSED."""
        deployment = self._deployment
        held = self.json("hold", "add", "--brand", HELD, "--reason", "a test")["command_id"]
        deployment.wait_until_obeyed(held)
        produced = priced(deployment, places, HELD, price, at_us)
        deployment.wait_for_results(produced)
        self.json("hold", "drop", held, "--yes")
        deployment.wait_for(
            "the drop", lambda: statuses(deployment, produced)["SUPPRESSED", "RELEASE"] == len(produced)
        )
        return produced


def everything(deployment: WatchedDeployment) -> list[str]:
    """Returns options that select all records so far."""
    return [word for number in range(deployment.partitions) for word in ("--offsets", f"{number}:0-")]


def progress(deployment: WatchedDeployment, replay_id: str) -> dict[int, dict[str, Any]]:
    """Returns the newest row of progress by partition."""
    rows = deployment.newest("replays").values()
    return {row["partition"]: dict(row) for row in rows if row["replay_id"] == replay_id}


def is_done(deployment: WatchedDeployment, replay_id: str, plan: dict[str, Any]) -> bool:
    rows = progress(deployment, replay_id)
    return rows.keys() == {part["partition"] for part in plan["ranges"]} and all(
        row["state"] == "DONE" for row in rows.values()
    )


def replayed(deployment: WatchedDeployment, replay_id: str) -> list[dict[str, Any]]:
    """Returns the results of a replay."""
    rows = (dict(row) for row in deployment.results() if row["command_id"] == replay_id)
    return [row for row in rows if row["origin"] == "REPLAY"]


def stocks(deployment: WatchedDeployment, places: Sequence[OfferPlace], times: Iterator[int]) -> list[Produced]:
    """Produces a history of stocks: those of an offer are written after each other, and differ."""
    return deployment.produce(
        change(place, next(times), stock=1 + (round_ % 50), attributes={"brand": FREE})
        for round_ in range(ROUNDS)
        for place in places
    )


def test_a_replay_beside_live_traffic_does_what_its_plan_said(deploy: Deploy, say: Callable[[str], None]) -> None:
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), processing=SHORT)
    connectors = {name: deployment.connector(name) for name in ("one", "two")}
    operator, times = ReplayOperator(deployment), wall_us()
    places = deployment.places()[0]
    history, live = places[:HISTORY], places[HISTORY:]
    dropped = history[: HISTORY // 2]
    produced = stocks(deployment, history, times)
    deployment.settle(produced)
    produced += operator.drop_prices(dropped, 2_222, next(times) + 1_000)
    deployment.quiet()

    def live_traffic(number: int) -> list[Produced]:
        return priced(deployment, live, FREE, 3_000 + number, next(times) + 10_000 * number)

    file, plan = operator.plan(*everything(deployment))
    said = plan["forecast"]
    assert said["replayed"] == len(produced)
    assert said["values"] == {"price": len(dropped)}
    before = deployment.marketplace.journal()
    traffic = live_traffic(1)
    replay_id = operator.run(file)
    traffic += live_traffic(2)
    deployment.wait_for("progress", lambda: bool(progress(deployment, replay_id)))
    connectors["one"].kill9()
    say(f"killed and paused at {operator.json('replay', 'pause', replay_id)['percent']} %")
    deployment.connector("three")
    traffic += live_traffic(3)
    deployment.wait_for_results(traffic)
    paused = operator.status(replay_id)
    say(f"resumed at {paused['percent']} %")
    assert (paused["state"], paused["percent"] < 100) == ("PAUSED", True)
    operator.json("replay", "resume", replay_id)
    traffic += live_traffic(4)
    deployment.wait_for("the end", lambda: is_done(deployment, replay_id, plan))
    deployment.wait_for("a row of each record", lambda: len(replayed(deployment, replay_id)) >= len(produced))
    deployment.settle(traffic)

    rows = replayed(deployment, replay_id)
    assert Counter(map(checks.position, rows)) == Counter((one.partition, one.offset) for one in produced)
    happened = Counter(row["status"] for row in rows)
    expected = {"APPLIED" if name == "TO BE SENT" else name: count for name, count in said["outcomes"].items()}
    say(f"planned {expected}, happened {dict(happened)}")
    assert happened.keys() == expected.keys()
    assert all(abs(happened[name] - count) <= count / 10 for name, count in expected.items()), (happened, expected)
    status = operator.status(replay_id)
    assert (status["state"], status["delivered"]) == ("DONE", len(produced))

    journal = deployment.marketplace.journal()
    written = Counter((write.unit_id, write.field) for write in journal.writes[len(before.writes) :])
    mine = {place.unit_id for place in history}
    assert {key for key in written if key[0] in mine} == {(place.unit_id, "listing_price") for place in dropped}
    every = [*produced, *traffic]
    checks.in_order(deployment.units_there(), journal, deployment.targets, every)
    checks.end_state(deployment.units_there(), deployment.marketplace.units(), deployment.targets, every)
    checks.once_each(every, deployment.results(), [])
    checks.nothing_created(journal)


def test_a_stopped_replay_reads_no_further_and_another_one_finishes_it_by_status(deploy: Deploy) -> None:
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), processing=SHORT)
    deployment.connector("one")
    operator, times = ReplayOperator(deployment), wall_us()
    dropped = deployment.places()[0][:50]
    deployment.wait_for_results(priced(deployment, dropped, HELD, 1_111, next(times)))
    produced = operator.drop_prices(dropped, 2_222, next(times) + 1_000)
    file, plan = operator.plan(*everything(deployment))
    replay_id = plan["replay_id"]
    operator.json("writes", "stop", "--reason", "a test")

    operator.run(file)
    operator.json("replay", "stop", replay_id)
    after = priced(deployment, deployment.places()[0][50:60], FREE, 4_444, next(times) + 2_000)
    operator.json("writes", "resume")
    deployment.settle(after)

    assert operator.status(replay_id)["state"] in ("STOPPED", "DONE")
    read = len(replayed(deployment, replay_id))
    selection = ("--status", "SUPPRESSED,UNCHANGED,APPLIED", "--attribute", f"brand={HELD}")
    file, plan = operator.plan(*selection)
    again = operator.run(file)
    deployment.wait_for("the end", lambda: is_done(deployment, again, plan))
    deployment.quiet()

    assert len(replayed(deployment, replay_id)) == read
    assert Counter(map(checks.position, replayed(deployment, again))).total() == 2 * len(dropped)
    prices = {deployment.marketplace.units()[place.unit_id]["listing_price"] for place in dropped}
    assert prices == {2_222}
    assert len(produced) == len(dropped)
