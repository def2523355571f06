"""Merge the rows of a new scan into the manifest that is there: what a person edited stays.

An edit is a cell that is neither what the last scan wrote nor what this one would write, and any filled cell in a column
that no scan writes.
"""

from dataclasses import dataclass, field

import polars as pl

from schemas.scan_values import CELLS, INFERRED
from tasks.scan.rows import ANALYSIS_COLUMNS, COLUMNS

YOU = "you"
_SLOT = ("kit", "bank", "pad")
_KITS = ("kit", "kit_base", "kit_new")
_NUMBERS = ("bpm", "pad")


@dataclass(frozen=True)
class CellChange:
    """A cell of the manifest that the new scan changed, as text; None where it is empty."""

    file_path: str
    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class MergedManifest:
    """The manifest after a scan, and what became of its rows.

    Attributes:
        frame: The whole manifest as text, with the columns that it had first.
        added: The ``file_path`` of each new row.
        gone: The ``file_path`` of each row whose file is no longer there.
        dropped: The absolute paths of ``gone``.
        moved: Absolute paths before and after, of rows whose file is elsewhere now.
        kept_out: The ``file_path`` of files whose rows a person removed.
        changes: The cells that changed, in the order of rows.
        edited: How many rows have a person's own values.
        paths: The absolute path of each row of ``frame``.
    """

    frame: pl.DataFrame
    paths: pl.Series
    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    kept_out: list[str] = field(default_factory=list)
    changes: list[CellChange] = field(default_factory=list)
    edited: int = 0


@dataclass(frozen=True)
class MergeRequest:
    """The facts that a scan knows beside its rows.

    Attributes:
        gone: Absolute paths of files that were below the scanned folders and are no longer there.
        moved: The new paths of those whose content was found elsewhere.
        restore: Rows that a person removed come back.
        kits: Kits were proposed again.
    """

    gone: frozenset[str]
    moved: dict[str, str]
    restore: bool
    kits: bool


def start_manifest(new: pl.DataFrame) -> MergedManifest:
    """Return the manifest of a first scan."""
    return MergedManifest(new.drop("path"), new["path"], added=new["file_path"].to_list())


def merge_manifest(
    old: pl.DataFrame, paths: pl.Series, base: pl.DataFrame, new: pl.DataFrame, request: MergeRequest
) -> MergedManifest:
    """Merge a manifest with the rows of a new scan.

    Args:
        old: The manifest with all its columns (String).
        paths: The absolute path of each of its rows (String).
        base: What the last scan wrote: ``path`` and ``CELLS`` (String).
        new: What this scan would write: ``path`` and ``COLUMNS`` (String).
        request: What the scan knows beside its rows.
    """
    names = {name.strip().lower(): name for name in old.columns if name.strip().lower() in COLUMNS}
    table = _join_scans(old.select(pl.col(original).alias(name) for name, original in names.items()), paths, base, new, request)
    table = table.with_columns(own_cells=_has_own_cells(old, [name for name in old.columns if name not in names.values()]))
    is_edited = pl.any_horizontal("own_cells", *(f"{name}_edited" for name in CELLS))
    is_gone = pl.col("path").is_in(list(request.gone)) & pl.col("in_scan").is_null() & pl.col("in_base").fill_null(False)
    gone, table = table.filter(is_gone & ~is_edited), table.filter(~(is_gone & ~is_edited))
    merged = table.with_columns(_merged_cells(request.kits))
    # A row that a person removed stays out also where its file was moved.
    known = pl.concat([table["path"], base["path"].replace(request.moved)]) if not request.restore else table["path"]
    added = new.filter(~pl.col("path").is_in(known.implode()))
    added = added.with_columns(pl.when(~_in_own_kits(table)).then(pl.col(name)).alias(name) for name in (*_SLOT, *_OF_KIT))
    kept_out = new.filter(~pl.col("path").is_in(table["path"].implode()) & ~pl.col("path").is_in(added["path"].implode()))
    moved_from = set(table.filter(pl.col("was") != pl.col("path"))["was"])
    return MergedManifest(
        frame=_whole_manifest(old, names, merged, added),
        paths=pl.concat([table["path"], added["path"]]),
        added=added["file_path"].to_list(),
        gone=gone["file_path"].to_list(),
        dropped=gone["was"].to_list(),
        moved=[(before, after) for before, after in request.moved.items() if before in moved_from],
        kept_out=kept_out["file_path"].to_list(),
        changes=_changes(table, merged),
        edited=table.filter(is_edited, pl.col("in_scan").is_not_null()).height,
    )


def _join_scans(
    table: pl.DataFrame, paths: pl.Series, base: pl.DataFrame, new: pl.DataFrame, request: MergeRequest
) -> pl.DataFrame:
    """Put beside each row of the manifest what the last scan wrote and what this one would write.

    Returns:
        ``COLUMNS``; ``was`` and ``path`` (where the file was and is), ``line`` (the row's number, from 0); each of ``CELLS``
        with ``_base``, each of ``COLUMNS`` with ``_new`` behind its name; ``in_base`` and ``in_scan`` (true or null);
        each of ``CELLS`` with ``_edited`` behind its name, and ``own_kit`` (Boolean).
    """
    table = table.with_columns(was=paths)
    table = table.with_columns(pl.lit(None, pl.String).alias(name) for name in COLUMNS if name not in table.columns)
    table = table.with_columns(path=pl.col("was").replace(request.moved), line=pl.int_range(pl.len()))
    last = base.select(was="path", in_base=pl.lit(True), **{f"{name}_base": pl.col(name) for name in CELLS})
    now = new.rename({name: f"{name}_new" for name in COLUMNS}).with_columns(in_scan=pl.lit(True))
    table = table.join(last, on="was", how="left", maintain_order="left")
    table = table.join(now, on="path", how="left", maintain_order="left")
    table = table.with_columns(_is_edited(name).alias(f"{name}_edited") for name in CELLS)
    return _mark_own_kits(table, request.kits)


