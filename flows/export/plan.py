"""Draft the plan of an export: ids, a path for every row, what stands there already, and whose it is."""

import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import polars as pl

from config.settings import Settings
from flows.export.moved_sources import find_moved_sources, notes_of_moves
from flows.export.other_folder import describe_other_folder
from flows.export.output_folder import make_writable, note_scanned_root, room_for_names
from flows.export.request import identity_of, rows_of, select
from flows.export.short_hits import with_padding
from flows.export.stages import DraftPlan, ResolvedRequest, UnselectedRows
from schemas.errors import AccountingError
from schemas.jobs_frame import validate_draft_jobs
from tasks.bundle.metadata_file import metadata_path, metadata_path_of
from tasks.convert.staged_files import recover_staged, unrecorded_files
from tasks.fs.atomic import remove_parts
from tasks.fs.foreign_paths import READ_AS_UTF8, ForeignPathFinder
from tasks.fs.hashing import hash_with_times, is_unmodified
from tasks.fs.stat_table import stat_files
from tasks.layout import actions, sharding
from tasks.layout.actions import SOURCE_STAMP
from tasks.layout.paths import FOREIGN_SAMPLE, PathRules, assign_paths
from tasks.manifest.source_paths import absolute
from tasks.manifest.validate import Manifest
from tasks.store import export_records, run_folder
from tasks.store.export_records import DRY_RUN, PriorState


def draft_plan(resolved: ResolvedRequest, manifest: Manifest, started: float) -> DraftPlan:
    """Place every requested row, and take an export id.

    Args:
        resolved: The request.
        manifest: Its valid and its rejected rows.
        started: ``time.perf_counter()`` at the start of the run, in seconds.

    Raises:
        AccountingError: The manifest has more rows, or fewer, than were accepted and rejected.
        OutputNotWritableError, OutputGoneError: The output folder cannot be used.
        DatabaseBusyError, DatabaseError: The records cannot be read or written.
        WorkingFolderError: The folder beside the database cannot be written.
    """
    _check_accounts(manifest, manifest.frame)
    identity = identity_of(resolved.request, resolved.settings)
    resolved, warning = make_writable(resolved)
    rows = rows_of(manifest)
    moved = find_moved_sources(resolved, rows["source"].unique())
    recover_staged(resolved.target.database, resolved.target.output)
    prior = export_records.begin(resolved.target, rows, identity, moved)
    return _draft(resolved, manifest, prior, warning, started)


