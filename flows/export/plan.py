"""From a valid manifest to a plan: who is who, where everything goes, what is there already, and whose it is."""

import json
import operator
import os
import secrets
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b

import polars as pl

from config.settings import Settings, load, real_path
from flows.export.output_folder import mount_point, room_for_names, writable
from schemas.conversion import CONVERSION
from schemas.enums import ExportType, OrganizeBy, Status
from schemas.errors import AccountingError, RequestError
from schemas.export import ExportRequest
from schemas.jobs_frame import validate_decided_jobs, validate_draft_jobs
from schemas.manifest import ManifestKind
from schemas.records import ASKED_SCHEMA
from schemas.report import Finding
from schemas.run_identity import identity_values
from tasks.bundle.metadata_file import text_of
from tasks.fs.atomic import hash_of, identified, sweep
from tasks.fs.file_status import statuses
from tasks.fs.hashing import is_unmodified
from tasks.layout import actions, sharding
from tasks.layout.actions import SOURCE_STAMP, Action
from tasks.layout.paths import FOREIGN_SAMPLE, PathRules, assign_paths
from tasks.manifest.kit_references import fill_facts, fill_files, ids_without_file
from tasks.manifest.source_paths import absolute
from tasks.manifest.table import RawManifest, kind_by_name, resolve_drumkit
from tasks.manifest.validate import Manifest
from tasks.store import export_records, history, run_folder
from tasks.store.database import Database
from tasks.store.outcome_table import OUTCOME_SCHEMA


@dataclass(frozen=True)
class Plan:
    """What an export will do.

    ``rows``: every requested row, with its ``path``; ``rejects``: those of the requested rows. ``kit_rows``: all rows of the
    kits that are touched. ``jobs``: one a file, with what has to be done for it (``tasks.layout.actions``); of its target
    they say whether it is ``free``, and whether what may stand there is ``ours`` to replace. ``outputs``: what the records
    say stands below the output folder. ``originals``: device and inode of every source. ``export_id`` is None in a dry run.
    ``killed``: runs that this one does not resume, but ends. ``tempos``: of the kits that have one. ``notes``: what a kit
    file says that is not carried over. ``left_behind``: the plans of killed runs. ``findings``: about its kits. ``stale`` is
    set when it is ``decided``, ``asked`` when the run is ``begun``. ``run_by``: what carries it out, for the records.
    """

    request: ExportRequest
    settings: Settings
    place: export_records.ExportTarget
    manifest_kind: ManifestKind
    identity: str
    export_id: int | None
    resumed: bool
    killed: tuple[int, ...]
    export_type: ExportType
    rows: pl.DataFrame
    planned: pl.Series
    kit_rows: pl.DataFrame
    jobs: pl.DataFrame
    outputs: pl.DataFrame
    originals: pl.DataFrame
    rejects: pl.DataFrame
    tempos: dict[str, float]
    notes: tuple[str, ...]
    left_behind: list[run_folder.LeftBehind]
    token: str
    device: int
    started: float
    warning: str | None
    findings: tuple[Finding, ...] = ()
    asked: export_records.ExportSpec | None = None
    stale: pl.DataFrame | None = None
    run_by: str = "sp404"

    @property
    def rejected(self) -> int:
        return self.rejects["line"].n_unique()

    @property
    def requested(self) -> int:
        return self.rows.height + self.rejected

    @property
    def to_do(self) -> pl.DataFrame:
        """The jobs that have to be done at once; the others are, or follow one of these."""
        return self.jobs.filter(~pl.col("action").is_in([Action.UNCHANGED, Action.FOLLOW]))

    @property
    def to_follow(self) -> pl.DataFrame:
        return self.jobs.filter(action=Action.FOLLOW)


