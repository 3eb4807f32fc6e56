"""``connector why`` after a run with kills: its answers against the marketplace and against the rows, read another way.

What the marketplace held is taken from the marketplace itself, at moments when nothing was under way.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from connector import configuration
from connector.contracts.codec import writer_of
from connector.offers.events import OfferResult
from connector.operations.projected import open_projected
from connector.operations.why import asking, document
from connector.settings.model import Settings
from devstack.expectation import Produced
from devstack.simulator_process import Units
from streams.kafka.produce_once import RecordWriter
from streams.kafka.settings import KafkaConnection
from streams.records import NewRecord
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import SHORT, mixed, wall_us
from tests.harness.offer_rows import EAN, result

ASKED = 40
AT_THE_MARKETPLACE = {"price": "listing_price", "stock": "amount", "handling_time": "handling_time"}


def test_after_kills_40_answers_are_those_of_an_independent_reading(deploy: Deploy, tmp_path: Path) -> None:
    deployment, chance = deploy(processing=SHORT), random.Random(27)
    moments = list(rounds_with_kills(deployment, chance))
    states, rows, calls = deployment.states(), deployment.results(), {row["call_id"] for row in deployment.calls()}
    settings = loaded(deployment)
    eans = chance.sample(sorted(ean for ean in states if asking.as_stored(ean) == ean), ASKED)
    with open_projected(settings, tmp_path / "projection") as reader:
        for ean in eans:
            at_us, there = chance.choice(moments)
            then = document.document(
                asking.answer(settings, reader, ean, now_us=next(wall_us()), at_us=at_us, target=None)
            )
            now = document.document(
                asking.answer(settings, reader, ean, now_us=next(wall_us()), at_us=None, target=None)
            )

            assert then["unreadable"] == []
            found_units = {unit["unit_id"]: deployment.units_before[unit["unit_id"]] for unit in states[ean]["units"]}
            values_are_those_at_the_marketplace(then, there, found_units)
            values_are_those_at_the_marketplace(now, moments[-1][1], found_units)
            of_ean = [row for row in rows if asking.as_stored(row["ean"]) == ean]
            winners_and_losers_are_those_of_the_rows(now, states[ean], of_ean)
            outcomes_are_those_of_the_rows(now, of_ean)
            assert {one["call_id"] for event in now["events"] for one in event["calls"] if one["sent_at"]} <= calls
            assert now["waiting"] == [] or {one["announced"] for one in now["waiting"]} == {"NOT_FOUND"}

    printed = deployment.command(
        "why", eans[0], "--json", "--config", str(deployment.config("cli")), "--projection", str(tmp_path / "another")
    )
    assert {one["result_id"] for one in json.loads(printed)["events"]} == {
        row["result_id"] for row in rows if asking.as_stored(row["ean"]) == eans[0]
    }


def rounds_with_kills(deployment: WatchedDeployment, chance: random.Random) -> Iterator[tuple[int, Units]]:
    """Runs three rounds of traffic with a kill in each. Yields a quiet moment after each, and what was there then."""
    traffic, times = mixed(deployment, seed=27), wall_us()
    produced: list[Produced] = []
    for _ in range(3):
        connector = deployment.connector()
        produced += deployment.produce(traffic.messages(600, times))
        deployment.wait_for_calls(chance.randrange(5, 60))
        connector.kill9()
        replacement = deployment.connector()
        deployment.settle(produced)
        assert replacement.stop() == 0
        yield next(times), deployment.marketplace.units()


def values_are_those_at_the_marketplace(found: Mapping[str, Any], there: Units, before: Units) -> None:
    """Asserts that each known value is the true one, and that every value that has changed is known.

    ``before``: the units that look-ups have found, at the start. A write may move the linked stock of further ones.
    """
    known = {
        (unit["unit_id"], one["field"]): Decimal(one["value"])
        for unit in found["units"]
        for one in unit["fields"]
        if one["certain"] and one["value"] is not None
    }
    for (unit_id, field), value in known.items():
        assert value == held(there, unit_id, field), (unit_id, field, found)
    for unit_id in before:
        for field in AT_THE_MARKETPLACE:
            changed = held(before, unit_id, field) != held(there, unit_id, field)
            assert not changed or (unit_id, field) in known, (unit_id, field, found)


def held(units: Units, unit_id: int, field: str) -> Decimal:
    value = Decimal(units[unit_id][AT_THE_MARKETPLACE[field]])
    return value.scaleb(-2) if field == "price" else value


def winners_and_losers_are_those_of_the_rows(
    found: Mapping[str, Any], state: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Asserts each winner by the position in the state, and its losers by following every row to its end."""
    counting = counting_rows(rows)
    by_position = {(row["input_partition"], row["input_offset"]): row["result_id"] for row in rows}
    for unit in found["units"]:
        [stored] = [one for one in state["units"] if one["unit_id"] == unit["unit_id"]]
        for one in unit["fields"]:
            [fact] = [each for each in stored["fields"] if each["field"] == one["field"]]
            winner = by_position.get((state["input_partition"], fact["input_offset"]))
            assert one["result_id"] == winner
            lost = {each for each in counting if winner is not None and last_of(each, one["field"], counting) == winner}
            assert {loser["result_id"] for loser in one["won_over"]} == lost - {winner}


