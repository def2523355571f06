"""Check the output folder: can it be written, does the output fit, and how long may a name be."""

import os
import re
import stat
import tempfile
from contextlib import suppress
from hashlib import blake2b

import numpy as np
import polars as pl

from config.settings import Settings
from flows.export.stages import ResolvedRequest
from schemas.enums import OrganizeBy
from schemas.errors import (
    DiskFullError,
    OutputGoneError,
    OutputNotWritableError,
    RequestError,
    SurroundingsError,
    write_failure,
)
from tasks.fs.atomic import create_exclusively, own_part_name, remove, remove_left_parts
from tasks.fs.file_status import free_bytes
from tasks.layout import sharding
from tasks.layout.actions import Action
from tasks.layout.file_names import STEM_BYTES
from tasks.layout.source_folders import MOST_BYTES
from tasks.scan.own_exports import DEFAULT_FOLDER
from tasks.store import export_records, scan_memory

# A path may be 4,096 bytes long with its end (Linux, limits.h); a shorter name has no room for the longest `__<sample_id>`.
_PATH_BYTES = 4_095
_SHORTEST_STEM = 26
# Part of the name of a file that only tries whether a folder can be written.
_TRIAL = "try"
# Where Linux and macOS mount drives.
_ON_A_DRIVE = re.compile(r"/(?:media|run/media/[^/]+|mnt|Volumes)/[^/]+")
# A source's output takes at most so many times its cost (``sharding.estimate_costs``): 8 bits at 8 kHz become 16 at 48.
_MOST_TIMES = 12


