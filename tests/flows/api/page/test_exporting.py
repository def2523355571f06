"""The export dialog and the screens of exports in a real browser: the plan, the run, what came of it."""

import itertools
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from schemas.conversion import Shard, ShardResult
from tasks.convert.progress import Progress
from tasks.convert.shard import convert_shard
from tests.support import audio
from tests.support.api_library import recorded_library, remove_samples, serve_library
from tests.support.browser import look_again, look_away, opened, settled, violations
from tests.support.page_scene import COUNT, Scene
from tests.support.running_export import halted_export
from tests.support.serve import API
from tests.support.tools import answer
from tests.support.waiting import until

pytestmark = pytest.mark.slow


def choose(page: Page, *words: str) -> None:
    """Select the samples of these titles."""
    for text in words:
        page.fill("#search", text)
        expect(page.locator(".row .name")).to_have_text([re.compile(text, re.IGNORECASE)])
        page.keyboard.press("Escape")
        page.keyboard.press("x")


def test_three_samples_from_the_list_to_the_folder(page: Page, scene: Scene, tmp_path: Path) -> None:
    """By tempo, as AIFF; soxi reads what came; the list says so without a reload; the ZIP has the same bytes."""
    choose(page, "kick 031", "kick 035", "snare 034")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("By tempo").check()
    dialog.get_by_label("AIFF").check()
    expect(dialog.locator(".strip")).to_contain_text("3 new")
    expect(dialog.locator(".strip")).to_contain_text(str(scene.folder / "out"))
    dialog.get_by_role("button", name="Export").click()
    expect(dialog).to_contain_text("3 samples exported successfully")
    files = sorted((scene.folder / "out").rglob("kick_031.aif*"))
    assert [answer("soxi", "-r", path) + " " + answer("soxi", "-b", path) for path in files] == ["48000 16"]
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download ZIP").click()
    download.value.save_as(tmp_path / "got.zip")
    with zipfile.ZipFile(tmp_path / "got.zip") as bundle:
        sounds = [name for name in bundle.namelist() if name.endswith((".aif", ".aiff"))]
        assert len(sounds) == 3
        assert bundle.read(next(name for name in sounds if "kick_031" in name)) == files[0].read_bytes()
    dialog.get_by_role("link", name="View Details").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Export ")
    expect(page.locator(".tile").first).to_contain_text("3")


def test_the_same_once_more_is_unchanged(page: Page) -> None:
    choose(page, "kick 041")
    dialog = page.get_by_role("dialog")
    for plan in ("1 new", "1 unchanged"):
        page.keyboard.press("e")
        expect(dialog.locator(".strip")).to_contain_text(plan)
        dialog.get_by_role("button", name="Export").click()
        expect(dialog).to_contain_text("1 sample exported successfully")
        said = dialog.text_content() or ""
        assert ("there already" in said) == (plan == "1 unchanged")
        page.keyboard.press("Escape")


def test_what_failed_is_named_and_can_be_tried_again(page: Page, scene: Scene) -> None:
    choose(page, "snare 010", "kick 051")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".strip")).to_contain_text("1 will fail")
    dialog.get_by_role("button", name="Export").click()
    expect(dialog).to_contain_text("1 sample failed")
    expect(dialog).to_contain_text("Snare 010: Failed to load audio")
    dialog.get_by_role("button", name="Retry failed").click()
    expect(dialog).to_contain_text("0 samples exported successfully")
    expect(dialog).to_contain_text("1 sample failed")
    dialog.get_by_role("link", name="View Details").click()
    page.get_by_text("load failed").click()
    expect(page.locator("details li").first).to_contain_text("Snare 010")


def shorten(scene: Scene, *numbers: int) -> None:
    """Let the files of these samples be too short for the device."""
    for number in numbers:
        audio.write(scene.folder / f"lib/s{number:03}.wav", audio.tone(0.05, 44_100, hz=150 + number), 44_100, "WAV")