def draft_dry_run(resolved: ResolvedRequest, manifest: Manifest, started: float) -> DraftPlan:
    """Place every requested row as the next export would. Write nothing, and take no export id.

    Raises:
        AccountingError: As ``draft_plan``.
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    _check_accounts(manifest, manifest.frame)
    rows = rows_of(manifest)
    moved = find_moved_sources(resolved, rows["source"].unique())
    return _draft(resolved, manifest, export_records.read_prior_state(resolved.target, rows, moved), None, started)


def _draft(
    resolved: ResolvedRequest,
    manifest: Manifest,
    prior: PriorState,
    warning: str | None,
    started: float,
) -> DraftPlan:
    settings, output = resolved.settings, resolved.target.output
    sources = stat_files(prior.rows["source"].unique())
    originals = sources.select("device", "inode", original=pl.lit(True)).drop_nulls().unique()
    holders = _holders(prior.outputs, prior.rows)
    # Names are given to the whole manifest, so that a selection has the names that all of it has.
    all_rows = assign_paths(prior.rows, _path_rules(settings, os.path.dirname(resolved.target.manifest)), holders)
    _check_accounts(manifest, all_rows)
    rows, rejects = select(all_rows, manifest.rejects, resolved.request)
    rejects = rejects.with_columns(file_path=absolute(rejects["file_path"], manifest.folder))
    left_behind = run_folder.left_behind(resolved.target.database)
    jobs = sharding.make_jobs(rows).with_columns(target=pl.concat_str(pl.lit(f"{output}/"), "path"))
    jobs = _with_earlier_files(_with_ownership(jobs, holders, originals), resolved)
    jobs = jobs.with_columns(loudest=0.0, source_peak=pl.lit(None, pl.Float64))
    if prior.reservation != DRY_RUN:
        _sweep_unfinished(output, left_behind)
    jobs = _with_texts(jobs) if settings.include_metadata else jobs.with_columns(has_text=pl.lit(True))
    jobs = with_padding(_with_contents(jobs, prior.outputs, sources, settings), prior.outputs, settings)
    return DraftPlan(
        resolved=resolved,
        reservation=prior.reservation,
        rows=rows,
        all_paths=all_rows["path"],
        unselected=UnselectedRows(
            all_rows.join(rows.select("line"), on="line", how="anti")["source"].unique()
            if resolved.is_selection
            else all_rows["source"].clear(),
            are_rejected=rejects.height < manifest.rejects.height,
        ),
        kit_rows=all_rows.filter(pl.col("kit_id").is_in(rows["kit_id"].drop_nulls().implode())),
        jobs=validate_draft_jobs(jobs),
        prior_outputs=prior.outputs,
        originals=originals,
        rejects=rejects,
        kind=manifest.kind,
        row_word=manifest.row_word,
        kit_tempos=manifest.kit_tempos,
        notes=(
            *manifest.notes,
            *_note_garbled(sources),
            *notes_of_moves(prior.renames, prior.folder),
            *note_scanned_root(resolved),
        ),
        spellings=manifest.spellings,
        other_folder="" if warning else describe_other_folder(resolved, prior),
        folder=prior.folder,
        left_behind=left_behind,
        token=secrets.token_hex(4),
        device=0 if prior.reservation == DRY_RUN else os.stat(output).st_dev,
        warning=warning,
        started=started,
    )


def _check_accounts(manifest: Manifest, accepted: pl.DataFrame) -> None:
    counted = accepted.height + manifest.rejects["line"].n_unique()
    if counted != manifest.rows:
        raise AccountingError(rows=manifest.rows, counted=counted)


def _note_garbled(sources: pl.DataFrame) -> Iterator[str]:
    """Note the paths without a file whose letters a program has garbled; ``sources``: of ``stat_files``."""
    finder = ForeignPathFinder("/")
    missing = sources.filter(pl.col("kind").is_null() & ~pl.col("path").str.contains(r"^[\x00-\x7f]*$"))["path"]
    garbled = [(path, meant) for path in missing if (meant := finder.find_garbled(path))]
    if garbled:
        path, meant = garbled[0]
        yield f"Garbled letters in {len(garbled):,} path{'' if len(garbled) == 1 else 's'}: {path} was {meant}. {READ_AS_UTF8}"


def _path_rules(settings: Settings, source_root: str) -> PathRules:
    room = room_for_names(settings.output_base_path, settings.organize_by)
    return PathRules(settings.organize_by, settings.format, settings.sanitize_filenames, room, settings.names, source_root)


def _holders(outputs: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return who holds each path that earlier exports wrote, in this manifest's ids, for ``assign_paths``.

    A path that was last written from this manifest is its holder's; one from another manifest belongs to the sample
    of the same source file here, if there is one, and else to FOREIGN_SAMPLE: its file is not ours to replace.
    """
    here = rows.select("source", here="sample_id").unique("source", keep="first", maintain_order=True)
    joined = outputs.rename({"source_path": "source"}).join(here, on="source", how="left", maintain_order="left")
    holder = pl.when("same_manifest").then("sample_id").otherwise("here").fill_null(FOREIGN_SAMPLE)
    return joined.select("path", "file_hash", "metadata_hash", sample_id=holder)


def _with_ownership(jobs: pl.DataFrame, holders: pl.DataFrame, originals: pl.DataFrame) -> pl.DataFrame:
    """Add whether each target is ``free``, and whether what stands there is ``ours`` to replace; ``foreign``: it never is.

    Also ``ours_text`` (the same of the metadata file, whose recorded hash is ``text_hash``), and ``output_size``, the bytes
    of a file that stands there. A file may be replaced if it is recorded for this manifest, and is not an original of the
    manifest: by its inode, for a path can be spelt in many ways.
    """
    recorded = holders.filter(pl.col("sample_id") != FOREIGN_SAMPLE)
    # What earlier versions wrote has no hash, and may have a text.
    texts = recorded.filter(pl.col("metadata_hash").is_not_null() | pl.col("file_hash").is_null())
    standing = stat_files(jobs["target"], os.lstat)
    foreign = standing.join(originals, on=["device", "inode"], how="left", maintain_order="left").select(
        (pl.col("original") | (pl.col("kind") == stat.S_IFLNK)).fill_null(False)
    )
    is_recorded = pl.col("path").is_in(recorded["path"].implode())
    text_paths = texts.select(metadata_path_of("path")).to_series().unique()
    jobs = jobs.join(recorded.select("path", text_hash="metadata_hash"), on="path", how="left", maintain_order="left")
    return jobs.with_columns(
        foreign=foreign.to_series(),
        ours=is_recorded & ~foreign.to_series(),
        ours_text=metadata_path_of("path").is_in(text_paths.implode()),
        free=standing["inode"].is_null(),
        output_size=standing.select(pl.when(pl.col("kind") == stat.S_IFREG).then("bytes")).to_series(),
    )


