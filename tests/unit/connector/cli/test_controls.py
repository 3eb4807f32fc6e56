"""``connector hold``, ``pause``, ``resume`` and ``writes`` over an embedded broker and registry.

The blocks of docs/operations.md are compared with what the commands print.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from connector import configuration, connections
from connector.cli.main import cli
from connector.contracts.topics import named
from devstack.embedded_broker import EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from tests.harness.pages import ROOT
from tests.harness.shown_commands import output_of, words_of

TOPICS = named("kaufland")


class Person:
    """A person with a command line; the topic of controls is on an embedded broker."""

    def __init__(self, broker: EmbeddedBroker, registry_url: str) -> None:
        self.environ = {
            "CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "CONNECTOR__KAFKA__TOPIC_IDS": "false",
            "CONNECTOR__REGISTRY__URL": registry_url,
            "CONNECTOR__REGISTRY__TIMEOUT": "60s",
            "LOGNAME": "anna",
        }

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        arguments = (*arguments, "--config", str(ROOT / "config" / "example.toml"))
        return CliRunner().invoke(cli, arguments, env=self.environ, input=answer)

    def said(self, *arguments: str, code: int = 0) -> str:
        """Returns what a command prints that ends with this exit code."""
        done = self.run(*arguments)
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.said(*arguments, "--json", code=code))

    def refused(self, *arguments: str) -> str:
        """Returns the message of the error that ends a command."""
        done = self.run(*arguments)
        assert done.exception is not None, done.output
        assert not isinstance(done.exception, SystemExit), done.output
        return f"{type(done.exception).__name__}: {done.exception}"

    def hold(self, *restrictions: str) -> str:
        """Gives a hold and returns its id."""
        given: dict[str, Any] = self.json("hold", "add", "--reason", "a test", *(restrictions or ("--field", "price")))
        return str(given["command_id"])

    def states(self) -> dict[str, str]:
        """Returns the state of every command by its id."""
        return {command["command_id"]: command["state"] for command in self.json("hold", "list", "--all")}


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    """A registry with this version's schemas."""
    with EmbeddedRegistry() as registry, EmbeddedBroker() as broker:
        Person(broker, registry.url).said("schemas", "register")
        yield registry.url


@pytest.fixture
def person(registry_url: str) -> Iterator[Person]:
    with EmbeddedBroker() as broker:
        for topic in (TOPICS.controls, TOPICS.offer_state):
            broker.create_topic(topic, 1)
        yield Person(broker, registry_url)


# ---- the documented output ------------------------------------------------------------------------------------------


