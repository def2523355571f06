"""Assign stable sample and kit ids: ids for samples and kits that the manifest gives none, the same ones in every later run."""

import numpy as np
import polars as pl

from schemas.errors import RequestError
from schemas.spellings import fold_kits
from tasks.store.database import Connection, frame, run

GIVEN = {"file_path": pl.String, "id": pl.Int64}
KITS = {"name": pl.String, "id": pl.Int64}
_HIGHEST_ID = 2**63 - 1


def assign_recorded_ids(
    connection: Connection, rows: pl.DataFrame, moved: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Assign ids to rows as ``assign_ids`` does, by the ids that the database keeps.

    ``moved`` (``tasks.store.renames.MOVED``) are files that keep the ids which they have under another path.
    """
    given = frame(connection, "given_ids", {}, GIVEN) if rows["sample_id"].null_count() else pl.DataFrame(schema=GIVEN)
    kept = moved.select(file_path="new", id="id").join(given, on="file_path", how="anti", maintain_order="left")
    kits = frame(connection, "kits", {}, KITS)
    identified, new_ids, new_kits = assign_ids(rows, given.vstack(kept), kits, run(connection, "highest_id").one())
    kept = kept.join(new_ids, on="file_path", how="anti", maintain_order="left")
    return identified, kept.vstack(new_ids), new_kits


def assign_ids(
    rows: pl.DataFrame, given: pl.DataFrame, kits: pl.DataFrame, highest: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return ``rows`` (``source``, ``sample_id``, ``kit``) with all ids; and the new ids, in the order of lines.

    ``given`` (``GIVEN``) and ``kits`` (``KITS``) have those of earlier runs, ``highest`` is the highest that any sample has.
    """
    named = rows.filter(pl.col("sample_id").is_null())["source"].unique(maintain_order=True)
    own = rows["sample_id"].max()
    # An id that the manifest now writes beside another file is that file's; the one it was given to gets a new one.
    explicit = rows.select(file_path="source", id="sample_id").drop_nulls().unique("id", keep="first", maintain_order=True)
    given = given.join(explicit.rename({"file_path": "other"}), on="id", how="left", maintain_order="left")
    given = given.filter(pl.col("other").eq_missing(pl.col("file_path")) | pl.col("other").is_null()).drop("other")
    # Where a file that had moved came back, two can have one id: it is that of the path which it was given to last.
    here = given.filter(pl.col("file_path").is_in(named.implode()))
    given = here.unique("id", keep="last", maintain_order=True)
    # Where one row of a file writes its id and another one does not, both mean the same sample.
    own_ids = explicit.join(given, on="file_path", how="anti").unique("file_path", keep="first", maintain_order=True)
    start = max(highest, own if isinstance(own, int) else 0) + 1
    known = pl.concat([given, own_ids])
    new_paths = named.filter(~named.is_in(known["file_path"].implode()))
    if start + len(new_paths) > _HIGHEST_ID:
        raise RequestError(what=f"No sample_id is left above {start - 1}", fix="Give smaller ids in the manifest.")
    new_ids = pl.DataFrame({"file_path": new_paths, "id": np.arange(start, start + len(new_paths))}, GIVEN)
    all_ids = known.vstack(new_ids)
    named_kits, new_kits = identify_kits(rows["kit"].drop_nulls().unique(maintain_order=True), kits)
    identified = rows.with_columns(
        id_given=pl.col("sample_id").is_null(),
        sample_id=pl.col("sample_id").fill_null(_look_up("source", all_ids["file_path"], all_ids["id"])),
        kit_id=_look_up("kit", named_kits["name"], named_kits["id"]),
    )
    return identified, new_ids, new_kits


def identify_kits(names: pl.Series, kits: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the id of each name, and the new kits among them (both ``KITS``).

    A kit that is spelt otherwise than in the records keeps its id. Where the records have both spellings, each keeps its own.
    """
    wanted = pl.DataFrame({"name": names, "folded": fold_kits(names)})
    recorded = kits.sort("id").with_columns(folded=fold_kits(kits.sort("id")["name"]))
    new = wanted.join(recorded, on="folded", how="anti", maintain_order="left").unique(
        "folded", keep="first", maintain_order=True
    )
    highest = kits["id"].max()
    start = (highest if isinstance(highest, int) else 0) + 1
    new = new.with_columns(id=pl.Series(np.arange(start, start + new.height), dtype=pl.Int64))
    known = pl.concat([recorded.select("folded", "id"), new.select("folded", "id")]).unique("folded", keep="first")
    own = recorded.select("name", own="id").unique("name", keep="first")
    named = wanted.join(own, on="name", how="left").join(known, on="folded", how="left")
    return named.select("name", id=pl.coalesce("own", "id")), new.select(*KITS)


def other_spellings(connection: Connection, kits: pl.DataFrame) -> pl.DataFrame:
    """Return the ``id`` of each recorded kit that is one of ``kits`` (``KITS``) under another spelling."""
    recorded = frame(connection, "kits", {}, KITS)
    same = fold_kits(recorded["name"]).is_in(fold_kits(kits["name"]).implode())
    return recorded.filter(same & ~pl.col("id").is_in(kits["id"].implode())).select("id")


def _look_up(column: str, keys: pl.Series, values: pl.Series) -> pl.Expr:
    return pl.col(column).replace_strict(keys, values, default=None, return_dtype=pl.Int64)
