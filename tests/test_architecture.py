"""The rules of docs/decisions/0001, read from the imports with ``ast``: floors, homes, sizes, names, and who knows Prefect."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.support import ROOT

TOP = ("schemas", "config", "tasks", "flows")
# Rooms from the ground up. A room may import rooms of lower floors alone; rooms of one floor do not know each other.
FLOORS = (
    ("schemas",),
    ("config",),
    ("tasks.fs",),
    ("tasks.manifest", "tasks.layout", "tasks.audio", "tasks.store", "tasks.bundle", "tasks.scan", "tasks.device_project"),
    ("tasks.isolation",),
    ("tasks.convert",),
    ("flows.scan_files",),
    ("flows.export", "flows.scan", "flows.demo"),
    ("flows.orchestration", "flows.device_project"),
    ("flows.service", "flows.api"),
    ("flows.cli",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# A library, and where alone it may be imported.
HOMES = {
    "prefect": ("flows/orchestration/",),
    "prefect_dask": ("flows/orchestration/flow.py",),
    "duckdb": ("tasks/store/",),
    "soundfile": ("tasks/audio/",),
    "av": ("tasks/audio/",),
    "soxr": ("tasks/audio/dsp/resample.py",),
    "pandera": (
        "schemas/jobs_frame.py",
        "schemas/manifest.py",
        "schemas/quick_validation.py",
        "schemas/records.py",
        "tasks/manifest/validate.py",
    ),
    "tinytag": ("tasks/audio/tags/file_tags.py",),
    "anyascii": ("tasks/layout/file_names.py",),
    "fastapi": ("flows/api/app.py", "flows/api/docs_page.py", "flows/api/openapi.py", "flows/api/server.py"),
    "starlette": ("flows/api/app.py", "flows/api/byte_ranges.py", "flows/api/docs_page.py"),
    "uvicorn": ("flows/api/server.py", "flows/api/connections.py", "flows/orchestration/prefect_server.py"),
    "click": ("flows/cli/",),
    "rich": ("flows/cli/",),
    "csv": ("tasks/manifest/readers/delimited_text.py", "flows/demo.py"),
    "fastexcel": ("tasks/manifest/readers/xlsx.py",),
    "yaml": ("tasks/manifest/readers/kit_syntax.py",),
    "zipfile": ("tasks/bundle/archive.py",),
}
MAX_LINES = 450
# What runs on ``sp404 export --direct``; none of it may import Prefect, at whatever depth.
DIRECT = ("flows.export.threads", "flows.cli.main")
SQL = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "MERGE INTO ")
FILES = sorted(path for top in TOP for path in (ROOT / top).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(module: str) -> str:
    """``flows`` and ``tasks`` have rooms; ``schemas`` and ``config`` are one each."""
    names = module.split(".")
    return ".".join(names[:2]) if names[0] in ("flows", "tasks") else names[0]


MODULES = {module_of(path): path for path in FILES}


def imports(path: Path, inside_functions: bool = True) -> Iterator[str]:
    """Every module that a file imports, those for type checkers included; ``from a.b import c`` as ``a.b.c``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: Iterable[ast.AST] = ast.walk(tree) if inside_functions else _at_import(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are carried out when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _at_import(node)


def our_imports(path: Path, inside_functions: bool = True) -> set[str]:
    """The modules of the house that a file imports."""
    wanted = {name if name in MODULES else name.rpartition(".")[0] for name in imports(path, inside_functions)}
    return {name for name in wanted if name in MODULES} - {module_of(path)}


def circles(arrows: dict[str, set[str]]) -> list[str]:
    """A module of each circle, by taking away again and again what imports nothing that is left."""
    left = dict(arrows)
    while free := [module for module, targets in left.items() if not targets & left.keys()]:
        for module in free:
            del left[module]
    return sorted(left)


def test_the_rules_have_something_to_hold() -> None:
    assert len(FILES) > 100
    assert {room_of(module) for module in MODULES if "." in module} - {"flows", "tasks"} <= FLOOR_OF.keys()
    assert any(name.startswith("prefect") for name in imports(ROOT / "flows/orchestration/prefect_tasks.py"))
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_point_to_lower_floors(path: Path) -> None:
    room = room_of(module_of(path))
    for module in our_imports(path):
        target = room_of(module)
        if target != room:
            assert FLOOR_OF[target] < FLOOR_OF[room], f"{relative(path)} imports {module}, which is not below it"


def test_no_circle_of_modules() -> None:
    """Type-only imports and those in functions count."""
    assert not circles({module: our_imports(path) for module, path in MODULES.items()})


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_libraries_stay_at_home(path: Path) -> None:
    for module in imports(path):
        homes = HOMES.get(module.split(".")[0])
        if homes:
            assert any(relative(path).startswith(home) for home in homes), f"{relative(path)} imports {module}"


def test_a_direct_export_never_imports_prefect() -> None:
    """By what is imported with each module, and all that ``flows.export`` imports later."""
    reached: set[str] = set()
    to_do = list(DIRECT)
    while to_do:
        module = to_do.pop()
        if module in reached:
            continue
        reached.add(module)
        later = module.startswith("flows.export")
        found = set(imports(MODULES[module], inside_functions=later))
        assert not {name for name in found if name.split(".")[0].startswith("prefect")}, module
        to_do += our_imports(MODULES[module], inside_functions=later)
    assert "flows.export.pipeline" in reached
    assert not {module for module in reached if module.startswith("flows.orchestration")}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_files_can_be_read_at_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_sql_stands_in_sql_files(path: Path) -> None:
    """One module alone has statements: those that make migrations possible."""
    if relative(path) == "tasks/store/database_file.py":
        return
    strings = (node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant))
    assert not [text for text in strings if isinstance(text, str) and text.startswith(SQL)]


def test_a_module_name_stands_for_one_module() -> None:
    named: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        if path.stem not in ("__init__", "__main__"):
            named[path.stem].append(relative(path))
    assert not {name: paths for name, paths in named.items() if len(paths) > 1}


def test_a_class_name_stands_for_one_class() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                named[node.name.lstrip("_")].add(relative(path))
    assert not {name: paths for name, paths in named.items() if len(paths) > 1}


def test_no_module_hides_another() -> None:
    """A file that is named like a module of the standard library misleads; one in ``flows/`` can hide a package.

    ``prefect`` puts a flow's folder in front of the path.
    """
    assert not [relative(path) for path in FILES if path.stem in sys.stdlib_module_names - {"__main__"}]
    taken = metadata.packages_distributions().keys() | set(TOP)
    assert not [relative(path) for path in FILES if relative(path).startswith("flows/") and path.stem in taken]


def test_tests_do_not_import_each_other() -> None:
    """What tests share stands in ``tests/support``."""
    shared = ("tests.support", "tests.bench")
    for path in (ROOT / "tests").rglob("*.py"):
        found = [name for name in imports(path) if name.startswith("tests.") and not name.startswith(shared)]
        assert not found, relative(path)
