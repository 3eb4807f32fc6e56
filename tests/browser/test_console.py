"""The console in a real browser: no complaint of the policy, contrast, a phone, a keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ViewportSize

from connector.console.console_server import ConsoleServer
from devstack.waiting import until
from tests.harness.in_browser import DESK, PHONE, Scheme, opened
from tests.unit.connector.console.test_console import FACTS, SETTINGS, ShownFacts


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ConsoleServer(ShownFacts(FACTS), SETTINGS, host="127.0.0.1", port=0, every_s=0.01) as server:
        yield f"http://127.0.0.1:{server.port}/"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_first_page_can_be_read_in_every_light_and_width(
    browser: Browser, url: str, scheme: Scheme, size: ViewportSize
) -> None:
    with opened(browser, url, scheme, size) as shown:
        until("a chart has a line", lambda: bool(shown.page.reload() and shown.page.query_selector("polyline")))
        shown.page.click("summary")

        assert shown.page.inner_text("h1") == "Overview"
        assert shown.complaints == []
        assert not shown.too_wide()
        assert shown.too_faint() == []


def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser: Browser, url: str) -> None:
    with opened(browser, url) as shown:
        passed = shown.tabbed()

        assert passed[0] == "Skip to content"
        assert "Overview" in passed
        assert any(one.startswith("Partitions") for one in passed)
