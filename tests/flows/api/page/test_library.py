"""The library's screen in a real browser: the list, its keys, what is heard, selections, filters, the sample in full."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.api_library import recorded_library, remove_samples, serve_library
from tests.support.browser import PHONE, focused, opened, settled, violations
from tests.support.page_scene import COUNT, EMOJI, HOSTILE, JAPANESE, LOOPS, Scene, length_of
from tests.support.serve import API

pytestmark = pytest.mark.slow

FOCUSED_ROW = "Number(document.activeElement.closest('[role=row]')?.getAttribute('aria-rowindex'))"
HITS = ".hits"


def rows(page: Page) -> list[str]:
    """Return the titles in sight, from the top."""
    found = page.evaluate(
        "[...document.querySelectorAll('.row')].map((e) => [e.ariaRowIndex, e.querySelector('.name')?.textContent])"
    )
    return [title for _, title in sorted(found, key=lambda row: int(row[0])) if title]


def heard(page: Page) -> int:
    return int(page.evaluate("heard.length"))


# ---- the list ----


def test_only_what_is_in_sight_is_in_the_page(page: Page) -> None:
    """However long the list is; readers of the screen are told the whole of it."""
    assert page.get_by_role("grid").get_attribute("aria-rowcount") == str(COUNT + 1)
    for keys in ("Control+End", "Control+Home", "PageDown", "PageDown", "PageUp"):
        page.keyboard.press(keys)
        assert page.locator(".row").count() <= 60
    page.keyboard.press("Control+End")
    assert settled(page, f"{FOCUSED_ROW} === {COUNT + 1} && document.activeElement.textContent.length > 0")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(FOCUSED_ROW) == COUNT + 1
    assert page.evaluate("document.activeElement.getAttribute('tabindex')") == "0"
    assert page.evaluate("document.querySelectorAll('.row [tabindex=\"0\"]').length") == 1


def test_the_order_is_that_of_titles_and_another_one_by_a_click(page: Page, scene: Scene) -> None:
    ordinary = [title for title in scene.titles() if re.match(r"(Kick|Snare) \d+$", title)]
    shown = [title for title in rows(page) if title in ordinary]
    assert shown == ordinary[: len(shown)]
    for order in ("ascending", "descending"):
        page.get_by_role("button", name="BPM", exact=True).click()
        expect(page.get_by_role("columnheader", name="BPM")).to_have_attribute("aria-sort", order)
    highest = max(row["bpm"] for row in scene.rows.values() if row["bpm"])
    expect(page.locator(".row .c-bpm").first).to_have_text(str(highest))
    assert "sort=bpm" in page.url


def test_keys_move_from_cell_to_cell_and_tab_leaves_the_list(page: Page) -> None:
    page.keyboard.press("Home")
    assert focused(page) == "not selected"
    page.keyboard.press("End")
    assert focused(page) in ("exported", "failed", "new")
    page.keyboard.press("ArrowLeft")
    assert focused(page).endswith(" s")
    page.keyboard.press("Tab")
    assert not page.evaluate("document.querySelector('.grid').contains(document.activeElement)")


# ---- listening ----


def test_every_step_is_heard_but_not_while_a_key_is_held(page: Page) -> None:
    page.keyboard.press("Control+Home")
    settled(page, "heard.length === 1")
    page.keyboard.press("ArrowDown")
    settled(page, "heard.length === 2")
    page.keyboard.down("ArrowDown")
    for _ in range(10):
        page.keyboard.down("ArrowDown")  # as a keyboard repeats
    page.keyboard.up("ArrowDown")
    page.wait_for_timeout(400)
    assert heard(page) == 3
    page.keyboard.press("Space")
    settled(page, "heard.length === 4")


def test_the_length_that_is_heard_is_that_of_the_file(page: Page, scene: Scene) -> None:
    """Original and device, by the formula of the scene: tones of 0.12 s and more, in mono."""
    page.fill("#search", "kick 033")
    expect(page.locator(HITS)).to_have_text("1 sample")
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    settled(page, "heard.length > 0")
    wanted = length_of(33)
    assert page.evaluate("heard.at(-1).seconds") == pytest.approx(wanted, abs=0.001)
    before = heard(page)
    page.keyboard.press("b")
    settled(page, f"heard.length > {before}")
    assert page.evaluate("heard.at(-1).seconds") == pytest.approx(wanted, abs=0.001)
    assert page.get_by_role("button", name="Device", exact=True).get_attribute("aria-pressed") == "true"


def test_aiff_which_chromium_does_not_know_is_heard(page: Page) -> None:
    page.fill("#search", "s045.aiff")
    expect(page.locator(HITS)).to_have_text("1 sample")
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    settled(page, "heard.length > 0")
    assert page.evaluate("heard.at(-1).seconds") == pytest.approx(length_of(45), abs=0.001)


@pytest.mark.parametrize(("words", "told"), [("s010", "Get the file again"), ("s020", "gone|no longer|not found")])
def test_what_cannot_be_heard_says_why(page: Page, words: str, told: str) -> None:
    page.fill("#search", words)
    expect(page.locator(HITS)).to_have_text("1 sample")
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    text = settled(page, "document.getElementById('player').dataset.trouble")
    assert re.search(told, text, re.IGNORECASE), text


def test_escape_stops_and_then_clears_the_selection(page: Page) -> None:
    page.evaluate("AudioBufferSourceNode.prototype.stop = function () { window.stopped = true; }")
    page.fill("#search", "snare 004")
    expect(page.locator(HITS)).to_have_text("1 sample")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.keyboard.press("Space")
    settled(page, "heard.length === 1")
    page.keyboard.press("Escape")
    assert page.evaluate("window.stopped")
    expect(page.locator(".chosen")).to_have_text("1 selected")
    page.keyboard.press("Escape")
    expect(page.locator(".chosen")).to_have_text("")


# ---- selections ----


def test_a_selection_survives_filter_order_and_scrolling(page: Page) -> None:
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".chosen")).to_have_text("3 selected")
    page.fill("#search", "snare 200")
    expect(page.locator(HITS)).to_have_text("1 sample")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    expect(page.locator(".chosen")).to_have_text("4 selected")
    page.go_back()
    expect(page.locator(HITS)).to_have_text(f"{COUNT} samples")
    expect(page.locator(".chosen")).to_have_text("4 selected")


def test_a_range_over_pages_that_were_never_shown(page: Page) -> None:
    page.locator(".row .box").first.click()
    page.evaluate("document.querySelector('.grid-scroll').scrollTop = 180 * 36")
    target = page.locator(".row[aria-rowindex='192']")
    target.locator(".name").click(modifiers=["Shift"])
    expect(page.locator(".chosen")).to_have_text("191 selected")


def test_all_hits_are_selected_as_a_filter_but_for_some(page: Page, scene: Scene) -> None:
    page.get_by_role("checkbox", name=re.compile("^house")).check()
    house = len(scene.titles(genre="house"))
    expect(page.locator(HITS)).to_have_text(f"{house} samples")
    page.locator(".row .name").first.click()
    page.keyboard.press("Control+a")
    expect(page.locator(".chosen")).to_have_text(f"{house} selected")
    page.keyboard.press("x")
    expect(page.locator(".chosen")).to_have_text(f"{house - 1} selected")
    with page.expect_request("**/exports/plan") as asked:
        page.keyboard.press("e")
    told = asked.value.post_data_json
    assert told["selection"]["filter"] == {"genre": ["house"]}
    assert len(told["selection"]["except"]) == 1


# ---- filters ----


def test_filters_count_what_is_there_and_back_takes_them_back(page: Page, scene: Scene) -> None:
    wanted = 0
    for genre in ("house", "dub"):
        page.get_by_role("checkbox", name=re.compile(f"^{genre}")).check()
        wanted += len(scene.titles(genre=genre))
        expect(page.locator(HITS)).to_have_text(f"{wanted} samples")
        for other in ("house", "dub", "hip-hop"):  # counted as if they were chosen, too
            expect(page.get_by_role("checkbox", name=f"{other} {len(scene.titles(genre=other))}")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('label')?.textContent.startsWith('dub')"), "it keeps the focus"
    page.fill("#search", "kick -033")
    kicks = [row for row in scene.rows.values() if row["genre"] in ("house", "dub") and row["title"].startswith("Kick")]
    expect(page.locator(HITS)).to_have_text(f"{len([row for row in kicks if '033' not in row['title']])} samples")
    page.get_by_role("button", name="Remove filter dub").click()
    page.go_back()
    expect(page.get_by_role("checkbox", name=re.compile("^dub"))).to_be_checked()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator(HITS)).to_have_text(f"{COUNT} samples")


def test_keys_act_on_what_is_there_while_the_list_is_asked_for_again(page: Page) -> None:
    """After the records have changed; and a list that could not be had then is asked for once more by itself."""
    held: list[Route] = []
    server = {"version": "1", "since": "2026-11-27T02:00:00Z"}
    activity = {"jobs": [], "lock": None, "revision": "another", "server": server}

    def hold(route: Route) -> None:
        held.append(route)

    page.wait_for_load_state("networkidle")
    page.route("**/samples?*", hold)
    page.route("**/activity", lambda route: route.fulfill(json=activity))
    while not held:
        page.wait_for_timeout(50)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Sample", exact=True)).to_be_visible()
    page.unroute("**/samples?*")
    with page.expect_response(lambda response: "/samples?" in response.url and response.ok):
        held[0].fulfill(status=503, json={"detail": "The database is busy"})
        expect(page.locator(".row .name").first).to_be_visible()


def test_keys_act_on_the_list_where_nothing_has_the_focus(page: Page) -> None:
    """As for a moment after a dialog was closed whose opener was drawn anew meanwhile."""
    page.keyboard.press("Control+Home")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("x")
    expect(page.locator(".chosen")).to_have_text("1 selected")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowDown")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Enter")
    drawer = page.get_by_label("Sample", exact=True)
    expect(drawer.get_by_role("heading").first).to_have_text(page.locator(".row .name").nth(1).text_content() or "")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()


def test_what_has_no_value_can_be_chosen_and_a_filter_has_the_words_of_the_rows(page: Page, scene: Scene) -> None:
    """Also what was found unchanged by its last export is exported: rows say so, and the filter finds it by that word."""
    for _ in range(2):
        scene.client.post(f"{API}/samples/export-batch", json={"sample_ids": [31, 33]})
    page.reload()
    groups = {name: page.locator("fieldset", has=page.locator("legend", has_text=name)) for name in ("Kind", "Genre", "Status")}
    expect(groups["Status"].locator(".value")).to_have_text(["exported", "failed"])
    for group, choice, hits, chip in (
        ("Kind", "none", COUNT - LOOPS, "no kind"),
        ("Genre", "none", COUNT // 4, "no genre"),
        ("Status", "exported", COUNT - 1, "exported"),
    ):
        groups[group].get_by_label(choice).check()
        expect(page.locator(HITS)).to_have_text(f"{hits} samples")
        expect(page.locator(".chip")).to_have_text([re.compile(f"^{chip} ")])
        page.locator(".chip").click()
    groups["Status"].get_by_label("exported").check()
    page.fill("#search", "kick 031")
    expect(page.locator(".row .status")).to_have_text(["exported"])


def test_no_hits_say_so_and_the_way_back(page: Page) -> None:
    page.fill("#search", "nothing has this")
    expect(page.locator(".grid-message")).to_contain_text("No sample has all of that")
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator(HITS)).to_have_text(f"{COUNT} samples")


def test_tempi_are_a_histogram_to_press(page: Page, scene: Scene) -> None:
    page.locator(".bar[title^='80 to 90 BPM']").click()
    wanted = [row for row in scene.rows.values() if row["bpm"] and 80 <= row["bpm"] < 90]
    expect(page.locator(HITS)).to_have_text(f"{len(wanted)} samples")
    page.get_by_label("to", exact=True).fill("119.9")
    page.get_by_label("to", exact=True).press("Enter")
    wanted = [row for row in scene.rows.values() if row["bpm"] and 80 <= row["bpm"] < 120]
    expect(page.locator(HITS)).to_have_text(f"{len(wanted)} samples")


def test_a_field_that_is_written_in_keeps_its_text_while_counts_come(page: Page, scene: Scene) -> None:
    with page.expect_response("**/samples/facets*bpm_max*"):
        page.locator(".bar[title^='80 to 90 BPM']").click()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/samples/facets*", hold)
    with page.expect_request("**/samples/facets*"):
        page.locator(".choice", has_text="house").first.click()
    page.get_by_label("to", exact=True).select_text()
    page.keyboard.type("11")
    with page.expect_response("**/samples/facets*"):
        held[0].continue_()
    expect(page.locator(".choice", has_text="house").first.locator(".count")).to_have_text(re.compile("^[0-9]$"))
    page.unroute("**/samples/facets*")
    page.keyboard.type("9.9")
    page.keyboard.press("Enter")
    wanted = [row for row in scene.rows.values() if row["bpm"] and 80 <= row["bpm"] < 120 and row["genre"] == "house"]
    expect(page.locator(HITS)).to_have_text(f"{len(wanted)} samples")


# ---- a sample in full ----


def test_the_drawer_shows_what_the_records_say(page: Page, scene: Scene) -> None:
    page.fill("#search", "kick 033")
    expect(page.locator(HITS)).to_have_text("1 sample")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    drawer = page.get_by_label("Sample", exact=True)
    expect(drawer.get_by_role("heading", level=2)).to_have_text("Kick 033")
    detail = scene.client.get("/api/v1/sp404/samples/33").json()
    expect(drawer).to_contain_text(f"{detail['fidelity']['peak_dbfs']:.1f} dB")
    expect(drawer).to_contain_text(detail["places"][0]["path"])
    assert focused(page) == "Close", "the answer of the server takes the focus from nobody"
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    assert page.evaluate(FOCUSED_ROW) == 2


def test_a_failure_says_what_to_do(page: Page) -> None:
    page.fill("#search", "s010")
    expect(page.locator(HITS)).to_have_text("1 sample")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Sample", exact=True)).to_contain_text(re.compile("again|save it|Get the file", re.IGNORECASE))


def test_a_sample_that_is_gone_with_its_files_is_not_called_exported(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the list, in the filter's count and in its panel; and no axe finding."""
    recorded_library(tmp_path, only_good=True)
    remove_samples(tmp_path, "bass.mp3")
    with serve_library(monkeypatch, tmp_path) as client, opened(browser, str(client.base_url)) as page:
        expect(page.locator(".row .status")).to_have_text(["removed", "exported", "exported"])
        sign = "getComputedStyle(document.querySelector('.s-removed'), '::before').content"
        assert page.evaluate(sign) == '"\u2013 "'
        for label, number in (("exported", "2"), ("removed", "1")):
            choice = page.locator(".choice", has=page.get_by_text(label, exact=True))
            expect(choice.locator(".count")).to_have_text(number)
        page.get_by_role("checkbox", name=re.compile("^removed")).check()
        expect(page.locator(HITS)).to_have_text("1 sample")
        expect(page.get_by_role("button", name="Remove filter removed")).to_be_visible()
        page.locator(".row .name").click()
        page.keyboard.press("Enter")
        drawer = page.get_by_label("Sample", exact=True)
        expect(drawer).to_contain_text("Its exported files were removed")
        expect(drawer).to_contain_text("Its source file is not there")
        assert "Not exported yet" not in drawer.inner_text()
        assert violations(page) == []


