"""Make a manifest of folders: walk > headers > infer > analyze, if asked > propose kits, if asked > merge > write.

The database remembers what was read of each file, so that the next scan reads only what is new or changed, and one that was
killed goes on; and what was written into each manifest, so that what a person edited there is seen and kept.
"""

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Set
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl

from config.settings import Settings, real_path
from flows.scan_files import IS_AUDIO, IS_NOT_AUDIO, SIGNATURE, FileMemory, analyze_sounds, check_stopped, read_headers
from schemas.enums import PadShortHits
from schemas.errors import RequestError
from schemas.music import AUDIO_EXTENSIONS, BANKS, PADS_PER_BANK
from schemas.scan_report import ChangedCell, ScanRequest, ScanResult, SkippedFile, UnseenFolder
from schemas.scan_values import CELLS, INFERRED, SoundAnalysis
from tasks.bundle import card
from tasks.convert.progress import Progress
from tasks.fs.mojibake import repair_path
from tasks.fs.moved_files import find_moved, is_missing
from tasks.fs.system_files import is_conflict_copy
from tasks.manifest.library_names import HYDROGEN
from tasks.manifest.source_paths import absolute
from tasks.manifest.table import read_all_columns
from tasks.manifest.write import EXTENSIONS, state_of, write_manifest
from tasks.scan import kit_proposals, merge, pad_layout, rows
from tasks.scan.kinds import is_drum_hit
from tasks.scan.missing import SeenFolders, is_many
from tasks.scan.own_exports import OwnExports
from tasks.scan.walk import FIXES, LACKING, ScannedFile, SkippedPath, SkipReason, walk
from tasks.store import history, run_folder, scan_memory
from tasks.store.database import Database

# Of fewer samples nobody misses a kit.
_FEWEST_OF_KIT = 4
_FILE_SCHEMA = {"path": pl.String, "root": pl.String, "bytes": pl.Int64, "mtime_ns": pl.Int64, "ctime_ns": pl.Int64}


def scan(request: ScanRequest, settings: Settings, progress: Progress) -> ScanResult:
    """Scan folders, and write a manifest or bring it up to date.

    Raises:
        RequestError: A folder or the manifest cannot be used, no audio file is there and that was not said
            (``drop_missing``), or many rows would be dropped.
        ManifestError: The manifest that is there cannot be read.
        SurroundingsError: The database or the disk failed.
    """
    started = time.perf_counter()
    roots, manifest = _resolve_roots(request.folders), _resolve_manifest(request.manifest)
    state = state_of(manifest)
    old, delimiter = read_all_columns(manifest) if state else (None, "")
    memory = FileMemory(settings)
    database = Database.of(settings)
    known, base = scan_memory.known(database, manifest)
    if old is None:  # what was written into a manifest that is gone does not matter
        base = base.clear()
    progress.enter("listing files")
    listed, skipped = _list_files(roots, _find_own_exports(database), progress)
    with progress:
        files, read = read_headers(listed, known, memory, progress)
        unheard = files["heard"].null_count()
        if request.analyze:
            files = analyze_sounds(files, memory, progress)
    skipped += _skipped_by_content(files)
    audio = files.filter(IS_AUDIO)
    if audio.is_empty() and not (request.drop_missing and old is not None):
        what = f"There is no audio file below {', '.join(roots)}"
        if any(entry.why in (SkipReason.OWN_EXPORT, SkipReason.OWN_CARD) for entry in skipped):
            what += ", but for what sp404 exported itself"
        raise RequestError(what=what, fix="Give a folder of samples. Check that its disk is mounted.")
    new = _make_rows(audio, os.path.dirname(manifest), request.kits)
    closed = [entry.path for entry in skipped if entry.why is SkipReason.UNREADABLE]
    seen = SeenFolders(roots, audio["path"], closed)
    changes = _compare_files(base, roots, audio, seen, request)
    merged = _merge(old, manifest, base, new, changes)
    if old is not None and request.kits and not request.new_pads:  # what has a pad keeps it
        new = kit_proposals.propose_kits(new, _find_pads(old, manifest, changes, merged, new))
        merged = _merge(old, manifest, base, new, changes)
    if not request.provenance:
        merged = _without_provenance(merged, old)
    if old is not None and not request.drop_missing:
        _check_dropped(merged, old.height, manifest)
    written = old is None or not merged.frame.equals(old)
    if written:
        write_manifest(merged.frame, manifest, delimiter, state)
    forgotten = known.filter(_is_below(roots) & ~pl.col("path").is_in(files["path"].implode()))["path"]
    # What is not seen now is not read again when it is back.
    dropped = [path for path in forgotten if not (seen.is_closed(path) or seen.unseen_folder(path))]
    scan_memory.put_rows(
        database, manifest, _next_base(base, new, audio, changes, merged), pl.Series("path", dropped, pl.String)
    )
    scan_memory.add_roots(database, manifest, roots)
    missing, unseen = _find_missing(merged, set(audio["path"]), seen)
    garbled = _find_garbled(missing, os.path.dirname(manifest))
    counts = {"manifest": manifest, "written": written, "files": listed.height, "read": read}
    counts["listened"] = unheard - files["heard"].null_count()
    counts |= _count_short_hits(new, audio, settings) | {"short_padded": _was_padded(database, manifest, settings)}
    counts |= {
        "missing": missing,
        "unseen": unseen,
        "garbled": garbled,
        "changed_files": _find_changed_files(new, audio, known, merged.added),
        "without_kit": _count_without_kit(new) if request.kits else {},
        "without_pad": [] if request.kits else _find_without_pad(merged),
        "conflicts": [cell for cell in new["file_path"] if is_conflict_copy(cell)],
    }
    return _report(counts, merged, new, skipped, time.perf_counter() - started)


