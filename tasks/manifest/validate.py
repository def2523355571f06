"""Validate the rows of a manifest: nothing is dropped without a line, a column, a value and a rule."""

from dataclasses import dataclass, field
from urllib.parse import unquote

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from schemas.manifest import (
    IS_REQUIRED,
    REJECT_SCHEMA,
    ROW_RULES,
    ROW_SCHEMA,
    SET_RULES,
    SET_SCHEMA,
    TYPED_SCHEMA,
    ManifestKind,
    Rule,
    clear_no_values,
    split_slot_names,
    whole,
    without_unit,
)
from schemas.music import normalize_key
from schemas.quick_validation import dtypes_of
from schemas.report import Finding
from tasks.manifest.one_spelling import unify_spellings
from tasks.manifest.table import RawManifest

_SHOWN_CHARS = 80
# The file's name without its folder and its last extension; a backslash is a folder's end on Windows.
_STEM = r"([^/\\]+?)(?:\.[^./\\]*)?[/\\]*$"


@dataclass(frozen=True)
class Manifest:
    """A manifest whose rows were validated; what is not said here is as in ``RawManifest``.

    Attributes:
        rows: How many rows there were: accepted ones plus rejected ones, each once however many rules it broke.
        frame: Accepted rows (``TYPED_SCHEMA``), in line order.
        rejects: One row for each broken rule (``REJECT_SCHEMA``).
        spellings: Kits and genres that are spelt in several ways.
    """

    kind: ManifestKind
    folder: str
    rows: int
    frame: pl.DataFrame
    rejects: pl.DataFrame
    notes: tuple[str, ...] = ()
    kit_tempos: dict[str, float] = field(default_factory=dict)
    spellings: tuple[Finding, ...] = ()
    row_word: str = "line"

    @property
    def rejected_lines(self) -> list[int]:
        """The lines of rejected rows, each once, in order."""
        return sorted(set(self.rejects["line"].to_list()))


def validate(raw: RawManifest) -> Manifest:
    """Check rows one by one as text, cast the good ones, then check the rules between rows.

    Before that, each kit and each genre is given one spelling, so that the rules see the rows of one kit as such.
    """
    spelt = unify_spellings(_read_cells(raw), raw.rejects, raw.keys, raw.row_word)
    good, row_rejects = _split(spelt.cells, ROW_SCHEMA, ROW_RULES, each_alone=True)
    typed = good.with_columns(
        sample_id=whole("sample_id"),
        bpm=pl.col("bpm").cast(pl.Float64),
        musical_key=_normalize_keys(good["musical_key"]),
        pad=whole("pad"),
        title=pl.coalesce("title", _decode_urls(good["file_path"]).str.extract(_STEM)).fill_null(""),
    ).select(TYPED_SCHEMA.keys())
    accepted, set_rejects = _split(typed, SET_SCHEMA, SET_RULES)
    broken_rows = raw.rejects.with_columns(pl.col("kit").replace(spelt.kits)) if spelt.kits else raw.rejects
    rejects = pl.concat([broken_rows, row_rejects, set_rejects]).sort("line", maintain_order=True)
    if raw.keys:
        key = pl.col("line").replace_strict(raw.keys, return_dtype=pl.String).str.slice(0, _SHOWN_CHARS)
        rejects = rejects.with_columns(rule=pl.format("{} (key {})", "rule", key))
    tempos = {spelt.kits.get(kit, kit): tempo for kit, tempo in raw.kit_tempos.items()}
    return Manifest(raw.kind, raw.folder, raw.rows, accepted, rejects, raw.notes, tempos, spelt.findings, raw.row_word)


def lines_without_file(rejects: pl.DataFrame) -> pl.Series:
    """Return the lines of rejected rows that name neither a file nor a sample, such as a row of totals."""
    names_no_file = (pl.col("column") == "file_path") & (pl.col("rule").str.starts_with(IS_REQUIRED))
    return rejects.filter(names_no_file & pl.col("sample_id").is_null())["line"].unique()


