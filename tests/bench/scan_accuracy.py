"""How much a scan tells of real libraries, and how much of it is right. Run it, and paste the table into README.md beside it:

uv run python -m tests.bench.scan_accuracy [--analyze] [hydrogen=/usr/share/hydrogen/data ...]

The key is `scan_truth.txt`, judged by hand. *Right*: the cell is what the key says, or one of several that it allows.
*Wrong*: it is filled otherwise, or filled where the key wants it empty. *Empty*: the key has a value, so that a person can
tell it, and the cell has none. Rows that nobody judged do not count.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import polars as pl

from tests.support import ROOT

KEY = Path(__file__).with_name("scan_truth.txt")
LIBRARIES = {
    "hydrogen": "/usr/share/hydrogen/data",
    "lmms": "/usr/share/lmms/samples",
    "sonic-pi": "/usr/share/sonic-pi/samples",
}
FIELDS = ("tags", "kind")
_HEARD = frozenset(["clipped", "dc-offset", "leading-silence", "near-silent", "duplicate"])
Truths = list[tuple[str, str, dict[str, str]]]


def truths() -> Truths:
    lines = [line.split(" | ") for line in KEY.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [(library, pattern, dict(zip(FIELDS, values, strict=True))) for library, pattern, *values in lines]


def judge(value: str, truth: str) -> str:
    """Return given, right, wrong or empty; "" where nothing is to be said."""
    if truth == "?":
        return ""
    allowed = [text.replace("+", "|") for text in truth.split(",")]
    if truth == "-":
        return "wrong" if value else ""
    return "empty" if not value else "right" if value in allowed else "wrong"


def _of_the_name(value: str) -> str:
    """Leave out the tags that an analysis of the sound adds, on which the key has no view."""
    return "|".join(tag for tag in value.split("|") if tag not in _HEARD)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("libraries", nargs="*", help="NAME=FOLDER; those of Debian if not given")
    parser.add_argument("--analyze", action="store_true")
    parser.add_argument("--tree", default=ROOT, help="Another checkout of the project, to compare with.")
    parser.add_argument("--show", action="store_true", help="Print each wrong and each empty cell.")
    asked = parser.parse_args()
    libraries = dict(text.split("=", 1) for text in asked.libraries) or LIBRARIES
    key = truths()
    print("| library | files | kits | field | right | wrong | empty though obvious |\n|---|---:|---:|---|---:|---:|---:|")
    for name, folder in libraries.items():
        with tempfile.TemporaryDirectory() as place:
            table = f"{place}/library.csv"
            options = ["-o", table, "--db", f"{place}/r.duckdb", "--kits", "--json", *(["--analyze"] if asked.analyze else [])]
            command = [sys.executable, "-m", "flows.cli", "scan", folder, *options]
            ran = subprocess.run(command, cwd=asked.tree, capture_output=True, text=True, check=False)
            done = json.loads(ran.stdout)
            rows = pl.read_csv(table, infer_schema_length=0).select("file_path", *FIELDS).rows(named=True)
        counts: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
        for row in rows:
            path = "/" + str(row["file_path"]).lstrip("./")
            truth = next((values for library, pattern, values in key if library == name and fnmatchcase(path, pattern)), None)
            for field in FIELDS if truth else ():
                verdict = judge(_of_the_name(row[field] or ""), truth[field] if truth else "?")
                counts[field][verdict] += 1
                if asked.show and verdict in ("wrong", "empty"):
                    print(verdict, field, path, row[field])
        for field, count in counts.items():
            cells = (name, len(rows), done["kits"], field, count["right"], count["wrong"], count["empty"])
            print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
