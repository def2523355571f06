"""A manifest that stands and what a new scan found, as one: what a person edited stays.

An edit is what is neither what the last scan wrote nor what this one would write.
"""

from dataclasses import dataclass, field

import polars as pl

from schemas.scan import CELLS, INFERRED
from tasks.scan.rows import COLUMNS, HEARD

YOU = "you"
_SLOT = ("kit", "bank", "pad")
_KITS = ("kit", "kit_base", "kit_new")
_NUMBERS = ("bpm", "pad")


@dataclass(frozen=True)
class Change:
    """A cell that another scan result changed."""

    file_path: str
    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Merged:
    """``frame``: the whole manifest as text, with the columns it had first. ``dropped``: the paths of the ``gone``.
    ``kept_out``: files whose rows a person removed.
    """

    frame: pl.DataFrame
    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    kept_out: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    edited: int = 0


@dataclass(frozen=True)
class Asked:
    """``gone``: paths that lay below the scanned folders and are no files any more. ``moved``: their new paths, where the same
    content was found elsewhere. ``restore``: rows that a person removed come back. ``kits``: they were proposed anew.
    """

    gone: frozenset[str]
    moved: dict[str, str]
    restore: bool
    kits: bool


def fresh(new: pl.DataFrame) -> Merged:
    """The manifest of a first scan."""
    return Merged(new.drop("path"), added=new["file_path"].to_list())


def merge(old: pl.DataFrame, paths: pl.Series, base: pl.DataFrame, new: pl.DataFrame, asked: Asked) -> Merged:
    """``old``: the manifest with all its columns, ``paths`` its files' absolute ones. ``base``: what the last scan wrote
    (``path`` and ``CELLS``); ``new``: what this one found (``path`` and ``COLUMNS``).
    """
    names = {name.strip().lower(): name for name in old.columns if name.strip().lower() in COLUMNS}
    table = old.select(pl.col(original).alias(name) for name, original in names.items()).with_columns(was=paths)
    table = table.with_columns(pl.lit(None, pl.String).alias(name) for name in COLUMNS if name not in table.columns)
    table = table.with_columns(path=pl.col("was").replace(asked.moved), line=pl.int_range(pl.len()))
    last = base.select(was="path", based=pl.lit(True), **{f"{name}_base": pl.col(name) for name in CELLS})
    found = new.rename({name: f"{name}_new" for name in COLUMNS}).with_columns(found=pl.lit(True))
    table = table.join(last, on="was", how="left", maintain_order="left").join(
        found, on="path", how="left", maintain_order="left"
    )
    table = table.with_columns(_edited(name).alias(f"{name}_edited") for name in CELLS)
    table = _with_own_kits(table, asked.kits)
    is_edited = pl.any_horizontal(f"{name}_edited" for name in CELLS)
    is_gone = pl.col("path").is_in(list(asked.gone)) & pl.col("found").is_null() & pl.col("based").fill_null(False) & ~is_edited
    gone, table = table.filter(is_gone), table.filter(~is_gone)
    merged = table.with_columns(_cells(asked.kits))
    known = pl.concat([table["path"], base["path"]]) if not asked.restore else table["path"]
    added = new.filter(~pl.col("path").is_in(known.implode()))
    added = added.with_columns(pl.when(~_in_kits(table)).then(pl.col(name)).alias(name) for name in (*_SLOT, *_OF_KIT))
    kept_out = new.filter(~pl.col("path").is_in(table["path"].implode()) & ~pl.col("path").is_in(added["path"].implode()))
    # What else stands in the manifest is the person's, under whatever name, and keeps to its row.
    others = old[merged["line"]].select(name for name in old.columns if name not in names.values())
    kept = pl.concat([merged.select(COLUMNS).rename(names), others], how="horizontal")
    whole = pl.concat([kept, added.select(COLUMNS).rename(names)], how="diagonal")
    order = [*old.columns, *(name for name in COLUMNS if name not in names)]
    here = set(table.filter(pl.col("was") != pl.col("path"))["was"])
    return Merged(
        frame=whole.select(order),
        added=added["file_path"].to_list(),
        gone=gone["file_path"].to_list(),
        dropped=gone["was"].to_list(),
        moved=[(before, after) for before, after in asked.moved.items() if before in here],
        kept_out=kept_out["file_path"].to_list(),
        changes=_changes(table, merged),
        edited=table.filter(is_edited, pl.col("found").is_not_null()).height,
    )


