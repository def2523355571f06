"""Kits in a real browser: each rule of dragging with its keys, undo, what others change meanwhile, remarks, and the export."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page, Route, expect

from tests.support import audio
from tests.support.browser import PHONE, look_again, look_away, opened, settled
from tests.support.page_scene import HOSTILE, Scene
from tests.support.serve import API
from tests.support.waiting import until

pytestmark = pytest.mark.slow


@dataclass
class KitFile:
    """A kit in the folder of kits, as the page, an editor and REST see it."""

    scene: Scene
    id: str
    path: Path

    def pads(self) -> dict[str, int]:
        """Return the samples by pad, read from the file as any program would."""
        content = yaml.safe_load(self.path.read_text(encoding="utf-8"))
        return {place: pad["id"] for place, pad in content.items() if re.fullmatch("[A-J][0-9]+", place)}

    def becomes(self, pads: dict[str, int]) -> None:
        """Wait until the file has exactly these pads."""
        expect_soon(self.pads, pads)


def expect_soon(ask: Callable[[], Any], wanted: Any) -> None:
    try:
        until(lambda: ask() == wanted, 5)
    finally:
        assert ask() == wanted


@pytest.fixture
def kit(scene: Scene, request: pytest.FixtureRequest) -> KitFile:
    """A new kit with samples 5, 6 and 7 on A1, A2 and B1."""
    made = scene.client.post(f"{API}/kits", json={"name": f"Kit {request.node.name}"}).json()
    orders = [{"op": "put", "pad": pad, "sample_id": number} for pad, number in (("A1", 5), ("A2", 6), ("B1", 7))]
    pads = scene.client.patch(f"{API}/kits/{made['id']}/pads", json={"operations": orders}, headers={"If-Match": made["etag"]})
    assert pads.status_code == 200
    return KitFile(scene, made["id"], scene.folder / f"kits/{made['id']}.yaml")


@pytest.fixture
def library(browser: Browser, scene: Scene, kit: KitFile) -> Iterator[Page]:
    """The library with the kit beside it."""
    with opened(browser, scene.address, before=lambda page: remember(page, kit)) as page:
        page.wait_for_selector(".row .name")
        page.get_by_role("button", name="Kit", exact=True).click()
        expect(page.locator("[data-place=A2]")).to_have_attribute("aria-label", re.compile("Snare 006"))
        yield page


@pytest.fixture
def builder(browser: Browser, scene: Scene, kit: KitFile) -> Iterator[Page]:
    """The kit's own screen."""
    with opened(browser, f"{scene.address}/#/kits/{kit.id}?bank=A") as page:
        expect(page.locator("[data-place=A2]")).to_have_attribute("aria-label", re.compile("Snare 006"))
        yield page


def remember(page: Page, kit: KitFile) -> None:
    """Have the page open this kit, and bank A, as if they were those of last time."""
    page.add_init_script(f"localStorage.setItem('sp404.kit', '\"{kit.id}\"'); localStorage.setItem('sp404.bank', '\"A\"')")


def row(page: Page, title: str) -> Any:
    return page.locator(".row", has=page.locator(".name", has_text=re.compile(f"^{title}$")))


def undo_and_redo(page: Page, kit: KitFile, before: dict[str, int], after: dict[str, int]) -> None:
    """What was done is in the file; undone it is as before, and done again as after."""
    kit.becomes(after)
    steps = [("Control+z", "Undone", before), ("Control+Shift+z", "Done again", after), ("Control+z", "Undone", before)]
    for keys, words, pads in steps:
        page.keyboard.press(keys)
        kit.becomes(pads)
        expect(page.locator("#live")).to_have_text(words)


START = {"A1": 5, "A2": 6, "B1": 7}


# ---- with a mouse ----