def test_a_button_pads_what_was_too_short_where_that_is_said(page: Page, scene: Scene) -> None:
    """In the result, with the details of the export, and in the drawer of a sample; no text there is of the terminal.

    When the dialog is closed, the row has the focus again, although the list was drawn anew meanwhile.
    """
    shorten(scene, 22, 26, 34)
    choose(page, "snare 022", "snare 026", "kick 031")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Export").click()
    expect(dialog).to_contain_text("2 samples failed")
    expect(dialog).to_contain_text("Duration too short: 50ms")
    assert "--" not in (dialog.text_content() or "")
    button = dialog.get_by_role("button", name="Pad to 100 ms and export again (2)")
    dialog.get_by_role("link", name="View Details").click()
    details = page.locator("main")
    expect(details).to_contain_text("Have silence added, or leave it out.")
    failed = page.url
    details.get_by_role("button", name="Pad to 100 ms and export again (2)").click()
    expect(dialog).to_contain_text("2 samples exported successfully")
    expect(button).to_have_count(0)
    assert answer("soxi", "-s", next((scene.folder / "out").rglob("snare_022.wav"))) == "4800"
    page.goto(f"{scene.address}/#/library")
    page.reload()
    choose(page, "snare 034")
    page.keyboard.press("e")
    dialog.get_by_role("button", name="Export").click()
    expect(dialog.locator(".verdict.bad")).to_have_text("✗ 1 sample failed")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    drawer = page.get_by_label("Sample", exact=True)
    drawer.get_by_role("button", name="Pad to 100 ms and export again").click()
    expect(dialog).to_contain_text("1 sample exported successfully")
    page.keyboard.press("Escape")
    expect(drawer.locator(".problem")).to_have_count(0)
    expect(drawer).to_contain_text("padded with silence to 100 ms")
    page.goto(failed)
    expect(page.get_by_role("button", name="Download ZIP")).to_be_enabled()


def test_keys_go_to_the_list_as_soon_as_a_dialog_is_closed(page: Page, scene: Scene) -> None:
    """Also before the browser has told so: the focus is still on a button of the dialog, since the row was drawn anew."""
    shorten(scene, 58)
    scene.client.post("/api/v1/sp404/samples/export-batch", json={"sample_ids": [58], "sound": {"pad_to_ms": 100}})
    choose(page, "snare 058")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Export").click()
    expect(dialog.locator(".verdict.bad")).to_have_text("✗ 1 sample failed")
    expect(page.locator(".row .s-failed")).to_have_count(1)
    page.evaluate("""() => {
        document.querySelector("dialog[open]").close();
        const key = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true });
        document.activeElement.dispatchEvent(key);
    }""")
    expect(page.get_by_label("Sample", exact=True)).to_contain_text("Duration too short")


@pytest.mark.parametrize("answer_to", ["samples/export-batch", "jobs/*", "exports/*/samples?*"])
def test_a_dialog_that_was_closed_stays_closed(page: Page, scene: Scene, answer_to: str) -> None:
    """Also where an answer that it waited for comes after that: the keys are those of the list again."""
    shorten(scene, 54)
    choose(page, "snare 054")
    dialog = page.get_by_role("dialog")
    page.keyboard.press("e")
    expect(dialog.locator(".strip")).to_contain_text("1 ")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**/api/v1/sp404/{answer_to}", hold)
    dialog.get_by_role("button", name="Export").click()
    for _ in range(200):
        page.wait_for_timeout(50)
        if held:
            break
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    with page.expect_response(f"**/api/v1/sp404/{answer_to}"):
        for route in held:
            route.continue_()
    page.wait_for_timeout(500)
    expect(dialog).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Sample", exact=True)).to_contain_text("Duration too short")


def test_what_clips_is_turned_down_with_a_button(page: Page, scene: Scene) -> None:
    """The drawer opens the dialog with the setting chosen; the file that comes has its peak at full scale, and no more."""
    loud = audio.tone(0.3, 48_000, hz=440) * 4
    audio.write(scene.folder / "lib/s071.wav", loud, 48_000, "WAV", "FLOAT")
    scene.client.post("/api/v1/sp404/samples/export-batch", json={"sample_ids": [71]})
    page.fill("#search", "kick 071")
    expect(page.locator(".row .name")).to_have_text(["Kick 071"])
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    drawer = page.get_by_label("Sample", exact=True)
    expect(drawer.locator(".warning")).to_have_text(re.compile(r"^Louder than full scale and clipped: \+"))
    drawer.get_by_role("button", name="Turn it down and export again").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("What is too loud")).to_have_value('"file"')
    dialog.get_by_role("button", name="Export", exact=True).click()
    expect(dialog).to_contain_text("1 sample exported successfully")
    page.keyboard.press("Escape")
    expect(drawer.locator(".warning")).to_have_count(0)