def settings_for(request: ExportRequest) -> Settings:
    """The settings in force for a request: what it leaves open comes from the layers below."""
    try:
        real_path(request.manifest)
    except ValueError as error:
        raise RequestError(what=f"manifest {request.manifest!r}: {error}", fix="Then run the same command again.") from error
    said = {"db", "workers", "runner", "work_pool", "dask_address", "fall_back", "lock_wait_seconds"}
    asked = request.model_dump(include=said, exclude_none=True)
    asked |= request.config.model_dump(exclude_none=True) | request.sound.model_dump(exclude_none=True)
    if request.kits or kind_by_name(request.manifest) is ManifestKind.KIT:
        asked.setdefault("organize_by", OrganizeBy.KIT)
    return load(asked, history.preferences_at).settings


def resolved(request: ExportRequest) -> ExportRequest:
    """The request for the file that is meant: a drumkit's folder stands for the file in it."""
    return request.model_copy(update={"manifest": resolve_drumkit(request.manifest)})


def with_files(raw: RawManifest, request: ExportRequest, settings: Settings) -> RawManifest:
    """A kit file's rows with the files of the samples that it names by their ids alone, and with what it leaves out of all."""
    if raw.kind is ManifestKind.TABLE:
        return raw
    paths = absolute(raw.frame["file_path"].drop_nulls(), raw.folder)
    known = history.known_samples(Database.of(settings), ids_without_file(raw), paths)
    filled = fill_files(raw, dict(known.select("id", "file_path").iter_rows()))
    return fill_facts(filled, known)


def check_selection(manifest: Manifest, request: ExportRequest, settings: Settings) -> None:
    """Raise RequestError for a selection that cannot be: before anything is written, ids included."""
    if request.sample_ids or request.kits:
        _selected(export_records.read_prior_state(_place(request, settings), _rows(manifest)).rows, manifest.rejects, request)


def make_plan(manifest: Manifest, request: ExportRequest, settings: Settings, started: float = 0.0, dry: bool = False) -> Plan:
    """Where every requested row goes, and what is known of its source. A dry run writes nothing, and takes no export id.

    Raises AccountingError when the manifest has more rows, or fewer, than were accepted and rejected.
    """
    _check_accounts(manifest.rows, manifest.frame, manifest.rejects)
    target, rows = _place(request, settings), _rows(manifest)
    identity, warning = _identity(request, settings), None
    if dry:
        known = export_records.read_prior_state(target, rows)
    else:
        settings, warning = writable(settings, target)
        target = _place(request, settings)
        known = export_records.begin(target, rows, identity)
    sources = statuses(rows["source"].unique())
    layout = PathRules(
        settings.organize_by,
        settings.format,
        settings.sanitize_filenames,
        room_for_names(settings.output_base_path, settings.organize_by),
        settings.names,
    )
    held = _holders(known.outputs, known.rows)
    # Names are given to the whole manifest, so that a selection has the names that all of it has.
    every_row = assign_paths(known.rows, layout, held)
    _check_accounts(manifest.rows, every_row, manifest.rejects)
    placed, rejects = _selected(every_row, manifest.rejects, request)
    jobs = sharding.make_jobs(placed)
    jobs = jobs.with_columns(target=pl.concat_str(pl.lit(settings.output_base_path + "/"), "path"))
    left_behind = run_folder.left_behind(target.database)
    originals = sources.select("device", "inode", original=pl.lit(True)).drop_nulls().unique()
    jobs = _with_ownership(jobs, held, left_behind, originals)
    jobs = jobs.with_columns(loudest=0.0, source_peak=pl.lit(None, pl.Float64))
    if not dry:
        for left in left_behind:
            for folder in {settings.output_base_path, *map(os.path.dirname, left.targets)}:
                sweep(folder, left.token)
    jobs = _with_texts(jobs) if settings.include_metadata else jobs.with_columns(has_text=pl.lit(True))
    jobs = _with_contents(jobs, known.outputs, sources, settings)
    return Plan(
        request=request,
        settings=settings,
        place=target,
        manifest_kind=manifest.kind,
        identity=identity,
        export_id=known.export_id,
        resumed=known.resumed,
        killed=known.killed,
        export_type=_export_type(request, settings),
        rows=placed,
        planned=every_row["path"],
        kit_rows=every_row.filter(pl.col("kit_id").is_in(placed["kit_id"].drop_nulls().implode())),
        jobs=validate_draft_jobs(jobs),
        outputs=known.outputs,
        originals=originals,
        rejects=rejects,
        tempos=manifest.kit_tempos,
        notes=manifest.notes,
        left_behind=left_behind,
        token=secrets.token_hex(4),
        device=0 if dry else os.stat(settings.output_base_path).st_dev,
        started=started,
        warning=warning,
    )


