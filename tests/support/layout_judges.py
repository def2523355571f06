"""Judge paths by what a card, Windows and the contract allow; knows nothing of how paths are made."""

import re
import unicodedata

import polars as pl

from schemas.enums import AudioFormat, OrganizeBy
from tasks.layout.paths import PathRules, assign_paths

# Microsoft, "Naming Files, Paths, and Namespaces".
WINDOWS_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"
}
WINDOWS_FORBIDDEN = set('<>:"/\\|?*') | {chr(code) for code in range(32)} | {"\x7f"}
CLEAN = re.compile(r"[a-z0-9_][a-z0-9_-]*")
MAX_NAME_BYTES = 80

ROW_SCHEMA: dict[str, type[pl.DataType]] = {
    "sample_id": pl.Int64,
    "title": pl.String,
    "genre": pl.String,
    "bpm": pl.Float64,
    "kit": pl.String,
    "kit_id": pl.Int64,
    "bank": pl.String,
    "pad": pl.Int64,
    "source": pl.String,
}
Row = dict[str, object]


def frame_of(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(ROW_SCHEMA) | row for row in rows], schema=ROW_SCHEMA)


def paths_of(
    rows: list[Row],
    organize_by: str = "flat",
    sanitize: bool = True,
    held: pl.DataFrame | None = None,
    audio_format: str = "wav",
    source_root: str = "/",
) -> list[str]:
    layout = PathRules(OrganizeBy(organize_by), AudioFormat(audio_format), sanitize, source_root=source_root)
    return assign_paths(frame_of(rows), layout, held)["path"].to_list()


def held_paths(*held: tuple[str, int]) -> pl.DataFrame:
    """What the records know: who has which path."""
    return pl.DataFrame(list(held), {"path": pl.String, "sample_id": pl.Int64}, orient="row")


def titled(*titles: str) -> list[Row]:
    """One sample for each title, with the ids 1, 2, 3 ..."""
    return [{"sample_id": number, "title": title} for number, title in enumerate(titles, 1)]


def caseless(path: str) -> str:
    """Equal for paths that a caseless match takes for one (Unicode, D145: canonical caseless matching)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def is_windows_device(name: str) -> bool:
    return name.split(".", maxsplit=1)[0].rstrip(" ").lower() in WINDOWS_DEVICES


def assert_safe(path: str) -> None:
    """No part of the path leads out of the folder, is a device, is too long, or changes when a card stores it."""
    for part in path.split("/"):
        assert part not in ("", ".", "..")
        assert part[0] not in ".- "
        assert part[-1] not in ". "
        assert not set(part) & WINDOWS_FORBIDDEN
        assert not is_windows_device(part)
        assert len(part.encode()) <= MAX_NAME_BYTES
        assert part == unicodedata.normalize("NFC", part)
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    assert stem
    assert len(f"{stem}_metadata.txt".encode()) <= MAX_NAME_BYTES


def assert_apart(rows: list[Row], paths: list[str]) -> None:
    """No two samples share a path, compared without case."""
    holders: dict[str, object] = {}
    for row, path in zip(rows, paths, strict=True):
        assert holders.setdefault(caseless(path), row["sample_id"]) == row["sample_id"], path
