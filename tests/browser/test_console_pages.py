"""The pages from the topics in a real browser: each view and link, and a hold that is given and released by clicks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ViewportSize

from connector.console.console_server import ConsoleServer
from connector.console.projected import ConsoleProjection
from connector.controls.commands import ControlState
from connector.operations.controls.topic import open_control_topic
from connector.operations.following import turn
from connector.operations.projected import open_followed
from connector.settings.model import Settings
from tests.harness.in_browser import DESK, PHONE, BrowserPage, Scheme, opened
from tests.harness.projected_topics import ProjectedTopics
from tests.unit.connector.console.test_console import FACTS, ShownFacts
from tests.unit.connector.console.test_html import ATTACKS
from tests.unit.connector.console.test_projected_pages import missing, registry_url, story, topics
from tests.unit.connector.console.test_writing import TOKEN, writing_settings

__all__ = ["registry_url", "topics"]  # fixtures


@dataclass(frozen=True)
class OpenConsole:
    """A console over topics, where people may write."""

    url: str
    configured: Settings
    folder: Path

    def update(self) -> None:
        with open_followed(self.configured, self.folder) as projection:
            turn(projection, lambda _: None)


@pytest.fixture
def console(topics: ProjectedTopics, tmp_path: Path) -> Iterator[OpenConsole]:
    topics.put(*story())
    configured = writing_settings(topics, tmp_path, "token")
    projection = ConsoleProjection(configured, topics.folder)
    with ConsoleServer(ShownFacts(FACTS), configured, projection, host="127.0.0.1", port=0) as server:
        found = OpenConsole(f"http://127.0.0.1:{server.port}", configured, topics.folder)
        found.update()
        yield found


def check(shown: BrowserPage) -> None:
    address = shown.page.url
    assert shown.complaints == [], address
    assert not shown.too_wide(), address
    assert shown.too_faint() == [], address


@pytest.mark.parametrize(("scheme", "size"), [("dark", PHONE), ("light", DESK)], ids=["phone", "desk"])
def test_every_page_can_be_reached_and_read(
    browser: Browser, console: OpenConsole, scheme: Scheme, size: ViewportSize
) -> None:
    to_read, seen = ["/"], set[str]()
    with opened(browser, console.url, scheme, size) as shown:
        while to_read:
            path = to_read.pop()
            seen.add(path)
            answer = shown.page.goto(console.url + path)
            assert answer is not None
            assert answer.status == 200, path
            check(shown)
            links = shown.page.eval_on_selector_all("a", "all => all.map(one => one.getAttribute('href'))")
            to_read += {link for link in links if not link.startswith("#")} - seen - set(to_read)

    assert {"/", "/units", "/not-found", "/held", "/orders", "/sign-in", "/orders/MZ4T9Q2"} <= seen


def test_a_key_is_searched_with_the_keyboard_alone(browser: Browser, console: OpenConsole) -> None:
    with opened(browser, console.url) as shown:
        shown.page.focus("#q")
        shown.page.keyboard.type("SKU-7")
        shown.page.keyboard.press("Enter")
        shown.page.wait_for_url("**/offers/4002515289693")

        assert shown.page.inner_text("h1") == "EAN 4002515289693"
        check(shown)


def test_a_click_selects_a_whole_key_to_copy(browser: Browser, console: OpenConsole) -> None:
    with opened(browser, f"{console.url}/held") as shown:
        key = shown.page.locator("td code.copy").last
        key.click()

        assert shown.page.evaluate("getSelection().toString()") == key.inner_text()


def test_a_hold_is_given_and_released_by_clicks(browser: Browser, console: OpenConsole) -> None:
    with opened(browser, f"{console.url}/held") as shown:
        page = shown.page
        page.click("text=Sign in")
        page.fill("#name", "anna")
        page.fill("#token", TOKEN)
        page.click("button:has-text('Sign in')")
        page.fill("#brand", "Initech")
        page.select_option("#field", "price")
        page.fill("#reason", "wrong <b>list</b>")
        page.click("button:text-is('Hold')")
        page.wait_for_url("**/held?done=hold-*")
        name = page.url.partition("done=")[2]
        console.update()
        page.goto(f"{console.url}/held")
        assert f"{name} holds price of brand=Initech: wrong <b>list</b> (anna)" in page.inner_text("main")
        check(shown)

        page.click(f"button:text-is('Release {name}')")
        page.wait_for_url(f"**/held?done={name}")
        console.update()
        page.goto(f"{console.url}/held")
        assert name not in page.inner_text("main")
        page.click("button:has-text('Sign out')")
        page.wait_for_selector("text=to hold and release")

    with open_control_topic(console.configured) as topic:
        states = {one.command_id: (one.state, one.issued_by, one.changed_by) for one in topic.commands()}
    assert states[name] == (ControlState.RELEASED, "anna", "anna")


def test_texts_of_the_topics_run_nothing(browser: Browser, console: OpenConsole, topics: ProjectedTopics) -> None:
    topics.put(*(missing(ean=one, offer_id=one, condition=one, attributes={"brand": one}) for one in ATTACKS[:-1]))
    console.update()
    with opened(browser, console.url) as shown:
        for path in ("/", "/not-found", "/search?q=%3Cscript%3Ealert(1)%3C/script%3E"):
            shown.page.goto(console.url + path)
            check(shown)
            assert shown.page.evaluate("document.scripts.length + document.images.length") == 0