def test_samples_are_dragged_to_pads(library: Page, kit: KitFile) -> None:
    """One to this pad, in the place of what is there; several to this one and the next free ones, which light up before."""
    row(library, "Kick 009").drag_to(library.locator("[data-place=A2]"))
    undo_and_redo(library, kit, START, START | {"A2": 9})
    for title in ("Kick 009", "Kick 011", "Kick 013"):
        row(library, title).locator(".c-pick").click()
    row(library, "Kick 011").hover()
    library.mouse.down()
    library.locator("[data-place=A1]").hover()
    library.locator("[data-place=A1]").hover()
    assert library.evaluate("[...document.querySelectorAll('.pad.ghost')].map((pad) => pad.dataset.place)") == [
        "A1",
        "A3",
        "A4",
    ]
    expect(library.locator(".hint")).to_have_text("3 samples: A1, A3, A4, instead of Kick 005")
    library.mouse.up()
    undo_and_redo(library, kit, START, START | {"A1": 9, "A3": 11, "A4": 13})


@pytest.mark.parametrize(
    ("held", "to", "after"),
    [
        ("", "A7", {"A7": 5, "A2": 6, "B1": 7}),
        ("", "A2", {"A2": 5, "A1": 6, "B1": 7}),
        ("Shift", "A2", {"A2": 5, "B1": 7}),
        ("Alt", "A2", {"A1": 5, "A2": 5, "B1": 7}),
    ],
    ids=["free_moves", "full_swaps", "shift_overwrites", "alt_copies"],
)
def test_pads_are_dragged_to_pads_and_brought_by_keys(
    builder: Page, kit: KitFile, held: str, to: str, after: dict[str, int]
) -> None:
    if held:
        builder.keyboard.down(held)
    builder.locator("[data-place=A1]").drag_to(builder.locator(f"[data-place={to}]"))
    if held:
        builder.keyboard.up(held)
    undo_and_redo(builder, kit, START, after)
    builder.locator("[data-place=A1]").focus()
    builder.keyboard.press("m")
    expect(builder.locator("#live")).to_contain_text("A1 is picked up")
    builder.keyboard.press("ArrowRight")
    if to == "A7":
        builder.keyboard.press("ArrowRight")
        builder.keyboard.press("ArrowDown")
    builder.keyboard.press(f"{held}+m" if held else "m")
    undo_and_redo(builder, kit, START, after)


def test_a_pad_is_moved_with_buttons_alone(builder: Page, kit: KitFile) -> None:
    """For those who neither drag nor type; also to another bank."""
    builder.locator("[data-place=A1]").click()
    builder.get_by_role("button", name="Move…").click()
    builder.get_by_role("button", name="Bank C").click()
    builder.locator("[data-place=C4]").click()
    kit.becomes({"C4": 5, "A2": 6, "B1": 7})
    builder.get_by_role("button", name="Undo").click()
    kit.becomes(START)
    builder.get_by_role("button", name="Redo").click()
    kit.becomes({"C4": 5, "A2": 6, "B1": 7})
    builder.locator("[data-place=C4]").click()
    builder.get_by_role("button", name="Clear").click()
    kit.becomes({"A2": 6, "B1": 7})


def test_who_stays_on_a_bank_while_dragging_sees_it(library: Page, kit: KitFile) -> None:
    row(library, "Kick 009").hover()
    library.mouse.down()
    tab = library.get_by_role("button", name="Bank B")
    tab.hover()
    tab.hover()
    target = library.locator("[data-place=B2]")
    target.wait_for()
    target.hover()
    target.hover()
    library.mouse.up()
    undo_and_redo(library, kit, START, START | {"B2": 9})


# ---- by keys ----


def test_samples_come_to_pads_by_keys(library: Page, kit: KitFile) -> None:
    row(library, "Kick 009").locator(".c-title").click()
    library.keyboard.press("Alt+KeyV")
    undo_and_redo(library, kit, START, START | {"A16": 9})
    library.keyboard.press("x")
    library.keyboard.press("ArrowDown")
    library.keyboard.press("x")
    library.keyboard.press("Alt+Digit2")
    kit.becomes(START | {"A2": 9, "A3": 11})
    expect(library.locator("#live")).to_have_text("2 samples on A2 to A3")


