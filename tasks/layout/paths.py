"""From accepted rows to a plan: every row has its path before anything is written, and no two samples share one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from config.device import SCREEN_CHARS
from schemas.enums import AudioFormat, Names, OrganizeBy
from schemas.music import BPM_BUCKET_BOUNDS, BPM_BUCKETS, UNKNOWN_BPM
from tasks.layout import file_names, screen_names

UNKNOWN_GENRE, UNKNOWN_KIT = "unknown_genre", "unknown_kit"
# As a holder in ``held``: the path is taken by a file of another library.
NOBODY_HERE = 0
# `__`, an id of 19 digits, and `-2` where another library has even that name.
_SUFFIX_ROOM = 2 + 19 + 3
# What only a loser's name may end in: so a title that does, in any script's digits, is given a suffix of its own.
_SUFFIXED = r"__[0-9]+(-[0-9]+)?"
Clean = Callable[[pl.Series], pl.Series]


@dataclass(frozen=True)
class Layout:
    """How paths are made. Paths are relative to the output folder, with ``/``; of a name and of a folder's no more than
    ``stem_bytes``, and what tells equal ones apart.
    """

    organize_by: OrganizeBy
    format: AudioFormat
    sanitize: bool
    stem_bytes: int = file_names.STEM_BYTES
    names: Names = Names.FULL


def place(rows: pl.DataFrame, layout: Layout, held: pl.DataFrame | None = None) -> pl.DataFrame:
    """``rows`` with ``bpm_bucket`` and ``path``, below the output folder and with ``/``.

    ``rows`` needs the columns ``sample_id, title, genre, bpm, kit, kit_id, bank, pad``; ids are not null. ``held``
    (``path``, ``sample_id``) says who holds a path from earlier exports: it keeps it when the manifest grows. What
    NOBODY_HERE holds is given to no one.
    Otherwise the lowest ``sample_id`` does. Whoever loses gets ``__<sample_id>`` behind its name, which no other name
    can end in. Rows of one sample may share one path. The result has the order of ``rows``.
    """
    clean = partial(file_names.sanitized if layout.sanitize else file_names.made_safe, most_bytes=layout.stem_bytes)
    placed = rows.with_columns(bpm_bucket=bpm_bucket(pl.col("bpm")), suffix=pl.lit(""))
    placed = placed.with_columns(_parts(rows, layout, clean)).with_columns(folder=_folder(placed, layout, clean))
    if layout.organize_by is OrganizeBy.KIT:
        slot = pl.format("pad_{}_", pl.col("pad").cast(pl.String).str.zfill(2))
        head = pl.when(pl.col("kit").is_not_null()).then(pl.concat_str(slot, "head")).otherwise(pl.col("head"))
        placed = placed.with_columns(head=head)
    asked = _paths(placed, layout)
    held = _as_holders(held)
    wins = (_owners(asked, held) == placed["sample_id"]) & ~asked["folded"].str.contains(_SUFFIXED + r"\.[a-z]+$")
    placed = placed.with_columns(suffix=pl.when(wins).then(pl.lit("")).otherwise(pl.format("__{}", "sample_id")))
    placed = _beside_others(placed, layout, held)
    return placed.drop("head", "rest", "suffix", "folder").with_columns(path=_spelt_alike(_paths(placed, layout), held))


def _parts(rows: pl.DataFrame, layout: Layout, clean: Clean) -> pl.DataFrame:
    """``head`` and ``rest`` of each row's name: of the rest may be cut what is too long."""
    if layout.names is Names.SCREEN:
        return screen_names.split(rows)
    title = rows.select("sample_id", rest=clean(rows["title"]))
    no_title = pl.when(pl.col("rest") == "").then(pl.format("sample_{}", "sample_id")).otherwise(pl.col("rest"))
    return title.select(no_title.alias("rest"), head=pl.lit(""))


def _name(layout: Layout) -> pl.Expr:
    if layout.names is Names.SCREEN:
        return screen_names.fitted(min(SCREEN_CHARS, layout.stem_bytes))
    # A sample in a slot has room for a suffix from the start: with or without one, its name is cut alike.
    room = pl.when((pl.col("head") == "") & (pl.col("suffix") == "")).then(0).otherwise(_SUFFIX_ROOM)
    return pl.concat_str("head", _cut("rest", room + pl.col("head").str.len_bytes().cast(pl.Int64), layout), "suffix")


def bpm_bucket(bpm: pl.Expr) -> pl.Expr:
    bucket = pl.lit(BPM_BUCKETS[0])
    for bound, name in zip(BPM_BUCKET_BOUNDS, BPM_BUCKETS[1:], strict=True):
        bucket = pl.when(bpm >= bound).then(pl.lit(name)).otherwise(bucket)
    return pl.when(bpm.is_null()).then(pl.lit(UNKNOWN_BPM)).otherwise(bucket)