def decided(plan: Plan) -> Plan:
    """The plan that knows of each file what has to be done for it, and whose stale files are found."""
    sound = plan.settings.sound()
    jobs = plan.jobs.with_columns(
        settings_hash=actions.sound_recipes(plan.jobs, sound.recipe(), sound.seamless),
        facts=actions.metadata_facts(plan.jobs) if plan.settings.include_metadata else pl.lit(None, pl.String),
        source_peak=pl.when(pl.col("loudest") > 0).then("source_peak"),
    )
    rules = actions.ActionRules(
        organized_by=str(plan.settings.organize_by),
        format=str(plan.settings.format),
        planned_paths=plan.planned,
        may_move=plan.rejects.is_empty(),
        metadata_files=plan.settings.include_metadata,
        only_export_id=(plan.export_id or 0) if plan.request.full else None,
    )
    stale_paths = plan.outputs.filter(actions.is_stale(rules))["path"]
    rules = replace(rules, protected_paths=_sources_among(plan, stale_paths))
    outputs = plan.outputs
    if plan.request.verify_outputs:
        damaged, bad_texts = _damaged(plan)
        outputs = outputs.filter(~pl.col("path").is_in(damaged.implode()))
        jobs = jobs.with_columns(has_text=pl.col("has_text") & ~pl.col("path").is_in(bad_texts.implode()))
    jobs = validate_decided_jobs(actions.decide_actions(jobs, outputs, rules))
    return replace(plan, jobs=jobs, stale=actions.select_stale(plan.outputs, jobs, rules))


def _sources_among(plan: Plan, paths: pl.Series) -> pl.Series:
    """Those of ``paths`` below the output folder that are a row's source now."""
    there = statuses((plan.settings.output_base_path + "/" + paths).alias("path"))
    found = there.with_columns(path=paths).join(plan.originals, on=["device", "inode"], how="inner")
    return found["path"]


def begun(plan: Plan) -> Plan:
    """The plan of a run that the records know of: from now on it can be killed, and resumed.

    Raises WorkingFolderError and what the database raises.
    """
    ours = pl.col("recorded_export_id") == plan.export_id
    there = plan.jobs.filter(action=Action.UNCHANGED).select(
        "path",
        # What the killed run of this export did is its own.
        status=pl.when(ours).then(pl.lit(str(Status.EXPORTED))).otherwise(pl.lit(str(Status.UNCHANGED))),
        output_bytes="recorded_output_bytes",
        output_frames="recorded_output_frames",
    )
    told = plan.jobs.select("path", "settings_hash", "facts", "source_peak")
    rows = plan.rows.join(told, on="path", how="left", maintain_order="left")
    rows = rows.join(there, on="path", how="left", maintain_order="left")
    rows = rows.with_columns(owns_output=pl.col("path").is_first_distinct())
    asked = export_records.ExportSpec(
        export={
            "id": plan.export_id,
            "user_id": plan.request.user_id,
            "export_type": str(plan.export_type),
            "sample_count": plan.requested,
            "output_path": plan.settings.output_base_path,
            "organized_by": str(plan.settings.organize_by),
            "format": str(plan.settings.format),
            "created_at": datetime.now(UTC).replace(tzinfo=None),
            "manifest_path": plan.place.manifest,
            "label": plan.request.label,
            "run_by": plan.run_by,
            "identity": plan.identity,
            "mount_point": mount_point(plan.settings.output_base_path),
        },
        rows=rows.select(pl.col(name).cast(dtype) for name, dtype in ASKED_SCHEMA.items()),
        rejects=plan.rejects,
        kit_rows=plan.kit_rows.select(
            *(pl.col(name).cast(ASKED_SCHEMA[name]) for name in plan.kit_rows.columns if name in ASKED_SCHEMA),
            **_tempos(plan),
        ),
        refreshed=_refreshed(plan.jobs),
    )
    done = rows.filter(status=str(Status.EXPORTED)).select(manifest_line="line")
    export_records.end_killed(plan.place, plan.killed)
    export_records.start(plan.place, asked, done)
    return replace(plan, asked=asked)


