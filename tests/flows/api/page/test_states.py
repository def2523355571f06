"""What the page is like when things are not as they should be: no server, a busy one, a token; and its safety."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from flows.api.web_page import POLICY
from tests.support import audio
from tests.support.api_library import recorded_library, serve_library
from tests.support.browser import PHONE, focused, opened, settled
from tests.support.page_scene import COUNT, Scene
from tests.support.serve import process, served
from tests.support.waiting import until

pytestmark = pytest.mark.slow


ATTACK = """async () => {
    const seen = [];
    addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
    const attempts = [
        () => document.body.append(Object.assign(document.createElement("img"), { src: "http://127.0.0.1:9/x.png" })),
        () => document.body.append(Object.assign(document.createElement("script"), { textContent: "window.hacked = true" })),
        () => document.body.insertAdjacentHTML("beforeend", "<b onclick='window.hacked = true'>x</b>"),
        () => document.body.setAttribute("onclick", "window.hacked = true"),
        () => fetch("http://127.0.0.1:9/").catch(() => {}),
    ];
    for (const attempt of attempts) { try { attempt(); } catch (error) { seen.push(error.name); } }
    document.body.click();
    await new Promise((resolve) => setTimeout(resolve, 500));
    return [window.hacked ?? false, seen];
}"""


def test_who_has_samples_elsewhere_can_copy_what_to_type(page: Page) -> None:
    """The setting that says where the page may scan, as a line for a terminal."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Scan a folder").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("api_root")
    line = dialog.locator("code.line").text_content() or ""
    dialog.get_by_role("button", name="Copy").click()
    expect(page.locator("#live")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == line == "SP404_API_ROOT=~/Samples sp404 up"


def test_a_policy_without_exceptions_holds(browser: Browser, scene: Scene) -> None:
    """A script, a listener, HTML, a picture and a request that somebody got into the page do nothing."""
    assert "unsafe" not in POLICY
    assert scene.client.get("/").headers["content-security-policy"] == POLICY
    with opened(browser, scene.address, allowed="") as page:
        page.wait_for_selector(".row .name")
    with opened(browser, scene.address, allowed=":") as page:
        hacked, seen = page.evaluate(ATTACK)
    assert not hacked
    assert {"img-src", "connect-src", "TypeError"} <= set(seen), seen


def test_a_server_that_is_gone_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    """What is loaded stays, a banner says it, and the page goes on by itself."""
    db = recorded_library(tmp_path, only_good=True)
    with (
        process(tmp_path, db=db, output_base_path=tmp_path / "out") as (client, running),
        opened(browser, str(client.base_url)) as page,
    ):
        page.wait_for_selector(".row .name")
        running.terminate()
        running.wait(20)
        expect(page.locator("#banner")).to_be_visible(timeout=20_000)
        assert page.locator(".row .name").count() == 3
        page.fill("#search", "kick")
        expect(page.locator(".grid-message")).to_contain_text("The server does not answer")
        port = client.base_url.port
        with process(tmp_path, db=db, output_base_path=tmp_path / "out", api_port=port):
            expect(page.locator("#banner")).to_be_hidden(timeout=30_000)
            expect(page.locator(".hits")).to_have_text("1 sample")


def test_a_busy_server_counts_down(browser: Browser, scene: Scene) -> None:
    busy = {"detail": "Eight pictures wait", "fix": "Try again in a moment.", "reason": "busy", "status": 503}
    asked = 0

    def answer(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            route.fulfill(status=503, headers={"Retry-After": "2"}, json=busy)
        else:
            route.continue_()

    with opened(browser, scene.address, lambda page: page.route("**/samples?*", answer)) as page:
        expect(page.get_by_role("button", name="Try again in 2 s")).to_be_disabled()
        expect(page.locator(".hits")).to_have_text(f"{COUNT} samples", timeout=10_000)


def test_signing_in_keeps_what_was_done(browser: Browser, scene: Scene) -> None:
    """The token is in no address and not in the browser's storage; a wrong one is told; after the right one all goes on."""
    token = "a-token-of-thirty-two-characters"
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        serve_library(monkeypatch, scene.folder, api_token=token) as client,
        opened(browser, f"{client.base_url}/#/library?text=kick") as page,
    ):
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading")).to_have_text("Sign in")
        dialog.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("That is not the token")
        dialog.get_by_label("Token").fill(token)
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        expect(page.locator(".hits")).to_contain_text("samples")
        assert page.input_value("#search") == "kick"
        kept = "JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href + document.cookie"
        assert token not in page.evaluate(kept)
        page.keyboard.press("ArrowDown")
        settled(page, "heard.length > 0")
        cookie = page.context.cookies()[0]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.reload()
        page.wait_for_selector(".row .name")


def test_keys_are_listed_and_go_from_screen_to_screen(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("move and listen")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page.get_by_role("heading", level=1)).to_have_text("Exports")
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.get_by_role("grid")).to_be_visible()
    page.keyboard.press("/")
    assert focused(page) in ("Search samples", "")


