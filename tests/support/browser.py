"""A real browser over the web page: Debian's Chromium, driven by Playwright, and what every test asks of the page."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.support.tools import tool
from tests.support.waiting import until

PHONE: dict[str, Any] = {
    "viewport": {"width": 412, "height": 915},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
# Sound without a person's gesture: tests press keys, but a page that is just opened has none.
_OPTIONS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
# Notes every sound that the page starts: seconds, channels, and when (milliseconds of the page's clock).
EAR = """
window.heard = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...given) {
  heard.push({ seconds: this.buffer.duration, channels: this.buffer.numberOfChannels, at: performance.now() });
  return start.apply(this, given);
};
"""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The schemes differ by colours alone (``light-dark()`` in style.css).
_RULES_OF_COLOURS = ["color-contrast", "link-in-text-block"]
# What Chromium says of every answer that is an error: tests of problems cause them.
_FAILED = "Failed to load resource"
# How long what is to come may take where all cores are busy with other tests; 5 s is Playwright's own.
_PATIENCE_MS = 30_000
expect.set_options(timeout=_PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium."""
    path = tool("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, address: str, before: Callable[[Page], object] = lambda _: None, allowed: str = "", **how: Any
) -> Iterator[Page]:
    """Open the page in a browser of its own; ``how``: options of the browser's context.

    Whatever the test does: no error of a script, nothing that the page's policy forbids, no request to another host; but for
    messages with ``allowed`` in them. ``before`` is called with the page that is still empty.
    """
    context = browser.new_context(**({"color_scheme": "dark"} | DESKTOP | how))
    context.add_init_script(EAR)
    page = context.new_page()
    wrong: list[str] = []
    host = urlsplit(address).netloc

    def judge_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_FAILED):
            wrong.append(f"{message.type}: {message.text}")

    def judge_request(request: Request) -> None:
        where = urlsplit(request.url)
        if where.netloc != host and where.scheme not in ("blob", "data"):
            wrong.append(f"request to {request.url}")

    page.on("console", judge_message)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", judge_request)
    page.set_default_timeout(_PATIENCE_MS)
    try:
        before(page)
        page.goto(address)
        yield page
    finally:
        context.close()
    left = [text for text in wrong if not allowed or allowed not in text]
    assert not left, left


def violations(page: Page) -> list[tuple[str, list[Any]]]:
    """Return what is wrong by axe: in dark colours all that it knows; in light ones, on a desktop, what is about colours."""
    found = _violations(page, _RULES)
    if page.viewport_size == DESKTOP["viewport"]:
        page.emulate_media(color_scheme="light")
        found += _violations(page, _RULES_OF_COLOURS)
        page.emulate_media(color_scheme="dark")
    return found


def _violations(page: Page, rules: list[str]) -> list[tuple[str, list[Any]]]:
    # What is right axe would list, too, which takes longer than to look for it.
    found = Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]}).response["violations"]
    return [(fault["help"], [node["target"] for node in fault["nodes"]][:3]) for fault in found]


def settled(page: Page, script: str, seconds: float = 10) -> Any:
    """Wait until an expression is true in the page, and return it: by asking, for the policy forbids Playwright's own way."""
    return until(lambda: page.evaluate(script), seconds)


def focused(page: Page) -> str:
    """Return the text of what has the focus."""
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"))


def look_away(page: Page) -> None:
    """Hide the page, as another tab would: it asks for nothing by itself, and what it had asked for has come (before this)."""
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.evaluate("fetch('/api/v1/sp404/activity').then((answer) => answer.text())")
    page.wait_for_timeout(300)


def look_again(page: Page) -> None:
    """Show the page again."""
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
