"""``connector guard`` over an embedded broker and registry, and how it counts what is held."""

import re

import pytest

from connector.offers.events import HeldField, OfferState, Undone
from connector.operations.guards import listing
from tests.harness.pages import ROOT, block
from tests.unit.connector.cli.test_controls import Person, person, registry_url

__all__ = ["person", "registry_url"]


def shown(text: str) -> list[str]:
    """Returns the lines with ids and times replaced by placeholders."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    return re.sub(r"\bguard-[0-9a-f]{8}\b", "guard-ID", text).splitlines()


def test_the_chapter_about_guard_rails_shows_what_a_release_prints(person: Person) -> None:
    command = 'guard release --rail zeroed_share --reason "end of season"'
    assert f"$ connector {command}\n" in (ROOT / "docs" / "operations.md").read_text()

    said = person.said("guard", "release", "--rail", "zeroed_share", "--reason", "end of season")

    assert shown(said) == shown(block("docs/operations.md", "text", "releases what zeroed_share held").body)


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