def _has_own_cells(old: pl.DataFrame, others: list[str]) -> pl.Series:
    """Return for each row whether a cell is filled in a column that no scan writes: then a person cares for the row."""
    filled = (pl.col(name).cast(pl.String).str.strip_chars().fill_null("") != "" for name in others)
    return old.select(pl.any_horizontal(pl.repeat(False, pl.len()), *filled).alias("own_cells")).to_series()


def _whole_manifest(old: pl.DataFrame, names: dict[str, str], merged: pl.DataFrame, added: pl.DataFrame) -> pl.DataFrame:
    """Return the merged and the added rows with the columns of the manifest, in its order and under its ``names``."""
    # What else stands in the manifest is the person's, under whatever name, and keeps to its row.
    others = old[merged["line"]].select(name for name in old.columns if name not in names.values())
    kept = pl.concat([merged.select(COLUMNS).rename(names), others], how="horizontal")
    whole = pl.concat([kept, added.select(COLUMNS).rename(names)], how="diagonal")
    return whole.select(*old.columns, *(name for name in COLUMNS if name not in names))


_OF_KIT = ("kit_source", "kit_confidence")


def _normal(name: str, column: str) -> pl.Expr:
    """Return a cell as it is compared: 120, 120.0 and 120,0 are one tempo, an accent is one letter or two."""
    cell = pl.col(column).str.strip_chars().str.normalize("NFC")
    if name in _NUMBERS:
        number = cell.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        cell = pl.coalesce(number.cast(pl.String), cell)
    return pl.when(cell != "").then(cell)


def _is_edited(name: str) -> pl.Expr:
    """Return whether a person wrote this cell. Where no scan wrote the row before, that is anything that is not empty."""
    now = _normal(name, name)
    other = now.ne_missing(_normal(name, f"{name}_new"))
    by_hand = pl.when(pl.col("in_base")).then(now.ne_missing(_normal(name, f"{name}_base"))).otherwise(now.is_not_null())
    marked = pl.col(f"{name}_source") == YOU if name in INFERRED else pl.lit(False)
    return other & (by_hand | marked.fill_null(False))


def _mark_own_kits(table: pl.DataFrame, kits: bool) -> pl.DataFrame:
    """Add ``own_kit``: a kit of which a person touched one pad is theirs, and nothing of it is proposed again."""
    touched = pl.any_horizontal(f"{name}_edited" for name in _SLOT) if kits else pl.lit(False)
    own = _kits_of(table.filter(touched))
    is_own = pl.any_horizontal(pl.col(name).is_in(own.implode()) for name in _KITS)
    return table.with_columns(own_kit=is_own.fill_null(False))


def _in_own_kits(table: pl.DataFrame) -> pl.Expr:
    return pl.col("kit").is_in(_kits_of(table.filter("own_kit")).implode()).fill_null(False)


def _kits_of(rows: pl.DataFrame) -> pl.Series:
    """Return the names of all kits that the rows are, were or would be in."""
    return pl.concat([rows[name] for name in _KITS]).drop_nulls().unique()


def _merged_cells(kits: bool) -> list[pl.Expr]:
    """Return the merged cells of rows whose file the scan saw; the others stay as they are."""
    in_scan = pl.col("in_scan").is_not_null()
    is_moved = in_scan & (pl.col("was") != pl.col("path"))
    cells = [pl.when(is_moved).then("file_path_new").otherwise("file_path").alias("file_path")]
    for name in INFERRED:
        taken = in_scan & ~pl.col(f"{name}_edited")
        source, sure = f"{name}_source", f"{name}_confidence"
        edited = in_scan & pl.col(f"{name}_edited")
        cells += [
            pl.when(taken).then(f"{name}_new").otherwise(name).alias(name),
            pl.when(taken).then(f"{source}_new").when(edited).then(pl.lit(YOU)).otherwise(source).alias(source),
            pl.when(taken).then(f"{sure}_new").when(edited).then(pl.lit("1")).otherwise(sure).alias(sure),
        ]
    keeps = ~in_scan | pl.lit(not kits) | pl.col("own_kit")
    cells += [pl.when(keeps).then(name).otherwise(f"{name}_new").alias(name) for name in (*_SLOT, *_OF_KIT)]
    cells += [pl.when(in_scan).then(f"{name}_new").otherwise(name).alias(name) for name in ANALYSIS_COLUMNS]
    return cells


def _changes(before: pl.DataFrame, after: pl.DataFrame) -> list[CellChange]:
    changes = []
    for name in CELLS:
        is_other = _normal(name, name).ne_missing(_normal(name, "after"))
        pairs = before.select("file_path", name, "line").with_columns(after=after[name]).filter(is_other)
        changes += [(line, CellChange(path, name, old, new)) for path, old, line, new in pairs.iter_rows()]
    return [change for _, change in sorted(changes, key=lambda pair: pair[0])]
