"""Guard rails in several processes: a feed that goes wrong is held, everything else goes on, and people decide."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from devstack.expectation import Produced
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.test_06_one_account_out import all_read
from tests.faults.test_22_controls import CATALOGUE, statuses
from tests.faults.workload import SHORT, wall_us

WINDOW = f"{FAST_MISS}[guards]\nzeroed_share_pct = 10\nzeroed_at_least = 4\nzeroed_window = '1h'\n"


def guard(deployment: WatchedDeployment, *arguments: str, code: int = 0) -> Any:
    said = deployment.command("guard", *arguments, "--json", "--config", str(deployment.config("cli")), code=code)
    return json.loads(said)


def release(deployment: WatchedDeployment, held: Sequence[Produced], say: Callable[[str], None]) -> None:
    """Releases what is held, and waits until the newest value of each has been accepted."""
    before = statuses(deployment, held)["HELD", "LIVE"]
    guard(deployment, "release", "--reason", "it is right")
    deployment.wait_for("the released changes", lambda: statuses(deployment, held)["APPLIED", "RELEASE"] == before)
    say(f"{before} changes released")


def test_a_feed_that_zeroes_half_of_the_catalogue_is_held_from_its_share_on_until_a_person_releases_it(
    deploy: Deploy, say: Callable[[str], None]
) -> None:
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), processing=SHORT, settings=WINDOW)
    connectors = {name: deployment.connector(name) for name in ("one", "two")}
    places, times = deployment.places()[0], wall_us()
    deployment.wait_for_results(
        deployment.produce(change(place, next(times), stock=5, source="till") for place in places)
    )
    zeroed, others, later = places[:150], places[150:200], places[200:220]

    feed = deployment.produce(change(place, next(times), stock=0, source="feed") for place in zeroed)
    till = deployment.produce(
        change(place, next(times), source="till", **({"stock": 0} if number < 5 else {"price": (Decimal(12), "EUR")}))
        for number, place in enumerate(others)
    )
    deployment.wait_for_results([*feed, *till])
    found = statuses(deployment, feed)
    sent, held = found["APPLIED", "LIVE"], found["HELD", "LIVE"]
    say(f"{len(places)} EANs, {len(zeroed)} set to zero: {sent} sent, {held} held")
    assert sent + held == len(zeroed)
    share = len(places) // 10
    assert share - deployment.partitions <= sent <= share + deployment.partitions
    assert statuses(deployment, till) == {("APPLIED", "LIVE"): len(others)}, "another source goes on"

    connectors["one"].kill9()
    connectors["two"].kill9()
    deployment.connector("three")
    more = deployment.produce(change(place, next(times), stock=0, source="feed") for place in later)
    deployment.wait_for_results(more)
    assert statuses(deployment, more) == {("HELD", "LIVE"): len(later)}, "the new process goes on holding"

    groups = guard(deployment, "list", code=1)
    assert {(group["guard"], group["source"]) for group in groups} == {("zeroed_share", "feed")}
    assert sum(group["fields"] for group in groups) == held + len(later)

    release(deployment, [*feed, *more], say)
    assert guard(deployment, "list") == []
    journal = deployment.marketplace.journal()
    amounts = Counter(journal.accepted(place.unit_id, "amount")[-1:] for place in (*zeroed, *later))
    assert amounts == {(0,): len(zeroed) + len(later)}
    assert all(journal.accepted(place.unit_id, "amount").count(0) == 1 for place in (*zeroed, *later))


def test_a_feed_that_multiplies_prices_is_held_and_a_release_sends_the_newest_prices_once(
    deploy: Deploy, say: Callable[[str], None]
) -> None:
    deployment = deploy(
        catalogue=CATALOGUE, storefronts=("de",), processing=SHORT, targeted={"price_step_pct": 50, "price_floor": 1}
    )
    connectors = {name: deployment.connector(name) for name in ("one", "two")}
    places, times = deployment.places()[0][:200], wall_us()

    def priced(cents: int, **carried: object) -> list[Produced]:
        amount = Decimal(cents).scaleb(-2)
        return deployment.produce(change(place, next(times), price=(amount, "EUR"), **carried) for place in places)

    deployment.wait_for_results(deployment.produce(change(place, next(times), stock=5) for place in places))
    guard(deployment, "release", "--reason", "nothing is held yet")
    first = priced(1_000)
    deployment.wait_for_results(first)
    deployment.wait_for("all events to be read", lambda: all_read(deployment))
    guard(deployment, "release", "--reason", "the prices of the catalogue are made up")
    deployment.wait_for("the first prices", lambda: _accepted(deployment, first) == len(places))

    wrong = priced(100_000, stock=4)
    deployment.wait_for_results(wrong)
    assert statuses(deployment, wrong) == {("HELD", "LIVE"): len(places)}
    journal = deployment.marketplace.journal()
    assert all(journal.accepted(place.unit_id, "amount")[-1] == 4 for place in places), "the stock goes on"
    connectors["one"].kill9()
    deployment.connector("three")
    newest = priced(110_000)
    deployment.wait_for_results(newest)

    release(deployment, newest, say)
    deployment.quiet()
    journal = deployment.marketplace.journal()
    assert {journal.accepted(place.unit_id, "listing_price")[-2:] for place in places} == {(1_000, 110_000)}


def _accepted(deployment: WatchedDeployment, produced: Sequence[Produced]) -> int:
    """Returns how many of these events ended as APPLIED or UNCHANGED."""
    return sum(count for (status, _), count in statuses(deployment, produced).items() if status in _ENDED)


_ENDED = ("APPLIED", "UNCHANGED")
