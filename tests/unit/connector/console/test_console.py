"""The console over a real socket: what the first page says, its headers, its bounds."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response

from connector.configuration import load_settings
from connector.console.console_server import ConsoleServer
from connector.console.facts import ProcessFacts, Readiness
from connector.console.guard import BoundedWork, is_ours
from connector.console.health import HealthServer
from connector.offers.figures import OfferFigures
from connector.orders.poll_lane import PollReport
from devstack.waiting import until
from tests.harness.console_pages import ReadPage
from tests.harness.pages import ROOT
from tests.unit.connector.console.test_health import Patient
from tests.unit.connector.console.test_html import ATTACKS
from tests.unit.connector.console.test_vitals import ACCOUNT, PARTITION, WELL

POLL = PollReport(
    account="main",
    cursor_us=None,
    polled_at_us=1_800_000_000_000_000,
    failed_at_us=None,
    failures=0,
    problem=None,
    is_polling=False,
    due_at_us=0,
)
SETTINGS = load_settings(ROOT / "config" / "example.toml", {}, datetime(2026, 1, 31, tzinfo=UTC)).settings
FACTS = ProcessFacts(
    about={"group": "kaufland.connector", "instance_id": "connector-0", "parts": ["offers"]},
    beat_age_s=0.1,
    readiness=Readiness(),
    snapshot=replace(WELL, accounts={"main": replace(ACCOUNT, oldest_age_s=75.0)}),
    polls={"main": POLL},
    figures=OfferFigures(results={("shop-de", "APPLIED", ""): 1_234, ("shop-de", "NOT_FOUND", "OFFER_NOT_FOUND"): 5}),
    slow_downs={"main": 2.0},
)


@dataclass
class ShownFacts:
    """The facts that a console shows."""

    facts: ProcessFacts = field(default=FACTS)

    def __call__(self) -> ProcessFacts:
        return self.facts


@pytest.fixture
def shown() -> ShownFacts:
    return ShownFacts()


@pytest.fixture
def http(shown: ShownFacts) -> Iterator[httpx.Client]:
    with (
        ConsoleServer(shown, SETTINGS, host="127.0.0.1", port=0, every_s=0.01) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client,
    ):
        yield client


def first_page(http: httpx.Client) -> ReadPage:
    answer = http.get("/")
    assert answer.status_code == 200
    return ReadPage(answer.text)


def test_the_first_line_says_whether_the_process_is_live_and_how_it_is_doing(http: httpx.Client) -> None:
    words = first_page(http).words

    assert "Live Rate used of limit" in words
    assert "of 100 calls per s" in words
    assert "Oldest undone 1 min old" in words
    assert "429 today 2" in words
    assert "Last poll of orders main: " in words


def test_a_process_that_is_not_live_says_why(http: httpx.Client, shown: ShownFacts) -> None:
    shown.facts = replace(
        FACTS, readiness=Readiness(reasons=("stopped: the key was revoked", "draining"), warnings=("w1",))
    )

    words = first_page(http).words

    assert "Not live: stopped: the key was revoked" in words
    assert "draining" in words
    assert "Needs attention w1" in words


def test_a_process_that_starts_shows_what_it_waits_for(http: httpx.Client, shown: ShownFacts) -> None:
    shown.facts = ProcessFacts(about={}, beat_age_s=0.0, readiness=Readiness(reasons=("waits for the broker",)))

    assert "Not live: waits for the broker" in first_page(http).words


def test_a_poll_that_fails_is_told_with_its_reason(http: httpx.Client, shown: ShownFacts) -> None:
    failing = replace(POLL, failures=3, failed_at_us=1_800_000_100_000_000, problem="HTTP 500")
    shown.facts = replace(FACTS, polls={"main": failing})

    assert "error, 3 in a row, last at 2027-01-15T08:01:40Z: HTTP 500" in first_page(http).words


def test_the_page_is_valid_and_can_be_used_without_a_mouse(http: httpx.Client) -> None:
    until("a sample was taken", lambda: bool(first_page(http).all("polyline")))
    page = first_page(http)

    assert list(page.faults()) == []
    assert page.links[0] == "#main"
    assert len(page.all("svg")) == 3
    assert len(page.all("details")) == 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_of_the_process_becomes_markup(http: httpx.Client, shown: ShownFacts, attack: str) -> None:
    shown.facts = replace(
        FACTS,
        about={"group": attack, "instance_id": attack},
        readiness=Readiness(reasons=(attack,), warnings=(attack,)),
        snapshot=replace(WELL, partitions=(replace(PARTITION, topic=attack, broken=attack),)),
        polls={attack: replace(POLL, account=attack, failures=1, problem=attack)},
        figures=OfferFigures(results={("shop-de", attack, ""): 1}),
    )

    answer = http.get("/")

    assert list(ReadPage(answer.text).faults()) == []
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert not any(not one.isprintable() and one != "\n" for one in answer.text)


def test_every_answer_forbids_scripts_frames_and_other_sources(http: httpx.Client) -> None:
    for path, method, status in (("/", "GET", 200), ("/none", "GET", 404), ("/", "POST", 405)):
        answer = http.request(method, path)
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_a_page_that_does_not_exist_says_so(http: httpx.Client) -> None:
    answer = http.get("/none/<script>")

    assert answer.status_code == 404
    assert list(ReadPage(answer.text).faults()) == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8082", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_a_foreign_host_name_is_refused(http: httpx.Client, host: str) -> None:
    answer = http.get("/", headers={"host": host})

    assert answer.status_code in (400, 421)
    assert "APPLIED" not in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:8082", "[::1]:8082", "10.1.2.3", "ops.example:443"]
)
def test_own_names_and_addresses_are_answered(host: str) -> None:
    assert is_ours(host, ["ops.example"])


def test_the_health_server_leads_to_the_console_and_keeps_its_own_pages() -> None:
    with (
        HealthServer(Patient(), host="127.0.0.1", port=0, console="http://127.0.0.1:8082/") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client,
    ):
        answer = client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:8082/")
        assert client.get("/status").headers["content-type"] == "application/json"


def test_work_beyond_the_bound_is_refused_and_slow_work_is_given_up() -> None:
    release, work = threading.Event(), BoundedWork(most=3, limit_s=0.05)

    def slow() -> Response:
        release.wait()
        return PlainTextResponse("done")

    async def rush() -> list[int]:
        answers = await asyncio.gather(*(work.run(slow) for _ in range(5)))
        return [answer.status_code for answer in answers]

    try:
        assert asyncio.run(rush()) == [503] * 5
    finally:
        release.set()
        work.close()


def test_what_takes_too_long_and_may_still_be_done_is_not_to_be_tried_again_blindly() -> None:
    release, work = threading.Event(), BoundedWork(limit_s=0.05, late="look first")

    def slow() -> Response:
        release.wait()
        return PlainTextResponse("done")

    try:
        assert asyncio.run(work.run(slow)).body == b"look first"
    finally:
        release.set()
        work.close()


def test_a_sample_that_fails_does_not_end_the_samples() -> None:
    asked: list[int] = []

    def facts() -> ProcessFacts:
        asked.append(1)
        raise RuntimeError("dictionary changed size during iteration")

    with ConsoleServer(facts, SETTINGS, host="127.0.0.1", port=0, every_s=0.01):
        until("further samples", lambda: len(asked) > 3)


def test_closing_ends_the_threads_of_the_console(shown: ShownFacts) -> None:
    server = ConsoleServer(shown, SETTINGS, host="127.0.0.1", port=0, every_s=0.01)
    server.close()
    server.close()

    until(
        "the threads end",
        lambda: not any(one.name.startswith("console") and one.is_alive() for one in threading.enumerate()),
    )