def _tempos(plan: Plan) -> dict[str, pl.Expr]:
    """``kit_tempo``, by a kit file alone: a table cannot say one, and so takes none back."""
    if plan.manifest_kind is ManifestKind.TABLE:
        return {}
    return {"kit_tempo": pl.col("kit").replace_strict(plan.tempos, default=None, return_dtype=pl.Float64)}


def _refreshed(jobs: pl.DataFrame) -> pl.DataFrame:
    """What is unchanged but whose source is another file now, or has other times: for the next run to know it at once."""
    new = (pl.col("source") != pl.col("recorded_source_path")) | (pl.col("sample_id") != pl.col("recorded_sample_id"))
    new |= ~pl.col("recorded_same_manifest")
    for name in SOURCE_STAMP:
        new |= pl.col(name).ne_missing(pl.col(f"recorded_{name}"))
    return jobs.filter((pl.col("action") == Action.UNCHANGED) & new).select("path", "sample_id", "source", *SOURCE_STAMP)


def with_finished(plan: Plan, jobs: pl.DataFrame, made: pl.DataFrame | None = None) -> pl.DataFrame:
    """``jobs`` with the outcome of the file that each can have its own from: by the records, or by what this run has
    ``made`` (``tasks.store.outcome_table.frame_of``) for the job that it follows. Those without one are converted.
    """
    if made is None:
        found = export_records.outputs_at(plan.place, jobs["finished"].drop_nulls().unique())
        found = found.with_columns(status=pl.lit(str(Status.EXPORTED)))
    else:
        leaders = plan.jobs.select(leader="job", led_by="path")
        found = made.filter(pl.col("status") == str(Status.EXPORTED), pl.col("file_hash").is_not_null())
        jobs = jobs.join(leaders, on="leader", how="left", maintain_order="left").with_columns(finished="led_by")
    # A source can have changed since the plan was made: then its file is nobody else's.
    found = found.drop(*SOURCE_STAMP).rename({"path": "finished"}).with_columns(there=True)
    jobs = jobs.join(found, on=["finished", "content_hash"], how="left", maintain_order="left")
    base = pl.lit(plan.settings.output_base_path + "/")
    return jobs.with_columns(
        finished=pl.when("there").then(pl.concat_str(base, "finished")),
        moving=pl.col("action") == Action.MOVE,
        error_message=pl.lit(None, pl.String),
        moved_from=pl.lit(None, pl.String),
    )


def with_nothing_finished(jobs: pl.DataFrame) -> pl.DataFrame:
    """``jobs`` of a pass that only reads their sources."""
    blank = {name: pl.lit(None, dtype) for name, dtype in OUTCOME_SCHEMA.items() if name not in jobs.columns}
    return jobs.with_columns(finished=pl.lit(None, pl.String), moving=pl.lit(False), **blank)


def _place(request: ExportRequest, settings: Settings) -> export_records.ExportTarget:
    return export_records.ExportTarget(Database.of(settings), real_path(request.manifest), settings.output_base_path)


def _rows(manifest: Manifest) -> pl.DataFrame:
    return manifest.frame.with_columns(source=absolute(manifest.frame["file_path"], manifest.folder))


def _check_accounts(rows: int, accepted: pl.DataFrame, rejects: pl.DataFrame) -> None:
    counted = accepted.height + rejects["line"].n_unique()
    if counted != rows:
        raise AccountingError(rows=rows, counted=counted)


