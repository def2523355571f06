"""Find what deserves a look before a kit goes to the device: each finding with its row and what to do. Pure."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import polars as pl

from config.device import LEAST_STRETCH, MOST_STRETCH
from schemas.conversion import TOO_LOUD, clips, decibels
from schemas.enums import KitRule
from schemas.report import Finding


class KitFinding(NamedTuple):
    """Something in a kit that deserves a look: its row (``line``, and ``place`` in words) and pad, and what to do.

    ``bank`` and ``pad`` are None where it is about the kit.
    """

    rule: KitRule
    line: int
    kit: str
    bank: str | None
    pad: int | None
    place: str
    what: str
    fix: str


def lint_kits(
    rows: pl.DataFrame, rejects: pl.DataFrame, tempos: Mapping[str, float], turned_down: bool, row_word: str = "line"
) -> list[Finding]:
    """Check kits for empty kits, tempos out of reach, equal sounds, silence and clipping.

    Args:
        rows: Accepted rows: ``line, sample_id, pad`` (Int64), ``kit, bank`` (String), ``bpm`` (Float64), and where they are
            known ``content_hash`` (String) and ``peak`` (Float64, linear; full scale is 1.0).
        rejects: Rejected rows: ``line, kit`` (``schemas.manifest.REJECT_SCHEMA``).
        tempos: BPM of the kits that have one, by name.
        turned_down: Whether the export turns down what is too loud.
        row_word: What ``line`` counts, in findings.

    Returns:
        Empty kits first, then the others by line.
    """
    found = find_kit_faults(rows, rejects, tempos, turned_down, row_word)
    return [Finding(where=_where(fault), what=fault.what, fix=fault.fix) for fault in found]


def _where(fault: KitFinding) -> str:
    return ", ".join([f"kit {fault.kit}", *([f"{fault.bank}{fault.pad}"] if fault.bank else []), fault.place])


def find_kit_faults(
    rows: pl.DataFrame, rejects: pl.DataFrame, tempos: Mapping[str, float], turned_down: bool, row_word: str = "line"
) -> list[KitFinding]:
    """Check kits as ``lint_kits`` does; return each fault with its rule and its pad."""
    in_kits = rows.filter(pl.col("kit").is_not_null()).sort("line")
    in_kits = in_kits.with_columns(place=pl.format("{} {}", pl.lit(row_word), "line"))
    by_kit = in_kits.partition_by("kit", as_dict=True, maintain_order=True)
    empty = rejects.filter(pl.col("kit").is_not_null() & ~pl.col("kit").is_in(in_kits["kit"].implode()))
    empty = empty.group_by("kit", maintain_order=True).agg(pl.col("line").min())
    checks = [
        chain(_check_tempos(kit, tempos.get(name)), _check_equal_sounds(kit), _check_levels(kit, turned_down))
        for (name,), kit in by_kit.items()
    ]
    of_rows = sorted(chain.from_iterable(checks), key=lambda finding: finding.line)
    return [*(_empty_kit(name, line, f"{row_word} {line}") for name, line in empty.iter_rows()), *of_rows]


_RowFindings = Iterator[KitFinding]


def _empty_kit(kit: str, line: int, place: str) -> KitFinding:
    what, fix = "The kit is empty: none of its rows can be used", "Correct its rows: each is rejected for a reason of its own."
    return KitFinding(KitRule.EMPTY, line, kit, None, None, place, what, fix)


def _row_finding(rule: KitRule, row: dict[str, Any], what: str, fix: str) -> KitFinding:
    return KitFinding(rule, row["line"], row["kit"], row["bank"], row["pad"], row["place"], what, fix)


def _pad(row: dict[str, Any]) -> str:
    return f"{row['bank']}{row['pad']}"


def _check_tempos(kit: pl.DataFrame, tempo: float | None) -> _RowFindings:
    """Find loops that the device's BPM sync cannot bring to one tempo. A kit that names none may have any that suits all."""
    loops = kit.filter(pl.col("bpm").is_not_null()).sort("bpm", "line")
    if loops.is_empty():
        return
    slowest = loops.row(0, named=True)
    if tempo is None:
        most = slowest["bpm"] * MOST_STRETCH / LEAST_STRETCH
        for row in loops.filter(pl.col("bpm") > most).iter_rows(named=True):
            what = f"No tempo suits {row['bpm']:g} BPM and the {slowest['bpm']:g} BPM of {_pad(slowest)}"
            reach = f"the device stretches to {LEAST_STRETCH:.0%} to {MOST_STRETCH:.0%}"
            yield _row_finding(KitRule.TEMPO, row, f"{what}: {reach}", _OTHER_TEMPO)
        return
    reached = (tempo / pl.col("bpm")).is_between(LEAST_STRETCH, MOST_STRETCH)
    for row in loops.filter(~reached).iter_rows(named=True):
        what = f"{row['bpm']:g} BPM cannot be stretched to the kit's {tempo:g} BPM"
        reach = f"the device reaches {row['bpm'] * LEAST_STRETCH:g} to {row['bpm'] * MOST_STRETCH:g}"
        yield _row_finding(KitRule.TEMPO, row, f"{what}: {reach}", _OTHER_TEMPO)


def describe_clipping(peak: float) -> str:
    """Say what an export does to a sample of this peak (linear; full scale is 1.0)."""
    return f"{TOO_LOUD}, and will be clipped: {decibels(peak):+.1f} dBFS"


_OTHER_TEMPO = "Take it to another kit, or take a version of it at half or double the tempo."


def _check_equal_sounds(kit: pl.DataFrame) -> _RowFindings:
    """Find the same bytes under two ids. One sample on several pads repeats its id: that is meant."""
    first: dict[str, dict[str, Any]] = {}
    for row in kit.filter(pl.col("content_hash").is_not_null()).iter_rows(named=True):
        other = first.setdefault(row["content_hash"], row)
        if other["sample_id"] != row["sample_id"]:
            fix = "Give both rows one sample_id if that is meant; else put another sample there."
            yield _row_finding(KitRule.EQUAL_SOUND, row, f"The same sound as {_pad(other)} ({other['place']})", fix)


def _check_levels(kit: pl.DataFrame, turned_down: bool) -> _RowFindings:
    for row in kit.filter(pl.col("peak").is_not_null()).iter_rows(named=True):
        if row["peak"] == 0:
            fix = "Look at the file; leave the pad empty if it is meant to be."
            yield _row_finding(KitRule.SILENT, row, "The sample is silent", fix)
        elif clips(row["peak"]) and not turned_down:
            fix = "--sound guard=folder turns the whole kit down alike."
            yield _row_finding(KitRule.CLIPPING, row, describe_clipping(row["peak"]), fix)
