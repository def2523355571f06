"""Assign output paths to accepted rows, by the strategy of folders (contract, section 3). Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from config.device import SCREEN_CHARS
from schemas.enums import AudioFormat, Names, OrganizeBy
from schemas.music import BPM_BUCKET_BOUNDS, BPM_BUCKETS, UNKNOWN_BPM
from schemas.spellings import fold_genres
from tasks.layout import file_names, screen_names, source_folders
from tasks.layout.collisions import SuffixChooser

UNKNOWN_GENRE, UNKNOWN_KIT = "unknown_genre", "unknown_kit"
# As the ``sample_id`` of a held path: a file of another library has it.
FOREIGN_SAMPLE = 0
# `__`, an id of 19 digits, and `-2` where another library has even that name.
_SUFFIX_ROOM = 2 + 19 + 3
# What only a loser's name may end in: so a title that does, in any script's digits, is given a suffix of its own.
_SUFFIXED = r"__[0-9]+(-[0-9]+)?"
CleanNames = Callable[[pl.Series], pl.Series]


@dataclass(frozen=True)
class PathRules:
    """The rules by which paths are made. Paths are relative to the output folder, with ``/``.

    Attributes:
        organize_by: The strategy of folders.
        format: Its extension ends each path.
        sanitize: Names are ``[a-z0-9_-]``; else titles are only made safe for the file system.
        stem_bytes: The longest stem of a file and name of a folder, suffixes included.
        names: Whole titles, or names that fit the device's screen.
        source_root: The folder below which ``OrganizeBy.FOLDER`` keeps the tree of the sources, if all are in it.
    """

    organize_by: OrganizeBy
    format: AudioFormat
    sanitize: bool
    stem_bytes: int = file_names.STEM_BYTES
    names: Names = Names.FULL
    source_root: str = ""


def assign_paths(rows: pl.DataFrame, rules: PathRules, held_paths: pl.DataFrame | None = None) -> pl.DataFrame:
    """Assign a path to every row, before anything is written; no two samples share one, compared without case.

    A sample keeps the path that it holds from earlier exports, when the manifest grows. Otherwise the lowest ``sample_id``
    gets a path that several ask for. The others get a word of their folders behind their names, where it tells them apart,
    else ``__<sample_id>``, which no other name can end in.
    Rows of one sample may share one path.

    Args:
        rows: Needs ``sample_id`` (Int64, not null), ``title, genre, kit, bank`` (String), ``bpm`` (Float64), ``kit_id, pad``
            (Int64), and for screen names ``musical_key`` (String). Of ``source`` (String) come words for names.
        rules: How paths are made.
        held_paths: Who holds a path from earlier exports: ``path`` (String) and ``sample_id`` (Int64). A path of
            ``FOREIGN_SAMPLE`` is given to no one.

    Returns:
        ``rows`` in their order with ``bpm_bucket`` and ``path`` (String).
    """
    clean = partial(file_names.sanitize_names if rules.sanitize else file_names.make_names_safe, max_bytes=rules.stem_bytes)
    held = _fold_held(held_paths)
    placed = rows.with_columns(bpm_bucket=bpm_bucket(pl.col("bpm")), suffix=pl.lit(""))
    placed = placed.with_columns(_name_parts(_with_words(rows, rules, clean, held), rules, clean))
    placed = placed.with_columns(folder=_folder(placed, rules, clean, held))
    if rules.organize_by is OrganizeBy.KIT:
        slot = pl.format("pad_{}_", pl.col("pad").cast(pl.String).str.zfill(2))
        head = pl.when(pl.col("kit").is_not_null()).then(pl.concat_str(slot, "head")).otherwise(pl.col("head"))
        placed = placed.with_columns(head=head)
    wanted = _join_parts(placed, rules)
    placed = placed.with_columns(_suffixes(rows, wanted, held, rules, clean))
    placed = _avoid_foreign_paths(placed, rules, held)
    paths = _unify_spelling(_join_parts(placed, rules), held)
    return placed.drop("head", "rest", "instrument", "suffix", "folder").with_columns(path=paths)


def _with_words(rows: pl.DataFrame, rules: PathRules, clean: CleanNames, held: pl.DataFrame) -> pl.DataFrame:
    """Give titles that are numbers alone a word of their folder, where the layout does not have that folder."""
    if rules.organize_by is OrganizeBy.FOLDER or "source" not in rows.columns:
        return rows
    of_full_names = held if rules.names is Names.FULL else held.clear()
    return rows.with_columns(source_folders.name_numbers(rows, of_full_names, clean))


def _suffixes(rows: pl.DataFrame, wanted: pl.DataFrame, held: pl.DataFrame, rules: PathRules, clean: CleanNames) -> pl.Series:
    """Return what is put behind the name of each row, so that no two samples share a path."""
    owners = _choose_owners(wanted, held)
    is_suffixed = wanted["folded"].str.contains(_SUFFIXED + r"\.[a-z]+$")
    if not (is_suffixed | (owners != rows["sample_id"])).any():
        return pl.repeat("", rows.height, dtype=pl.String, eager=True).alias("suffix")
    sources = rows["source"] if "source" in rows.columns else pl.repeat(None, rows.height, dtype=pl.String, eager=True)
    asking = wanted.select("sample_id", "folded", is_suffixed=is_suffixed).with_columns(
        source_folders.folder_names(sources, clean)
    )
    is_short = rules.names is Names.SCREEN
    most = min(SCREEN_CHARS, rules.stem_bytes) if is_short else rules.stem_bytes - _SUFFIX_ROOM + source_folders.LONGEST_WORD
    return SuffixChooser(asking, owners, held.select("folded", "holder"), f".{rules.format}", most).choose()


def _name_parts(rows: pl.DataFrame, rules: PathRules, clean: CleanNames) -> pl.DataFrame:
    """Return ``head``, ``rest`` and ``instrument`` of each row's name; what is too long is cut from the rest."""
    if rules.names is Names.SCREEN:
        return screen_names.split_names(rows)
    title = rows.select("sample_id", rest=clean(rows["title"]))
    no_title = pl.when(pl.col("rest") == "").then(pl.format("sample_{}", "sample_id")).otherwise(pl.col("rest"))
    return title.select(no_title.alias("rest"), head=pl.lit(""), instrument=pl.lit(""))


