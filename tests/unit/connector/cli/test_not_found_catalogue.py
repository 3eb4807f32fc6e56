"""``connector not-found --catalogue`` against the simulator: what is asked, what is shown, and what is kept.

The block of docs/operations.md is compared with what the command prints.
"""

import csv
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from connector.operations.not_found.catalogue import KEPT_US
from connector.operations.not_found.catalogue_file import open_catalogue
from devstack.embedded_broker import EmbeddedBroker
from simulator.exchange import Endpoint
from simulator.faults.mishaps import InjectedFault, Match, Respond
from simulator.offers.catalogue import Product
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from tests.harness.projected_topics import ProjectedTopics
from tests.harness.shown_commands import output_of
from tests.unit.connector.cli.test_history import missing_offers, not_found, registry_url
from tests.unit.simulator.openapi import inspect

__all__ = ["registry_url"]  # the fixture

LISTED, INCOMPLETE = "9520000004001", "9520000007001"
ABSENT = ("9520000005001", "9520000006001", "9520000008001")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueDesk:
    """The topics with offers that are not found, and a marketplace whose catalogue has some of their EANs."""

    topics: ProjectedTopics
    simulator: Simulator

    def asked(self) -> list[str]:
        """Returns the EANs that the catalogue was asked for, in the order of the calls."""
        calls = [one for one in self.simulator.journal.calls if one.kind is Endpoint.PRODUCT]
        return [urlsplit(one.target).path.rpartition("/")[2] for one in calls]


@pytest.fixture
def desk(registry_url: str, tmp_path: Path) -> Iterator[CatalogueDesk]:
    simulator = Simulator(Scenario.model_validate({"catalogue": {"eans": 5}}), inspector=inspect)
    for number, (ean, complete) in enumerate({LISTED: True, INCOMPLETE: False}.items()):
        simulator.catalogue.add_product(Product(id=9_000 + number, eans=(ean,), title="A thing", complete=complete))
    with EmbeddedBroker() as broker, simulator:
        topics = ProjectedTopics(broker, registry_url, tmp_path / "projection")
        seller = simulator.sellers["demo"]
        for name, key in (("CLIENT_KEY", seller.client_key), ("SECRET_KEY", seller.secret_key)):
            (tmp_path / name).write_text(key)
            topics.environ[f"CONNECTOR__ACCOUNTS__DEMO__{name}_FILE"] = str(tmp_path / name)
        topics.environ["CONNECTOR__ACCOUNTS__DEMO__BASE_URL"] = simulator.url
        topics.environ["CONNECTOR__ACCOUNTS__DEMO__RATE__RESERVE"] = "0.5"
        yield CatalogueDesk(topics=topics, simulator=simulator)


def test_the_output_is_what_the_documentation_shows(desk: CatalogueDesk) -> None:
    desk.topics.put(*missing_offers())

    command = "not-found --by brand,reason --catalogue"
    assert desk.topics.said(*command.split()) == output_of(command)


def test_the_reasons_tell_what_the_catalogue_has_and_units_of_the_ean_are_not_asked_for(desk: CatalogueDesk) -> None:
    desk.topics.put(*missing_offers())

    found = desk.topics.json("not-found", "--by", "reason", "--catalogue")

    assert found["reasons"] == {"IN_CATALOGUE": 1, "NOT_IN_CATALOGUE": 3, "OTHER_CONDITION": 4, "PRODUCT_INCOMPLETE": 1}
    assert sorted(desk.asked()) == sorted((LISTED, INCOMPLETE, *ABSENT))
    entries = {one["ean"]: (one["entry"], one["id_product"]) for one in found["catalogue"]["answers"]}
    assert entries == {
        LISTED: ("LISTED", 9_000),
        INCOMPLETE: ("INCOMPLETE", 9_001),
        **dict.fromkeys(ABSENT, ("ABSENT", None)),
    }


def test_without_the_option_nothing_is_asked(desk: CatalogueDesk) -> None:
    desk.topics.put(*missing_offers())

    found = desk.topics.json("not-found", "--by", "reason")

    assert (found["catalogue"], found["reasons"]["NOT_IN_ACCOUNT"], desk.asked()) == (None, 5, [])