def normalised(text: str) -> list[str]:
    """Returns the lines without trailing blanks, with times and ids replaced by placeholders of the same length."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "T" * 20, text)
    text = re.sub(r"\b(hold|pause|stop)-[0-9a-f]{8}\b", r"\1-IIIIIIII", text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


SHOWN_IN_THE_DOCS = (
    'hold add --brand Globex --field price --reason "wrong price list" --for 4h',
    "hold list",
    "hold release hold-3f9a1c2e",
    "hold drop hold-70d5b6a8 --yes",
    'pause --target shop-de --reason "prices are being checked"',
    "resume --target shop-de",
    'writes stop --reason "wrong prices everywhere"',
    "writes resume",
)
"""In the order in which the chapter has them."""


def test_the_chapter_about_holds_shows_what_the_commands_print(person: Person) -> None:
    ids: dict[str, str] = {}  # of the chapter -> as given in this test

    for command in SHOWN_IN_THE_DOCS:
        if command.startswith("hold drop"):
            ids["hold-70d5b6a8"] = person.hold()
        expected = output_of(command)
        printed = person.said(*(ids.get(word, word) for word in words_of(command)))
        for name in re.findall(r"\b(?:hold|pause|stop)-[0-9a-f]{8}\b", expected):
            ids.setdefault(name, next(iter(re.findall(rf"\b{name.partition('-')[0]}-[0-9a-f]{{8}}\b", printed)), ""))
        assert normalised(printed) == normalised(expected), command


# ---- hold -----------------------------------------------------------------------------------------------------------


def test_a_hold_has_what_was_given_and_is_listed(person: Person) -> None:
    given = person.json(
        *("hold", "add", "--target", "shop-de", "--target", "shop-de", "--storefront", "de", "--account", "demo"),
        *("--brand", "Globex", "--attribute", "season=summer=2026", "--ean", "04006381333931"),
        *("--field", "price", "--field", "stock", "--reason", " a  test ", "--by", "bert"),
    )

    assert given["scope"] == {
        "accounts": ["demo"],
        "target_ids": ["shop-de"],
        "storefronts": ["de"],
        "eans": ["4006381333931"],
        "attributes": {"season": "summer=2026", "brand": "Globex"},
        "fields": ["price", "stock"],
    }
    assert (given["kind"], given["state"], given["reason"], given["issued_by"]) == (
        "HOLD",
        "IN_FORCE",
        "a  test",
        "bert",
    )
    assert (given["expires_at"], given["changed_by"], given["changed_at"]) == (None, None, None)
    assert person.json("hold", "list") == [given]


def test_a_hold_that_was_released_is_listed_only_with_all(person: Person) -> None:
    held = person.hold()

    ended = person.json("hold", "release", held, "--by", "bert")

    assert (ended["state"], ended["changed_by"]) == ("RELEASED", "bert")
    assert person.json("hold", "list") == []
    assert person.states() == {held: "RELEASED"}
    assert "was released by bert at 20" in person.said("hold", "list", "--all")


def test_releasing_twice_succeeds_and_changes_nothing(person: Person) -> None:
    held = person.hold()

    first, second = (person.json("hold", "release", held, "--by", by) for by in ("anna", "bert"))

    assert second == first


def test_a_drop_asks_for_confirmation(person: Person) -> None:
    held = person.hold()

    done = person.run("hold", "drop", held, answer="n\n")
    assert done.exit_code == 1
    assert f"Discard every pending change that {held} covers?" in done.output
    assert person.states() == {held: "IN_FORCE"}

    assert "was dropped by anna" in person.said("hold", "drop", held, "--yes")
    assert person.states() == {held: "DROPPED"}


def test_what_is_over_cannot_be_ended_in_another_way(person: Person) -> None:
    released, dropped = person.hold(), person.hold()
    person.said("hold", "release", released)
    person.said("hold", "drop", dropped, "--yes")

    assert f"{released} cannot be dropped any more: it was released by anna at " in person.refused(
        "hold", "drop", released, "--yes"
    )
    assert f"{dropped} cannot be released any more: it was dropped by anna at " in person.refused(
        "hold", "release", dropped
    )
    assert person.states() == {released: "RELEASED", dropped: "DROPPED"}


def test_an_unknown_id_is_reported(person: Person) -> None:
    assert person.refused("hold", "release", "hold-0") == (
        "Stopped: there is no hold or pause hold-0. `connector hold list --all` shows every command"
    )


def test_listing_no_commands_succeeds(person: Person) -> None:
    assert person.said("hold", "list").strip() == "0 commands."
    assert person.json("hold", "list") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hold", "add"], "a hold needs at least one restriction"),
        (["hold", "add", "--target", "shop-dd"], "--target shop-dd is not configured; configured: shop-at, shop-de"),
        (["hold", "add", "--account", "x"], "--account x is not configured; configured: demo"),
        (["hold", "add", "--storefront", "xx"], "--storefront xx is not configured; configured: at, de"),
        (["hold", "add", "--ean", "4006381333930"], "--ean 4006381333930: "),
        (["hold", "add", "--attribute", "brand"], "--attribute brand: expected NAME=VALUE"),
        (["hold", "add", "--field", "price", "--for", "soon"], "--for: expected a duration"),
        (["hold", "add", "--field", "price", "--for", "0s"], "--for: expected at least 1s"),
        (["hold", "add", "--field", "price", "--reason", " "], "--reason must not be empty"),
        (["pause"], "pass either --account or --target"),
        (["pause", "--account", "demo", "--target", "shop-de"], "pass either --account or --target"),
        (["writes", "stop", "--account", "x"], "--account x is not configured; configured: demo"),
    ],
)
def test_invalid_options_are_refused_and_the_message_names_valid_ones(arguments: list[str], message: str) -> None:
    with EmbeddedBroker() as broker:
        said = Person(broker, "http://127.0.0.1:9").refused(
            *arguments, *(() if "--reason" in arguments else ("--reason", "a test"))
        )

    assert said.startswith("SettingsError: "), "exit code 2"
    assert message in said


# ---- pause and writes -----------------------------------------------------------------------------------------------


def test_pausing_twice_is_one_pause_and_a_pause_is_of_its_place_alone(person: Person) -> None:
    first, again, other = (
        person.json("pause", *place, "--reason", "a test")["command_id"]
        for place in (("--target", "shop-de"), ("--target", "shop-de"), ("--account", "demo"))
    )
    assert first == again

    person.said("resume", "--target", "shop-de")

    assert person.states() == {first: "RELEASED", other: "IN_FORCE"}


def test_resuming_what_is_not_paused_fails(person: Person) -> None:
    said = person.said("resume", "--target", "shop-de", code=1)

    assert said.strip() == "Nothing was released: it is not paused; `connector hold list` shows what is in force."


def test_a_pause_can_be_released_and_dropped_by_its_id(person: Person) -> None:
    paused = person.json("pause", "--account", "demo", "--reason", "a test", "--for", "1h")

    assert paused["expires_at"] > paused["issued_at"]
    assert person.json("hold", "drop", paused["command_id"], "--yes")["state"] == "DROPPED"


def test_stopping_writes_twice_is_one_command_and_holds_cannot_end_it(person: Person) -> None:
    stopped = person.json("writes", "stop", "--reason", "a test")
    assert person.json("writes", "stop", "--reason", "again") == stopped

    assert "there is no hold or pause" in person.refused("hold", "release", stopped["command_id"])
    assert "all writes" in person.said("hold", "list")


def test_writes_of_an_account_stay_stopped_while_another_command_stops_every_write(person: Person) -> None:
    everything = person.json("writes", "stop", "--reason", "a test")["command_id"]
    one = person.json("writes", "stop", "--account", "demo", "--reason", "a test")["command_id"]

    said = person.said("writes", "resume", "--account", "demo", code=1)

    assert f"{everything} still stops all writes until it is released." in said
    assert person.states() == {everything: "IN_FORCE", one: "RELEASED"}


def test_resuming_writes_ends_every_stop(person: Person) -> None:
    person.said("writes", "stop", "--reason", "a test")
    person.said("writes", "stop", "--account", "demo", "--reason", "a test")

    ended = person.json("writes", "resume")

    assert {command["state"] for command in ended} == {"RELEASED"}
    assert len(ended) == 2
    assert person.said("writes", "resume", code=1).strip() == "Nothing was released: writes are not stopped."


# ---- what they need -------------------------------------------------------------------------------------------------


def test_a_command_that_cannot_be_read_is_reported(person: Person) -> None:
    settings = configuration.load_settings(ROOT / "config" / "example.toml", person.environ, datetime.now(UTC)).settings
    connections.produce(settings, TOPICS.controls, b"hold-1", b"?")

    assert person.refused("hold", "list").startswith("Stopped: the command 'hold-1' cannot be read: ")