def _name(rules: PathRules) -> pl.Expr:
    if rules.names is Names.SCREEN:
        return screen_names.fit_to_screen(min(SCREEN_CHARS, rules.stem_bytes))
    # A sample in a slot has room for a suffix from the start: with or without one, its name is cut alike.
    room = pl.when((pl.col("head") == "") & (pl.col("suffix") == "")).then(0).otherwise(_SUFFIX_ROOM)
    return pl.concat_str("head", _cut("rest", room + pl.col("head").str.len_bytes().cast(pl.Int64), rules), "suffix")


def bpm_bucket(bpm: pl.Expr) -> pl.Expr:
    """Return the name of the bucket of ``schemas.music`` that a tempo is in; null gives ``UNKNOWN_BPM``."""
    bucket = pl.lit(BPM_BUCKETS[0])
    for bound, name in zip(BPM_BUCKET_BOUNDS, BPM_BUCKETS[1:], strict=True):
        bucket = pl.when(bpm >= bound).then(pl.lit(name)).otherwise(bucket)
    return pl.when(bpm.is_null()).then(pl.lit(UNKNOWN_BPM)).otherwise(bucket)


def _folder(rows: pl.DataFrame, rules: PathRules, clean: CleanNames, held: pl.DataFrame) -> pl.Series | pl.Expr:
    match rules.organize_by:
        case OrganizeBy.FLAT:
            return pl.lit("")
        case OrganizeBy.BPM:
            return pl.col("bpm_bucket")
        case OrganizeBy.GENRE:
            genre = clean(rows["genre"].fill_null(UNKNOWN_GENRE))
            genre = genre.replace({"": UNKNOWN_GENRE})
            return _keep_genre_folders(genre, clean, held) if rules.sanitize else genre
        case OrganizeBy.FOLDER:
            return source_folders.tree_folders(rows["source"], rules.source_root, clean, rules.format)
        case OrganizeBy.KIT:
            kit = _kit_folders(rows, rules, clean)
            folder = pl.format("{}/bank_{}", pl.lit(kit), "bank")
            return pl.when(pl.col("kit").is_not_null()).then(folder).otherwise(pl.lit(UNKNOWN_KIT))


def _keep_genre_folders(folders: pl.Series, clean: CleanNames, held: pl.DataFrame) -> pl.Series:
    """Take the folder that a genre has from earlier exports, also where the manifest spells the genre otherwise now."""
    own = held.filter(pl.col("holder") != FOREIGN_SAMPLE)["held_path"].str.extract(r"^([^/]+)/[^/]+$").drop_nulls()
    there = own.value_counts(name="files").sort(["files", own.name], descending=[True, False])[own.name]
    there = there.filter(clean(there) == there)
    by_genre = pl.DataFrame({"genre": fold_genres(there), "folder": there}).unique("genre", keep="first", maintain_order=True)
    asked = folders.unique()  # once: its order is another each time
    new = asked.filter(~asked.is_in(there.implode()))
    kept = pl.DataFrame({"new": new, "genre": fold_genres(new)}).join(by_genre, on="genre")
    return folders.replace(kept["new"], kept["folder"])