def test_keys_may_come_before_the_kit_has_opened(browser: Browser, scene: Scene, kit: KitFile) -> None:
    """Each puts the sample that had the focus when it was pressed."""
    with opened(browser, scene.address, before=lambda page: remember(page, kit)) as page:
        row(page, "Kick 009").locator(".c-title").click()
        for keys in ("Alt+Digit3", "ArrowDown", "Alt+Digit4", "ArrowDown", "Alt+KeyQ"):
            page.keyboard.press(keys)
        kit.becomes(START | {"A3": 9, "A4": 11, "A5": 13})
        assert page.locator(".kit-panel").count() == 1


def test_pads_can_have_other_keys(browser: Browser, scene: Scene, kit: KitFile) -> None:
    """A key of another pad is exchanged with it; keys that the board needs are not taken."""
    with opened(browser, f"{scene.address}/#/settings", before=lambda page: remember(page, kit)) as page:
        fields = [page.get_by_label(f"Key of pad {pad}", exact=True) for pad in (1, 2)]
        fields[0].press("KeyJ")
        expect(fields[0]).to_have_value("j")
        fields[0].press("Digit2")
        expect(fields[1]).to_have_value("j")
        fields[0].press("KeyM")
        expect(fields[0]).to_have_value("2")
        page.get_by_role("link", name="Library").click()
        row(page, "Kick 009").locator(".c-title").click()
        page.keyboard.press("Alt+KeyJ")
        kit.becomes(START | {"A2": 9})
        expect(page.locator("[data-place=A2] kbd")).to_have_text("j")


def test_the_board_by_keys(builder: Page, kit: KitFile) -> None:
    builder.locator("[data-place=A2]").focus()
    builder.keyboard.press("Delete")
    undo_and_redo(builder, kit, START, {"A1": 5, "B1": 7})
    builder.keyboard.press("]")
    expect(builder.locator("[data-place=B1]")).to_have_attribute("aria-label", re.compile("Kick 007"))
    assert builder.url.endswith("?bank=B")
    builder.keyboard.press("[")
    builder.locator("[data-place=A1]").focus()
    builder.keyboard.press("Space")
    settled(builder, "heard.length === 1")
    builder.keyboard.press("Enter")
    expect(builder.get_by_label("Sample", exact=True)).to_contain_text("Kick 005")


def test_play_mode_lets_all_sounds_ring(builder: Page) -> None:
    """Bare pad keys sound; no sound ends another, and none is put on a pad."""
    builder.locator("[data-place=A1]").focus()
    builder.evaluate("""() => {
        window.ends = 0;
        const stop = AudioBufferSourceNode.prototype.stop;
        AudioBufferSourceNode.prototype.stop = function (...given) {
            ends += 1;
            return stop.apply(this, given);
        };
    }""")
    builder.keyboard.press("p")
    for code in ("Digit1", "Digit2", "Digit1"):
        builder.keyboard.press(code)
    settled(builder, "heard.length === 3")
    assert builder.evaluate("ends") == 0
    builder.keyboard.press("Escape")
    builder.keyboard.press("Digit1")
    builder.wait_for_timeout(200)
    assert builder.evaluate("heard.length") == 3


# ---- with others ----


def test_what_an_editor_writes_is_seen(builder: Page, kit: KitFile) -> None:
    """The file is the kit: a line that is added by hand shows, and what was done before is not undone over it."""
    builder.locator("[data-place=A2]").focus()
    builder.keyboard.press("Delete")
    expect(builder.locator("#live")).to_have_text("A2 is empty")
    text = kit.path.read_text(encoding="utf-8")
    kit.path.write_text(text + f"# by hand\nA9: {{id: 9, file: {kit.scene.folder}/lib/s009.wav}}\n", encoding="utf-8")
    expect(builder.locator("[data-place=A9]")).to_have_attribute("aria-label", re.compile("Kick 009"), timeout=8000)
    builder.keyboard.press("Control+z")
    expect(builder.locator("#live")).to_have_text("Nothing to undo")
    kit.path.unlink()
    expect(builder.locator("main")).to_contain_text("not there any more", timeout=8000)


