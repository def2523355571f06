"""The rules of docs/decisions/0001, read from the imports with ``ast``: floors, homes, sizes, names, and who knows Prefect."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

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
    ("flows.scan_threads",),
    ("flows.scan_files",),
    ("flows.export", "flows.scan", "flows.demo", "flows.explain"),
    ("flows.rescan",),
    ("flows.orchestration", "flows.device_project"),
    ("flows.service", "flows.api", "flows.status", "flows.first_steps", "flows.past_failures"),
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
    "fastapi": ("flows/api/",),
    "starlette": ("flows/api/",),
    "uvicorn": ("flows/api/server.py", "flows/api/connections.py", "flows/orchestration/prefect_server.py"),
    "click": ("flows/cli/",),
    "rich": ("flows/cli/",),
    "csv": ("tasks/manifest/readers/delimited_text.py", "flows/demo.py"),
    "fastexcel": ("tasks/manifest/readers/xlsx.py",),
    "yaml": ("tasks/manifest/readers/kit_syntax.py", "tasks/manifest/kits/kit_text.py"),
    "zipfile": ("tasks/bundle/archive.py",),
    # What not every system has.
    "fcntl": ("tasks/store/export_lock.py",),
    "resource": ("tasks/isolation/confinement.py", "flows/api/connections.py"),
    "ctypes": ("tasks/fs/atomic.py",),
}
# Where files that only Linux has are opened.
OF_LINUX = ("tasks/isolation/confinement.py", "tasks/bundle/plugged_cards.py", "flows/service/supervisor.py")
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


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, inside_functions: bool = True) -> Iterator[str]:
    """Every module that a file imports, those for type checkers included; ``from a.b import c`` as ``a.b.c``."""
    tree = parsed(path)
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


def test_imports_point_to_lower_floors() -> None:
    arrows = [(path, module) for path in FILES for module in our_imports(path)]
    rooms = [(path, module, room_of(module_of(path)), room_of(module)) for path, module in arrows]
    up = [(path, module) for path, module, room, target in rooms if target != room and FLOOR_OF[target] >= FLOOR_OF[room]]
    assert not [f"{relative(path)} imports {module}, which is not below it" for path, module in up]


def test_no_circle_of_modules() -> None:
    """Type-only imports and those in functions count."""
    assert not circles({module: our_imports(path) for module, path in MODULES.items()})


def test_libraries_stay_at_home() -> None:
    found = [(relative(path), module, HOMES.get(module.split(".")[0])) for path in FILES for module in imports(path)]
    assert not [f"{path} imports {module}" for path, module, homes in found if homes and not path.startswith(homes)]


def test_what_only_linux_has_stays_at_home() -> None:
    """`docs/usage/platforms.md` says what is done elsewhere."""
    texts = {
        relative(path): [node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant)] for path in FILES
    }
    found = {path for path, constants in texts.items() if any(str(text).startswith(("/proc/", "/sys/")) for text in constants)}
    assert found == set(OF_LINUX)


def test_a_direct_export_never_imports_prefect() -> None:
    """By what is imported with each module, and all that ``flows.export`` imports later."""
    reached = imported_with(DIRECT, later="flows.export")
    assert "flows.export.pipeline" in reached
    assert "prefect" not in set().union(*reached.values())
    assert not {module for module in reached if module.startswith("flows.orchestration")}


def test_an_export_begins_without_the_decoders() -> None:
    """They load in its workers meanwhile: PyAV is a tenth of the time that an export of one sample takes."""
    reached = imported_with(["flows.export.threads"])
    assert "flows.export.plan" in reached
    assert not {module for module, packages in reached.items() if packages & {"av", "soxr", "soundfile"}}


def imported_with(modules: Iterable[str], later: str = "nowhere") -> dict[str, set[str]]:
    """The packages that each of our modules imports, of all that are imported with these; below ``later`` in functions, too."""
    reached: dict[str, set[str]] = {}
    to_do = list(modules)
    while to_do:
        module = to_do.pop()
        if module not in reached:
            inside = module.startswith(later)
            reached[module] = {name.split(".")[0] for name in imports(MODULES[module], inside)}
            to_do += our_imports(MODULES[module], inside)
    return reached


def test_files_can_be_read_at_one_sitting() -> None:
    lines = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {path: number for path, number in lines.items() if number > MAX_LINES}


def test_sql_stands_in_sql_files() -> None:
    """One module alone has statements: those that make migrations possible."""
    found = []
    for path in FILES:
        strings = [node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant)]
        found += [(relative(path), text) for text in strings if isinstance(text, str) and text.startswith(SQL)]
    assert {path for path, _ in found} <= {"tasks/store/database_file.py"}, found


def test_a_module_name_stands_for_one_module() -> None:
    named: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        if path.stem not in ("__init__", "__main__"):
            named[path.stem].append(relative(path))
    assert not {name: paths for name, paths in named.items() if len(paths) > 1}


def test_a_class_name_stands_for_one_class() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        for node in ast.walk(parsed(path)):
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
