"""The floors and the homes of docs/decisions/0001, read from the imports with ``ast``."""

import ast
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("schemas", "config", "tasks", "flows")
DOORS = {"flows.cli", "flows.api.app", "flows.demo"}
NOUNS = ("manifest", "layout", "audio", "store", "bundle", "scan")
# A library, and where alone it may be imported.
HOMES = {
    "prefect": ("flows/orchestration/",),
    "prefect_dask": ("flows/orchestration/flow.py",),
    "duckdb": ("tasks/store/",),
    "soundfile": ("tasks/audio/",),
    "av": ("tasks/audio/",),
    "soxr": ("tasks/audio/dsp/resample.py",),
    "pandera": ("schemas/jobs_frame.py", "schemas/manifest.py", "schemas/records.py", "tasks/manifest/validate.py"),
    "tinytag": ("tasks/audio/header.py",),
    "anyascii": ("tasks/layout/file_names.py",),
    "fastapi": ("flows/api/app.py", "flows/api/openapi.py"),
    "starlette": ("flows/api/app.py",),
    "uvicorn": ("flows/api/server.py", "flows/orchestration/prefect_server.py"),
    "click": ("flows/cli/",),
    "rich": ("flows/cli/",),
    "csv": ("tasks/manifest/readers/delimited_text.py", "flows/demo.py"),
    "yaml": ("tasks/manifest/readers/kit_syntax.py",),
    "zipfile": ("tasks/bundle/archive.py",),
}
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it; ``from a.b import c`` as ``a.b.c``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_a_house() -> None:
    assert len(FILES) > 30
    assert any("prefect" in module for module in imports(ROOT / "flows/orchestration/prefect_tasks.py"))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_point_down_or_along(path: Path) -> None:
    floor = FLOORS.index(relative(path).split("/")[0])
    for module in imports(path):
        top = module.split(".")[0]
        if top in FLOORS:
            assert FLOORS.index(top) <= floor, f"{relative(path)} imports {module} from a floor above"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_config_and_words_do_not_know_each_other_upwards(path: Path) -> None:
    if relative(path).startswith("schemas/"):
        assert not [module for module in imports(path) if module.startswith("config")]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_nouns_do_not_import_each_other(path: Path) -> None:
    parts = relative(path).split("/")
    if parts[0] != "tasks" or len(parts) < 3:
        return
    for module in imports(path):
        names = module.split(".")
        if names[0] == "tasks" and names[1] in NOUNS and parts[1] in NOUNS:
            assert names[1] == parts[1], f"{relative(path)} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_nothing_imports_the_doors(path: Path) -> None:
    if relative(path).startswith(("flows/cli/", "flows/api/")):  # a door may lead to another: `sp404 demo`
        return
    found = {door for module in imports(path) for door in DOORS if module == door or module.startswith(f"{door}.")}
    assert not found


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_libraries_stay_at_home(path: Path) -> None:
    for module in imports(path):
        homes = HOMES.get(module.split(".")[0])
        if homes:
            assert any(relative(path).startswith(home) for home in homes), f"{relative(path)} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_sql_stands_in_sql_files(path: Path) -> None:
    """Statements are in tasks/store/*.sql; the database module has but those that make migrations possible."""
    words = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "MERGE INTO ")
    if relative(path) == "tasks/store/database.py":
        return
    strings = (node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant))
    assert not [text for text in strings if isinstance(text, str) and text.startswith(words)]


def test_no_file_of_flows_is_named_like_something_else() -> None:
    """``prefect`` puts a flow's folder in front of the path: a file there would hide a package of its name."""
    taken = sys.stdlib_module_names | metadata.packages_distributions().keys() | set(FLOORS)
    assert not [path.name for path in (ROOT / "flows").glob("*.py") if path.stem in taken]


def test_every_package_says_what_it_is() -> None:
    for path in ROOT.glob("*/**/__init__.py"):
        if path.relative_to(ROOT).parts[0] in FLOORS:
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
