"""The manifest's columns and the rules of its rows (contract, section 1), as Pandera schemas.

Rows are checked as text, before any cast: casting first would turn junk into accepted nulls, and one bad cell would
hide the others. Each rule is an expression that is true on bad rows, so that every reject carries its rule.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pandera.polars as pa
import polars as pl

from schemas.music import BANKS, BPM_MAX, BPM_MIN, PADS_PER_BANK

COLUMNS = ("sample_id", "file_path", "title", "genre", "bpm", "musical_key", "tags", "kit", "bank", "pad")
REQUIRED = ("file_path",)
# What other programs call the path, in the order in which they are tried; in lower case (contract, section 7).
PATH_ALIASES = ("filepath", "path", "location", "file")
# PATH_MAX on Linux; no field of a manifest has a reason to be longer.
MAX_CELL_BYTES = 4096

REJECT_SCHEMA: dict[str, type[pl.DataType]] = {
    "line": pl.Int64,
    "sample_id": pl.Int64,
    "kit": pl.String,
    "column": pl.String,
    "value": pl.String,
    "rule": pl.String,
    "fix": pl.String,
    "file_path": pl.String,
}
# A row's cells as text, null where empty; `line` is the physical line on which the row starts.
TEXT_SCHEMA: dict[str, type[pl.DataType]] = {"line": pl.Int64} | dict.fromkeys(COLUMNS, pl.String)
TYPED_SCHEMA: dict[str, type[pl.DataType]] = TEXT_SCHEMA | {"sample_id": pl.Int64, "bpm": pl.Float64, "pad": pl.Int64}

_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
# Spreadsheets and data frames write a whole number with a gap in its column as 7.0.
_WHOLE = r"^\+?[0-9]{1,19}(?:\.0*)?$"
# What an optional cell holds where there is nothing to say (contract, section 7).
_NO_VALUE = r"(?i)^(?:0+(?:[.,]0*)?|-|\?|n/a|none)$"
SLOT = ("kit", "bank", "pad")
# A pad with its bank, as the device shows it: A1, A01.
_SLOT_NAME = r"^([A-Ja-j])0*([0-9]{1,2})$"
IS_REQUIRED = "is required"


class ManifestKind(StrEnum):
    """The kind of a manifest file: a table with a row for each sample, or a kit file, which names pads."""

    TABLE = "table"
    KIT = "kit"


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be split into cells. ``line``: the physical line on which it starts (1 is the header)."""

    line: int
    column: str
    value: str
    rule: str
    fix: str


@dataclass(frozen=True)
class Rule:
    """``bad`` is true on the rows that break the rule; ``column`` is the one to blame.

    ``first`` are columns that ``bad`` needs: Polars cannot put one window into another.
    """

    column: str
    text: str
    bad: pl.Expr
    fix: str
    first: tuple[pl.Expr, ...] = ()


def whole(column: str) -> pl.Expr:
    """Return the text column as an integer, null where it is not one."""
    return pl.col(column).str.replace(r"\.0*$", "").str.strip_chars_start("+").cast(pl.Int64, strict=False)


def is_no_value(cell: pl.Expr) -> pl.Expr:
    """Return whether a cell says that there is no value."""
    return cell.str.contains(_NO_VALUE)


def without_unit(bpm: pl.Expr) -> pl.Expr:
    """Return a tempo without the unit behind it: `120 bpm`."""
    return bpm.str.replace(r"(?i)^([0-9.,]+)\s*bpm$", "${1}")


def clear_no_values() -> list[pl.Expr]:
    """Return the optional columns, null where a cell says that there is no value.

    Kit, bank and pad say it together or not at all: pad 0 of a kit is an error, not a sample without a pad.
    """
    single = [name for name in COLUMNS if name not in (*SLOT, *REQUIRED)]
    no_slot = pl.all_horizontal(is_no_value(pl.col(SLOT)).fill_null(True))
    return [
        *(pl.when(~is_no_value(pl.col(name))).then(name).alias(name) for name in single),
        *(pl.when(~no_slot).then(name).alias(name) for name in SLOT),
    ]


def split_slot_names() -> list[pl.Expr]:
    """Return bank and pad, where a pad such as `A1` names its bank too and the bank's cell says nothing else."""
    bank, pad = pl.col("bank").str.to_uppercase(), pl.col("pad")
    named = pad.str.extract(_SLOT_NAME).str.to_uppercase()
    agrees = named.is_not_null() & (bank.is_null() | is_no_value(bank) | (bank == named))
    return [
        pl.when(agrees).then(named).otherwise(bank).alias("bank"),
        pl.when(agrees).then(pad.str.extract(_SLOT_NAME, 2)).otherwise(pad).alias("pad"),
    ]