def room_for_names(folder: str, organize_by: OrganizeBy) -> int:
    """Return how many bytes a name may have, and the name of the folder it is in.

    Raises:
        RequestError: The output folder's path leaves too little for names.
    """
    left = _PATH_BYTES - len(os.fsencode(folder)) - len("/")
    part = len(".sp404-12345678-1234567text.part")
    if organize_by is OrganizeBy.FLAT:
        room = left - len("_metadata.txt") if left >= part else 0
    elif organize_by is OrganizeBy.FOLDER:
        left -= MOST_BYTES
        room = left - max(len("_metadata.txt"), part)
    else:
        left -= len("/bank_A/")
        room = min((left - len("_metadata.txt")) // 2, left - part)
    if room < _SHORTEST_STEM:
        raise RequestError(what=f"The path of the output folder is too long: {folder}", fix="Choose a shorter --out.")
    return min(STEM_BYTES, room)


def has_room(jobs: pl.DataFrame, settings: Settings) -> bool:
    """Return whether the output of ``jobs`` fits even if all sources unfold as far as any does."""
    most = costs_of(jobs).sum() * _MOST_TIMES
    return bool(most < free_bytes(settings.output_base_path)) and not _lacks_names(jobs, settings)


def check_room(jobs: pl.DataFrame, settings: Settings, sizes: dict[int, int]) -> None:
    """Check that the output of ``jobs`` fits. A file that is replaced makes room.

    Args:
        jobs: Jobs with their action.
        settings: The settings in force.
        sizes: Bytes of output by job, by the sources' headers; 0 where a header does not tell.

    Raises:
        DiskFullError: It does not fit.
    """
    folder = settings.output_base_path
    new = jobs.filter(pl.col("action") == Action.CONVERT)
    unfolded = pl.Series(costs_of(new), dtype=pl.Int64)
    by_header = new["job"].replace_strict(list(sizes), list(sizes.values()), default=0, return_dtype=pl.Int64)
    needed = int(pl.select(pl.when(by_header > 0).then(by_header).otherwise(unfolded)).to_series().sum())
    replaced = int(new.filter("ours")["output_size"].sum())
    free = free_bytes(folder)
    if _lacks_names(jobs, settings) or needed - replaced > free:
        raise DiskFullError(path=folder, needed_mb=(needed - replaced) / 1e6, free_mb=free / 1e6)


def _lacks_names(jobs: pl.DataFrame, settings: Settings) -> bool:
    """Return whether the file system has fewer inodes left than new files need."""
    status = os.statvfs(settings.output_base_path)
    names = 2 if settings.include_metadata else 1
    return bool(status.f_files) and jobs.filter(pl.col("output_size").is_null()).height * names > status.f_favail


def costs_of(jobs: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return what converting each job costs, in bytes of PCM (``sharding.estimate_costs``)."""
    return sharding.estimate_costs(jobs["source"], jobs["source_bytes"].fill_null(0).to_numpy())


def make_writable(resolved: ResolvedRequest) -> tuple[ResolvedRequest, str | None]:
    """Make sure that the output folder can be written; else fall back to a temporary folder, where the settings allow it.

    Returns:
        The request with the folder to write to, and a warning where that is not the one asked for.

    Raises:
        OutputNotWritableError: The folder cannot be written.
        OutputGoneError: The last export went to a card there, and no card is there now.
    """
    folder = resolved.target.output
    card = export_records.last_mount_point(resolved.target)
    if card and card != mount_point(folder) and not (os.path.isdir(folder) and os.listdir(folder)):
        raise OutputGoneError(path=folder)
    try:
        _check_writable(folder)
    except OutputNotWritableError as error:
        if not resolved.settings.fall_back:
            raise
        instead = _temporary(folder)
        _check_writable(instead)
        return resolved.with_output_folder(instead), f"{error}: written to {instead} instead"
    return resolved, None


def _absent_drive(folder: str) -> str:
    """Return where the drive of a folder would be mounted, if systems mount drives there and nothing is there; else ""."""
    drive = _ON_A_DRIVE.match(folder)
    return drive[0] if drive and not os.path.lexists(drive[0]) else ""


def note_scanned_root(resolved: ResolvedRequest) -> tuple[str, ...]:
    """Return a note where the output folder lies in a folder that is scanned for samples; not of the default one's name."""
    folder = resolved.target.output
    if os.path.basename(folder) == DEFAULT_FOLDER:
        return ()
    around = scan_memory.roots_around(resolved.target.database, folder)
    what = "The output folder {} lies in the scanned folder {}: scans leave out only what the records say we wrote there"
    return tuple(f"{what.format(folder, root)}. Choose an --out beside it." for root in around[:1])


def _check_writable(folder: str) -> None:
    if drive := _absent_drive(folder):
        fix = f"Connect it, and run the same command again; or make {drive}, if it is meant to be a folder of this machine."
        raise OutputNotWritableError(path=folder, error=f"no drive is mounted at {drive}", fix=fix)
    try:
        os.makedirs(folder, exist_ok=True)
        remove_left_parts(folder, _TRIAL)  # a run may have been killed just here; another database's may be here now
        trial = os.path.join(folder, own_part_name(_TRIAL, _TRIAL))
        remove(trial)
        with create_exclusively(trial):
            pass
        os.unlink(trial)
    except OSError as error:
        raise folder_failure(folder, error) from error


def folder_failure(folder: str, error: OSError) -> SurroundingsError:
    """Return what it means that a file of ours in an output folder cannot be written."""
    failure = write_failure(os.path.join(folder, "trial"), error)
    if isinstance(failure, SurroundingsError):
        return failure
    return OutputNotWritableError(path=folder, error=error.strerror or str(error))


def _temporary(folder: str) -> str:
    """Return a temporary folder of our own to write to instead: the same one in the next run, unless it is somebody else's."""
    path = temporary_path(folder)
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    status = os.lstat(path)
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return path if is_own else os.path.realpath(tempfile.mkdtemp(prefix="sp404-"))


def temporary_path(folder: str) -> str:
    """Return where exports go for which an output folder cannot be written, unless somebody else is there."""
    name = f"sp404-{os.getuid()}-{blake2b(folder.encode(), digest_size=6).hexdigest()}"
    return os.path.join(os.path.realpath(tempfile.gettempdir()), name)


def mount_point(path: str) -> str:
    """Return where the file system of ``path`` is mounted."""
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path