_OF_KIT = ("kit_source", "kit_confidence")


def _normal(name: str, column: str) -> pl.Expr:
    """A cell as it is compared: 120, 120.0 and 120,0 are one tempo."""
    cell = pl.col(column).str.strip_chars()
    if name in _NUMBERS:
        number = cell.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        cell = pl.coalesce(number.cast(pl.String), cell)
    return pl.when(cell != "").then(cell)


def _edited(name: str) -> pl.Expr:
    """Whether a person wrote this cell. Where no scan wrote the row before, that is anything that is not empty."""
    now = _normal(name, name)
    other = now.ne_missing(_normal(name, f"{name}_new"))
    by_hand = pl.when(pl.col("based")).then(now.ne_missing(_normal(name, f"{name}_base"))).otherwise(now.is_not_null())
    marked = pl.col(f"{name}_source") == YOU if name in INFERRED else pl.lit(False)
    return other & (by_hand | marked.fill_null(False))


def _with_own_kits(table: pl.DataFrame, kits: bool) -> pl.DataFrame:
    """A kit of which a person touched one pad is theirs: nothing of it is proposed anew."""
    touched = pl.any_horizontal(f"{name}_edited" for name in _SLOT) if kits else pl.lit(False)
    own = _kits_of(table.filter(touched))
    is_own = pl.any_horizontal(pl.col(name).is_in(own.implode()) for name in _KITS)
    return table.with_columns(own_kit=is_own.fill_null(False))


def _in_kits(table: pl.DataFrame) -> pl.Expr:
    return pl.col("kit").is_in(_kits_of(table.filter("own_kit")).implode()).fill_null(False)


def _kits_of(rows: pl.DataFrame) -> pl.Series:
    """The names of all kits that the rows are, were or would be in."""
    return pl.concat([rows[name] for name in _KITS]).drop_nulls().unique()


def _cells(kits: bool) -> list[pl.Expr]:
    """The merged cells of rows whose file was found; of the others as they are."""
    is_found = pl.col("found").is_not_null()
    is_moved = is_found & (pl.col("was") != pl.col("path"))
    cells = [pl.when(is_moved).then("file_path_new").otherwise("file_path").alias("file_path")]
    for name in INFERRED:
        taken = is_found & ~pl.col(f"{name}_edited")
        source, sure = f"{name}_source", f"{name}_confidence"
        edited = is_found & pl.col(f"{name}_edited")
        cells += [
            pl.when(taken).then(f"{name}_new").otherwise(name).alias(name),
            pl.when(taken).then(f"{source}_new").when(edited).then(pl.lit(YOU)).otherwise(source).alias(source),
            pl.when(taken).then(f"{sure}_new").when(edited).then(pl.lit("1")).otherwise(sure).alias(sure),
        ]
    keeps = ~is_found | pl.lit(not kits) | pl.col("own_kit")
    cells += [pl.when(keeps).then(name).otherwise(f"{name}_new").alias(name) for name in (*_SLOT, *_OF_KIT)]
    cells += [pl.when(is_found).then(f"{name}_new").otherwise(name).alias(name) for name in HEARD]
    return cells


def _changes(before: pl.DataFrame, after: pl.DataFrame) -> list[Change]:
    changes = []
    for name in CELLS:
        is_other = _normal(name, name).ne_missing(_normal(name, "after"))
        pairs = before.select("file_path", name, "line").with_columns(after=after[name]).filter(is_other)
        changes += [(line, Change(path, name, old, new)) for path, old, line, new in pairs.iter_rows()]
    return [change for _, change in sorted(changes, key=lambda pair: pair[0])]
