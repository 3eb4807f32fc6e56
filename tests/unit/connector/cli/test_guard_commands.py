"""``connector guard`` over an embedded broker and registry, and how it counts what is held."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from connector import configuration, connections
from connector.contracts.registry_subjects import look_up
from connector.offers.codec import OfferCodecs
from connector.offers.events import HeldField, OfferState, Undone
from connector.operations.guards import listing
from tests.harness.pages import ROOT
from tests.harness.shown_commands import output_of, words_of
from tests.unit.connector.cli.test_controls import TOPICS, Person, person, registry_url

__all__ = ["person", "registry_url"]


def shown(text: str) -> list[str]:
    """Returns the lines with ids and times replaced by placeholders."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    return re.sub(r"\bguard-[0-9a-f]{8}\b", "guard-ID", text).splitlines()


def put_states(person: Person, states: Iterable[tuple[str, OfferState]]) -> None:
    """Writes states to the state topic, as the owner of its partition does."""
    settings = configuration.load_settings(ROOT / "config" / "example.toml", person.environ, datetime.now(UTC)).settings
    with connections.registry(settings) as client:
        codecs = OfferCodecs(look_up(client, TOPICS, avro_keys=False), dict[int, str]().get)
    for ean, one in states:
        connections.produce(settings, TOPICS.offer_state, ean.encode(), codecs.encode_state(one))


def test_the_chapter_about_guard_rails_shows_what_the_commands_print(person: Person) -> None:
    put_states(
        person,
        [
            *(state(f"{4006381333931 + number}", undone("zeroed_share")) for number in range(3)),
            state("9520000000011", undone("price_step", source="erp")),
        ],
    )

    for command, code in (
        ("guard list", 1),
        ('guard release --rail zeroed_share --reason "end of season"', 0),
        ('guard drop --rail price_step --reason "cents sent as euros" --yes', 0),
    ):
        assert shown(person.said(*words_of(command), code=code)) == shown(output_of(command)), command


def test_a_decision_is_over_when_it_is_given_and_names_what_it_is_about(person: Person) -> None:
    given = person.json(
        "guard", "drop", "--rail", "price_step", "--target", "shop-de", "--attribute", "brand=Y",
        "--reason", "cents", "--yes",
    )  # fmt: skip

    assert (given["kind"], given["state"], given["guards"]) == ("GUARD", "DROPPED", ["price_step"])
    assert (given["scope"]["target_ids"], given["scope"]["attributes"]) == (["shop-de"], {"brand": "Y"})
    assert person.json("hold", "list") == []
    assert [command["command_id"] for command in person.json("hold", "list", "--all")] == [given["command_id"]]


def test_nothing_is_dropped_without_a_confirmation(person: Person) -> None:
    done = person.run("guard", "drop", "--reason", "cents", answer="n\n")

    assert "nothing was dropped" in str(done.exception)
    assert person.states() == {}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("release", "--reason", " "), "--reason must not be empty"),
        (("release", "--reason", "x", "--target", "shop-xx"), "--target shop-xx is not configured"),
        (("release", "--reason", "x", "--ean", "1"), "--ean 1"),
        (("release", "--reason", "x", "--attribute", "brand"), "expected NAME=VALUE"),
    ],
)
def test_a_decision_that_means_nothing_is_refused(person: Person, arguments: tuple[str, ...], problem: str) -> None:
    assert problem in person.refused("guard", *arguments)


def undone(held_by: str, *, source: str = "feed", received_at_us: int = 5_000_000) -> Undone:
    return Undone(
        result_id="r",
        target_id="shop-de",
        condition="NEW",
        input_offset=0,
        occurred_at_us=0,
        source=source,
        received_at_us=received_at_us,
        since_us=0,
        held=(HeldField(field="price", held_by="pause-1", guard=held_by),),
        times_seen=1,
    )


def state(ean: str, *entries: Undone) -> tuple[str, OfferState]:
    return ean, OfferState(ean=ean, managed=True, undone=entries, input_partition=0, last_offset=0, updated_at_us=0)


def test_what_guard_rails_hold_is_counted_by_rail_target_and_source_of_the_newest_states() -> None:
    groups = listing.held_groups(
        [
            state("1", undone("price_step")),
            state("2", undone("price_step"), undone("price_floor", received_at_us=9_000_000)),
            state("3", undone("hold-1")),
            state("1"),
            state("4", undone("price_step", received_at_us=3_000_000)),
            ("5", None),
        ]
    )

    assert [(group.rail, group.fields, group.eans, group.oldest_us, group.example) for group in groups] == [
        ("price_step", 2, 2, 3_000_000, "2"),
        ("price_floor", 1, 1, 9_000_000, "2"),
    ]
    assert [one["guard"] for one in listing.document(groups)] == ["price_step", "price_floor"]