def _with_earlier_files(jobs: pl.DataFrame, resolved: ResolvedRequest) -> pl.DataFrame:
    """Make those targets ``ours``, too, that no record of this folder knows, but whose bytes an export wrote to that path.

    So it is where an output folder was copied or restored without its mark, and where a run was killed in a folder that could
    not be seen since.
    """
    unknown = jobs.filter(~pl.col("ours") & ~pl.col("foreign") & pl.col("output_size").is_not_null())
    database = resolved.target.database
    written = pl.concat([export_records.written_before(resolved.target, unknown["path"]), unrecorded_files(database)])
    written = written.group_by("path").agg("file_hash", pl.col("metadata_hash").drop_nulls())
    written = written.join(unknown.select("path", "target"), on="path")
    with ThreadPoolExecutor(resolved.settings.workers) as pool:
        is_ours = list(pool.map(lambda file: is_unmodified(file["target"], *file["file_hash"]), written.iter_rows(named=True)))
    earlier = written.filter(pl.Series(is_ours, dtype=pl.Boolean))
    texts = [
        path
        for path, target, hashes in earlier.select("path", "target", "metadata_hash").iter_rows()
        if hashes and is_unmodified(metadata_path(target), *hashes)
    ]
    return jobs.drop("foreign").with_columns(
        ours=pl.col("ours") | pl.col("path").is_in(earlier["path"].implode()),
        ours_text=pl.col("ours_text") | pl.col("path").is_in(_series(texts).implode()),
    )


def _series(texts: Iterable[str]) -> pl.Series:
    return pl.Series(sorted(set(texts)), dtype=pl.String)


def _sweep_unfinished(output: str, left_behind: list[run_folder.LeftBehind]) -> None:
    """Remove the unfinished files of killed runs."""
    for left in left_behind:
        for folder in {output, *map(os.path.dirname, left.targets)}:
            remove_parts(folder, left.token)


def _with_texts(jobs: pl.DataFrame) -> pl.DataFrame:
    """Add ``has_text``: whether something stands where the metadata file goes, by the listings of the folders."""
    present: list[str] = []
    for folder in jobs["target"].str.extract(r"(?s)^(.*)/").unique():
        with suppress(OSError):
            present += [f"{folder}/{name}" for name in os.listdir(folder)]
    if not present:
        return jobs.with_columns(has_text=pl.lit(False))
    texts = jobs.select(metadata_path_of("target")).to_series()
    return jobs.with_columns(has_text=texts.is_in(_series(present).implode()))


def _with_contents(jobs: pl.DataFrame, outputs: pl.DataFrame, sources: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Add the size and times of the sources, and ``content_hash`` where it is known or worth reading the file for.

    It is worth it where the content can be that of a file which is there already.
    """
    files = sources.filter(kind=stat.S_IFREG).select(
        pl.col("path").alias("source"), source_bytes="bytes", source_mtime_ns="mtime_ns", source_ctime_ns="ctime_ns"
    )
    jobs = jobs.join(files, on="source", how="left", maintain_order="left")
    jobs = actions.add_known_hashes(jobs, outputs)
    paths = actions.sources_to_hash(jobs, outputs, settings.sound().max_file_bytes)
    with ThreadPoolExecutor(settings.workers) as pool:
        hashed = [(path, *hit) for path, hit in zip(paths, pool.map(hash_with_times, paths), strict=True) if hit]
    names = ("source", "content_hash", *SOURCE_STAMP)
    table = pl.DataFrame(hashed, {name: jobs.schema[name] for name in names}, orient="row")
    return jobs.update(table, on="source", how="left")