def _selected(rows: pl.DataFrame, rejects: pl.DataFrame, request: ExportRequest) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The requested rows and rejects. Raises RequestError for a sample or a kit that the manifest does not name."""
    wishes = [("sample_id", request.sample_ids, "Sample"), ("kit", request.kits, "Kit")]
    for column, wanted, noun in wishes:
        there = {*rows[column].unique(), *rejects[column].unique()} if wanted else set()
        missing = [name for name in wanted if name not in there]
        if missing:
            shown = ", ".join(sorted(str(name) for name in there if name is not None)[:10])
            raise RequestError(what=f"{noun} {missing[0]} not found", fix=f"The manifest has: {shown or 'none'}.")
    for column, wanted, _ in wishes:
        if wanted:
            rows = rows.filter(pl.col(column).is_in(list(wanted)))
            rejects = rejects.filter(pl.col(column).is_in(list(wanted)))
    return rows, rejects


def _export_type(request: ExportRequest, settings: Settings) -> ExportType:
    if request.kits or settings.organize_by is OrganizeBy.KIT:
        return ExportType.KIT
    return ExportType.SINGLE if len(request.sample_ids) == 1 else ExportType.BATCH


def _holders(outputs: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """``outputs`` in this manifest's ids, for ``assign_paths``.

    A path that was last written from this manifest is its holder's; one from another manifest is that of the sample
    of the same source file here, if there is one, and else FOREIGN_SAMPLE: its file is not ours to replace.
    """
    here = rows.select("source", here="sample_id").unique("source", keep="first", maintain_order=True)
    found = outputs.rename({"source_path": "source"}).join(here, on="source", how="left", maintain_order="left")
    holder = pl.when("same_manifest").then("sample_id").otherwise("here").fill_null(FOREIGN_SAMPLE)
    return found.select("path", "file_hash", "metadata_hash", sample_id=holder)


def _with_ownership(
    jobs: pl.DataFrame, held: pl.DataFrame, left_behind: list[run_folder.LeftBehind], originals: pl.DataFrame
) -> pl.DataFrame:
    """``jobs`` with ``free`` (nothing stands at the target), ``ours`` (what stands there may be replaced), ``ours_text`` (the
    same of the metadata file, whose recorded hash is ``text_hash``), and the ``output_size`` of a file that stands there.

    It may be replaced if it is recorded for this manifest or was left by a killed run, and is no original of the manifest: by
    its inode, for a path can be spelt in many ways.
    """
    recorded = held.filter(pl.col("sample_id") != FOREIGN_SAMPLE)
    # What earlier versions wrote has no hash, and may have a text.
    texts = recorded.filter(pl.col("metadata_hash").is_not_null() | pl.col("file_hash").is_null())
    left = [_series(path for one in left_behind for path in paths(one)) for paths in (_LEFT_TARGETS, _LEFT_TEXTS)]
    standing = statuses(jobs["target"], os.lstat)
    foreign = standing.join(originals, on=["device", "inode"], how="left", maintain_order="left").select(
        (pl.col("original") | (pl.col("kind") == stat.S_IFLNK)).fill_null(False)
    )
    is_recorded = pl.col("path").is_in(recorded["path"].implode()) | pl.col("target").is_in(left[0].implode())
    text_paths = texts.select(text_of("path")).to_series().unique()
    jobs = jobs.join(recorded.select("path", text_hash="metadata_hash"), on="path", how="left", maintain_order="left")
    return jobs.with_columns(
        ours=is_recorded & ~foreign.to_series(),
        ours_text=text_of("path").is_in(text_paths.implode()) | text_of("target").is_in(left[1].implode()),
        free=standing["inode"].is_null(),
        output_size=standing.select(pl.when(pl.col("kind") == stat.S_IFREG).then("bytes")).to_series(),
    )


_LEFT_TARGETS: Callable[[run_folder.LeftBehind], set[str]] = operator.attrgetter("targets")
_LEFT_TEXTS: Callable[[run_folder.LeftBehind], set[str]] = operator.attrgetter("texts")


def _series(texts: Iterable[str]) -> pl.Series:
    return pl.Series(sorted(set(texts)), dtype=pl.String)


def _with_texts(jobs: pl.DataFrame) -> pl.DataFrame:
    """``jobs`` with ``has_text``: whether something stands where the metadata file is to be; by the lists of the folders."""
    texts = jobs.select(text_of("target")).to_series()
    there: list[str] = []
    for folder in texts.str.extract(r"^(.*)/").unique():
        with suppress(OSError):
            there += [f"{folder}/{name}" for name in os.listdir(folder)]
    return jobs.with_columns(has_text=texts.is_in(_series(there).implode()))


def _with_contents(jobs: pl.DataFrame, outputs: pl.DataFrame, sources: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """``jobs`` with the size and times of their sources, and with the hash of their content where that is known by them,
    or where it can be that of a file which is there already.
    """
    files = sources.filter(kind=stat.S_IFREG).select(
        pl.col("path").alias("source"), source_bytes="bytes", source_mtime_ns="mtime_ns", source_ctime_ns="ctime_ns"
    )
    jobs = jobs.join(files, on="source", how="left", maintain_order="left")
    jobs = actions.add_known_hashes(jobs, outputs)
    paths = actions.sources_to_hash(jobs, outputs, settings.sound().max_file_bytes)
    with ThreadPoolExecutor(settings.workers) as pool:
        seen = [(path, *found) for path, found in zip(paths, pool.map(identified, paths), strict=True) if found]
    names = ("source", "content_hash", *SOURCE_STAMP)
    hashed = pl.DataFrame(seen, {name: jobs.schema[name] for name in names}, orient="row")
    return jobs.update(hashed, on="source", how="left")


def _damaged(plan: Plan) -> tuple[pl.Series, pl.Series]:
    """The paths of output files that are not, byte for byte, what was written, and of those whose metadata files are not
    (``--verify-outputs``).
    """
    there = plan.jobs.select("path", "target").join(plan.outputs, on="path", how="left", maintain_order="left")
    there = there.with_columns(text=text_of("target"))

    with ThreadPoolExecutor(plan.settings.workers) as pool:
        whole = list(pool.map(is_unmodified, there["target"], there["file_hash"]))
        whole_texts = list(pool.map(is_unmodified, there["text"], there["metadata_hash"]))
    return there["path"].filter(~pl.Series(whole, dtype=pl.Boolean)), there["path"].filter(
        ~pl.Series(whole_texts, dtype=pl.Boolean)
    )


def with_loudest(plan: Plan, peaks: dict[int, float]) -> Plan:
    """The plan whose jobs know the peak of the loudest sample that is to keep its balance with them.

    Those of a kit where kits are laid out, else those that lie in one folder: the same drum, played at four strengths.
    ``peaks`` is by job: what was measured now; the others are known from earlier runs, or can't be measured.
    """
    folder = pl.col("source").str.extract(r"^(.*)/")
    in_kit = pl.lit(plan.settings.organize_by is OrganizeBy.KIT) & pl.col("kit_id").is_not_null()
    group = pl.when(in_kit).then(pl.format("{}", "kit_id")).otherwise(pl.format("/{}", folder))
    measured = pl.col("job").replace_strict(list(peaks), list(peaks.values()), default=None, return_dtype=pl.Float64)
    jobs = with_known_peaks(plan).with_columns(source_peak=pl.coalesce(measured, "source_peak"))
    return replace(plan, jobs=jobs.with_columns(loudest=pl.col("source_peak").fill_null(0.0).max().over(group)))


def with_known_peaks(plan: Plan) -> pl.DataFrame:
    """The jobs with ``source_peak``, where an earlier run has measured this sound in this way."""
    base = plan.settings.sound().recipe()
    known = plan.outputs.filter(pl.col("settings_hash").str.starts_with(base) & pl.col("source_peak").is_not_null())
    known = known.select("content_hash", "source_peak").unique("content_hash")
    return plan.jobs.drop("source_peak").join(known, on="content_hash", how="left", maintain_order="left")


def _identity(request: ExportRequest, settings: Settings) -> str:
    """What makes two runs the same command: the request, the settings in force, and the manifest's content."""
    asked = identity_values(request) | identity_values(settings)
    told = json.dumps([CONVERSION, asked, hash_of(request.manifest)], sort_keys=True)
    return blake2b(told.encode(), digest_size=16).hexdigest()
