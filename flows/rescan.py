"""Scan the folders of a manifest once more, as before an export at night."""

import os

import polars as pl

from config.settings import Settings
from flows.scan import scan
from schemas.scan_report import ScanRequest, ScanResult
from tasks.convert.progress import Progress
from tasks.store import scan_memory
from tasks.store.database import Database


def scanned_folders(manifest: str, settings: Settings) -> list[str]:
    """Return the folders that were scanned for a manifest (an absolute path), whether or not they are there now."""
    return scan_memory.roots_of(Database.of(settings), manifest)


def rescan(manifest: str, settings: Settings, progress: Progress) -> ScanResult | None:
    """Bring a manifest (an absolute path) up to date with the folders that were scanned for it.

    Folders that are not there now are left out; their rows stay. New sounds are analyzed where those before were.

    Returns:
        The result; None where there is no manifest, no scan made it, or none of its folders is there.

    Raises:
        RequestError, ManifestError, SurroundingsError: As ``flows.scan.scan``; the manifest is as it was.
    """
    database = Database.of(settings)
    folders = [root for root in scanned_folders(manifest, settings) if os.path.isdir(root)]
    if not folders or not os.path.exists(manifest):
        return None
    known, _ = scan_memory.known(database, manifest)
    below = pl.any_horizontal(pl.col("path").str.starts_with(os.path.join(folder, "")) for folder in folders)
    analyze = known.filter(below)["heard"].count() > 0
    return scan(ScanRequest(folders=folders, manifest=manifest, analyze=analyze), settings, progress)