def _resolve_roots(folders: list[str]) -> list[str]:
    """Return the folders without links, each once, and none below another."""
    real = []
    for folder in folders:
        path = _resolve(folder)
        if not os.path.isdir(path):
            what = "is not a folder" if os.path.lexists(path) else "does not exist"
            raise RequestError(what=f"{folder} {what}", fix="Give the folder of your samples. Check that its disk is there.")
        real.append(path)
    return [path for path in dict.fromkeys(real) if not any(path != other and _is_inside(path, other) for other in real)]


def _resolve_manifest(path: str) -> str:
    """Return where the manifest really is or will be."""
    real = _resolve(path)
    if Path(real).suffix.lower() not in EXTENSIONS:
        fix = f"Write one beside it, such as -o {Path(path).with_suffix('.csv')}. It can end in {', '.join(EXTENSIONS)}."
        raise RequestError(what=f"{path} is not a table that a scan writes", fix=fix)
    if not os.path.isdir(os.path.dirname(real)):
        raise RequestError(what=f"The folder of {path} does not exist", fix="Make it, or choose another with -o.")
    return real


def _resolve(path: str) -> str:
    try:
        return real_path(os.path.expanduser(path))
    except ValueError as error:
        raise RequestError(what=f"{path}: {error}", fix="Give another.") from error


def _is_inside(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))


def _is_below(folders: list[str]) -> pl.Expr:
    return pl.any_horizontal(pl.col("path").str.starts_with(os.path.join(folder, "")) for folder in folders)


def _find_own_exports(database: Database) -> OwnExports:
    """Return what exports made, by the records, also what a killed one may have made."""
    files: set[str] = set()
    if database.exists:
        outputs = history.outputs(database, None)
        files.update(outputs.select(pl.concat_str("output_path", pl.lit("/"), "path")).to_series())
    for left in run_folder.left_behind(database):
        files |= left.targets
    return OwnExports(frozenset(files), card.is_ours, card.IMPORT)


def _list_files(roots: list[str], own: OwnExports, progress: Progress) -> tuple[pl.DataFrame, list[SkippedPath]]:
    """List all files below the folders (``_FILE_SCHEMA``), and what the walk left out."""
    files: list[tuple[object, ...]] = []
    skipped: list[SkippedPath] = []
    for entry in walk(roots, own):
        check_stopped(progress)
        if isinstance(entry, ScannedFile):
            files.append((entry.path, entry.root, entry.bytes, entry.mtime_ns, entry.ctime_ns))
        else:
            skipped.append(entry)
    return pl.DataFrame(files, _FILE_SCHEMA, orient="row"), skipped


def _skipped_by_content(files: pl.DataFrame) -> list[SkippedPath]:
    """Return the files that cannot be read as audio, and those that are not audio."""
    unreadable = files.filter(pl.col("trouble").is_not_null()).select("path", "trouble", "fix").iter_rows()
    skipped = [SkippedPath(path, SkipReason.UNREADABLE, error, fix) for path, error, fix in unreadable]
    return skipped + [SkippedPath(path, SkipReason.NOT_AUDIO) for path in files.filter(IS_NOT_AUDIO)["path"]]