def test_what_was_replaced_since_is_not_offered_as_a_zip(page: Page, scene: Scene) -> None:
    """Its details say by which export, before anybody clicks."""
    choose(page, "kick 063")
    dialog = page.get_by_role("dialog")
    page.keyboard.press("e")
    dialog.get_by_role("button", name="Export").click()
    dialog.get_by_role("link", name="View Details").click()
    older = page.url
    expect(page.get_by_role("button", name="Download ZIP")).to_be_enabled()
    again = {"sample_ids": [63], "sound": {"normalize_dbfs": -3}}
    later = scene.client.post("/api/v1/sp404/samples/export-batch", json=again).json()["export_id"]
    page.goto(f"{scene.address}/#/exports/{later}")
    expect(page.get_by_role("button", name="Download ZIP")).to_be_enabled()
    page.goto(older)
    button = page.get_by_role("button", name="Download ZIP")
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description(re.compile(f"no longer whole: export {later} has replaced kick_063.wav"))
    expect(page.locator("main")).to_contain_text(f"Take export {later}")


def test_all_hits_go_on_in_the_background_and_can_be_stopped(page: Page, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The badge tells how far it is; what is done stays. All samples but the first shard's wait until it is stopped."""
    began = itertools.count()

    def convert(shard: Shard, progress: Progress) -> ShardResult:
        if next(began):
            progress.stopped.wait(120)
        return convert_shard(shard, progress)

    monkeypatch.setattr("tasks.convert.shard.convert_shard", convert)
    page.locator(".row .name").first.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("By genre").check()
    expect(dialog.locator(".strip")).to_contain_text("new")
    dialog.get_by_role("button", name="Export").click()
    dialog.get_by_role("button", name="In the background").click()
    expect(dialog).to_be_hidden()
    badge = page.locator(".badge")
    expect(badge).to_be_visible()
    badge.click()
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Stop").click()
    expect(dialog.get_by_role("heading")).to_have_text(re.compile("Stopped"))
    answer_of = scene.client.get("/api/v1/sp404/exports").json()["items"][0]
    rows = answer_of["exported"] + answer_of["unchanged"] + answer_of["failed"] + answer_of["rejected"]
    assert rows == answer_of["sample_count"] == COUNT


def test_short_sounds_are_filled_where_the_dialog_says_so(page: Page) -> None:
    """The device refuses what is shorter than 100 ms; here the setting is that shorter ones get 200."""
    choose(page, "kick 007")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".strip")).to_contain_text("free")  # the plan without it was asked for
    dialog.get_by_text("Sound", exact=True).click()
    with page.expect_request("**/exports/plan") as asked:
        dialog.get_by_label("Sounds under 100 ms").select_option("get silence, up to 100 ms")
    assert asked.value.post_data_json["sound"] == {"pad_to_ms": 100}


def test_an_output_folder_outside_of_the_allowed_one_is_told(page: Page) -> None:
    choose(page, "kick 007")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Output folder", exact=True).click()
    dialog.get_by_label("Folder", exact=True).fill("/etc")
    dialog.get_by_label("Folder", exact=True).press("Tab")
    expect(dialog.locator(".strip")).to_contain_text("not a folder within the one")