def test_the_most_valuable_are_asked_first_up_to_the_limit_and_nothing_is_asked_twice(desk: CatalogueDesk) -> None:
    desk.topics.put(*missing_offers())

    first = desk.topics.json("not-found", "--catalogue", "--most", "2")["catalogue"]
    assert (first["asked"], first["known_before"], first["not_asked"]) == (2, 0, 3)
    assert sorted(desk.asked()) == ["9520000007001", "9520000008001"]  # 8 and 9 pieces wait

    second = desk.topics.json("not-found", "--catalogue")["catalogue"]
    third = desk.topics.json("not-found", "--catalogue", "--rebuild")["catalogue"]
    assert (second["asked"], second["known_before"], third["asked"], third["known_before"]) == (3, 2, 0, 5)
    assert len(desk.asked()) == 5


def test_several_offers_of_an_ean_on_a_storefront_are_one_question(desk: CatalogueDesk) -> None:
    desk.topics.put(not_found(ean=LISTED), not_found(ean=LISTED, condition="USED_GOOD"))

    found = desk.topics.json("not-found", "--by", "reason", "--catalogue")

    assert (found["reasons"], desk.asked()) == ({"IN_CATALOGUE": 2}, [LISTED])


def test_the_file_of_offers_has_what_the_catalogue_has(desk: CatalogueDesk, tmp_path: Path) -> None:
    desk.topics.put(not_found(ean=LISTED), not_found(ean=ABSENT[0]))
    file = tmp_path / "not-found.csv"

    desk.topics.said("not-found", "--by", "brand", "--catalogue", "--out", str(file))

    with file.open(newline="") as lines:
        rows = {row["ean"]: row for row in csv.DictReader(lines)}
    assert [(row["catalogue"], row["id_product"], row["reason"]) for row in (rows[LISTED], rows[ABSENT[0]])] == [
        ("LISTED", "9000", "IN_CATALOGUE"),
        ("ABSENT", "", "NOT_IN_CATALOGUE"),
    ]
    assert rows[LISTED]["catalogue_asked_at"].endswith("Z")


def test_a_look_up_that_fails_is_said_ends_with_1_and_is_asked_again_the_next_time(desk: CatalogueDesk) -> None:
    desk.topics.put(not_found(ean=LISTED, storefront="sk"))  # of a storefront that the seller does not have

    said = desk.topics.said("not-found", "--by", "reason", "--catalogue", code=1)
    again = desk.topics.json("not-found", "--by", "reason", "--catalogue", code=1)

    assert f"no answer of the catalogue: EAN {LISTED} on sk: HTTP 400 /problems/storefront-not-configured" in said
    assert (again["reasons"], len(desk.asked())) == ({"NOT_IN_ACCOUNT": 1}, 2)


def test_a_call_that_is_throttled_is_repeated(desk: CatalogueDesk) -> None:
    desk.topics.put(not_found(ean=LISTED))
    desk.simulator.set_fault(InjectedFault(name="busy", mishap=Respond(status=429), match=Match(times=1)))

    assert desk.topics.json("not-found", "--by", "reason", "--catalogue")["reasons"] == {"IN_CATALOGUE": 1}


def test_a_404_that_is_not_the_marketplaces_own_says_nothing_of_the_catalogue(desk: CatalogueDesk) -> None:
    desk.topics.put(not_found(ean=LISTED))
    page = Respond(status=404, body="<html>no such page</html>", content_type="text/html")
    desk.simulator.set_fault(InjectedFault(name="proxy", mishap=page, match=Match(times=1)))

    assert desk.topics.json("not-found", "--by", "reason", "--catalogue")["reasons"] == {"IN_CATALOGUE": 1}
    assert len(desk.asked()) == 2


def test_an_account_without_a_reserve_asks_nothing(desk: CatalogueDesk) -> None:
    desk.topics.put(not_found(ean=LISTED))
    desk.topics.environ["CONNECTOR__ACCOUNTS__DEMO__RATE__RESERVE"] = "0"

    assert "Remedy: set rate.reserve" in str(desk.topics.run("not-found", "--catalogue").exception)
    assert desk.asked() == []


def test_only_the_user_may_read_what_is_kept_and_an_answer_counts_for_a_day(desk: CatalogueDesk) -> None:
    desk.topics.put(not_found(ean=LISTED))
    desk.topics.said("not-found", "--by", "reason", "--catalogue")

    (path,) = desk.topics.folder.glob("catalogue-*.sqlite")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with open_catalogue(path) as file:
        (answer,) = file.known(time.time_ns() // 1_000).values()
    with open_catalogue(path) as file:
        assert list(file.known(answer.asked_at_us + KEPT_US - 1)) == [answer.question]
        assert file.known(answer.asked_at_us + KEPT_US) == {}