def _make_rows(audio: pl.DataFrame, folder: str, propose_kits: bool) -> pl.DataFrame:
    """Make the rows of a manifest in ``folder``: ``path`` and ``tasks.scan.rows.COLUMNS``."""
    new = rows.make_rows(audio, folder)
    if audio["heard"].null_count() < audio.height:
        new = rows.add_analyses(new, [_read_analysis(text) for text in audio["heard"]])
    return kit_proposals.propose_kits(new) if propose_kits else new


def _find_pads(
    old: pl.DataFrame, manifest: str, changes: merge.MergeRequest, merged: merge.MergedManifest, new: pl.DataFrame
) -> pad_layout.StandingPads:
    """Return the pads that the manifest has, and those of its rows that stay though their files are not seen.

    Args:
        old: The manifest.
        manifest: Where it is.
        changes: Its files that went elsewhere are looked for under their new paths.
        merged: What it becomes where samples are put on pads anew.
        new: The rows of the scan.
    """
    pads = _read_pads(old, _paths_of(old, manifest).replace(changes.moved))
    seen = set(new["path"])
    held: defaultdict[str, set[int]] = defaultdict(set)
    for path, (kit, pad) in _read_pads(merged.frame, merged.paths).items():
        if path not in seen:
            held[kit].add(pad)
    out = new.filter(pl.col("file_path").is_in(merged.kept_out))["path"]
    return pad_layout.StandingPads({path: pad for path, pad in pads.items() if path in seen}, held, frozenset(out))


def _read_pads(table: pl.DataFrame, paths: pl.Series) -> dict[str, tuple[str, int]]:
    """Return the kit and the pad (from 1 on, through all banks) of each file that has one in a table."""
    names = {name.strip().lower(): name for name in table.columns}
    if not {"kit", "bank", "pad"} <= names.keys():
        return {}
    found = {}
    for path, kit, bank, pad in zip(paths, *(table[names[name]] for name in ("kit", "bank", "pad")), strict=True):
        if kit and bank in BANKS and str(pad).isdecimal():
            found[path] = kit, BANKS.index(bank) * PADS_PER_BANK + int(pad)
    return found


def _read_analysis(text: str | None) -> SoundAnalysis | None:
    """Read an analysis from the JSON that the database keeps."""
    if not text:
        return None
    values = json.loads(text)
    return SoundAnalysis(**values | {"tags": tuple(values["tags"])})


def _compare_files(
    base: pl.DataFrame, roots: list[str], audio: pl.DataFrame, seen: SeenFolders, request: ScanRequest
) -> merge.MergeRequest:
    """Find the files of the manifest that are gone, and where those went that were only moved.

    What lies in a folder that cannot be read now, or in which no audio is seen any more, is not known to be gone: its disk may
    not be there. Of files elsewhere than below the scanned folders, only those are looked for whose content turned up.

    Args:
        base: What the last scan wrote.
        roots: The scanned folders.
        audio: The files that are there.
        seen: The folders with audio.
        request: What was asked for.
    """
    fresh = audio.filter(~pl.col("path").is_in(base["path"].implode())).select("path", SIGNATURE)
    known = base.filter(~pl.col("path").is_in(audio["path"].implode()))
    known = known.filter(_is_below(roots) | pl.col("signature").is_in(fresh["signature"].implode()))
    missing = [path for path in known["path"] if is_missing(path) and not seen.is_closed(path)]
    moved = find_moved(missing, dict(known.select("path", "signature").iter_rows()), fresh.iter_rows())
    below = set(known.filter(_is_below(roots))["path"])
    dropped = [path for path in missing if path in below and (request.drop_missing or not seen.unseen_folder(path))]
    gone = [*moved, *dropped]
    return merge.MergeRequest(frozenset(gone), moved, request.restore, request.kits)


def _check_dropped(merged: merge.MergedManifest, rows: int, manifest: str) -> None:
    """Raise RequestError where many rows would be dropped: that may be a disk, not a decision."""
    if is_many(len(merged.gone), rows):
        what = f"Would drop {len(merged.gone):,} of {rows:,} rows of {manifest}, whose files are gone, such as {merged.gone[0]}"
        raise RequestError(what=what, fix="Check that all disks are there. Add --drop-missing to drop these rows.")


