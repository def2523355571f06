"""Find what deserves a look in a kit, as fields for REST clients: by its rows and the records; no sound is read."""

import os

import polars as pl

from config.settings import Settings
from flows.api.mends import find_mend
from flows.api.problems import strip_folders
from flows.export.foreseen_failures import foresee_failures
from schemas.enums import Guard, KitRule, PadShortHits
from schemas.errors import TooShortError, public_fix
from schemas.kit_api import ClearOrder, KitLint, KitMend, PadFinding, PadResult
from schemas.music import BANKS
from tasks.layout.kit_lint import find_kit_faults
from tasks.manifest.kits.pad_operations import PLACE_OF
from tasks.scan.kinds import is_drum_hit
from tasks.store import history
from tasks.store.database import Database
from tasks.store.record_rows import place_and_text, reject_text

_EMPTY = "Empty the pad"
_CLEARED = {
    KitRule.EQUAL_SOUND: "Take the duplicate out",
    KitRule.SILENT: _EMPTY,
    KitRule.MISSING: _EMPTY,
    KitRule.FAILED: _EMPTY,
}
_ORDER = {bank: place for place, bank in enumerate(BANKS)}


def find_faults(
    database: Database,
    settings: Settings,
    rows: pl.DataFrame,
    rejects: pl.DataFrame,
    tempos: dict[str, float],
) -> KitLint:
    """Find the faults of one kit.

    Args:
        database: What is known of the sounds.
        settings: By which it would be exported.
        rows: Its accepted rows, with ``source``.
        rejects: Its other rows.
        tempos: Its BPM by its name, if it has one.
    """

    def add(rule: KitRule, bank: str | None, pad: int | None, text: str, fix: str) -> None:
        mend = _mend(rule, f"{bank}{pad}", settings)
        found.append(PadFinding(bank=bank, pad=pad, rule=rule, text=text, fix=fix, mend=mend))

    found: list[PadFinding] = []
    ids = rows["sample_id"].drop_nulls().unique().to_list()
    sounds = history.known_sounds(database, ids, settings.sound().recipe()).rename({"id": "sample_id"})
    heard = rows.join(sounds, on="sample_id", how="left", maintain_order="left")
    turned_down = settings.guard is not Guard.NONE or settings.normalize_dbfs != "off"
    for fault in find_kit_faults(heard, rejects.clear(), tempos, turned_down):
        add(fault.rule, fault.bank, fault.pad, fault.what, fault.fix)
    failures = foresee_failures(database, heard["source"], settings.sound())
    unheard = 0
    for row in heard.iter_rows(named=True):
        failure = failures.get(row["source"])
        if not os.path.lexists(row["source"]):
            what = f"Audio file not found: {os.path.basename(row['source'])}"
            add(KitRule.MISSING, row["bank"], row["pad"], what, "Bring the file back, or put another sample there.")
        elif failure and failure.reason == TooShortError.reason:
            words = (row[name] or "" for name in ("source", "title", "tags"))
            if settings.pad_short_hits is not PadShortHits.YES or not is_drum_hit(*words):  # which get silence
                add(KitRule.TOO_SHORT, row["bank"], row["pad"], failure.error, TooShortError.public_remedy)
        elif failure:
            what = f"Its last export failed: {strip_folders(failure.error)}"
            fix = public_fix(failure.error, failure.reason, failure.fix)
            add(KitRule.FAILED, row["bank"], row["pad"], what, strip_folders(fix))
        elif row["peak"] is None:
            unheard += 1
    for row in rejects.select("fix", text=place_and_text("line", reject_text())).iter_rows(named=True):
        add(KitRule.REJECTED, None, None, row["text"], row["fix"])
    found.sort(key=lambda finding: (_ORDER.get(finding.bank or "", -1), finding.pad or 0))
    return KitLint(findings=found, unheard=unheard, results=_find_results(database, rows))


def _find_results(database: Database, rows: pl.DataFrame) -> list[PadResult]:
    """Return what became of the pads in the last export of the kit, of those that have the same samples still."""
    slots = ["bank", "pad", "sample_id"]
    kit = next(iter(rows["kit"].drop_nulls()), "")
    there = history.kit_results(database, kit).join(rows.select(slots).unique(), on=slots, how="semi")
    return [PadResult(**row | {"error": strip_folders(row["error"] or "")}) for row in there.drop("sample_id").to_dicts()]


def _mend(rule: KitRule, pad: str, settings: Settings) -> KitMend | None:
    if rule is KitRule.CLIPPING:
        return KitMend(words="Guard this kit", sound={"guard": Guard.FOLDER.value})
    if rule is KitRule.TOO_SHORT and (short := find_mend(TooShortError.reason, settings)):
        return KitMend(words=short.words, sound=short.sound)
    if rule in _CLEARED and pad in PLACE_OF:
        return KitMend(words=_CLEARED[rule], operations=[ClearOrder(op="clear", pad=pad)])
    return None
