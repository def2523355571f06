"""Each screen of the page by the rules of axe, in both schemes and on a phone, and what axe cannot judge."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import DESKTOP, PHONE, opened, violations
from tests.support.page_scene import Scene

pytestmark = pytest.mark.slow


def library(page: Page) -> None:
    page.wait_for_selector(".row .name")
    page.keyboard.press("x")
    expect(page.locator(".chosen")).to_have_text("1 selected")


def drawer(page: Page) -> None:
    page.wait_for_selector(".row .name")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Sample", exact=True)).to_contain_text("True peak")


def dialog(page: Page) -> None:
    library(page)
    page.keyboard.press("e")
    expect(page.locator(".strip")).to_contain_text("free")
    page.get_by_text("Sound", exact=True).last.click()


def nothing_found(page: Page) -> None:
    page.wait_for_selector(".row .name")
    page.fill("#search", "nothing has this")
    expect(page.locator(".grid-message")).to_contain_text("No sample")


def keys(page: Page) -> None:
    page.wait_for_selector(".row .name")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def at(place: str) -> Callable[[Page], None]:
    def show(page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/{place}")
        page.wait_for_timeout(500)

    return show


def panel(page: Page) -> None:
    page.wait_for_selector(".row .name")
    page.keyboard.press("Alt+Digit1")
    expect(page.locator("#live")).to_have_text("On A1")


def kit(page: Page) -> None:
    panel(page)
    page.goto(f"{page.url.partition('#')[0]}#/kits/new_kit")
    expect(page.locator(".pad-detail")).to_contain_text("On the device")


def sheet(page: Page) -> None:
    library(page)
    page.get_by_role("button", name="To pads…").click()
    page.locator("dialog [data-place=A1]").wait_for()


def scan(page: Page) -> None:
    page.wait_for_selector(".row .name")
    page.get_by_role("button", name="Scan a folder").click()
    expect(page.get_by_role("dialog")).to_contain_text("SP404_API_ROOT")


def result(page: Page) -> None:
    page.fill("#search", "snare 010")
    expect(page.locator(".row .name")).to_have_text(["Snare 010"])
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.get_by_role("dialog").locator(".verdict.bad")).to_have_text("✗ 1 sample failed")


SCREENS: dict[str, Callable[[Page], None]] = {
    "library": library,
    "drawer": drawer,
    "dialog": dialog,
    "nothing found": nothing_found,
    "keys": keys,
    "exports": at("exports"),
    "export": at("exports/1"),
    "settings": at("settings"),
    "kits": at("kits"),
    "panel": panel,
    "kit": kit,
    "sheet": sheet,
    "scan": scan,
    "result": result,
}
LOOKS = {"desktop": DESKTOP, "phone": PHONE}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing(browser: Browser, scene: Scene, screen: str, look: str) -> None:
    with opened(browser, scene.address, **LOOKS[look]) as page:
        SCREENS[screen](page)
        assert violations(page) == []


def test_what_happens_is_said_to_those_who_do_not_see_it(page: Page) -> None:
    live = page.locator("#live")
    page.keyboard.press("x")
    expect(live).to_have_text(re.compile("selected, 1 in all"))
    page.keyboard.press("Shift+ArrowDown")
    expect(live).to_have_text("2 samples selected")


def test_without_motion_and_with_forced_colours(browser: Browser, scene: Scene) -> None:
    with opened(browser, scene.address, reduced_motion="reduce", forced_colors="active") as page:
        page.wait_for_selector(".row .name")
        assert page.evaluate("document.getAnimations().length") == 0
        page.keyboard.press("ArrowDown")
        assert page.evaluate("getComputedStyle(document.querySelector('.row.focused')).outlineStyle") == "solid"