def last_of(result_id: str, field: str, counting: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Returns the event that a superseded field went to in the end; None for a field that ended otherwise."""
    ended = {one["field"]: one for one in counting[result_id]["fields"]}.get(field)
    if ended is None or ended["status"] != "SUPERSEDED" or ended["superseded_by"] is None:
        return None
    return last_of(ended["superseded_by"], field, counting) or str(ended["superseded_by"])


def counting_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Returns the row that counts of each result_id, as the query of docs/analytics.md selects it."""
    of_event = defaultdict(list)
    for row in rows:
        of_event[row["result_id"]].append(row)
    return {
        result_id: min(found, key=lambda row: (row["origin"] == "REPLAY", -row["decided_at"]))
        for result_id, found in of_event.items()
    }


def outcomes_are_those_of_the_rows(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    assert {one["result_id"]: (one["status"], one["code"]) for one in found["events"]} == {
        result_id: (row["status"], row["code"]) for result_id, row in counting_rows(rows).items()
    }


def test_a_topic_that_was_created_again_is_read_again(deploy: Deploy, tmp_path: Path) -> None:
    deployment = deploy(catalogue="eans = 5", partitions=1)
    topic, settings = deployment.topic("offer-results"), loaded(deployment)
    write_results(deployment, topic, result(1, "REJECTED"), result(2, "REJECTED"))
    assert events(settings, tmp_path) == {"1", "2"}

    admin = deployment.kafka.admin()
    admin.delete_topics([topic])[topic].result()
    deployment.wait_for("the deletion", lambda: topic not in admin.list_topics(timeout=10).topics)
    deployment.kafka.create_topic(topic, 1, exact=True)
    write_results(deployment, topic, result(7, "REJECTED"), result(8, "REJECTED"), result(9, "REJECTED"))

    assert events(settings, tmp_path) == {"7", "8", "9"}


def write_results(deployment: WatchedDeployment, topic: str, *rows: OfferResult) -> None:
    write = writer_of(OfferResult, deployment.registry.id_of(topic))
    connection = KafkaConnection(bootstrap_servers=deployment.kafka.bootstrap_servers, client_id="test")
    with RecordWriter(connection) as writer:
        writer.write(
            [NewRecord(topic=topic, partition=0, key=row.ean.encode(), value=write(row)) for row in rows], timeout_s=30
        )


def events(settings: Settings, folder: Path) -> set[str]:
    """Returns the ids of the events that are known of EAN."""
    with open_projected(settings, folder) as reader:
        found = asking.answer(settings, reader, EAN, now_us=next(wall_us()), at_us=None, target=None)
    return {str(one.counts.event_id) for one in found.events}


def loaded(deployment: WatchedDeployment) -> Settings:
    return configuration.load_settings(deployment.config("reader"), {}, datetime.now(UTC)).settings
