"""Resolve a request once, at the door: manifest, settings, database and output folder; and check what it selects."""

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from hashlib import blake2b
from typing import Any

import polars as pl

from config.settings import Settings, load, real_path
from flows.export.moved_sources import find_moved_sources
from flows.export.stages import ResolvedRequest
from schemas.conversion import CONVERSION
from schemas.enums import OrganizeBy, PadShortHits
from schemas.errors import RequestError
from schemas.export import ExportRequest
from schemas.manifest import ManifestKind
from schemas.run_identity import identity_values
from schemas.spellings import fold_kits
from tasks.fs.hashing import hash_file
from tasks.manifest.kit_references import fill_facts, fill_files, ids_without_file
from tasks.manifest.source_paths import resolve_sources
from tasks.manifest.table import RawManifest, guess_kind, resolve_drumkit
from tasks.manifest.validate import Manifest
from tasks.store import export_records, history
from tasks.store.database import Database
from tasks.store.export_records import ExportTarget

# Fields of a request that are settings, too: what the request says of them wins.
_SETTINGS_OF_REQUEST = ExportRequest.model_fields.keys() & Settings.model_fields.keys()


def resolve(request: ExportRequest, run_by: str = "sp404") -> ResolvedRequest:
    """Fill in what a request leaves open: the file behind a drumkit's folder, and the settings in force.

    Args:
        request: What is asked for.
        run_by: What carries the run out, for the records.

    Raises:
        RequestError: The manifest's path or a setting is not valid.
        DatabaseBusyError, DatabaseError: The preferences in the database cannot be read.
    """
    request = request.model_copy(update={"manifest": resolve_drumkit(request.manifest)})
    try:
        manifest = real_path(request.manifest)
    except ValueError as error:
        raise RequestError(
            what=f"manifest {request.manifest!r}: {error}", fix="Correct it, then run the same command again."
        ) from error
    settings = load(_overrides(request), history.preferences_at).settings
    database = Database(settings.db, settings.lock_wait_seconds)
    return ResolvedRequest(request, settings, ExportTarget(database, manifest, settings.output_base_path), run_by)


def _overrides(request: ExportRequest) -> dict[str, object]:
    """Return the settings that the request itself gives; a kit file is laid out as a kit if nothing else is asked for."""
    given = request.model_dump(include=set(_SETTINGS_OF_REQUEST), exclude_none=True)
    given |= request.config.model_dump(exclude_none=True) | request.sound.model_dump(exclude_none=True)
    if request.kits or guess_kind(request.manifest) is ManifestKind.KIT:
        given.setdefault("organize_by", OrganizeBy.KIT)
    return given


def identity_of(request: ExportRequest, settings: Settings) -> str:
    """Return a hash of what makes two runs the same command: request, settings in force, and the manifest's content.

    Fields that are not part of a run's identity say so themselves (``schemas.run_identity``).
    """
    values = identity_values(request) | identity_values(settings)
    if settings.pad_short_hits is PadShortHits.YES:
        values["pad_short_hits"] = str(PadShortHits.YES)
    text = json.dumps([CONVERSION, values, hash_file(request.manifest)], sort_keys=True)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def fill_kit_from_records(raw: RawManifest, database: Database) -> RawManifest:
    """Fill in, for a kit file, the files of samples named by id alone, and what the records know of its files.

    Tables are returned as they are.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    if raw.kind is ManifestKind.TABLE:
        return raw
    paths = resolve_sources(raw.frame["file_path"].drop_nulls(), raw.folder)
    known = history.known_samples(database, ids_without_file(raw), paths)
    filled = fill_files(raw, dict(known.select("id", "file_path").iter_rows()))
    return fill_facts(filled, known)


def rows_of(manifest: Manifest) -> pl.DataFrame:
    """Return the accepted rows with ``source``, the absolute path of each file."""
    return manifest.frame.with_columns(source=resolve_sources(manifest.frame["file_path"], manifest.folder))


def check_selection(manifest: Manifest, resolved: ResolvedRequest) -> None:
    """Refuse a selection that the manifest does not have, before anything (ids included) is written.

    Raises:
        RequestError: A requested sample or kit is not in the manifest.
    """
    if resolved.is_selection:
        rows = rows_of(manifest)
        if resolved.request.sample_ids and rows["sample_id"].null_count():  # else the manifest's own ids are all there are
            moved = find_moved_sources(resolved, rows["source"].unique())
            rows = export_records.read_prior_state(resolved.target, rows, moved).rows
        select(rows, manifest.rejects, resolved.request)


def _list_some(present: Iterable[Any]) -> str:
    """Return the first few of ids or names in their order; of ids without a gap the first and the last."""
    known = sorted(each for each in present if each is not None)
    if len(known) > 2 and isinstance(known[0], int) and known[-1] - known[0] == len(known) - 1:
        return f"{known[0]} to {known[-1]}"
    return ", ".join(map(str, known[:10])) + (", ..." if len(known) > 10 else "") or "none"


def select(rows: pl.DataFrame, rejects: pl.DataFrame, request: ExportRequest) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the requested rows and the requested rejects. A kit may be requested in any spelling.

    Raises:
        RequestError: A requested sample or kit is not in the manifest.
    """
    wishes = [
        ("sample_id", request.sample_ids, "Sample"),
        ("kit", _spell_as_there(request.kits, pl.concat([rows["kit"], rejects["kit"]])), "Kit"),
    ]
    for column, wanted, noun in wishes:
        present = {*rows[column].unique(), *rejects[column].unique()} if wanted else set()
        missing = [name for name in wanted if name not in present]
        if missing:
            near = _nearest(str(missing[0]), [str(name) for name in present if name]) if noun == "Kit" else ""
            meant = f"Did you mean {near}? " if near else ""
            raise RequestError(what=f"{noun} {missing[0]} not found", fix=f"{meant}The manifest has: {_list_some(present)}.")
    for column, wanted, _ in wishes:
        if wanted:
            rows = rows.filter(pl.col(column).is_in(list(wanted)))
            rejects = rejects.filter(pl.col(column).is_in(list(wanted)))
    return rows, rejects


def _nearest(wanted: str, names: Iterable[str]) -> str:
    """Return the name that is spelt nearly so, or that has the wanted one in it; "" where there is none."""
    spelt = {name.casefold(): name for name in sorted(names)}
    near = [*get_close_matches(wanted.casefold(), spelt, 1), *(name for name in spelt if wanted.casefold() in name)]
    return spelt[near[0]] if near else ""


def _spell_as_there(wanted: Sequence[str], names: pl.Series) -> list[str]:
    """Return the wanted names as those of ``names`` are spelt that mean the same; as they are where none does."""
    there = names.drop_nulls().unique() if wanted else names.clear()
    spellings = dict(zip(fold_kits(there), there, strict=True))
    return [
        spellings.get(folded, name) for folded, name in zip(fold_kits(pl.Series(wanted, dtype=pl.String)), wanted, strict=True)
    ]
