"""The pages that come from the projection, over HTTP, on an embedded broker: numbers, lists, search, timeline."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from typer.testing import CliRunner

import schemas
from connector.cli.main import cli
from connector.configuration import load_settings
from connector.console.console_server import ConsoleServer
from connector.console.html import Html
from connector.console.projected import ConsoleProjection
from connector.console.trends import Trends
from connector.console.views import ConsoleViews, PageRequest
from connector.controls.commands import (
    CommandScope,
    ControlCommand,
    ControlKind,
    ControlState,
    ReplayRange,
    ReplayRequest,
)
from connector.offers.events import Candidate, OfferNotFound, Origin, Pending, Status
from connector.operations.following import ProjectionFollower, tellings, turn
from connector.operations.projected import open_followed
from connector.operations.standing import NAME, READ_AT, count
from connector.orders.events import ObservedUnit, OrderObserved, OrderStatus, OrderUnitStatus
from connector.projection.minutes import minute_of
from connector.projection.rows import LISTED
from connector.replays.progress import ReplayProgress, ReplayState
from connector.settings.model import Settings
from devstack.clients import Row
from devstack.embedded_broker import EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from devstack.waiting import until
from streams.clock import SystemClock
from streams.records import NewRecord
from tests.harness.console_pages import ReadPage
from tests.harness.offer_rows import BASE_US, EAN, MINUTE_US, call, drifted, field_result, result, sent, state, swept
from tests.harness.pages import ROOT
from tests.harness.projected_topics import ProjectedTopics
from tests.harness.projected_topics import Row as TypedRow
from tests.harness.recorded_run import Recording, recording
from tests.unit.connector.console.test_console import FACTS, ShownFacts
from tests.unit.connector.console.test_html import ATTACKS

OTHER = "0012345678905"
HOLD = ControlCommand(
    command_id="hold-3f9a1c2e",
    kind=ControlKind.HOLD,
    state=ControlState.IN_FORCE,
    scope=CommandScope(attributes={"brand": "Globex"}, fields=("price",)),
    reason="wrong price list",
    issued_by="anna",
    issued_at_us=BASE_US + 60 * MINUTE_US,
)
REPLAY = ControlCommand(
    command_id="replay-5b2d9e10",
    kind=ControlKind.REPLAY,
    state=ControlState.IN_FORCE,
    reason="after the wrong price list",
    issued_by="anna",
    issued_at_us=BASE_US,
    replay=ReplayRequest(input_topic="kaufland.offer-changes.v1", ranges=(ReplayRange(partition=3, start=0, end=100),)),
)


def missing(ean: str = OTHER, **more: object) -> OfferNotFound:
    row = OfferNotFound(
        result_id="r-9",
        event_id="e-9",
        code="OFFER_NOT_FOUND",
        message="not found",
        advice="create it",
        target_id="shop-de",
        account="demo",
        storefront="de",
        ean=ean,
        condition="NEW",
        offer_id="SKU-9",
        attributes={"brand": "Globex"},
        pending=(
            Pending(field="price", value=Decimal("19.99"), currency="EUR", event_time_us=BASE_US, event_id="e-9"),
            Pending(field="stock", value=Decimal(3), event_time_us=BASE_US, event_id="e-9"),
        ),
        first_seen_at_us=BASE_US,
        last_seen_at_us=BASE_US,
        times_seen=4,
    )
    return replace(row, **more)  # type: ignore[arg-type]


def order(order_id: str = "MZ4T9Q2", age_min: int = 0, **more: object) -> OrderObserved:
    unit = ObservedUnit(
        order_unit_id=314_159,
        status=OrderUnitStatus.NEED_TO_BE_SENT,
        status_raw="need_to_be_sent",
        ean=EAN,
        offer_id="SKU-1",
        price=Decimal("19.99"),
        revenue_gross=Decimal("17.00"),
        shipping_rate=Decimal("0.00"),
        currency="EUR",
        created_at_us=BASE_US,
        changed_at_us=BASE_US,
    )
    found = OrderObserved(
        account="demo",
        order_id=order_id,
        storefront="de",
        created_at_us=BASE_US,
        changed_at_us=BASE_US,
        status=OrderStatus.NEED_TO_BE_SENT,
        units=(unit,),
        units_open=(314_159,),
        open_since_us=BASE_US - age_min * MINUTE_US,
        complete=False,
        payout_waits=False,
        fulfillment_type="fulfilled_by_merchant",
        observed_at_us=BASE_US,
        content_sha256="00",
    )
    return replace(found, **more)  # type: ignore[arg-type]


def story() -> list[TypedRow]:
    """Returns the rows of an offer that is live, one that is not, one that is not found, one that is held, an order."""
    seen = swept(account="demo", storefront="de", is_live=True)
    off = swept(account="demo", storefront="de", ean="4002515289693", unit_id=7, is_live=False, offer_id="SKU-7")
    applied = field_result("price", "APPLIED", "17.99", before="19.99", sent="17.99")
    held = field_result("price", "HELD", "15.00")
    return [
        result(22, "APPLIED", applied, sent=sent(BASE_US, "connector-0-41", account="demo")),
        call("connector-0-41", BASE_US, account="demo"),
        state([]),
        result(23, "APPLIED", applied, ean="4002515289693", unit_id=7, sent=sent(BASE_US, "connector-0-42")),
        result(24, "HELD", held, held_by=HOLD.command_id),
        seen,
        off,
        swept(account="demo", storefront="de", ean="4002515289709", unit_id=8, is_live=False),
        drifted(seen, "17.99"),
        missing(),
        order(),
        order("M000002", age_min=300),
        order("M000003", units_open=(), open_since_us=None, complete=True),
        HOLD,
        REPLAY,
        ReplayProgress(
            replay_id=REPLAY.command_id,
            input_topic="kaufland.offer-changes.v1",
            partition=3,
            start=0,
            end=100,
            position=40,
            delivered=12,
            state=ReplayState.RUNNING,
            reported_at_us=BASE_US,
        ),
    ]


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    with EmbeddedRegistry() as registry:
        environ = {
            "CONNECTOR__REGISTRY__URL": registry.url,
            "CONNECTOR__RECONCILE__ENABLED": "true",
            "CONNECTOR__ORDERS__ENABLED": "true",
        }
        done = CliRunner().invoke(
            cli, ("schemas", "register", "--config", str(ROOT / "config" / "example.toml")), env=environ
        )
        assert done.exit_code == 0, done.output
        yield registry.url


@pytest.fixture
def topics(registry_url: str, tmp_path: Path) -> Iterator[ProjectedTopics]:
    with EmbeddedBroker() as broker:
        yield ProjectedTopics(broker, registry_url, tmp_path / "projection")


@pytest.fixture
def configured(topics: ProjectedTopics) -> Settings:
    environ = {name: value for name, value in topics.environ.items() if name.startswith("CONNECTOR__")}
    return load_settings(ROOT / "config" / "example.toml", environ, datetime.now(UTC)).settings


@pytest.fixture
def http(topics: ProjectedTopics, configured: Settings) -> Iterator[httpx.Client]:
    projection = ConsoleProjection(configured, topics.folder)
    with (
        ConsoleServer(ShownFacts(FACTS), configured, projection, host="127.0.0.1", port=0) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as client,
    ):
        yield client


Read: TypeAlias = Callable[..., ReadPage]


@pytest.fixture
def read(http: httpx.Client, topics: ProjectedTopics, configured: Settings) -> Read:
    """Returns a function that brings the projection up to date, gets a page, and checks it."""

    def page(path: str, status: int = 200) -> ReadPage:
        with open_followed(configured, topics.folder) as projection:
            turn(projection, lambda _: None)
        answer = http.get(path)
        assert answer.status_code == status, answer.text
        found = ReadPage(answer.text)
        assert list(found.faults()) == []
        return found

    return page


def test_without_a_built_projection_the_page_says_so_and_shows_what_the_process_knows(http: httpx.Client) -> None:
    answer = http.get("/")

    assert answer.status_code == 200
    words = ReadPage(answer.text).words
    assert "the projection is not built yet" in words
    assert "Rate used of limit" in words


def test_the_four_numbers_are_links_to_what_they_count(read: Read, topics: ProjectedTopics) -> None:
    topics.put(*story())
    page = read("/")

    told = {
        one.attrib["href"]: " ".join("".join(one.itertext()).split())
        for one in page.all("a")
        if one.find("b") is not None
    }
    assert told == {
        "/units?state=live": "1live",
        "/units?state=off-sale": "1accepted, but not on sale",
        "/not-found": "1not found",
        "/held": "1events held",
    }
    for address in told:
        rows = [row for row in read(address).all("tr") if row.find("td") is not None]
        assert len(rows) == 1, address


def test_what_is_released_sold_elsewhere_or_listed_twice_is_not_counted_again(
    read: Read, topics: ProjectedTopics
) -> None:
    held = result(24, "HELD", field_result("price", "HELD", "15.00"), held_by=HOLD.command_id)
    released = result(24, "APPLIED", origin=Origin.RELEASE, decided_at_us=held.decided_at_us + MINUTE_US)
    two_eans = swept(account="demo", storefront="de", other_eans=(OTHER,))
    topics.put(held, released, two_eans, replace(two_eans, ean=OTHER, other_eans=(EAN,)))
    topics.put(swept(account="demo", storefront="at", unit_id=9, ean="4002515289709", is_live=False))
    topics.put(result(25, "APPLIED", ean="4002515289709", target_id="shop-de"))

    words = read("/").words

    for told in ("1 live", "0 accepted, but not on sale", "0 events held"):
        assert told in words
    assert f"/offers/{EAN}" not in read("/held").links
    assert len([one for one in read("/units?state=live").links if one.startswith("/offers/")]) == 1


def test_a_unit_counts_as_accepted_once_by_the_values_that_it_took(read: Read, topics: ProjectedTopics) -> None:
    applied, refused = (field_result("price", status, "17.99") for status in ("APPLIED", "REJECTED"))
    two_eans = swept(account="demo", storefront="de", other_eans=(OTHER,), is_live=False)  # under its larger EAN
    topics.put(two_eans, replace(two_eans, ean=OTHER, other_eans=(EAN,)))
    topics.put(result(1, "APPLIED", applied), result(2, "APPLIED", applied, ean=OTHER))
    another = replace(two_eans, unit_id=8, condition="USED___GOOD", other_eans=(), ean="4002515289709")
    topics.put(another, result(3, "APPLIED", applied, ean=another.ean, unit_id=9))  # of another condition
    topics.put(result(4, "PARTIAL", refused, ean=another.ean, unit_id=8))

    assert "1 accepted, but not on sale" in read("/").words
    assert len([one for one in read("/units?state=off-sale").links if one.startswith("/offers/")]) == 1


def test_what_is_counted_by_time_is_that_of_all_processes(read: Read, topics: ProjectedTopics) -> None:
    now_us = SystemClock().now().wall_us
    every = range(180)  # one a second, for three minutes
    topics.put(*(call(f"c-{one}", now_us - one * 1_000_000, instance_id=f"connector-{one % 3}") for one in every))
    assert "429 today 0" in read("/").words
    topics.put(*(call("d", now_us, http_status=429, instance_id=f"connector-{number}") for number in range(3)))
    topics.put(result(1, "APPLIED", decided_at_us=now_us), result(2, "REJECTED", decided_at_us=now_us))

    words = read("/").words

    assert "429 today 3" in words
    assert "in this process, 1 in all" in words
    assert "Of all processes, counted from the topics minute by minute" in words


def recorded_in(topics: ProjectedTopics, registry_url: str) -> Recording:
    """Writes the recorded run to the topics, with the ids of this registry."""
    recorded, ids = recording(), dict[int, bytes]()
    for number, name in recorded.names.items():
        record, _, version = name.partition(".v")
        body = {"schema": schemas.text(record, int(version))}
        answer = httpx.post(f"{registry_url}/subjects/recorded-{record}/versions", json=body, trust_env=False)
        ids[number] = answer.raise_for_status().json()["id"].to_bytes(4)
    topics.put_records(
        NewRecord(
            topic=f"kaufland.{one['topic']}",
            partition=one["partition"],
            key=one["key"],
            value=b"\0" + ids[int.from_bytes(one["value"][1:5])] + one["value"][5:] if one["value"] else one["value"],
        )
        for one in recorded.records
        if one["topic"] in {f"{dataset.replace('_', '-')}.v1" for dataset in LISTED}
    )
    return recorded


def test_every_number_of_the_first_page_is_that_of_the_topics(
    topics: ProjectedTopics, configured: Settings, registry_url: str
) -> None:
    recorded = recorded_in(topics, registry_url)
    calls, results = recorded.values("marketplace-calls.v1"), recorded.values("offer-results.v1")
    now = max(one["decided_at"] for one in results)
    now_us = round(now.timestamp() * 1e6)
    with open_followed(configured, topics.folder) as followed:
        assert sum(followed.update()) > 1_000
        followed.file.keep_summary(NAME, count(followed.reader, now_us).text())
        followed.file.keep_summary(READ_AT, str(SystemClock().now().wall_us))
    with ConsoleProjection(configured, topics.folder) as projection:
        view = ConsoleViews(configured, Trends(), projection, writes=False).overview(
            PageRequest(facts=FACTS, now_us=now_us)
        )
        with projection.open() as reader:
            counted = reader.minutes(0, minute_of(now_us) + 1)
    words = " ".join(one.markup if isinstance(one, Html) else str(one) for one in view.content if one is not None)

    units = {one["unit_id"]: one["is_live"] for one in newest(recorded, "units.v1")}
    accepted = {
        one["unit_id"]
        for one in results
        if one["status"] == "CREATED" or any(part["status"] in ("APPLIED", "UNCHANGED") for part in one["fields"])
    }
    last = {one["result_id"]: one["status"] for one in results}
    off_sale = sum(live is False and unit in accepted for unit, live in units.items())
    opened = sum(bool(one["units_open"]) for one in newest(recorded, "orders.v1"))
    slow = [one for one in calls if one["http_status"] == 429]
    assert slow
    assert all(one["sent_at"].date() == now.date() for one in slow)
    for number, name in (
        (sum(live is True for live in units.values()), "live"),
        (off_sale, "accepted, but not on sale"),
        (len(newest(recorded, "offers-not-found.v1")), "not found"),
        (sum(status == "HELD" for status in last.values()), "events held"),
    ):
        assert f"<b>{number:,}</b>{name}" in words
    assert f">{opened:,} order{'' if opened == 1 else 's'} with units still to be sent" in words
    assert f"<dd>{len(slow)}</dd>" in words
    for name, rows in (("calls", calls), ("slow_downs", slow), ("results", results)):
        at = "decided_at" if name == "results" else "sent_at"
        expected = Counter(int(row[at].timestamp()) // 60 for row in rows)
        assert {one.number: getattr(one, name) for one in counted if getattr(one, name)} == expected, name


def newest(recorded: Recording, topic: str) -> list[Row]:
    """Returns the newest value of each key of a topic, without tombstones."""
    found = {one["key"]: recorded.decode(one["value"]) for one in recorded.of(topic)}
    return [row for row in found.values() if row is not None]


def test_an_event_is_held_once_by_its_newest_hold_also_after_an_earlier_end(
    read: Read, topics: ProjectedTopics
) -> None:
    for number in range(60):  # more than a page: held by one hold, and once that is released, by another one
        one = result(number, "HELD", field_result("price", "HELD", "15.00"), held_by="hold-first")
        topics.put(one, replace(one, held_by="hold-second", decided_at_us=BASE_US + 600 * MINUTE_US + number))
    ended = result(99, "APPLIED")
    topics.put(ended, replace(ended, status=Status.HELD, origin=Origin.REPLAY, held_by="hold-second"))

    assert "61 events held" in read("/").words
    met, address = list[str](), "/held"
    while address:
        page = read(address)
        assert "hold-first" not in page.words
        met += [word for word in page.words.split() if word.startswith("kaufland.offer-changes.v1/3/")]
        address = next((one.attrib["href"] for one in page.all("a") if one.attrib.get("rel") == "next"), "")
    assert sorted(met) == sorted(f"kaufland.offer-changes.v1/3/{number}" for number in (*range(60), 99))


def test_the_first_page_says_what_to_fix_first_and_what_runs(read: Read, topics: ProjectedTopics) -> None:
    topics.put(*story())
    words = read("/").words

    assert "Globex" in words
    assert "59.97 EUR" in words
    assert "no unit of this EAN: create the offer, or correct the EAN or the target in the events" in words
    assert "2 orders with units still to be sent" in words
    assert "hold-3f9a1c2e holds price of brand=Globex, by anna since 2026-01-31T07:00:00Z" in words
    assert "replay-5b2d9e10: 40 of 100 offsets in 1 partitions read, 12 events processed; by anna" in words
    assert "Values that drifted last" in words


def test_the_numbers_are_those_of_the_commands(read: Read, topics: ProjectedTopics) -> None:
    topics.put(*story())
    words = read("/").words

    counted = topics.json("not-found")
    assert counted["offers"] == 1
    assert counted["patterns"][0]["worth_waiting"] == {"EUR": "59.97"}
    assert topics.json("units", code=1)["counts"] == {"LIVE": 1, "OTHER": 2}
    assert "1 live" in words


def test_every_link_of_every_page_leads_to_a_page(read: Read, topics: ProjectedTopics) -> None:
    topics.put(*story())
    to_read, seen = ["/"], set[str]()
    while to_read:
        address = to_read.pop()
        if address not in seen and not address.startswith("#"):
            seen.add(address)
            to_read += read(address).links

    assert {"/", "/units?state=off-sale", "/held", "/orders", f"/offers/{EAN}", "/orders/MZ4T9Q2"} <= seen


def test_the_timeline_has_every_line_of_why_and_the_calls(read: Read, topics: ProjectedTopics) -> None:
    topics.put(*story())
    words = read(f"/offers/{EAN}").words

    for line in topics.said("why", EAN).splitlines()[1:]:
        told = line.removeprefix("advice: ").strip()
        assert " ".join(told.split()) in words, line
    assert "PATCH" in words
    assert "kaufland.offer-changes.v1/" in words


@pytest.mark.parametrize(
    ("text", "leads_to"),
    [
        (EAN, f"/offers/{EAN}"),
        (f"0{EAN}", f"/offers/{EAN}"),
        ("SKU-7", "/offers/4002515289693"),
        ("SKU-9", f"/offers/{OTHER}"),
        ("MZ4T9Q2", "/orders/MZ4T9Q2"),
    ],
)
def test_the_search_leads_to_the_page_of_a_key(
    read: Read, http: httpx.Client, topics: ProjectedTopics, text: str, leads_to: str
) -> None:
    topics.put(*story())
    read("/")

    answer = http.get("/search", params={"q": text})

    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)
    read(leads_to)


def test_a_key_that_no_topic_knows_is_not_found(read: Read, http: httpx.Client) -> None:
    read("/")

    assert "No topic knows SKU-0 as an EAN, an offer id or an order id." in read("/search?q=SKU-0", 404).words
    assert "No topic knows this EAN" in read("/offers/4006381333931", 404).words
    assert "The topic of orders does not have X" in read("/orders/X", 404).words


def test_a_long_list_is_read_part_by_part_in_order_of_age(read: Read, topics: ProjectedTopics) -> None:
    topics.put(*(order(f"M{number:06}", age_min=number) for number in range(120)))
    met, address = list[str](), "/orders"
    while address:
        page = read(address)
        met += [one.removeprefix("/orders/") for one in page.links if one.startswith("/orders/")]
        address = next((one.attrib["href"] for one in page.all("a") if one.attrib.get("rel") == "next"), "")

    assert met == [f"M{number:06}" for number in reversed(range(120))]


def test_a_filter_stands_in_the_address(read: Read, topics: ProjectedTopics) -> None:
    topics.put(*(missing(ean=OTHER, condition=condition) for condition in ("NEW", "USED___GOOD")))
    topics.put(missing(code="AMBIGUOUS_OFFER", condition="USED___ACCEPTABLE"))

    page = read("/not-found?code=AMBIGUOUS_OFFER&target=shop-de")

    assert [one for one in page.links if one.startswith("/offers/")] == [f"/offers/{OTHER}"]
    assert [one.attrib["value"] for one in page.all("option") if "selected" in one.attrib] == [
        "AMBIGUOUS_OFFER",
        "shop-de",
    ]
    assert read("/not-found?target=shop-at").links.count(f"/offers/{OTHER}") == 0


@pytest.mark.parametrize(
    "address", ["/orders?after=x", "/orders?after=1", "/held?after=9223372036854775808.1", "/units?state=x", "/none"]
)
def test_an_address_that_means_nothing_is_not_found(read: Read, address: str) -> None:
    read(address, 404)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_of_the_topics_becomes_markup(
    read: Read, http: httpx.Client, topics: ProjectedTopics, attack: str
) -> None:
    topics.put(
        missing(
            ean=attack,
            offer_id=attack,
            condition=attack,
            target_id=attack,
            attributes={"brand": attack},
            candidates=(Candidate(unit_id=1, storefront=attack, condition=attack, offer_id=attack),),
        ),
        replace(HOLD, reason=attack, issued_by=attack, scope=CommandScope(attributes={attack: attack})),
        order(attack, account=attack, storefront=attack),
        result(1, "HELD", held_by=attack, ean=attack, event_id=attack, target_id=attack),
        result(2, "APPLIED", ean=attack, event_id=attack, sent=sent(BASE_US, attack, offer_id=attack)),
        swept(ean=attack, offer_id=attack, status=attack, condition=attack, is_live=False),
    )
    to_read = ["/", "/not-found", "/held", "/orders", "/units?state=not-live"]
    to_read += {link for address in list(to_read) for link in read(address).links if not link.startswith("#")}
    for address in to_read:
        answer = http.get(address)
        text = answer.text
        if answer.headers["content-type"].startswith("text/plain"):  # no route takes a path with a line break
            assert (answer.status_code, text) == (404, "Not Found")
            continue
        assert list(ReadPage(text).faults()) == [], address
        assert "<script" not in text
        assert "<img" not in text
        assert not any(not one.isprintable() and one != "\n" for one in text)


def test_a_process_of_its_own_keeps_the_projection_and_ends_with_the_console(
    topics: ProjectedTopics, configured: Settings
) -> None:
    topics.put(missing())
    follower = ProjectionFollower(configured, topics.folder, every_s=0.05)
    with ConsoleProjection(configured, topics.folder, follower=follower) as projection:
        until("the first count", lambda: projection.state() == "", progress=projection.state)
        first = projection.standing()
        assert first is not None
        assert first.not_found == 1

        topics.put(missing(condition="USED___GOOD"))
        until("the second count", lambda: _not_found(projection) == 2, progress=projection.state)

    assert "has ended" in follower.state()


def _not_found(projection: ConsoleProjection) -> int:
    found = projection.standing()
    return 0 if found is None else found.not_found


def test_what_the_process_tells_is_taken_whether_anybody_asks_or_not() -> None:
    told, telling = multiprocessing.Pipe(duplex=False)
    heard: list[str] = []
    threading.Thread(target=lambda: heard.extend(tellings(told)), daemon=True).start()
    for number in range(20_000):  # more than a pipe keeps
        telling.send(f"the projection is being built: {number} records read")
    telling.close()

    until("everything", lambda: len(heard) == 20_000)


@pytest.mark.parametrize("address", ["/", "/held", "/units", "/not-found", "/orders", f"/offers/{EAN}", "/search?q=1"])
def test_a_projection_that_is_not_read_to_the_end_is_said_on_every_page(
    http: httpx.Client, topics: ProjectedTopics, configured: Settings, address: str
) -> None:
    topics.put(*story())
    with open_followed(configured, topics.folder):
        pass  # another process has begun to build it

    assert "Not up to date: the projection is being built" in ReadPage(http.get(address).text).words


def test_a_process_that_only_reads_says_when_the_topics_were_read_long_ago(
    read: Read, http: httpx.Client, topics: ProjectedTopics, configured: Settings
) -> None:
    topics.put(*story())
    assert "Not up to date" not in read("/held").words
    with open_followed(configured, topics.folder) as projection:
        projection.file.keep_summary(READ_AT, str(SystemClock().now().wall_us - 7_200_000_000))

    for address in ("/", "/held"):
        assert "Not up to date: the topics were read last 2 h 0 min ago" in ReadPage(http.get(address).text).words