def test_letters_do_nothing_where_one_types(page: Page) -> None:
    page.fill("#search", "")
    page.locator("#search").press_sequentially("exb?g e", delay=20)
    assert page.input_value("#search") == "exb?g e"
    assert page.locator("dialog[open]").count() == 0


def test_settings_stay(page: Page, scene: Scene) -> None:
    page.goto(f"{scene.address}/#/settings")
    page.get_by_role("combobox", name="Format").select_option("AIFF")
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert scene.client.get("/api/v1/sp404/preferences").json()["format"] == "aiff"
    page.get_by_role("combobox", name="Format").select_option("not set")
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_label("Colours").select_option("light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_label("Colours").select_option("dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.get_by_role("checkbox", name="Genre").uncheck()
    page.reload()
    page.goto(f"{scene.address}/#/library")
    expect(page.get_by_role("columnheader", name="BPM")).to_be_visible()
    assert page.get_by_role("columnheader", name="Genre").count() == 0


def test_a_screen_that_is_still_loaded_does_not_come_over_the_next_one(page: Page) -> None:
    held: list[Route] = []
    page.route("**/settings.js*", lambda route: held.append(route))  # noqa: PLW0108  (Playwright marks what it is given)
    page.get_by_role("link", name="Settings").click()
    settled(page, "location.hash === '#/settings'")
    until(lambda: page.evaluate("1") and held, 10)
    page.get_by_role("link", name="Library", exact=True).click()
    expect(page.get_by_role("link", name="Library", exact=True)).to_have_attribute("aria-current", "page")
    with page.expect_response("**/settings.js*"):
        held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.get_by_role("columnheader", name="BPM")).to_be_visible()
    expect(page.get_by_role("heading", name="Settings")).to_have_count(0)


def test_a_job_that_has_ended_before_its_dialog_is_there_is_shown(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dialog's module comes late, and the page knows of the end by then."""
    (tmp_path / "drums").mkdir()
    audio.write(tmp_path / "drums/kick.wav", audio.tone(0.3, 44_100), 44_100, "WAV")
    held: list[Route] = []
    settings = {"db": tmp_path / "r.duckdb", "api_root": tmp_path, "output_base_path": tmp_path / "out", "workers": 2}
    with served(monkeypatch, **settings) as client, opened(browser, f"{client.base_url}") as page:
        page.route("**/exporting.js*", lambda route: held.append(route))  # noqa: PLW0108  (as above)
        page.get_by_role("button", name="Scan a folder…").click()
        dialog = page.get_by_role("dialog")
        dialog.locator(".folder", has_text="drums").click()
        expect(dialog.get_by_text("/drums")).to_be_visible()
        with page.expect_response(lambda answer: "/activity" in answer.url and answer.ok and '"done"' in answer.text()):
            dialog.get_by_role("button", name="Scan this folder").click()
            until(lambda: page.evaluate("1") and held, 10)
        held[0].continue_()
        expect(dialog).to_contain_text("1 sample, 1 of them new")


CUT_BUTTONS = """
[...document.querySelectorAll("button")]
    .filter((button) => button.offsetWidth && button.scrollWidth > button.clientWidth + 1).map((button) => button.textContent)
"""


@pytest.mark.parametrize("how", [{}, PHONE, {"viewport": {"width": 900, "height": 700}}], ids=["desktop", "phone", "tablet"])
def test_nothing_runs_out_of_the_page(browser: Browser, scene: Scene, how: dict[str, object]) -> None:
    """Also at 200 % zoom, which is half of the width."""
    with opened(browser, scene.address, **how) as page:
        page.wait_for_selector(".row .name")
        for place in ("#/exports", "#/exports/1", "#/settings", "#/library"):
            page.goto(f"{scene.address}/{place}")
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
            cut = page.evaluate(CUT_BUTTONS)
            assert [text for text in cut if len(text) < 60] == [], place
