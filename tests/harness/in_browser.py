"""A page of the console in a real browser: what a person can see and do there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from playwright.sync_api import Browser, Page, ViewportSize

Scheme = Literal["light", "dark"]
PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1280, "height": 900}
LEAST_CONTRAST = 4.5
"""Of text, by WCAG 2.2, level AA."""
_CONTRASTS = """() => {
  const part = value => { const s = value / 255; return s <= 0.03928 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const rgba = text => text.match(/[\\d.]+/g).map(Number);
  const behind = one => {
    for (let at = one; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walk.nextNode(); text; text = walk.nextNode()) {
    const one = text.parentElement;
    if (!text.textContent.trim() || !one.getClientRects().length || one.closest('svg')) continue;
    const [a, b] = [light(rgba(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), text.textContent.trim().slice(0, 40)]);
  }
  return found;
}"""


class BrowserPage:
    """A page that is open, with everything that the browser complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dialog)

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    def too_faint(self) -> list[tuple[float, str]]:
        """Returns contrast and beginning of each text whose contrast is too low."""
        return [(contrast, text) for contrast, text in self.page.evaluate(_CONTRASTS) if contrast < LEAST_CONTRAST]

    def too_wide(self) -> bool:
        """Whether the page has to be scrolled sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def tabbed(self, most: int = 200) -> list[str]:
        """Presses Tab until the focus comes back, and returns what had it; a focus that is not visible is a fault."""
        passed: list[str] = []
        for _ in range(most):
            self.page.keyboard.press("Tab")
            name, outline = self.page.evaluate(
                "() => { const one = document.activeElement; return [one === document.body ? '' : "
                "(one.innerText || one.getAttribute('aria-label') || one.id || one.tagName).trim(), "
                "getComputedStyle(one).outlineStyle]; }"
            )
            if not name:
                break
            assert outline != "none", f"the focus cannot be seen on {name!r}"
            passed.append(name)
        return passed


@contextmanager
def opened(browser: Browser, url: str, scheme: Scheme = "light", size: ViewportSize = DESK) -> Iterator[BrowserPage]:
    """Opens an address in a window of its own."""
    context = browser.new_context(color_scheme=scheme, viewport=size)
    try:
        page = BrowserPage(context.new_page())
        page.page.goto(url)
        yield page
    finally:
        context.close()
