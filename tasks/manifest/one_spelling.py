"""Give one spelling to the kits and genres of a manifest that are spelt in several ways: that of the first row."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from schemas.report import Finding
from schemas.spellings import fold_genres, fold_kits

_MOST_LINES = 3
_COLUMNS: dict[str, Callable[[pl.Series], pl.Series]] = {"kit": fold_kits, "genre": fold_genres}
_FIXES = {
    "kit": "Write it alike in all rows; give another name to what is another kit.",
    "genre": "Write it alike in all rows.",
}


@dataclass(frozen=True)
class OneSpelling:
    """Rows in which each kit and each genre has one spelling.

    Attributes:
        cells: The rows.
        kits: The kit's spelling in ``cells`` by each other one that was there.
        findings: What was spelt in several ways, where, and what to do.
    """

    cells: pl.DataFrame
    kits: dict[str, str]
    findings: tuple[Finding, ...]


def unify_spellings(cells: pl.DataFrame, rejects: pl.DataFrame, keys: Mapping[int, str], row_word: str) -> OneSpelling:
    """Spell each kit and each genre as the first line that names it does.

    Args:
        cells: Needs ``line`` (Int64), ``kit`` and ``genre`` (String).
        rejects: Rows that have a ``line`` and a ``kit``, too.
        keys: What to call a line that is a number in a file without lines.
        row_word: What the others count, "line" or "row".
    """
    kits: dict[str, str] = {}
    findings: list[Finding] = []
    for column, fold in _COLUMNS.items():
        named = cells.select("line", name=column)
        if column == "kit" and rejects["kit"].count():
            named = pl.concat([named, rejects.select("line", name="kit")]).sort("line", maintain_order=True)
        others = _find_other_spellings(named["name"], fold)
        if others:
            cells = cells.with_columns(pl.col(column).replace(others))
            findings += _describe(column, named, others, keys, "key" if keys else row_word)
            kits = others if column == "kit" else kits
    return OneSpelling(cells, kits, tuple(findings))


def _find_other_spellings(names: pl.Series, fold: Callable[[pl.Series], pl.Series]) -> dict[str, str]:
    """Return the first spelling of each name, by each of its other spellings."""
    distinct = names.drop_nulls().unique(maintain_order=True)
    spelt = pl.DataFrame({"name": distinct, "folded": fold(distinct)}).with_columns(first=pl.col("name").first().over("folded"))
    return dict(spelt.filter(pl.col("name") != pl.col("first")).select("name", "first").iter_rows())


def _describe(column: str, named: pl.DataFrame, others: Mapping[str, str], keys: Mapping[int, str], noun: str) -> list[Finding]:
    """Describe each name that has several spellings: with each of them, and the lines where it stands."""
    several = pl.Series([*others, *others.values()]).unique()
    lines = named.filter(pl.col("name").is_in(several.implode())).group_by("name", maintain_order=True)
    spelt: dict[str, list[str]] = {}
    for name, first_lines, count in lines.agg(pl.col("line").head(_MOST_LINES), count=pl.len()).iter_rows():
        spelt.setdefault(others.get(name, name), []).append(f"{_show(name)} ({_places(first_lines, count, keys, noun)})")
    return [
        Finding(
            where=f"{column} {first}",
            what=f"It is spelt in {len(spellings)} ways, and taken for one {column}: {', '.join(spellings)}",
            fix=_FIXES[column],
        )
        for first, spellings in spelt.items()
    ]


def _show(name: str) -> str:
    """Return a name in quotes, in which characters that look alike look different."""
    return repr(name) if unicodedata.is_normalized("NFC", name) else ascii(name)


def _places(lines: list[int], count: int, keys: Mapping[int, str], noun: str) -> str:
    shown = ", ".join(keys.get(line, str(line)) for line in lines)
    more = f" and {count - len(lines):,} more" if count > len(lines) else ""
    return f"{noun}{'' if count == 1 else 's'} {shown}{more}"