@pytest.mark.parametrize(("button", "after"), [("Show theirs", {"A1": 5}), ("Do mine again on theirs", {"A1": 5, "A5": 5})])
def test_two_pages_change_one_kit(browser: Browser, scene: Scene, kit: KitFile, button: str, after: dict[str, int]) -> None:
    """Who comes second is asked; nothing is lost without a word."""
    where = f"{scene.address}/#/kits/{kit.id}"
    with opened(browser, where) as first, opened(browser, where) as second:
        for page in (first, second):
            page.locator("[data-place=A2]:not(.free)").wait_for()
        look_away(second)
        for place in ("A2", "B1"):
            change = {"operations": [{"op": "clear", "pad": place}]}
            tag = scene.client.get(f"{API}/kits/{kit.id}").json()["etag"]
            assert scene.client.patch(f"{API}/kits/{kit.id}/pads", json=change, headers={"If-Match": tag}).status_code == 200
        second.locator("[data-place=A1]").focus()
        second.keyboard.press("m")
        second.keyboard.press("ArrowDown")
        second.keyboard.press("Alt+m")
        expect(second.get_by_role("alert").filter(has_text="was changed elsewhere meanwhile")).to_be_visible()
        second.get_by_role("button", name=button).click()
        kit.becomes(after)
        first.locator("[data-place=A2].free").wait_for()


# ---- remarks, filling, exporting ----


def test_what_deserves_a_look_is_mended_with_a_button(browser: Browser, scene: Scene, kit: KitFile) -> None:
    """The same sound twice is taken out; a pad that was not exported is marked, and so are those that were."""
    (scene.folder / "lib/s021.wav").write_bytes((scene.folder / "lib/s005.aiff").read_bytes())
    tag = scene.client.get(f"{API}/kits/{kit.id}").json()["etag"]
    orders = {"operations": [{"op": "put", "pad": "A4", "sample_id": 10}, {"op": "put", "pad": "A5", "sample_id": 20}]}
    scene.client.patch(f"{API}/kits/{kit.id}/pads", json=orders, headers={"If-Match": tag})
    with opened(browser, f"{scene.address}/#/kits/{kit.id}") as page:
        remarks = page.get_by_label("Remarks")
        expect(remarks).to_contain_text("A5: Audio file not found: s020.wav")
        assert "remarked" in str(page.locator("[data-place=A5]").get_attribute("class"))
        page.get_by_role("button", name="Export kit").click()
        expect(page.locator(".strip")).to_contain_text("will fail")
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_contain_text("samples exported successfully", timeout=60_000)
        expect(page.locator("dialog")).to_contain_text("2 samples failed")
        page.keyboard.press("Escape")
        for _ in range(2):
            for place, text in (("A1", "exported"), ("A4", "not exported"), ("A5", "not exported")):
                expect(page.locator(f"[data-place={place}]")).to_have_attribute("aria-label", re.compile(f", {text}"))
            page.reload()
        remarks.locator("li", has_text="A5:").get_by_role("button", name="Empty the pad").click()
        kit.becomes(START | {"A4": 10})
    folder = next((scene.folder / "out").rglob("bank_A"))
    assert sorted(path.name for path in folder.glob("*.wav")) == ["pad_01_kick_005.wav", "pad_02_snare_006.wav"]
    assert {audio.wav_header(path).rate for path in folder.glob("*.wav")} == {48_000}


def test_a_mend_that_was_chosen_is_kept_and_the_export_says_so(browser: Browser, scene: Scene, kit: KitFile) -> None:
    """In this browser, for this kit; the export has it, and the remark says what the next one without it would do."""
    audio.write(scene.folder / "lib/s012.wav", audio.tone(0.05, 44_100, hz=90), 44_100, "WAV")
    scene.client.post(f"{API}/samples/export-batch", json={"sample_ids": [12]})
    tag = scene.client.get(f"{API}/kits/{kit.id}").json()["etag"]
    put = {"operations": [{"op": "put", "pad": "A3", "sample_id": 12}]}
    scene.client.patch(f"{API}/kits/{kit.id}/pads", json=put, headers={"If-Match": tag})
    with opened(browser, f"{scene.address}/#/kits/{kit.id}") as page:
        for keeps in (False, True):
            remark = page.get_by_label("Remarks").locator("li", has_text="A3: Duration too short")
            if not keeps:
                remark.get_by_role("button", name="Pad to 100 ms").click()
            expect(remark.get_by_role("button")).to_have_text("✓ Pad to 100 ms, in the export")
            page.get_by_role("button", name="Export kit").click()
            expect(page.locator("dialog")).to_contain_text("This browser keeps it for the kit; its file cannot hold it.")
            expect(page.locator(".strip")).to_contain_text("4 unchanged" if keeps else "4 new")
            page.keyboard.press("Enter")
            expect(page.locator("dialog")).to_contain_text("4 samples exported successfully")
            page.keyboard.press("Escape")
            expect(page.locator("[data-place=A3]")).to_have_attribute("aria-label", re.compile(", exported"))
            page.reload()


