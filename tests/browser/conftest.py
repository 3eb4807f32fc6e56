"""A headless Chromium for the tests in this directory; where a machine has none, the run says so."""

import shutil
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")

collect_ignore_glob = [] if CHROMIUM else ["test_*.py"]


def pytest_report_header() -> str:
    missing = "no Chromium on this machine, so its tests are left out (Debian: apt-get install chromium)"
    return f"browser: {CHROMIUM or missing}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield opened
        finally:
            opened.close()
