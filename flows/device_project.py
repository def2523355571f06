"""An exported kit as a project that the device can open. Experimental: see docs/device-project.md."""

import operator
import os
import statistics
from dataclasses import dataclass

import polars as pl

from config.device import PROJECT_TEMPOS, PROJECTS, SCREEN_CHARS
from config.settings import Settings, real_path
from flows.export.sd_card import find_card
from schemas.errors import RequestError
from tasks.audio.pcm16 import read_pcm16
from tasks.device_project.project_file import Pad, Project, write_project
from tasks.layout.file_names import sanitize_names
from tasks.store import history
from tasks.store.database import Database

_USUAL_TEMPO = 120.0
_PAD = operator.itemgetter("bank", "pad", "sample_id", "file", "bpm")


@dataclass(frozen=True)
class Made:
    """``missing``: pads of the kit of which no file stands."""

    folder: str
    pads: int
    tempo: float
    missing: list[str]


def make(settings: Settings, kit: str, slot: int, out: str | None = None, card: str | None = None) -> Made:
    """Write ``EXPORT/PROJECT/PROJECT_<slot>`` below ``out``, or below the root of ``card``, from the kit's files that stand.

    Raises RequestError, CardError, ProjectError, and what the database and the disk raise.
    """
    if not 1 <= slot <= PROJECTS:
        raise RequestError(what=f"There is no project {slot}", fix=f"The device has projects 1 to {PROJECTS}.")
    database = Database.of(settings)
    every_row = history.kit_pads(database, kit)
    rows = [row for row in every_row if row["file"]]
    if not rows:
        known = ", ".join(history.kit_names(database)[:10]) or "none"
        raise RequestError(what=f"Kit {kit} not found among the exports", fix=f"Export it first; the records have: {known}.")
    found = find_card(card, initialize=False)
    root = found.root if found else real_path(out or ".")
    folder = os.path.join(root, "EXPORT", "PROJECT", f"PROJECT_{slot:02d}")
    names = sanitize_names(pl.Series([row["title"] for row in rows]), SCREEN_CHARS)
    pads = tuple(
        Pad(bank, pad, name or f"sample_{sample_id}", file, bpm=bpm, one_shot=bpm is None)
        for (bank, pad, sample_id, file, bpm), name in zip(map(_PAD, rows), names, strict=True)
    )
    tempo = rows[0]["tempo"] or _middle([row["bpm"] for row in rows if row["bpm"]])
    write_project(Project(sanitize_names(pl.Series([kit]))[0] or f"project_{slot}", tempo, pads), folder, read_pcm16)
    missing = [f"{row['bank']}{row['pad']}" for row in every_row if not row["file"]]
    return Made(folder, len(pads), tempo, missing)


def _middle(tempos: list[float]) -> float:
    """A tempo for a kit that names none: that of the loop in the middle."""
    lowest, highest = PROJECT_TEMPOS
    return min(max(statistics.median_low(tempos), lowest), highest) if tempos else _USUAL_TEMPO
