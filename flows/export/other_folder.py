"""Say where a manifest went so far, if it is about to go to a folder that it never went to: --out may be forgotten."""

import os
import shlex

import polars as pl

from flows.export.output_folder import temporary_path
from flows.export.stages import ResolvedRequest
from schemas.enums import OrganizeBy
from tasks.store import run_folder
from tasks.store.export_records import PriorState
from tasks.store.recorded_results import other_folders
from tasks.store.renames import Renamed


def describe_other_folder(resolved: ResolvedRequest, prior: PriorState) -> str:
    """Return where earlier exports of the manifest went, and the option that goes on there; empty where none did.

    Kits have folders of their own: exports by kit are compared with exports by kit alone. So has a layout where the folder is
    named in the request.

    Args:
        resolved: The request; its output folder is the one that is written to.
        prior: The state of the records before the export.

    Raises:
        DatabaseBusyError, DatabaseError: The records cannot be read.
    """
    target = resolved.target
    if target.manifest.startswith(os.path.join(run_folder.requests_folder(target.database), "")):
        return ""  # it is a selection of a client, for this once
    if not prior.renames.filter(pl.col("kind").is_in([Renamed.FOLDER, Renamed.COPY])).is_empty():
        return ""  # the folder is one of the earlier ones
    manifests = [target.manifest, *prior.renames.filter(kind=Renamed.MANIFEST)["old"]]
    layout = resolved.settings.organize_by
    is_alone = layout is OrganizeBy.KIT or resolved.request.config.output_base_path is not None
    layouts = [layout] if is_alone else [other for other in OrganizeBy if other is not OrganizeBy.KIT]
    folders = other_folders(target.database, manifests, target.output, layouts)
    there = [folder for folder in folders if os.path.isdir(folder) and folder != temporary_path(target.output)]
    if not there:
        return ""
    others = "" if len(there) == 1 else f" and {len(there) - 1:,} other folder{'' if len(there) == 2 else 's'}"
    earlier = f"Earlier exports of {os.path.basename(target.manifest)} went to {there[0]}{others}"
    return f"{earlier}, this one goes to {target.output}: --out {shlex.quote(there[0])} goes on there"