def _read_cells(raw: RawManifest) -> pl.DataFrame:
    """Return the cells without what people and spreadsheets write around a value, or in place of one."""
    cells = raw.frame.with_columns(*split_slot_names(), without_unit(pl.col("bpm"))).with_columns(clear_no_values())
    if raw.decimal_comma:
        cells = cells.with_columns(pl.col("bpm").str.replace(r"^([+-]?[0-9]*),([0-9]+)$", "${1}.${2}"))
    return cells


def _normalize_keys(keys: pl.Series) -> pl.Series:
    """Return keys as they are spelt here; what is not a key stays as it is."""
    written = keys.drop_nulls().unique().to_list()
    return keys.replace({key: normalize_key(key) or key for key in written}) if written else keys


def _decode_urls(file_paths: pl.Series) -> pl.Expr:
    """Return the paths, file URLs without their codes for characters such as %20."""
    urls = file_paths.filter(file_paths.str.contains("(?i)^file:").fill_null(False)).unique().to_list()
    paths = pl.lit(file_paths)
    return paths.replace({url: unquote(url) for url in urls}) if urls else paths


def _split(
    frame: pl.DataFrame, schema: pa.DataFrameSchema, rules: tuple[Rule, ...], *, each_alone: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that pass, and the rejects of the others.

    One pass of Polars finds the rows that break a rule; Pandera, whose verdict counts, then has only those to look at, or all
    where rules look at other rows. For one row it takes 20 ms of CPU time, and nearly all manifests have nothing for it.

    Args:
        frame: The rows.
        schema: What Pandera checks: ``rules``, and the columns.
        rules: The rules, in the order of their numbers.
        each_alone: No rule looks at other rows.
    """
    broken = _broken(frame, schema, rules)
    if not broken.any():
        return frame, pl.DataFrame(schema=REJECT_SCHEMA)
    suspects = broken.arg_true() if each_alone else pl.int_range(frame.height, dtype=pl.UInt32, eager=True)
    try:
        schema.validate(frame[suspects], lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].null_count():  # not about a row: a fault of ours, not of the manifest
            raise
        return _without(frame, cases.with_columns(index=suspects[cases["index"].cast(pl.UInt32)]), rules)
    return frame, pl.DataFrame(schema=REJECT_SCHEMA)


def _broken(frame: pl.DataFrame, schema: pa.DataFrameSchema, rules: tuple[Rule, ...]) -> pl.Series:
    """Return which rows break a rule; all, where the columns are not those of the schema."""
    if dict(frame.schema) != dtypes_of(schema) or frame["line"].null_count():
        return pl.Series([True]).new_from_index(0, frame.height)
    first = [column for rule in rules for column in rule.first]
    bad = pl.any_horizontal(rule.bad for rule in rules).fill_null(False)
    return frame.lazy().with_columns(first).select(bad.alias("bad")).collect()["bad"]


def _without(frame: pl.DataFrame, cases: pl.DataFrame, rules: tuple[Rule, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    index = cases["index"]
    rows = frame[index]
    said = pl.DataFrame(
        {"number": range(len(rules)), "rule": [r.text for r in rules], "fix": [r.fix for r in rules]},
        schema_overrides={"number": pl.Int64},
    )
    rejects = pl.DataFrame(
        {
            "line": rows["line"],
            "sample_id": rows.select(whole("sample_id") if rows["sample_id"].dtype == pl.String else "sample_id").to_series(),
            "kit": rows["kit"],
            "column": cases["column"],
            "value": cases["failure_case"].cast(pl.String).str.slice(0, _SHOWN_CHARS).fill_null(""),
            "number": cases["check"].cast(pl.Int64),
            "file_path": rows["file_path"],
        }
    )
    rejects = rejects.join(said, on="number", how="left", maintain_order="left").select(REJECT_SCHEMA.keys())
    keep = pl.Series([True]).new_from_index(0, frame.height).scatter(index.unique(), False)
    return frame.filter(keep), rejects