def _find_missing(merged: merge.MergedManifest, found: set[str], seen: SeenFolders) -> tuple[list[str], list[UnseenFolder]]:
    """Return the ``file_path`` of each row whose file does not exist, and the folders in which no audio is seen now."""
    column = _file_path_column(merged.frame)
    missing, unseen = [], Counter[str]()
    for cell, path in zip(merged.frame[column], merged.paths, strict=True):
        if cell and path not in found and not os.path.lexists(path):
            missing.append(cell)
            if folder := seen.unseen_folder(path):
                unseen[folder] += 1
    return missing, [UnseenFolder(path=folder, rows=count) for folder, count in sorted(unseen.items())]


def _count_without_kit(new: pl.DataFrame) -> dict[str, int]:
    """Return the names of folders with samples enough for a kit of which none has a pad, the largest first."""
    folders = new.select(folder=pl.col("path").str.extract(r"(?s)^(.*)/"), has_pad=pl.col("kit").is_not_null())
    counts = folders.group_by("folder").agg(pl.len().alias("samples"), pl.col("has_pad").any())
    without = counts.filter(~pl.col("has_pad") & (pl.col("samples") >= _FEWEST_OF_KIT)).sort(
        "samples", "folder", descending=True
    )
    return {os.path.basename(folder): samples for folder, samples, _ in without.iter_rows()}


def _find_without_pad(merged: merge.MergedManifest) -> list[str]:
    """Return the ``file_path`` of each new row whose file lies beside samples that have a pad."""
    with_pads = {os.path.dirname(path) for path in _read_pads(merged.frame, merged.paths)}
    if not with_pads:
        return []
    added = set(merged.added)
    cells = zip(merged.frame[_file_path_column(merged.frame)], merged.paths, strict=True)
    return [cell for cell, path in cells if cell in added and os.path.dirname(path) in with_pads]


def _find_garbled(missing: list[str], folder: str) -> list[tuple[str, str]]:
    """Return the missing ``file_path`` cells whose letters were garbled, each with that of the file that was meant."""
    garbled = []
    for cell in missing:
        meant = next((text for text in repair_path(cell) if os.path.lexists(os.path.join(folder, text))), None)
        if meant:
            garbled.append((cell, meant))
    return garbled


def _file_path_column(frame: pl.DataFrame) -> str:
    return next(name for name in frame.columns if name.strip().lower() == "file_path")


def _merge(
    old: pl.DataFrame | None, manifest: str, base: pl.DataFrame, new: pl.DataFrame, changes: merge.MergeRequest
) -> merge.MergedManifest:
    """Merge the rows into the manifest that is there, if there is one."""
    if old is None:
        return merge.start_manifest(new)
    return merge.merge_manifest(old, _paths_of(old, manifest), base, new, changes)


def _paths_of(table: pl.DataFrame, manifest: str) -> pl.Series:
    """Return the absolute path of each row of a manifest."""
    return absolute(table[_file_path_column(table)].str.strip_chars().fill_null(""), os.path.dirname(manifest))


def _without_provenance(merged: merge.MergedManifest, old: pl.DataFrame | None) -> merge.MergedManifest:
    """Leave out the columns that say where values came from, but for those that the manifest has already."""
    kept = set(old.columns) if old is not None else set()
    hidden = [name for name in merged.frame.columns if name in rows.PROVENANCE_COLUMNS and name not in kept]
    return replace(merged, frame=merged.frame.drop(hidden))


def _next_base(
    base: pl.DataFrame,
    new: pl.DataFrame,
    audio: pl.DataFrame,
    changes: merge.MergeRequest,
    merged: merge.MergedManifest,
) -> pl.DataFrame:
    """Return what the next scan compares with: the rows of this one, and the older ones of other folders."""
    now = new.select("path", *CELLS).join(audio.select("path", SIGNATURE), on="path", maintain_order="left")
    if not changes.kits:  # none were looked for: they stay as they were, and rows that came (back) have none
        names = base.with_columns(pl.col("path").replace(changes.moved))
        names = names.filter(~pl.col("path").is_in(merged.paths.tail(len(merged.added)).implode()))
        now = now.drop("kit", "bank", "pad").join(names.select("path", "kit", "bank", "pad"), on="path", how="left")
    older = base.filter(~pl.col("path").is_in([*new["path"], *changes.moved, *merged.dropped]))
    return pl.concat([now.select(*scan_memory.ROWS_SCHEMA), older])


