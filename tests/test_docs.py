"""The documents say what is there: links and file names in them exist, and the glossary stays short."""

import re
from pathlib import Path

import pytest

from tests.support import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests/bench/README.md"])
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
# A file or folder of ours in a code span or a table, such as `flows/export/plan.py`.
_OURS = re.compile(r"(?<![\w/.~-])((?:flows|tasks|schemas|config|tests|docs)/[\w/.-]*\w/?)")
# Files that a person makes, and words that stand for a name.
_EXAMPLES = {"config/studio.toml"}
_PLACEHOLDER = re.compile("NAME|NNNN")


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = set(_OURS.findall(page.read_text(encoding="utf-8"))) - _EXAMPLES
    assert not sorted(path for path in named if not (ROOT / path).exists() and not _PLACEHOLDER.search(path))


def test_the_glossary_is_short_and_in_order() -> None:
    lines = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines()
    words = [line.split("|")[1].strip() for line in lines if line.startswith("| ")][1:]
    assert len(words) <= 40
    assert words == sorted(set(words), key=str.lower)


def test_every_page_of_usage_is_linked_from_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in (ROOT / "docs/usage").glob("*.md") if f"docs/usage/{page.name}" not in readme]
