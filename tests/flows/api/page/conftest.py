"""A library of 240 samples in the records, the REST API over it, and a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support.api_library import serve_library
from tests.support.browser import chromium, opened
from tests.support.page_scene import Scene, make_scene


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("page")
    made = make_scene(folder)
    with pytest.MonkeyPatch.context() as monkeypatch, serve_library(monkeypatch, folder) as client:
        made.client = client
        yield made


@pytest.fixture
def page(browser: Browser, scene: Scene) -> Iterator[Page]:
    """The library's screen, with its first rows."""
    with opened(browser, scene.address) as page:
        page.wait_for_selector(".row .name")
        yield page
