"""The card's screen in a real browser: what is on a card, is put on it and removed from it, and when it can be taken out."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from flows.export.threads import export_directly
from schemas.enums import OrganizeBy
from schemas.export import ExportConfig, ExportRequest
from tasks.bundle import plugged_cards
from tests.support import means
from tests.support.api_library import make_library, recorded_library, serve_library
from tests.support.browser import DESKTOP, PHONE, opened, violations
from tests.support.serve import API
from tests.support.waiting import until

pytestmark = pytest.mark.slow

LOOKS = {"desktop": DESKTOP, "phone": PHONE}
# FAT by FUSE takes half a second a file, and longer beside other tests.
_SLOW_CARD_MS = 30_000
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which each folder is a card that is plugged in."""
    folder = tmp_path / "reader"
    folder.mkdir()
    monkeypatch.setattr(plugged_cards, "list_mounts", lambda: sorted(map(str, folder.iterdir())))
    return folder


@pytest.fixture
def address(tmp_path: Path, reader: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page over three samples that were exported once."""
    recorded_library(tmp_path, only_good=True)
    with serve_library(monkeypatch, tmp_path) as client:
        yield f"{client.base_url}/#/card"


def count_of(page: Page, label: str) -> str:
    return str(page.locator(".tile", has_text=label).locator("strong").text_content())


def test_a_card_is_plugged_in_filled_looked_at_cleaned_and_taken_out(
    browser: Browser, address: str, tmp_path: Path, reader: Path
) -> None:
    """Each step is seen without a reload, and what the page says is so on the card."""
    card = reader / HOSTILE.replace("/", "")
    with opened(browser, address) as page:
        expect(page.locator(".empty")).to_contain_text("No card is plugged in")
        card.mkdir()
        page.get_by_role("link", name=re.compile("img src")).click(timeout=10_000)
        expect(page.get_by_role("heading", level=1)).to_have_text(card.name)
        page.get_by_role("button", name="Make the folder IMPORT").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("3 files written")
        expect(dialog).to_contain_text("hold SHIFT and press pad 13")
        dialog.get_by_role("button", name="Close", exact=True).last.click()
        expect(page.locator(".tile").first).to_have_text("3there")
        assert {path.name for path in (card / "IMPORT").iterdir()} == {"kick_one.wav", "bass_two.wav", "pad_three.wav"}

        kick = (card / "IMPORT/kick_one.wav").read_bytes()
        (card / "IMPORT/kick_one.wav").write_bytes(kick[:-1] + b"\x7f")
        (card / "IMPORT/bass_two.wav").unlink()
        (card / "IMPORT/mine.wav").write_bytes(b"mine")
        (card / "IMPORT/._mine.wav").write_bytes(b"\0")
        page.reload()
        expect(page.locator("details", has_text="1 file missing")).to_contain_text("bass_two.wav Bass Two Export 1")
        assert [count_of(page, state) for state in ("there", "missing", "changed", "stale")] == ["2", "1", "0", "0"]
        page.get_by_role("button", name="Compare every byte").click()
        expect(page.locator("details", has_text="1 file changed")).to_contain_text("kick_one.wav")
        page.get_by_text("from elsewhere").click()
        expect(page.locator("details", has_text="from elsewhere")).to_contain_text("mine.wav")
        page.locator("summary", has_text="Export 1").click()
        expect(page.locator("details", has_text="Show the export").last).to_contain_text("pad_three.wav Pad Three")

        page.locator("summary", has_text="junk").click()
        page.get_by_role("button", name="Remove 1 junk file").click()
        expect(dialog).to_contain_text("1 file removed")
        page.keyboard.press("Escape")
        assert not (card / "IMPORT/._mine.wav").exists()
        assert (card / "IMPORT/mine.wav").exists()
        page.get_by_role("button", name="Is it safe to remove?").click()
        expect(page.locator(".safety")).to_contain_text("Safe to remove: everything is on it")
        shutil.move(card, tmp_path / "taken")
        expect(page.locator(".page")).to_contain_text("not plugged in any more", timeout=10_000)


def test_what_would_go_is_shown_and_then_goes(
    browser: Browser, tmp_path: Path, reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = make_library(tmp_path / "lib", only_good=True)
    config = ExportConfig(output_base_path=str(tmp_path / "first"))
    (reader / "card/IMPORT").mkdir(parents=True)
    request = ExportRequest(
        manifest=str(manifest), config=config, db=str(tmp_path / "r.duckdb"), prune=True, card=str(reader / "card")
    )
    export_directly(request)
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text("\n".join(text.splitlines()[:2]) + "\n", encoding="utf-8")
    export_directly(request.model_copy(update={"card": None}))

    def after_jobs(route: Route) -> None:
        """Answer so late that no job is seen while it runs."""
        until(lambda: all(job["ended_at"] for job in client.get(f"{API}/activity").json()["jobs"]), 60)
        route.continue_()

    with serve_library(monkeypatch, tmp_path) as client, opened(browser, f"{client.base_url}/") as page:
        page.wait_for_selector(".row .name")
        page.keyboard.press("g")
        page.keyboard.press("c")
        page.get_by_role("button", name="See what would go").click()
        expect(page.locator(".strip")).to_contain_text("2 files with")
        expect(page.locator(".strip li")).to_have_text(["bass_two.wav", "pad_three.wav"])
        page.route("**/activity", after_jobs)
        page.get_by_role("button", name="Remove 2 files").click()
        expect(page.get_by_role("dialog")).to_contain_text("2 files removed")
        page.keyboard.press("Escape")
        expect(page.locator(".tile").first).to_have_text("1there")
        assert [path.name for path in (reader / "card/IMPORT").iterdir()] == ["kick_one.wav"]


def test_the_card_that_was_written_last_is_shown_where_none_is_plugged_in(
    browser: Browser, tmp_path: Path, reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is one, too, as for ``sp404 card``; where it is not there, its place is named."""
    monkeypatch.setenv("HOME", str(tmp_path))
    db, card = recorded_library(tmp_path, only_good=True), tmp_path / "card"
    with serve_library(monkeypatch, tmp_path) as client, opened(browser, f"{client.base_url}/#/card") as page:
        expect(page.locator(".empty")).to_contain_text("No card is plugged in")
        assert "The last card" not in page.locator(".empty").inner_text()
        (card / "IMPORT").mkdir(parents=True)
        config = ExportConfig(output_base_path=str(tmp_path / "first"))
        export_directly(ExportRequest(manifest=str(tmp_path / "lib/m.csv"), config=config, db=str(db), card=str(card)))
        page.get_by_role("link", name=re.compile("^card")).click(timeout=10_000)
        expect(page.locator(".tile").first).to_have_text("3there")
        card.rename(reader.parent / "taken")
        page.goto(f"{client.base_url}/#/card")
        page.reload()
        expect(page.locator(".empty")).to_contain_text("The last card, ~/card, is not there")


def test_the_last_export_is_told_with_its_layout(
    browser: Browser, tmp_path: Path, reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is put on a card: who wants the kits there sees that it has none."""
    db = recorded_library(tmp_path, only_good=True)
    (reader / "card/IMPORT").mkdir(parents=True)
    with serve_library(monkeypatch, tmp_path) as client, opened(browser, f"{client.base_url}/#/card") as page:
        expect(page.locator(".page")).to_contain_text("Export 1, flat, 3 samples, ")
        config = ExportConfig(output_base_path=str(tmp_path / "first"), organize_by=OrganizeBy.BPM)
        export_directly(ExportRequest(manifest=str(tmp_path / "lib/m.csv"), config=config, db=str(db)))
        page.reload()
        expect(page.locator(".page")).to_contain_text("Export 2, by bpm, 3 samples, ")


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(browser: Browser, address: str, reader: Path, look: str) -> None:
    """On the empty screen, on the list, and on a card where everything is shown; and the page is as wide as the screen."""
    with opened(browser, address, **LOOKS[look]) as page:
        faults = []

        def judge() -> None:
            faults.extend(violations(page))
            if page.evaluate("document.querySelector('.page').scrollWidth > document.querySelector('.page').clientWidth"):
                faults.append(("wider than the screen", []))

        expect(page.locator(".empty")).to_be_visible()
        judge()
        for name in ("card", "other"):
            (reader / name / "IMPORT").mkdir(parents=True)
        (reader / "card/IMPORT" / ("a" * 200 + ".wav")).write_bytes(b"")
        (reader / "card/.DS_Store").write_bytes(b"")
        page.get_by_role("link", name=re.compile("^card")).wait_for(timeout=10_000)
        judge()
        page.get_by_role("link", name=re.compile("^card")).click()
        page.get_by_role("button", name="Put the last export here").click()
        expect(page.get_by_role("dialog")).to_contain_text("3 files written")
        page.keyboard.press("Escape")
        expect(page.locator(".tile").first).to_have_text("3there")
        page.get_by_role("button", name="See what would go").click()
        expect(page.locator(".strip")).to_contain_text("Nothing would go")
        page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        expect(page.get_by_text("Show the export")).to_be_visible()
        judge()
        assert faults == []


def test_a_real_card(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT32: filled, flushed; the image that it is in has the files, without an unmount."""
    skip, fail = means.verdicts(("fat",))
    assert not fail, fail
    if skip:
        pytest.skip(skip)
    recorded_library(tmp_path, only_good=True)
    place = tmp_path / "SP-404MKII"
    monkeypatch.setattr(plugged_cards, "list_mounts", lambda: [str(place)])
    with means.fat(place, tmp_path / "card.img"), serve_library(monkeypatch, tmp_path) as client:
        with opened(browser, f"{client.base_url}/#/card") as page:
            page.get_by_role("button", name="Make the folder IMPORT").click()
            expect(page.get_by_role("dialog")).to_contain_text("3 files written", timeout=_SLOW_CARD_MS)
            page.keyboard.press("Escape")
            expect(page.locator(".tile").first).to_have_text("3there", timeout=_SLOW_CARD_MS)
            page.get_by_role("button", name="Is it safe to remove?").click()
            expect(page.locator(".safety")).to_contain_text("Safe to remove", timeout=_SLOW_CARD_MS)
        shutil.copyfile(tmp_path / "card.img", tmp_path / "pulled.img")
    with means.fat(place, tmp_path / "pulled.img"):
        first = {path.name: path.read_bytes() for path in (tmp_path / "first").glob("*.wav")}
        assert {path.name: path.read_bytes() for path in (place / "IMPORT").iterdir()} == first
