"""The documents say what is there: links and file names in them exist, and the glossary stays short."""

import re
import shlex
from pathlib import Path

import pytest

from flows.cli import main
from tests.support import ROOT, reference

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests/bench/README.md"])
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
# A file or folder of ours in a code span or a table, such as `flows/export/plan.py`.
_OURS = re.compile(r"(?<![\w/.~-])((?:flows|tasks|schemas|config|tests|docs)/[\w/.-]*\w/?)")
# Files that a person makes, and words that stand for a name.
_EXAMPLES = {"config/studio.toml", "config/sp404.toml"}
_PLACEHOLDER = re.compile("NAME|NNNN")


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_links_lead_somewhere() -> None:
    links = [(page, link) for page in PAGES for link in _LINK.findall(page.read_text(encoding="utf-8"))]
    assert not [(page_name(page), link) for page, link in links if not (page.parent / link).exists()]


def test_files_that_are_named_exist() -> None:
    named = {
        (page, path) for page in PAGES for path in _OURS.findall(page.read_text(encoding="utf-8")) if path not in _EXAMPLES
    }
    missing = [(page, path) for page, path in named if not (ROOT / path).exists() and not _PLACEHOLDER.search(path)]
    assert not [(page_name(page), path) for page, path in missing]


def test_the_glossary_is_short_and_in_order() -> None:
    lines = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines()
    words = [line.split("|")[1].strip() for line in lines if line.startswith("| ")][1:]
    assert len(words) <= 40
    assert words == sorted(set(words), key=str.lower)


def test_every_page_of_usage_is_linked_from_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in (ROOT / "docs/usage").glob("*.md") if f"docs/usage/{page.name}" not in readme]


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110


def test_commands_and_settings_are_as_the_code_has_them() -> None:
    """Every option and every setting is documented; if this fails: ``python -m tests.support.reference``."""
    assert reference.COMMANDS.read_text(encoding="utf-8") == reference.commands_page()
    page = reference.SETTINGS.read_text(encoding="utf-8")
    assert page == reference.settings_page(page)
    named = set(re.findall(r"^### `sp404 (\S+?)[ `]", reference.commands_page(), re.MULTILINE))
    assert named == set(main.cli.commands)


def commands_of(page: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return the commands of ours that a page tells people to type, as words: whole ones of its code, and parts in its text."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^    (?:pip install uv && )?(?:uv run )?sp404 ([a-z].*)$", text, re.MULTILINE)
    whole = [shlex.split(re.split(r"  #| >> ", line)[0]) for line in lines if "..." not in line]
    parts = [text.split() for text in re.findall(r"`sp404 ([a-z][^`]*)`", text)]
    return whole, parts


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands_of(page))], ids=page_name)
def test_commands_in_documents_are_understood(page: Path) -> None:
    """Each by the program's own parser; nothing is carried out."""
    whole, parts = commands_of(page)
    for name, *arguments in whole:
        main.cli.commands[name].make_context(name, arguments)
    for name, *arguments in parts:
        options = {flag for param in main.cli.commands[name].params for flag in (*param.opts, *param.secondary_opts)}
        given = {argument.partition("=")[0] for argument in arguments if argument.startswith("-") and argument.strip("-")}
        assert given <= options | {"--help", "-m"}, arguments
