"""Make the cells of a manifest from guesses; the analysis of the sound fills in what is still empty."""

import json
import os
from collections.abc import Iterable

import polars as pl

from schemas.instruments import PERCUSSIVE, split_music
from schemas.scan_values import CELLS, INFERRED, THRESHOLD, SoundAnalysis
from tasks.scan.infer import Guesses
from tasks.scan.kinds import says_effect
from tasks.scan.name_parser import find_numbers, normalize
from tasks.scan.note_names import find_note

_GUESS = pl.Struct({"value": pl.String, "source": pl.String, "confidence": pl.Float64})
GUESSES_DTYPE = pl.Struct(dict.fromkeys(INFERRED, _GUESS))
# The columns that a scan writes, in their order.
SOURCE_COLUMNS = tuple(name for field in INFERRED for name in (f"{field}_source", f"{field}_confidence"))
ANALYSIS_COLUMNS = ("bpm_alternative", "root_note", "root_note_confidence", "duplicate_of")
# Where the values come from, how sure they are, and what was heard beside them: for who asks (``scan --provenance``).
PROVENANCE_COLUMNS = (*SOURCE_COLUMNS, *ANALYSIS_COLUMNS, "kit_source", "kit_confidence")
COLUMNS = ("file_path", *CELLS, *PROVENANCE_COLUMNS)
# From this confidence on, a tempo below THRESHOLD is written beside its half or double as a hint, not as the tempo.
_WORTH_A_HINT = 0.55
# How sure a tempo is that a name states and the sound confirms; and how far a cut or a tail takes them apart.
_BOTH_SAY, _NEAR = 0.75, 0.03
# From this confidence on, a rhythm is heard where a drum's word alone says one-shot (``tasks.scan.kinds``).
_SURELY_A_LOOP, _BY_A_WORD = 0.7, 0.75

# A name that may end in a note, in letters of ASCII or in others that look like them. To look closer takes much longer.
_MAY_HAVE_NOTE = r"[/ _-][A-Ga-g][#b]?[0-8]?[\s\x00-\x1f]*(?:\.[^./]*)?$|[^\x00-\x7f]"


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
    may_be = frame["path"].str.contains(_MAY_HAVE_NOTE)
    notes = [find_note(*_words_of(path)) if may else None for path, may in zip(frame["path"], may_be, strict=True)]
    roots = pl.Series("root_note", [note.value if note else None for note in notes], pl.String)
    sure = pl.Series("root_note_confidence", [f"{note.confidence:g}" if note else None for note in notes], pl.String)
    has_no_key = pl.col("musical_key").is_null()
    frame = frame.with_columns(roots, sure).with_columns(pl.when(has_no_key).then(pl.col(roots.name, sure.name)))
    absent = [pl.lit(None, pl.String).alias(name) for name in COLUMNS if name not in frame.columns and name != "file_path"]
    return frame.with_columns(paths, *absent).select("path", *COLUMNS)


def _words_of(path: str) -> tuple[str, tuple[str, ...]]:
    """Return the stem of a file, and its nearest two folders."""
    *folders, name = path.split("/")[-3:]
    return normalize(os.path.splitext(name)[0]), tuple(normalize(folder) for folder in reversed(folders) if folder)


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
    if sound.bpm and not row["bpm"]:
        _fill_in_tempo(row, sound)
    is_drum = row["kind"] == "one-shot" and not PERCUSSIVE.isdisjoint((row["tags"] or "").split("|"))
    is_sure = sound.root_confidence >= THRESHOLD
    if sound.root and is_sure and not row["musical_key"] and not row["root_note"] and not is_drum:
        row["root_note"], row["root_note_confidence"] = sound.root, f"{sound.root_confidence:g}"
    return row


def _fill_in_tempo(row: dict[str, str | None], sound: SoundAnalysis) -> None:
    """Write the tempo that was heard, and the kind that follows; or half and double as a hint where it may be either.

    A noise has none. A number in the name or a folder that is near one of both says which it is.
    """
    stem, folders = _words_of(str(row["path"]))
    words = {word for name in (stem, *folders) for word in split_music(name)}
    if says_effect(tuple(words)) or "fx" in (row["tags"] or "").split("|"):
        return
    confidence, source = sound.bpm_confidence, "analysis"
    bpm, other = sound.bpm, sound.bpm_alternative
    if confidence >= _WORTH_A_HINT:
        numbers = find_numbers(stem, list(folders))
        named = [(number, heard) for number in numbers for heard in (bpm, other) if heard and abs(number / heard - 1) <= _NEAR]
        if len(named) == 1:
            ((number, heard),) = named
            bpm, other, source = number, number / heard * (bpm + other - heard), "name+analysis"
            confidence = max(confidence, _BOTH_SAY)
    if row["kind"] == "one-shot":
        # A drum's word in the name of a rhythm; `one shot` itself is more.
        by_a_word = row["kind_source"] in ("name", "folder") and float(row["kind_confidence"] or 1) <= _BY_A_WORD
        if not by_a_word or sound.bpm_confidence < _SURELY_A_LOOP:
            return
        row["kind"] = None
    if confidence >= THRESHOLD:
        row["bpm"], row["bpm_source"], row["bpm_confidence"] = f"{bpm:g}", source, f"{confidence:g}"
        row["bpm_alternative"] = f"{round(other, 2):g}"
        if not row["kind"]:
            row["kind"], row["kind_source"], row["kind_confidence"] = "loop", "analysis", row["bpm_confidence"]
    elif confidence >= _WORTH_A_HINT:
        row["bpm_alternative"] = f"{bpm:g}|{other:g}"
