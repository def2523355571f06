"""Begin an export: write down what it is to do, so that from then on it can be killed, and resumed."""

import json

import polars as pl

from flows.export.other_layouts import select_to_remove
from flows.export.output_folder import folder_failure, mount_point
from flows.export.repeat import REPEATABLE
from flows.export.stages import DecidedPlan, DraftPlan, RunningExport
from schemas.enums import Status
from schemas.manifest import ManifestKind
from schemas.records import REQUESTED_ROWS
from tasks.fs.place_mark import PlaceMark, write_mark
from tasks.layout.actions import SOURCE_STAMP, Action
from tasks.store import export_records
from tasks.store.export_records import ExportSpec
from tasks.store.timestamps import utc_now


def begin(plan: DecidedPlan) -> RunningExport:
    """Put the export, its rows and what of it is there already into the records, and end the killed runs before it.

    Raises:
        WorkingFolderError: The folder beside the database cannot be written.
        DatabaseBusyError, DatabaseError: The records cannot be written.
        OutputNotWritableError: The output folder's mark cannot be written.
    """
    draft = plan.draft
    rows = _requested_rows(plan)
    mark = _mark(plan)
    spec = ExportSpec(
        export=_export_row(draft) | {"folder_id": mark.id, "folder_run": mark.run},
        rows=rows.select(pl.col(name).cast(dtype) for name, dtype in REQUESTED_ROWS.items()),
        rejects=draft.rejects,
        kit_rows=_kit_rows(draft),
        refreshed=_refreshed(plan.jobs),
        row_word=draft.row_word,
    )
    done = rows.filter(status=str(Status.EXPORTED)).select(manifest_line="line")
    export_records.end_killed(draft.target, draft.reservation.killed)
    export_records.start(draft.target, spec, done)
    return RunningExport(plan, spec)


def _mark(plan: DecidedPlan) -> PlaceMark:
    """Return the mark of the output folder; a new one, or one with the next number, is written if something will be there."""
    known, folder = plan.draft.folder.mark, plan.draft.target.output
    request = plan.draft.request
    removes = request.prune and not plan.stale.is_empty()
    removes = removes or not select_to_remove(plan.other_layouts, request).is_empty()
    writes = not plan.first_jobs.is_empty() or removes
    if known and not writes:
        return known
    mark = (known or PlaceMark.new()).next_run()
    try:
        write_mark(folder, mark)
    except OSError as error:
        raise folder_failure(folder, error) from error
    return mark


def _requested_rows(plan: DecidedPlan) -> pl.DataFrame:
    """Return the requested rows with what their jobs decided, and the status of those that are there already."""
    own = pl.col("recorded_export_id") == plan.draft.reservation.export_id
    unchanged = plan.jobs.filter(action=Action.UNCHANGED).select(
        "path",
        # What the killed run of this export did is its own.
        status=pl.when(own).then(pl.lit(str(Status.EXPORTED))).otherwise(pl.lit(str(Status.UNCHANGED))),
        output_bytes="recorded_output_bytes",
        output_frames="recorded_output_frames",
    )
    decided = plan.jobs.select("path", "settings_hash", "facts", "source_peak")
    rows = plan.draft.rows.join(decided, on="path", how="left", maintain_order="left")
    rows = rows.join(unchanged, on="path", how="left", maintain_order="left")
    return rows.with_columns(owns_output=pl.col("path").is_first_distinct())


def _export_row(draft: DraftPlan) -> dict[str, object]:
    """Return the row of ``sp404_exports``, but for what is known at the end alone."""
    resolved, settings = draft.resolved, draft.settings
    return {
        "id": draft.reservation.export_id,
        "user_id": resolved.request.user_id,
        "export_type": str(resolved.export_type),
        "sample_count": draft.requested,
        "output_path": settings.output_base_path,
        "organized_by": str(settings.organize_by),
        "format": str(settings.format),
        "created_at": utc_now(),
        "manifest_path": resolved.target.manifest,
        "label": resolved.request.label,
        "run_by": resolved.run_by,
        "identity": draft.reservation.identity,
        "mount_point": mount_point(settings.output_base_path),
        # Beside the settings: by it the records know what a card is to have (``flows.export.card_currency``).
        "settings": json.dumps(
            settings.model_dump(mode="json", include=set(REPEATABLE)) | {"is_selection": resolved.is_selection}
        ),
    }


def _kit_rows(draft: DraftPlan) -> pl.DataFrame:
    """Return all rows of the kits that are touched; with ``kit_tempo`` for a kit file alone.

    A table cannot say a tempo, and so takes none back.
    """
    columns = [pl.col(name).cast(REQUESTED_ROWS[name]) for name in draft.kit_rows.columns if name in REQUESTED_ROWS]
    if draft.kind is ManifestKind.KIT:
        tempo = pl.col("kit").replace_strict(draft.kit_tempos, default=None, return_dtype=pl.Float64)
        columns.append(tempo.alias("kit_tempo"))
    return draft.kit_rows.select(columns)


def _refreshed(jobs: pl.DataFrame) -> pl.DataFrame:
    """Return the unchanged files whose source is another file now, or has other times, so that the next run knows them."""
    new = (pl.col("source") != pl.col("recorded_source_path")) | (pl.col("sample_id") != pl.col("recorded_sample_id"))
    new |= ~pl.col("recorded_same_manifest")
    for name in SOURCE_STAMP:
        new |= pl.col(name).ne_missing(pl.col(f"recorded_{name}"))
    return jobs.filter((pl.col("action") == Action.UNCHANGED) & new).select("path", "sample_id", "source", *SOURCE_STAMP)
