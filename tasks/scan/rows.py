"""Make the cells of a manifest from guesses; the analysis of the sound fills in what is still empty."""

import json
import os
from collections.abc import Iterable

import polars as pl

from schemas.scan_values import CELLS, INFERRED, THRESHOLD, SoundAnalysis
from tasks.scan.infer import Guesses

_GUESS = pl.Struct({"value": pl.String, "source": pl.String, "confidence": pl.Float64})
GUESSES_DTYPE = pl.Struct(dict.fromkeys(INFERRED, _GUESS))
# The columns that a scan writes, in their order.
SOURCE_COLUMNS = tuple(name for field in INFERRED for name in (f"{field}_source", f"{field}_confidence"))
ANALYSIS_COLUMNS = ("bpm_alternative", "root_note", "root_note_confidence", "duplicate_of")
COLUMNS = ("file_path", *CELLS, *SOURCE_COLUMNS, *ANALYSIS_COLUMNS, "kit_source", "kit_confidence")
# From this confidence on, a tempo below THRESHOLD is written beside its half or double as a hint, not as the tempo.
_WORTH_A_HINT = 0.55


def guesses_to_json(guesses: Guesses) -> str:
    """Return guesses as the JSON that ``GUESSES_DTYPE`` reads."""
    values = {name: {"value": g.value, "source": g.source, "confidence": g.confidence} for name, g in guesses.items()}
    return json.dumps(values, ensure_ascii=False)


def file_cell(path: str, folder: str) -> str:
    """Return a path as a manifest in ``folder`` writes it: relative if it is below the folder.

    It never looks like a formula, and never has a space in front, which reading would take away.
    """
    below = os.path.join(folder, "")
    cell = path.removeprefix(below)
    return f"./{cell}" if cell[0] in "=+-@" or cell[0].isspace() else cell


def make_rows(files: pl.DataFrame, folder: str) -> pl.DataFrame:
    """Make a row of a manifest for each file.

    Args:
        files: Needs ``path`` and ``guesses`` (String; JSON of ``guesses_to_json``).
        folder: The folder of the manifest.

    Returns:
        ``path`` and ``COLUMNS`` (String, null where empty), in the order of ``files``.
    """
    guesses = pl.col("guesses").str.json_decode(GUESSES_DTYPE)
    cells = []
    for name in INFERRED:
        guess = guesses.struct.field(name).struct
        cells += [
            guess.field("value").alias(name),
            guess.field("source").alias(f"{name}_source"),
            _shown(guess.field("confidence")).alias(f"{name}_confidence"),
        ]
    frame = files.select("path", *cells)
    paths = pl.Series("file_path", [file_cell(path, folder) for path in frame["path"]], pl.String)
    absent = [pl.lit(None, pl.String).alias(name) for name in COLUMNS if name not in frame.columns and name != "file_path"]
    return frame.with_columns(paths, *absent).select("path", *COLUMNS)


def _shown(confidence: pl.Expr) -> pl.Expr:
    return confidence.round(2).cast(pl.String)


def add_analyses(rows: pl.DataFrame, analyses: Iterable[SoundAnalysis | None]) -> pl.DataFrame:
    """Fill in what the analysis of each row's sound says, where a cell is still empty; tags are added to those that are there.

    Args:
        rows: The result of ``make_rows``.
        analyses: One for each row; None where its sound was not analyzed.
    """
    sounds = list(analyses)
    if not any(sounds):
        return rows
    first: dict[str, str] = {}
    cells = []
    for row, sound in zip(rows.iter_rows(named=True), sounds, strict=True):
        cells.append(_fill_in(row, sound, first) if sound else row)
    return pl.DataFrame(cells, rows.schema, orient="row")


def _fill_in(row: dict[str, str | None], sound: SoundAnalysis, first: dict[str, str]) -> dict[str, str | None]:
    """Return the row with the analysis; ``first``: by fingerprint the first ``file_path`` that has it."""
    row = dict(row)
    tags = list(sound.tags)
    if sound.fingerprint:
        original = first.setdefault(sound.fingerprint, str(row["file_path"]))
        if original != row["file_path"]:
            row["duplicate_of"] = original
            tags.append("duplicate")
    if tags:
        row["tags"] = "|".join(filter(None, [row["tags"], *tags]))
        row["tags_source"] = "+".join(filter(None, [row["tags_source"], "analysis"]))
        row["tags_confidence"] = row["tags_confidence"] or "0.9"
    if sound.bpm and not row["bpm"] and row["kind"] != "one-shot":
        row["bpm_alternative"] = f"{sound.bpm_alternative:g}"
        if sound.bpm_confidence >= THRESHOLD:
            row["bpm"], row["bpm_source"], row["bpm_confidence"] = f"{sound.bpm:g}", "analysis", f"{sound.bpm_confidence:g}"
        elif sound.bpm_confidence >= _WORTH_A_HINT:
            row["bpm_alternative"] = f"{sound.bpm:g}|{sound.bpm_alternative:g}"
        else:
            row["bpm_alternative"] = None
    if sound.root and not row["musical_key"]:
        row["root_note"], row["root_note_confidence"] = sound.root, f"{sound.root_confidence:g}"
    return row
