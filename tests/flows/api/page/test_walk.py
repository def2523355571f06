"""From a folder to an export by the page alone, as somebody who never saw a terminal would go: the walk of the fast lane."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support import audio
from tests.support.browser import chromium, opened, settled
from tests.support.serve import API, served
from tests.support.tools import answer


def test_from_an_empty_library_to_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "Samples/drums"
    folder.mkdir(parents=True)
    for name, hz in (("kick", 60), ("snare", 200), ("hat", 900)):
        audio.write(folder / f"{name}.wav", audio.tone(0.3, 44_100, hz=hz), 44_100, "WAV", "PCM_24")
    audio.write(folder / "tick.wav", audio.tone(0.05, 44_100), 44_100, "WAV")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    settings = {"db": tmp_path / "r.duckdb", "api_root": tmp_path, "output_base_path": tmp_path / "out", "workers": 2}
    with chromium() as browser, served(monkeypatch, **settings) as client, opened(browser, str(client.base_url)) as page:
        page.get_by_role("button", name="Scan a folder…").click()
        dialog = page.get_by_role("dialog")
        for name in ("Samples", "drums"):
            dialog.locator(".folder", has_text=name).click()
        dialog.get_by_label("Listen to each sound").uncheck()
        dialog.get_by_role("button", name="Scan this folder").click()
        expect(dialog).to_contain_text("samples, ", timeout=30_000)
        dialog.get_by_role("link", name="Show what is new").click()
        expect(page.locator(".row .name")).to_have_count(4)
        page.locator(".row .name").nth(1).click()
        settled(page, "heard.length > 0")
        assert page.evaluate("heard.at(-1).seconds") == pytest.approx(0.3, abs=0.001)
        page.keyboard.press("Control+a")
        page.keyboard.press("e")
        dialog.get_by_role("button", name="Export", exact=True).click()
        expect(dialog).to_contain_text("3 samples exported successfully", timeout=30_000)
        expect(dialog).to_contain_text("1 sample failed")
        dialog.get_by_role("button", name="Close").last.click()
        page.keyboard.press("Escape")
        page.goto(f"{client.base_url}/#/library")
        expect(page.locator(".s-exported")).to_have_count(3)
        expect(page.locator(".s-failed")).to_have_count(1)
        page.get_by_role("button", name="Kit", exact=True).click()
        panel = page.get_by_role("region", name="Kit", exact=True)
        expect(panel).to_contain_text("No kit yet")
        assert client.get(f"{API}/kits").json()["items"] == [], "none is made unasked"
        panel.get_by_role("button", name="New kit").click()
        expect(panel.get_by_role("gridcell")).to_have_count(16)
        assert len(client.get(f"{API}/kits").json()["items"]) == 1
    sounds = sorted((tmp_path / "out").rglob("*.wav"))
    assert [answer("soxi", "-r", path) + answer("soxi", "-b", path) for path in sounds] == ["4800016"] * 3
    assert {path: path.read_bytes() for path in before} == before