def _text_rules() -> Iterable[Rule]:
    for column in COLUMNS:
        cell = pl.col(column)
        yield Rule(
            column,
            f"must be at most {MAX_CELL_BYTES} bytes long",
            cell.str.len_bytes() > MAX_CELL_BYTES,
            "Shorten the cell; a quote that is never closed can also swallow the lines that follow.",
        )
        yield Rule(
            column,
            "must not hold a NUL byte",
            cell.str.contains("\0", literal=True),
            "Save the manifest again as UTF-8 text.",
        )
    yield Rule("file_path", IS_REQUIRED, pl.col("file_path").is_null(), "Give the path of the audio file.")


def _number_rules() -> Iterable[Rule]:
    sample_id, bpm = pl.col("sample_id"), pl.col("bpm")
    is_whole, is_number = sample_id.str.contains(_WHOLE), bpm.str.contains(_NUMBER)
    yield Rule(
        "sample_id",
        "must be an integer greater than 0 (and less than 2^63)",
        sample_id.is_not_null() & ~(is_whole & (whole("sample_id") > 0)).fill_null(False),
        "Give a whole number, or leave the cell empty to be given one.",
    )
    yield Rule("bpm", "must be a number", ~is_number, "Write it as 120 or 120.5, or leave the cell empty.")
    value = pl.when(is_number).then(bpm).cast(pl.Float64, strict=False)
    yield Rule(
        "bpm",
        f"must be {BPM_MIN} to {BPM_MAX}",
        ~value.is_between(BPM_MIN, BPM_MAX),
        "Correct the tempo, or leave the cell empty.",
    )


def _slot_rules() -> Iterable[Rule]:
    some = pl.any_horizontal(pl.col(SLOT).is_not_null())
    for column in SLOT:
        yield Rule(
            column,
            "is missing: kit, bank and pad go together",
            some & pl.col(column).is_null(),
            "Fill in all three, or none of them.",
        )
    yield Rule("bank", "must be A to J", ~pl.col("bank").is_in(BANKS), "The device has banks A to J.")
    is_slot_name = pl.col("pad").str.contains(_SLOT_NAME)
    yield Rule(
        "pad",
        "names another bank than the column bank",
        is_slot_name & pl.col("bank").is_in(BANKS),
        "Write the pad as 1 to 16, or correct one of the two banks.",
    )
    yield Rule(
        "pad",
        f"must be 1 to {PADS_PER_BANK}",
        pl.col("pad").is_not_null()
        & ~(is_slot_name & pl.col("bank").is_in(BANKS)).fill_null(False)
        & ~(pl.col("pad").str.contains(_WHOLE) & whole("pad").is_between(1, PADS_PER_BANK)).fill_null(False),
        "A bank has pads 1 to 16.",
    )


def _set_rules() -> Iterable[Rule]:
    """Yield the rules between rows: the first in line order keeps the place, the later ones are rejected."""
    line = pl.col("line")
    # `./kick.wav` and `kick.wav` are one file.
    file_path = pl.col("file_path").str.replace_all(r"/(?:\.?/)+", "/").str.strip_prefix("./")
    other_file = pl.col("sample_id").is_not_null() & (file_path != file_path.first().over("sample_id"))
    yield Rule(
        "sample_id",
        "already belongs to another file",
        other_file,
        "Give each file an id of its own; a sample on several pads repeats its id and its file.",
    )
    # A row that is rejected for its id takes no slot from others.
    holder = pl.when(~pl.col("other_file")).then(line).min().over("kit", "bank", "pad")
    yield Rule(
        "pad",
        "is already taken in this bank of the kit",
        pl.col("kit").is_not_null() & (line != holder),
        "Choose another pad: one sample per slot of a kit.",
        first=(other_file.alias("other_file"),),
    )


ROW_RULES = (*_text_rules(), *_number_rules(), *_slot_rules())
SET_RULES = tuple(_set_rules())


def _check(rule: Rule, number: int) -> pa.Check:
    def passes(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.with_columns(rule.first).select((~rule.bad).fill_null(True))

    return pa.Check(passes, name=str(number), error=str(number), ignore_na=False)


def _schema(rules: tuple[Rule, ...], dtypes: dict[str, type[pl.DataType]]) -> pa.DataFrameSchema:
    """Return a Pandera schema whose checks are named by their rule's place in ``rules``."""
    checks: dict[str, list[pa.Check]] = {name: [] for name in dtypes}
    for number, rule in enumerate(rules):
        checks[rule.column].append(_check(rule, number))
    columns = {name: pa.Column(dtype, checks[name], nullable=name != "line") for name, dtype in dtypes.items()}
    return pa.DataFrameSchema(columns, strict=True)


ROW_SCHEMA = _schema(ROW_RULES, TEXT_SCHEMA)
SET_SCHEMA = _schema(SET_RULES, TYPED_SCHEMA)