def test_an_export_ends_the_question_about_a_change_elsewhere(browser: Browser, scene: Scene, kit: KitFile) -> None:
    """And a button that is clicked twice opens one dialog."""
    with opened(browser, f"{scene.address}/#/kits/{kit.id}") as page:
        page.locator("[data-place=A2]:not(.free)").wait_for()
        look_away(page)
        tag = scene.client.get(f"{API}/kits/{kit.id}").json()["etag"]
        change = {"operations": [{"op": "clear", "pad": "B1"}]}
        scene.client.patch(f"{API}/kits/{kit.id}/pads", json=change, headers={"If-Match": tag})
        page.locator("[data-place=A2]").focus()
        page.keyboard.press("Delete")
        question = page.get_by_role("alert").filter(has_text="was changed elsewhere meanwhile")
        expect(question).to_be_visible()
        look_again(page)
        page.get_by_role("button", name="Export kit").dblclick()
        expect(page.get_by_role("button", name="Export", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_contain_text("2 samples exported successfully")
        page.keyboard.press("Escape")
        expect(question).to_have_count(0)


def test_banks_are_filled_from_a_folder_and_from_what_is_selected(builder: Page, kit: KitFile) -> None:
    builder.get_by_role("button", name="Bank D").click()
    builder.get_by_role("button", name="Fill…").click()
    builder.get_by_label("Part of a path").fill("lib/s01")
    builder.get_by_role("button", name="With a folder").click()
    expect_soon(lambda: len([place for place in kit.pads() if place.startswith("D")]), 10)
    assert {number for place, number in kit.pads().items() if place.startswith("D")} == set(range(10, 20))
    builder.get_by_role("button", name="Undo").click()
    kit.becomes(START)


def test_kits_are_made_named_copied_and_removed(browser: Browser, scene: Scene) -> None:
    with opened(browser, f"{scene.address}/#/kits") as page:
        page.get_by_label("Name of the new kit").fill(HOSTILE)
        page.keyboard.press("Enter")
        expect(page.get_by_label("Name", exact=True)).to_have_value(HOSTILE)
        page.get_by_label("Tempo in BPM").fill("92.5")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Duplicate").click()
        expect(page.get_by_label("Name", exact=True)).to_have_value(f"{HOSTILE} copy")
        expect(page.get_by_label("Tempo in BPM")).to_have_value("92.5")
        page.get_by_label("Name", exact=True).fill("Another")
        page.keyboard.press("Enter")
        expect(page.locator("#live")).to_have_text("Renamed")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_label("Name", exact=True)).to_have_value(f"{HOSTILE} copy")
        page.get_by_role("button", name="Redo").click()
        expect(page.get_by_label("Name", exact=True)).to_have_value("Another")
        page.get_by_role("button", name="Remove").click()
        page.get_by_role("button", name="Remove the kit").click()
        expect(page.locator(".kit-row", has_text=HOSTILE)).to_have_count(1)
        expect(page.locator(".kit-row", has_text="Another")).to_have_count(0)
        page.get_by_label("Name of the new kit").fill(HOSTILE)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert").filter(has_text=HOSTILE)).to_be_visible()


def test_what_is_pressed_while_the_kit_is_drawn_anew_is_done(builder: Page, kit: KitFile) -> None:
    builder.get_by_role("button", name="Duplicate").hover()
    builder.mouse.down()
    tag = kit.scene.client.get(f"{API}/kits/{kit.id}").headers["ETag"]
    rename = {"operations": [{"op": "rename", "name": "Theirs"}]}
    kit.scene.client.patch(f"{API}/kits/{kit.id}/pads", json=rename, headers={"If-Match": tag}).raise_for_status()
    expect(builder.locator("#live")).to_have_text("The kit was changed elsewhere")
    builder.mouse.up()
    expect(builder.get_by_label("Name", exact=True)).to_have_value("Theirs copy")


def test_a_copy_has_what_was_changed_just_before(browser: Browser, scene: Scene, kit: KitFile) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    with opened(browser, f"{scene.address}/#/kits/{kit.id}") as page:
        page.route("**/pads", hold)
        page.get_by_label("Tempo in BPM").fill("92.5")
        with page.expect_request("**/pads"):
            page.keyboard.press("Tab")
        page.get_by_role("button", name="Duplicate").click()
        expect(page.get_by_role("button", name="Duplicate")).to_be_focused()
        held[0].continue_()
        expect(page.get_by_label("Name", exact=True)).to_have_value(re.compile(" copy$"))
        expect(page.get_by_label("Tempo in BPM")).to_have_value("92.5")


def test_a_name_that_is_written_is_kept_when_an_answer_comes(builder: Page, kit: KitFile) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    builder.route("**/pads", hold)
    builder.get_by_label("Tempo in BPM").fill("92.5")
    with builder.expect_request("**/pads"):
        builder.keyboard.press("Tab")
    builder.get_by_label("Name", exact=True).select_text()
    builder.keyboard.type("Written ")
    held[0].continue_()
    expect(builder.get_by_role("button", name="Undo")).to_be_enabled()
    builder.unroute("**/pads")
    builder.keyboard.type("slowly")
    builder.keyboard.press("Tab")
    expect_soon(lambda: yaml.safe_load(kit.path.read_text(encoding="utf-8"))["name"], "Written slowly")


def test_on_a_phone_a_sheet_asks_for_the_pad(browser: Browser, scene: Scene, kit: KitFile) -> None:
    with opened(browser, scene.address, before=lambda page: remember(page, kit), **PHONE) as page:
        page.wait_for_selector(".row .name")
        for title in ("Kick 009", "Kick 011"):
            row(page, title).locator(".c-pick").tap()
        page.get_by_role("button", name="To pads…").tap()
        page.locator("dialog [data-place=A2]").tap()
        kit.becomes(START | {"A2": 9, "A3": 11})
        page.get_by_role("link", name="Kits").tap()
        page.locator(f".kit-row[href='#/kits/{kit.id}']").tap()
        page.locator("[data-place=A3]:not(.free)").tap()
        expect(page.get_by_label("Pad", exact=True)).to_contain_text("Kick 011")
        settled(page, "heard.length > 0")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_an_editor_left_damaged_is_said_and_nothing_is_lost(builder: Page, kit: KitFile) -> None:
    whole = kit.path.read_text(encoding="utf-8")
    kit.path.write_text(whole + "A9: [\n", encoding="utf-8")
    expect(builder.get_by_role("alert").filter(has_text="YAML")).to_be_visible(timeout=8000)
    kit.path.write_text(whole + f"A9: {{id: 9, file: {kit.scene.folder}/lib/s009.wav}}\n", encoding="utf-8")
    expect(builder.locator("[data-place=A9]")).to_have_attribute("aria-label", re.compile("Kick 009"), timeout=8000)
    expect(builder.get_by_role("alert").filter(has_text="YAML")).to_have_count(0)


def test_a_kit_that_is_there_is_opened_and_none_is_made(browser: Browser, scene: Scene, kit: KitFile) -> None:
    """By a browser that remembers none; and a dialog does not outlive its screen."""
    before = sorted(kit.path.parent.iterdir())
    with opened(browser, scene.address) as page:
        page.wait_for_selector(".row .name")
        page.get_by_role("button", name="Kit", exact=True).click()
        expect(page.locator(".kit-panel select")).not_to_have_value("")
        page.goto(f"{scene.address}/#/kits/{kit.id}")
        page.get_by_role("button", name="Remove").click()
        page.get_by_role("dialog").wait_for()
        page.go_back()
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert sorted(kit.path.parent.iterdir()) == before
