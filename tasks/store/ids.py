"""Who is who: ids for samples and kits that the manifest gives none, the same ones in every later run."""

import numpy as np
import polars as pl

from schemas.errors import RequestError
from tasks.store.database import Connection, run

_HIGHEST_ID = 2**63 - 1


def identified_rows(connection: Connection, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    given = dict(run(connection, "given_ids").rows) if rows["sample_id"].null_count() else {}
    kits = dict(run(connection, "kits").rows)
    return with_ids(rows, given, kits, run(connection, "highest_id").one())


def with_ids(
    rows: pl.DataFrame, given: dict[str, int], kits: dict[str, int], highest: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """``rows`` (``source``, ``sample_id``, ``kit``) with all ids, and the ids that are new, in the order of lines."""
    named = rows.filter(pl.col("sample_id").is_null())["source"].unique(maintain_order=True)
    own = rows["sample_id"].max()
    # An id that the manifest now writes beside another file is that file's; the one it was given to gets a new one.
    written = set(rows["sample_id"].drop_nulls())
    given = {path: given_id for path, given_id in given.items() if given_id not in written}
    start = max(highest, own if isinstance(own, int) else 0) + 1
    new_paths = named.filter(~named.is_in(list(given)))
    if start + len(new_paths) > _HIGHEST_ID:
        raise RequestError(what=f"No sample_id is left above {start - 1}", fix="Give smaller ids in the manifest.")
    new_ids = pl.DataFrame({"file_path": new_paths, "id": np.arange(start, start + len(new_paths))})
    all_ids = pl.DataFrame({"file_path": list(given), "id": list(given.values())}, schema=new_ids.schema).vstack(new_ids)
    kit_names = rows["kit"].drop_nulls().unique(maintain_order=True)
    new_names = kit_names.filter(~kit_names.is_in(list(kits)))
    kit_start = max(kits.values(), default=0) + 1
    new_kits = pl.DataFrame({"name": new_names, "id": np.arange(kit_start, kit_start + len(new_names))})
    all_kits = pl.DataFrame({"name": list(kits), "id": list(kits.values())}, schema=new_kits.schema).vstack(new_kits)
    identified = rows.with_columns(
        id_given=pl.col("sample_id").is_null(),
        sample_id=pl.col("sample_id").fill_null(_looked_up("source", all_ids["file_path"], all_ids["id"])),
        kit_id=_looked_up("kit", all_kits["name"], all_kits["id"]),
    )
    return identified, new_ids, new_kits


def _looked_up(column: str, keys: pl.Series, values: pl.Series) -> pl.Expr:
    return pl.col(column).replace_strict(keys, values, default=None, return_dtype=pl.Int64)
