"""Takes the pictures of the console in docs/images from a running demo: `python -m tests.browser.screenshots`."""

import re
import subprocess
import sys
from typing import IO

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.harness.in_browser import PHONE
from tests.harness.pages import ROOT

FOLDER = ROOT / "docs" / "images"


def main() -> None:
    command = [sys.executable, "-m", "connector", "demo", "--events", "12000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as demo:
        assert demo.stdout is not None
        url = _url_when_busy(demo.stdout)
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            desk = browser.new_page(viewport={"width": 1100, "height": 1000})
            _take(desk, url, "console")
            phone = browser.new_page(viewport=PHONE, color_scheme="dark")
            phone.goto(f"{url}not-found")
            _take(phone, str(phone.evaluate("document.querySelector('td a').href")), "console-phone")
            browser.close()
        for line in demo.stdout:
            print(line, end="")


def _url_when_busy(said: IO[str]) -> str:
    """Returns the console's address once the demo has read nearly all results."""
    url = ""
    for line in said:
        print(line, end="")
        if found := re.search(r"(http://127\.0\.0\.1:\d+/)  \(open it", line):
            url = found[1]
        if line.startswith("orders settled") or re.match(r"results read 1[01],\d+ of", line):
            return url
    raise SystemExit("the demo ended before its results were read")


def _take(page: Page, url: str, name: str) -> None:
    page.goto(url)
    FOLDER.mkdir(exist_ok=True)
    page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