# ---- what other people write ----


def test_titles_are_text_whatever_they_say(page: Page) -> None:
    for title, words in ((HOSTILE, "onerror"), (JAPANESE, "とても"), (EMOJI, "🔥")):
        page.fill("#search", words)
        expect(page.locator(".row .name")).to_have_text([title])
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        assert page.get_by_label("Sample", exact=True).get_by_role("heading", level=2).text_content() == title
        page.keyboard.press("e")
        assert title in (page.get_by_role("dialog").get_by_role("heading").text_content() or "")
        page.keyboard.press("Escape")
        box = page.locator(".row .name").first.bounding_box()
        assert box
        assert box["x"] + box["width"] < 1280
        page.keyboard.press("Escape")
    assert page.locator("img, iframe").count() == 0


# ---- a phone ----


def test_on_a_phone_a_tap_plays_and_a_long_press_selects(browser: Browser, scene: Scene) -> None:
    with opened(browser, scene.address, **PHONE) as page:
        page.wait_for_selector(".row .name")
        page.locator(".row .name").nth(2).tap()
        settled(page, "heard.length > 0")
        box = page.locator(".row").nth(3).bounding_box()
        assert box
        assert box["height"] >= 44
        press = "new PointerEvent('pointerdown', { bubbles: true, pointerType: 'touch' })"
        page.evaluate(f"([x, y]) => document.elementFromPoint(x, y).dispatchEvent({press})", [box["x"] + 150, box["y"] + 20])
        expect(page.locator(".chosen")).to_have_text("1 selected")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name="Filters").tap()
        expect(page.get_by_label("Filters", exact=True).first).to_be_visible()