def _folder(rows: pl.DataFrame, layout: Layout, clean: Clean) -> pl.Series | pl.Expr:
    match layout.organize_by:
        case OrganizeBy.FLAT:
            return pl.lit("")
        case OrganizeBy.BPM:
            return pl.col("bpm_bucket")
        case OrganizeBy.GENRE:
            genre = clean(rows["genre"].fill_null(UNKNOWN_GENRE))
            return genre.replace({"": UNKNOWN_GENRE})
        case OrganizeBy.KIT:
            kit = _kit_folders(rows, layout, clean)
            folder = pl.format("{}/bank_{}", pl.lit(kit), "bank")
            return pl.when(pl.col("kit").is_not_null()).then(folder).otherwise(pl.lit(UNKNOWN_KIT))


def _kit_folders(rows: pl.DataFrame, layout: Layout, clean: Clean) -> pl.Series:
    """A folder a kit. Of kits whose names come out alike, the oldest (the lowest id) keeps the plain one."""
    kits = rows.select("kit", "kit_id").unique().drop_nulls().sort("kit_id")
    plain = clean(kits["kit"]).replace({"": "kit"})
    kits = kits.with_columns(folder=plain, folded=file_names.folded(plain))
    taken = (pl.col("folded") == UNKNOWN_KIT) | pl.col("folded").str.contains(_SUFFIXED + "$")
    first = (pl.col("kit_id") == pl.col("kit_id").first().over("folded")) & ~taken
    kits = kits.with_columns(
        pl.when(first).then("folder").otherwise(pl.format("{}__{}", _cut("folder", _SUFFIX_ROOM, layout), "kit_id"))
    )
    return rows["kit_id"].replace_strict(kits["kit_id"], kits["folder"], default="", return_dtype=pl.String)


def _cut(column: str, room: int | pl.Expr, layout: Layout) -> pl.Expr:
    """The column without what would be too long with ``room`` bytes more: characters are cut from the front."""
    over = (pl.col(column).str.len_bytes().cast(pl.Int64) + room - layout.stem_bytes).clip(0)
    # str.slice counts characters: at least as many bytes go as must, and two for the `x_` of a name laid bare by it.
    cut = pl.col(column).str.slice(over + 2).str.strip_chars_start("_- .").str.replace(file_names.RESERVED_START, "x_${1}")
    return pl.when(over > 0).then(pl.when(cut == "").then(pl.lit("x")).otherwise(cut)).otherwise(pl.col(column))


def _paths(placed: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """``sample_id``, the ``path`` each row asks for, and that path ``folded`` as a card compares it."""
    slash = pl.when(pl.col("folder") != "").then(pl.lit("/")).otherwise(pl.lit(""))
    asked = placed.select("sample_id", path=pl.concat_str("folder", slash, _name(layout), pl.lit(f".{layout.format}")))
    return asked.with_columns(folded=file_names.folded(asked["path"]))


def _owners(asked: pl.DataFrame, held: pl.DataFrame) -> pl.Series:
    """Who gets the path that each row asks for: its holder if that one asks for it too, else the lowest id."""
    asked = _with_holders(asked, held)
    keeps = (pl.col("holder") == pl.col("sample_id")) | (pl.col("holder") == NOBODY_HERE)
    holder_asks = pl.col("holder").filter(keeps).first().over("folded")
    return asked.select(pl.coalesce(holder_asks, pl.col("sample_id").min().over("folded"))).to_series()


def _spelt_alike(asked: pl.DataFrame, held: pl.DataFrame) -> pl.Series:
    """One spelling where a card sees one path: as the sample already has it, else the first in the order of text."""
    asked = _with_holders(asked, held)
    spelling = pl.when(pl.col("sample_id") == pl.col("holder")).then("held_path")
    return asked.select(pl.coalesce(spelling, pl.col("path").min().over("folded")).alias("path")).to_series()


def _beside_others(placed: pl.DataFrame, layout: Layout, held: pl.DataFrame) -> pl.DataFrame:
    """Names that another library already has, with the same suffix even, are numbered on until they are free."""
    base = placed["suffix"]
    for number in range(2, 100):
        holder = _with_holders(_paths(placed, layout), held)["holder"]
        taken = (holder == NOBODY_HERE).fill_null(False)
        if not taken.any():
            break
        placed = placed.with_columns(suffix=pl.when(taken).then(base + f"-{number}").otherwise(pl.col("suffix")))
    return placed


def _as_holders(held: pl.DataFrame | None) -> pl.DataFrame:
    """Who has each path from earlier exports, and how it is spelt there: ``folded``, ``holder``, ``held_path``."""
    if held is None:
        held = pl.DataFrame(schema={"path": pl.String, "sample_id": pl.Int64})
    holders = held.select(held_path="path", folded=file_names.folded(held["path"]), holder="sample_id")
    return holders.unique("folded", keep="first")


def _with_holders(asked: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    return asked.join(held, on="folded", how="left", maintain_order="left")