def _find_changed_files(new: pl.DataFrame, audio: pl.DataFrame, known: pl.DataFrame, added: list[str]) -> list[str]:
    """Return the ``file_path`` of each row whose file has another size or date than at an earlier scan; not of new rows."""
    before = known.select("path", bytes_before="bytes", mtime_before="mtime_ns")
    is_dated = (pl.col("mtime_ns") != 0) & (pl.col("mtime_before") != 0)
    differs = (pl.col("bytes") != pl.col("bytes_before")) | (is_dated & (pl.col("mtime_ns") != pl.col("mtime_before")))
    changed = audio.select("path", "bytes", "mtime_ns").join(before, on="path").filter(differs)["path"]
    return [path for path in new.filter(pl.col("path").is_in(changed.implode()))["file_path"] if path not in set(added)]


def _was_padded(database: Database, manifest: str, settings: Settings) -> bool:
    """Return whether the last export of the whole manifest added silence to what is too short."""
    last = history.last_whole_export(database, manifest)
    return last is not None and last["settings"].get("pad_to_ms", 0) >= settings.sound().min_duration_ms


def _count_short_hits(new: pl.DataFrame, audio: pl.DataFrame, settings: Settings) -> dict[str, int]:
    """Count the samples that an export with these settings would refuse as too short, and those of them with a pad."""
    sound = settings.sound()
    is_silent = settings.pad_short_hits is PadShortHits.NO or sound.pad_to_ms >= sound.min_duration_ms
    least_ms = 0 if is_silent else sound.min_duration_ms
    seconds = audio.select("path", seconds=pl.col("header").str.json_path_match("$.seconds").cast(pl.Float64))
    short = new.join(seconds, on="path", how="left").filter(pl.col("seconds") * 1000 < least_ms)
    if settings.pad_short_hits is PadShortHits.YES:
        words = short.select("path", pl.col("title").fill_null(""), pl.col("tags").fill_null(""))
        short = short.filter(pl.Series([not is_drum_hit(*row) for row in words.iter_rows()], dtype=pl.Boolean))
    return {"short_hits": short.height, "short_in_kits": short["kit"].count(), "least_ms": sound.min_duration_ms}


def _report(
    counts: dict[str, Any], merged: merge.MergedManifest, new: pl.DataFrame, skipped: list[SkippedPath], seconds: float
) -> ScanResult:
    filled, rows_of = {}, frozenset(merged.paths)
    for name in INFERRED:
        source = f"{name}_source"
        by_source = new.filter(pl.col(name).is_not_null()).group_by(source).len()
        by_source = by_source.sort("len", source, descending=[True, False])
        filled[name] = dict(by_source.iter_rows())
    return ScanResult(
        **counts,
        rows=merged.frame.height,
        added=merged.added,
        gone=merged.gone,
        moved=merged.moved,
        kept_out=merged.kept_out,
        changes=[ChangedCell(**asdict(change)) for change in merged.changes],
        edited=merged.edited,
        duplicates=new["duplicate_of"].count(),
        kits=new["kit"].drop_nulls().n_unique(),
        table_kits=_count_kits(merged.frame) if new["kit"].count() else {},
        filled=filled,
        skipped=dict(Counter(str(entry.why) for entry in skipped)),
        not_audio=_count_extensions(entry.path for entry in skipped if entry.why is SkipReason.NOT_AUDIO),
        lacking=[_report_skipped(entry, rows_of) for entry in skipped if entry.why in LACKING],
        empty=[_report_skipped(entry, rows_of).path for entry in skipped if _is_empty_sound(entry)],
        drumkits=[os.path.dirname(entry.path) for entry in skipped if os.path.basename(entry.path) == HYDROGEN],
        seconds=seconds,
    )


def _count_kits(frame: pl.DataFrame) -> dict[str, int]:
    column = next((name for name in frame.columns if name.strip().lower() == "kit"), None)
    if column is None:
        return {}
    kits = frame.filter(pl.col(column).str.strip_chars() != "").group_by(column, maintain_order=True).len()
    return dict(kits.iter_rows())


def _is_empty_sound(entry: SkippedPath) -> bool:
    return entry.why is SkipReason.EMPTY and Path(entry.path).suffix.lower() in AUDIO_EXTENSIONS


def _count_extensions(paths: Iterable[str]) -> dict[str, int]:
    return dict(Counter(Path(path).suffix.lower() or "without an extension" for path in paths).most_common())


def _report_skipped(entry: SkippedPath, rows_of: Set[str]) -> SkippedFile:
    why = f"{entry.why}: {entry.detail}" if entry.detail else str(entry.why)
    path = entry.path.encode(errors="backslashreplace").decode()
    return SkippedFile(path=path, why=why, fix=entry.fix or FIXES.get(entry.why, ""), has_row=path in rows_of)