def test_the_folder_of_earlier_exports_is_named_and_can_be_chosen(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are new in the folder of the settings, which says nothing to who has exported them before; and no axe finding."""
    recorded_library(tmp_path, only_good=True)
    first = str(tmp_path / "first")
    with serve_library(monkeypatch, tmp_path, api_root=tmp_path) as client, opened(browser, str(client.base_url)) as page:
        page.wait_for_selector(".row .name")
        choose(page, "Kick One", "Bass Two")
        page.keyboard.press("e")
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".strip")).to_contain_text("2 new")
        expect(dialog).to_contain_text(f"Earlier exports of these went to {first}")
        assert violations(page) == []
        dialog.get_by_role("button", name="Export there").click()
        expect(dialog.locator(".strip")).to_contain_text("2 unchanged")
        expect(dialog.get_by_label("Folder", exact=True)).to_be_focused()
        assert dialog.get_by_label("Folder", exact=True).input_value() == first
        assert "Earlier exports" not in dialog.inner_text()
    with serve_library(monkeypatch, tmp_path) as client, opened(browser, str(client.base_url)) as page:
        page.wait_for_selector(".row .name")
        choose(page, "Kick One")
        page.keyboard.press("e")
        expect(dialog := page.get_by_role("dialog")).to_contain_text("where this page may not write")
        expect(dialog).to_contain_text(f"SP404_OUTPUT_BASE_PATH='{first}' sp404 up")
        assert dialog.get_by_role("button", name="Export there").count() == 0


def test_a_command_that_starts_the_server_again_has_its_ports(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the export dialog and in that of a scan."""
    recorded_library(tmp_path, only_good=True)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4352/api")
    command = "sp404 up --port 4352 --api-port 4452"
    with serve_library(monkeypatch, tmp_path, api_port=4452) as client, opened(browser, str(client.base_url)) as page:
        page.wait_for_selector(".row .name")
        choose(page, "Kick One")
        page.keyboard.press("e")
        expect(page.get_by_role("dialog")).to_contain_text(f"SP404_OUTPUT_BASE_PATH='{tmp_path / 'first'}' {command}")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Scan a folder").click()
        expect(page.get_by_role("dialog").locator("code.line")).to_have_text(f"SP404_API_ROOT=~/Samples {command}")


def test_an_export_of_which_files_were_replaced_and_removed_is_not_all_there(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list says that none failed; what became of the files stands in the export."""
    recorded_library(tmp_path, only_good=True)
    shutil.copyfile(tmp_path / "lib/kick.wav", tmp_path / "lib/pad.flac")
    remove_samples(tmp_path, "bass.mp3")
    with serve_library(monkeypatch, tmp_path) as client, opened(browser, f"{client.base_url}/#/exports") as page:
        expect(page.locator(".list-row")).to_have_count(2)
        for row in page.locator(".list-row").all():
            expect(row).to_contain_text("none failed")
            assert "all there" not in row.inner_text()
        page.locator(".list-row").last.click()
        note = "Export 1 is no longer whole: export 2 has replaced pad_three.wav; a later one has moved or removed bass_two.wav"
        expect(page.locator("main")).to_contain_text(note)


def test_a_run_from_elsewhere_is_seen(page: Page, scene: Scene) -> None:
    """Another client exports: the badge shows it, and rows take their new status."""
    expect(page.locator(".c-status").first).to_be_visible()
    scene.client.post(
        "/api/v1/sp404/samples/export-batch", json={"sample_ids": [61, 62, 63]}, headers={"Prefer": "respond-async"}
    )
    page.goto(f"{scene.address}/#/exports")
    settled(page, "document.querySelectorAll('.list-row').length > 0")
    first = page.locator(".list-row").first
    expect(first).to_contain_text("3 samples", timeout=10_000)


def test_an_export_by_the_command_line_is_seen_by_the_next_question(page: Page, scene: Scene) -> None:
    """The page asks every one and a half seconds; the first answer after the export has begun shows it, the end hides it."""
    badge = page.get_by_role("button", name=re.compile("An export elsewhere"))
    expect(page.locator(".row .name").first).to_be_visible()
    expect(badge).to_be_hidden()
    page.fill("#search", "kick 021")
    expect(page.locator(".row .name")).to_have_count(1)
    with halted_export(
        scene.folder / "m.tsv", scene.folder / "r.duckdb", scene.folder / "elsewhere", "--sample", "21"
    ) as running:
        with page.expect_response(lambda response: response.url.endswith("/activity") and response.status == 200) as answer:
            pass
        assert f"process {running.pid} " in answer.value.json()["lock"]["owner"]
        expect(badge).to_be_visible()
    expect(badge).to_be_hidden()
    newest = scene.client.get("/api/v1/sp404/exports").json()["items"][0]
    assert newest["output_path"] == str(scene.folder / "elsewhere")


def test_a_job_that_begins_and_ends_between_two_looks_is_told(page: Page, scene: Scene) -> None:
    look_away(page)
    asked = {"Prefer": "respond-async"}
    job = scene.client.post(f"{API}/samples/export-batch", json={"sample_ids": [3]}, headers=asked).json()
    until(lambda: scene.client.get(f"{API}/jobs/{job['id']}").json()["state"] == "done", 20)
    look_again(page)
    expect(page.locator(".badge")).to_have_text("✓ Done")


def test_the_list_is_asked_for_once_when_an_export_elsewhere_has_ended(page: Page) -> None:
    """While that changes the records again and again, what pages asked of them would slow it down."""
    asked: list[str] = []
    lock: dict[str, str] | None = {"owner": "process 1 on studio", "since": "2026-11-27T02:00:00Z"}
    changes = 0

    def answer(route: Route) -> None:
        nonlocal changes
        changes += 1
        server = {"version": "1", "since": "2026-11-27T02:00:00Z"}
        route.fulfill(json={"jobs": [], "lock": lock, "revision": str(changes), "server": server})

    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: asked.append(request.url) if "/samples?" in request.url else None)
    page.route("**/activity", answer)
    while changes < 4:
        page.wait_for_timeout(100)
    assert asked == []
    lock = None
    while not asked:
        page.wait_for_timeout(100)


def test_the_screens_of_exports_and_back(browser: Browser, scene: Scene) -> None:
    with opened(browser, f"{scene.address}/#/exports") as page:
        page.locator(".list-row").last.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Export 1")
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Exports")