def _kit_folders(rows: pl.DataFrame, rules: PathRules, clean: CleanNames) -> pl.Series:
    """Name a folder for each kit. Of kits whose names come out alike, the oldest (the lowest id) keeps the plain one."""
    kits = rows.select("kit", "kit_id").unique().drop_nulls().sort("kit_id")
    plain = clean(kits["kit"]).replace({"": "kit"})
    kits = kits.with_columns(folder=plain, folded=file_names.fold_names(plain))
    taken = (pl.col("folded") == UNKNOWN_KIT) | pl.col("folded").str.contains(_SUFFIXED + "$")
    first = (pl.col("kit_id") == pl.col("kit_id").first().over("folded")) & ~taken
    kits = kits.with_columns(
        pl.when(first).then("folder").otherwise(pl.format("{}__{}", _cut("folder", _SUFFIX_ROOM, rules), "kit_id"))
    )
    return rows["kit_id"].replace_strict(kits["kit_id"], kits["folder"], default="", return_dtype=pl.String)


def _cut(column: str, room: int | pl.Expr, rules: PathRules) -> pl.Expr:
    """Cut what would be too long with ``room`` bytes more from the front of a column."""
    over = (pl.col(column).str.len_bytes().cast(pl.Int64) + room - rules.stem_bytes).clip(0)
    # str.slice counts characters: at least as many bytes go as must, and two for the `x_` of a name laid bare by it.
    cut = pl.col(column).str.slice(over + 2).str.strip_chars_start("_- .").str.replace(file_names.RESERVED_START, "x_${1}")
    return pl.when(over > 0).then(pl.when(cut == "").then(pl.lit("x")).otherwise(cut)).otherwise(pl.col(column))


def _join_parts(placed: pl.DataFrame, rules: PathRules) -> pl.DataFrame:
    """Return ``sample_id``, the ``path`` that each row asks for, and that path ``folded`` as a card compares it."""
    slash = pl.when(pl.col("folder") != "").then(pl.lit("/")).otherwise(pl.lit(""))
    wanted = placed.select("sample_id", path=pl.concat_str("folder", slash, _name(rules), pl.lit(f".{rules.format}")))
    return wanted.with_columns(folded=file_names.fold_names(wanted["path"]))


def _choose_owners(wanted: pl.DataFrame, held: pl.DataFrame) -> pl.Series:
    """Choose who gets the path that each row asks for: its holder if that one asks for it too, else the lowest id."""
    wanted = _with_holders(wanted, held)
    keeps = (pl.col("holder") == pl.col("sample_id")) | (pl.col("holder") == FOREIGN_SAMPLE)
    holder_asks = pl.col("holder").filter(keeps).first().over("folded")
    return wanted.select(pl.coalesce(holder_asks, pl.col("sample_id").min().over("folded"))).to_series()


def _unify_spelling(wanted: pl.DataFrame, held: pl.DataFrame) -> pl.Series:
    """Give one spelling to what a card sees as one path: as the sample already has it, else the first in the order of text."""
    if held.is_empty() and (wanted["path"] == wanted["folded"]).all():
        return wanted["path"]
    wanted = _with_holders(wanted, held)
    spelling = pl.when(pl.col("sample_id") == pl.col("holder")).then("held_path")
    return wanted.select(pl.coalesce(spelling, pl.col("path").min().over("folded")).alias("path")).to_series()


def _avoid_foreign_paths(placed: pl.DataFrame, rules: PathRules, held: pl.DataFrame) -> pl.DataFrame:
    """Add a number to each name that another library already has, even with its suffix, until it is free."""
    held = held.filter(pl.col("holder") == FOREIGN_SAMPLE)
    if held.is_empty():
        return placed
    base = placed["suffix"]
    for number in range(2, 100):
        taken = _with_holders(_join_parts(placed, rules), held)["holder"].is_not_null()
        if not taken.any():
            break
        placed = placed.with_columns(suffix=pl.when(taken).then(base + f"-{number}").otherwise(pl.col("suffix")))
    return placed


def _fold_held(held_paths: pl.DataFrame | None) -> pl.DataFrame:
    """Return who has each path from earlier exports, and how it is spelt there: ``folded``, ``holder``, ``held_path``."""
    if held_paths is None:
        held_paths = pl.DataFrame(schema={"path": pl.String, "sample_id": pl.Int64})
    holders = held_paths.select(held_path="path", folded=file_names.fold_names(held_paths["path"]), holder="sample_id")
    return holders.unique("folded", keep="first")


def _with_holders(wanted: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    return wanted.join(held, on="folded", how="left", maintain_order="left")
