"""Check what must be true of every manifest that was read, whatever was in it."""

from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from schemas.errors import ManifestError
from tasks.manifest.table import read_manifest
from tasks.manifest.validate import Manifest, validate

# Unicode's property White_Space (PropList.txt).
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


class Refusal(NamedTuple):
    """Return what a ManifestError says, without the path."""

    what: str
    fix: str


def saved(folder: Path, data: str | bytes, name: str = "manifest.csv") -> str:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def checked(path: str) -> Manifest:
    """Return the manifest, read and validated; every row is accounted for, and every reject says all it should."""
    raw = read_manifest(path)
    manifest = validate(raw)
    accepted, rejected = manifest.frame["line"].to_list(), manifest.rejected_lines
    assert manifest.rows == raw.rows == len(accepted) + len(rejected)
    assert accepted == sorted(set(accepted))
    assert not set(accepted) & set(rejected)
    assert manifest.rejects["line"].is_sorted()
    assert_complete(manifest.rejects)
    return manifest


def assert_complete(rejects: pl.DataFrame) -> None:
    for line, column, value, rule, fix in rejects.select("line", "column", "value", "rule", "fix").iter_rows():
        assert line >= 1
        assert column
        assert value is not None
        assert rule.strip()
        assert fix.strip()


def refusal(path: str) -> Refusal:
    """Return the error of a file that is not a manifest: where, what and what to do, in one line each."""
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    refused = Refusal(str(caught.value).removeprefix(f"{path}: "), caught.value.fix)
    assert str(caught.value) == f"{path}: {refused.what}"
    assert all(text.strip() and "\n" not in text for text in refused)
    return refused


def reject_of(manifest: Manifest, line: int) -> dict[str, object]:
    """Return the only reject of a line."""
    (found,) = manifest.rejects.filter(pl.col("line") == line).to_dicts()
    return found
