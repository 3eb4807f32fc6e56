"""``connector replay`` over an embedded broker and registry, with the state of a few offers.

The blocks of docs/operations.md are compared with what the commands print.
"""

import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner

from connector.cli.main import cli
from connector.contracts.codec import SchemaIds
from connector.contracts.registry_subjects import look_up, value_subject
from connector.contracts.topics import named
from connector.offers.codec import OfferCodecs
from connector.offers.gtin import check_digit
from connector.offers.producer_kit import ProducerKit
from connector.replays.codec import ReplayProgressCodec
from connector.replays.progress import ReplayProgress, ReplayState
from connector.routing.table import Target
from devstack.embedded_broker import EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from streams.kafka.registry import RegistryClient
from tests.harness.offer_harness import OfferHarness, flow_of, unit
from tests.harness.shown_commands import output_of, words_of
from tests.unit.connector.cli.test_controls import Person

TOPICS = named("kaufland")
GROUP = "kaufland-connector"
OFFERS = 12
FAILED = 4  # the first of them
DEMO = Target(id="shop-de", account="demo", storefront="de", currency="EUR")


class Shop(Person):
    """An operator whose broker has the events, states and results of offers; the prices of the first have failed."""

    def __init__(self, broker: EmbeddedBroker, registry_url: str) -> None:
        super().__init__(broker, registry_url)
        with RegistryClient(registry_url) as client:
            self.ids: SchemaIds = look_up(client, TOPICS, avro_keys=False)
            found = client.version(value_subject(TOPICS.offer_changes), 1)
        self.codecs = OfferCodecs(self.ids, dict[int, str]().get)
        self.kit = ProducerKit(found.id)
        self.producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 0})
        self.offsets = {0: 0, 1: 0}
        for number in range(1, OFFERS + 1):
            self.settle(number)
        assert self.producer.flush(10) == 0
        consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": GROUP})
        places = [TopicPartition(TOPICS.offer_changes, *place) for place in self.offsets.items()]
        consumer.commit(offsets=places, asynchronous=False)
        consumer.close()

    def settle(self, number: int) -> None:
        """Produces a stock that is accepted and then a price, which fails for the first offers."""
        body = f"400638{number:06d}"
        shop = OfferHarness(flow_of(DEMO), ean=body + check_digit(body)).known(unit(number, stock=1))
        self.event(shop, number, stock=5)
        shop.accept()
        self.event(shop, number, price="11.00")
        shop.give_up("update:de") if number <= FAILED else shop.accept()
        state = pickle.loads(shop.flow.store(shop.lane).value or b"")
        self.producer.produce(TOPICS.offer_state, self.codecs.encode_state(state), shop.ean.encode(), number % 2)
        for result in shop.results:
            self.producer.produce(TOPICS.offer_results, self.codecs.encode_result(result), shop.ean.encode())

    def event(self, shop: OfferHarness, number: int, **said: Any) -> None:
        partition = number % 2
        offset = self.offsets[partition]
        self.offsets[partition] += 1
        attributes = {"brand": "Globex" if number % 3 else "Acme"}
        event_id = shop.event(**said, offset=offset, partition=partition, attributes=attributes)
        if "price" in said:
            said["price"] = f"{said['price']} EUR"
        values = {
            "event_id": event_id, "occurred_at_us": shop.now_us, "source": "test", "ean": shop.ean,
            "target_id": "shop-de", "attributes": attributes, **said,
        }  # fmt: skip
        key, value = self.kit.message(values)
        self.producer.produce(TOPICS.offer_changes, value, key, partition, timestamp=shop.now_us // 1000)

    def report(self, replay_id: str, partition: int, start: int, end: int, position: int) -> None:
        """Writes a row of progress, as the owner of the partition would."""
        codec = ReplayProgressCodec(self.ids, dict[int, str]().get)
        row = ReplayProgress(
            replay_id=replay_id,
            input_topic=TOPICS.offer_changes,
            partition=partition,
            start=start,
            end=end,
            position=position,
            delivered=position - start,
            state=ReplayState.DONE if position == end else ReplayState.RUNNING,
            reported_at_us=1,
        )
        self.producer.produce(TOPICS.replays, codec.encode(row), codec.key(row.key))
        assert self.producer.flush(10) == 0


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    """A registry with this version's schemas."""
    with EmbeddedRegistry() as registry, EmbeddedBroker() as broker:
        Person(broker, registry.url).said("schemas", "register")
        yield registry.url


@pytest.fixture
def shop(registry_url: str) -> Iterator[Shop]:
    with EmbeddedBroker() as broker:
        for topic in (TOPICS.offer_changes, TOPICS.offer_state):
            broker.create_topic(topic, 2)
        for topic in (TOPICS.offer_results, TOPICS.controls, TOPICS.replays):
            broker.create_topic(topic, 1)
        yield Shop(broker, registry_url)


def normalised(text: str) -> list[str]:
    """Returns the lines without trailing blanks, with times and ids replaced by placeholders of the same length."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "T" * 20, text)
    text = re.sub(r"\breplay-[0-9a-f]{8}\b", "replay-IIIIIIII", text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def replay_id_in(text: str) -> str:
    found: list[str] = re.findall(r"\breplay-[0-9a-f]{8}\b", text)
    return found[0]


# ---- the documented output ------------------------------------------------------------------------------------------


def test_the_chapter_about_replays_shows_what_the_commands_print(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def compare(command: str, *, replay_id: str = "") -> str:
        words = words_of(command)
        printed = shop.said(*(replay_id if word.startswith("replay-") else word for word in words))
        assert normalised(printed) == normalised(output_of(command)), printed
        return printed

    compare("replay plan --status FAILED --out plan.json")
    started = compare('replay run plan.json --reason "the API was down"')
    replay_id = replay_id_in(started)
    shop.report(replay_id, 0, 0, 12, 6)
    shop.report(replay_id, 1, 0, 12, 12)
    compare("replay status replay-3f9a1c2e", replay_id=replay_id)
    compare("replay pause replay-3f9a1c2e", replay_id=replay_id)
    compare("replay resume replay-3f9a1c2e", replay_id=replay_id)
    compare("replay stop replay-3f9a1c2e", replay_id=replay_id)


# ---- plan -----------------------------------------------------------------------------------------------------------


def test_a_plan_says_what_would_happen_and_writes_nothing(shop: Shop) -> None:
    plan = shop.json("replay", "plan", "--status", "FAILED")

    forecast = plan["forecast"]
    assert (forecast["records"], forecast["replayed"], forecast["left_out"]) == (24, 8, 16)
    assert forecast["outcomes"] == {"TO BE SENT": 4, "UNCHANGED": 4}
    assert (forecast["values"], forecast["calls"], forecast["look_ups"]) == ({"price": 4}, 1, 0)
    assert {(change["from"], change["to"]) for change in forecast["changes"]} == {("10.00", "11.00")}
    assert (len(plan["eans"]), plan["statuses"]) == (4, ["FAILED"])
    assert [part["partition"] for part in forecast["partitions"]] == [0, 1]
    assert shop.json("replay", "status") == []


def test_what_is_true_needs_no_call(shop: Shop) -> None:
    forecast = shop.json("replay", "plan", "--offsets", "0:8-", "--offsets", "1:8-")["forecast"]

    assert forecast["outcomes"] == {"UNCHANGED": 8}
    assert (forecast["calls"], forecast["minutes"]) == (0, 0)


def test_restrictions_are_those_of_the_plan(shop: Shop) -> None:
    plan = shop.json("replay", "plan", "--attribute", "brand=Acme", "--target", "shop-de", "--offsets", "0:0-6")

    assert (plan["attributes"], plan["target_ids"]) == ({"brand": "Acme"}, ["shop-de"])
    assert plan["ranges"] == [{"partition": 0, "start": 0, "end": 6}]
    assert (plan["forecast"]["replayed"], plan["forecast"]["left_out"]) == (2, 4)


def test_eans_come_from_options_and_from_a_file(shop: Shop, tmp_path: Path) -> None:
    listed = tmp_path / "eans.txt"
    listed.write_text(f"4006380000{12:02d}{check_digit('400638000012')}\n")
    first = f"400638000001{check_digit('400638000001')}"

    plan = shop.json("replay", "plan", "--ean", first, "--eans-file", str(listed))

    assert len(plan["eans"]) == 2
    assert plan["forecast"]["replayed"] == 4


def test_a_hold_in_force_holds_in_the_forecast_too(shop: Shop) -> None:
    shop.hold("--field", "price")

    forecast = shop.json("replay", "plan", "--status", "FAILED")["forecast"]

    assert forecast["outcomes"] == {"HELD": 4, "UNCHANGED": 4}
    assert forecast["calls"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to replay"),
        (("--status", "LOST"), "expected statuses of results"),
        (("--status", "UNKNOWN"), "expected statuses of results"),
        (("--ean", "1"), "--ean 1"),
        (("--attribute", "brand"), "expected NAME=VALUE"),
        (("--target", "shop-xx"), "shop-xx is not configured"),
        (("--eans-file", "no-such-file"), "cannot be read"),
        (("--status", "CONFLICT"), "no selected EAN has CONFLICT"),
        (("--offsets", "0:12-"), "has passed no record"),
        (("--offsets", "7:0-"), "no partition 7"),
    ],
)
def test_a_selection_without_records_is_refused(shop: Shop, arguments: tuple[str, ...], message: str) -> None:
    assert message in shop.refused("replay", "plan", *arguments)


# ---- run, status, pause, stop ---------------------------------------------------------------------------------------


def test_a_plan_is_run_from_its_file_once(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    plan = shop.json("replay", "plan", "--status", "FAILED", "--out", str(file))
    assert json.loads(file.read_text()) == plan

    started = shop.json("replay", "run", str(file), "--reason", "the API was down")

    assert (started["replay_id"], started["state"], started["reason"]) == (
        plan["replay_id"], "RUNNING", "the API was down",
    )  # fmt: skip
    assert shop.json("replay", "status") == [started]
    assert "was run before" in shop.refused("replay", "run", str(file), "--reason", "again")
    assert shop.json("hold", "list") == []


def test_a_replay_runs_without_a_plan_and_is_paused_resumed_and_stopped(shop: Shop) -> None:
    replay_id = shop.json("replay", "run", "--offsets", "0:0-", "--reason", "a test")["replay_id"]

    states = [shop.json("replay", what, replay_id)["state"] for what in ("pause", "pause", "resume", "stop", "stop")]

    assert states == ["PAUSED", "PAUSED", "RUNNING", "STOPPED", "STOPPED"]
    assert shop.json("replay", "status", replay_id)["state"] == "STOPPED"
    assert "is over: STOPPED" in shop.refused("replay", "pause", replay_id)


def test_progress_is_shown_by_partition_with_the_results_by_status(shop: Shop) -> None:
    replay_id = shop.json("replay", "run", "--offsets", "0:0-8", "--offsets", "1:4-12", "--reason", "a test")[
        "replay_id"
    ]
    shop.report(replay_id, 1, 4, 12, 6)
    shop.report(replay_id, 1, 4, 12, 8)

    status = shop.json("replay", "status", replay_id)

    assert (status["percent"], status["delivered"], status["outcomes"]) == (25.0, 4, None)
    assert [(one["position"], one["percent"]) for one in status["partitions"]] == [(0, 0.0), (8, 50.0)]
    assert "there is no replay x" in shop.refused("replay", "status", "x")


def test_an_empty_reason_is_refused(shop: Shop) -> None:
    assert "--reason must not be empty" in shop.refused("replay", "run", "--offsets", "0:0-", "--reason", " ")


def test_a_plan_and_options_exclude_each_other(shop: Shop) -> None:
    assert "either its file or options" in shop.refused("replay", "run", "x.json", "--offsets", "0:0-", "--reason", "w")


@pytest.mark.parametrize("command", ["plan", "run", "status", "pause", "resume", "stop"])
def test_a_command_explains_itself_its_exit_codes_and_an_example(command: str) -> None:
    done = CliRunner().invoke(cli, ["replay", command, "--help"])

    assert done.exit_code == 0
    for part in ("--config", "--json", "Exit code: 0", f"Example: connector replay {command}"):
        assert part in done.stdout
