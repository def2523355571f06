"""The web page's budget in Chromium, on 100,000 samples with 3 million rows of history:

uv run python -m tests.bench.page

Paste the table into README.md beside this file, where the machine was quiet.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tasks.audio import synth
from tests.bench.api import make_records
from tests.support.browser import chromium, opened, settled
from tests.support.serve import API, process

FILES = 200
LAPS = 7
_ROWS = "document.querySelector('.row .name') !== null"
_FRAMES = """async (pixels) => {
    const scroller = document.querySelector(".grid-scroll"), frames = [];
    let before = performance.now(), most = 0;
    const end = before + 3000;
    while (before < end) {
        scroller.scrollTop += pixels;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - before);
        most = Math.max(most, document.querySelectorAll(".row").length);
        before = now;
    }
    return [frames, most];
}"""
# By the page's own clock, from the start of its loading and from the first letter: a driver's questions take longer.
_CLOCK = """
const when = (isTrue, name) => new MutationObserver((_, observer) => {
    if (!isTrue()) return;
    window[name] = performance.now();
    observer.disconnect();
}).observe(document, { childList: true, subtree: true, characterData: true });
const hasRows = () => document.querySelector(".row .name") !== null;
when(hasRows, "firstGrid");
addEventListener("input", (event) => {
    window.typed = performance.now();
    window.found = 0;
    when(() => hasRows() && location.hash.includes(event.target.value.slice(-3)), "found");
}, true);
addEventListener("keydown", () => (window.pressed = performance.now()), true);
"""
_WAVES = "[...document.querySelectorAll('.row canvas')].filter((canvas) => canvas.width > 0).length >= 15"


def main() -> None:
    print(f"load of the machine: {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory(prefix="sp404-bench-") as name:
        folder = Path(name)
        (folder / "lib").mkdir()
        for number in range(FILES):
            synth.write(folder / f"lib/{number}.wav", synth.bass(44_100, 30 + number % 60, 0.5), 44_100)
        db = folder / "r.duckdb"
        make_records(db, f"'{folder}/lib/' || (i % {FILES}) || '.wav'")
        with process(folder, db=db, output_base_path=folder / "out") as (api, _), chromium() as browser:
            print("| what | measured | budget |\n|---|---|---|")
            measure(browser, str(api.base_url))
            poll(api)


def row(what: str, measured: object, budget: str) -> None:
    print(f"| {what} | {measured} | {budget} |", flush=True)


def timed(act: Callable[[], Any], page: Page, until: str) -> float:
    """Return the milliseconds from an act to the moment when an expression is true in the page."""
    begun = time.perf_counter()
    act()
    settled(page, until)
    return (time.perf_counter() - begun) * 1000


def measure(browser: Browser, address: str) -> None:
    with opened(browser, address, before=lambda page: page.add_init_script(_CLOCK)) as page:
        requests: list[int] = []
        page.on("response", lambda response: requests.append(1) if "/api/" not in response.url else None)
        page.reload()
        settled(page, _ROWS)
        row("static requests until the first grid", len(requests), "14")
        warm = []
        for _ in range(LAPS):
            page.reload()
            warm.append(settled(page, "window.firstGrid"))
    cold = []
    for _ in range(LAPS):
        with opened(browser, address, before=lambda page: page.add_init_script(_CLOCK)) as page:
            cold.append(settled(page, "window.firstGrid"))
    row("first grid, cold / warm", f"{statistics.median(cold):.0f} / {statistics.median(warm):.0f} ms", "600 / 400 ms")
    with opened(browser, address, before=lambda page: page.add_init_script(_CLOCK)) as page:
        settled(page, _ROWS)
        shown = []
        for number in range(700, 700 + LAPS):
            page.fill("#search", f"kick {number}")
            settled(page, "window.found")
            shown.append(page.evaluate("found - typed"))
        row("a filter, typed to shown (150 ms of it wait for more letters)", f"{statistics.median(shown):.0f} ms", "350 ms")
        page.fill("#search", "")
        settled(page, "document.querySelector('.hits').textContent.startsWith('100,000')")
        jumps = []
        page.locator(".row .name").first.click()
        for keys in ["Control+End", "Control+Home"] * 3:
            here = "document.activeElement.closest('.row')?.querySelector('.name')"
            there = f"Number(document.activeElement.closest('.row')?.ariaRowIndex) === {100_001 if keys.endswith('End') else 2}"
            jumps.append(timed(lambda keys=keys: page.keyboard.press(keys), page, f"{here} && {there}"))
        row("jump to the other end", f"{statistics.median(jumps):.0f} ms", "250 ms")
        frames, most = page.evaluate(_FRAMES, 90)
        row(
            "scrolling: frames a second, longest frame, rows in the page",
            f"{1000 / statistics.mean(frames):.0f}, {max(frames):.0f} ms, {most}",
            "45, 100 ms, 60",
        )
        page.evaluate("document.querySelector('.grid-scroll').scrollTop = 36 * 5000")
        settled(page, _WAVES)
        waves = [
            timed(
                lambda n=n: page.evaluate(f"document.querySelector('.grid-scroll').scrollTop = 36 * {9000 + 40 * n}"),
                page,
                _WAVES,
            )
            for n in range(LAPS)
        ]
        row("20 waves, decoded before", f"{statistics.median(waves):.0f} ms", "150 ms")
        page.keyboard.press("Control+Home")
        page.wait_for_timeout(1500)
        sounds = []
        for _ in range(LAPS):
            before = page.evaluate("heard.length")
            page.keyboard.press("ArrowDown")
            settled(page, f"heard.length > {before}")
            sounds.append(page.evaluate("heard.at(-1).at - pressed"))
            page.wait_for_timeout(500)
        row("key to sound, decoded ahead", f"{statistics.median(sounds):.1f} ms", "20 ms")
        before = page.evaluate("performance.memory.usedJSHeapSize")
        for _ in range(20):
            page.evaluate(_FRAMES, 900)
        row(
            "heap after a minute of scrolling",
            f"{before / 1e6:.0f} > {page.evaluate('performance.memory.usedJSHeapSize') / 1e6:.0f} MB",
            "40 MB",
        )


def poll(api: Any) -> None:
    tag = api.get(f"{API}/activity").headers["etag"]
    seconds = []
    for _ in range(50):
        begun = time.perf_counter()
        assert api.get(f"{API}/activity", headers={"If-None-Match": tag}).status_code == 304
        seconds.append(time.perf_counter() - begun)
    row("a poll, 304", f"{statistics.median(seconds) * 1000:.1f} ms", "10 ms")


if __name__ == "__main__":
    main()
